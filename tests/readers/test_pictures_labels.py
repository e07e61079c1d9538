"""Images of many formats with labels in TIFF, by the configuration of the documentation, read over the socket."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import tensorstore as ts
import tifffile
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "readers" / "pictures.md"
RANDOM = np.random.default_rng(1)
RGB = RANDOM.integers(0, 256, (60, 80, 3)).astype("u1")
LABELS = RANDOM.integers(0, 9, (4, 60, 80)).astype("u2")
IMAGES = {"cell_00001.png": RGB, "cell_00002.bmp": RGB[..., 0], "cell_00003.tif": RGB[..., 1].astype("u2") * 3}


@pytest.fixture
def cells(tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for number, (name, array) in enumerate(IMAGES.items()):
        path = tmp_path / "images" / name
        if path.suffix == ".tif":
            tifffile.imwrite(path, array)
        else:
            Image.fromarray(array).save(path)
        tifffile.imwrite(
            tmp_path / "labels" / f"{path.stem}_label.tiff", LABELS[number], compression="zlib", metadata=None
        )
    found = re.search(r"test_pictures_labels\.py runs this -->\n```yaml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (tmp_path / "cells.yaml").write_text(found[1] + "limits: {workers: 1}\n")
    command = [sys.executable, "-m", "s3facade", "serve", str(tmp_path / "cells.yaml"), "--port", "0"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        address = re.search(r"http://[^ :]+:\d+", process.stdout.readline())
        assert address, (tmp_path / "log").read_text()
        yield address[0]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=40)


def array(url):
    return ts.open({"driver": "zarr3", "kvstore": url}).result().read().result()


def test_images_of_all_formats_have_their_labels(cells):
    for number, (name, expected) in enumerate(IMAGES.items()):
        root = f"{cells}/cells/{name.partition('.')[0]}.ome.zarr"
        shown = np.moveaxis(expected, -1, 0) if expected.ndim == 3 else expected
        np.testing.assert_array_equal(array(f"{root}/0/"), shown)
        found = array(f"{root}/labels/cells/0/")
        np.testing.assert_array_equal(found.reshape(60, 80), LABELS[number])
        with urllib.request.urlopen(f"{root}/labels/zarr.json") as answer:
            assert json.load(answer)["attributes"]["ome"]["labels"] == ["cells"]
