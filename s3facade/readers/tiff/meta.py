"""What TIFF files of many makers say about sizes, channels and colours; only what they say.

Plain resolution tags count as physical only in centimetres and at 100 µm per pixel or finer: inches and coarser
values are what drawing programs write for printers (72 dpi and the like), and so are whole numbers of dots per inch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from s3facade.core.spec import Channel
from s3facade.readers.facts import RGB, Facts
from s3facade.readers.ome_xml import OmeImage, duration, length
from s3facade.readers.pictures.picture import METRE, printed
from s3facade.readers.tiff import microscopes, scanners
from s3facade.readers.tiff.maker import known


def from_ome(image: OmeImage) -> Facts:
    """Facts of an OME image."""
    scale = {a.lower(): s for a, s in image.scale.items()}
    interval = image.interval or _interval(image)
    if interval:
        scale["t"] = interval
    attrs: dict[str, object] = {"name": image.name} if image.name else {}
    positions = [
        {"t": p.t, "c": p.c, "z": p.z, "x": p.position[0], "y": p.position[1], "z_position": p.position[2]}
        for p in image.planes
        if any(v is not None for v in p.position)
    ]
    if positions:
        attrs["positions"] = positions
    times = [{"t": p.t, "c": p.c, "z": p.z, "seconds": p.time} for p in image.planes if p.time is not None]
    if times:
        attrs["times"] = times
    first = next((p.position for p in image.planes if (p.t, p.c, p.z) == (0, 0, 0)), (None, None, None))
    origin = {a: v for a, v in zip("xyz", first, strict=True) if v is not None and a in scale}
    attrs |= known(acquired=image.acquired, objective=dict(image.objective), plate=dict(image.plate))
    channels = tuple(Channel(c.name, c.color, emission=c.emission, excitation=c.excitation) for c in image.channels)
    return Facts(scale, origin, channels, attrs)


def _interval(image: OmeImage) -> float | None:
    """Seconds between time points, if the planes' times are regular within 1 %."""
    times = sorted((p.t, p.time) for p in image.planes if p.c == 0 and p.z == 0 and p.time is not None)
    if len(times) != image.sizes["T"] or len(times) < 2:
        return None
    steps = np.diff([s for _, s in times])
    mean = float(steps.mean())
    return mean if mean > 0 and float(np.abs(steps - mean).max()) <= 0.01 * mean else None


def from_tags(tif: Any, page: Any, series: Any = None) -> Facts:
    """Facts of an image that is no OME image, from whichever maker's tags there are.

    Args:
        tif: tifffile's file.
        page: The first page of the image.
        series: tifffile's series, where there is one.
    """
    if str(page.description).startswith("<MetaData>"):
        return microscopes.metamorph(page)
    for test, reader in _MAKERS:
        if getattr(tif, test, False):
            return reader(tif, page, series)
    return _plain(tif, page, series)


def _resolution(page: Any, unit: float) -> dict[str, float]:
    """µm per pixel from the resolution tags, which count pixels per ``unit`` µm."""
    found = {}
    for axis, code in (("x", 282), ("y", 283)):
        tag = page.tags.get(code)
        if tag is None:
            continue
        number, divisor = tag.value if isinstance(tag.value, tuple) else (tag.value, 1)
        if number and divisor and number > 0 and divisor > 0:
            found[axis] = unit * divisor / number
    return found if len(found) == 2 else {}


def _centimetres(page: Any) -> dict[str, float]:
    unit = page.tags.valueof(296)
    return _resolution(page, 1e4) if unit is not None and int(unit) == 3 else {}


def _plain(_tif: Any, page: Any, _series: Any) -> Facts:
    scale = _centimetres(page)
    stated = scale and max(scale.values()) <= 100 and not any(printed(METRE / size) for size in scale.values())
    return Facts(scale if stated else {})


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _imagej(tif: Any, page: Any, _series: Any) -> Facts:
    meta: dict[str, Any] = tif.imagej_metadata or {}
    unit = str(meta.get("unit", "")).replace("\\u00B5", "µ").replace("\\u00b5", "µ").strip()
    factor = length(1.0, unit)
    scale: dict[str, float] = {}
    if factor:
        scale = _resolution(page, factor)
        spacing = _number(meta.get("spacing"))
        depth = length(spacing, meta.get("zunit", unit))
        if depth and depth > 0:
            scale["z"] = depth
    interval = duration(_number(meta.get("finterval")), meta.get("tunit", "s"))
    if interval and interval > 0:
        scale["t"] = interval
    return Facts(scale, {}, _imagej_channels(meta))


