"""Everything that can be known about an image without its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

AxisName = Literal["t", "c", "z", "y", "x"]
AXES: tuple[AxisName, ...] = ("t", "c", "z", "y", "x")
KINDS: Mapping[str, str] = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}
_NOTHING: Mapping[str, object] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Axis:
    """One dimension.

    ``unit`` is ``"micrometer"`` for space and ``"second"`` for time when the source states a physical size
    (readers convert), and None when it does not: then `Level.scale` counts voxels and means nothing physical.
    """

    name: AxisName
    unit: str | None = None

    @property
    def kind(self) -> str:
        """``time``, ``channel`` or ``space``, as OME-Zarr names them."""
        return KINDS[self.name]


@dataclass(frozen=True, slots=True)
class Channel:
    """How one channel is named and shown; None is what the source does not say."""

    name: str | None = None
    color: str | None = None
    """Six upper-case hex digits, RRGGBB."""
    window: tuple[float, float] | None = None
    """Values shown as black and as full colour."""
    active: bool = True
    emission: float | None = None
    """Wavelength in nm."""
    excitation: float | None = None
    """Wavelength in nm."""


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution. All tuples follow the image's axes."""

    shape: tuple[int, ...]
    """Voxels per axis, each >= 1."""
    scale: tuple[float, ...]
    """Axis units per voxel (space µm, time s); 1.0 where the axis has no unit."""
    origin: tuple[float, ...]
    """Position of the centre of voxel 0, axis units."""
    block: tuple[int, ...]
    """Reads aligned to this grid are cheapest and cacheable: the source's own chunks."""


@dataclass(frozen=True, slots=True)
class Spec:
    """The description of an image.

    Invariants: ``axes`` is a subsequence of t, c, z, y, x in that order that ends in y, x; every level has the
    same number of axes; ``channels`` has one entry per index of c, or one entry when there is no c.
    """

    axes: tuple[Axis, ...]
    dtype: np.dtype[Any]
    """Native byte order."""
    levels: tuple[Level, ...]
    """Finest first; at least one."""
    channels: tuple[Channel, ...] = ()
    identity: str = ""
    """Digest that changes whenever any pixel or field could. Set by the engine for files, by `derive` else."""
    attrs: Mapping[str, object] = field(default_factory=lambda: _NOTHING)
    """The source's own metadata, JSON-compatible. Keys with a meaning, all optional: ``name``; ``ome_xml``, the
    whole document, and ``ome_image``, the position of this image in it; ``codec``, the codec chain in words;
    ``axes``, the axes as the format names them; ``positions`` and ``times`` of planes; ``reasons``, sentences on
    why reading is slow; ``notes``, sentences on what was decided where the file is ambiguous; ``categorical``,
    True where values are names, not quantities (labels): they are never averaged or interpolated; ``acquired``, when,
    in ISO 8601; ``objective``, a mapping of ``name``, ``magnification``, ``na`` and ``immersion`` as far as known;
    ``plate``, a mapping of ``row`` and ``column`` (as the plate's own labels), ``field`` and ``acquisition`` of an
    image that is a field of a well, the plate's ``name``, and its ``size``, a list of how many rows and columns it has;
    ``labels``, label images that the file brings along: by name, the file that opens each, relative to the image's own;
    ``affine``, three rows of four numbers that take voxel centres (x, y, z, in voxels) to µm in the frame called
    ``frame``; ``original``, the format's own metadata.
    """

    @property
    def names(self) -> tuple[AxisName, ...]:
        """Names of the axes."""
        return tuple(a.name for a in self.axes)

    def axis(self, name: str) -> int | None:
        """Index of the axis called ``name``, or None."""
        return next((i for i, a in enumerate(self.axes) if a.name == name), None)

    def length(self, name: str, level: int = 0) -> int:
        """Voxels along the axis called ``name``; 1 where there is none."""
        i = self.axis(name)
        return 1 if i is None else self.levels[level].shape[i]
