"""Sizes and places that the operator states, or that an image takes from the one it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

from s3facade.core.identity import digest
from s3facade.core.image import Image, Opened
from s3facade.core.spec import Level, Spec

AnyImage = TypeVar("AnyImage", bound=Image)


def resized(image: Opened, size: Mapping[str, float]) -> Opened:
    """The image with pixel sizes, in µm by axis, that the operator states, instead of the file's."""
    spec = image.spec
    base = dict(zip(spec.names, spec.levels[0].scale, strict=True))
    factor = {name: n / base[name] for name, n in size.items() if name in base}

    def sized(level: Level) -> Level:
        factors = [factor.get(name, 1.0) for name in spec.names]
        scale = tuple(s * f for s, f in zip(level.scale, factors, strict=True))
        origin = tuple(o * f for o, f in zip(level.origin, factors, strict=True))
        return replace(level, scale=scale, origin=origin)

    axes = tuple(replace(a, unit="micrometer") if a.name in factor else a for a in spec.axes)
    # the affine is made of the sizes that are not believed
    attrs = {name: value for name, value in spec.attrs.items() if name not in ("affine", "frame")}
    return _placed(image, replace(spec, axes=axes, levels=tuple(sized(level) for level in spec.levels), attrs=attrs))


def aligned(label: Image, image: Image) -> Image:
    """A label image that states no size of its own, where its image is: it counts the same voxels.

    One that has not as many voxels as its image stays as it is: where it lies is not known.
    """
    spec, like = label.spec, image.spec
    if any(axis.unit for axis in spec.axes):
        return label
    known = {a.name: (a, s, o) for a, s, o in zip(like.axes, like.levels[0].scale, like.levels[0].origin, strict=True)}
    if any(spec.length(a) not in {1, like.length(a)} for a in spec.names if a in known):
        return label
    first = spec.levels[0]
    taken = [known.get(a.name, (a, s, o)) for a, s, o in zip(spec.axes, first.scale, first.origin, strict=True)]
    factors = [s / was for (_, s, _), was in zip(taken, first.scale, strict=True)]

    def moved(level: Level) -> Level:
        scale = tuple(s * f for s, f in zip(level.scale, factors, strict=True))
        apart = [(o - was) * f for o, was, f in zip(level.origin, first.origin, factors, strict=True)]
        return replace(level, scale=scale, origin=tuple(o + d for (_, _, o), d in zip(taken, apart, strict=True)))

    levels = tuple(moved(level) for level in spec.levels)
    return _placed(label, replace(spec, axes=tuple(a for a, _, _ in taken), levels=levels))


def shortened(image: Image, count: int) -> Image:
    """The image with its ``count`` finest levels at most."""
    spec = image.spec
    if len(spec.levels) <= count or not isinstance(image, Opened):
        return image
    return _placed(image, replace(spec, levels=spec.levels[:count]))


def _placed(image: AnyImage, spec: Spec) -> AnyImage:
    identity = digest(image.spec.identity, "placed", [a.unit for a in spec.axes], spec.levels)
    return replace(image, spec=replace(spec, identity=identity))
