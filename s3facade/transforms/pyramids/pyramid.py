"""Pyramids: levels computed until an overview is small enough for a viewer to load at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from s3facade.core.image import Derived, Image, Opened, derive
from s3facade.core.levels import VOLUME
from s3facade.core.spec import Spec
from s3facade.transforms.pyramids.downsample import AddLevel, Method

Add: TypeAlias = Callable[[Image, AddLevel], Image]
"""How a level is added to an image."""
_ISOTROPIC = 1.5
"""z is halved, too, while a voxel is at most this much longer in z than in y and x."""
_VOLUME = 64
"""Without known units, images of at least this many z planes are taken for isotropic volumes."""


def pyramid(
    image: Image, *, method: Method | None = None, smallest: int = 512, add: Add = derive, planes: bool = False
) -> Image:
    """``image`` with levels added after its last one until that is at most ``smallest`` voxels in y and x.

    Every level halves y and x, and z where voxels are nearly isotropic. A pyramid that the source brings is kept
    and continued. Where values are names, not quantities, the most frequent one is taken, else the mean.

    With ``planes``, z is never halved: for formats whose levels are those of single planes; see also
    `s3facade.transforms.pyramids.flat.flattened`.
    """
    if method is None:
        method = "mode" if image.spec.attrs.get("categorical") else "mean"
    thin = True if planes and _thin(image) else None
    while max(image.spec.levels[-1].shape[-2:]) > max(smallest, 1):
        image = add(image, AddLevel(_halving(image.spec, planes=planes), method, thin))
    return image


def pyramid_like(image: Image, like: Spec, *, method: Method = "mode", add: Add = derive) -> Image:
    """``image`` with levels added until it has as many as ``like``, each reduced as there.

    For labels, which OME-Zarr wants to have the levels of their image.
    """
    while len(image.spec.levels) < len(like.levels):
        n = len(image.spec.levels)
        fine, coarse = like.levels[n - 1], like.levels[n]
        ratios = {name: max(1, round(a / b)) for name, a, b in zip(like.names, fine.shape, coarse.shape, strict=True)}
        image = add(image, AddLevel(tuple(ratios.get(name, 1) for name in image.spec.names), method))
    return image


def _halving(spec: Spec, *, planes: bool) -> tuple[int, ...]:
    halved = {"y", "x"} | ({"z"} if not planes and _deep(spec) else set())
    last = spec.levels[-1].shape
    return tuple(2 if name in halved and n > 1 else 1 for name, n in zip(spec.names, last, strict=True))


def _thin(image: Image) -> bool:
    """Whether planes of further levels are better computed one by one than many at a time.

    Chunks of several planes that are stored are decoded for all of these anyway. And where there are few planes, levels
    are of planes always: they are those of every other layout then, and kept for all of them.
    """
    z = image.spec.axis("z")
    if z is None or image.spec.levels[-1].shape[z] < VOLUME:
        return False
    at = image
    while isinstance(at, Derived) and not at.transform.keep:
        at = at.parent
    own = at.spec.axis("z")
    return not (isinstance(at, Opened) and own is not None and at.spec.levels[-1].block[own] > 1)


def _deep(spec: Spec) -> bool:
    """Whether z is halved together with y and x at the last level."""
    z, y, x = (spec.axis(name) for name in "zyx")
    if z is None or y is None or x is None:
        return False
    if any(spec.axes[a].unit is None for a in (z, y, x)):
        return spec.length("z") >= _VOLUME
    scale = spec.levels[-1].scale
    return scale[z] <= _ISOTROPIC * max(scale[y], scale[x])
