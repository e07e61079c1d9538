"""What another library says about a file, and how its dimensions become ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from s3facade.core.protocols import Raster
from s3facade.core.spec import Spec
from s3facade.testing.reading import voxels

STORED = "dimensions in the order of the file"
"""The library gives dimensions without names: that the values stand in this order is compared, not what they mean."""
_RANK = {a: float(i) for i, a in enumerate("tczyx")} | {"s": 1.5}


class NotTold(Exception):
    """There is nothing to compare with; says why."""


class Otherwise(Exception):
    """The other library says that the image has other axes; says which."""


@dataclass
class Told:
    """What a library says about a file."""

    library: str = ""
    find: Callable[[int, int, Raster], np.ndarray] | None = None
    """The array of an image's level, in our axes."""
    sizes: Sequence[Mapping[str, float]] = ()
    """Per image: µm or s per voxel by axis, as far as the library says."""
    lossy: float = 0.0
    """By how much decoders may differ."""
    names: Sequence[Sequence[str]] = field(default_factory=list)
    """Per image: names of channels."""
    order: str = ""
    """What is not told about the axes; empty where they have names."""

    def array(self, image: int, level: int, raster: Raster) -> np.ndarray:
        """Raises `NotTold`."""
        if self.find is None:
            raise NotTold(self.library or "no other library here reads it")
        return self.find(image, level, raster)

    def tolerance(self, raster: Raster) -> float:
        """How far apart numbers may be."""
        if raster.spec.dtype.kind == "f":
            return max(self.lossy, 1e-5 * max(1.0, float(np.nanmax(np.abs(voxels(raster, 0)), initial=0))))
        return self.lossy

    def metadata(self, image: int, spec: Spec) -> str:
        """``equal``, ``differ: …`` or a dash."""
        wrong, same = [], False
        for axis, size in (self.sizes[image] if image < len(self.sizes) else {}).items():
            i = spec.axis(axis)
            if i is None or not size or not math.isfinite(size):
                continue
            ours = spec.levels[0].scale[i] if spec.axes[i].unit else None
            if ours is None or not math.isclose(ours, size, rel_tol=2e-4):
                wrong.append(f"{axis} {ours}, not {size}")
            same = True
        if image < len(self.names) and self.names[image]:
            ours_named = [c.name for c in spec.channels]
            if ours_named != list(self.names[image]):
                wrong.append(f"channels {ours_named}, not {list(self.names[image])}")
            same = True
        return "differ: " + "; ".join(wrong) if wrong else "equal" if same else "-"


def ordered(array: np.ndarray, axes: Sequence[str], raster: Raster, level: int = 0) -> np.ndarray:
    """``array`` in our axes.

    Args:
        array: As the other library gives it.
        axes: What that library calls its dimensions: ours, s (samples, inside of c) or f (frames: t or z, it does not
            say which).
        raster: Whose axes are wanted.
        level: Which of its levels.

    Raises:
        Otherwise: The library's axes are not those of the image.
    """
    frames = "t" if raster.spec.axis("t") is not None else "z"
    letters = [frames if a == "f" else a for a in axes]
    if len(letters) != array.ndim or not set(letters) <= set(_RANK):
        raise NotTold(f"dimensions {','.join(axes)} of {array.ndim}")
    lengths = dict.fromkeys("tczyx", 1)
    for letter, length in zip(letters, array.shape, strict=True):
        lengths["c" if letter == "s" else letter] *= length
    ours = dict(zip(raster.spec.names, raster.spec.levels[level].shape, strict=True))
    wrong = [f"{a} {n}, not {ours.get(a, 1)}" for a, n in lengths.items() if n != ours.get(a, 1)]
    if wrong:
        raise Otherwise("; ".join(wrong))
    order = sorted(range(array.ndim), key=lambda k: _RANK[letters[k]])
    return np.transpose(array, order).reshape(tuple(ours.values()))


def stored(array: np.ndarray, raster: Raster, level: int = 0) -> np.ndarray:
    """``array``, whose dimensions have no names, if it has our shape but for lengths of 1.

    Raises:
        Otherwise: It has another shape.
    """
    shape = raster.spec.levels[level].shape
    if [n for n in array.shape if n > 1] != [n for n in shape if n > 1]:
        raise Otherwise(f"{array.shape}, not {shape}")
    return array.reshape(shape)
