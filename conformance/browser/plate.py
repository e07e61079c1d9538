"""``python -m conformance.browser.plate``: the picture of the example's plate in vizarr, from a running server.

Left the plate, right one of its wells with both fields: two screenshots side by side.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from pathlib import Path

import imagecodecs
import numpy as np

from conformance.browser.vizarr import missing, show
from conformance.server import ROOT, serving

EXAMPLE = ROOT / "examples" / "plate"
TARGET = ROOT / "docs" / "images" / "plate.jpg"
PLATE, WELL = (860, 500), (380, 500)
"""Width and height of the two."""


def make(folder: Path) -> Path:
    """The example's files and its configuration, in a folder of their own."""
    spec = importlib.util.spec_from_file_location("plate_example", EXAMPLE / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.make(folder / "plate7")
    return Path(shutil.copy(EXAMPLE / "plate.yaml", folder))


def main() -> int:
    """Make the example, serve it, show it, write the picture."""
    if missing() is not None:
        print(missing())
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        base = Path(scratch)
        with serving(make(base), log=base / "log.txt") as facade:
            url = f"{facade.url}/screen7"
            plate = show(url, "plate7.ome.zarr", base / "plate.png", chunks=118, size=PLATE, settle=5)
            well = show(url, "plate7.ome.zarr/E/6", base / "well.png", chunks=4, size=WELL, settle=4)
    assert plate.ready, plate.console
    assert well.ready, well.console
    line = np.full((PLATE[1], 4, 3), 255, np.uint8)
    picture = np.concatenate([plate.pixels, line, well.pixels], axis=1)
    TARGET.write_bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(picture), level=88))
    print(f"{TARGET.relative_to(ROOT)}: {TARGET.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
