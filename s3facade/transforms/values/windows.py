"""Windows of values, as options: one for all channels or one for each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block
from s3facade.core.options import Parsed
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.transforms.values.common import along

_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}


def windows(value: Any) -> Any:
    """``[low, high]`` or ``[[low, high], …]`` as `Windows`.

    Raises:
        ValueError: Not written so.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError("must be [low, high], or a list of such pairs, one per channel")
    pairs = value if all(isinstance(v, Sequence) and not isinstance(v, str) for v in value) else [value]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("must be [low, high], or a list of such pairs, one per channel")
    return tuple((float(low), float(high)) for low, high in pairs)


Windows: TypeAlias = Annotated[
    tuple[tuple[float, float], ...],
    Parsed(windows, {"anyOf": [_PAIR, {"type": "array", "items": _PAIR, "minItems": 1}]}),
]
"""Lowest and highest value that count: one pair for all channels, or one for each."""


def per_channel(given: Windows | None, source: Spec, option: str) -> tuple[tuple[float, float], ...]:
    """One window for each channel; those that the image states where none are given.

    Raises:
        Unsupported: There are none, too few, or one is empty.
    """
    count = source.length("c")
    if given is None:
        stated = [channel.window for channel in source.channels if channel.window is not None]
        if len(stated) < count:
            raise Unsupported(f"The image states no window of values; write `{option}: [low, high]`.")
        given = tuple((float(low), float(high)) for low, high in stated)
    elif len(given) == 1:
        given = given * count
    if len(given) != count:
        raise Unsupported(
            f"`{option}` has {len(given)} entries for {count} channels; write one for all, or one for each."
        )
    for low, high in given:
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise Unsupported(f"`{option}` must run from a lower to a higher value, not from {low} to {high}.")
    return given


def each_channel(source: Spec, region: Region, block: Block) -> list[tuple[int, tuple[int | slice, ...], Block]]:
    """The channels of a block: number, index in the block, voxels in C order."""
    c = source.axis("c")
    if c is None:
        return [(0, (slice(None),), block)]
    out = []
    for i in range(region.start[c], region.stop[c]):
        at = along(c, slice(i - region.start[c], i - region.start[c] + 1))
        out.append((i, at, np.ascontiguousarray(block[at])))
    return out
