"""A test pattern of any size, without a file: for demos, tests and benchmarks.

Value of a voxel: the sum of its indices times a small prime per axis, modulo the range of an integer type; so each
voxel can be checked by arithmetic and neighbours differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.core.region import Region
from s3facade.core.spec import AXES, Axis, Channel, Level, Spec

PRIMES: Mapping[str, int] = {"t": 13, "c": 11, "z": 7, "y": 3, "x": 1}


def pattern(names: Sequence[str], region: Region, dtype: np.dtype[Any]) -> Block:
    """Voxels of ``region``: C-order, axes as named."""
    total = np.zeros((1,) * len(names), np.int64)
    for axis, name in enumerate(names):
        span = np.arange(region.start[axis], region.stop[axis], dtype=np.int64) * PRIMES[name]
        total = total + span.reshape([-1 if i == axis else 1 for i in range(len(names))])
    if dtype.kind in "iu":
        total = total % (int(np.iinfo(dtype).max) + 1 if dtype.itemsize < 8 else 2**62)
    return total.astype(dtype)


class SyntheticRaster:
    """The pattern as an open image."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.files: Sequence[SourceFile] = ()

    def chunks(self, level: int) -> ChunkTable | None:  # noqa: ARG002 - nothing is stored
        """None: there are no bytes to point at."""
        return None

    def read(self, level: int, region: Region) -> Block:  # noqa: ARG002 - one level
        """Voxels by arithmetic."""
        return pattern(self.spec.names, region, self.spec.dtype)


class SyntheticReader:
    """Options: ``shape``, a mapping of axis name to length (t, c, z, y, x; y and x at least); ``dtype``."""

    name: ClassVar[str] = "synthetic"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset()

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - never a file
        """False: a pattern is asked for by name only."""
        return False

    def open(self, file: SourceFile | None, options: Mapping[str, object]) -> Sequence[SyntheticRaster]:  # noqa: ARG002
        """One image of one level. Raises `Unsupported` on an impossible shape or type."""
        shape = options.get("shape")
        if not isinstance(shape, Mapping) or not {"y", "x"} <= set(shape) <= set(AXES):
            raise Unsupported("A synthetic image needs a shape such as {c: 2, y: 1024, x: 1024}.")
        lengths = {str(k): int(str(v)) for k, v in shape.items()}
        if min(lengths.values()) < 1:
            raise Unsupported("Every length of a synthetic image must be at least 1.")
        try:
            dtype = np.dtype(str(options.get("dtype", "uint16")))
        except TypeError as error:
            raise Unsupported(f"Unknown dtype {options.get('dtype')!r} of a synthetic image.") from error
        if dtype.kind not in "iufb":
            raise Unsupported(f"A synthetic image cannot be of dtype {dtype}.")
        axes = tuple(Axis(name) for name in AXES if name in lengths)
        sizes = tuple(lengths[a.name] for a in axes)
        block = tuple(min(n, 512) if a.name in "yx" else 1 for a, n in zip(axes, sizes, strict=True))
        level = Level(sizes, (1.0,) * len(axes), (0.0,) * len(axes), block)
        top = float(np.iinfo(dtype).max) if dtype.kind in "iu" and dtype.itemsize < 2 else 4095.0
        channels = tuple(Channel(window=(0.0, top)) for _ in range(lengths.get("c", 1)))
        return [SyntheticRaster(Spec(axes, dtype, (level,), channels, attrs={"name": "synthetic"}))]