def _imagej_channels(meta: Mapping[str, Any]) -> tuple[Channel, ...]:
    luts, ranges = meta.get("LUTs") or [], meta.get("Ranges") or ()
    low, high = _number(meta.get("min")), _number(meta.get("max"))
    channels = []
    count = meta.get("channels", 1)
    for i in range(count if isinstance(count, int) and 0 < count <= 4096 else 1):
        window = None
        if len(ranges) >= 2 * i + 2:
            window = (float(ranges[2 * i]), float(ranges[2 * i + 1]))
        elif i == 0 and low is not None and high is not None:
            window = (low, high)
        if window is not None and not window[0] < window[1]:
            window = None
        channels.append(Channel(None, _ramp(luts[i]) if i < len(luts) else None, window))
    return tuple(channels)


def _ramp(lut: Any) -> str | None:
    """The colour of a lookup table that rises evenly from black; other tables have no one colour."""
    table = np.asarray(lut)
    if table.shape != (3, 256) or table[:, 0].any():
        return None
    top = table[:, 255].astype(int)
    even = top[:, None] * np.arange(256) / 255
    if not top.any() or float(np.abs(table - even).max()) > 2:
        return None
    return "".join(f"{v:02X}" for v in top)


_MAKERS: tuple[tuple[str, Callable[[Any, Any, Any], Facts]], ...] = (
    ("is_imagej", _imagej),
    ("is_svs", lambda tif, page, _: scanners.svs(tif, page)),
    ("is_ndpi", lambda tif, page, _: scanners.ndpi(tif, page, _centimetres(page))),
    ("is_qpi", lambda _, page, series: scanners.qptiff(series, page, _centimetres(page))),
    ("is_scn", lambda tif, page, series: scanners.scn(tif, series, page)),
    ("is_bif", lambda tif, _, series: scanners.bif(tif, series)),
    ("is_philips", lambda tif, _, series: scanners.philips(tif, series)),
    ("is_lsm", lambda tif, page, _: microscopes.lsm(tif, page)),
    ("is_stk", lambda tif, _page, _: microscopes.stk(tif)),
    ("is_fluoview", lambda tif, _page, _: microscopes.fluoview(tif)),
    ("is_scanimage", lambda tif, page, _: microscopes.scanimage(tif, page)),
    ("is_micromanager", lambda tif, _page, _: microscopes.micromanager(tif)),
    ("is_sis", lambda tif, _page, _: microscopes.sis(tif)),
    ("is_fei", lambda tif, _page, _: microscopes.electron(tif)),
    ("is_sem", lambda tif, _page, _: microscopes.electron(tif)),
    ("is_tvips", lambda tif, _page, _: microscopes.electron(tif)),
)


def samples(page: Any, count: int) -> tuple[Channel, ...] | None:
    """Channels for the samples of a pixel; None where they are no colours."""
    photometric = page.photometric
    if photometric is None or int(photometric) not in (2, 6) or count not in (3, 4):
        return None
    bits = page.bitspersample if isinstance(page.bitspersample, int) else 0
    integer = np.dtype(page.dtype).kind == "u" and bits
    window = (0.0, float((1 << bits) - 1)) if integer else None
    colours = tuple(Channel(name, color, window) for name, color in RGB)
    alpha = tuple(int(e) for e in page.extrasamples or ()) in ((1,), (2,))
    return colours if count == 3 else (*colours, Channel("Alpha" if alpha else None, None, window, active=False))


def notes(page: Any) -> list[str]:
    """Sentences on what the numbers mean where they are no plain intensities."""
    kind = -1 if page.photometric is None else int(page.photometric)
    return {
        0: ["White is zero: the values are as stored, not inverted."],
        3: ["The values are indices into a colour table, which is not applied."],
        5: ["The samples are inks (CMYK), not light."],
        8: ["The samples are CIE L*a*b*, not red, green, blue."],
    }.get(kind, [])
