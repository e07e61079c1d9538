"""Which levels a pyramid gets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from s3facade.core.image import Derived, Opened, Source, derive
from s3facade.core.operators import Need
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Level, Spec
from s3facade.transforms.pyramids.pyramid import pyramid, pyramid_like
from s3facade.transforms.values.cast import Cast


def image(*shapes, names=None, scale=None, unit=None):
    n = len(shapes[0])
    names = names or "tczyx"[-n:]
    axes = tuple(Axis(name, unit if name in "zyx" else None) for name in names)
    levels = tuple(Level(s, scale or (1.0,) * n, (0.0,) * n, (1,) * n) for s in shapes)
    return Opened(Source("a", 1, 1, "e"), "r", 0, Spec(axes, np.dtype("u2"), levels, identity="i"))


def shapes(plan):
    return [level.shape for level in plan.spec.levels]


def test_halves_until_small():
    plan = pyramid(image((3, 2051, 1500), names="cyx"))
    assert shapes(plan) == [(3, 2051, 1500), (3, 1025, 750), (3, 512, 375)]
    assert isinstance(plan, Derived)
    assert plan.transform.keep
    assert [level.scale[-1] for level in plan.spec.levels] == [1, 2, 4]
    assert [level.origin[-1] for level in plan.spec.levels] == [0, 0.5, 1.5]


def test_small_images_stay_as_they_are():
    small = image((512, 512))
    assert pyramid(small) is small


def test_continues_a_pyramid_of_the_source():
    assert shapes(pyramid(image((4096, 4096), (1024, 1024)))) == [(4096, 4096), (1024, 1024), (512, 512)]


@pytest.mark.parametrize(
    ("shape", "scale", "unit", "expected"),
    [
        ((100, 1024, 1024), None, None, [100, 50]),
        ((63, 1024, 1024), None, None, [63, 63]),
        ((63, 1024, 1024), (1.5, 1.0, 1.0), "micrometer", [63, 31]),
        ((63, 4096, 4096), (4.0, 1.0, 1.0), "micrometer", [63, 63, 63, 31]),
        ((1, 1024, 1024), (1.0, 1.0, 1.0), "micrometer", [1, 1]),
    ],
)
def test_z_is_halved_where_voxels_are_nearly_cubes(shape, scale, unit, expected):
    assert [s[0] for s in shapes(pyramid(image(shape, scale=scale, unit=unit)))] == expected


@dataclass(frozen=True)
class Computed:
    """Values that are dear."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = True

    def spec(self, source):
        return source

    def need(self, source, level, region):
        return Need(level, Region(tuple(0 for _ in region.start), region.stop))

    def apply(self, source, level, region, block):
        raise AssertionError("nothing is computed here")


@pytest.mark.parametrize(
    ("deep", "stored", "step", "expected"),
    [
        (100, (1, 256, 256), None, (1, 512, 512)),
        (100, (64, 64, 64), None, (64, 64, 64)),
        (100, (64, 64, 64), Cast("float32"), (64, 64, 64)),
        (100, (64, 64, 64), Computed(), (1, 512, 512)),
        (10, (10, 64, 64), None, (1, 512, 512)),
    ],
)
def test_levels_of_planes_are_computed_plane_by_plane(deep, stored, step, expected):
    given = image((deep, 1024, 1024))
    level = replace(given.spec.levels[0], block=stored)
    given = replace(given, spec=replace(given.spec, levels=(level,)))
    given = derive(given, step) if step else given
    flat = pyramid(given, planes=True).spec
    assert flat.levels[1].block == expected
    # Blocks are kept by identity and position: other blocks, other identity.
    other = pyramid(given).spec
    assert (flat.identity == other.identity) == (flat.levels[1] == other.levels[1])


def test_one_line_images_end():
    assert shapes(pyramid(image((1, 5000))))[-1] == (1, 312)
    assert shapes(pyramid(image((3, 5000))))[-1] == (1, 312)
    assert shapes(pyramid(image((2, 3)), smallest=0))[-1] == (1, 1)


def test_like_another_pyramid():
    like = pyramid(image((3, 8192, 8192), (3, 2048, 2048), names="cyx")).spec
    plan = pyramid_like(image((8192, 8192)), like)
    assert [s[-1] for s in shapes(plan)] == [level.shape[-1] for level in like.levels]
    assert plan.transform.method == "mode"
