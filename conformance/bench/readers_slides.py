"""Tiles of a slide's TIFF by our reader and by OpenSlide: ``python -m conformance.bench.readers_slides``.

CPU time of one thread, rivals in turn, the file in the page cache. OpenSlide gives colours with alpha, interleaved; our
tiles are colour by colour, as the chunks of OME-Zarr are.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import openslide
import tifffile

from conformance.bench.clock import alternating
from conformance.bench.figures import Figure, table
from conformance.bench.readers_tiff import TILE, _ours, blobs


def slides(scratch: Path, *, rounds: int = 5, side: int = 4096) -> list[Figure]:
    """Milliseconds per tile of OpenSlide over ours."""
    path = scratch / "slide.tif"
    tifffile.imwrite(
        path, blobs(side, rgb=True), tile=(TILE, TILE), photometric="rgb", metadata=None, compression="jpeg"
    )
    with openslide.OpenSlide(path) as slide:
        places = [(x, y) for y in range(0, side, TILE) for x in range(0, side, TILE)]

        def theirs() -> int:
            for place in places:
                np.asarray(slide.read_region(place, 0, (TILE, TILE)))
            return len(places)

        ours = _ours(path)
        # Its own cache of tiles would answer every turn but the first.
        slide.set_cache(openslide.OpenSlideCache(0))
        found = alternating({"ours": lambda: ours(1), "OpenSlide": theirs}, rounds)
    detail = f"{found['ours'] * 1e3:.3f} against {found['OpenSlide'] * 1e3:.3f} ms a tile"
    return [
        Figure("JPEG tiles of a slide: OpenSlide / ours", found["OpenSlide"] / found["ours"], "x", 1.0, detail=detail)
    ]


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="s3facade-bench-") as name:
        print(table(slides(Path(name))))


if __name__ == "__main__":
    main()
