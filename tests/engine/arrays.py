"""An array in memory as an image, an engine that reads it, and its bytes: for tests of the engine."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource
from s3facade.core.image import Image
from s3facade.core.objects import Object, Pixels
from s3facade.core.operators import Block
from s3facade.core.protocols import Cell, ChunkTable, Raster, Reader
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Level, Spec
from s3facade.engine.engine import Engine, EngineLimits


@dataclass(frozen=True)
class Plain:
    """A codec for tests: C-order bytes."""

    version: ClassVar[int] = 1

    def nbytes(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int | None:
        return int(np.prod(shape)) * dtype.itemsize

    def encode(self, block: Block) -> bytes:
        return block.tobytes()


class ArrayRaster:
    """An array as an image whose chunks are its own cells; counts and may delay or break decoding."""

    files: Sequence[Any]

    def __init__(self, array: Block, block: tuple[int, int]) -> None:
        self.array = array
        self.block = block
        self.codec = "array"
        self.decoded: list[tuple[int, ...]] = []
        self.delay = 0.0
        self.hang: threading.Event | None = None
        self.broken: tuple[int, ...] | None = None
        self.files = ()
        level = Level(array.shape, (1.0, 1.0), (0.0, 0.0), block)
        self.spec = Spec((Axis("y"), Axis("x")), array.dtype, (level,))

    def chunks(self, level: int) -> ChunkTable:
        return self

    def read(self, level: int, region: Region) -> Block:
        raise AssertionError("the table serves")

    def cell(self, index: tuple[int, ...]) -> Cell | None:
        return None

    def decode(self, index: tuple[int, ...], data: object) -> Block:
        self.decoded.append(index)
        time.sleep(self.delay)
        if self.hang is not None:
            self.hang.wait()
        if index == self.broken:
            raise BadSource("broken tile")
        (y, x), (h, w) = index, self.block
        return np.ascontiguousarray(self.array[y * h : (y + 1) * h, x * w : (x + 1) * w])


class ArrayReader:
    name: ClassVar[str] = "array"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"

    def __init__(self, raster: Raster) -> None:
        self.raster = raster

    def sniff(self, head: bytes, name: str) -> bool:
        return False

    def open(self, file: object, options: Mapping[str, object]) -> Sequence[Raster]:
        return [self.raster]


def engine_of(raster: ArrayRaster, **limits: Any) -> tuple[Engine, Image]:
    reader: Reader = ArrayReader(raster)
    engine = Engine(lambda _: reader, EngineLimits(**limits))
    return engine, engine.rasters.describe("", "array", {})[0]


def pixels(image: Image, region: Region, shape: tuple[int, int] | None = None) -> Pixels:
    return Pixels(image, 0, region, shape or region.shape, Plain())


async def collect(engine: Engine, obj: Object, start: int, stop: int) -> bytes:
    return b"".join([bytes(b) async for b in engine.stream(obj, start, stop)])


ARRAY = np.random.default_rng(0).integers(0, 60000, (57, 83), dtype=np.uint16)
