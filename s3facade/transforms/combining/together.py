"""What images must have in common to become one."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.spec import Spec
from s3facade.transforms.described import PLANES

T = TypeVar("T")
HALF = 0.5
"""Voxels by which two images may lie apart anywhere and still count as aligned."""


def called(sources: Sequence[Spec], number: int, index: Sequence[object] = ()) -> str:
    """An image in words: its index or position, and its name where it has one."""
    name = sources[number].attrs.get("name")
    word = f"image {index[number]}" if index else f"image {number + 1} of {len(sources)}"
    return f"{word} ({name})" if name else word


def check_alike(
    what: str,
    sources: Sequence[Spec],
    *,
    free: str = "",
    placed: bool = True,
    sized: bool = True,
    index: Sequence[object] = (),
) -> None:
    """Whether all have one type, and the same axes, units, voxel sizes, lengths and places at the finest level.

    Args:
        what: The operation, for sentences.
        sources: At least one.
        free: Axes that may differ or be absent.
        placed: Whether places must be the same, too.
        sized: Whether lengths in space must be the same, too.
        index: What images are called, if not by their numbers.

    Raises:
        Unsupported: Two differ; names them, and in what.
    """
    first = sources[0]
    names = [name for name in first.names if name not in free]
    for i, spec in enumerate(sources):
        differing = _difference(first, spec, names, free, placed=placed, sized=sized)
        if differing:
            one, other = called(sources, 0, index), called(sources, i, index)
            raise Unsupported(f"{what}: {one} and {other} do not go together: {differing}.")


def _difference(first: Spec, spec: Spec, names: Sequence[str], free: str, *, placed: bool, sized: bool) -> str:
    if spec.dtype != first.dtype:
        return f"voxels are {first.dtype} and {spec.dtype}; make them alike with a step `cast`"
    if bool(spec.attrs.get("categorical")) != bool(first.attrs.get("categorical")):
        return (
            "one holds labels and the other does not, so coarser levels cannot be computed alike; show labels with "
            "`labels` of the view, or call them quantities with a step `metadata: {categorical: false}`"
        )
    own = [name for name in spec.names if name not in free]
    if own != list(names):
        return f"the axes are {''.join(names)} and {''.join(own)}"
    for name in names:
        a, b = first.names.index(name), spec.names.index(name)
        units = first.axes[a].unit, spec.axes[b].unit
        if units[0] != units[1]:
            return f"only one of them states a size along {name}; state it with a step `metadata`"
        here, there = first.levels[0], spec.levels[0]
        n, m, s, r = here.shape[a], there.shape[b], here.scale[a], there.scale[b]
        if (sized or name in "tc") and n != m:
            return f"they have {n} and {m} voxels along {name}"
        if abs(s - r) * max(n, m) > HALF * s:
            return f"voxels along {name} are {s:g} and {r:g} long"
        if placed and abs(here.origin[a] - there.origin[b]) > HALF * s:
            return (
                f"along {name} they begin at {here.origin[a]:g} and {there.origin[b]:g}; "
                "if these places mean nothing, state another with a step `metadata: {origin: ...}`"
            )
    return ""


def shared_levels(sources: Sequence[Spec], free: str = "", *, sized: bool = True) -> int:
    """How many levels, from the finest on, have voxels of one size in all images, and the same number if ``sized``."""
    first = sources[0]
    names = [name for name in first.names if name not in free]
    for k in range(1, min(len(spec.levels) for spec in sources)):
        fine = first.levels[k]
        for spec in sources:
            level = spec.levels[k]
            for name in names:
                a, b = first.names.index(name), spec.names.index(name)
                far = abs(fine.scale[a] - level.scale[b]) * fine.shape[a] > HALF * fine.scale[a]
                if far or (sized and fine.shape[a] != level.shape[b]):
                    return k
    return min(len(spec.levels) for spec in sources)


def common(sources: Sequence[Spec]) -> Mapping[str, object]:
    """Metadata that all have and that stay true of all of them together."""
    first = sources[0].attrs
    return {k: v for k, v in first.items() if k not in PLANES and all(spec.attrs.get(k) == v for spec in sources)}


def fits(what: str, value: float, dtype: np.dtype[Any]) -> None:
    """Raise `Unsupported` unless voxels of ``dtype`` can be ``value``."""
    info = np.iinfo(dtype) if dtype.kind in "iu" else None
    if dtype.kind == "b":
        good = value in {0, 1}
    else:
        good = info is None or (float(value).is_integer() and info.min <= value <= info.max)
    if not good:
        raise Unsupported(f"{what}: `value: {value:g}` is none that voxels of type {dtype} can have.")


class Remembered:
    """What was worked out from an operator and the identities of its sources, for the few used last. Thread-safe."""

    def __init__(self, limit: int = 64) -> None:
        self._limit = limit
        self._known: OrderedDict[Hashable, object] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, operator: Hashable, sources: Sequence[Spec], make: Callable[[], T]) -> T:
        """The result of ``make``, which depends on ``operator`` and ``sources`` alone, remembered or made now."""
        key = (operator, *[spec.identity for spec in sources])
        with self._lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
                return found  # type: ignore[return-value] # what this operator made before
        made = make()
        if all(key):
            with self._lock:
                self._known[key] = made
                while len(self._known) > self._limit:
                    self._known.popitem(last=False)
        return made
