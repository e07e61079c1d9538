"""What is known about an image, stated anew; voxels stay as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, ClassVar, TypeAlias

from s3facade.core import units
from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.options import Length, Parsed, Position
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Level, Spec
from s3facade.transforms.described import DOCUMENT, GEOMETRY, kept
from s3facade.transforms.geometry.channels import hex_color

Seconds: TypeAlias = Annotated[float, Parsed(units.duration, {"type": "string", "examples": ["2 s"]})]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of one voxel."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    t: Seconds | None = None
    z: Length | None = None
    y: Length | None = None
    x: Length | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the centre of the first voxel is."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    t: Seconds | None = None
    z: Position | None = None
    y: Position | None = None
    x: Position | None = None


def _sizes(value: Any) -> Any:
    return value if isinstance(value, Mapping | Sizes) or value is None else {"y": value, "x": value}


_WRITTEN = {"type": ["string", "object"], "examples": ["0.5 um", {"z": "2 um", "y": "0.5 um", "x": "0.5 um"}]}
SizesOption: TypeAlias = Annotated[Sizes, Parsed(_sizes, _WRITTEN)]
"""By axis, or one length for y and x."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is stated here holds instead of what the source says; the rest stays."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    name: str | None = None
    pixel_size: SizesOption | None = None
    """Of the finest level, by axis, as in ``{z: 2 um, t: 5 s}``; ``0.5 um`` alone is that of y and x."""
    origin: Origin | None = None
    """Position of the centre of the finest level's first voxel, by axis."""
    channel_names: tuple[str, ...] = ()
    """One for each channel."""
    channel_colors: tuple[str, ...] = ()
    """RRGGBB, one for each channel."""
    categorical: bool | None = None
    """Whether values are names, as those of label images: they are never averaged or interpolated."""
    drop: tuple[str, ...] = ()
    """Keys of the source's metadata to forget; ``pixel_size`` forgets sizes and positions of space."""

    def spec(self, source: Spec) -> Spec:
        """The source as it is described here.

        Raises:
            Unsupported: An axis that the image does not have, a position without a size, a colour that is none, names
                or colours that are not one for each channel, or labels that are no whole numbers.
        """
        result = source
        if "pixel_size" in self.drop:
            result = _sizeless(result)
        result = placed(result, _given(self.pixel_size), _given(self.origin))
        channels = list(result.channels)
        for what, given in (("channel_names", self.channel_names), ("channel_colors", self.channel_colors)):
            if given and len(given) != len(channels):
                raise Unsupported(f"metadata: {what} has {len(given)} entries; the image has {len(channels)} channels.")
        if self.channel_names:
            channels = [replace(c, name=n) for c, n in zip(channels, self.channel_names, strict=True)]
        if self.channel_colors:
            channels = [replace(c, color=hex_color(n)) for c, n in zip(channels, self.channel_colors, strict=True)]
        where = GEOMETRY if self.origin is not None or "pixel_size" in self.drop else DOCUMENT
        # an affine is made of the old sizes
        gone = (*where, "affine") if self.pixel_size is not None else where
        attrs = {key: value for key, value in kept(source, gone).items() if key not in self.drop}
        if self.name is not None:
            attrs["name"] = self.name
        if self.categorical is not None:
            if self.categorical and source.dtype.kind not in "biu":
                raise Unsupported(f"metadata: voxels of type {source.dtype} are no labels; labels are whole numbers.")
            attrs["categorical"] = self.categorical
        return replace(result, channels=tuple(channels), attrs=attrs)

    def need(self, source: Spec, level: int, region: Region) -> Need:  # noqa: ARG002 - the seam
        """The same box."""
        return Need(level, region)

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """The same voxels."""
        if block is None:
            raise ValueError("voxels are those of the source")
        return block


def placed(spec: Spec, sizes: Mapping[str, float], origins: Mapping[str, float]) -> Spec:
    """``spec`` with other voxel sizes and positions of the finest level; coarser levels keep their place over it.

    A position in µm stays where it is when the size changes; one in voxels is multiplied.

    Args:
        spec: Any image.
        sizes: Micrometres per voxel, for t seconds, by axis.
        origins: Position of the first voxel's centre in the same units, by axis.

    Raises:
        Unsupported: An axis that the image does not have, a size of 0, or a position on an axis without a size.
    """
    axes, fine = list(spec.axes), spec.levels[0]
    steps, starts = list(fine.scale), list(fine.origin)
    for name in (*sizes, *origins):
        if name not in spec.names:
            raise Unsupported(f"metadata: the image has no axis {name}; it has {', '.join(spec.names)}.")
    for i, axis in enumerate(spec.axes):
        size, origin = sizes.get(axis.name), origins.get(axis.name)
        if size is not None:
            if size <= 0:
                raise Unsupported(f"metadata: the size along {axis.name} must be greater than zero.")
            axes[i] = Axis(axis.name, "second" if axis.name == "t" else "micrometer")
            steps[i] = size
            if axis.unit is None:
                starts[i] *= size / fine.scale[i]
        if origin is not None:
            if axes[i].unit is None:
                raise Unsupported(f"metadata: a position along {axis.name} needs a size; state `pixel_size`, too.")
            starts[i] = origin

    def moved(level: Level) -> Level:
        scale = tuple(new * (s / old) for new, old, s in zip(steps, fine.scale, level.scale, strict=True))
        ends = zip(starts, steps, fine.origin, fine.scale, level.origin, strict=True)
        origin = tuple(start + new * ((o - first) / old) for start, new, first, old, o in ends)
        return replace(level, scale=scale, origin=origin)

    return replace(spec, axes=tuple(axes), levels=tuple(moved(level) for level in spec.levels))


def _given(stated: Sizes | Origin | None) -> dict[str, float]:
    if stated is None:
        return {}
    every = {f.name: getattr(stated, f.name) for f in fields(stated)}
    return {name: value for name, value in every.items() if value is not None}


def _sizeless(spec: Spec) -> Spec:
    """Space counted in voxels of the finest level."""
    axes = tuple(Axis(a.name, None if a.kind == "space" else a.unit) for a in spec.axes)
    fine = spec.levels[0]

    def counted(level: Level) -> Level:
        scale, origin = list(level.scale), list(level.origin)
        for i, axis in enumerate(spec.axes):
            if axis.kind == "space":
                scale[i] /= fine.scale[i]
                origin[i] = (origin[i] - fine.origin[i]) / fine.scale[i]
        return replace(level, scale=tuple(scale), origin=tuple(origin))

    return replace(spec, axes=axes, levels=tuple(counted(level) for level in spec.levels))
