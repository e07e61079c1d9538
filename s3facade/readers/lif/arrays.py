"""The numbers of a Leica image as a chunk table: strides as the XML gives them, wherever the memory lies."""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Sequence

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.arrays.raw import RawTable, raw
from s3facade.readers.lif.blocks import Segment
from s3facade.readers.lif.elements import Band, Dimension

MAX_PLACES = 1 << 20
Steps = list[tuple[str, int, int]]
"""Axis, length and bytes per index, largest step first."""


def table(
    dimensions: Sequence[Dimension], bands: Sequence[Band], shift: int, segments: Sequence[Segment], end: Sequence[int]
) -> RawTable:
    """The table of an image.

    Args:
        dimensions: Largest step first, without those of which one index is taken.
        bands: The channels, all of one type, in the order in which they are shown.
        shift: Bytes to the image within the memory.
        segments: Where the memory lies.
        end: Sizes of the files.

    Raises:
        BadSource: Numbers lie outside the memory, or the dimensions overlap.
        Unsupported: Dimensions that make no image.
    """
    steps, starts = _with_channels(dimensions, bands)
    number = bands[0].number
    _check(steps, starts, number.itemsize)
    ordered = sorted(segments, key=lambda s: s.start)
    first = shift + starts[0]
    # As many outer dimensions get places of their own as it takes for the rest to lie in one segment.
    for outer in range(len(steps) + 1 if len(segments) > 1 else 1):
        inner = steps[outer:]
        low = sum(min(0, (n - 1) * s) for _, n, s in inner)
        high = sum(max(0, (n - 1) * s) for _, n, s in inner) + number.itemsize
        count = math.prod(n for _, n, _ in steps[:outer]) * len(starts)
        if count > MAX_PLACES:
            raise Unsupported(f"The image lies in more than {MAX_PLACES} pieces.")
        places = [
            shift + start + sum(i * s for i, (_, _, s) in zip(at, steps[:outer], strict=True))
            for start in starts
            for at in itertools.product(*(range(n) for _, n, _ in steps[:outer]))
        ]
        found = _located(ordered, places, low, high)
        if found is not None:
            break
    else:
        raise BadSource(
            "The image is incomplete: numbers of it lie outside the memory that the file has.", private=f"from {first}"
        )
    many = len(starts) > 1
    names = (["c"] if many else []) + [a for a, _, _ in steps]
    sizes = ([len(starts)] if many else []) + [n for _, n, _ in steps]
    offsets, files = found
    return raw(
        names, sizes, number, offsets, end=end, outer=outer + many, strides=[s for _, _, s in inner], files=files
    )


def _with_channels(dimensions: Sequence[Dimension], bands: Sequence[Band]) -> tuple[Steps, list[int]]:
    """Dimensions with channels as one of them where those are evenly apart, and where the first numbers lie.

    Where they are not, every channel has a place of its own.
    """
    steps: Steps = [(d.axis, d.size, d.step) for d in dimensions if d.size > 1 or d.axis in "yx"]
    offsets = [b.offset for b in bands]
    if len(bands) == 1:
        return steps, offsets
    apart = {b - a for a, b in itertools.pairwise(offsets)}
    if len(apart) == 1 and 0 not in apart:
        steps.append(("c", len(bands), apart.pop()))
        return sorted(steps, key=lambda s: -abs(s[2])), offsets[:1]
    return steps, offsets


def _check(steps: Steps, starts: Sequence[int], itemsize: int) -> None:
    """Raises `BadSource` where elements lie in each other, or farther away than files are long."""
    reach = itemsize
    for axis, size, step in steps:
        if size > 1 and abs(step) < itemsize:
            raise BadSource(f"The elements along {axis} are {step} bytes apart, but hold {itemsize} bytes.")
        reach += (size - 1) * abs(step)
    if reach > 1 << 60 or max(starts) > 1 << 60:
        raise BadSource("The dimensions of the Leica file speak of more bytes than there can be.")


def _located(
    segments: Sequence[Segment], places: Sequence[int], low: int, high: int
) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], np.ndarray[tuple[int], np.dtype[np.uint32]]] | None:
    """Where ``places`` of the memory lie in files; None if one of them, ``low`` to ``high``, is not in one segment."""
    begin = [s.start for s in segments]
    offsets, files = np.zeros(len(places), np.int64), np.zeros(len(places), np.uint32)
    for k, place in enumerate(places):
        at = bisect.bisect_right(begin, place + low) - 1
        if at < 0 or place + high > segments[at].start + segments[at].nbytes:
            return None
        offsets[k] = segments[at].offset + place - segments[at].start
        files[k] = segments[at].file
    return offsets, files
