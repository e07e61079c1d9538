"""What acts on voxels: transforms, combinations and codecs, as plans and objects refer to them.

All are structural; nothing inherits from them. Implementations are frozen dataclasses whose fields are their options.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from s3facade.core.region import Region
from s3facade.core.spec import Spec

Block: TypeAlias = npt.NDArray[Any]
"""Voxels: C-order, axes of the image they belong to."""
Buffer: TypeAlias = bytes | bytearray | memoryview
"""Bytes."""


@dataclass(frozen=True, slots=True)
class Need:
    """A non-empty box of the source image, inside its level."""

    level: int
    region: Region


class Transform(Protocol):
    """Image to image, without I/O. A frozen dataclass; its fields are its options.

    Law: `apply` on what `need` asks for equals the same slice of the whole transformed level.
    """

    version: ClassVar[int]
    """Bump when any voxel or field would change."""
    keep: ClassVar[bool]
    """Whether its blocks are worth keeping: it computes, or reads more than it gives."""

    def spec(self, source: Spec) -> Spec:
        """The description afterwards; ``identity`` is set by `derive`. Raises `Unsupported`."""
        ...

    def need(self, source: Spec, level: int, region: Region) -> Need | None:
        """The source box behind this output box, halo included; None if it lies outside the source."""
        ...

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        """Output voxels: the region's shape, output dtype. Must not keep or change ``block``."""
        ...


class Combination(Protocol):
    """Several images to one, without I/O. A frozen dataclass; its fields are its options.

    The law of `Transform` holds. Images are counted in the order in which `combine` gets them. It may have an attribute
    ``holds``: how many of its blocks it holds at a time; all, where it does not say.
    """

    version: ClassVar[int]
    keep: ClassVar[bool]

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """The description of the result; ``identity`` is set by `combine`. Raises `Unsupported`."""
        ...

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        """The boxes behind this output box, each with the number of its image, in the order that `apply` takes them."""
        ...

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:
        """Output voxels from the blocks of `needs`, each of which is read when it is taken: hold few of them.

        Must not keep or change them.
        """
        ...


class Codec(Protocol):
    """Voxels to bytes; a frozen dataclass."""

    version: ClassVar[int]

    def nbytes(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int | None:
        """Encoded size if it follows from shape and dtype alone, else None."""
        ...

    def encode(self, block: Block) -> Buffer:
        """Deterministic: one input, one output, on every machine running these versions."""
        ...
