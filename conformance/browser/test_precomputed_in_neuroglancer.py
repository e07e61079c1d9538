"""Precomputed volumes in Neuroglancer: seen, without a word in the console, and where the OME-Zarr of them is."""

from __future__ import annotations

import importlib.metadata

import neuroglancer
import numpy as np
import pytest

from conformance.browser.shots import available, grey, shoot, source
from conformance.registered_volume import configuration
from conformance.server import serving

CLIENT, VERSION = "Neuroglancer (Chromium)", importlib.metadata.version("neuroglancer")
METRES = 5e-7
"""Length of a voxel of the example."""

pytestmark = pytest.mark.skipif(available() is not None, reason=available() or "")


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    base = tmp_path_factory.mktemp("example")
    with serving(configuration(base), log=base / "log.txt") as running:
        yield running


def _shown(example, url, channel, png, position, **more):
    layer = neuroglancer.ImageLayer(
        source=url, shader=grey(0, 20_000), shader_controls={}, local_position=[channel], **more
    )
    return shoot(
        example.url,
        {"dna": layer},
        png,
        layout="xy",
        dimensions=neuroglancer.CoordinateSpace(names=["x", "y", "z"], units=["m"] * 3, scales=[METRES] * 3),
        position=position,
        cross_section_scale=0.2,
        show_axis_lines=False,
        show_scale_bar=False,
    )


def _clean(shot):
    assert shot.ready, shot
    assert not shot.console, shot.console
    assert not shot.failed, shot.failed
    bad = [line for line in shot.responses if line.split()[1] not in ("200", "204", "206")]
    assert not bad, bad


def _middle(shot):
    height, width, _ = shot.pixels.shape
    return shot.pixels[height // 4 : -height // 4, width // 4 : -width // 4].astype(int)


@pytest.mark.parametrize(("path", "part"), [("dna", "_34-38"), ("shards", "0.shard")])
def test_volume(example, tmp_path, path, part):
    url = f"{example.url}/dna/{path}/|neuroglancer-precomputed:"
    layer = neuroglancer.ImageLayer(source=url, shader=grey(0, 20_000))
    shot = shoot(example.url, {"dna": layer}, tmp_path / "shot.png", layout="4panel")
    _clean(shot)
    height, width, _ = shot.pixels.shape
    for panel in (shot.pixels[: height // 2, : width // 2], shot.pixels[: height // 2, width // 2 :]):
        assert len(np.unique(panel.reshape(-1, 3), axis=0)) > 50
    assert any(f"/{path}/info" in line for line in shot.responses)
    assert any(part in line for line in shot.responses), shot.responses


def test_the_same_place_as_ome_zarr(example, tmp_path):
    """Neuroglancer counts OME-Zarr from the centre of the first voxel, and precomputed from its corner."""
    shots = []
    for name, url, shift in (
        ("precomputed", f"{example.url}/dna/dna/|neuroglancer-precomputed:", 0.5),
        ("zarr", source(example.url, "dna.ome.zarr", "dna"), 0.0),
    ):
        position = [60 + shift, 60 + shift, 18 + shift]
        shot = _shown(example, url, 0, tmp_path / f"{name}.png", position)
        _clean(shot)
        shots.append(_middle(shot))
    assert len(np.unique(shots[0].reshape(-1, 3), axis=0)) > 30
    # A bar above the panel is half a pixel higher where it shows a channel, which rows between two voxels show.
    # Half a voxel, two and a half pixels, would change twenty times as many.
    assert np.mean(np.abs(shots[0] - shots[1]) > 1) < 0.003
    assert np.mean(np.abs(shots[0][2:] - shots[1][:-2]) > 1) > 0.03
