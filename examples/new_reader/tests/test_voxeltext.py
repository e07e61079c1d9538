from pathlib import Path

import numpy as np

from s3facade.testing import ReaderContract
from voxeltext.reader import VoxelTextReader

DATA = Path(__file__).parent / "data"


class TestVoxelText(ReaderContract):
    reader = VoxelTextReader
    samples = sorted(DATA.glob("*.vtx"))

    def expected(self, sample):
        data = sample.read_bytes()
        numbers = np.frombuffer(data[data.index(b"\nend\n") + 5 :], "<u2")
        return [[numbers.reshape(2, 4, 6, 8)]]

    def test_what_the_header_says(self, sample):
        (raster,), _ = self.open(sample)
        assert [channel.name for channel in raster.spec.channels] == ["DAPI", "GFP"]
        assert raster.spec.levels[0].scale == (1.0, 2.0, 0.5, 0.5)
