"""Datasets of HDF5 as chunk tables: where the file keeps each chunk, and what was done to it.

Useful for every format that is written in HDF5. Source: HDF5 File Format Specification 3.0, IV.A.2.i (layouts) and
IV.A.2.l (filters).
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.chunked import ChunkedTable, Filter, chunked
from s3facade.readers.arrays.raw import Ints, Linear, RawTable, raw
from s3facade.readers.arrays.stored import Stored, bands
from s3facade.readers.hdf5.library import Found
from s3facade.readers.hdf5.pipeline import Applied, needed, undone

MAX_CHUNKS = 1 << 23
"""Chunks of one dataset; more is refused."""
ROOM = 1 << 16
"""Bytes that an incompressible chunk may take beyond twice its numbers."""
_FLOATS = {2: (10, 15), 4: (23, 127), 8: (52, 1023)}
"""By size: bits of the mantissa and bias of the exponent of IEEE 754."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One dataset: how it is stored. Made by `piece`."""

    sizes: tuple[int, ...]
    cell: tuple[int, ...]
    """Of a chunk; a whole dataset that is stored as one run is one."""
    number: np.dtype[Any]
    filters: tuple[Filter, ...]
    fill: float
    offsets: Ints
    """Of each chunk, in the shape of the grid; of a run, its first byte."""
    counts: Ints
    """Bytes of each chunk, 0 for one that was never written."""
    skipped: np.ndarray[Any, np.dtype[np.uint32]]
    """Of each chunk; bit ``i``: filter ``i`` of ``filters`` was not applied."""
    file: int
    run: bool
    """Whether it is one run of numbers."""

    @property
    def coding(self) -> tuple[object, ...]:
        """What all datasets of one image have to share."""
        # Not a number is not equal to itself.
        return self.sizes, self.cell, self.number, self.filters, repr(self.fill), self.run


def refuse(dataset: Any) -> None:
    """Raise `Unsupported` if a dataset is no array of numbers of this file."""
    dtype = dataset.dtype
    if dtype.kind == "c" or dtype.names in (("r", "i"), ("real", "imag")):
        raise Unsupported(f"{dataset.name!r} holds complex numbers, which are not shown.")
    if dtype.names is not None or dtype.subdtype is not None or dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise Unsupported(f"{dataset.name!r} holds {dtype}, which is no kind of number that can be shown.")
    if dataset.shape is None or 0 in dataset.shape:
        raise Unsupported(f"{dataset.name!r} is empty.")
    if dataset.is_virtual:
        raise Unsupported(f"{dataset.name!r} is put together from other datasets (virtual); open those.")
    if dataset.external:
        raise Unsupported(f"{dataset.name!r} keeps its numbers in other files (external storage), which is not read.")


@dataclass(frozen=True, slots=True)
class _Coding:
    """How the numbers of a dataset are coded."""

    number: np.dtype[Any]
    fill: float
    steps: tuple[Filter, ...]
    obstacle: str | None


def obstacle(dataset: Any) -> str | None:
    """Why only HDF5 itself can read a dataset; None if `piece` can.

    Raises:
        Unsupported: HDF5 cannot either.
    """
    return _coding(dataset).obstacle


def _coding(dataset: Any) -> _Coding:
    import h5py

    refuse(dataset)
    plist = dataset.id.get_create_plist()
    dtype, value = number(dataset), fill(dataset)
    reason, steps = None, undone(_applied(plist), dtype, value)
    if not _plain(dataset.id.get_type()):
        reason = "Its numbers are of a type of their own, which the HDF5 library converts, one caller at a time."
    elif plist.get_layout() == h5py.h5d.COMPACT:
        reason = "It is stored in the header of the file (compact), where the HDF5 library reads it."
    if isinstance(steps, Applied):
        needed(steps, _available)
        reason = f"It is compressed with HDF5 filter {steps.title}, which its plug-in undoes, one caller at a time."
        steps = ()
    return _Coding(dtype, value, steps, reason)


