"""One image as a NIfTI file, ``.nii`` or ``.nii.gz``: one key whose size and whose places are arithmetic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import ClassVar

from s3facade.codecs import nifti as codec
from s3facade.codecs.nifti import NiftiVoxels
from s3facade.codecs.stored import LAST
from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.identity import digest
from s3facade.core.image import Dataset, Derived, Image, Opened, Source, sources
from s3facade.core.keyspace import File
from s3facade.core.objects import Literal, Object, Packed, Passed, Pixels, Run, Segment
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
    and what is built on it read them as one file; few programs take what follows the first member for an error.
    """

    version: ClassVar[int] = 1
    leaf: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    gzip: bool = True
    """Whether it is packed: ``.nii.gz``."""
    edition: Edition | None = None
    """NIfTI-1 or NIfTI-2; default: 1, and 2 beyond 32,767 voxels along an axis."""

    @property
    def media_type(self) -> str:
        """Of the file."""
        return "application/gzip" if self.gzip else "application/octet-stream"

    def build(self, dataset: Dataset) -> File:
        """The file: an original one of the same form as it is, others made. No I/O and no voxels.

        Raises:
            Unsupported: Not exactly one image, a type of voxels that NIfTI lacks, too many voxels for NIfTI-1.
        """
        if len(dataset.images) != 1:
            raise Unsupported(
                f"A NIfTI file holds one image, and this file {len(dataset.images)}; say which one with `series:`."
            )
        (image,) = dataset.images.values()
        modified = max((s.modified for s in sources(image)), default=0)
        same = (
            None if self.edition is not None else _original(dataset.recipe, image, ".nii.gz" if self.gzip else ".nii")
        )
        if same is not None:
            name = digest("file", same.etag)
            return File(same.size, self.media_type, name, modified, lambda: Object((Passed(same, 0, same.size),)))
        spec, about = image.spec, dataset.about
        text = about.get("description") or about.get("name") or ""
        head = header(spec, edition(spec, self.edition), str(text))
        file = _Layout(image, head, self.gzip)
        return File(
            file.size,
            self.media_type,
            digest(spec.identity, "nifti", self.version, NiftiVoxels.version, self, head.hex()),
            max(modified, dataset.modified),
            file.body,
        )


PLAIN = frozenset({"source", "files", "reader", "original"})
"""What is told of how an image was made that is one file as it is; see `s3facade.catalog.images.provenance`."""


def _original(recipe: Mapping[str, object], image: Image, ending: str) -> Source | None:
    """The file whose own bytes are the image; None where they have to be made, or nothing may be told of it."""
    made = recipe.get("recipe")
    while isinstance(image, Derived):
        # Levels that nobody sees: steps would stand in the recipe.
        image = image.parent
    if not isinstance(made, Mapping) or made.keys() - PLAIN or not isinstance(image, Opened):
        return None
    source = image.source
    fits = image.reader == "nifti" and len(image.members) < 2
    return source if fits and source.path.lower().endswith(ending) else None


class _Layout:
    """Where everything lies in the file of one image."""

    __slots__ = ("_count", "_counts", "_first", "_head", "_image", "_order", "_rest", "_unit", "_whole", "size")

    def __init__(self, image: Image, head: bytes, packed: bool) -> None:  # noqa: FBT001 - private
        spec = image.spec
        self._image = image
        colours = spec.axis("c") if coloured(spec) else None
        dtype = stored_as(spec.dtype)
        self._order = [a for name in "ctzyx" if (a := spec.axis(name)) is not None and a != colours]
        order = (*self._order, *(() if colours is None else (colours,)))
        plain = NiftiVoxels(dtype, None if order == tuple(range(len(order))) else order)
        self._unit = _unit(spec, self._order, plain)
        self._counts = [spec.levels[0].shape[a] // self._unit[a] for a in self._order]
        self._count = math.prod(self._counts)
        self._whole = not packed or self._count * plain.nbytes(self._unit, spec.dtype) <= WHOLE
        self._first = replace(plain, packing="blocks") if packed else plain
        self._rest = self._first if self._whole else replace(plain, packing="member")
        self._head = codec.HEAD + bytes(codec.stored(head)) if packed else head
        ends = 0 if not packed else len(LAST) + 8
        first = self._first.nbytes(self._unit, spec.dtype)
        rest = self._rest.nbytes(self._unit, spec.dtype)
        self.size = len(self._head) + first + (self._count - 1) * rest + ends

    def body(self) -> Object:
        if self._first.packing == "plain":
            return Object((Literal(self._head), self._units(0, self._count)))
        # What looks at the beginning alone must find the header and voxels in one member; the validator of BIDS does.
        one = self._count if self._whole else 1
        ending = (Literal(LAST), Run(1, 8, partial(self._checksum, one)))
        rest = () if self._whole or self._count == 1 else (self._units(1, self._count),)
        return Object((Literal(self._head), self._units(0, one), *ending, *rest))

    def _units(self, start: int, stop: int) -> Run:
        voxels = self._rest if start else self._first
        nbytes = voxels.nbytes(self._unit, self._image.spec.dtype)
        return Run(stop - start, nbytes, lambda i: self._pixels(start + i, voxels))

    def _pixels(self, number: int, voxels: NiftiVoxels) -> Pixels:
        """Unit ``number`` in the order of the file."""
        unit, shape = self._unit, self._image.spec.levels[0].shape
        start = [0] * len(shape)
        for axis, count in zip(reversed(self._order), reversed(self._counts), strict=True):
            number, at = divmod(number, count)
            start[axis] = at * unit[axis]
        stop = tuple(a + n for a, n in zip(start, unit, strict=True))
        noted = codec.checksum if voxels.packing == "blocks" else None
        return Pixels(self._image, 0, Region(tuple(start), stop), unit, voxels, noted=noted)

    def _checksum(self, count: int, _: int) -> Segment:
        """What ends the first member, which has ``count`` units: made from these, one at a time."""
        head = codec.checksum(self._head[len(codec.HEAD) :])
        parts = tuple((self._pixels(i, self._first), _measured) for i in range(count))
        spec = self._image.spec
        name = digest(
            "nifti trailer", spec.identity, self._first.version, self._first, self._unit, count, self._head.hex()
        )
        return Packed(parts, partial(_trailer, head), 8, name)


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
