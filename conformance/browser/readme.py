"""``python -m conformance.browser.readme``: the README's picture, made from a running server and the sample folder."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from urllib.request import urlopen

import imagecodecs
import neuroglancer

from conformance.browser.shots import shoot, source, tinted
from conformance.server import ROOT, serving

SAMPLE = ROOT / "examples" / "sample"
TARGET = ROOT / "docs" / "images" / "neuroglancer.png"


def main() -> int:
    """Serve ``examples/sample``, show its three-channel cell, write the picture."""
    with tempfile.TemporaryDirectory() as scratch, serving(SAMPLE, log=Path(scratch) / "log.txt") as facade:
        with urlopen(f"{facade.url}/images/cell.ome.zarr/zarr.json", timeout=60) as answer:
            ome = json.load(answer)["attributes"]["ome"]
        scales = ome["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"]
        units = [axis.get("unit") for axis in ome["multiscales"][0]["axes"]]
        metres = [scale * 1e-6 if unit else scale for scale, unit in zip(scales, units, strict=True)]
        layers = {
            channel["label"]: neuroglancer.ImageLayer(
                source=source(facade.url, "cell.ome.zarr"),
                shader=tinted(f"#{channel['color']}", channel["window"]["start"], channel["window"]["end"]),
                blend="additive",
                opacity=1,
                local_position=[i],
            )
            for i, channel in enumerate(ome["omero"]["channels"])
        }
        shot = shoot(
            facade.url,
            layers,
            TARGET,
            size=(900, 690),
            layout="xy",
            dimensions=neuroglancer.CoordinateSpace(
                names=["x", "y"], units=["m" if units[-1] else "", "m" if units[-2] else ""], scales=metres[:-3:-1]
            ),
            position=[175, 175],
            cross_section_scale=0.55,
            cross_section_background_color="#000000",
            show_default_annotations=False,
            show_axis_lines=False,
        )
    assert shot.ready, shot
    assert not shot.console, shot.console
    TARGET.write_bytes(imagecodecs.png_encode(shot.pixels, level=9))
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
