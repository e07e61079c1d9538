"""Neuroglancer in headless Chromium: the image is there, voxel for voxel, and the console is clean."""

from __future__ import annotations

import importlib.metadata

import neuroglancer
import numpy as np
import pytest

from conformance.browser.shots import available, shoot, source

CLIENT, VERSION = "Neuroglancer (Chromium)", importlib.metadata.version("neuroglancer")

pytestmark = pytest.mark.skipif(available() is not None, reason=available() or "")


def _clean(shot) -> None:
    assert shot.ready, shot
    assert not shot.console, shot.console
    assert not shot.failed, shot.failed
    bad = [line for line in shot.responses if line.split()[1] not in ("200", "204", "206")]
    assert not bad, bad


def _colours(shot) -> int:
    """Distinct colours of the data panel, away from its texts."""
    height, width, _ = shot.pixels.shape
    middle = shot.pixels[height // 3 : -height // 4, width // 3 : -width // 4].reshape(-1, 3)
    return len(np.unique(middle, axis=0))


def test_colour_image_voxel_for_voxel(facade, samples, tmp_path):
    # a chunk holds one channel, so the viewer cannot take the three as one colour: three layers of light add up
    layers = {
        name: neuroglancer.ImageLayer(
            source=source(facade.url, "slide.ome.zarr/0"),
            shader=f"void main() {{ emitRGB(vec3({mask}) * toNormalized(getDataValue())); }}",
            blend="additive",
            opacity=1,
            local_position=[i],
        )
        for i, (name, mask) in enumerate((("red", "1, 0, 0"), ("green", "0, 1, 0"), ("blue", "0, 0, 1")))
    }
    # the order of dimensions decides which one goes to the right: x, then y down
    shot = shoot(
        facade.url,
        layers,
        tmp_path / "shot.png",
        layout="xy",
        dimensions=neuroglancer.CoordinateSpace(names=["x", "y"], units=["m", "m"], scales=[5e-7, 5e-7]),
        position=[800, 700],
        show_axis_lines=False,
    )
    _clean(shot)
    found = shot.pixels[380:620, 450:750].astype(int)
    image = np.moveaxis(samples["slide.ome.zarr/0"].own[0], 0, -1).astype(int)
    # the panel's place in the page is the viewer's business: look for the best offset, then demand equality there
    best = min(np.abs(image[y : y + 240, x : x + 300] - found).max() for y in range(650, 665) for x in range(645, 656))
    assert best <= 1


def test_two_channels(facade, tmp_path):
    layer = neuroglancer.ImageLayer(source=source(facade.url, "pyramid.ome.zarr"))
    shot = shoot(facade.url, {"image": layer}, tmp_path / "shot.png", layout="xy", show_axis_lines=False)
    _clean(shot)
    assert _colours(shot) > 8
    assert any(line.startswith("GET 206") for line in shot.responses)


def test_volume(facade, tmp_path):
    layer = neuroglancer.ImageLayer(
        source=source(facade.url, "stack.ome.zarr"),
        shader="void main() { emitGrayscale(float(toRaw(getDataValue())) / 4000.0); }",
    )
    shot = shoot(facade.url, {"image": layer}, tmp_path / "shot.png", layout="4panel")
    _clean(shot)
    height, width, _ = shot.pixels.shape
    for panel in (shot.pixels[: height // 2, : width // 2], shot.pixels[: height // 2, width // 2 :]):
        assert len(np.unique(panel.reshape(-1, 3), axis=0)) > 50


def test_missing_image(facade, tmp_path):
    layer = neuroglancer.ImageLayer(source=source(facade.url, "absent.ome.zarr"))
    shot = shoot(facade.url, {"image": layer}, tmp_path / "shot.png", timeout=5, layout="xy")
    assert any(" 404 " in line for line in shot.responses), "CORS must let the viewer see the 404"
    assert not any("CORS" in line for line in shot.console), shot.console
