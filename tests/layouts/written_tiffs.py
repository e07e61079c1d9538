"""What tests of TIFF layouts share: images, their files, ranges of them."""

from __future__ import annotations

import io

import numpy as np
import tifffile
from plain_evaluator import encode, opened, whole

from s3facade.core.objects import cut
from s3facade.core.spec import Channel
from s3facade.transforms.pyramids.flat import flattened
from s3facade.transforms.pyramids.pyramid import pyramid

RGB = (Channel("Red"), Channel("Green"), Channel("Blue"))
RGBA = (*RGB, Channel("Alpha"))


def pattern(shape, dtype="u2"):
    rng = np.random.default_rng(sum(shape))
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, 120, shape).astype(dtype)


def image_of(shape, names=None, dtype="u2", smallest=40, **more):
    """An image with a pyramid of planes."""
    image = opened(pattern(shape, dtype), names=names, **more)
    return pyramid(flattened(image), smallest=smallest, planes=True)


def part(obj, start, stop):
    """Bytes of an object, made of nothing but the pieces that they touch."""
    return b"".join(encode(c.segment)[c.lo : c.hi] for c in cut(obj, start, stop))


def voxels(image, level):
    """A level as tifffile gives it: axes of one voxel dropped, colours last."""
    found = whole(image, level)
    spec = image.spec
    if spec.dtype.name in ("uint8", "uint16") and spec.channels and spec.channels[0].name == "Red":
        found = np.moveaxis(found, spec.axis("c"), -1)
    return np.squeeze(found)


def read(data):
    """A file in memory."""
    return tifffile.TiffFile(io.BytesIO(data))
