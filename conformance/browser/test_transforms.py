"""The registered brain of the examples in Neuroglancer: beside the scan as it is, and voxel for voxel as ITK has it."""

from __future__ import annotations

import importlib.metadata

import imagecodecs
import numpy as np
import pytest
import zarr

from conformance.browser import gallery
from conformance.browser.registered import BUCKET, COLUMNS, CONFIG, EXAMPLE, layer, picture, space
from conformance.browser.shots import available, shoot
from conformance.server import serving

sitk = pytest.importorskip("SimpleITK")
browser = pytest.mark.skipif(available() is not None, reason=available() or "")

CLIENT, VERSION = "Neuroglancer (Chromium)", importlib.metadata.version("neuroglancer")
GREATEST = 0.5 + 1e-3
"""ITK gives reals, the server whole numbers."""
CROPPED = 20
"""Millimetres above the views."""


@pytest.fixture(scope="module")
def brains(tmp_path_factory):
    with serving(CONFIG, log=tmp_path_factory.mktemp("server") / "log.txt") as running:
        yield running


@pytest.fixture(scope="module")
def scan():
    """The scan in millimetres, as SimpleITK sees it."""
    return _volume("flair.ome.tif")


@pytest.fixture(scope="module")
def template():
    return _volume("template.ome.tif")


@pytest.fixture(scope="module")
def transforms():
    """By the name of the view."""
    affine = sitk.ReadTransform(str(EXAMPLE / "affine.txt"))
    field = sitk.ReadImage(str(EXAMPLE / "warp.nii.gz"), sitk.sitkVectorFloat64)
    return {
        "scan": sitk.Transform(3, sitk.sitkIdentity),
        "affine": affine,
        # ITK applies the last one first
        "warped": sitk.CompositeTransform([affine, sitk.DisplacementFieldTransform(field)]),
    }


def _volume(name):
    image = sitk.ReadImage(str(EXAMPLE / name), sitk.sitkFloat32)
    return sitk.GetImageFromArray(sitk.GetArrayFromImage(image))


def _opened(brains, name):
    """The finest level, its scale and its translation along z, y, x in millimetres."""
    group = zarr.open_group(f"{brains.url}/{BUCKET}/{name}.ome.zarr", mode="r")
    (meta,) = group.attrs["ome"]["multiscales"]
    assert {axis["unit"] for axis in meta["axes"] if axis["type"] == "space"} == {"micrometer"}
    found = {kind["type"]: np.array(kind[kind["type"]]) for kind in meta["datasets"][0]["coordinateTransformations"]}
    scale = found["scale"]
    return group["0"], scale[-3:] / 1000, found.get("translation", np.zeros_like(scale))[-3:] / 1000


@pytest.mark.parametrize("name", ["affine", "warped"])
def test_both_channels_of_the_view_are_those_of_itk(brains, scan, template, transforms, name):
    array, _, _ = _opened(brains, name)
    assert array.shape == (2, 100, 187, 151)
    expected = sitk.GetArrayFromImage(sitk.Resample(scan, template, transforms[name], sitk.sitkLinear, 0.0))
    served = array[:]
    assert np.abs(served[0] - expected[CROPPED : CROPPED + 100]).max() <= GREATEST
    assert np.array_equal(served[1], sitk.GetArrayFromImage(template)[CROPPED : CROPPED + 100])


@pytest.mark.parametrize("name", ["scan", "affine", "warped"])
def test_every_point_of_space_shows_what_itk_finds_there(brains, scan, transforms, name):
    array, scale, translation = _opened(brains, name)
    rng = np.random.default_rng(7)
    shape = np.array(array.shape[-3:])
    found, asked = [], 0
    for index in rng.integers(shape // 4, 3 * shape // 4, (40, 3)):
        place = translation + scale * index  # z, y, x in millimetres
        there = transforms[name].TransformPoint(tuple(float(v) for v in place[::-1]))
        served = float(array[(*(0,) * (array.ndim - 3), *index)])
        assert abs(served - scan.EvaluateAtPhysicalPoint(there, sitk.sitkLinear)) <= GREATEST, (place, there)
        found.append(served)
        asked += 1
    assert asked == 40
    assert len(set(found)) > 20, "points in one flat region say nothing"


def test_the_gallery_shows_what_is_served(tmp_path):
    with serving(gallery.CONFIG, log=tmp_path / "log.txt") as running:
        made = gallery.pictures(running.url)
    for name, painted in made.items():
        shown = imagecodecs.jpeg8_decode((gallery.FOLDER / f"gallery-{name}.jpg").read_bytes())
        assert shown.shape == painted.shape, name
        assert np.abs(shown.astype(int) - painted).mean() < 12, f"{name}: paint the gallery anew"


def _clean(shot):
    assert shot.ready, shot
    assert not shot.console, shot.console
    assert not shot.failed, shot.failed
    bad = [line for line in shot.responses if line.split()[1] not in ("200", "204", "206")]
    assert not bad, bad


@browser
def test_untransformed_and_registered_side_by_side(brains, tmp_path):
    shot = picture(brains.url, tmp_path / "shot.png")
    _clean(shot)
    for image in ("scan", "template", "affine", "warped"):
        assert any(f"/{image}.ome.zarr/0/c/" in line for line in shot.responses), image
    height, width, _ = shot.pixels.shape
    for column in range(len(COLUMNS)):
        for row in range(2):
            left, top = column * width // 3, row * height // 2
            panel = shot.pixels[top + height // 5 : top + 2 * height // 5, left + width // 9 : left + 2 * width // 9]
            assert len(np.unique(panel.reshape(-1, 3), axis=0)) > 1000, (column, row)


@browser
def test_pixels_on_the_screen_are_those_of_itk(brains, scan, template, transforms, tmp_path):
    """One colour for each image, one panel, a pixel per millimetre: one offset must fit all three."""
    z, names = 62, ("scan", "affine", "warped")
    masks = ("1, 0, 0", "0, 1, 0", "0, 0, 1")
    shot = shoot(
        brains.url,
        {
            name: layer(
                brains.url,
                name,
                None if name == "scan" else 0,
                f"void main() {{ emitRGB(vec3({mask}) * toNormalized(getDataValue())); }}",
            )
            for name, mask in zip(names, masks, strict=True)
        },
        tmp_path / "shot.png",
        size=(500, 500),
        layout="xy",
        dimensions=space(),
        position=(75.25, 93.25, z + 0.25),
        cross_section_scale=1,
        show_axis_lines=False,
        show_scale_bar=False,
    )
    _clean(shot)
    planes = [
        sitk.GetArrayFromImage(sitk.Resample(scan, template, transforms[name], sitk.sitkLinear, 0.0))[z]
        for name in names
    ]
    image = np.stack(planes, -1)[43:143, 35:115]
    height, width = image.shape[:2]
    offsets = [(y, x) for y in range(120, 260) for x in range(180, 240)]
    errors = [np.abs(shot.pixels[y : y + height, x : x + width] - image).max() for y, x in offsets]
    assert min(errors) <= 1.5, (min(errors), offsets[int(np.argmin(errors))])
    assert all(len(np.unique(image[..., i])) > 100 for i in range(3))
