"""Images whose voxels hold their own position: the mean of a block is the position of its centre, at every level."""

from __future__ import annotations

import numpy as np

from s3facade.core.image import derive
from s3facade.testing import in_memory
from s3facade.transforms.pyramids.downsample import AddLevel


def positions(image, level, axis):
    """Where the centres of voxels are along one axis, as the spec says."""
    about = image.spec.levels[level]
    i = image.spec.axis(axis)
    return about.origin[i] + np.arange(about.shape[i]) * about.scale[i]


def spread(image, level, axis):
    """The same for every voxel of a level."""
    i = image.spec.axis(axis)
    line = positions(image, level, axis).reshape([-1 if k == i else 1 for k in range(len(image.spec.axes))])
    return np.broadcast_to(line, image.spec.levels[level].shape)


def located(axis, shape, *, factors=(), axes=None, **options):
    """An image that holds positions along ``axis``; further levels by the mean of ``factors`` each."""
    names = axes or "tczyx"[-len(shape) :]
    empty = in_memory(np.zeros(shape), axes=axes, **options)
    image = in_memory(spread(empty, 0, axis).copy(), axes=names, **options)
    for each in factors:
        image = derive(image, AddLevel(each))
    return image
