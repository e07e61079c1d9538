"""Pixel types of CZI files, and how their sub-blocks are decoded."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import imagecodecs
import numpy as np

from s3facade.core.operators import Buffer
from s3facade.readers.czi.segments import inside

RAW, JPEG, JPEG_XR, ZSTD0, ZSTD1 = 0, 1, 4, 5, 6
CODECS: Mapping[int, str] = {RAW: "raw", JPEG: "jpeg", JPEG_XR: "jpegxr", ZSTD0: "zstd", ZSTD1: "zstd, byte planes"}


@dataclass(frozen=True, slots=True)
class Kind:
    """A pixel type."""

    name: str
    number: np.dtype[Any]
    samples: int
    """Values of a pixel: 1; blue, green, red; or blue, green, red, alpha."""

    @property
    def nbytes(self) -> int:
        """Bytes of a pixel."""
        return self.number.itemsize * self.samples


KINDS: Mapping[int, Kind] = {
    0: Kind("Gray8", np.dtype("u1"), 1),
    1: Kind("Gray16", np.dtype("<u2"), 1),
    2: Kind("Gray32Float", np.dtype("<f4"), 1),
    3: Kind("Bgr24", np.dtype("u1"), 3),
    4: Kind("Bgr48", np.dtype("<u2"), 3),
    8: Kind("Bgr96Float", np.dtype("<f4"), 3),
    9: Kind("Bgra32", np.dtype("u1"), 4),
    12: Kind("Gray32", np.dtype("<i4"), 1),
    13: Kind("Gray64Float", np.dtype("<f8"), 1),
}
COMPLEX = {10: "Gray64ComplexFloat", 11: "Bgr192ComplexFloat"}


@dataclass(frozen=True, slots=True)
class Pixels:
    """Decodes a sub-block to pixels, colours in the order red, green, blue, alpha. A filter of chunk tables.

    Args:
        compression: Code of the format.
        number: Type of a value, with its byte order.
        samples: Values of a pixel.
        headed: Whether the data are a whole segment, whose head says where the pixels are.
    """

    compression: int
    number: np.dtype[Any]
    samples: int
    headed: bool = False

    @property
    def name(self) -> str:
        """In words."""
        return CODECS[self.compression]

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The pixels, C order. Raises `ValueError`, `RuntimeError`."""
        if self.headed:
            data = inside(data)
        if self.compression in (JPEG, JPEG_XR):
            image = self._image(data, nbytes)
            values = image.reshape(-1, self.samples)
        else:
            plain = self._bytes(data, nbytes)
            values = np.frombuffer(plain, self.number).reshape(-1, self.samples)
            if self.samples >= 3:
                values = values[:, [2, 1, 0, 3][: self.samples]]
        return np.ascontiguousarray(values).tobytes()

    def _image(self, data: Buffer, nbytes: int) -> np.ndarray[Any, Any]:
        size = jpeg_size(self.compression, data)
        # before decoding, since a few bytes can claim gigabytes
        if size is None or size[0] * size[1] * self.samples * self.number.itemsize != nbytes:
            raise ValueError(f"{size} pixels instead of {nbytes} bytes of {self.number}")
        if self.compression == JPEG:
            image = imagecodecs.jpeg_decode(bytes(data), outcolorspace="RGB" if self.samples == 3 else None)
        else:
            image = imagecodecs.jpegxr_decode(bytes(data))
        if image.dtype != self.number.newbyteorder("=") or image.size * image.itemsize != nbytes:
            raise ValueError(f"{image.shape} of {image.dtype} instead of {nbytes} bytes of {self.number}")
        return np.asarray(image)

    def _bytes(self, data: Buffer, nbytes: int) -> Buffer:
        if self.compression == RAW:
            # raw sub-blocks may have padding behind them
            return memoryview(data)[:nbytes]
        planes = False
        if self.compression == ZSTD1:
            data, planes = _unwrapped(data)
        plain: Buffer = imagecodecs.zstd_decode(bytes(data), out=nbytes)
        if planes and self.number.itemsize == 2 and len(plain) == nbytes:
            low, high = np.frombuffer(plain, np.uint8).reshape(2, -1)
            plain = np.stack([low, high], -1).tobytes()
        return plain


def _unwrapped(data: Buffer) -> tuple[Buffer, bool]:
    """Without the head of ZSTD1: its size, then chunks; chunk 1 says by a bit whether low and high bytes are apart."""
    if not data or not 1 <= data[0] <= len(data):
        raise ValueError("the head of a zstd1 sub-block")
    size = data[0]
    if size not in (1, 3) or (size == 3 and data[1] != 1):
        raise ValueError(f"a head of {size} bytes in a zstd1 sub-block")
    return memoryview(data)[size:], size == 3 and bool(data[2] & 1)


def jpeg_size(compression: int, data: Buffer) -> tuple[int, int] | None:
    """Height and width that a JPEG or JPEG XR says it has, without decoding it; None if it says none, or two."""
    return _sof(data) if compression == JPEG else _photo(data)


def _photo(data: Buffer) -> tuple[int, int] | None:
    """From the container and the head of a JPEG XR, which have to agree.

    The container is a TIFF of one directory with tags 0xBC80 (width), 0xBC81 (height) and 0xBCC0 (where the image is),
    ITU-T T.832 A.7; the head of the image begins with ``WMPHOTO`` and has, from byte 12 on, width and height less one,
    of 16 bits where the first bit of byte 10 says so, else of 32 (8.3).
    """
    try:
        (at,) = struct.unpack_from("<I", data, 4)
        (count,) = struct.unpack_from("<H", data, at)
        found = {}
        for k in range(min(count, 64)):
            tag, kind, _, value = struct.unpack_from("<HHII", data, at + 2 + 12 * k)
            found[tag] = value & (0xFFFF if kind == 3 else 0xFFFFFFFF)
        start, size = found[0xBCC0], (found[0xBC81], found[0xBC80])
        if bytes(data[start : start + 8]) != b"WMPHOTO\0":
            return None
        short = memoryview(data)[start + 10] & 0x80
        width, height = struct.unpack_from(">HH" if short else ">II", data, start + 12)
        return size if size == (height + 1, width + 1) else None
    except (struct.error, KeyError, IndexError):
        return None


def _sof(data: Buffer) -> tuple[int, int] | None:
    """From the frame header of a JPEG (ITU-T T.81 B.2.2)."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(data[at + 5 : at + 7], "big"), int.from_bytes(data[at + 7 : at + 9], "big")
        at += 2 + length
    return None
