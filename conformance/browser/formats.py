"""``python -m conformance.browser.formats FOLDER``: a picture of many formats in Neuroglancer, from one running server.

``FOLDER`` holds the sample files that `TILES` names.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import imagecodecs
import neuroglancer
import numpy as np

from conformance.browser.shots import shoot, source, tinted
from conformance.samples import Array
from conformance.server import ROOT, serving

TARGET = ROOT / "docs" / "images" / "formats.png"
SIZE = (320, 340)
ABOVE = 100
"""Rows of a screenshot that show the viewer's own bars."""


@dataclass(frozen=True)
class Tile:
    """One image.

    Attributes:
        group: Its prefix in the bucket.
        zoom: Voxels of the finest level per pixel of the screen.
        window: Values shown as black and as full colour, where the file does not say.
    """

    group: str
    zoom: float
    window: tuple[float, float] | None = None


TILES = (
    Tile("neuro/mni_icbm152_t1_tal_nlin_sym_09a_converted.ome.zarr", 0.9),
    Tile("dicom-series-brain/brain_002.ome.zarr", 0.95),
    Tile("nd2/example-cerevisiae.ome.zarr", 0.95),
    Tile("czi/xyz__multiple_images.ome.zarr/0", 0.9),
    Tile("hdf5-bdv/example.xml.ome.zarr", 1.8),
    Tile("wsi/cmu-1-small-region.ome.zarr/0", 4.0),
    Tile("images2d/ihc.ome.zarr", 1.7),
    Tile("neuro/inia19-NeuroMaps.ome.zarr", 0.8, (0, 1500)),
)


def main(folder: Path) -> int:
    """Serve ``folder``, show every tile, put them together, write the picture."""
    with tempfile.TemporaryDirectory() as scratch, serving(folder, log=Path(scratch) / "log.txt") as facade:
        tiles = [_tile(facade.url, tile, Path(scratch) / "tile.png") for tile in TILES]
    rows = [np.concatenate(tiles[i : i + 4], axis=1) for i in range(0, len(tiles), 4)]
    TARGET.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(np.concatenate(rows)), level=9))
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size:,} bytes")
    return 0


def _tile(url: str, tile: Tile, png: Path) -> Array:
    about = _document(url, f"{tile.group}/zarr.json")["attributes"]["ome"]
    array = _document(url, f"{tile.group}/0/zarr.json")
    names = [axis["name"] for axis in about["multiscales"][0]["axes"]]
    units = {axis["name"]: "m" if axis.get("unit") else "" for axis in about["multiscales"][0]["axes"]}
    placed = about["multiscales"][0]["datasets"][0]["coordinateTransformations"]
    scale = dict(zip(names, placed[0]["scale"], strict=True))
    origin = dict(zip(names, placed[1]["translation"], strict=True)) if placed[1:] else dict.fromkeys(names, 0.0)
    sizes = dict(zip(names, array["shape"], strict=True))
    space = [name for name in ("x", "y", "z") if name in names]
    channels = about["omero"]["channels"] if "c" in names else about["omero"]["channels"][:1]
    layers = {}
    for i, channel in enumerate(channels):
        low, high = tile.window or (channel["window"]["start"], channel["window"]["end"])
        shader = tinted(f"#{channel['color']}", low, high)
        local = [0 if name == "t" else i for name in names if name in "tc"]
        layers[f"c{i}"] = neuroglancer.ImageLayer(
            source=source(url, tile.group), shader=shader, blend="additive", opacity=1, local_position=local
        )
    shot = shoot(
        url,
        layers,
        png,
        size=SIZE,
        layout="xy",
        dimensions=neuroglancer.CoordinateSpace(
            names=space,
            units=[units[name] for name in space],
            scales=[scale[name] * (1e-6 if units[name] else 1) for name in space],
        ),
        position=[sizes[name] / 2 + origin[name] / scale[name] for name in space],
        cross_section_scale=tile.zoom,
        cross_section_background_color="#000000",
        show_default_annotations=False,
        show_axis_lines=False,
    )
    assert shot.ready, (tile.group, shot)
    assert not shot.console, (tile.group, shot.console)
    return shot.pixels[ABOVE:]


def _document(url: str, key: str) -> Mapping[str, Any]:
    with urlopen(f"{url}/images/{quote(key)}", timeout=60) as answer:
        return json.load(answer)


if __name__ == "__main__":
    raise SystemExit(main(Path(sys.argv[1])))
