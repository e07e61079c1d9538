"""OME-XML: instruments, dates and plates that images refer to."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[-+]\d\d:?\d\d)?")
_MAX_FIELDS = 100_000


def items(node: Any, key: str) -> list[dict[str, Any]]:
    """Child elements called ``key``; attributes are keys with ``@``, text is ``#text``."""
    if not isinstance(node, dict) or key not in node:
        return []
    found = node[key]
    many = found if isinstance(found, list) else [found]
    return [m if isinstance(m, dict) else {} if m is None else {"#text": m} for m in many]


def acquired(image: dict[str, Any]) -> str | None:
    """The AcquisitionDate of an Image (CreationDate in schemas before 2012-06), if it is ISO 8601."""
    for key in ("AcquisitionDate", "CreationDate", "AcquiredDate"):
        for node in items(image, key):
            text = str(node.get("#text", "")).strip()
            if _ISO.fullmatch(text):
                return text
    return None


def objectives(ome: dict[str, Any]) -> dict[str, dict[str, object]]:
    """Objectives by their ID, as `Spec.attrs` has them."""
    found = {}
    for instrument in items(ome, "Instrument"):
        for node in items(instrument, "Objective"):
            facts: dict[str, object] = {}
            if node.get("@Model"):
                facts["name"] = str(node["@Model"])
            for name, keys in {
                "magnification": ("@CalibratedMagnification", "@NominalMagnification"),
                "na": ("@LensNA",),
            }.items():
                value = next((v for v in (_positive(node.get(k)) for k in keys) if v), None)
                if value:
                    facts[name] = value
            if str(node.get("@Immersion", "Other")) not in ("Other", "Unknown"):
                facts["immersion"] = str(node["@Immersion"])
            found[str(node.get("@ID"))] = facts
    return found


def used(image: dict[str, Any], known: Mapping[str, dict[str, object]]) -> dict[str, object]:
    """The objective that an Image refers to."""
    for key in ("ObjectiveSettings", "ObjectiveRef"):
        for node in items(image, key):
            found = known.get(str(node.get("@ID")))
            if found:
                return found
    return {}


def fields(ome: dict[str, Any]) -> dict[str, dict[str, object]]:
    """Where images lie on plates, by the ID of the Image, as `Spec.attrs` has it."""
    found: dict[str, dict[str, object]] = {}
    for plate in items(ome, "Plate"):
        runs: dict[str, dict[str, object]] = {}
        for run, node in enumerate(items(plate, "PlateAcquisition")):
            name = str(node.get("@Name") or "").strip()
            about = {"acquisition": run, **({"acquisition_name": name} if name else {})}
            runs |= {str(ref.get("@ID")): about for ref in items(node, "WellSampleRef")}
        counts = [_whole(plate.get(key)) for key in ("@Rows", "@Columns")]
        size: dict[str, object] = {"size": counts} if all(counts) else {}
        for well in items(plate, "Well"):
            for number, sample in enumerate(items(well, "WellSample")):
                for ref in items(sample, "ImageRef"):
                    if len(found) >= _MAX_FIELDS:
                        return found
                    found[str(ref.get("@ID"))] = {
                        "name": str(plate.get("@Name") or plate.get("@ID")),
                        "row": _label(well.get("@Row"), str(plate.get("@RowNamingConvention", "letter"))),
                        "column": _label(well.get("@Column"), str(plate.get("@ColumnNamingConvention", "number"))),
                        "field": number,
                        **runs.get(str(sample.get("@ID")), {}),
                        **size,
                    }
    return found


def _label(value: object, convention: str) -> str:
    """The label of a row or column from its index."""
    try:
        index = int(str(value))
    except ValueError:
        return str(value)
    if convention != "letter" or index < 0:
        return str(index + 1)
    letters = ""
    index += 1
    while index > 0:
        index, rest = divmod(index - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def _whole(value: object) -> int:
    """A number of rows or columns; 0 where there is none."""
    text = str(value)
    return int(text) if text.isdecimal() and len(text) < 5 else 0


def _positive(value: object) -> float | None:
    try:
        found = float(str(value))
    except ValueError:
        return None
    return found if math.isfinite(found) and found > 0 else None
