"""The command line on views of compressed chunks: sizes that are not known are told as such, and found out by warm."""

from __future__ import annotations

import re

import numpy as np
import pytest
import tifffile
from imagecodecs import zstd_decode

from s3facade.cli.main import main

PIXELS = np.random.default_rng(4).poisson(30, (600, 500)).astype(np.uint16)


@pytest.fixture
def config(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", PIXELS, tile=(256, 256), compression="zlib")
    path = tmp_path / "c.yaml"
    path.write_text(
        "sources:\n  all: {files: '{name}.tif'}\n"
        "buckets:\n  images:\n    views:\n"
        "      - {type: ome-zarr, from: all, path: '{name}.ome.zarr', chunks: 256, codec: zstd}\n"
        "  raw:\n    views: [{type: ome-zarr, from: all, path: '{name}'}]\n"
        "limits: {cache_dir: kept}\n"
    )
    return str(path)


def sizes(config, capsys):
    assert main(["ls", "-r", "images/a.ome.zarr/", config]) == 0
    found = re.findall(r"(\?|\d+)  (\S+/c/\S+)", capsys.readouterr().out)
    return {key: size for size, key in found}


def test_ls_tells_what_is_known_and_warm_finds_out_the_rest(config, capsys):
    before = sizes(config, capsys)
    assert set(before.values()) == {"?"}
    assert main(["warm", "images/", config, "--dry-run"]) == 0
    assert capsys.readouterr().out == f"{len(before)} sizes of compressed chunks are not known yet.\n"
    assert main(["warm", "images/a.ome.zarr", config, "--levels", "1-"]) == 0
    assert f"Found out {sum('/0/c/' not in key for key in before)} sizes" in capsys.readouterr().out
    assert {size == "?" for key, size in sizes(config, capsys).items() if "/0/c/" in key} == {True}
    assert {size == "?" for key, size in sizes(config, capsys).items() if "/0/c/" not in key} == {False}
    assert main(["warm", "images/", config]) == 0
    assert f"Found out {sum('/0/c/' in key for key in before)} sizes" in capsys.readouterr().out
    after = sizes(config, capsys)
    assert after.keys() == before.keys()
    assert "?" not in after.values()
    assert main(["warm", "images/", config]) == 0
    assert "Found out 0 sizes" in capsys.readouterr().out


def test_warm_still_needs_somewhere_to_keep_things(config, capsys):
    assert main(["warm", "raw/", config]) == 1
    assert "the disk cache is off" in capsys.readouterr().err
    assert main(["warm", "images/none", config]) == 1
    assert "No image of images starts with 'none'" in capsys.readouterr().err


def test_warm_names_what_cannot_be_computed(config, tmp_path, capsys):
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        offset = tif.pages[0].dataoffsets[0]
    with (tmp_path / "a.tif").open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 64)
    assert main(["warm", "images/", config]) == 1
    assert "a.ome.zarr/0/c/0/0" in capsys.readouterr().err


def test_explain(config, capsys):
    address = "images/a.ome.zarr/0/c/1/1"
    assert main(["explain", address, config]) == 0
    out = capsys.readouterr().out
    assert "size not known yet" in out
    assert "reads 1 chunks of" in out
    assert main(["explain", address, config, "--range", "0-10"]) == 1
    assert "known once it was computed" in capsys.readouterr().err
    assert main(["explain", "images/a.ome.zarr/zarr.json", config]) == 0
    assert "bytes  ETag" in capsys.readouterr().out


def test_cat_writes_what_is_served_and_then_the_size_is_known(config, capfdbinary):
    address = "images/a.ome.zarr/0/c/1/1"
    assert main(["cat", address, config]) == 0
    data = capfdbinary.readouterr().out
    assert np.array_equal(np.frombuffer(zstd_decode(data), "<u2").reshape(256, 256)[:, :244], PIXELS[256:512, 256:])
    assert main(["explain", address, config, "--range", "0-10"]) == 0
    assert f"{len(data):,} bytes".encode() in capfdbinary.readouterr().out
