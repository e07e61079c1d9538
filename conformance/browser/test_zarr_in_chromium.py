"""zarrita and ome-zarr.js in a page of another origin, in headless Chromium: what web viewers do, voxel for voxel."""

from __future__ import annotations

import base64
import collections
import hashlib
import re
import urllib.request
from urllib.parse import urlsplit

import imagecodecs
import numpy as np
import pytest

from conformance.browser.pages import version_of, visit
from conformance.browser.shots import available
from conformance.server import serving

VERSIONS = {name: version_of(name) for name in ("zarrita", "ome-zarr.js")}
ABSENT = [name for name, version in VERSIONS.items() if version == "absent"]
MISSING = available() or (f"{ABSENT} not installed (conformance/install.sh)" if ABSENT else "")
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING)

GROUP = "pyramid.ome.zarr"
NOT_FOUND = "Failed to load resource: the server responded with a status of 404 (Not Found)"


def _look(facade, what, names, tmp_path_factory):
    return visit({"what": what, "url": f"{facade.url}/images/{GROUP}"}, names, tmp_path_factory.mktemp("page"))


def _same_pixels(visited, sample, shapes):
    assert "error" not in visited.said, visited
    found = visited.said["levels"]
    assert [tuple(level["shape"]) for level in found] == shapes
    for i, level in enumerate(found):
        expected = np.ascontiguousarray(sample.level(i, shapes[i]))
        assert level["dtype"] == str(expected.dtype), i
        assert level["first"] == expected.ravel()[:16].tolist(), i
        assert level["sha256"] == hashlib.sha256(expected.tobytes()).hexdigest(), i


def _clean(visited, facade):
    """No message but what Chromium prints of the places where Zarr v2 would have its metadata."""
    probe = re.compile(re.escape(f"{facade.url}/images/{GROUP}") + r"/(\d+/)?\.z(array|attrs|group)")
    said = [(text, url) for text, url in visited.console if not (text == NOT_FOUND and probe.fullmatch(url))]
    assert not said
    # zarrita asks for the size of a shard with HEAD; Chromium calls an answer whose empty body nobody reads aborted
    unread = collections.Counter(f"HEAD 200 {urlsplit(request['url']).path}" for request in visited.failed)
    assert {request["reason"] for request in visited.failed} <= {"net::ERR_ABORTED"}, visited.failed
    assert all(count <= visited.responses.get(line, 0) for line, count in unread.items()), unread
    others = [line.split() for line in visited.responses if line.split()[1] not in ("200", "206")]
    assert all(status == "404" and probe.fullmatch(facade.url + path) for _, status, path in others), others


def _cross_origin(visited, facade):
    assert visited.said["origin"].startswith("http://127.0.0.1:")
    assert visited.said["origin"] != facade.url
    assert any(line.startswith("GET 206 ") for line in visited.responses), visited.responses


@pytest.fixture(scope="module")
def with_zarrita(facade, tmp_path_factory):
    return _look(facade, "zarrita", ["zarrita"], tmp_path_factory)


@pytest.fixture(scope="module")
def with_ome_zarr_js(facade, tmp_path_factory):
    return _look(facade, "omezarr", ["ome-zarr.js", "ome-zarr.js > zarrita"], tmp_path_factory)


class TestZarrita:
    CLIENT, VERSION = "zarrita (Chromium)", VERSIONS["zarrita"]

    def test_pixels_of_every_level(self, with_zarrita, samples, levels):
        _same_pixels(with_zarrita, samples[GROUP], levels[GROUP])

    def test_page_of_another_origin(self, with_zarrita, facade):
        _cross_origin(with_zarrita, facade)

    def test_clean_console(self, with_zarrita, facade):
        _clean(with_zarrita, facade)

    def test_suffix_range(self, folder, samples, tmp_path):
        assert samples
        log = tmp_path / "log.txt"
        # the browser keeps preflights to itself, the server's log of requests shows them
        with serving(folder, "--access-log", log=log) as facade:
            url = f"{facade.url}/images/{GROUP}/0/c/0/0/0"
            request = urllib.request.Request(url, headers={"Range": "bytes=-20"})
            with urllib.request.urlopen(request, timeout=60) as answer:
                body, headers = answer.read(), answer.headers
            visited = visit({"what": "suffix", "url": url}, [], tmp_path)
        said = visited.said
        assert "error" not in said, visited
        assert (said["status"], said["type"]) == (206, "cors"), said
        assert said["sameOrigin"] == "refused"
        assert bytes(said["body"]) == body
        assert len(body) == 20
        assert said["headers"] == {"Content-Range": headers["Content-Range"], "ETag": headers["ETag"]}
        assert re.fullmatch(r"bytes \d+-\d+/\d+", said["headers"]["Content-Range"])
        logged = log.read_text()
        assert re.search(rf"OPTIONS '{urlsplit(url).path}' 20[04]\b", logged), logged


class TestOmeZarrJs:
    CLIENT, VERSION = "ome-zarr.js (Chromium)", VERSIONS["ome-zarr.js"]

    def test_pixels_of_every_level(self, with_ome_zarr_js, samples, levels):
        _same_pixels(with_ome_zarr_js, samples[GROUP], levels[GROUP])
        assert "".join(with_ome_zarr_js.said["axes"]) == samples[GROUP].axes

    def test_thumbnail(self, with_ome_zarr_js, levels):
        png = base64.b64decode(with_ome_zarr_js.said["thumbnail"].removeprefix("data:image/png;base64,"))
        drawn = np.asarray(imagecodecs.png_decode(png))
        assert drawn.shape[:2] in [shape[-2:] for shape in levels[GROUP]]
        assert len(np.unique(drawn.reshape(-1, drawn.shape[-1]), axis=0)) > 50

    def test_page_of_another_origin(self, with_ome_zarr_js, facade):
        _cross_origin(with_ome_zarr_js, facade)

    def test_clean_console(self, with_ome_zarr_js, facade):
        _clean(with_ome_zarr_js, facade)
