"""HDF5 files that are being written: one writer, many readers."""

import os

import h5py
import numpy as np
import pytest
from hdf5_tools import whole

from s3facade.core.errors import BadSource, SourceChanged
from s3facade.readers.hdf5.reader import Hdf5Reader
from s3facade.readers.hdf5.superblock import SIZE, lookup3, mended
from s3facade.stores.local import LocalFile


@pytest.mark.parametrize("chunks", [(1, 32, 32), (2, 20, 48)])
def test_what_a_writer_appends_is_seen_while_it_writes(tmp_path, chunks):
    path = tmp_path / "live.h5"
    with h5py.File(path, "w", libver="latest") as file:
        data = file.create_dataset("a", (1, 64, 48), "u2", maxshape=(None, 64, 48), chunks=chunks, compression="gzip")
        file.swmr_mode = True
        for count in range(1, 12):
            data.resize((count, 64, 48))
            data[count - 1] = count
            data.flush()
            (raster,) = Hdf5Reader().open(LocalFile.open(path), {})
            found = whole(raster)
            assert found.shape == (count, 64, 48)
            assert (found == np.arange(1, count + 1)[:, None, None]).all()


def test_a_file_that_changes_while_it_is_read_is_not_damaged(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros((40, 50))
    path.write_bytes(path.read_bytes()[:1000])
    known = LocalFile.open(path)
    with pytest.raises(BadSource):
        Hdf5Reader().open(known, {})

    class Moving(LocalFile):
        def stream(self):
            stream = super().stream()
            os.utime(path, ns=(1, 1))
            return stream

    with pytest.raises(SourceChanged):
        Hdf5Reader().open(Moving(known.source), {})


def test_only_the_end_is_mended_and_only_of_files_that_are_open_for_writing(tmp_path):
    for libver in ("earliest", "latest"):
        with h5py.File(tmp_path / "a.h5", "w", libver=libver) as file:
            file["a"] = np.zeros((40, 50))
        head = (tmp_path / "a.h5").read_bytes()[:SIZE]
        assert mended(head, 10**6) is None
    assert lookup3(head[:-4]) == int.from_bytes(head[-4:], "little")
    writing = head[:11] + b"\5" + head[12:-4]
    writing += lookup3(writing).to_bytes(4, "little")
    new = mended(writing, 10**6)
    assert int.from_bytes(new[28:36], "little") == 10**6
    assert new[:28] + new[36:44] == writing[:28] + writing[36:44]
    assert mended(writing[:-1] + b"\0", 10**6) is None
    assert mended(writing, 10) is None
    assert mended(writing[:20], 10**6) is None
