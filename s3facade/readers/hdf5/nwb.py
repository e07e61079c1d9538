"""Neurodata Without Borders 2: series of images.

Source: NWB Format Specification 2.7, nwb.image and nwb.ophys.
"""

from __future__ import annotations

import math
from typing import Any

from s3facade.core.errors import NoImage, Unsupported
from s3facade.core.spec import Channel
from s3facade.core.units import MICROMETERS
from s3facade.readers.hdf5.attributes import numbers, plain, text
from s3facade.readers.hdf5.axes import Meaning
from s3facade.readers.hdf5.library import Found, Tree, names
from s3facade.readers.hdf5.plain import AnyRaster, raster
from s3facade.readers.hdf5.times import interval, iso

_SERIES = ("ImageSeries", "PhotonSeries", "ImageMaskSeries", "OpticalSeries")
_LENGTHS = {**MICROMETERS, "meters": 1e6, "meter": 1e6, "micrometers": 1.0, "micrometer": 1.0, "microns": 1.0}
MAX_TIMES = 1 << 16
"""Time stamps that are read."""


def is_one(tree: Tree) -> bool:
    """Whether an HDF5 file is one of NWB 2."""
    return (text(tree.root.item, "nwb_version") or "").startswith(("2", "3"))


def images(tree: Tree) -> list[AnyRaster]:
    """Its series of images, by path.

    Raises:
        NoImage: There are none.
        Unsupported: They are in video files.
    """
    found, outside = [], []
    for group in list(tree.walk()):
        kind = text(group.item, "neurodata_type") or ""
        data = None if group.is_dataset or not kind.endswith(_SERIES) else tree.dataset("data", group)
        if data is None:
            continue
        shape = tuple(data.item.shape or ())
        if len(shape) not in (3, 4) or 0 in shape:
            outside += [group.name] if "external_file" in group.item else []
            continue
        found.append(_series(tree, group, data))
    if not found and outside:
        raise Unsupported(f"The images of {outside[0]!r} are in video files beside the NWB file, which are not read.")
    if not found:
        raise NoImage("The NWB file holds no series of images; a dataset can be named with the option `dataset`.")
    return found


def _series(tree: Tree, group: Found, data: Found) -> AnyRaster:
    dims, notes = _dims(tree, group, tuple(data.item.shape))
    scale: dict[str, float] = {}
    more: dict[str, Any] = {"name": group.name.strip("/")}
    step, seconds = _times(tree, group, int(data.item.shape[0]))
    if step:
        scale["t"] = step
    elif seconds:
        more["times"] = [{"t": t, "seconds": s} for t, s in enumerate(seconds)]
    plane = tree.group("imaging_plane", group)
    channel = Channel()
    if plane:
        scale.update(_spacing(tree, plane, dims))
        channel = _channel(tree, plane)
    start = tree.dataset("session_start_time")
    acquired = iso(_scalar(start)) if start else None
    if acquired:
        more["acquired"] = acquired
    return raster(tree, data, Meaning(dims, scale, tuple(notes), stated=True), channels=(channel,), more=more)


def _dims(tree: Tree, group: Found, shape: tuple[int, ...]) -> tuple[tuple[str, ...], list[str]]:
    """Frames come first, then x, y and z as the format has it; or y, x where ``dimension`` says so."""
    usual = ("t", "x", "y", "z")[: len(shape)]
    found = tree.dataset("dimension", group)
    stated = plain(found.item[()]) if found is not None and found.item.size <= 4 else None
    sizes = tuple(stated) if isinstance(stated, list) else ()
    if len(sizes) == len(shape) - 1 and sizes != shape[1:] and sizes == shape[:0:-1]:
        return ("t", *reversed(usual[1:])), ["`dimension` gives x, y and z in the reverse order of the data."]
    if sizes == shape[1:] and sizes != shape[:0:-1]:
        return usual, []
    return usual, [
        "Dimensions are taken as the format prescribes: frame, x, y. The options `dataset` and `axes` change that."
    ]


def _times(tree: Tree, group: Found, count: int) -> tuple[float | None, list[float]]:
    """Seconds between frames, or the time of each where they are not regular."""
    start = tree.dataset("starting_time", group)
    rate = numbers(start.item, "rate") if start else None
    if rate and rate[0] > 0:
        return 1 / rate[0], []
    stamps = tree.dataset("timestamps", group)
    if stamps is None or tuple(stamps.item.shape or ()) != (count,) or count > MAX_TIMES:
        return None, []
    seconds = [float(v) for v in stamps.item[()]]
    return (interval(seconds), seconds) if all(map(math.isfinite, seconds)) else (None, [])


def _spacing(tree: Tree, plane: Found, dims: tuple[str, ...]) -> dict[str, float]:
    found = tree.dataset("grid_spacing", plane)
    if found is None or found.item.size > 3:
        return {}
    factor = _LENGTHS.get((text(found.item, "unit") or "meters").strip())
    values = plain(found.item[()])
    if factor is None or not isinstance(values, list):
        return {}
    pairs = zip("xyz" if "z" in dims else "xy", values, strict=False)
    return {a: float(v) * factor for a, v in pairs if isinstance(v, int | float) and v > 0}


def _channel(tree: Tree, plane: Found) -> Channel:
    excitation = _number(tree.dataset("excitation_lambda", plane))
    indicator = tree.dataset("indicator", plane)
    lights = [tree.group(name, plane) for name in names(plane.item)[:64] if "channel" in name.lower()]
    emission = next((e for g in lights if g and (e := _number(tree.dataset("emission_lambda", g)))), None)
    return Channel(_scalar(indicator) if indicator else None, emission=emission, excitation=excitation)


def _scalar(found: Found | None) -> str | None:
    value = plain(found.item[()]) if found is not None and found.item.shape == () else None
    return value if isinstance(value, str) else None


def _number(found: Found | None) -> float | None:
    value = plain(found.item[()]) if found is not None and found.item.shape == () else None
    return float(value) if isinstance(value, int | float) and value > 0 else None
