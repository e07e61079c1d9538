"""s3facade explain against what is really decoded."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from s3facade.app.server import open_catalog
from s3facade.cli.explain import lines
from s3facade.cli.main import main
from s3facade.config.load import load
from s3facade.engine.explain import explain

PIXELS = np.random.default_rng(3).integers(0, 4000, (2048, 2048), dtype=np.uint16)


@pytest.fixture
def config(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, tile=(256, 256), compression="zlib")
    path = tmp_path / "c.yaml"
    path.write_text(
        "sources:\n  all: {files: '{name}.tif'}\n"
        "images:\n  float: {from: all, steps: [{cast: float32}]}\n"
        "buckets:\n  images:\n    views:\n"
        "      - {type: ome-zarr, from: float, path: '{name}.ome.zarr', chunks: 256, shards: 1024}\n"
        "  files:\n    views: [{type: files, root: .}]\n"
    )
    return path


@pytest.fixture
def catalog(config):
    made = open_catalog(load(config))
    yield made
    made.engine.close()


def about(catalog, key, start=0, stop=None):
    body = catalog.find_now("images", key)
    size = body.file.size
    return explain(body.file.body(), start, size if stop is None else stop, catalog.engine.rasters, catalog.engine.kept)


def test_a_shard_of_a_computed_level(catalog):
    told = about(catalog, "a.ome.zarr/1/c/0/0")
    assert (told.pieces, told.documents) == (16, 16 * 16 + 4)
    (reads,) = told.reads.values()
    assert reads.chunks == 64
    assert told.decoded == PIXELS.nbytes
    with tifffile.TiffFile(catalog.find_now("images", "a.ome.zarr/zarr.json").mount.recipe.path) as file:
        assert reads.stored == sum(file.pages[0].databytecounts)
    assert (told.computed, told.kept) == (4, 0)


def test_a_range_and_what_is_kept(catalog):
    inner = 256 * 256 * 4
    told = about(catalog, "a.ome.zarr/1/c/0/0", 10, inner)
    assert told.pieces == 1
    image = told.plans[0].image
    (reads,) = told.reads.values()
    assert (reads.chunks, told.computed) == (16, 1)
    catalog.engine.read(image, 1, told.plans[0].region)
    told = about(catalog, "a.ome.zarr/1/c/0/0", 10, inner)
    assert (told.computed, told.kept, told.decoded) == (0, 1, 0)
    assert any("reads nothing" in line for line in lines(told, 1))


def test_documents_need_no_file(catalog):
    told = about(catalog, "a.ome.zarr/0/zarr.json")
    assert (told.pieces, told.reads, told.decoded) == (0, {}, 0)


def test_the_command_prints_the_plan(config, capsys):
    assert main(["explain", "s3://images/a.ome.zarr/1/c/0/0", str(config), "--range", "0-99"]) == 0
    out = capsys.readouterr().out
    assert "AddLevel(factors=(2, 2), method=mean)  level 1  [y 0:256, x 0:256]  float32" in out
    assert "Cast(dtype=float32)  level 0  [y 0:512, x 0:512]" in out
    assert "tiff a.tif  level 0  [y 0:512, x 0:512]  uint16" in out
    assert "bytes 0 to 99: 100 bytes" in out
    assert "1 to compute, 0 kept" in out
    assert main(["explain", "files/a.tif", str(config)]) == 0
    assert "of the original file, as they are" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["images"], "name an object"),
        (["nothing/x"], "no bucket 'nothing'"),
        (["images/x"], "There is no key 'x'"),
        (["images/a.ome.zarr/zarr.json", "--range", "x"], "is no range"),
    ],
)
def test_mistakes(config, capsys, words, said):
    assert main(["explain", *words, str(config)]) == 1
    assert said in capsys.readouterr().err
