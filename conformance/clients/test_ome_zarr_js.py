"""ome-zarr.js, which draws images in web pages, on Node."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from conformance.clients.test_zarrita import MODULES, NODE
from conformance.signed import object_url

if shutil.which("node") is None or not (MODULES / "ome-zarr.js").exists():
    pytest.skip("Node or its package ome-zarr.js is not installed (conformance/install.sh)", allow_module_level=True)

CLIENT = "ome-zarr.js"
VERSION = json.loads((MODULES / "ome-zarr.js" / "package.json").read_text())["version"]
GROUPS = ("pyramid.ome.zarr", "stack.ome.zarr", "slide.ome.zarr/0", "two.ome.zarr/0", "deep/größe/a b+c.ome.zarr")


def ask(*urls):
    command = ["node", str(NODE / "omezarr.mjs"), *urls]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def found(facade):
    return dict(zip(GROUPS, ask(*(object_url(facade, "images", g) for g in GROUPS)), strict=True))


class TestOmeZarrJs:
    def test_images_open(self, found, samples):
        for group, answer in found.items():
            assert "error" not in answer, (group, answer)
            assert tuple(answer["shape"]) == samples[group].own[0].shape
            assert answer["dtype"] == str(samples[group].own[0].dtype)
            assert "".join(answer["axes"]) == samples[group].axes
            assert answer["zarr_version"] == 3

    def test_first_chunks(self, found, samples):
        for group, answer in found.items():
            own = samples[group].own[0]
            region = own[tuple(slice(0, n) for n in answer["chunk"])]
            assert answer["first"] == [int(v) for v in region.ravel()[:16]], group

    def test_link(self, private, found):
        (answer,) = ask(private.link("vault-images", "pyramid.ome.zarr"))
        assert answer == found["pyramid.ome.zarr"]

    def test_denied_bucket(self, private):
        (answer,) = ask(object_url(private.facade, "vault-images", "pyramid.ome.zarr"))
        assert "error" in answer, answer

    def test_thumbnails(self):
        pytest.skip("the PNG encoder of its package runs in browsers only")

    def test_missing_image(self, facade):
        (answer,) = ask(object_url(facade, "images", "absent.ome.zarr"))
        assert "error" in answer
