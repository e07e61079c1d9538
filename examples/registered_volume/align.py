"""Makes ``upright.txt``: ``python align.py``. A matrix that turns the nuclei so that their longest axis lies along x.

A registration would leave such a file behind: 4x4, from places of the result to places of the source, x, y, z in µm,
the centre of the first voxel at 0.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile

HERE = Path(__file__).parent
VOXEL = (0.511878, 0.511878, 0.499413)
"""x, y, z in µm, as the file states it."""
CENTRE = (30.0, 30.0, 10.0)
"""Where the nuclei's centre goes: x, y, z in µm."""


def main() -> None:
    """Principal axes of the bright voxels, in the plane of the slices."""
    volume = tifffile.imread(HERE / "dna.ome.tif")[:, 0].astype(np.float64)
    places = np.argwhere(volume > volume.mean() + volume.std())[:, ::-1] * VOXEL
    centre = places.mean(axis=0)
    _, axes = np.linalg.eigh(np.cov((places - centre)[:, :2].T))
    along = axes[:, 1] * np.sign(axes[0, 1])
    turn = np.eye(4)
    turn[:2, 0], turn[:2, 1] = along, (-along[1], along[0])
    turn[:3, 3] = centre - turn[:3, :3] @ CENTRE
    np.savetxt(HERE / "upright.txt", turn, fmt="%.9f")


if __name__ == "__main__":
    main()
