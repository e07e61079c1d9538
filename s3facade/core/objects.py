"""Objects as sequences of segments: exact sizes and any byte range, before any byte exists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from s3facade.core.image import Image, Source
from s3facade.core.operators import Buffer, Codec
from s3facade.core.region import Region


@dataclass(frozen=True, slots=True)
class Literal:
    """Bytes at hand."""

    data: bytes

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Pixels:
    """A box of an image through a codec, padded with zeros to ``shape`` (>= the region's, per axis)."""

    image: Image
    level: int
    region: Region
    shape: tuple[int, ...]
    codec: Codec
    told: int | None = None
    """Encoded size, where it is not arithmetic and was found out."""
    noted: Callable[[Buffer], object] | None = field(default=None, compare=False)
    """What a `Packed` of the same object measures on the bytes. It is found out when these are made, and remembered:
    so that who has read all of a file does not wait until all of it is made again for its checksum."""

    @property
    def nbytes(self) -> int | None:
        """Encoded size if it is arithmetic or was found out."""
        return self.codec.nbytes(self.shape, self.image.spec.dtype) if self.told is None else self.told


@dataclass(frozen=True, slots=True)
class Passed:
    """Source bytes as they are, ``start <= i < stop``."""

    source: Source
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Packed:
    """Bytes made from what was measured on pixels, e.g. a document with the range of values in it.

    Each part is measured by itself, so that only one is held at a time. A measure gets None where the source could
    not be decoded. ``pack`` gets what the measures gave, in order, and must return exactly ``nbytes`` bytes. Both
    are pure.
    """

    parts: tuple[tuple[Pixels, Callable[[Buffer | None], object]], ...]
    pack: Callable[[Sequence[Any]], bytes]
    nbytes: int
    identity: str
    """Names the result, for caches."""


Segment: TypeAlias = Literal | Pixels | Passed | Packed


@dataclass(frozen=True, slots=True)
class Run:
    """``count`` segments of ``nbytes`` each, made by index when they are wanted."""

    count: int
    nbytes: int
    make: Callable[[int], Segment]


@dataclass(frozen=True, slots=True)
class Object:
    """What one key holds. Segments inside must know their size, but for one that is all of the object."""

    parts: tuple[Segment | Run, ...]

    @property
    def size(self) -> int:
        """Bytes of the whole. Raises ValueError where only computing tells."""
        return sum(_extent(p) for p in self.parts)

    @property
    def unsized(self) -> Pixels | None:
        """The one segment of an object whose size only computing tells; None of all others."""
        first = self.parts[0] if len(self.parts) == 1 else None
        return first if isinstance(first, Pixels) and first.nbytes is None else None

    def sized(self, nbytes: int) -> Object:
        """The same `unsized` object, with the size that was found out."""
        first = self.unsized
        if first is None:
            raise ValueError("the size is arithmetic")
        return Object((replace(first, told=nbytes),))


@dataclass(frozen=True, slots=True)
class Cut:
    """Bytes ``lo <= i < hi`` of one segment."""

    segment: Segment
    lo: int
    hi: int


def _extent(part: Segment | Run) -> int:
    n = part.count * part.nbytes if isinstance(part, Run) else part.nbytes
    if n is None:
        raise ValueError("a segment without a size cannot stand in an object")
    return n


def cut(obj: Object, start: int, stop: int) -> Iterator[Cut]:
    """The pieces that bytes ``start <= i < stop`` touch, in order; nothing else is made."""
    base = 0
    for part in obj.parts:
        end = base + _extent(part)
        lo, hi = max(start, base) - base, min(stop, end) - base
        if lo < hi:
            if isinstance(part, Run):
                n = part.nbytes
                for i in range(lo // n, -(-hi // n)):
                    yield Cut(part.make(i), max(lo - i * n, 0), min(hi - i * n, n))
            else:
                yield Cut(part, lo, hi)
        base = end
        if base >= stop:
            return
