"""vizarr in headless Chromium: a plate of single files, one of its wells, one of its fields, pixel by pixel."""

from __future__ import annotations

import json
import re
from urllib.request import urlopen

import numpy as np
import pytest
import tifffile

from conformance.browser.vizarr import missing, show, version
from conformance.server import serving

MISSING = missing()
pytestmark = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

CLIENT, VERSION = "vizarr (Chromium)", version()
ROWS, COLUMNS, FIELDS = "AB", (1, 2, 3), (1, 2)
EMPTY = ("B", 2)
SIDE, BRIGHT = 64, 6000
CONFIG = """
sources:
  shots: {{files: "{folder}/{{row:letter}}{{column:int}}_s{{field:int}}.tif"}}
buckets:
  screen:
    views:
      - type: ome-zarr-plate
        from: shots
        path: plate.ome.zarr
        well: "{{row}}/{{column}}"
        field: "{{field}}"
"""


def dark(row, column, field):
    """The value of the left half of a field; its right half is bright everywhere."""
    return 0 if (row, column, field) == ("A", 1, 1) else 700 * (ROWS.index(row) * 3 + column) + 300 * (field - 1)


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    base = tmp_path_factory.mktemp("vizarr")
    (base / "data").mkdir()
    for row in ROWS:
        for column in COLUMNS:
            for field in FIELDS:
                if (row, column) != EMPTY:
                    pixels = np.full((SIDE, SIDE), BRIGHT, "u2")
                    pixels[:, : SIDE // 2] = dark(row, column, field)
                    tifffile.imwrite(base / "data" / f"{row}{column:02d}_s{field}.tif", pixels)
    (base / "config.yaml").write_text(CONFIG.format(folder=base / "data"))
    with serving(base / "config.yaml", log=base / "log.txt") as facade:
        yield facade, base


def look(plate, key, chunks):
    facade, base = plate
    shot = show(f"{facade.url}/screen", key, base / "shot.png", chunks=chunks)
    assert shot.ready, shot.console
    assert not shot.failed, shot.failed
    # Zarr v2 is tried first, and label images are looked for: what is not there is said to be absent, and nothing else
    probe = re.compile(r"GET 404 .*/(\.zattrs|\.zarray|\.zgroup|labels/zarr\.json|labels/\.z\w+)")
    wrong = [line for line in shot.responses if line.split()[1] not in {"200", "206"} and not probe.fullmatch(line)]
    assert not wrong, wrong
    said = [line for line in shot.console if "404 (Not Found)" not in line]
    assert not said, said
    return shot


def seen(shot):
    """What was drawn as fractions of white, and where its bright halves begin and end along y and x."""
    drawn = shot.pixels.astype(float).mean(axis=2) / 255
    bright = drawn > 0.97
    bright[:240, :240] = False  # the panel of controls
    ys, xs = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    return drawn, (ys[0], ys[-1] + 1), (xs[0], xs[-1] + 1)


def expected(value, window):
    low, high = window
    return min(max((value - low) / (high - low), 0), 1)


@pytest.fixture(scope="module")
def window(plate):
    with urlopen(f"{plate[0].url}/screen/plate.ome.zarr/A/1/0/zarr.json", timeout=30) as answer:
        found = json.load(answer)["attributes"]["ome"]["omero"]["channels"][0]["window"]
    return found["start"], found["end"]


def test_a_plate_is_drawn_well_by_well(plate, window):
    shot = look(plate, "plate.ome.zarr", 5)
    drawn, (top, bottom), (_, right) = seen(shot)
    # cells are squares; the panel may hide where the first one begins
    side = (bottom - top) / 2
    left = right - 3 * side
    for r, row in enumerate(ROWS):
        for c, column in enumerate(COLUMNS):
            y = int(top + (r + 0.75) * side)
            halves = [drawn[y - 4 : y + 4, x - 4 : x + 4] for x in (int(left + (c + f) * side) for f in (0.25, 0.75))]
            values = (0, 0) if (row, column) == EMPTY else (dark(row, column, 1), BRIGHT)
            for half, value in zip(halves, values, strict=True):
                wanted = 0 if (row, column) == EMPTY else expected(value, window)
                assert abs(half.mean() - wanted) < 0.02, (row, column, value, half.mean(), wanted)
                assert half.std() < 0.02


def test_a_well_is_drawn_field_by_field(plate):
    shot = look(plate, "plate.ome.zarr/B/3", 2)
    drawn, (top, bottom), (_, right) = seen(shot)
    side = bottom - top
    y = int(top + 0.75 * side)
    with urlopen(f"{plate[0].url}/screen/plate.ome.zarr/B/3/0/zarr.json", timeout=30) as answer:
        found = json.load(answer)["attributes"]["ome"]["omero"]["channels"][0]["window"]
    for number, field in enumerate(FIELDS):
        x = int(right - (2 - number - 0.25) * side)
        wanted = expected(dark("B", 3, field), (found["start"], found["end"]))
        assert abs(drawn[y - 4 : y + 4, x - 4 : x + 4].mean() - wanted) < 0.02


def test_a_field_is_an_image(plate):
    shot = look(plate, "plate.ome.zarr/A/3/1", 1)
    drawn, (top, bottom), (left, right) = seen(shot)
    assert abs((right - left) * 2 - (bottom - top)) < 4, "the bright half"
    assert drawn[(top + bottom) // 2, left + 20 : right - 20].min() > 0.99
    assert drawn[(top + bottom) // 2, left - 40 : left - 20].max() < 0.02, "the window begins at the darker half"
