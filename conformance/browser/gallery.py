"""``python -m conformance.browser.gallery``: the pictures of docs/how-to/gallery.md, painted from what is served.

No viewer: zarr-python reads the levels, and channels are added up as OME-Zarr's ``omero`` says how they are shown.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import imagecodecs
import numpy as np
import zarr

from conformance.browser.registered import CONFIG as BRAINS
from conformance.samples import Array
from conformance.server import ROOT, serving

CONFIG = ROOT / "examples" / "gallery" / "gallery.yaml"
FOLDER = ROOT / "docs" / "images"
GAP = 8
"""Pixels between pictures."""
PAPER = (255, 255, 255)
ORANGE, BLUE = "FF9A3C", "1C6FE0"


class Shown:
    """An image of a running server."""

    def __init__(self, url: str, bucket: str, name: str) -> None:
        self.group = zarr.open_group(f"{url}/{bucket}/{name}.ome.zarr", mode="r")
        self.ome = self.group.attrs["ome"]
        self.array = self.group["0"]
        self.axes = [axis["name"] for axis in self.ome["multiscales"][0]["axes"]]

    def plane(self, z: int | None = None, channels: Sequence[int] | None = None, colors: Sequence[str] = ()) -> Array:
        """One plane, y by x by red, green and blue."""
        listed = self.ome["omero"]["channels"]
        total = 0
        for number, channel in enumerate(listed):
            if (channels is None and not channel["active"]) or (channels is not None and number not in channels):
                continue
            where = {"c": number, "z": z}
            values = self.array[tuple(where.get(name, slice(None)) for name in self.axes)].astype(np.float64)
            low, high = channel["window"]["start"], channel["window"]["end"]
            color = colors[len(colors) and number % len(colors)] if colors else channel["color"]
            light = np.array(list(bytes.fromhex("FFFFFF" if len(listed) == 1 and not colors else color)))
            total = total + np.clip((values - low) / (high - low), 0, 1)[..., None] * light
        return np.clip(np.rint(total), 0, 255).astype(np.uint8)


def sized(picture: Array, zoom: int) -> Array:
    """``zoom`` times as large by repetition, or ``-zoom`` times smaller by means of blocks."""
    if zoom > 0:
        return picture.repeat(zoom, 0).repeat(zoom, 1)
    y, x = (length // -zoom * -zoom for length in picture.shape[:2])
    return np.rint(picture[:y, :x].reshape(y // -zoom, -zoom, x // -zoom, -zoom, 3).mean((1, 3))).astype(np.uint8)


def row(*pictures: Array, zoom: int = 1) -> Array:
    """Pictures beside each other, their middles on one line."""
    made = [sized(picture, zoom) for picture in pictures]
    height = max(len(picture) for picture in made)
    out = np.full((height, sum(p.shape[1] + GAP for p in made) - GAP, 3), PAPER, np.uint8)
    x = 0
    for picture in made:
        y = (height - len(picture)) // 2
        out[y : y + len(picture), x : x + picture.shape[1]] = picture
        x += picture.shape[1] + GAP
    return out


def apart(fields: Sequence[Array], columns: int, gap: int) -> Array:
    """Fields of a grid with paper between them."""
    padded = [np.pad(field, ((0, gap), (0, gap), (0, 0)), constant_values=255) for field in fields]
    rows = [np.concatenate(padded[i : i + columns], axis=1) for i in range(0, len(padded), columns)]
    return np.concatenate(rows)[:-gap, :-gap]


def pictures(url: str) -> dict[str, Array]:
    """Rows of pictures by file name, of the examples' images."""

    def of(name: str) -> Shown:
        return Shown(url, "gallery", name)

    fields = [of(f"field-{i}").plane() for i in range(4)]
    labels = of("nucleus").array[:][..., None] * np.array([255, 160, 0], np.uint8)
    return {
        "mosaic": row(apart(fields, 2, 40), of("slide").plane(), zoom=-3),
        "stains": row(*(of("stains").plane(channels=[n]) for n in (0, 1)), of("stains").plane(), zoom=-3),
        "values": row(of("cell").plane(), of("sharp").plane(), labels),
        "projections": row(*(of(n).plane() for n in ("plane", "projection", "coloured", "side")), zoom=2),
    }


def brains(url: str) -> dict[str, Array]:
    """The scan over the template: as it is, through a matrix, through a field."""
    scan, template = (Shown(url, "brains", name) for name in ("scan", "template"))
    ground = template.plane(62, colors=[BLUE])
    over = np.zeros_like(ground)
    plane = scan.plane(62, colors=[ORANGE])[: over.shape[0], : over.shape[1]]
    over[: plane.shape[0], : plane.shape[1]] = plane
    sums = [ground.astype(int) + over]
    sums += [Shown(url, "brains", name).plane(42, colors=[ORANGE, BLUE]) for name in ("affine", "warped")]
    return {"brains": row(*(np.clip(s, 0, 255).astype(np.uint8) for s in sums), zoom=2)}


def main() -> int:
    """Serve the examples and write a picture for each row."""
    with tempfile.TemporaryDirectory() as scratch:
        with serving(CONFIG, log=Path(scratch) / "log.txt") as facade:
            made = pictures(facade.url)
        with serving(BRAINS, log=Path(scratch) / "log.txt") as facade:
            made |= brains(facade.url)
    for name, picture in made.items():
        target = FOLDER / f"gallery-{name}.jpg"
        target.write_bytes(imagecodecs.jpeg8_encode(picture, level=88))
        print(f"{target.relative_to(ROOT)}: {target.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
