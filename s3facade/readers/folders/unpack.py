"""From the bytes of a chunk to its numbers: chains of filters, and how the numbers are ordered."""

from __future__ import annotations

import bz2
import lzma
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import google_crc32c
import numpy as np

from s3facade.core.operators import Block, Buffer
from s3facade.readers.arrays.chunked import Filter
from s3facade.readers.arrays.filters import MAX_XZ, SLACK


class Resizing(Protocol):
    """A filter whose input has another size than its output, for reasons other than compression."""

    def before(self, nbytes: int) -> int:
        """Bytes that go in, where ``nbytes`` come out."""
        ...


def run(filters: Sequence[Filter], data: Buffer, nbytes: int) -> Buffer:
    """``data`` through all filters; ``nbytes`` is the size of what comes out of the last one."""
    sizes = [nbytes]
    for step in reversed(filters[1:]):
        before = getattr(step, "before", None)
        sizes.append(sizes[-1] if before is None else before(sizes[-1]))
    for step, size in zip(filters, reversed(sizes), strict=False):
        data = step.decode(data, size)
    return data


@dataclass(frozen=True, slots=True)
class Numbers:
    """Whole chunks of plain numbers behind filters."""

    filters: tuple[Filter, ...]
    """In the order of decoding."""
    order: tuple[int, ...] = ()
    """Dimensions in the order of the bytes, slowest first; empty where they are those of the array."""
    cut: bool = False
    """Whether chunks at the far edges hold only what is inside the array."""

    @property
    def name(self) -> str:
        """The chain in the order in which it was applied."""
        return ", ".join(f.name for f in reversed(self.filters)) or "raw"

    def unpack(self, data: Buffer, cell: tuple[int, ...], extent: tuple[int, ...], number: np.dtype[Any]) -> Block:
        """The numbers of a chunk. Raises `ValueError` and what imagecodecs raises."""
        shape = extent if self.cut else cell
        nbytes = math.prod(shape) * number.itemsize
        data = run(self.filters, data, nbytes)
        if len(data) != nbytes:
            raise ValueError(f"{len(data)} bytes instead of {nbytes}")
        found = np.frombuffer(data, number)
        if not self.order:
            return found.reshape(shape)
        return found.reshape([shape[k] for k in self.order]).transpose(np.argsort(self.order))


@dataclass(frozen=True, slots=True)
class Crc32c:
    """Four bytes of CRC-32C behind the data, low byte first; verified and taken off."""

    name: ClassVar[str] = "crc32c"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - four bytes less than what comes in
        """The data without their checksum."""
        view = memoryview(data)
        if len(view) < 4 or google_crc32c.value(bytes(view[:-4])) != int.from_bytes(view[-4:], "little"):
            raise ValueError("the checksum does not fit")
        return view[:-4]


@dataclass(frozen=True, slots=True)
class Xz:
    """LZMA with filters that are not in the stream: ``lzma`` of numcodecs with ``filters``, or N5's ``xz``."""

    name: ClassVar[str] = "lzma"
    kind: int
    """``lzma.FORMAT_XZ``, ``FORMAT_ALONE`` or ``FORMAT_RAW``."""
    chain: tuple[dict[str, int], ...] = ()

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The stream's content."""
        try:
            if self.kind == lzma.FORMAT_RAW:
                found = lzma.LZMADecompressor(self.kind, filters=[dict(f) for f in self.chain])
            else:
                found = lzma.LZMADecompressor(self.kind, memlimit=MAX_XZ)
            return found.decompress(bytes(data), nbytes + SLACK)
        except (lzma.LZMAError, EOFError) as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Bz2Streams:
    """One or more streams of bzip2, as writers of blocks put them one after the other."""

    name: ClassVar[str] = "bz2"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The streams' content."""
        parts: list[bytes] = []
        rest, limit = bytes(data), nbytes + SLACK
        try:
            while rest and limit > 0:
                stream = bz2.BZ2Decompressor()
                parts.append(stream.decompress(rest, limit))
                limit -= len(parts[-1])
                if not stream.eof:
                    break
                rest = stream.unused_data
        except (OSError, EOFError) as error:
            raise ValueError(str(error)) from error
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Delta:
    """Differences from one number to the next: ``delta`` of numcodecs."""

    number: np.dtype[Any]
    stored: np.dtype[Any]
    name: ClassVar[str] = "delta"

    def before(self, nbytes: int) -> int:
        """Bytes of the differences."""
        return nbytes // self.number.itemsize * self.stored.itemsize

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - given by what comes in
        """The numbers."""
        found = np.frombuffer(data, self.stored)
        out = np.empty(found.shape, self.number)
        np.cumsum(found, out=out, dtype=self.number)
        return out.tobytes()


@dataclass(frozen=True, slots=True)
class Scaled:
    """Numbers as ``(number - offset) * scale``, rounded: ``fixedscaleoffset`` of numcodecs."""

    offset: float
    scale: float
    number: np.dtype[Any]
    stored: np.dtype[Any]
    name: ClassVar[str] = "fixedscaleoffset"

    def before(self, nbytes: int) -> int:
        """Bytes of the rounded numbers."""
        return nbytes // self.number.itemsize * self.stored.itemsize

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - given by what comes in
        """The numbers, as far as rounding left them."""
        found = np.frombuffer(data, self.stored)
        return (found / self.scale + self.offset).astype(self.number, copy=False).tobytes()


@dataclass(frozen=True, slots=True)
class Retyped:
    """Numbers of another type: ``astype``, and what ``quantize`` and ``bitround`` leave to do."""

    number: np.dtype[Any]
    stored: np.dtype[Any]
    name: str

    def before(self, nbytes: int) -> int:
        """Bytes of the other type."""
        return nbytes // self.number.itemsize * self.stored.itemsize

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - given by what comes in
        """The numbers."""
        return np.frombuffer(data, self.stored).astype(self.number).tobytes()


@dataclass(frozen=True, slots=True)
class PackedBits:
    """Truth values as bits, behind a byte with the number of bits that are none: ``packbits`` of numcodecs."""

    name: ClassVar[str] = "packbits"

    def before(self, nbytes: int) -> int:
        """Bytes of the bits."""
        return nbytes // 8 + 2

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """A byte for each."""
        found = np.frombuffer(data, np.uint8)
        return np.unpackbits(found[1:], count=min(nbytes, 8 * (len(found) - 1))).tobytes()


CLASSES: tuple[type[Any], ...] = (Numbers, Crc32c, Xz, Bz2Streams, Delta, Scaled, Retyped, PackedBits)
"""For `FolderFreezing`."""
