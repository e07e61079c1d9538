"""Pyramids of planes: levels of fewer planes are left out, and none is added."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "layouts"))

from plain_evaluator import opened, whole

from s3facade.transforms.pyramids.flat import FlatLevels, flattened
from s3facade.transforms.pyramids.pyramid import pyramid


def test_levels_of_fewer_planes_are_left_out():
    levels = [np.full(shape, n, "u1") for n, shape in enumerate(((8, 64, 64), (8, 32, 32), (4, 32, 32), (4, 16, 16)))]
    image = opened(*levels, names="zyx")
    flat = flattened(image)
    assert isinstance(flat.transform, FlatLevels)
    assert [level.shape for level in flat.spec.levels] == [(8, 64, 64), (8, 32, 32)]
    for n in range(2):
        np.testing.assert_array_equal(whole(flat, n), levels[n])
    assert flat.spec.identity != image.spec.identity


def test_the_level_is_the_one_that_the_source_counts():
    levels = [np.full(shape, n, "u1") for n, shape in enumerate(((8, 64, 64), (4, 32, 32), (8, 32, 32)))]
    np.testing.assert_array_equal(whole(flattened(opened(*levels, names="zyx")), 1), levels[2])


def test_others_stay_as_they_are():
    image = opened(np.zeros((8, 64, 64), "u1"), np.zeros((8, 32, 32), "u1"), names="zyx")
    assert flattened(image) is image


def test_volumes_are_reduced_in_the_plane_alone():
    image = opened(np.zeros((70, 80, 90), "u1"), names="zyx", unit="micrometer")
    assert [level.shape for level in pyramid(image, smallest=30).spec.levels] == [
        (70, 80, 90),
        (35, 40, 45),
        (17, 20, 22),
    ]
    assert [level.shape for level in pyramid(image, smallest=30, planes=True).spec.levels] == [
        (70, 80, 90),
        (70, 40, 45),
        (70, 20, 22),
    ]
