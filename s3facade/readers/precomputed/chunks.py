"""How chunks of a precomputed volume become voxels.

Sources: "Precomputed volume format" and "Compressed segmentation format" of Neuroglancer's documentation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import imagecodecs
import numpy as np
import numpy.typing as npt

from s3facade.core.operators import Block, Buffer

_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
Words = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class Picture:
    """Chunks as one flat picture: x is fastest, then y, then z; channels are the samples of a pixel."""

    name: str
    """``jpeg`` or ``png``."""

    def unpack(self, data: Buffer, cell: tuple[int, ...], extent: tuple[int, ...], number: np.dtype[Any]) -> Block:  # noqa: ARG002 - the seam
        """The voxels of a chunk: c, z, y, x. Raises `ValueError` and what imagecodecs raises."""
        data = bytes(data)
        pixels = math.prod(extent[1:])
        width, height = _jpeg_size(data) if self.name == "jpeg" else _png_size(data)
        # Before anything is decoded: a picture may say that it is as large as it likes.
        if width * height != pixels:
            raise ValueError(f"a picture of {width} x {height} pixels where there are {pixels} voxels")
        found = imagecodecs.jpeg8_decode(data) if self.name == "jpeg" else imagecodecs.png_decode(data)
        if found.dtype != number or found.size != math.prod(extent):
            raise ValueError(f"a picture of {found.shape}, {found.dtype}")
        return np.moveaxis(found.reshape(pixels, extent[0]), 1, 0).reshape(extent)


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of the first frame."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        kind = data[at + 1]
        if kind in _FRAMES:
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 1 if kind == 0xFF else 2 if kind in _NO_LENGTH else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    raise ValueError("no frame of JPEG")


def _png_size(data: bytes) -> tuple[int, int]:
    if data[:8] != b"\x89PNG\r\n\x1a\n" or data[12:16] != b"IHDR":
        raise ValueError("no PNG")
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")


@dataclass(frozen=True, slots=True)
class Segments:
    """Compressed segmentation: small blocks, each with a table of the labels that occur in it."""

    block: tuple[int, int, int]
    """x, y, z."""
    name: ClassVar[str] = "compressed_segmentation"

    def unpack(self, data: Buffer, cell: tuple[int, ...], extent: tuple[int, ...], number: np.dtype[Any]) -> Block:  # noqa: ARG002 - the seam
        """The voxels of a chunk: c, z, y, x. Raises `ValueError`."""
        if len(data) % 4 or len(data) < 4 * extent[0]:
            raise ValueError(f"{len(data)} bytes are no whole words, or too few")
        words = np.frombuffer(data, "<u4").astype(np.uint32, copy=False)
        out = np.empty(extent, number.newbyteorder("="))
        for c in range(extent[0]):
            if int(words[c]) > len(words):
                raise ValueError(f"channel {c} starts behind the end")
            out[c] = self._channel(words[int(words[c]) :], extent[1:], out.dtype)
        return out

    def _channel(self, words: Words, extent: tuple[int, ...], number: np.dtype[Any]) -> Block:
        sizes = self.block[::-1]
        grid = tuple(-(-n // b) for n, b in zip(extent, sizes, strict=True))
        count = math.prod(grid)
        if len(words) < 2 * count:
            raise ValueError(f"{len(words)} words where {count} blocks have their headers")
        heads = words[: 2 * count].reshape(count, 2)
        tables, bits, values = heads[:, 0] & 0xFFFFFF, heads[:, 0] >> 24, heads[:, 1]
        inside = math.prod(sizes)
        out = np.empty((count, inside), number)
        for width in map(int, np.unique(bits)):
            these = np.flatnonzero(bits == width)
            places = _unpacked(words, values[these], width, inside)
            out[these] = _looked_up(words, tables[these].astype(np.int64)[:, None], places, number)
        whole = out.reshape(*grid, *sizes).transpose(0, 3, 1, 4, 2, 5)
        return whole.reshape([g * b for g, b in zip(grid, sizes, strict=True)])[tuple(slice(n) for n in extent)]


def _unpacked(words: Words, starts: Words, width: int, count: int) -> npt.NDArray[np.int64]:
    """Numbers of ``width`` bits, lowest bits of a word first: ``count`` from each start."""
    if width == 0:
        return np.zeros((len(starts), 1), np.int64)
    if width not in {1, 2, 4, 8, 16, 32}:
        raise ValueError(f"numbers of {width} bits")
    each = 32 // width
    length = -(-count // each)
    if int(starts.max(initial=0)) + length > len(words):
        raise ValueError("encoded values end behind the end")
    found = words[starts.astype(np.int64)[:, None] + np.arange(length)]
    shifts = np.arange(each, dtype=np.uint32) * np.uint32(width)
    mask = np.uint32((1 << width) - 1)
    places: npt.NDArray[np.int64] = (found[:, :, None] >> shifts & mask).astype(np.int64)
    return places.reshape(len(starts), -1)[:, :count]


def _looked_up(
    words: Words, tables: npt.NDArray[np.int64], places: npt.NDArray[np.int64], number: np.dtype[Any]
) -> Block:
    """Labels from the tables."""
    step = number.itemsize // 4
    at = tables + step * places
    if at.size and int(at.max()) + step > len(words):
        raise ValueError("a table ends behind the end")
    found: Block = words[at]
    return found if step == 1 else found.astype(np.uint64) | words[at + 1].astype(np.uint64) << np.uint64(32)


CLASSES: tuple[type[Any], ...] = (Picture, Segments)
"""For `FolderFreezing`."""
TYPES: Mapping[str, frozenset[str]] = {
    "jpeg": frozenset({"uint8"}),
    "png": frozenset({"uint8", "uint16"}),
    "compressed_segmentation": frozenset({"uint32", "uint64"}),
}
"""Types of numbers that an encoding may hold; ``raw`` holds all."""
