"""Sub-blocks that overlap or lie anywhere: put together where they are asked for."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource
from s3facade.core.operators import Block, Buffer
from s3facade.core.protocols import SourceFile
from s3facade.core.region import Region
from s3facade.core.spec import AxisName
from s3facade.readers.arrays.raw import Ints
from s3facade.readers.czi.pixels import JPEG, JPEG_XR, Pixels, jpeg_size
from s3facade.readers.czi.segments import inside


@dataclass(frozen=True, slots=True)
class Mosaic:
    """One level of an image, made of sub-blocks that are painted in order; 0 where there is none."""

    names: tuple[AxisName, ...]
    """Axes of the image."""
    shape: tuple[int, ...]
    """Voxels, axes of the image."""
    counts: tuple[int, ...]
    """Time points, channels and planes: how planes are numbered."""
    number: np.dtype[Any]
    """Of a stored value, with its byte order."""
    samples: int
    """Values of a pixel; they lie along c."""
    plane: Ints
    """Plane of each sub-block, ascending."""
    box: Ints
    """Rows of y, x, height, width, in voxels; within a plane, those that lie on top come later."""
    offsets: Ints
    sizes: Ints
    codecs: npt.NDArray[np.uint8]
    headed: bool = False
    """Whether ``offsets`` and ``sizes`` are those of whole segments."""

    @property
    def codec(self) -> str:
        """The codecs that occur, in words."""
        found = [Pixels(int(code), self.number, self.samples).name for code in np.unique(self.codecs)]
        return " or ".join(found)

    @property
    def block(self) -> tuple[int, ...]:
        """About one sub-block of one plane, all samples of its pixels."""
        height, width = (int(n) for n in self.box[:, 2:].max(0))
        cell = {"c": self.samples, "y": min(max(height, 256), 2048), "x": min(max(width, 256), 2048)}
        return tuple(min(cell.get(a, 1), n) for a, n in zip(self.names, self.shape, strict=True))

    def read(self, file: SourceFile, region: Region) -> Block:
        """Voxels of ``region``: C order, owned by the caller. Raises `BadSource`."""
        out = np.zeros(region.shape, self.number.newbyteorder("="))
        box: dict[str, tuple[int, int]] = dict(
            zip(self.names, zip(region.start, region.stop, strict=True), strict=True)
        )
        t, z = (range(*box.get(a, (0, 1))) for a in "tz")
        low, high = box.get("c", (0, self.samples))
        channels = range(low // self.samples, -(-high // self.samples))
        (y0, y1), (x0, x1) = box["y"], box["x"]
        # The output as t, z, y, x, c, a view.
        full = [out.shape[self.names.index(a)] if a in self.names else 1 for a in ("t", "c", "z", "y", "x")]
        view = out.reshape(full).transpose(0, 2, 3, 4, 1)
        for (i, time), (j, depth), channel in itertools.product(enumerate(t), enumerate(z), channels):
            first, last = max(low, channel * self.samples), min(high, (channel + 1) * self.samples)
            target = view[i, j, :, :, first - low : last - low]
            wanted = slice(first - channel * self.samples, last - channel * self.samples)
            number = (time * self.counts[1] + channel) * self.counts[2] + depth
            self._paint(file, number, (y0, y1, x0, x1), target, wanted)
        return out

    def _paint(
        self, file: SourceFile, plane: int, area: tuple[int, int, int, int], target: Block, wanted: slice
    ) -> None:
        y0, y1, x0, x1 = area
        first, last = (int(k) for k in np.searchsorted(self.plane, (plane, plane + 1)))
        box = self.box[first:last]
        touched = (box[:, 0] < y1) & (box[:, 0] + box[:, 2] > y0) & (box[:, 1] < x1) & (box[:, 1] + box[:, 3] > x0)
        for k in (first + np.flatnonzero(touched)).tolist():
            y, x, height, width = (int(v) for v in self.box[k])
            pixels = self._pixels(file, k, height, width)
            height, width = pixels.shape[:2]
            top, bottom, left, right = max(y, y0), min(y + height, y1), max(x, x0), min(x + width, x1)
            if top < bottom and left < right:
                part = pixels[top - y : bottom - y, left - x : right - x, wanted]
                target[top - y0 : bottom - y0, left - x0 : right - x0] = part

    def _pixels(self, file: SourceFile, k: int, height: int, width: int) -> Block:
        data: Buffer = file.pread(int(self.offsets[k]), int(self.sizes[k]))
        step = Pixels(int(self.codecs[k]), self.number, self.samples)
        nbytes = 0
        try:
            data = inside(data) if self.headed else data
            height, width = _corrected(step.compression, data, height, width)
            nbytes = math.prod((height, width, self.samples)) * self.number.itemsize
            found = step.decode(data, nbytes)
        except (ValueError, RuntimeError, TypeError, IndexError, MemoryError, OverflowError) as error:
            raise BadSource(
                "A sub-block of the image does not decode; the file is damaged there.", private=f"{k}: {error!r:.200}"
            ) from error
        if len(found) != nbytes:
            raise BadSource(
                "A sub-block of the image has another size than the file says.",
                private=f"sub-block {k}: {len(found)} bytes instead of {nbytes}",
            )
        return np.frombuffer(found, self.number).reshape(height, width, self.samples)


def _corrected(codec: int, data: Buffer, height: int, width: int) -> tuple[int, int]:
    """The size that the codec says, where it differs from the directory by the rounding of one pixel."""
    if codec in (JPEG, JPEG_XR):
        found = jpeg_size(codec, data)
        if found is not None and abs(found[0] - height) <= 1 and abs(found[1] - width) <= 1:
            return found
    return height, width
