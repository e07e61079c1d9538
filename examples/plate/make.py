"""Makes the folder ``plate7``: a screen as microscopes leave it behind, one TIFF for each well, site and channel.

``python make.py [FOLDER]`` (pip install numpy scipy tifffile) takes some seconds. The cells are computed, the mess
is not: the outer wells are empty, one well was not imaged, a thumbnail lies beside each first site, channels are files.
From column 2 to 11 the dose rises: fewer nuclei (w1), and more of them in cells that make the green protein (w2).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import expit

HERE = Path(__file__).parent
ROWS, COLUMNS, SITES = "BCDEFG", range(2, 12), (1, 2)
LOST = ("F", 9)
"""The well that was not imaged."""
SIDE = 192
PIXEL = 0.65
"""Micrometres."""


def site(row: str, column: int, number: int, side: int = SIDE) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Nuclei and the green protein of one field of view: always the same for the same place."""
    rng = np.random.default_rng([ord(row), column, number])
    dose = (column - 2) / 9
    y, x = np.mgrid[:side, :side].astype(np.float32)
    nuclei, green = np.zeros((2, side, side), np.float32)
    for _ in range(rng.poisson((side / 192) ** 2 * (38 - 20 * dose))):
        cy, cx = rng.uniform(0, side, 2)
        angle, a = rng.uniform(0, np.pi), rng.uniform(4.5, 7.0)
        b = a * rng.uniform(0.65, 0.95)
        u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        distance = np.hypot(u / a, v / b)
        nuclei += rng.uniform(0.6, 1.0) * expit((1 - distance) * 12)
        if rng.uniform() < 0.04 + 0.9 * dose**1.6:
            cell = np.hypot(u / (a * 2.6), v / (b * 2.4))
            green += rng.uniform(0.5, 1.0) * expit((1 - cell) * 7) * (1 - 0.5 * expit((1 - distance) * 9))
    texture = gaussian_filter(rng.normal(size=(side, side)).astype(np.float32), 1.2) * 0.9
    light = 1 - 0.25 * ((x / side - 0.5) ** 2 + (y / side - 0.5) ** 2)
    taken = []
    for signal, gain, dark in ((nuclei * (1 + 0.35 * texture), 5200, 180), (green * (1 + 0.6 * texture), 3800, 240)):
        photons = rng.poisson(np.clip(gaussian_filter(signal, 0.8) * light, 0, None) * gain / 8 + dark / 4)
        taken.append(np.clip(photons * 8 + rng.normal(100, 6, photons.shape), 0, 65535).astype(np.uint16))
    return taken[0], taken[1]


def make(folder: Path, rows: str = ROWS, columns: range = COLUMNS, side: int = SIDE) -> None:
    """Write the files of the plate into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    per_cm = (10_000 / PIXEL, 10_000 / PIXEL)
    for row in rows:
        for column in columns:
            if (row, column) == LOST:
                continue
            for number in SITES:
                name = f"{row}{column:02d}_s{number}"
                channels = site(row, column, number, side)
                for w, pixels in enumerate(channels, 1):
                    options = {"resolution": per_cm, "resolutionunit": "CENTIMETER", "compression": "zlib"}
                    tifffile.imwrite(folder / f"{name}_w{w}.tif", pixels, predictor=True, **options)
                if number == SITES[0]:
                    small = np.clip(channels[0][::4, ::4] // 24, 0, 255).astype(np.uint8)
                    tifffile.imwrite(folder / f"{name}_w1_thumb.tif", small)
    (folder / "notes.txt").write_text(f"focus lost in {LOST[0]}{LOST[1]:02d}, not imaged\n")


if __name__ == "__main__":
    make(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "plate7")
