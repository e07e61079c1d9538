"""Small random images with everything that images can have, and images made of given arrays."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from hypothesis import strategies as st

from s3facade.core.identity import digest
from s3facade.core.image import Opened, Source
from s3facade.core.operators import Block
from s3facade.core.spec import Axis, AxisName, Channel, Level, Spec
from s3facade.testing.plain import LEVELS

AXES: tuple[str, ...] = ("yx", "cyx", "zyx", "tyx", "czyx", "tcyx", "tczyx")
"""Axes that images are drawn with."""
DTYPES: tuple[str, ...] = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32")
"""Types that images are drawn with."""
UNITS = {"t": "second", "z": "micrometer", "y": "micrometer", "x": "micrometer"}


def in_memory(
    *levels: Block,
    axes: str | None = None,
    scale: Sequence[float] | None = None,
    origin: Sequence[float] | None = None,
    units: bool = False,
    channels: Sequence[Channel] | None = None,
    block: Sequence[int] | None = None,
    **attrs: object,
) -> Opened:
    """An image whose stored levels are ``levels``, finest first.

    Args:
        levels: Arrays of one dtype; axes as ``axes`` names them (default: the last ones of tczyx).
        axes: A subsequence of tczyx that ends in yx.
        scale: Axis units per voxel of the finest level; 1 by default. Other levels follow from their shapes.
        origin: Position of the centre of the finest level's first voxel, axis units; 0 by default.
        units: Whether space is in µm and time in s; otherwise the axes have no unit.
        channels: One per index of c; default: without names.
        block: The grid in which the levels are stored; default: one block.
        attrs: Attributes of the spec.
    """
    names: list[AxisName] = [n for n in ("t", "c", "z", "y", "x") if n in (axes or "tczyx"[-levels[0].ndim :])]
    first = tuple(map(float, scale or (1.0,) * len(names)))
    start = tuple(map(float, origin or (0.0,) * len(names)))
    described = []
    for array in levels:
        ratio = [a // b for a, b in zip(levels[0].shape, array.shape, strict=True)]
        step = tuple(s * r for s, r in zip(first, ratio, strict=True))
        centre = tuple(o + s * (r - 1) / 2 for o, s, r in zip(start, first, ratio, strict=True))
        described.append(Level(array.shape, step, centre, tuple(block or array.shape)))
    named = tuple(Axis(n, UNITS.get(n) if units else None) for n in names)
    count = levels[0].shape[names.index("c")] if "c" in names else 1
    shown = tuple(channels) if channels is not None else (Channel(),) * count
    identity = digest([blake2b(a.tobytes()).hexdigest() for a in levels], described, named, attrs)
    spec = Spec(named, levels[0].dtype, tuple(described), shown, identity, attrs)
    return Opened(Source("memory", 1, 1, identity), "memory", 0, spec, options={LEVELS: levels})


@st.composite
def images(
    draw: st.DrawFn,
    *,
    axes: Sequence[str] = AXES,
    dtypes: Sequence[str] = DTYPES,
    units: bool | None = None,
    most: int = 24,
    levels: int = 3,
    categorical: bool = False,
) -> Opened:
    """Images in memory: odd shapes, several levels, channels, time, voxels that are not cubes.

    Args:
        draw: Given by hypothesis.
        axes: Axes to choose from, each as in ``"czyx"``.
        dtypes: Types to choose from.
        units: Whether axes have physical units; both when None.
        most: The longest y and x; other axes are at most a third of it.
        levels: The greatest number of stored levels; each halves y and x where it can.
        categorical: Whether these are labels.
    """
    names = draw(st.sampled_from(axes))
    shape = tuple(draw(st.integers(1, most if n in "yx" else min(3, most) if n in "tc" else most // 3)) for n in names)
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    style = draw(st.sampled_from(["noise", "few", "extreme", "smooth"]))
    halved = [
        tuple(max(1, n >> k) if a in "yx" else n for a, n in zip(names, shape, strict=True))
        for k in range(draw(st.integers(1, levels)))
    ]
    stored = [_voxels(rng, sizes, dtype, style) for sizes in halved]
    length = st.sampled_from([0.25, 0.5, 0.65, 1.0, 2.0, 3.3])
    scale = [1.0 if n == "c" else draw(length) for n in names]
    origin = [0.0 if n == "c" else draw(st.sampled_from([0.0, 0.0, -7.5, 12.25])) for n in names]
    physical = draw(st.booleans()) if units is None else units
    count = shape[names.index("c")] if "c" in names else 1
    channels = [Channel(f"channel {i}", draw(st.sampled_from([None, "FF0000", "00FF00"]))) for i in range(count)]
    block = [draw(st.integers(1, n)) for n in shape]
    attrs: dict[str, object] = {"categorical": True} if categorical else {}
    return in_memory(
        *stored, axes=names, scale=scale, origin=origin, units=physical, channels=channels, block=block, **attrs
    )


def _voxels(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype[Any], style: str) -> Block:
    """Random voxels; ``extreme`` has both ends of the type, ``few`` has many equal ones. Floats are finite."""
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(np.bool_)
    if style == "few":
        return rng.integers(0, 4, shape).astype(dtype)
    if style == "smooth":
        ramp: Block = np.indices(shape).sum(0) * 3 % 101
        return ramp.astype(dtype)
    if dtype.kind == "f":
        return rng.uniform(-1e4, 1e4, shape).astype(dtype)
    info = np.iinfo(dtype)
    noise: Block = rng.integers(int(info.min), int(info.max), shape, dtype, endpoint=True)
    if style == "extreme":
        noise[rng.random(shape) < 0.3] = info.min
        noise[rng.random(shape) < 0.3] = info.max
    return noise
