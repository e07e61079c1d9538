"""Compressions and shufflings that chunked formats share, undone without the format's own library.

Each is a frozen dataclass of portable fields, as `chunked` takes them. Memory is bounded by the size of the decoded
chunk, whatever the data say. All raise `ValueError` or `RuntimeError` for data that do not decode.
"""

from __future__ import annotations

import bz2
import lzma
import struct
import zlib
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import imagecodecs
import numpy as np

from s3facade.core.operators import Buffer

SLACK = 64
"""Bytes that the data may be longer between two filters than a chunk is: headers, checksums."""
MAX_XZ = 256 << 20
"""Bytes that the dictionary of an LZMA stream may take; the largest preset needs 65 MiB."""
_LZ4_SIZE = struct.Struct("<i")
_BLOCKS = struct.Struct(">QI")
_BLOCK = struct.Struct(">I")
_codecs: Any = imagecodecs
"""Its stubs do not know that it takes every kind of buffer."""


@dataclass(frozen=True, slots=True)
class Deflate:
    """A zlib stream: HDF5 filter 1, ``zlib`` of Zarr."""

    name: ClassVar[str] = "deflate"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The stream's content."""
        return _bytes(_codecs.deflate_decode(data, out=nbytes + SLACK))


@dataclass(frozen=True, slots=True)
class Gzip:
    """One or more members of gzip."""

    name: ClassVar[str] = "gzip"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The members' content, one after the other."""
        found = _bytes(_codecs.gzip_decode(data, out=nbytes + SLACK))
        # libdeflate stops behind the first member and does not tell where
        return found if len(found) >= nbytes else _members(data, nbytes + SLACK)


@dataclass(frozen=True, slots=True)
class Zstd:
    """Frames of Zstandard, of known size or not: HDF5 filter 32015, ``zstd`` of Zarr."""

    name: ClassVar[str] = "zstd"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The frames' content."""
        return _bytes(_codecs.zstd_decode(data, out=nbytes + SLACK))


@dataclass(frozen=True, slots=True)
class Blosc:
    """A chunk of Blosc 1, whatever compresses inside: HDF5 filter 32001, ``blosc`` of Zarr."""

    name: ClassVar[str] = "blosc"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The chunk's content, shuffling undone."""
        return _bytes(_codecs.blosc_decode(data, numthreads=1, out=nbytes + SLACK))


@dataclass(frozen=True, slots=True)
class Blosc2:
    """A plain chunk of Blosc 2, not a frame of several."""

    name: ClassVar[str] = "blosc2"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The chunk's content, shuffling undone."""
        return _bytes(_codecs.blosc2_decode(data, numthreads=1, out=nbytes + SLACK))


@dataclass(frozen=True, slots=True)
class Lz4:
    """A block of LZ4 behind four bytes with its decoded size, little-endian: ``lz4`` of numcodecs."""

    name: ClassVar[str] = "lz4"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The block's content."""
        if len(data) < 4:
            raise ValueError("shorter than its header")
        (size,) = _LZ4_SIZE.unpack_from(data)
        return _bytes(_codecs.lz4_decode(memoryview(data)[4:], out=_bounded(size, nbytes)))


