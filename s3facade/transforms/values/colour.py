"""What colours of brightfield images say: luminance, and how much there is of each stain."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.region import Region
from s3facade.core.spec import Channel, Spec
from s3facade.transforms.described import PLANES, kept
from s3facade.transforms.values.channel_axis import without
from s3facade.transforms.values.common import PIECE, along, changed, dtype_of, quantities, rounded, working

WEIGHTS: Mapping[str, tuple[float, float, float]] = {
    "rec601": (0.299, 0.587, 0.114),
    "rec709": (0.2126, 0.7152, 0.0722),
}
"""Share of red, green and blue in luminance."""
Vector = tuple[float, float, float]
_H, _DAB = (0.65, 0.704, 0.286), (0.268, 0.57, 0.776)
RESIDUAL = "Residual"
"""What a pair of stains does not explain: a channel that is there, and not shown unless asked for."""
STAINS: Mapping[str, Mapping[str, Vector]] = {
    "H&E&DAB": {"Hematoxylin": (0.65, 0.7, 0.29), "Eosin": (0.07, 0.99, 0.11), "DAB": (0.27, 0.57, 0.78)},
    "H&E": {"Hematoxylin": (0.644211, 0.716556, 0.266844), "Eosin": (0.092789, 0.954111, 0.283111)},
    "H-DAB": {"Hematoxylin": _H, "DAB": _DAB},
    "H-AEC": {"Hematoxylin": _H, "AEC": (0.2743, 0.6796, 0.6803)},
    "H-PAS": {"Hematoxylin": (0.644211, 0.716556, 0.266844), "PAS": (0.175411, 0.972178, 0.154589)},
    "FastRed-FastBlue-DAB": {
        "Fast red": (0.21393921, 0.85112669, 0.47794022),
        "Fast blue": (0.74890292, 0.60624161, 0.26731082),
        "DAB": _DAB,
    },
    "Feulgen-LightGreen": {
        "Feulgen": (0.46420921, 0.83008335, 0.30827187),
        "Light green": (0.94705542, 0.25373821, 0.19650764),
    },
    "Giemsa": {
        "Methylene blue": (0.834750233, 0.513556283, 0.196330403),
        "Eosin": (0.092789, 0.954111, 0.283111),
    },
    "MethylGreen-DAB": {"Methyl green": (0.98003, 0.144316, 0.133146), "DAB": _DAB},
    "Azan": {
        "Aniline blue": (0.853033, 0.508733, 0.112656),
        "Azocarmine": (0.09289875, 0.8662008, 0.49098468),
        "Orange G": (0.10732849, 0.36765403, 0.9237484),
    },
    "Masson": {
        "Methyl blue": (0.7995107, 0.5913521, 0.10528667),
        "Ponceau fuchsin": (0.09997159, 0.73738605, 0.6680326),
    },
    "AlcianBlue-H": {"Alcian blue": (0.874622, 0.457711, 0.158256), "Hematoxylin": (0.552556, 0.7544, 0.353744)},
}
"""Optical density of stains in red, green and blue, as published by A. C. Ruifrok, D. A. Johnston and G. Landini."""


@dataclass(frozen=True, slots=True)
class Grey:
    """Luminance of a colour image, as one channel of the same type."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    weights: Literal["rec601", "rec709"] = "rec601"
    """Shares of red, green and blue: Rec. 601 (0.299, 0.587, 0.114) or Rec. 709 (0.2126, 0.7152, 0.0722)."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def spec(self, source: Spec) -> Spec:
        """``source`` without its channels. Raises `Unsupported`."""
        c = three_channels(source, "grey")
        spec = changed(source, source.dtype, None, approximate=self.approximate)
        windows = {channel.window for channel in source.channels}
        window = windows.pop() if len(windows) == 1 else None
        return replace(without(spec, c), channels=(Channel(None, None, window),), attrs=kept(spec, PLANES))

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The same box of all three channels."""
        c = three_channels(source, "grey")
        return Need(level, Region((*region.start[:c], 0, *region.start[c:]), (*region.stop[:c], 3, *region.stop[c:])))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """Weighted sums, rounded once."""
        if block is None:
            raise ValueError("luminance needs the voxels of its source")
        c = three_channels(source, "grey")
        wide = working(source.dtype)
        total = np.zeros(region.shape, wide)
        for i, weight in enumerate(WEIGHTS[self.weights]):
            total += np.multiply(block[along(c, i)], wide.type(weight), dtype=wide)
        return rounded(total, source.dtype)


