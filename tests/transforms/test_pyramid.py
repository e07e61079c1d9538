"""Which levels a pyramid gets."""

from __future__ import annotations

import numpy as np
import pytest

from s3facade.core.image import Derived, Opened, Source
from s3facade.core.spec import Axis, Level, Spec
from s3facade.transforms.pyramids.pyramid import pyramid, pyramid_like


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


def test_one_line_images_end():
    assert shapes(pyramid(image((1, 5000))))[-1] == (1, 312)
    assert shapes(pyramid(image((3, 5000))))[-1] == (1, 312)
    assert shapes(pyramid(image((2, 3)), smallest=0))[-1] == (1, 1)


def test_like_another_pyramid():
    like = pyramid(image((3, 8192, 8192), (3, 2048, 2048), names="cyx")).spec
    plan = pyramid_like(image((8192, 8192)), like)
    assert [s[-1] for s in shapes(plan)] == [level.shape[-1] for level in like.levels]
    assert plan.transform.method == "mode"
