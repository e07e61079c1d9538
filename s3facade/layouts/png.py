"""Images as PNG files, not compressed, so that sizes are exact: one plane each, grey or in colour."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from s3facade.codecs.png import PngRows, chunk, joined
from s3facade.codecs.stored import LAST
from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.identity import digest
from s3facade.core.image import Dataset, Image
from s3facade.core.keyspace import File
from s3facade.core.objects import Literal, Object, Packed, Pixels, Run
from s3facade.core.operators import Buffer
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.layouts.naming import modified
from s3facade.layouts.tiff_pages import colours

BAND = 1 << 20
"""Bytes of rows that are made at a time, about."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TYPES = ("uint8", "uint16")
_TAIL = len(LAST) + 4
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Png:
    """One plane as a PNG file of stored blocks: every band of rows is a chunk that needs its own voxels alone.

    The checksum at the end of the stream is the only part that needs all of them. Specification: PNG, third edition.
    """

    version: ClassVar[int] = 1
    leaf: ClassVar[bool] = True
    media_type: ClassVar[str] = "image/png"
    flat: ClassVar[bool] = True
    """Of several levels the finest is shown."""
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def build(self, dataset: Dataset) -> File:
        """The file. No I/O and no voxels; its size is arithmetic.

        Raises:
            Unsupported: Not one image, several planes, or values that PNG has not.
        """
        if len(dataset.images) != 1:
            raise Unsupported(
                f"A PNG file holds one image, and there are {len(dataset.images)}; choose one with `series:`."
            )
        image = next(iter(dataset.images.values()))
        _check(image.spec)
        made = _Parts(image, colours(image.spec))
        identity = digest(type(self).__name__, self.version, self, PngRows.version, image.spec.identity)
        return File(made.size, self.media_type, identity, modified(dataset), partial(_Parts.body, made))


def _check(spec: Spec) -> None:
    for axis, advice in (("t", "`select: {t: 0}`"), ("z", "`select: {z: 0}` or `project`")):
        if spec.length(axis) > 1:
            raise Unsupported(
                f"A PNG file holds one plane, and the image has {spec.length(axis)} along {axis}; choose one by a "
                f"step, {advice}."
            )
    if spec.length("c") > 1 and colours(spec) == 1:
        raise Unsupported(
            f"A PNG file holds one channel, or the colours of a photograph, and the image has {spec.length('c')} "
            "channels; choose one by the step `channels`, or merge them with `lut`."
        )
    if spec.dtype.name not in _TYPES:
        raise Unsupported(
            f"PNG has no values of type {spec.dtype}; write `dtype: uint8` or `dtype: uint16`, behind a step `rescale` "
            "if values do not lie in that range."
        )
    if max(spec.levels[0].shape[-2:]) > _MOST:
        raise Unsupported("PNG files have at most 2147483647 pixels along an axis; crop the image.")


@dataclass(frozen=True, slots=True)
class _Parts:
    """The chunks of one file."""

    image: Image
    samples: int

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.body().size

    def body(self) -> Object:
        """The file; quick."""
        bands = self._bands()
        head = Literal(_SIGNATURE + chunk(b"IHDR", self._header()) + _physical(self.image.spec))
        first = self._band(0)
        runs = [Run(1, first.codec.nbytes(first.shape, self.image.spec.dtype) or 0, self._band)]
        if bands > 2:
            middle = self._band(1)
            nbytes = middle.codec.nbytes(middle.shape, self.image.spec.dtype) or 0
            runs.append(Run(bands - 2, nbytes, partial(self._after, 1)))
        if bands > 1:
            last = self._band(bands - 1)
            nbytes = last.codec.nbytes(last.shape, self.image.spec.dtype) or 0
            runs.append(Run(1, nbytes, partial(self._after, bands - 1)))
        end = Run(1, 12 + _TAIL, self._checksum)
        return Object((head, *runs, end, Literal(chunk(b"IEND", b""))))

    def _header(self) -> bytes:
        height, width = self.image.spec.levels[0].shape[-2:]
        colour = {1: 0, 3: 2, 4: 6}[self.samples]
        return struct.pack(">IIBBBBB", width, height, 8 * self.image.spec.dtype.itemsize, colour, 0, 0, 0)

    def _rows(self) -> int:
        """Rows of a band: whole blocks of the source where these are not too large."""
        level = self.image.spec.levels[0]
        height, width = level.shape[-2:]
        fit = max(1, BAND // (width * self.samples * self.image.spec.dtype.itemsize))
        own = level.block[-2]
        return min(height, fit // own * own if fit >= own else fit)

    def _bands(self) -> int:
        return -(-self.image.spec.levels[0].shape[-2] // self._rows())

    def _after(self, first: int, i: int) -> Pixels:
        return self._band(first + i)

    def _band(self, i: int) -> Pixels:
        spec, rows = self.image.spec, self._rows()
        shape = spec.levels[0].shape
        low = (*(0 for _ in shape[:-2]), i * rows, 0)
        region = Region(low, (*shape[:-2], (i + 1) * rows, shape[-1])).clip(shape)
        axis = spec.axis("c") if self.samples > 1 else None
        codec = PngRows(axis, first=i == 0)
        return Pixels(self.image, 0, region, region.shape, codec, noted=codec.checksum)

    def _checksum(self, _: int) -> Packed:
        """The end of the stream, which needs all rows; each band is measured by itself."""
        parts = tuple((self._band(i), partial(_measured, PngRows(None, first=i == 0))) for i in range(self._bands()))
        identity = digest("png", Png.version, PngRows.version, self.image.spec.identity, self._rows())
        return Packed(parts, _ended, 12 + _TAIL, identity)


def _measured(codec: PngRows, data: Buffer | None) -> tuple[int, int]:
    if data is None:
        raise BadSource("A part of the image cannot be decoded, so that its checksum is not known.")
    return codec.checksum(data)


def _ended(measured: Sequence[tuple[int, int]]) -> bytes:
    found = measured[0]
    for more in measured[1:]:
        found = joined(found, more)
    return chunk(b"IDAT", LAST + struct.pack(">I", found[0]))


def _physical(spec: Spec) -> bytes:
    """Pixels per metre, where the source says how large a pixel is; to the nearest whole number, as PNG has them."""
    if any(axis.unit is None for axis in spec.axes[-2:]):
        return b""
    y, x = (round(1e6 / scale) if 0 < scale < 1e9 else 0 for scale in spec.levels[0].scale[-2:])
    if not (0 < x <= _MOST and 0 < y <= _MOST):
        return b""
    return chunk(b"pHYs", struct.pack(">IIB", x, y, 1))
