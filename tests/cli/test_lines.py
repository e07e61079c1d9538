"""Lines for clients of images that are no Zarr: they name the format, and files are fetched whole."""

from __future__ import annotations

import ast
import shlex
from urllib.parse import unquote

from s3facade.catalog.catalog import Viewable
from s3facade.cli.lines import lines, tensorstore

URL = "http://127.0.0.1:9000"


def test_a_volume_of_neuroglancer():
    volume = Viewable("images", "brain 12", {"x": 0.5, "y": 0.5, "z": 2.0}, "precomputed")
    text = "\n".join(lines(URL, volume, private=False))
    assert f"{URL}/images/brain%2012/|neuroglancer-precomputed:" in unquote(text).replace("brain 12", "brain%2012")
    assert f"precomputed://{URL}/images/brain%2012" in text
    assert "zarr" not in text
    call = ast.parse(tensorstore(URL, volume)).body[0].value
    spec = ast.literal_eval(call.func.value.args[0])
    assert spec["driver"] == "neuroglancer_precomputed"
    assert spec["kvstore"]["path"] == "brain 12/"
    assert spec["kvstore"]["aws_credentials"] == {"type": "anonymous"}


def test_a_file():
    file = Viewable("images", "a b.ome.tif", {}, "file")
    (aws, rclone, address) = lines(URL, file, private=False)
    assert shlex.split(aws)[-2:] == ["s3://images/a b.ome.tif", "."]
    assert shlex.split(rclone)[-2].endswith(":images/a b.ome.tif")
    assert address.endswith(f" {URL}/images/a%20b.ome.tif")


def test_private_ones_are_signed():
    for kind in ("precomputed", "file"):
        text = "\n".join(lines(URL, Viewable("images", "x", {}, kind), private=True))
        assert "no-sign-request" not in text
        assert "anonymous" not in text
        assert "neuroglancer-demo" not in text
        assert "AWS_ACCESS_KEY_ID" in text