@dataclass(frozen=True, slots=True)
class Lz4H5:
    """Blocks of LZ4 as HDF5's filter 32004 frames them: sizes big-endian, incompressible blocks plain."""

    name: ClassVar[str] = "lz4"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The blocks' content."""
        size, length = _blocks(data, nbytes)
        # What is there decides how many blocks there can be; the library divides by their length.
        if length < 1 or -(-size // length) > len(data) // 4:
            raise ValueError(f"blocks of {length} bytes do not make {size} bytes out of {len(data)}")
        return _bytes(_codecs.lz4h5_decode(data, out=size))


@dataclass(frozen=True, slots=True)
class Lzf:
    """LZF without a header: HDF5 filter 32000."""

    name: ClassVar[str] = "lzf"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """What was compressed."""
        return _bytes(_codecs.lzf_decode(data, out=nbytes + SLACK))


@dataclass(frozen=True, slots=True)
class Bz2:
    """A stream of bzip2: HDF5 filter 307, ``bz2`` of Zarr."""

    name: ClassVar[str] = "bz2"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The stream's content."""
        try:
            return bz2.BZ2Decompressor().decompress(data, nbytes + SLACK)
        except OSError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Lzma:
    """A stream of xz or of the older lzma format: ``lzma`` of numcodecs as it is by default."""

    name: ClassVar[str] = "lzma"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The stream's content."""
        try:
            # A stream says how large its dictionary is, which is taken before the first byte of content.
            return lzma.LZMADecompressor(memlimit=MAX_XZ).decompress(bytes(data), nbytes + SLACK)
        except (lzma.LZMAError, EOFError) as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Szip:
    """Szip with HDF5's four bytes of size before it: filter 4. Fields are the filter's client data."""

    name: ClassVar[str] = "szip"
    mask: int
    pixels_per_block: int
    bits_per_pixel: int
    pixels_per_scanline: int

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """What was compressed."""
        if len(data) < 4:
            raise ValueError("shorter than its header")
        (size,) = _LZ4_SIZE.unpack_from(data)
        about = (self.mask, self.pixels_per_block, self.bits_per_pixel, self.pixels_per_scanline)
        return _bytes(_codecs.szip_decode(memoryview(data)[4:], *about, out=_bounded(size, nbytes)))


@dataclass(frozen=True, slots=True)
class Shuffle:
    """Bytes of numbers sorted by their place in the number: HDF5 filter 2, ``shuffle`` of numcodecs."""

    itemsize: int
    name: ClassVar[str] = "shuffle"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - as long as what comes in
        """The numbers. What is left behind the last whole one is left as it is."""
        whole = len(data) // self.itemsize * self.itemsize
        if self.itemsize == 1 or not whole:
            return data
        if self.itemsize > 255:
            planes = np.frombuffer(data, np.uint8, whole).reshape(self.itemsize, -1)
            return b"".join((planes.T.tobytes(), memoryview(data)[whole:]))
        # Blosc unshuffles with the processor's vectors, six times as fast as NumPy does. The data are handed to it as
        # a chunk of one block that is stored as it is: 16 bytes of header, where the block is, how long it is.
        head = struct.pack("<4B3I2i", 2, 1, 0x11, self.itemsize, whole, whole, whole + 24, 20, whole)
        found = _codecs.blosc_decode(b"".join((head, memoryview(data)[:whole])), numthreads=1, out=whole)
        return found if whole == len(data) else b"".join((found, memoryview(data)[whole:]))


@dataclass(frozen=True, slots=True)
class Bitshuffle:
    """Bits of numbers sorted by their place in the number, and blocks compressed: HDF5 filter 32008."""

    itemsize: int
    block: int = 0
    """Numbers of a block where nothing is compressed; 0 is what the library chooses."""
    inner: str = ""
    """``lz4``, ``zstd`` or nothing."""

    @property
    def name(self) -> str:
        """``bitshuffle``, and what compresses its blocks."""
        return f"bitshuffle {self.inner}".rstrip()

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The numbers."""
        if not self.inner:
            return _unbitshuffled(data, self.itemsize, self.block)
        size, length = _blocks(data, nbytes)
        # Blocks are of whole numbers, eight at least; what is left of fewer than eight is stored plain at the end.
        full, rest = divmod(size, length) if length >= 8 * self.itemsize else (0, -1)
        if rest < 0 or length % self.itemsize or full > len(data) // 4:
            raise ValueError(f"blocks of {length} bytes do not make {size} bytes out of {len(data)}")
        unpack = _codecs.lz4_decode if self.inner == "lz4" else _codecs.zstd_decode
        view, at, parts = memoryview(data), _BLOCKS.size, []
        last = rest - rest % (8 * self.itemsize)
        for expected in [length] * full + [last] * (last > 0):
            (count,) = _BLOCK.unpack_from(view, at) if len(view) >= at + 4 else (len(view),)
            at += 4 + count
            if at > len(view):
                raise ValueError("a block ends behind the end of its chunk")
            parts.append(_bytes(unpack(view[at - count : at], out=expected)))
            if len(parts[-1]) != expected:
                raise ValueError(f"a block has {len(parts[-1])} bytes instead of {expected}")
        plain = view[at : at + rest - last]
        return _unbitshuffled(b"".join((*parts, plain)), self.itemsize, length // self.itemsize)


@dataclass(frozen=True, slots=True)
class Fletcher32:
    """Four bytes of checksum behind the data, verified and taken off: HDF5 filter 3, ``fletcher32`` of numcodecs."""

    name: ClassVar[str] = "fletcher32"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - four bytes less than what comes in
        """The data without their checksum."""
        if len(data) < 4:
            raise ValueError("shorter than its checksum")
        view = memoryview(data)
        low, high = struct.unpack("<2H", view[-4:])
        found = fletcher32(view[:-4])
        # Early versions of HDF5 swapped the bytes of both halves; it accepts both.
        swapped = tuple((n & 0xFF) << 8 | n >> 8 for n in (low, high))
        if found not in {(low % 65535, high % 65535), tuple(n % 65535 for n in swapped)}:
            raise ValueError(f"the checksum does not fit: {found} instead of {(low, high)}")
        return view[:-4]


FILTERS: tuple[type[Any], ...] = (
    Deflate, Gzip, Zstd, Blosc, Blosc2, Lz4, Lz4H5, Lzf, Bz2, Lzma, Szip, Shuffle, Bitshuffle, Fletcher32,
)  # fmt: skip
"""All of them, for `Freezing`."""


def fletcher32(data: Buffer) -> tuple[int, int]:
    """The two sums of Fletcher's checksum over words of 16 bits, modulo 65,535; an odd byte at the end is high."""
    words = np.frombuffer(data, ">u2", len(data) // 2)
    rows = len(words) >> 12
    first, second = 0, 0
    for part in (words[: rows << 12].reshape(rows, 1 << 12), words[rows << 12 :][None]):
        count = part.shape[1]
        if part.size:
            # Rows are short enough for both sums to be whole numbers in double precision.
            sums = part.astype(np.float64) @ np.stack([np.ones(count), np.arange(count, 0, -1.0)], 1)
            one = sums[:, 0].astype(np.int64) % 65535
            before = (first + np.concatenate(([0], np.cumsum(one)[:-1]))) % 65535
            second = (second + int((before * count + sums[:, 1].astype(np.int64)).sum())) % 65535
            first = (first + int(one.sum())) % 65535
    if len(data) % 2:
        first = (first + (data[-1] << 8)) % 65535
        second = (second + first) % 65535
    return first, second


def _bytes(found: object) -> bytes:
    return cast(bytes, found)


def _bounded(size: int, nbytes: int) -> int:
    """A size that the data state, which has to be near that of the chunk."""
    if not 0 <= size <= nbytes + SLACK:
        raise ValueError(f"{size} bytes are said to be in a chunk of {nbytes}")
    return size


def _blocks(data: Buffer, nbytes: int) -> tuple[int, int]:
    """Decoded size and bytes of a block, from a header of 8 and 4 bytes."""
    if len(data) < _BLOCKS.size:
        raise ValueError("shorter than its header")
    size, length = _BLOCKS.unpack_from(data)
    return _bounded(size, nbytes), length


def _unbitshuffled(data: Buffer, itemsize: int, block: int) -> bytes:
    whole = len(data) // (8 * itemsize) * (8 * itemsize)
    found = _codecs.bitshuffle_decode(memoryview(data)[:whole], itemsize=itemsize, blocksize=block)
    return _bytes(found) if whole == len(data) else b"".join((found, memoryview(data)[whole:]))


def _members(data: Buffer, limit: int) -> bytes:
    parts: list[bytes] = []
    rest = bytes(data)
    while rest and limit > 0:
        member = zlib.decompressobj(wbits=31)
        try:
            parts.append(member.decompress(rest, limit))
        except zlib.error as error:
            raise ValueError(str(error)) from error
        if not member.eof and member.unconsumed_tail:
            break
        if not member.eof:
            raise ValueError("a member is cut short")
        limit -= len(parts[-1])
        rest = member.unused_data
    return b"".join(parts)
