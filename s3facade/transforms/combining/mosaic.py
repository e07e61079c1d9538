"""Tiles that a stage has recorded, as one image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Level, Spec
from s3facade.transforms.combining.blend import covered, feathered, largest, visible
from s3facade.transforms.combining.tiles import Tiles, by_grid, by_list, by_stage, laid_out
from s3facade.transforms.combining.together import Remembered, check_alike, common, fits, shared_levels
from s3facade.transforms.geometry.places import PlaceOption, PositionOption

_LAYOUTS = Remembered()


@dataclass(frozen=True, slots=True)
class Mosaic:
    """Images where they say that they are, rounded to whole voxels; or where ``positions`` or ``columns`` say.

    A tile is never further from its place than half a voxel of the level that is shown.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    blend: Literal["first", "max", "mean", "linear"] = "first"
    """Where tiles overlap: the first one, the largest value, the mean, or a mean that fades to the edges of tiles."""
    columns: int | None = None
    """Tiles in a row of a grid, which the images fill row by row."""
    overlap: PlaceOption | None = None
    """Of neighbours in the grid: ``10%``, voxels, or a length."""
    snake: bool = False
    """Whether every second row of the grid runs backwards."""
    positions: tuple[tuple[PositionOption, ...], ...] = ()
    """(y, x) or (z, y, x) of the centre of each image's first voxel: all as lengths, or all in voxels."""
    value: float = 0.0
    """Shown where there is no tile."""

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """The description of the whole.

        Raises:
            Unsupported: Images that differ, no positions, or values that cannot be blended.
        """
        check_alike("mosaic", sources, placed=False, sized=False)
        first = sources[0]
        fits("mosaic", self.value, first.dtype)
        averaged = self.blend in {"mean", "linear"}
        if averaged and (first.dtype.kind not in "iuf" or (first.dtype.kind in "iu" and first.dtype.itemsize > 4)):
            raise Unsupported(f"mosaic: no means of {first.dtype} voxels are taken; use `blend: first`.")
        if averaged and any(spec.attrs.get("categorical") for spec in sources):
            raise Unsupported("mosaic: labels have no mean; use `blend: first`.")
        if self.blend == "max" and first.dtype.kind == "c":
            raise Unsupported("mosaic: complex values have no largest one; use `blend: first`.")
        _, levels = self._layout(sources)
        return replace(first, levels=tuple(levels), attrs=common(sources))

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        """The part of each tile that the region shows."""
        tiles = self._layout(sources)[0][level]
        return [(n, Need(level, _local(tiles, n, part))) for n, part in self._parts(tiles, region)]

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:
        """The tiles, one at a time."""
        tiles = self._layout(sources)[0][level]
        parts = self._parts(tiles, region)
        dtype = sources[0].dtype
        if self.blend == "first" or len(parts) == 1:
            return covered(region, dtype, self.value, [part for _, part in parts], blocks)
        if self.blend == "max":
            return largest(region, dtype, self.value, [part for _, part in parts], blocks)
        space = [name in "zyx" for name in sources[0].names]
        boxes = [(Region(tuple(tiles.starts[n].tolist()), tuple(tiles.stops[n].tolist())), p) for n, p in parts]
        return feathered(region, dtype, self.value, boxes, blocks, space, even=self.blend == "mean")

    def _parts(self, tiles: Tiles, region: Region) -> list[tuple[int, Region]]:
        parts = tiles.touching(region)
        return visible(parts) if self.blend == "first" else parts

    def _layout(self, sources: Sequence[Spec]) -> tuple[list[Tiles], list[Level]]:
        return _LAYOUTS.get(self, sources, lambda: self._laid_out(sources))

    def _laid_out(self, sources: Sequence[Spec]) -> tuple[list[Tiles], list[Level]]:
        if self.positions and self.columns is not None:
            raise Unsupported("mosaic: state `columns` or `positions`, not both.")
        if self.columns is not None:
            voxels, lowest = by_grid(sources, self.columns, self.overlap, snake=self.snake)
        elif self.positions:
            voxels, lowest = by_list(sources, self.positions)
        else:
            voxels, lowest = by_stage(sources)
        return laid_out(sources, voxels, lowest, shared_levels(sources, sized=False))


def _local(tiles: Tiles, number: int, part: Region) -> Region:
    """Voxels of the whole as those of one tile."""
    first = tiles.starts[number].tolist()
    start, stop = (tuple(a - o for a, o in zip(ends, first, strict=True)) for ends in (part.start, part.stop))
    return Region(start, stop)
