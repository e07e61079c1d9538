"""From the bytes of a frame to its numbers: fragments, compression, unused bits, colours."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt

from s3facade.core.operators import Block, Buffer
from s3facade.readers.dicom.elements import ITEM
from s3facade.readers.tiff.bomb import stated_voxels

_ITEM = struct.pack("<HH", ITEM >> 16, ITEM & 0xFFFF)
SYNTAXES = {
    "1.2.840.10008.1.2.1.98": "native",
    "1.2.840.10008.1.2.5": "rle",
    "1.2.840.10008.1.2.4.50": "jpeg", "1.2.840.10008.1.2.4.51": "jpeg",
    "1.2.840.10008.1.2.4.57": "lossless jpeg", "1.2.840.10008.1.2.4.70": "lossless jpeg",
    "1.2.840.10008.1.2.4.80": "jpeg-ls", "1.2.840.10008.1.2.4.81": "jpeg-ls",
    "1.2.840.10008.1.2.4.90": "jpeg 2000", "1.2.840.10008.1.2.4.91": "jpeg 2000",
    "1.2.840.10008.1.2.4.92": "jpeg 2000", "1.2.840.10008.1.2.4.93": "jpeg 2000",
    "1.2.840.10008.1.2.4.201": "htj2k", "1.2.840.10008.1.2.4.202": "htj2k", "1.2.840.10008.1.2.4.203": "htj2k",
}  # fmt: skip
"""Compressed transfer syntaxes that can be decoded, by UID (PS3.6 A-1)."""


@dataclass(frozen=True, slots=True)
class Fragments:
    """Joins the fragments of a frame."""

    @property
    def name(self) -> str:
        """In words."""
        return "fragments"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - never more than there is
        """Without the item headers. Raises `ValueError`."""
        view, at, parts = memoryview(data), 0, []
        while at + 8 <= len(view):
            if bytes(view[at : at + 4]) != _ITEM:
                raise ValueError(f"no fragment at {at}")
            (length,) = struct.unpack_from("<I", view, at + 4)
            if at + 8 + length > len(view) + length % 2:
                raise ValueError("a fragment is cut short")
            parts.append(view[at + 8 : at + 8 + length])
            at += 8 + length
        return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)


@dataclass(frozen=True, slots=True)
class Deflated:
    """The part of a deflated data set that holds a frame."""

    start: int
    size: int
    """Bytes of the frame."""
    total: int
    """Bytes of the inflated data set up to the end of its pixels, of which nothing more is inflated."""

    @property
    def name(self) -> str:
        """In words."""
        return "deflate"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - `size` bytes
        """The frame's bytes. Raises `ValueError`."""
        try:
            found = zlib.decompressobj(-15).decompress(data, self.total)
        except zlib.error as error:
            raise ValueError(str(error)) from error
        return found[self.start : self.start + self.size]


@dataclass(frozen=True, slots=True)
class Picture:
    """A compressed frame, as numbers in the order row, column, sample."""

    codec: str
    rows: int
    columns: int
    samples: int
    number: np.dtype[Any]
    """Of the decoded numbers, native byte order."""
    photometric: str = "MONOCHROME2"

    @property
    def name(self) -> str:
        """In words."""
        return self.codec

    @property
    def fragile(self) -> bool:
        """Whether decoding may crash the process: the library of HTJ2K does on damaged data."""
        return self.codec == "htj2k"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - the shape bounds it
        """The numbers as bytes. Raises `ValueError`, `RuntimeError`."""
        shape = (self.rows, self.columns, self.samples)
        stated = _jpegls_voxels(data) if self.codec == "jpeg-ls" else stated_voxels(memoryview(data))
        if stated > 2 * self.rows * self.columns * self.samples:
            raise ValueError("the compressed frame claims to be larger than the image")
        block = np.asarray(self._decoded(bytes(data)))
        if block.ndim == 2:
            block = block[:, :, None]
        if block.shape != shape:
            raise ValueError(f"the compressed frame is of shape {block.shape} instead of {shape}")
        if block.dtype != self.number:
            same = block.dtype.kind in "iu" and block.dtype.itemsize == self.number.itemsize
            block = block.view(self.number) if same else block.astype(self.number)
        return np.ascontiguousarray(block).tobytes()

    def _decoded(self, data: bytes) -> Any:
        if self.codec == "rle":
            return self._rle(data)
        if self.codec == "jpeg":
            return imagecodecs.jpeg8_decode(data, **self._spaces(data))
        if self.codec == "lossless jpeg":
            return (
                imagecodecs.ljpeg_decode(data) if _ljpeg(data) else imagecodecs.jpeg8_decode(data, **self._spaces(data))
            )
        if self.codec == "jpeg-ls":
            return imagecodecs.jpegls_decode(data)
        if self.codec == "htj2k":
            return imagecodecs.htj2k_decode(data) if data[:2] == b"\xff\x4f" else imagecodecs.jpeg2k_decode(data)
        return imagecodecs.jpeg2k_decode(data)

    def _rle(self, data: bytes) -> Block:
        planes = imagecodecs.dicomrle_decode(data, self.number.newbyteorder("="))
        found: Block = np.frombuffer(planes, self.number) if isinstance(planes, bytes) else np.asarray(planes)
        return found.reshape(self.samples, self.rows, self.columns).transpose(1, 2, 0)

    def _spaces(self, data: bytes) -> dict[str, Any]:
        """Which colours a JPEG holds: those that DICOM states, unless the stream's own markers say otherwise."""
        if self.samples != 3:
            return {}
        if self.photometric == "RGB" and not _says_ycc(data):
            return {"colorspace": "RGB", "outcolorspace": "RGB"}
        return {"colorspace": "YCBCR", "outcolorspace": "RGB"}


