"""Writes the tree of this example: crops of a stained section, called as people call files.

python examples/messy_lab/make.py needs scikit-image, whose picture `ihc` (CC0: immunohistochemistry of colon, courtesy
of Carl Grammes and others) is cut up.
"""

from pathlib import Path

import tifffile
from skimage import data

HERE = Path(__file__).parent / "lab7"
NAMES = (
    "2023-01/m12_cresyl violet_sec7_40x.tif",
    "2023-01/m12_cresyl violet_sec8_40x.tif",
    "2023-01/m12_H&E_sec9_40x.tif",
    "2023-01/m13_cresyl violet_sec7_40x.tif",
    "2023-01/m13_cresyl violet_sec7_40x_thumb.tif",
    "2023-02/m13_H&E_sec12 (2).tif",
    "2023-02/m14_Nissl_sec007.tif",
    "2023-02/old/m14_Nissl_sec007.tif",
)
TABLE = """Animal ID,Sex,Age (weeks),Strain
m12,F,12,C57BL/6J
m13,M,12.5,C57BL/6J
m14,F,,C57BL/6J
"""


def main() -> None:
    """Write all files."""
    picture = data.immunohistochemistry()
    for n, name in enumerate(NAMES):
        y, x = divmod(n, 4)
        side = 24 if "thumb" in name else 96
        path = HERE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        crop = picture[y * 120 : y * 120 + side, x * 120 : x * 120 + side]
        tifffile.imwrite(path, crop, photometric="rgb", compression="zlib", predictor=True, metadata=None)
    (HERE / "animals.csv").write_text(TABLE)


if __name__ == "__main__":
    main()
