"""Whether the source's chunks are chunks that Zarr clients read already: tried out on their bytes, not looked up."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from itertools import permutations

import imagecodecs
import numpy as np

from s3facade.core.protocols import Raster
from s3facade.core.region import cell as box
from s3facade.core.region import grid

CELLS = 8


def passes(raster: Raster, level: int = 0) -> str:
    """The codecs under which a client would read the source's bytes; empty if they have to be decoded here."""
    table, shape = raster.chunks(level), raster.spec.levels[level].shape
    if table is None:
        return ""
    counts = grid(shape, table.block)
    rng = np.random.default_rng(1)
    indices = {(0,) * len(counts), tuple(n - 1 for n in counts)}
    indices |= {tuple(int(rng.integers(n)) for n in counts) for _ in range(CELLS)}
    known: set[str] | None = None
    partial = False
    for index in sorted(indices):
        where = table.cell(index)
        if where is None:
            continue
        data = bytes(raster.files[where.file].pread(where.offset, where.nbytes))
        want = table.decode(index, data)
        full = box(index, table.block).clip(shape).shape == tuple(table.block)
        found = {name for name, values in _tries(data, table.block, raster.spec.dtype) if _equal(values, want)}
        if not found and not full:
            partial = True
            continue
        known = found if known is None else known & found
        if not known:
            return ""
    if not known:
        return ""
    best = min(known, key=lambda name: (name.count(","), name))
    return f"{best}; chunks at the edges are decoded" if partial else best


def _equal(values: np.ndarray, want: np.ndarray) -> bool:
    inside = values[tuple(slice(n) for n in want.shape)]
    return inside.shape == want.shape and np.array_equal(inside, want, equal_nan=want.dtype.kind == "f")


def _tries(data: bytes, block: tuple[int, ...], dtype: np.dtype) -> Iterator[tuple[str, np.ndarray]]:
    nbytes = int(np.prod(block)) * dtype.itemsize
    for codec, plain in _decoded(data, nbytes):
        if len(plain) != nbytes:
            continue
        for order in ("<", ">") if dtype.itemsize > 1 else ("<",):
            numbers = np.frombuffer(plain, dtype.newbyteorder(order))
            named = "" if order == "<" else " big-endian"
            for axes in _orders(block):
                stored = tuple(block[a] for a in axes)
                back = np.argsort(axes)
                moved = "" if axes == tuple(range(len(block))) else "transpose, "
                yield f"{moved}bytes{named}{codec}", numbers.reshape(stored).transpose(back)


def _orders(block: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Orders of the axes that differ where there is more than one voxel."""
    long = [a for a, n in enumerate(block) if n > 1]
    for moved in permutations(long):
        axes = list(range(len(block)))
        for place, axis in zip(long, moved, strict=True):
            axes[place] = axis
        yield tuple(axes)


def _decoded(data: bytes, nbytes: int) -> Iterator[tuple[str, bytes]]:
    yield "", data
    if data[:4] == b"\x28\xb5\x2f\xfd":
        yield ", zstd", _tried(imagecodecs.zstd_decode, data)
    if data[:2] == b"\x1f\x8b":
        yield ", gzip", _tried(imagecodecs.gzip_decode, data, out=nbytes)
    if len(data) > 6 and data[0] & 15 == 8 and (data[0] << 8 | data[1]) % 31 == 0:
        yield ", gzip (wrapped anew)", _tried(zlib.decompress, data)
    if len(data) > 16 and data[:1] == b"\x02" and int.from_bytes(data[12:16], "little") == len(data):
        yield ", blosc", _tried(imagecodecs.blosc_decode, data)


def _tried(decode, data: bytes, **options) -> bytes:
    try:
        return bytes(decode(data, **options))
    except (ValueError, RuntimeError, zlib.error):
        return b""