def piece(found: Found, file: SourceFile) -> Piece:
    """How a dataset without an `obstacle` is stored. Reads its index of chunks.

    Args:
        found: A dataset.
        file: The file that it is in.

    Raises:
        Unsupported: Only HDF5 itself can read it, or it has too many chunks.
    """
    dataset = found.item
    coding = _coding(dataset)
    if coding.obstacle:
        raise Unsupported(f"{found.name!r} cannot be read as a part of an image. {coding.obstacle}")
    sizes, dtype, value, steps = tuple(dataset.shape), coding.number, coding.fill, coding.steps
    if dataset.chunks is None:
        return _run(found, sizes, dtype, value)
    cell = tuple(dataset.chunks)
    grid = tuple(-(-s // n) for s, n in zip(sizes, cell, strict=True))
    if math.prod(grid) > MAX_CHUNKS:
        raise Unsupported(f"{found.name!r} has {math.prod(grid)} chunks; more than {MAX_CHUNKS} are not read.")
    index, offsets, counts, masks = _index(dataset, cell, grid)
    if len(counts) and counts.max() > 2 * math.prod(cell) * dtype.itemsize + ROOM:
        raise BadSource(f"A chunk of {found.name!r} is said to take {counts.max()} bytes, far more than it can hold.")
    shape = (math.prod(grid),)
    every = np.zeros(shape, np.int64), np.zeros(shape, np.int64), np.zeros(shape, np.uint32)
    for whole, part in zip(every, (offsets + _shift(dataset, file), counts, masks), strict=True):
        whole[index] = part
    skipped = _reversed(every[2], len(steps))
    return Piece(
        sizes, cell, dtype, steps, value, every[0].reshape(grid), every[1].reshape(grid), skipped.reshape(grid),
        found.file, run=False,
    )  # fmt: skip


def table(
    pieces: Sequence[Piece | None],
    dims: Sequence[str],
    outer: Sequence[int] = (),
    *,
    files: Sequence[SourceFile],
    inner: Sequence[int] | None = None,
    number: np.dtype[Any] | None = None,
    values: Linear | None = None,
) -> ChunkedTable | RawTable:
    """The table of an image made of datasets that are all stored alike.

    Args:
        pieces: In C order of the ``outer`` dimensions; None for what the format says is absent: it is the fill value.
        dims: The axis of each dimension, the ``outer`` ones first.
        outer: Lengths of the dimensions along which there are several datasets.
        files: Of the raster.
        inner: Lengths of the dimensions of a dataset, where the image is smaller than what is stored.
        number: Type of the stored numbers, where it is another one than the dataset says.
        values: What the numbers stand for.

    Raises:
        BadSource: Datasets are missing, smaller than the image or cut short.
        Unsupported: They differ in a way that one image cannot have.
    """
    known = [p for p in pieces if p is not None]
    if not known or len(pieces) != math.prod(outer):
        raise BadSource(f"The image is made of {math.prod(outer)} datasets, of which {len(known)} are there.")
    first = known[0]
    if any(p.coding != first.coding for p in known):
        raise Unsupported("The datasets of the image differ in shape, chunks, type or compression.")
    sizes = tuple(inner or first.sizes)
    if len(sizes) != len(first.sizes) or any(n > m for n, m in zip(sizes, first.sizes, strict=True)):
        raise BadSource(f"A dataset of the image has the shape {first.sizes}; the file speaks of {sizes}.")
    kind = number or first.number
    end = [f.source.size for f in files]
    which = np.array([p.file if p else 0 for p in pieces], np.uint32)
    stored = Stored(tuple(dims), (*outer, *sizes), (1,) * len(outer) + first.cell)
    if first.run and len(known) == len(pieces) and all(int(p.counts.max()) for p in known):
        strides = tuple(kind.itemsize * math.prod(first.sizes[k + 1 :]) for k in range(len(sizes)))
        places = np.array([int(p.offsets.flat[0]) for p in known], np.int64)
        return raw(
            dims, stored.sizes, kind, places, end=end, outer=len(outer), strides=strides, files=which, values=values
        )
    if first.run and any(int(p.counts.max()) for p in known):
        raise Unsupported("Some of the image's datasets are absent, and the others are stored without chunks.")
    if first.run:
        stored = Stored(stored.dims, stored.sizes, bands(dims, stored.sizes, kind.itemsize, len(outer)))
        nothing = np.zeros(math.prod(stored.grid), np.int64)
        return chunked(stored, kind, nothing, nothing, (), end=end, fill=first.fill, values=values)
    cut = tuple(slice(-(-s // n)) for s, n in zip(sizes, first.cell, strict=True))
    absent = np.zeros(first.offsets[cut].shape, np.int64)
    parts = [(p.offsets[cut], p.counts[cut], p.skipped[cut]) if p else (absent,) * 3 for p in pieces]
    offsets, counts, skipped = (np.concatenate([part[k].ravel() for part in parts]) for k in range(3))
    per = math.prod(absent.shape)
    return chunked(
        stored, kind, offsets, counts, first.filters, end=end, fill=first.fill, values=values,
        files=np.repeat(which, per) if which.any() else None,
        skipped=skipped.astype(np.uint32) if skipped.any() else None,
    )  # fmt: skip


def number(dataset: Any) -> np.dtype[Any]:
    """Type of the stored numbers, with their byte order."""
    found: np.dtype[Any] = np.dtype(dataset.dtype.str)
    return found


def fill(dataset: Any) -> float:
    """Value of what was never written."""
    import h5py

    # h5py ends the process over a damaged one that it is asked for without this question.
    if dataset.id.get_create_plist().fill_value_defined() != h5py.h5d.FILL_VALUE_USER_DEFINED:
        return 0
    found: float = np.asarray(dataset.fillvalue).item()
    return found


def _applied(plist: Any) -> list[Applied]:
    """The filters of a dataset in the order of the file."""
    found = (plist.get_filter(i) for i in range(plist.get_nfilters()))
    return [Applied(code, tuple(values), label.decode("utf-8", "replace")) for code, _, values, label in found]


def _available(code: int) -> bool:
    import importlib.util

    import h5py

    if importlib.util.find_spec("hdf5plugin") is not None:
        importlib.import_module("hdf5plugin")
    return bool(h5py.h5z.filter_avail(code))


def _plain(kind: Any) -> bool:
    """Whether numbers are stored as NumPy knows them: all bits used, IEEE 754."""
    import h5py

    if kind.get_class() == h5py.h5t.BITFIELD:
        # As PyTables writes Booleans; h5py does not tell which bits of others are used.
        usual = [getattr(h5py.h5t, f"STD_B{bits}{order}") for bits in (8, 16, 32, 64) for order in ("LE", "BE")]
        return any(kind.equal(one) for one in usual)
    if kind.get_class() == h5py.h5t.ENUM:
        kind = kind.get_super()
    size = kind.get_size()
    if kind.get_precision() != 8 * size or kind.get_offset():
        return False
    if not hasattr(kind, "get_ebias"):
        return True
    _, _, _, _, mantissa = kind.get_fields()
    return _FLOATS.get(size) == (mantissa, kind.get_ebias())


def _run(found: Found, sizes: tuple[int, ...], dtype: np.dtype[Any], value: float) -> Piece:
    written = found.item.id.get_storage_size() > 0
    offset = found.item.id.get_offset() if written else 0
    shape = (1,) * len(sizes)
    places = np.full(shape, offset or 0, np.int64)
    counts = np.full(shape, math.prod(sizes) * dtype.itemsize if offset else 0, np.int64)
    return Piece(sizes, sizes, dtype, (), value, places, counts, np.zeros(shape, np.uint32), found.file, run=True)


def _index(dataset: Any, cell: tuple[int, ...], grid: tuple[int, ...]) -> tuple[Ints, Ints, Ints, Ints]:
    """Position in the grid, offset, bytes and mask of every chunk that was written."""
    # Flat: a tuple for each of millions of chunks would take gigabytes.
    numbers = array("q")
    most = MAX_CHUNKS * (len(cell) + 3)

    def one(info: Any) -> None:
        # What is returned ends the walk; None goes on.
        if len(numbers) < most:
            numbers.extend((*info.chunk_offset, info.byte_offset, info.size, info.filter_mask))

    dataset.id.chunk_iter(one)
    found = (
        np.frombuffer(numbers, np.int64).reshape(-1, len(cell) + 3) if numbers else np.zeros((0, len(cell) + 3), int)
    )
    at = found[:, :-3] // np.array(cell)
    inside = ((at >= 0) & (at < np.array(grid))).all(1)
    at, found = at[inside], found[inside]
    index = np.ravel_multi_index(tuple(at.T), grid) if len(at) else np.zeros(0, np.int64)
    return index.astype(np.int64), found[:, -3], found[:, -2], found[:, -1]


def _shift(dataset: Any, file: SourceFile) -> int:
    """Bytes to add to offsets of chunks: some versions of HDF5 count them from the end of the user block."""
    block = int(dataset.file.userblock_size)
    if not block or not dataset.id.get_num_chunks():
        return 0
    info = dataset.id.get_chunk_info(0)
    _, data = dataset.id.read_direct_chunk(info.chunk_offset)
    start, size = int(info.byte_offset), int(info.size)
    if start + block + size <= file.source.size and bytes(file.pread(start, size)) != data:
        return block
    return 0


def _reversed(masks: np.ndarray[Any, np.dtype[np.uint32]], count: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Masks whose bits count filters in the order of decoding; those of the file count in the order of encoding."""
    out = np.zeros_like(masks)
    if masks.any():
        for i in range(count):
            out |= (masks >> np.uint32(i) & 1) << np.uint32(count - 1 - i)
    return out