def _jpegls_voxels(data: Buffer) -> int:
    """Rows x columns x components by the header of a JPEG-LS stream, which its decoder allocates for."""
    at = 2
    while at + 10 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xF7:
            height, width, components = struct.unpack_from(">HHB", data, at + 5)
            return int(height * width * components)
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return 0


def _ljpeg(data: bytes) -> bool:
    """Whether a JPEG is of the lossless process."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        if data[at + 1] == 0xC3:
            return True
        if 0xC0 <= data[at + 1] <= 0xCF and data[at + 1] not in (0xC4, 0xC8, 0xCC):
            return False
        at += 2 + struct.unpack_from(">H", data, at + 2)[0]
    return False


def _says_ycc(data: bytes) -> bool:
    """Whether a JPEG says by a marker of JFIF or of Adobe that its colours are transformed."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        body = data[at + 4 : at + 2 + length]
        if data[at + 1] == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            return body[11] == 1
        if data[at + 1] == 0xE0 and body[:5] == b"JFIF\0":
            return True
        at += 2 + length
    return False


@dataclass(frozen=True, slots=True)
class Bits:
    """Single bits, the lowest of a byte first, as bytes (PS3.5 8.1.1)."""

    count: int
    shift: int
    """Bits of the first byte that belong to the frame before."""

    @property
    def name(self) -> str:
        """In words."""
        return "1 bit"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - `count` bytes
        """One byte per bit."""
        found = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        return found[self.shift : self.shift + self.count].tobytes()


@dataclass(frozen=True, slots=True)
class Swapped:
    """Bytes that were stored as the 16-bit words of a big-endian file (PS3.5 A.3)."""

    @property
    def name(self) -> str:
        """In words."""
        return "swapped words"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """In their order."""
        raw = np.frombuffer(data, np.uint8)
        return raw[: raw.size // 2 * 2].reshape(-1, 2)[:, ::-1].tobytes()[:nbytes]


@dataclass(frozen=True, slots=True)
class Masked:
    """Numbers of fewer bits than they take: the others are cleared, or copies of the sign (PS3.5 8.1.1)."""

    number: np.dtype[Any]
    stored: int
    high: int
    """Highest bit in use."""

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.stored} bits"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - as much as there is
        """The numbers."""
        bits = 8 * self.number.itemsize
        block = np.frombuffer(data, self.number)
        found = np.right_shift(np.left_shift(block, bits - 1 - self.high), bits - self.stored)
        return bytes(found.astype(self.number, copy=False).tobytes())


@dataclass(frozen=True, slots=True, eq=False)
class Palette:
    """Indices as red, green and blue (PS3.3 C.7.6.3.1.5)."""

    index: np.dtype[Any]
    first: int
    """Index of the first colour; lower ones have its colour, too."""
    table: npt.NDArray[Any]
    """(colours, 3)"""

    @property
    def name(self) -> str:
        """In words."""
        return "palette"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - three per index
        """Colours, sample by sample."""
        index = np.frombuffer(data, self.index).astype(np.int64) - self.first
        return bytes(self.table[np.clip(index, 0, len(self.table) - 1)].tobytes())


@dataclass(frozen=True, slots=True)
class FromYbr:
    """Luminance and chrominance as red, green and blue (PS3.3 C.7.6.3.1.2)."""

    planar: bool = False
    """Whether the samples lie plane by plane."""
    half: bool = False
    """Whether two pixels in a row share their chrominance: Y Y Cb Cr."""

    @property
    def name(self) -> str:
        """In words."""
        return "ybr 422" if self.half else "ybr"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - as much as there is
        """Colours, sample by sample, 8 bits each. Raises `ValueError`."""
        raw = np.frombuffer(data, np.uint8)
        if self.half:
            fours = raw.reshape(-1, 4)
            ycc = np.stack([fours[:, :2], fours[:, [2, 2]], fours[:, [3, 3]]], axis=-1).reshape(-1, 3)
        else:
            ycc = raw.reshape(3, -1).T if self.planar else raw.reshape(-1, 3)
        y = ycc[:, 0].astype(np.float32)
        cb, cr = ycc[:, 1].astype(np.float32) - 128, ycc[:, 2].astype(np.float32) - 128
        rgb = np.stack(
            [y + 1.402 * cr, y - 0.114 * 1.772 / 0.587 * cb - 0.299 * 1.402 / 0.587 * cr, y + 1.772 * cb], -1
        )
        return bytes(np.clip(np.floor(rgb + 0.5), 0, 255).astype(np.uint8).tobytes())
