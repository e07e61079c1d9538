"""Images one behind the other: sections to volumes, time points to series, colours to channels."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import ClassVar, Literal

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Channel, Spec
from s3facade.transforms.combining.rows import Row, joined, row, row_apply, row_needs, seamless
from s3facade.transforms.combining.together import Remembered, called, check_alike, common, fits, shared_levels
from s3facade.transforms.geometry.places import EDGE, PlaceOption

_ROWS = Remembered()
_SPARE = 8
"""Missing images that an error names."""
_MOST = 1_000_000
"""Places in a row with gaps: a typing error in a number must not take all memory."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Images along ``z``, ``t`` or ``c``: those that lack the axis become one voxel of it, others are joined.

    With numbers in ``index`` (from the names of files), the result has one place for each number from ``start`` to
    before ``stop`` in steps of ``step``, and places without an image are gaps.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    along: Literal["z", "t", "c"] = "z"
    spacing: PlaceOption | None = None
    """From one place to the next, as in ``50 um`` or ``2 s``; without it the new axis has no unit."""
    missing: Literal["error", "nearest", "constant"] = "error"
    """What a gap is: an error, the image next to it (the lower one of two), or ``value``."""
    value: float = 0.0
    sizes: Literal["error", "pad"] = "error"
    """Whether images of several sizes are an error, or get ``value`` at their far ends."""
    origin: PlaceOption | None = None
    """Where the first place is, as in ``0 um``, its default."""
    start: float | None = None
    """Default: the lowest number."""
    stop: float | None = None
    """Default: behind the highest number."""
    step: float = 1.0
    index: tuple[int | float | str, ...] = ()
    """Of each image; given by the group that they form."""

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """The description of the row.

        Raises:
            Unsupported: Images that differ, numbers that do not fit, or gaps where they are an error.
        """
        check_alike("stack", sources, free=self.along, sized=self.sizes == "error", index=self.index)
        about = self._row(sources)
        first = sources[next(p for p in about.parts if p is not None)]
        axis, scale, origin = self._axis(sources)
        axes, levels = joined(sources, about, axis, scale, origin)
        if self.missing == "constant" or self.sizes == "pad":
            fits("stack", self.value, first.dtype)
        channels = first.channels
        if self.along == "c":
            channels = tuple(c for p in about.parts for c in ((Channel(),) if p is None else sources[p].channels))
        return replace(first, axes=axes, levels=tuple(levels), channels=channels, attrs=common(sources))

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        """The images that the region touches."""
        return row_needs(self._row(sources), sources, level, region)

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:
        """The same voxels."""
        return row_apply(self._row(sources), sources, level, region, blocks, self.value)

    def _row(self, sources: Sequence[Spec]) -> Row:
        return _ROWS.get(self, sources, lambda: self._made(sources))

    def _made(self, sources: Sequence[Spec]) -> Row:
        parts = self._parts(sources)
        levels = seamless(sources, self.along, parts, shared_levels(sources, self.along, sized=self.sizes == "error"))
        return row(sources, self.along, parts, levels)

    def _axis(self, sources: Sequence[Spec]) -> tuple[Axis, float, float]:
        """The axis, its scale and its origin."""
        unit = {"z": "micrometer", "t": "second"}.get(self.along)
        for name, given in (("spacing", self.spacing), ("origin", self.origin)):
            if given is not None and given.unit != unit:
                hint = {"z": "write a length, as in 50 um", "t": "write a time, as in 2 s"}
                raise Unsupported(
                    f"stack: {name}: {given} does not fit {self.along}; {hint.get(self.along, 'leave it out')}."
                )
        if self.spacing is not None and self.spacing.value <= 0:
            raise Unsupported("stack: `spacing` must be greater than zero.")
        having = [spec for spec in sources if self.along in spec.names]
        long = any(spec.length(self.along) > 1 for spec in sources)
        if long and self.spacing is not None:
            raise Unsupported(f"stack: the images have several voxels along {self.along}, and so a spacing: leave it.")
        if having and len(having) < len(sources) and self.along != "c":
            other = next(i for i, spec in enumerate(sources) if self.along not in spec.names)
            raise Unsupported(f"stack: {called(sources, other, self.index)} has no axis {self.along}, others have.")
        origin = 0.0 if self.origin is None else self.origin.value
        if self.spacing is not None:
            return Axis(self.along, unit), self.spacing.value, origin
        if self.origin is not None and not having:
            raise Unsupported("stack: `origin` needs a `spacing`.")
        if not having or self.along == "c":
            return Axis(self.along), 1.0, 0.0
        check_alike("stack", [_only(spec, self.along) for spec in sources], placed=False, index=self.index)
        i = having[0].names.index(self.along)
        if self.origin is not None and having[0].axes[i].unit != unit:
            raise Unsupported("stack: `origin` needs images that state their size along it; or a `spacing`.")
        own = having[0].levels[0].origin[i] if self.origin is None else origin
        return having[0].axes[i], having[0].levels[0].scale[i], own

    def _parts(self, sources: Sequence[Spec]) -> list[int | None]:
        """Numbers of the images in the order of their places; None for gaps that stay."""
        found = [_number(n) for n in self.index]
        numbers = [n for n in found if n is not None]
        if len(numbers) != len(sources):
            if self.index and len(self.index) != len(sources):
                raise ValueError("stack: an index for each image")
            if self.missing != "error" or self.start is not None or self.stop is not None:
                raise Unsupported("stack: gaps are found by numbers in the names of files; the group has none.")
            return list(range(len(sources)))
        start = min(numbers) if self.start is None else self.start
        places = self._places(numbers, start)
        count = max(places) + 1 if self.stop is None else math.ceil((self.stop - start) / self.step - EDGE)
        if count == len(places):
            return [places[n] for n in range(count)]
        self._check_gaps(sources, places, start, count)
        if self.missing == "constant":
            return [places.get(n) for n in range(count)]
        known = sorted(places)
        middles = [(a + b) / 2 for a, b in pairwise(known)]
        return [places[known[bisect_left(middles, n)]] for n in range(count)]

    def _places(self, numbers: Sequence[float], start: float) -> dict[int, int]:
        """The image of each place, by its position in the row."""
        if self.step <= 0:
            raise Unsupported("stack: `step` must be greater than zero.")
        places: dict[int, int] = {}
        for i, number in enumerate(numbers):
            if number < start - EDGE * self.step or (self.stop is not None and number >= self.stop):
                continue
            n = round((number - start) / self.step)
            if abs(start + n * self.step - number) > EDGE * self.step:
                raise Unsupported(f"stack: the number {number:g} is none of {start:g}, {start + self.step:g}, …")
            if n in places:
                raise Unsupported(f"stack: two images have the number {number:g}.")
            places[n] = i
        if not places:
            until = "" if self.stop is None else f" to before {self.stop:g}"
            raise Unsupported(f"stack: no image has a number from {start:g}{until}.")
        return places

    def _check_gaps(self, sources: Sequence[Spec], places: Mapping[int, int], start: float, count: int) -> None:
        gaps = (n for n in range(count) if n not in places)
        numbers = [start + n * self.step for n in islice(gaps, _SPARE)]
        if self.missing == "error":
            named, rest = ", ".join(f"{number:g}" for number in numbers), count - len(places) - len(numbers)
            raise Unsupported(
                f"stack: there is no image {named}{f' and {rest} more' if rest else ''}; write `missing: nearest` or "
                f"`missing: constant`, or `step` if the numbers count otherwise than by {self.step:g}."
            )
        if count > _MOST:
            raise Unsupported(f"stack: {len(places)} images for {count} places; write the `step` of their numbers.")
        if any(spec.length(self.along) > 1 for spec in sources):
            raise Unsupported(f"stack: image {numbers[0]:g} is missing, and nothing says how long along {self.along}.")


def _number(value: float | str) -> float | None:
    """An index as a number, also if it is written in digits."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() else None
    return value


def _only(spec: Spec, name: str) -> Spec:
    i = spec.names.index(name)
    level = spec.levels[0]
    about = replace(level, shape=(1,), scale=(level.scale[i],), origin=(0.0,), block=(1,))
    return replace(spec, axes=(spec.axes[i],), levels=(about,))
