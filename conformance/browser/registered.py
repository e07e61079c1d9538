"""``python -m conformance.browser.registered``: the picture of the registered brain, from a running server.

Three columns, the same places in space in all of them: the scan as it is, through a matrix, through a displacement
field as well; the template lies under each of them.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import imagecodecs
import neuroglancer

from conformance.browser.shots import Shot, shoot, source, tinted
from conformance.server import ROOT, serving

EXAMPLE = ROOT / "examples" / "registered"
CONFIG = EXAMPLE / "registered.yaml"
TARGET = ROOT / "docs" / "images" / "registered.png"
BUCKET = "brains"
SCAN, TEMPLATE = ("#ff9a3c", 0, 205), ("#1c6fe0", 20, 240)
COLUMNS = (
    {"scan, not transformed": ("scan", None, SCAN), "template, not transformed": ("template", None, TEMPLATE)},
    {"by a matrix": ("affine", 0, SCAN), "template (2)": ("affine", 1, TEMPLATE)},
    {"by a field": ("warped", 0, SCAN), "template (3)": ("warped", 1, TEMPLATE)},
)
"""Names of layers with image, channel and looks, by column."""
POSITION = (75, 93, 62)
"""Millimetres along x, y and z."""


def space(scale: float = 1e-3) -> neuroglancer.CoordinateSpace:
    """x, y and z in steps of ``scale`` metres."""
    return neuroglancer.CoordinateSpace(names=["x", "y", "z"], units=["m"] * 3, scales=[scale] * 3)


def layer(url: str, image: str, channel: int | None, shader: str) -> neuroglancer.ImageLayer:
    """One channel of one of the example's images."""
    place = {} if channel is None else {"local_position": [channel]}
    return neuroglancer.ImageLayer(
        source=source(url, f"{image}.ome.zarr", BUCKET), shader=shader, blend="additive", opacity=1, **place
    )


def columns() -> Any:
    """The panels: one column of two sections for each set of layers."""
    made = []
    for names in COLUMNS:
        groups = [neuroglancer.LayerGroupViewer(layers=list(names), layout=plane) for plane in ("xy", "xz")]
        made.append(neuroglancer.column_layout(groups))
    return neuroglancer.row_layout(made)


def layers(url: str) -> Mapping[str, neuroglancer.ImageLayer]:
    """All layers by name."""
    found = {name: looks for names in COLUMNS for name, looks in names.items()}
    return {name: layer(url, image, channel, tinted(*look)) for name, (image, channel, look) in found.items()}


def picture(url: str, png: Path) -> Shot:
    """The screenshot of docs/images/registered.png."""
    return shoot(
        url,
        layers(url),
        png,
        size=(1200, 780),
        layout=columns(),
        dimensions=space(),
        position=POSITION,
        cross_section_scale=0.54,
        cross_section_background_color="#000000",
        show_default_annotations=False,
        show_axis_lines=False,
    )


def main() -> int:
    """Serve the example, show it, write the picture."""
    with tempfile.TemporaryDirectory() as scratch, serving(CONFIG, log=Path(scratch) / "log.txt") as facade:
        shot = picture(facade.url, TARGET)
    assert shot.ready, shot
    assert not shot.console, shot.console
    TARGET.write_bytes(imagecodecs.png_encode(shot.pixels, level=9))
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