@dataclass(frozen=True, slots=True)
class ColourDeconvolution:
    """How much there is of each stain: optical densities, unmixed by the colours of the stains.

    The optical density of a voxel is -log10(value / white); values below 1 / 255 of white count as that. It is taken
    as a sum of the stains' colours, each of length 1, and the result says how much of each. A pair of stains is
    completed by what is at right angles to both: the residual.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    stains: str | None = None
    """A set of stains by name, as in `H&E`."""
    matrix: tuple[Vector, ...] | None = None
    """Own stains instead: two or three rows of optical density in red, green and blue."""
    output: Literal["density", "brightness"] = "density"
    """`density`: float32, 0 where there is none of the stain, negative where there is less than none; `brightness`:
    uint8, 255 times 10 to the power of minus the density, as if there were no other stain."""
    white: float | None = None
    """The value of clear glass; default: 255 for uint8, 65535 for uint16, 1 for floats."""
    approximate: bool = False
    """Act on the image's own levels instead of computing levels of the result."""

    def spec(self, source: Spec) -> Spec:
        """``source`` with a channel per stain. Raises `Unsupported`."""
        three_channels(source, "colour_deconvolution")
        white = _white(self.white, source)
        if not 0 < white < math.inf:
            raise Unsupported(f"`white` must be greater than 0, not {white}.")
        names, rows = self._stains()
        if abs(np.linalg.det(rows)) < 1e-6:
            raise Unsupported("The colours of the stains lie in one plane: they cannot be told apart.")
        bright = self.output == "brightness"
        spec = changed(source, np.dtype(np.uint8 if bright else np.float32), None, approximate=self.approximate)
        window = (0.0, 255.0) if bright else (0.0, 1.5)
        colours = [None if bright or name == RESIDUAL else _colour(row) for name, row in zip(names, rows, strict=True)]
        shown = zip(names, colours, strict=True)
        return replace(spec, channels=tuple(Channel(n, c, window, active=n != RESIDUAL) for n, c in shown))

    def need(self, source: Spec, level: int, region: Region) -> Need:
        """The same box of all three channels."""
        c = three_channels(source, "colour_deconvolution")
        start = (*region.start[:c], 0, *region.start[c + 1 :])
        return Need(level, Region(start, (*region.stop[:c], 3, *region.stop[c + 1 :])))

    def apply(self, source: Spec, level: int, region: Region, block: Block | None) -> Block:  # noqa: ARG002 - the seam
        """Densities or brightness of the stains asked for."""
        if block is None:
            raise ValueError("unmixing needs the voxels of its source")
        c = three_channels(source, "colour_deconvolution")
        inverse = np.linalg.inv(self._stains()[1])
        white = _white(self.white, source)
        out = np.empty(region.shape, np.uint8 if self.output == "brightness" else np.float32)
        stains = range(region.start[c], region.stop[c])
        rows = max(1, PIECE * region.shape[-2] // (region.size // len(stains)))
        for first in range(0, region.shape[-2], rows):
            part = block[..., first : first + rows, :]
            densities = [_density(part[along(c, colour)], white) for colour in range(3)]
            for k, stain in enumerate(stains):
                # One product after the other: a matrix product would add in another order for another block.
                total = densities[0] * inverse[0, stain]
                for colour in (1, 2):
                    total += densities[colour] * inverse[colour, stain]
                if self.output == "brightness":
                    total = rounded(255 * np.power(10.0, -total), np.dtype(np.uint8))
                out[..., first : first + rows, :][along(c, k)] = total
        return out

    def _stains(self) -> tuple[tuple[str, ...], Block]:
        if (self.stains is None) == (self.matrix is None):
            raise Unsupported(f"`colour_deconvolution` takes `stains` ({', '.join(STAINS)}) or a `matrix`.")
        if self.matrix is not None:
            given = {f"Stain {i + 1}": row for i, row in enumerate(self.matrix)}
        elif self.stains is not None and self.stains in STAINS:
            given = dict(STAINS[self.stains])
        else:
            raise Unsupported(f"There are no stains called {self.stains!r}; use {', '.join(STAINS)}, or a `matrix`.")
        rows = [np.array(row, np.float64) for row in given.values()]
        if len(rows) not in {2, 3} or any(row.shape != (3,) or not 0 < np.linalg.norm(row) < np.inf for row in rows):
            raise Unsupported("`matrix` needs two or three rows of three numbers: the stain in red, green and blue.")
        rows = [row / np.linalg.norm(row) for row in rows]
        if len(rows) == 3:
            return tuple(given), np.array(rows)
        across = np.cross(rows[0], rows[1])
        norm = np.linalg.norm(across)
        return (*given, RESIDUAL), np.array([*rows, across / norm if norm else across])


def three_channels(source: Spec, what: str) -> int:
    """Position of the axis c, which has red, green and blue.

    Raises:
        Unsupported: There are not three channels.
    """
    quantities(source, what)
    c = source.axis("c")
    if c is None or source.length("c") != 3:
        count = source.length("c")
        raise Unsupported(
            f"`{what}` needs red, green and blue, and the image has {count} channels; choose three before."
        )
    return c


def _colour(densities: Block) -> str:
    """What light of a stain's colour looks like at full strength: what it lets through, as bright as can be."""
    light = np.power(10.0, -densities)
    return "".join(f"{round(float(v)):02X}" for v in 255 * light / light.max())


def _density(values: Block, white: float) -> Block:
    wide = np.maximum(values.astype(np.float64), white / 255)
    wide /= white
    np.log10(wide, out=wide)
    return np.negative(wide, out=wide)


def _white(given: float | None, source: Spec) -> float:
    dtype = dtype_of(None, source.dtype)
    if given is not None or dtype.kind == "f":
        return 1.0 if given is None else given
    return float(np.iinfo(dtype).max)
