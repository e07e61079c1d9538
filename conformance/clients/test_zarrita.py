"""zarrita, the Zarr reader of browser viewers, on Node."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from conformance.contract import crop_of, cut

NODE = Path(__file__).parent.parent / "node"
MODULES = NODE / "node_modules"
if shutil.which("node") is None or not all((MODULES / name).exists() for name in ("zarrita", "zarrita-0.5")):
    pytest.skip("Node or its package zarrita is not installed (conformance/install.sh)", allow_module_level=True)


def version_of(package):
    return json.loads((MODULES / package / "package.json").read_text())["version"]


def _run(package, requests):
    done = subprocess.run(
        ["node", str(NODE / "pixels.mjs"), package],
        input=json.dumps(requests),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def _compare(package, facade, wanted):
    """Ask for (group, level, box, expected) and compare digests: voxels travel no further than Node."""
    asked = [{"url": f"{facade.url}/images/{quote(g)}", "level": i, "box": box} for g, i, box, _ in wanted]
    found = _run(package, asked)
    for (group, level, _, expected), answer in zip(wanted, found, strict=True):
        assert "error" not in answer, (group, level, answer)
        assert tuple(answer["shape"]) == expected.shape, (group, level)
        assert answer["dtype"] == str(expected.dtype), (group, level)
        assert answer["sha256"] == hashlib.sha256(expected.tobytes()).hexdigest(), (group, level)


class _Contract:
    def test_pixels_of_every_level(self, facade, samples, levels):
        wanted = [
            (name, i, None, sample.level(i, shape))
            for name, sample in samples.items()
            for i, shape in enumerate(levels[name])
            # float means may differ in the last place, which a digest cannot forgive
            if sample.own[0].dtype.kind != "f" or i == 0
        ]
        _compare(self.PACKAGE, facade, wanted)

    def test_pixels_of_a_crop(self, facade, samples, levels):
        wanted = []
        for name, sample in samples.items():
            for i, shape in enumerate(levels[name]):
                box = crop_of(shape)
                if sample.own[0].dtype.kind != "f" or i == 0:
                    wanted.append((name, i, box, cut(sample.level(i, shape), box)))
        _compare(self.PACKAGE, facade, wanted)

    def test_link(self, private, samples, levels):
        name = "pyramid.ome.zarr"
        link = private.link("vault-images", name)
        found = _run(self.PACKAGE, [{"url": link, "level": i, "box": None} for i in range(len(levels[name]))])
        for i, (answer, shape) in enumerate(zip(found, levels[name], strict=True)):
            assert answer["sha256"] == hashlib.sha256(samples[name].level(i, shape).tobytes()).hexdigest(), i

    def test_denied_bucket(self, private):
        url = f"{private.facade.url}/vault-images/pyramid.ome.zarr"
        (answer,) = _run(self.PACKAGE, [{"url": url, "level": 0, "box": None}])
        assert "error" in answer, answer

    def test_missing_group(self, facade):
        (answer,) = _run(self.PACKAGE, [{"url": f"{facade.url}/images/absent.ome.zarr", "level": 0, "box": None}])
        assert "NotFound" in answer["error"] or "not found" in answer["message"].lower(), answer


class TestZarrita(_Contract):
    CLIENT, PACKAGE = "zarrita", "zarrita"
    VERSION = version_of(PACKAGE)


class TestZarritaOfVizarr(_Contract):
    """Asks for ranges far past the end of an object, and reads the index anew for every chunk."""

    CLIENT, PACKAGE = "zarrita (as in vizarr)", "zarrita-0.5"
    VERSION = version_of(PACKAGE)
