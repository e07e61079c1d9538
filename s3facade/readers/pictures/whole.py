"""Pictures that are decoded whole, as the one filter of a chunk that is the whole file."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import imagecodecs
import numpy as np

from s3facade.core.operators import Block, Buffer

NAMES: Mapping[str, str] = MappingProxyType(
    {
        "png": "PNG", "jpeg": "JPEG", "jpegls": "JPEG-LS", "jpeg2k": "JPEG 2000", "htj2k": "HTJ2K", "webp": "WebP",
        "avif": "AVIF", "bmp": "BMP", "gif": "GIF", "jpegxl": "JPEG XL", "jpegxr": "JPEG XR", "qoi": "QOI",
    }
)  # fmt: skip
_FIRST = frozenset({"webp", "avif", "jpegxl"})
"""Codecs that may hold several pictures, of which the first is meant."""
_FRAGILE = frozenset({"jpegxr", "htj2k"})
"""Codecs whose libraries damaged data can crash."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A file that imagecodecs decodes."""

    codec: str
    shape: tuple[int, ...]
    """Of what is decoded."""
    dtype: np.dtype[Any]
    mode: str = ""
    """``index``: the indices of a PNG's palette instead of colours. ``upright`` and a digit: turned as Exif's
    orientation of that number says. ``skip:`` and a number: without so many bytes at the beginning."""
    level: int = 0
    """Resolutions left out, of HTJ2K."""

    @property
    def name(self) -> str:
        """As people call it."""
        return NAMES.get(self.codec, self.codec)

    @property
    def fragile(self) -> bool:
        """Whether decoding may crash the process."""
        return self.codec in _FRAGILE

    def decode(self, data: Buffer, nbytes: int) -> Buffer:  # noqa: ARG002 - the shape says it
        """The samples, C order of ``shape``; never other ones than these in number and type.

        Raises:
            ValueError: The picture is damaged, or of another shape than its header said when it was opened.
            RuntimeError: As ValueError.
        """
        encoded = bytes(data)
        if self.mode.startswith("skip:"):
            encoded = encoded[int(self.mode[5:]) :]
        if self.codec == "avif":
            encoded = still(encoded)
        if self.codec == "jpeg" and not ended(encoded):
            # libjpeg fills what is missing with grey
            raise ValueError("the JPEG ends before its last line")
        if self.mode == "index":
            return _indices(encoded, self.shape).data.cast("B")
        turned = self.mode.startswith("upright")
        number = int(self.mode[-1]) if turned else 1
        stored = (self.shape[1], self.shape[0], *self.shape[2:]) if number > 4 else self.shape
        out: Block = np.empty(stored, self.dtype)
        function: Callable[..., Any] = getattr(imagecodecs, f"{self.codec}_decode")
        options: dict[str, Any] = {"skipres": self.level} if self.level else {}
        if self.codec in _FIRST:
            options["index"] = 0
        function(encoded, out=out, **options)
        if turned:
            out = np.ascontiguousarray(upright(out, number))
        return out.data.cast("B")


def still(data: bytes) -> bytes:
    """An AVIF that is no sequence, so that its primary picture is decoded.

    Asked for one frame of a sequence, imagecodecs 2026.3.6 writes behind the end of the array.
    """
    return data[:8] + b"avif" + data[12:]


def upright(block: Block, number: int) -> Block:
    """``block`` (y, x, ...) turned and mirrored as Exif's orientation ``number`` (1 to 8) says."""
    if number > 4:
        block = block.swapaxes(0, 1)
    if number in (3, 4, 7, 8):
        block = block[::-1]
    if number in (2, 3, 6, 7):
        block = block[:, ::-1]
    return block


def ended(data: bytes) -> bool:
    """Whether a JPEG's end is there, behind the beginning of its last scan."""
    return data.rfind(b"\xff\xd9") > data.rfind(b"\xff\xda") > 0


def _indices(data: bytes, shape: tuple[int, ...]) -> Block:
    """The indices of a PNG's palette: the same stream with a header that calls them grey."""
    bits = data[24]
    head = b"IHDR" + data[16:25] + b"\0" + data[26:29]
    parts = [data[:8], struct.pack(">I", 13), head, struct.pack(">I", zlib.crc32(head))]
    at = 33
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big") + 12
        if data[at + 4 : at + 8] in (b"IDAT", b"IEND"):
            parts.append(data[at : at + size])
        at += size
    out = np.empty(shape, np.uint8)
    imagecodecs.png_decode(b"".join(parts), out=out)
    # the library stretches grey of fewer bits to 255
    out //= np.uint8(255 // ((1 << bits) - 1))
    return out
