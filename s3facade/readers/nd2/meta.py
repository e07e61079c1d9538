"""What an ND2 file says about its images beside the pixels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from s3facade.core.spec import Channel
from s3facade.readers.nd2.variant import inside, items
from s3facade.readers.trees import colour, integer, number, positive

_EPOCH = 2440587.5
"""The Julian day of 1970-01-01, 00:00 UTC."""


def planes(meta: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The channels, as the picture's metadata list them."""
    found = items(inside(meta, "sPicturePlanes/sPlaneNew")) or items(inside(meta, "sPicturePlanes/sPlane"))
    return [p for p in found if isinstance(p, Mapping)]


def channels(meta: Mapping[str, Any]) -> tuple[Channel, ...]:
    """One per plane."""
    return tuple(_channel(p) for p in planes(meta))


def _channel(plane: Mapping[str, Any]) -> Channel:
    name, code = plane.get("sDescription"), integer(plane.get("uiColor"))
    filters = items(inside(plane, "pFilterPath/m_pFilter"))
    # The excitation of a filter cube is that of all its lasers, not that of the channel: the dye's alone is taken.
    emission = _peak(inside(plane, "pFluorescentProbe/m_EmissionSpectrum"))
    if emission is None and len(filters) == 1:
        emission = _peak(inside(filters[0], "m_EmissionSpectrum"))
    return Channel(
        name.strip() or None if isinstance(name, str) else None,
        colour(code, code >> 8, code >> 16) if code else None,
        emission=emission,
        excitation=_peak(inside(plane, "pFluorescentProbe/m_ExcitationSpectrum")),
    )


def _peak(spectrum: Any) -> float | None:
    """Wavelength of the highest point, in nm; None where no point is higher than the others."""
    points = [p for p in items(inside(spectrum, "pPoint")) if isinstance(p, Mapping)]
    heights = [number(p.get("dTValue")) or 0.0 for p in points]
    if not points or heights.count(max(heights)) > 1:
        return None
    return positive(points[heights.index(max(heights))].get("dWavelength"))


def pixel_size(meta: Mapping[str, Any]) -> float | None:
    """µm per pixel, if the image is calibrated."""
    return positive(meta.get("dCalibration")) if meta.get("bCalibrated") else None


def attributes(meta: Mapping[str, Any]) -> dict[str, object]:
    """Entries of `Spec.attrs`: when it was acquired, with which objective."""
    out: dict[str, object] = {}
    day = positive(meta.get("dTimeAbsolute"))
    if day is not None and 0 < day - _EPOCH < 100_000:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day - _EPOCH)
        out["acquired"] = when.isoformat(timespec="seconds").replace("+00:00", "Z")
    name = meta.get("wsObjectiveName")
    stated = re.search(r"(\d+(?:\.\d+)?)x\b", name) if isinstance(name, str) else None
    lens = {
        "name": name.strip() or None if isinstance(name, str) else None,
        "magnification": positive(meta.get("dObjectiveMag")) or (positive(stated[1]) if stated else None),
        "na": positive(meta.get("dObjectiveNA")),
    }
    if any(v is not None for v in lens.values()):
        out["objective"] = {k: v for k, v in lens.items() if v is not None}
    return out


def times(data: bytes | None) -> list[float]:
    """Seconds of each frame, from ``AcqTimesCache`` (float64, ms); empty where they are not known."""
    if not data:
        return []
    found = np.frombuffer(data, "<f8", len(data) // 8)
    return (found / 1000).tolist() if np.isfinite(found).all() and found.any() else []
