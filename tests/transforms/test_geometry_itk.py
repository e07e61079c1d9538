"""Crops, flips, turns and mosaics against ITK, by physical coordinates alone."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK
from pydantic import TypeAdapter

from s3facade.core.image import combine, derive
from s3facade.testing import in_memory, whole
from s3facade.transforms.combining.mosaic import Mosaic
from s3facade.transforms.geometry.axes import Flip, Rotate90
from s3facade.transforms.geometry.crop import Crop
from s3facade.transforms.pyramids.downsample import AddLevel

SCALE, ORIGIN = (3.0, 0.5, 0.25), (10.0, -7.5, 100.0)
RNG = np.random.default_rng(11)


def volume():
    image = in_memory(RNG.uniform(0, 100, (5, 23, 38)), scale=SCALE, origin=ORIGIN, units=True)
    return derive(derive(image, AddLevel((1, 2, 2))), AddLevel((2, 2, 2)))


def itk(image, level=0):
    """A level with its geometry; ITK counts x first."""
    about = image.spec.levels[level]
    made = SimpleITK.GetImageFromArray(whole(image, level))
    made.SetSpacing(about.scale[::-1])
    made.SetOrigin(about.origin[::-1])
    return made


def resampled(source, like, matrix, centre, shift=(0, 0, 0)):
    """``source`` seen through a map of points of the result to points of the source, all as (z, y, x)."""
    n = len(centre)
    transform = SimpleITK.AffineTransform(n)
    transform.SetMatrix(np.asarray(matrix, float)[::-1, ::-1].ravel().tolist())
    transform.SetCenter(np.asarray(centre, float)[::-1].tolist())
    transform.SetTranslation(np.asarray(shift, float)[::-1].tolist())
    return SimpleITK.GetArrayFromImage(SimpleITK.Resample(source, like, transform, SimpleITK.sitkNearestNeighbor, -1.0))


def edges():
    lower = np.array(ORIGIN) - np.array(SCALE) / 2
    return lower, lower + np.array(SCALE) * (5, 23, 38)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_a_crop(level):
    image = volume()
    box = {"z": ["9 um", "20 um"], "y": ["-6.3 um", "3 um"], "x": [5, 33]}
    cropped = derive(image, TypeAdapter(Crop).validate_python(box))
    got = resampled(itk(image, level), itk(cropped, level), np.eye(3), (0, 0, 0))
    np.testing.assert_array_equal(whole(cropped, level), got)
    roi = SimpleITK.RegionOfInterest(itk(image), [28, 18, 4], [5, 3, 0])
    assert itk(cropped).GetSize() == roi.GetSize()
    np.testing.assert_allclose(itk(cropped).GetOrigin(), roi.GetOrigin())


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("axes", [("x",), ("y",), ("z", "x")])
def test_a_flip_about_the_centre(axes, level):
    image = volume()
    flipped = derive(image, Flip(axes))
    matrix = np.diag([-1.0 if name in axes else 1.0 for name in "zyx"])
    got = resampled(itk(image, level), itk(flipped, level), matrix, np.mean(edges(), 0))
    np.testing.assert_array_equal(whole(flipped, level), got)


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize(("plane", "times"), [("yx", 1), ("yx", 3), ("xy", 1), ("zx", 1), ("yz", 3), ("zy", 2)])
def test_a_turn_that_keeps_the_lower_corner(plane, times, level):
    image = volume()
    turned = derive(image, Rotate90(times, plane))
    a, b = ("zyx".index(name) for name in plane)
    # A quarter turn from a to b takes the point (a, b) of the result to (-b, a) from the corner, moved into the image.
    quarter = np.eye(3)
    quarter[[a, b], [a, b]] = 0
    quarter[b, a], quarter[a, b] = -1, 1
    matrix = np.linalg.matrix_power(quarter, times)
    lower, upper = edges()
    shift = np.where(matrix.sum(1) < 0, upper - lower, 0)
    got = resampled(itk(image, level), itk(turned, level), matrix, lower, shift)
    np.testing.assert_array_equal(whole(turned, level), got)
    assert (got >= 0).all(), "all of it lies inside of the source"


@pytest.mark.parametrize("level", [0, 1])
def test_a_mosaic(level):
    origins = [(0.0, 0.0), (1.0, 14.0), (9.0, 2.0)]
    tiles = [derive(in_memory(RNG.uniform(0, 9, (20, 32)), units=True, scale=(0.5, 0.5), origin=o), AddLevel((2, 2)))
             for o in origins]  # fmt: skip
    made = combine(tiles, Mosaic(value=-1))
    expected = np.full(made.spec.levels[level].shape, -1.0)
    for tile in reversed(tiles):
        seen = resampled(itk(tile, level), itk(made, level), np.eye(2), (0, 0), (0, 0))
        expected = np.where(seen >= 0, seen, expected)
    np.testing.assert_array_equal(whole(made, level), expected)
