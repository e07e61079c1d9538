"""Some of an image's levels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.transforms.described import followed


@dataclass(frozen=True, slots=True)
class KeepLevels:
    """The levels from ``first`` on, ``count`` of them; the others are not there any more."""

    version: ClassVar[int] = 2
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    first: int = 0
    """The level that becomes the finest, counted from 0; negative: from the coarsest."""
    count: int = 1
    """How many levels, at most."""

    def spec(self, source: Spec) -> Spec:
        """``source`` with these levels. Raises `Unsupported` if there are none."""
        n = len(source.levels)
        if not -n <= self.first < n or self.count < 1:
            raise Unsupported(f"The image has {n} levels, counted from 0: `first: {self.first}` is none of them.")
        first = self.first % n
        made = replace(source, levels=source.levels[first : first + self.count])
        return followed(source, made) if first else made

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The same box."""
        return Need(level + self.first % len(source.levels), region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """The same voxels."""
        if block is None:
            raise ValueError("levels need the voxels of their source")
        return block
