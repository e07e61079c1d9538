"""What acts on voxels: transforms and codecs, as plans and objects refer to them.

Both are structural; nothing inherits from them. Implementations are frozen dataclasses whose fields are their options.
"""

from __future__ import annotations

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

    def spec(self, source: Spec) -> Spec:
        """The description afterwards; ``identity`` is set by `derive`. Raises `Unsupported`."""
        ...

    def need(self, source: Spec, level: int, region: Region) -> Need | None:
        """The source box behind this output box, halo included; None if it lies outside the source."""
        ...

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:
        """Output voxels: the region's shape, output dtype. Must not keep or change ``block``."""
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
