"""One image as a NIfTI file, ``.nii`` or ``.nii.gz``: one key whose size and whose places are arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from s3facade.codecs import nifti as codec
from s3facade.codecs.nifti import NiftiVoxels, Packing
from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.identity import digest
from s3facade.core.image import Dataset, Image, sources
from s3facade.core.keyspace import File
from s3facade.core.objects import Literal, Object, Packed, Pixels, Run, Segment
from s3facade.core.operators import Buffer
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.layouts.nifti_header import Edition, coloured, edition, header, stored_as

PIECE = 1 << 20
"""Bytes of voxels that are made at once, about: what a range touches is made whole."""
WHOLE = 512 << 20
"""Bytes of voxels up to which a packed file is one gzip member."""


@dataclass(frozen=True, slots=True)
class Nifti:
    """The finest level of one image. Axes are x, y, z, t, c; colours of bytes lie together (RGB24, RGBA32).

    A packed file is of stored deflate blocks, so that its size is known, and a range makes what it touches. Up to
    512 MiB of voxels it is one gzip member: its last eight bytes are a checksum of all voxels, and only these need them
    all. A longer one is a member for each megabyte or so (RFC 1952 allows several), each with its own checksum: zlib
    and what is built on it read them as one file; JavaScript in browsers may read the first alone.
    """

    version: ClassVar[int] = 1
    leaf: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    gzip: bool = True
    """Whether it is packed: ``.nii.gz``."""
    edition: Edition | None = None
    """NIfTI-1 or NIfTI-2; default: 1, and 2 beyond 32,767 voxels along an axis."""

    def build(self, dataset: Dataset) -> File:
        """The file. No I/O and no voxels.

        Raises:
            Unsupported: Not exactly one image, a type of voxels that NIfTI lacks, too many voxels for NIfTI-1.
        """
        if len(dataset.images) != 1:
            raise Unsupported(
                f"A NIfTI file holds one image, and this file {len(dataset.images)}; say which one with `series:`."
            )
        (image,) = dataset.images.values()
        spec, about = image.spec, dataset.about
        text = about.get("description") or about.get("name") or ""
        head = header(spec, edition(spec, self.edition), str(text))
        modified = max((s.modified for s in sources(image)), default=0)
        file = _Layout(image, head, self.gzip)
        return File(
            file.size,
            "application/gzip" if self.gzip else "application/octet-stream",
            digest(spec.identity, "nifti", self.version, NiftiVoxels.version, self, head.hex()),
            max(modified, dataset.modified),
            file.body,
        )


class _Layout:
    """Where everything lies in the file of one image."""

    __slots__ = ("_codec", "_counts", "_head", "_image", "_members", "_order", "_unit", "size")

    def __init__(self, image: Image, head: bytes, packed: bool) -> None:  # noqa: FBT001 - private
        spec = image.spec
        self._image = image
        colours = spec.axis("c") if coloured(spec) else None
        dtype = stored_as(spec.dtype)
        self._order = [a for name in "ctzyx" if (a := spec.axis(name)) is not None and a != colours]
        order = (*self._order, *(() if colours is None else (colours,)))
        voxels = NiftiVoxels(dtype, None if order == tuple(range(len(order))) else order)
        total = voxels.nbytes(spec.levels[0].shape, spec.dtype)
        self._members = packed and total > WHOLE
        packing: Packing = "member" if self._members else "blocks"
        self._codec = replace(voxels, packing=packing) if packed else voxels
        self._unit = _unit(spec, self._order, voxels)
        self._counts = [spec.levels[0].shape[a] // self._unit[a] for a in self._order]
        self._head = _opening(head, members=self._members) if packed else head
        tail = 0 if not packed or self._members else len(codec.LAST) + 8
        self.size = len(self._head) + math.prod(self._counts) * self._nbytes + tail

    @property
    def _nbytes(self) -> int:
        return self._codec.nbytes(self._unit, self._image.spec.dtype)

    def body(self) -> Object:
        units = Run(math.prod(self._counts), self._nbytes, self._pixels)
        if self._codec.packing != "blocks":
            return Object((Literal(self._head), units))
        return Object((Literal(self._head), units, Literal(codec.LAST), Run(1, 8, self._checksum)))

    def _pixels(self, number: int) -> Pixels:
        """Unit ``number`` in the order of the file."""
        unit, shape = self._unit, self._image.spec.levels[0].shape
        start = [0] * len(shape)
        for axis, count in zip(reversed(self._order), reversed(self._counts), strict=True):
            number, at = divmod(number, count)
            start[axis] = at * unit[axis]
        stop = tuple(a + n for a, n in zip(start, unit, strict=True))
        return Pixels(self._image, 0, Region(tuple(start), stop), unit, self._codec)

    def _checksum(self, _: int) -> Segment:
        """What ends the one member: made from all units, one at a time."""
        head = codec.checksum(self._head[len(codec.HEAD) :])
        parts = tuple((self._pixels(i), _measured) for i in range(math.prod(self._counts)))
        name = digest("nifti trailer", self._image.spec.identity, self._codec.version, self._codec, self._head.hex())
        return Packed(parts, partial(_trailer, head), 8, name)


def _opening(head: bytes, *, members: bool) -> bytes:
    """The header, packed: a member of its own, or the beginning of the only one."""
    return bytes(codec.member(head)) if members else codec.HEAD + bytes(codec.stored(head))


def _unit(spec: Spec, order: Sequence[int], voxels: NiftiVoxels) -> tuple[int, ...]:
    """The box of voxels that is made at once: whole inner axes, a part of one, and one of each outer axis.

    All units are of one size, so the part divides its axis: the divisor next to a megabyte, the larger one if it is at
    most four times that, else the smaller one.
    """
    shape = spec.levels[0].shape
    unit = [shape[a] if a not in order else 1 for a in range(len(shape))]
    for axis in reversed(order):
        most = max(1, PIECE // voxels.nbytes(tuple(unit), spec.dtype))
        unit[axis] = _divisor(shape[axis], most)
        if unit[axis] < shape[axis]:
            break
    return tuple(unit)


def _divisor(n: int, most: int) -> int:
    if n <= most:
        return n
    found = [d for k in range(1, math.isqrt(n) + 1) if n % k == 0 for d in (k, n // k)]
    below = max(d for d in found if d <= most)
    above = min(d for d in found if d > most)
    return above if 8 * below < most and above <= 4 * most else below


def _measured(data: Buffer | None) -> tuple[int, int]:
    """Checksum and size of a unit. Raises `BadSource`: a file that says of itself that it is whole must be."""
    if data is None:
        raise BadSource("The checksum at the end of the file cannot be told: some of the voxels do not decode.")
    return codec.checksum(data)


def _trailer(head: tuple[int, int], units: Sequence[tuple[int, int]]) -> bytes:
    crc, total = head
    for part, nbytes in units:
        crc = codec.joined(crc, part, nbytes)
        total += nbytes
    return codec.trailer(crc, total)
