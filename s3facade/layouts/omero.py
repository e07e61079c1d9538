"""The ``omero`` block: how viewers show channels at first sight.

Without it viewers show 16-bit images black or guess from the pixels, each in its own way.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from s3facade.core.image import Image
from s3facade.core.objects import Pixels
from s3facade.core.operators import Buffer
from s3facade.core.region import Region
from s3facade.core.spec import Channel, Spec
from s3facade.layouts.documents import Number, Slot
from s3facade.layouts.multiscales import stored_levels
from s3facade.layouts.zarr_array import RAW

Window: TypeAlias = tuple[Number, Number, Number, Number]
"""min, max, start, end: the range of a slider, and what is shown as black and as full colour."""

TWO = ("00FF00", "FF00FF")
MANY = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
"""Colours of channels that have none: white if alone, green and magenta as a pair, this cycle from three on."""
RGB = {"red": "FF0000", "green": "00FF00", "blue": "0000FF"}
ACTIVE = 4
"""Channels switched on at first when the source has no say; viewers fetch every one of them."""
PLANE = 4 * 2**20
"""Voxels of the largest plane that is read to find a window."""
BUDGET = 64 * 2**20
"""Bytes that are read for the windows of one image at most; further channels show the range of the type."""
TAIL = 0.1
"""Percent of voxels that may lie below the start of a measured window, and above its end."""


def omero(image: Image, name: str, number: int) -> dict[str, Any] | None:
    """The block for one image, or None for complex voxels, which have no order to show.

    A window is the source's own; else 0 to 255 for RGB of 8 bit; else the 0.1th and 99.9th percentile of the middle z
    plane at t = 0 of the smallest level that the source stores, if that has at most 4 Mi voxels; else the range of
    the type (0 to 1 for floats).

    Args:
        image: The image.
        name: Its name.
        number: Position among the images shown, from 0.
    """
    spec = image.spec
    if spec.dtype.kind == "c":
        return None
    channels = _channels(spec)
    rgb = is_rgb(channels)
    active = _active(channels, rgb=rgb)
    entries = []
    for c, channel in enumerate(channels):
        part = None if rgb and spec.dtype == np.uint8 else sample(image, c)
        entries.append(
            {
                "label": channel.name or f"Channel {c}",
                "color": channel.color or _color(c, channels, rgb=rgb),
                "window": _window(channel, part, spec.dtype),
                "active": c in active,
                "coefficient": 1,
                "family": "linear",
                "inverted": False,
            }
        )
    grey = len(entries) == 1 and entries[0]["color"] == "FFFFFF"
    rdefs = {"defaultT": 0, "defaultZ": spec.length("z") // 2, "model": "greyscale" if grey else "color"}
    return {"id": number + 1, "name": name, "channels": entries, "rdefs": rdefs}


def measured(image: Image) -> int:
    """Bytes of the voxels that the windows of this image are measured on."""
    rgb = is_rgb(_channels(image.spec)) and image.spec.dtype == np.uint8
    return sum(
        part.region.size * image.spec.dtype.itemsize
        for c, channel in enumerate(_channels(image.spec))
        if channel.window is None and not rgb and (part := sample(image, c)) is not None
    )


def _channels(spec: Spec) -> list[Channel]:
    """One per index of c: viewers fail when the list is shorter or longer."""
    n = spec.length("c")
    return [*spec.channels[:n], *(Channel() for _ in range(n - len(spec.channels)))]


def is_rgb(channels: Sequence[Channel]) -> bool:
    """Whether the channels are the colours of a photograph, with or without alpha."""
    names = [(channel.name or "").lower() for channel in channels]
    return names[:3] == list(RGB) and names[3:] in ([], ["alpha"])


def _color(c: int, channels: Sequence[Channel], *, rgb: bool) -> str:
    if rgb and c < 3:
        return tuple(RGB.values())[c]
    if rgb or len(channels) == 1:
        return "FFFFFF"
    return TWO[c] if len(channels) == 2 else MANY[c % len(MANY)]


def _active(channels: Sequence[Channel], *, rgb: bool) -> set[int]:
    """Channels switched on: the first few that the source does not switch off, but never none."""
    if rgb:
        return {0, 1, 2}
    wanted = [c for c, channel in enumerate(channels) if channel.active]
    return set((wanted or range(len(channels)))[:ACTIVE])


def _window(channel: Channel, part: Pixels | None, dtype: np.dtype[Any]) -> dict[str, object]:
    names = ("min", "max", "start", "end")
    if channel.window is not None:
        return dict(zip(names, _stated(channel.window, dtype), strict=True))
    if part is None:
        return dict(zip(names, type_window(dtype), strict=True))
    measure = partial(window, dtype)
    return {name: Slot(part, measure, pick) for pick, name in enumerate(names)}


def sample(image: Image, channel: int) -> Pixels | None:
    """The plane that the window of ``channel`` is measured on, or None if there is no cheap one."""
    spec = image.spec
    level = stored_levels(image) - 1
    shape = spec.levels[level].shape
    plane = shape[-1] * shape[-2]
    if spec.dtype.kind not in "iuf" or plane > PLANE or (channel + 1) * plane * spec.dtype.itemsize > BUDGET:
        return None
    at = {"t": 0, "c": channel, "z": spec.length("z", level) // 2}
    start = tuple(at.get(name, 0) for name in spec.names)
    stop = tuple(at[name] + 1 if name in at else n for name, n in zip(spec.names, shape, strict=True))
    region = Region(start, stop)
    return Pixels(image, level, region, region.shape, RAW)


def type_window(dtype: np.dtype[Any]) -> Window:
    """The whole range of integers; 0 to 1 for floats and booleans."""
    low, high = _range(dtype) or (0, 1)
    return low, high, low, high


def _range(dtype: np.dtype[Any]) -> tuple[int, int] | None:
    if dtype.kind not in "iu":
        return None
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def _stated(shown: tuple[float, float], dtype: np.dtype[Any]) -> Window:
    """A window that the source gives; sliders span the type where that is short, so that they stay usable."""
    start, end = (_plain(value) for value in sorted(shown))
    if not (np.isfinite(start) and np.isfinite(end) and start < end):
        return type_window(dtype)
    return _spanned(start, end, start, end, dtype)


def window(dtype: np.dtype[Any], data: Buffer | None) -> Window:
    """The window of a plane of little-endian voxels; the range of the type if there is none or it is flat."""
    values = np.frombuffer(data or b"", dtype.newbyteorder("<"))
    if dtype.kind == "f":
        values = values[np.isfinite(values)]
    if values.size == 0:
        return type_window(dtype)
    low = int(values.size * TAIL / 100)
    ranks = (0, low, values.size - 1 - low, values.size - 1)
    least, start, end, most = (_plain(values_at) for values_at in _ranked(values, ranks))
    if start >= end:
        start, end = least, most
    if start >= end:
        return type_window(dtype)
    return _spanned(least, most, start, end, dtype)


def _ranked(values: np.ndarray[Any, np.dtype[Any]], ranks: tuple[int, ...]) -> list[Any]:
    """The values at ``ranks`` of the sorted array."""
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        below = np.cumsum(np.bincount(values))
        return [int(np.searchsorted(below, rank, side="right")) for rank in ranks]
    return [value.item() for value in np.partition(values, sorted(set(ranks)))[list(ranks)]]


def _spanned(least: Number, most: Number, start: Number, end: Number, dtype: np.dtype[Any]) -> Window:
    whole = _range(dtype) if dtype.itemsize <= 2 else None
    if whole is not None:
        least, most = whole
    return min(least, start), max(most, end), start, end


def _plain(value: Number) -> Number:
    """Whole numbers as integers."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
