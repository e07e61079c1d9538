"""One channel in colours: values looked up in a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.image import Image, Source, derive
from s3facade.core.operators import Block, Need
from s3facade.core.options import ParameterFile
from s3facade.core.region import Region
from s3facade.core.spec import Channel, Spec
from s3facade.transforms.resampling.parameters.source import content, source_of
from s3facade.transforms.values.channel_axis import channel_at, with_all_channels, with_channels
from s3facade.transforms.values.common import along, changed, pointwise, quantities, rounded
from s3facade.transforms.values.tables import named, parsed
from s3facade.transforms.values.windows import Windows, per_channel, windows

RGB = (
    Channel("Red", "FF0000", (0.0, 255.0)),
    Channel("Green", "00FF00", (0.0, 255.0)),
    Channel("Blue", "0000FF", (0.0, 255.0)),
)


@dataclass(frozen=True, slots=True)
class Lut:
    """Red, green and blue, uint8, for the values of one channel."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str | None = None
    """A built-in table."""
    file: ParameterFile | None = None
    """An ImageJ `.lut` file instead."""
    window: Windows | None = None
    """Values that get the first and the last colour: [low, high]; default: the window that the image states, else the
    range of 8-bit integers."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def build(self, image: Image) -> Image:
        """The coloured image.

        Raises:
            Unsupported: No such table, or not one channel.
            SourceError: The file cannot be read.
        """
        if (self.name is None) == (self.file is None):
            raise Unsupported("`lut` takes the name of a table or a `file`.")
        files: tuple[Source, ...] = ()
        if self.file is not None:
            files = (source_of(self.file),)
        table = parsed(content(files[0])) if files else named(self.name or "")
        given = self.window
        if (
            given is None
            and image.spec.dtype == np.uint8
            and not any(channel.window for channel in image.spec.channels)
        ):
            given = windows([0, 255])
        return derive(image, Coloured(table.tobytes().hex(), given, files, self.approximate))


@dataclass(frozen=True, slots=True)
class Coloured:
    """`Lut` by a known table."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True

    table: str
    """256 times RRGGBB."""
    window: Windows | None
    files: tuple[Source, ...] = ()
    """Where the table was read from."""
    approximate: bool = False

    def spec(self, source: Spec) -> Spec:
        """``source`` with three channels. Raises `Unsupported`."""
        quantities(source, "lut")
        if source.length("c") != 1:
            raise Unsupported(f"`lut` colours one channel, and the image has {source.length('c')}; choose one before.")
        per_channel(self.window, source, "window")
        return with_channels(changed(source, np.dtype(np.uint8), None, approximate=self.approximate), RGB)

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The same box of the one channel."""
        return Need(level, with_all_channels(source, region, level))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """Colours of the nearest of 256 steps from the lower to the upper end of the window."""
        if block is None:
            raise ValueError("a colour table needs the voxels of its source")
        ((low, high),) = per_channel(self.window, source, "window")

        def step(values: Block) -> Block:
            return rounded((values.astype(np.float64) - low) * 255 / (high - low), np.dtype(np.uint8))

        at = channel_at(source)
        colours = np.frombuffer(bytes.fromhex(self.table), np.uint8).reshape(256, 3)
        index = pointwise(block, step)
        if source.axis("c") is not None:
            index = index.take(0, at)
        out = np.empty(region.shape, np.uint8)
        for k, c in enumerate(range(region.start[at], region.stop[at])):
            out[along(at, k)] = np.take(colours[:, c], index)
        return out
