"""The smallest interpreter of plans: no caches, no threads. Tests compare layouts with numpy through it."""

from __future__ import annotations

import numpy as np

from s3facade.core.image import Derived, Opened, Source
from s3facade.core.keyspace import scan
from s3facade.core.objects import Literal, Packed, Pixels, Run
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Level, Spec

ARRAYS: dict[str, list[np.ndarray]] = {}
"""Levels of opened images by path."""


def opened(*levels, names=None, scale=None, unit=None, block=None, channels=(), path="some/scan.tif", **attrs):
    """An image whose stored levels are these arrays."""
    n = levels[0].ndim
    names = names or "tczyx"[-n:]
    units = {"x": unit, "y": unit, "z": unit}
    path = f"{len(ARRAYS)}/{path}"
    ARRAYS[path] = list(levels)
    specs = []
    for array in levels:
        ratio = [round(a / b) for a, b in zip(levels[0].shape, array.shape, strict=True)]
        step = tuple(float(s * r) for s, r in zip(scale or (1.0,) * n, ratio, strict=True))
        origin = tuple(s * (r - 1) / 2 for s, r in zip(scale or (1.0,) * n, ratio, strict=True))
        specs.append(Level(array.shape, step, origin, block or array.shape))
    axes = tuple(Axis(name, units.get(name)) for name in names)
    spec = Spec(axes, levels[0].dtype, tuple(specs), tuple(channels), identity=path, attrs=attrs)
    return Opened(Source(path, 1, 1_700_000_000_000_000_000 + len(ARRAYS), "e"), "numpy", 0, spec)


def read(image, level, region):
    if isinstance(image, Opened):
        return ARRAYS[image.source.path][level][region.slices()].copy()
    assert isinstance(image, Derived)
    need = image.transform.need(image.parent.spec, level, region)
    block = None if need is None else read(image.parent, need.level, need.region)
    return image.transform.apply(image.parent.spec, level, region, block)


def whole(image, level):
    """Every voxel of a level."""
    return read(image, level, Region.whole(image.spec.levels[level].shape))


def encode(segment):
    if isinstance(segment, Literal):
        return segment.data
    if isinstance(segment, Packed):
        return segment.pack([measure(encode(part)) for part, measure in segment.parts])
    assert isinstance(segment, Pixels)
    block = np.zeros(segment.shape, segment.image.spec.dtype)
    block[tuple(slice(n) for n in segment.region.shape)] = read(segment.image, segment.level, segment.region)
    return bytes(segment.codec.encode(block))


def render(obj):
    out = []
    for part in obj.parts:
        segments = [part.make(i) for i in range(part.count)] if isinstance(part, Run) else [part]
        for segment in segments:
            data = encode(segment)
            assert len(data) == segment.nbytes == (part.nbytes if isinstance(part, Run) else segment.nbytes)
            out.append(data)
    return b"".join(out)


def dump(node):
    """Every key and its bytes; sizes told beforehand are checked."""

    def resolve(_):
        raise AssertionError("this layout has no deferred folders")

    out = {}
    for entry in scan(node, resolve=resolve):
        out[entry.key] = render(entry.file.body())
        assert len(out[entry.key]) == entry.file.size, entry.key
        assert entry.file.body().size == entry.file.size, entry.key
    return out
