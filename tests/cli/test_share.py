"""Addresses to share, as a user makes them."""

import re

import numpy as np
import pytest
import tifffile

from s3facade.cli.main import main

TEXT = """\
sources: {scans: {files: "scans/{name}.tif"}}
buckets:
  lab: {access: private, views: [{type: ome-zarr, from: scans, path: "img/{name}.ome.zarr"}]}
  open: {views: [{type: files, root: scans}]}
links: {secret: a-secret-for-links}
server: {host: 0.0.0.0, port: 9100}
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "scans").mkdir()
    tifffile.imwrite(tmp_path / "scans" / "a b.tif", np.zeros((32, 32), np.uint8))
    (tmp_path / "c.yaml").write_text(TEXT)
    return str(tmp_path / "c.yaml")


LINK = r"~[0-9a-z]{8}\.\d{10}\.%d\.[\w-]{22}"


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        (["s3://lab/img/a b.ome.zarr/"], rf"http://127\.0\.0\.1:9100/lab/{LINK % 16}/img/a%20b\.ome\.zarr"),
        (["lab", "--expires", "2 h"], rf"http://127\.0\.0\.1:9100/lab/{LINK % 0}"),
        (["lab/img/a b.ome.zarr", "--immutable", "--url", "https://x/"],
         rf"https://x/lab/{LINK % 16}/@[0-9a-f]{{32}}/img/a%20b\.ome\.zarr"),
        (["open/a b.tif"], r"http://127\.0\.0\.1:9100/open/a%20b\.tif"),
        (["s3://open/a b.tif", "--immutable"], r"http://127\.0\.0\.1:9100/open/@[0-9a-f]{32}/a%20b\.tif"),
    ],
)  # fmt: skip
def test_addresses(config, capsys, arguments, pattern):
    assert main(["share", arguments[0], config, *arguments[1:]]) == 0
    out = capsys.readouterr()
    assert re.fullmatch(pattern + "\n", out.out)
    assert ("public" in out.err) is ("open" in arguments[0])


@pytest.mark.parametrize(
    ("address", "options", "said"),
    [
        ("none/a", [], "no bucket called 'none'"),
        ("lab/img", ["--immutable"], "neither an image nor a file"),
        ("open/none", ["--immutable"], "neither an image nor a file"),
    ],
)
def test_mistakes(config, capsys, address, options, said):
    assert main(["share", address, config, *options]) == 1
    assert said in capsys.readouterr().err


def test_links_need_a_secret(config, capsys, tmp_path):
    (tmp_path / "c.yaml").write_text(
        TEXT.replace("links: {secret: a-secret-for-links}", "access: [{key: A, secret: secret-a, buckets: [lab]}]")
    )
    assert main(["share", "lab/x", config]) == 1
    assert "links: {secret" in capsys.readouterr().err


def test_a_wrong_duration(config, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["share", "lab/x", config, "--expires", "soon"])
    assert "write it as in" in capsys.readouterr().err


def test_serve_wants_a_folder_of_buckets(tmp_path, capsys):
    assert main(["serve", "--buckets-from", str(tmp_path / "none")]) == 1
    assert "is not a folder" in capsys.readouterr().err
