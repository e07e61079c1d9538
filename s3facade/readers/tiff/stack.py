"""One level of a TIFF image, from its pages to its chunk table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.tiff.coding import coding
from s3facade.readers.tiff.geometry import PAGE, Geometry, geometry
from s3facade.readers.tiff.table import MAX_CELL, Decoder, Ints, RawTable, SegmentTable

BAND = 1 << 20
"""Bytes that a cell of raw rows aims at."""
GROUP = 1 << 18
"""Decoded bytes that a cell of compressed strips aims at."""
_JPEG = {6, 7, 34892, 33007}


@dataclass(frozen=True, slots=True)
class Stack:
    """The pages of one level and what they make together.

    ``pages`` are tifffile pages or frames of equal shape. One page may stand for many when ``contiguous``: then
    all of the level's bytes follow the first page's.
    """

    axes: str
    shape: tuple[int, ...]
    pages: Sequence[Any]
    files: Sequence[int]
    """Which file each page lies in; one entry where they share it."""
    contiguous: int | None = None
    modulo: bool = False


def build(stack: Stack, sizes: Sequence[int]) -> RawTable | SegmentTable:
    """The chunk table of a level.

    Args:
        stack: The level.
        sizes: Bytes of each file.

    Raises:
        BadSource: Chunks lie outside the file, or their number is wrong.
        Unsupported: Pixels that cannot be shown truly.
    """
    key = stack.pages[0].keyframe
    dtype = _dtype(key)
    raw = _raw(stack, key, dtype)
    table = raw if raw is not None else _segments(stack, key, dtype)
    _check_bounds(table, sizes)
    return table


def _dtype(key: Any) -> np.dtype[Any]:
    if key.dtype is None:
        raise Unsupported(
            f"The TIFF's pixels are of sample format {int(key.sampleformat)} with {key.bitspersample} bits; "
            "this type cannot be shown."
        )
    dtype: np.dtype[Any] = np.dtype(key.dtype).newbyteorder("=")
    if dtype.kind not in "buif":
        raise Unsupported(f"The TIFF's pixels are {dtype.name}; only real numbers can be shown.")
    return dtype


def _codec(key: Any) -> str:
    name = {1: "raw", 5: "lzw", 8: "deflate", 32946: "deflate", 32773: "packbits", 34925: "lzma"}.get(
        int(key.compression), getattr(key.compression, "name", str(key.compression)).lower().replace("_", " ")
    )
    words = [name]
    if int(key.predictor) != 1:
        words.append(f"predictor {int(key.predictor)}")
    if isinstance(key.bitspersample, int) and key.bitspersample not in (8, 16, 32, 64):
        words.append(f"{key.bitspersample} bit")
    return ", ".join(words)


def _files(stack: Stack) -> npt.NDArray[np.uint32]:
    files = np.asarray(stack.files, np.uint32)
    return files[:1] if (files == files[0]).all() else files


def _pages(g: Geometry, stack: Stack, key: Any) -> None:
    if stack.contiguous is None and g.pages != len(stack.pages):
        raise BadSource(f"The TIFF has {len(stack.pages)} planes, but its metadata speak of {g.pages}.")
    for page in stack.pages:
        k = page.keyframe
        if k is not key and (k.shaped != key.shaped or k.dtype != key.dtype):
            raise Unsupported("The planes of the TIFF differ in size or type; such a stack cannot be read.")


def _raw(stack: Stack, key: Any, dtype: np.dtype[Any]) -> RawTable | None:
    """A table of row bands, if every page is one run of plain numbers."""
    plain = (
        int(key.compression) == 1
        and int(key.predictor) == 1
        and key.bitspersample in (8, 16, 32, 64)
        and int(key.fillorder) == 1
        and int(key.sampleformat) != 5
        and not key.is_subsampled
        and not key.is_tiled
    )
    if not plain or key.bitspersample != dtype.itemsize * 8:
        return None
    nbytes = math.prod(key.shaped) * dtype.itemsize
    if stack.contiguous is not None:
        starts = None
    else:
        if any(p.keyframe.parent.byteorder != key.parent.byteorder for p in stack.pages):
            return None
        starts = _runs(stack.pages, nbytes)
        if starts is None:
            return None
    row = max(1, key.shaped[3] * key.shaped[4] * dtype.itemsize)
    rows = max(1, min(key.shaped[2], BAND // row))
    g = geometry(stack.axes, stack.shape, key.shaped, (1, 1, rows, key.shaped[3], key.shaped[4]), modulo=stack.modulo)
    if starts is None and stack.contiguous is not None:
        starts = stack.contiguous + np.arange(g.pages, dtype=np.int64) * nbytes
    _pages(g, stack, key)
    assert starts is not None  # noqa: S101 -- for the type checker: set on every way here
    return RawTable(g, dtype, dtype.newbyteorder(key.parent.byteorder), starts, _files(stack))


def _runs(pages: Sequence[Any], nbytes: int) -> Ints | None:
    """First byte of every page if the strips of each follow each other and hold it all; else None."""
    starts = np.empty(len(pages), np.int64)
    for i, page in enumerate(pages):
        offsets, counts = page.dataoffsets, page.databytecounts
        if len(offsets) == 0 or len(offsets) != len(counts) or offsets[0] == 0:
            return None
        if len(offsets) > 1:
            o, c = np.asarray(offsets, np.int64), np.asarray(counts, np.int64)
            if (o[:-1] + c[:-1] != o[1:]).any() or int(c.sum()) < nbytes:
                return None
        elif counts[0] < nbytes:
            return None
        starts[i] = offsets[0]
    return starts


def _segments(stack: Stack, key: Any, dtype: np.dtype[Any]) -> SegmentTable:
    if key.is_tiled:
        inner = (key.tiledepth, key.tilelength, key.tilewidth)
    else:
        inner = (1, max(1, key.rowsperstrip), key.shaped[3])
    if math.prod(inner) * key.shaped[4] * dtype.itemsize > MAX_CELL:
        raise Unsupported(
            f"One {'tile' if key.is_tiled else 'strip'} of the TIFF holds {math.prod(inner)} pixels; "
            f"more than {MAX_CELL >> 20} MiB at once cannot be read."
        )
    blocks = (1, *inner, key.shaped[4])
    count = math.prod(-(-n // min(n, b)) for n, b in zip(key.shaped, blocks, strict=True))
    offsets, counts = _places(stack.pages, count)
    group = 1 if key.is_tiled else _group(offsets, counts, key, inner[1], dtype)
    blocks = (1, inner[0], inner[1] * group, inner[2], key.shaped[4])
    g = geometry(stack.axes, stack.shape, key.shaped, blocks, modulo=stack.modulo)
    _pages(g, stack, key)
    decoders, which = _decoders(stack.pages)
    return SegmentTable(
        g, dtype, _codec(key), offsets, counts, _files(stack), decoders, which, fill=key.nodata, group=group
    )


def _places(pages: Sequence[Any], count: int) -> tuple[Ints, Ints]:
    """Offsets and byte counts, (pages, count); both 0 where a segment was never written."""
    # before anything of that size is allocated
    for i, page in enumerate(pages):
        if len(page.dataoffsets) != count or len(page.databytecounts) != count:
            raise BadSource(
                f"The TIFF lists {len(page.dataoffsets)} tiles or strips for a plane that needs {count}.",
                private=f"page {i}",
            )
    offsets = np.zeros((len(pages), count), np.int64)
    counts = np.zeros((len(pages), count), np.int64)
    for i, page in enumerate(pages):
        offsets[i], counts[i] = page.dataoffsets, page.databytecounts
    empty = (offsets == 0) | (counts == 0)
    offsets[empty] = 0
    counts[empty] = 0
    return offsets, counts


def _group(offsets: Ints, counts: Ints, key: Any, rows: int, dtype: np.dtype[Any]) -> int:
    """Strips per cell: several if they are small and follow each other."""
    size = rows * key.shaped[3] * key.shaped[4] * dtype.itemsize
    group = int(min(GROUP // max(size, 1), -(-key.shaped[2] // rows)))
    if group < 2 or not counts.all() or (offsets[:, :-1] + counts[:, :-1] != offsets[:, 1:]).any():
        return 1
    return group


def _decoders(pages: Sequence[Any]) -> tuple[tuple[Decoder, ...], npt.NDArray[np.uint32]]:
    """The distinct decoders, and which one each page uses."""
    found: dict[tuple[object, ...], int] = {}
    decoders: list[Decoder] = []
    which = np.zeros(len(pages), np.uint32)
    for i, page in enumerate(pages):
        key = page.keyframe
        jpeg = int(key.compression) in _JPEG
        tables, header = (page.jpegtables, key.jpegheader) if jpeg else (None, None)
        name = (key.hash, tables, header)
        if name not in found:
            found[name] = len(decoders)
            function = _closure(key)
            decoders.append(Decoder(function, tables, header, jpeg, coding(key, function)))
        which[i] = found[name]
    return tuple(decoders), which if len(decoders) > 1 else which[:1]


def _closure(key: Any) -> Any:
    """Tifffile's decode function; a kind it cannot decode is refused now, not at the first pixel."""
    try:
        decode = key.decode
        decode(None, 0)
    except (ValueError, NotImplementedError, KeyError) as error:
        raise Unsupported(
            f"The TIFF is compressed or packed in a way that cannot be decoded ({_codec(key)}).",
            private=f"{error!r:.200}",
        ) from error
    return decode


def _check_bounds(table: RawTable | SegmentTable, sizes: Sequence[int]) -> None:
    """Every chunk must lie inside its file.

    Raises:
        BadSource: One does not: the file is truncated, or its directory is damaged.
    """
    limit = np.asarray(sizes, np.int64)[table.files]
    if isinstance(table, RawTable):
        nbytes = math.prod(d.size for d in table.geometry.dims[-PAGE:]) * table.stored.itemsize
        ends, starts = table.offsets + nbytes, table.offsets
    else:
        ends, starts = (table.offsets + table.counts).max(axis=1), table.offsets.min(axis=1)
        if (table.counts < 0).any():
            raise BadSource("The TIFF states negative sizes for its tiles.")
    bad = (ends > limit) | (starts < 0)
    if bad.any():
        page = int(np.argmax(bad))
        raise BadSource(
            "The TIFF is incomplete: some of its pixels lie behind the end of the file.",
            private=f"{int(bad.sum())} of {len(bad)} planes, first {page}: ends at {int(ends[page])}",
        )
