"""Images resampled onto the grid of another one of the configuration."""

from __future__ import annotations

import os

import numpy as np
import pytest
import tifffile

from s3facade.app.server import open_catalog
from s3facade.config.load import load
from s3facade.core.region import Region

PIXELS = np.random.default_rng(5).integers(0, 4000, (64, 80), dtype=np.uint16)
AFFINE = "matrix: [[1, 0.1, 3], [-0.1, 1, 2]]"


def write(path, array, size):
    tifffile.imwrite(path, array, ome=True, metadata={"axes": "YX", "PhysicalSizeX": size, "PhysicalSizeY": size})


@pytest.fixture
def config(tmp_path):
    write(tmp_path / "a.ome.tif", PIXELS, 1.0)
    write(tmp_path / "b.ome.tif", PIXELS[::-1], 1.0)
    write(tmp_path / "template.ome.tif", np.zeros((30, 50), np.uint8), 2.0)
    path = tmp_path / "c.yaml"
    path.write_text(
        "sources:\n  scans: {files: '{name}.ome.tif', skip: [template.ome.tif]}\n"
        "  template: {file: template.ome.tif}\n"
        "images:\n"
        f"  like: {{from: scans, steps: [{{affine: {{{AFFINE}, onto: {{image: template}}}}}}]}}\n"
        f"  told: {{from: scans, steps: [{{affine: {{{AFFINE}, onto: {{spacing: 2 um, shape: {{y: 30, x: 50}}, "
        "origin: {y: 0 um, x: 0 um}}}}]}\n"
        "  chained: {from: scans, steps: [{chain: {steps: [{" + AFFINE + "}], onto: {image: template}}}]}\n"
        "buckets:\n  images:\n    views:\n"
        "      - {type: ome-zarr, from: like, path: 'like/{name}'}\n"
        "      - {type: ome-zarr, from: told, path: 'told/{name}'}\n"
        "      - {type: ome-zarr, from: chained, path: 'chained/{name}'}\n"
        "limits: {index: off}\n"
    )
    return path


def image_of(catalog, prefix):
    file = catalog.find_now("images", f"{prefix}/0/c/0/0").file
    return file.body().parts[0].make(0).image


def voxels(catalog, prefix):
    image = image_of(catalog, prefix)
    return catalog.engine.read(image, 0, Region.whole(image.spec.levels[0].shape))


def test_the_grid_is_that_of_the_other_image(config):
    catalog = open_catalog(load(config))
    for name in "ab":
        level = image_of(catalog, f"like/{name}").spec.levels[0]
        assert (level.shape, level.scale, level.origin) == ((30, 50), (2.0, 2.0), (0.0, 0.0))
        told = voxels(catalog, f"told/{name}")
        assert told.any()
        for kind in ("like", "chained"):
            np.testing.assert_array_equal(voxels(catalog, f"{kind}/{name}"), told)
    catalog.engine.close()


def test_another_template_is_another_image(config):
    catalog = open_catalog(load(config))
    before = catalog.find_now("images", "like/a/0/c/0/0")
    template = config.parent / "template.ome.tif"
    write(template, np.zeros((20, 20), np.uint8), 3.0)
    os.utime(template, ns=(1, 1))
    after = catalog.find_now("images", "like/a/0/c/0/0")
    assert after.etag != before.etag
    assert image_of(catalog, "like/a").spec.levels[0].shape == (20, 20)
    catalog.engine.close()


@pytest.mark.parametrize(
    ("onto", "said"),
    [
        ("{image: template, spacing: 2 um}", "leave out `spacing`"),
        ("{image: nothing}", "no source or image 'nothing'|nothing"),
        ("{image: plain}", "has no voxel sizes"),
    ],
)
def test_mistakes(config, onto, said):
    tifffile.imwrite(config.parent / "plain.tif", PIXELS)
    text = config.read_text().replace("onto: {image: template}", f"onto: {onto}")
    config.write_text(text.replace("sources:\n", "sources:\n  plain: {file: plain.tif}\n"))
    with pytest.raises(Exception, match=said):
        open_catalog(load(config)).find_now("images", "like/a/0/c/0/0")
