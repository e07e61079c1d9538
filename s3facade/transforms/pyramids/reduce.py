"""Blocks of voxels to single voxels, each independent of its neighbours: exact, and vectorised over all blocks.

Arrays here have sides that are multiples of ``factors`` (one per axis); results have ``shape // factors`` and the
same type.
"""

from __future__ import annotations

import math
from functools import reduce
from itertools import pairwise, product
from typing import Any

import numpy as np

from s3facade.core.operators import Block

_SMALL = 64
"""Voxels of a block up to which minima and maxima of whole arrays are quicker than sorting each block."""
_SORTED = 1 << 20
"""Voxels of blocks that are sorted at once."""


def mean(array: Block, factors: tuple[int, ...]) -> Block:
    """The mean of each block.

    Integers: exact, halves to the even neighbour, as tensorstore has it; booleans likewise, so True needs more than
    half of the block. Floats are summed in double precision (float16 in single) and rounded once, so float32 is within
    one unit in the last place of the true mean; a NaN makes its block NaN.
    """
    kind = array.dtype.kind
    if kind == "b":
        return mean(array.view(np.uint8), factors).view(np.bool_)
    count = math.prod(factors)
    if kind not in "iu":
        wide = np.result_type(array.dtype, np.float32 if array.dtype.itemsize <= 2 else np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            total = _sum(array, factors, wide)
            total /= count
        return total.astype(array.dtype, copy=False)
    bits = 8 * array.dtype.itemsize + count.bit_length() + 1
    if bits <= 64:
        size = 2 if bits <= 16 else 4 if bits <= 32 else 8
        total = _sum(array, factors, np.dtype(f"{kind}{size}"))
        if count & (count - 1) == 0:
            return _shifted(total, count.bit_length() - 1).astype(array.dtype)
        quotient, rest = np.divmod(total, count)
    else:
        # A sum might not fit into 64 bits: whole parts and rests are summed apart.
        wholes, rests = np.divmod(array, array.dtype.type(count))
        extra, rest = np.divmod(_sum(rests, factors, array.dtype), array.dtype.type(count))
        quotient = _sum(wholes, factors, array.dtype) + extra
    twice = 2 * rest
    quotient += (twice > count) | ((twice == count) & (quotient & 1 == 1))
    return quotient.astype(array.dtype, copy=False)


def _shifted(total: Block, bits: int) -> Block:
    """``total / 2**bits``, halves to even; in place of ``total``'s memory where that saves a pass."""
    if bits == 0:
        return total
    odd = total >> bits
    odd &= 1
    odd += total
    odd += (1 << (bits - 1)) - 1
    odd >>= bits
    return odd


def _sum(array: Block, factors: tuple[int, ...], dtype: np.dtype[Any]) -> Block:
    """Sums of blocks in ``dtype``: axis by axis, outermost first, where rows are long and additions are quick."""
    total = array
    for axis, factor in enumerate(factors):
        if factor > 1:
            before = (slice(None),) * axis
            parts = [total[(*before, slice(k, None, factor))] for k in range(factor)]
            total = np.add(parts[0], parts[1], dtype=dtype)
            for part in parts[2:]:
                total += part
    return array.astype(dtype) if total is array else total


def mode(array: Block, factors: tuple[int, ...]) -> Block:
    """The most frequent value of each block; the smallest of those that are equally frequent."""
    if math.prod(factors) > _SMALL:
        return _mode_of_rows(array, factors)
    offsets = product(*map(range, factors))
    values = _sorted([array[tuple(slice(o, None, f) for o, f in zip(at, factors, strict=True))] for at in offsets])
    best = values[0].copy()
    if len(values) == 4:
        a, b, c, d = values
        np.copyto(best, b, where=(b == c) & (a != b))
        np.copyto(best, c, where=(c == d) & (b != c) & (a != b))
        return best
    run = np.ones(best.shape, np.uint16)
    most = run.copy()
    for previous, value in pairwise(values):
        run *= previous == value
        run += 1
        np.copyto(best, value, where=run > most)
        np.maximum(most, run, out=most)
    return best


def _mode_of_rows(array: Block, factors: tuple[int, ...]) -> Block:
    """`mode`, each block sorted by itself: the work grows with the number of its voxels, not with their square."""
    shape = tuple(n // f for n, f in zip(array.shape, factors, strict=True))
    count, dims = math.prod(factors), len(shape)
    apart = array.reshape([n for pair in zip(shape, factors, strict=True) for n in pair])
    blocks = apart.transpose(*range(0, 2 * dims, 2), *range(1, 2 * dims, 2))
    out = np.empty(shape, array.dtype)
    place = np.arange(count, dtype=np.int32)
    for at in np.ndindex(shape[:-1]):
        line = blocks[at].reshape(shape[-1], count)
        step = max(1, _SORTED // count)
        for first in range(0, shape[-1], step):
            rows = np.sort(line[first : first + step], axis=-1)
            begins = np.zeros(rows.shape, np.int32)
            np.copyto(begins[:, 1:], place[1:], where=rows[:, 1:] != rows[:, :-1])
            # The place in the run of equal values that a voxel belongs to; argmax gives the first of the longest.
            run = place - np.maximum.accumulate(begins, axis=-1)
            out[(*at, slice(first, first + step))] = np.take_along_axis(rows, run.argmax(-1)[:, None], -1)[:, 0]
    return out


def _sorted(values: list[Block]) -> list[Block]:
    """Equal-shaped arrays sorted voxel by voxel, by a network of minima and maxima."""

    def bubble(items: list[Block], last: int) -> list[Block]:
        items = list(items)
        for i in range(last):
            low, high = items[i], items[i + 1]
            items[i], items[i + 1] = np.minimum(low, high), np.maximum(low, high)
        return items

    return reduce(bubble, range(len(values) - 1, 0, -1), values)
