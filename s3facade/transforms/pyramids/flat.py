"""Pyramids of planes: the levels that have every plane of the finest one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from s3facade.core.image import Image, derive
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec


def flat(spec: Spec) -> list[int]:
    """Levels that are coarser in y and x alone, finest first; the finest is always among them."""
    whole = spec.levels[0].shape[:-2]
    return [n for n, level in enumerate(spec.levels) if level.shape[:-2] == whole]


@dataclass(frozen=True, slots=True)
class FlatLevels:
    """Leaves out levels that have fewer planes than the finest one. Voxels stay."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    def spec(self, source: Spec) -> Spec:
        """``source`` with the levels that are left."""
        return replace(source, levels=tuple(source.levels[n] for n in flat(source)))

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The region itself, of the level as the source counts it."""
        return Need(flat(source)[level], region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """``block`` itself."""
        if block is None:
            raise ValueError("every level needs voxels of its source")
        return block


def flattened(image: Image) -> Image:
    """``image`` without levels of fewer planes; itself if it has none of them."""
    return image if len(flat(image.spec)) == len(image.spec.levels) else derive(image, FlatLevels())
