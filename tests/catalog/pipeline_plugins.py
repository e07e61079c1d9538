"""Transforms that tests register as another package would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from s3facade.core.errors import SourceNotFound, Unsupported
from s3facade.core.image import Source
from s3facade.core.operators import Block, Need
from s3facade.core.options import OtherImage, ParameterFile
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.stores.local import describe


@dataclass(frozen=True, slots=True)
class Add:
    """Adds the number that a file holds."""

    version: ClassVar[int] = 3
    keep: ClassVar[bool] = False

    amount: ParameterFile | int
    files: tuple[Source, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        if isinstance(self.amount, str):
            if not Path(self.amount).exists():
                raise SourceNotFound("A parameter file does not exist.", private=self.amount)
            object.__setattr__(self, "files", (describe(self.amount),))
            object.__setattr__(self, "amount", int(Path(self.amount).read_text()))

    def spec(self, source: Spec) -> Spec:
        return source

    def need(self, source: Spec, level: int, region: Region) -> Need:
        return Need(level, region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Any:
        assert block is not None
        assert isinstance(self.amount, int)
        return block + block.dtype.type(self.amount)


@dataclass(frozen=True, slots=True)
class Within:
    """Zero where another image is zero."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False

    image: OtherImage

    def spec(self, sources: Sequence[Spec]) -> Spec:
        first, other = sources
        if first.levels[0].shape != other.levels[0].shape:
            raise Unsupported("The other image has another shape.")
        return replace(first, levels=first.levels[:1])

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        return [(0, Need(level, region)), (1, Need(level, region))]

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Any:
        return next(blocks) * (next(blocks) != 0)


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of all images; keeps what it was told about them."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False

    index: tuple[int | float | str, ...] = ()

    def spec(self, sources: Sequence[Spec]) -> Spec:
        return replace(sources[0], levels=sources[0].levels[:1], attrs={"index": list(self.index)})

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        return [(n, Need(level, region)) for n in range(len(sources))]

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Any:
        return sum(blocks, start=next(blocks))
