"""What the microscope added or took away: background and uneven illumination, from images of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from s3facade.core.errors import SourceUnavailable, Unsupported
from s3facade.core.operators import Block, Need
from s3facade.core.options import OtherImage
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.transforms.combining.beside import as_axes_of, beside, check_beside
from s3facade.transforms.combining.formulas import computed, described, result_type
from s3facade.transforms.combining.together import fits
from s3facade.transforms.values.common import along, rounded


@dataclass(frozen=True, slots=True)
class Background:
    """The image minus another one, voxel by voxel from the first, wherever they stand."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    image: OtherImage
    offset: float = 0.0
    """Added to the result, so that noise below the background is not cut off at 0."""
    dtype: str | None = None
    """Default: that of the image."""

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """The image, its finest level alone. Raises `Unsupported` if the images do not go together."""
        source, other = sources
        check_beside("background", source, other, self.image, placed=False)
        dtype = result_type("background", "subtract", self.dtype, sources)
        return described(source, "subtract", dtype, approximate=False)

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        """The same voxels of both."""
        return [(0, Need(level, region)), (1, beside(sources[0], sources[1], level, region))]

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:  # noqa: ARG002 - the seam
        """The difference."""
        source, other = sources
        a, b = next(blocks), as_axes_of(source, other, next(blocks))
        dtype = result_type("background", "subtract", self.dtype, sources)
        return computed("subtract", a, b, dtype, offset=self.offset)


@dataclass(frozen=True, slots=True)
class FlatField:
    """``(image - dark) * gain / (flat - dark)``, voxel by voxel from the first, wherever the images stand.

    Where the flat image is not brighter than the dark one nothing was seen, and ``value`` is shown.
    """

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    image: OtherImage
    """The flat image: of even light."""
    dark: OtherImage | None = None
    """Of no light; 0 if there is none."""
    gain: float | None = None
    """Default: the mean of flat - dark, over the whole flat image, for each channel it has."""
    value: float = 0.0
    dtype: str | None = None
    """Default: that of the image."""

    def spec(self, sources: Sequence[Spec]) -> Spec:
        """The image, its finest level alone.

        Raises:
            Unsupported: Images that do not go together, or a flat image that is no plane.
        """
        source, flat = sources[:2]
        names = (self.image, self.dark or "")
        for other, name in zip(sources[1:], names, strict=False):
            check_beside("flat_field", source, other, name, placed=False)
        if len(sources) > 2:
            check_beside("flat_field", flat, sources[2], names[1], placed=False)
        if any(other.length(name) > 1 for other in sources[1:] for name in "tz"):
            raise Unsupported("flat_field: flat and dark images are one plane for each channel; `select` takes one.")
        if self.gain is not None and not self.gain > 0:
            raise Unsupported("flat_field: `gain` must be greater than zero.")
        dtype = result_type("flat_field", "multiply", self.dtype, sources)
        fits("flat_field", self.value, dtype)
        return described(source, "multiply", dtype, approximate=False)

    def needs(self, sources: Sequence[Spec], level: int, region: Region) -> Sequence[tuple[int, Need]]:
        """The same voxels of all; the whole flat and dark image as long as their mean is not known."""
        whole = self.gain is None and _MEANS.get(sources) is None
        found = [(0, Need(level, region))]
        for number, other in enumerate(sources[1:], 1):
            box = Region.whole(other.levels[0].shape) if whole else beside(sources[0], other, level, region).region
            found.append((number, Need(0, box)))
        return found

    def apply(self, sources: Sequence[Spec], level: int, region: Region, blocks: Iterator[Block]) -> Block:
        """The corrected voxels.

        Raises:
            BadSource: A result is not a number, and the type holds numbers only.
        """
        source, flat = sources[:2]
        block, *lights = blocks
        gain: Block | float = self._mean(sources, lights) if self.gain is None else self.gain
        parts = []
        for other, light in zip(sources[1:], lights, strict=True):
            box = beside(source, other, level, region).region
            parts.append(as_axes_of(source, other, light if light.shape == box.shape else light[box.slices()]))
        if isinstance(gain, np.ndarray):
            # One for each channel of the flat image.
            box = beside(source, flat, level, region).region
            c = flat.axis("c")
            gain = as_axes_of(source, flat, gain if c is None else gain[along(c, slice(box.start[c], box.stop[c]))])
        bright, values = parts[0].astype(np.float64), block.astype(np.float64)
        if len(parts) > 1:
            bright = bright - parts[1]
            values -= parts[1]
        with np.errstate(all="ignore"):
            values *= gain / bright
        np.copyto(values, self.value, where=bright <= 0)
        return rounded(values, result_type("flat_field", "multiply", self.dtype, sources))

    def _mean(self, sources: Sequence[Spec], lights: Sequence[Block]) -> Block:
        """The mean brightness of the flat image, axes as there, all but c of one voxel."""
        known = _MEANS.get(sources)
        if known is not None:
            return known
        if any(light.shape != other.levels[0].shape for other, light in zip(sources[1:], lights, strict=True)):
            raise SourceUnavailable("The mean of the flat image was forgotten while it was needed; try again.")
        flat = sources[1]
        bright = lights[0].astype(np.float64)
        if len(lights) > 1:
            bright = bright - as_axes_of(flat, sources[2], lights[1])
        mean: Block = bright.mean(tuple(i for i, name in enumerate(flat.names) if name != "c"), keepdims=True)
        _MEANS.put(sources, mean)
        return mean


class _Means:
    """Means of flat images by their identities: worked out once in a process, the same in each. Thread-safe."""

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._known: dict[tuple[str, ...], Block] = {}
        self._lock = threading.Lock()

    def get(self, sources: Sequence[Spec]) -> Block | None:
        """The mean, if it is known. ``sources`` as `FlatField` takes them."""
        with self._lock:
            return self._known.get(self._key(sources))

    def put(self, sources: Sequence[Spec], mean: Block) -> None:
        """Remember a mean, and forget the oldest one if there are too many."""
        key = self._key(sources)
        if not all(key):
            return
        with self._lock:
            while len(self._known) >= self._limit:
                del self._known[next(iter(self._known))]
            self._known[key] = mean

    @staticmethod
    def _key(sources: Sequence[Spec]) -> tuple[str, ...]:
        return tuple(spec.identity for spec in sources[1:])


_MEANS = _Means()
