"""The promises of readers, and damage, for HDF5, BigDataViewer and Imaris."""

import contextlib
import struct

import h5py
import numpy as np
import pytest
from hdf5_tools import CORPUS, SHARED, read, whole, written
from hypothesis import given, settings
from hypothesis import strategies as st

from s3facade.core.errors import BadSource, SourceError, Unsupported
from s3facade.readers.hdf5 import bdv_xml
from s3facade.readers.hdf5.bdv_reader import BdvReader
from s3facade.readers.hdf5.guard import Guarded
from s3facade.readers.hdf5.imaris import ImarisReader
from s3facade.readers.hdf5.reader import Hdf5Reader
from s3facade.stores.local import LocalFile
from s3facade.testing.readers import ReaderContract

IMARIS, ILASTIK = CORPUS / "Minimal_IMS_File.ims", CORPUS / "probabilities-2channels.h5"
BDV = SHARED / "hdf5-bdv" / "example.xml"


class TestHdf5(ReaderContract):
    reader = Hdf5Reader
    samples = (ILASTIK,)
    damaged = 15
    alike = frozenset({"imaris", "minc2", "hdf5", "nwb", "bdv-h5"})

    def expected(self, sample):
        with h5py.File(sample, "r") as file:
            return [[file["exported_data"][()].transpose(2, 0, 1)]]


class TestImaris(ReaderContract):
    reader = ImarisReader
    samples = (IMARIS,)
    damaged = 15

    def expected(self, sample):
        with h5py.File(sample, "r") as file:
            return [[file["DataSet/ResolutionLevel 0/TimePoint 0/Channel 0/Data"][0]]]


class TestBdv(ReaderContract):
    reader = BdvReader
    samples = (BDV,) if BDV.is_file() else ()

    def expected(self, sample):
        with h5py.File(sample.with_suffix(".h5"), "r") as file:
            return [[file[f"t00000/s00/{level}/cells"][()] for level in (0, 1)]]


def small(path, libver):
    with h5py.File(path, "w", libver=libver) as file:
        file["a"] = np.arange(600, dtype="u2").reshape(20, 30)
        file.create_dataset(
            "g/b", data=np.arange(6000).reshape(10, 20, 30), chunks=(5, 10, 30), compression="gzip",
            scaleoffset=0, maxshape=(None, 20, 30),
        )  # fmt: skip
        file["g/b"].attrs["element_size_um"] = [1.0, 2.0, 3.0]
    return path.read_bytes()


@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_damage_anywhere(tmp_path_factory, libver):
    folder = tmp_path_factory.mktemp("damage")
    data = small(folder / "a.h5", libver)

    @settings(max_examples=100, database=None)
    @given(st.data())
    def tried(draw):
        spoilt = bytearray(data[: draw.draw(st.just(len(data)) | st.integers(0, len(data)))])
        for _ in range(draw.draw(st.integers(0, 4))):
            at = draw.draw(st.integers(0, max(len(spoilt) - 8, 0)))
            value = draw.draw(st.sampled_from([0, 1, 0xFF, 0xFFFF, 1 << 31, (1 << 64) - 1]) | st.integers(0, 255))
            width = draw.draw(st.sampled_from([1, 2, 4, 8]))
            spoilt[at : at + width] = (value & ((1 << 8 * width) - 1)).to_bytes(width, "little")
        path = folder / "b.h5"
        path.write_bytes(spoilt)
        try:
            for raster in read(path):
                if np.prod([float(n) for n in raster.spec.levels[0].shape]) < 1e6:
                    whole(raster)
        except SourceError:
            pass

    tried()


def test_a_heap_that_does_not_end(tmp_path):
    """HDF5 walks such a heap for ever."""
    path = written(tmp_path / "a.h5", np.zeros((20, 30), "u1"), attrs={"axistags": "x" * 200})
    data = bytearray(path.read_bytes())
    heap = data.index(b"GCOL")
    assert read(path)
    for index, size in ((0, 0), (0, 8), (1, 1 << 60), (1, (1 << 64) - 8)):
        data[heap + 16 : heap + 32] = struct.pack("<HHIQ", index, 0, 0, size)
        path.write_bytes(data)
        with pytest.raises(BadSource, match="names and texts"):
            read(path)
    data[heap + 8 : heap + 16] = struct.pack("<Q", 1 << 40)
    path.write_bytes(data)
    with pytest.raises(BadSource, match="names and texts"):
        read(path)


@pytest.mark.parametrize("userblock", [0, 512])
def test_names_whose_free_space_runs_in_a_circle(tmp_path, userblock):
    """HDF5 takes all memory over such a list."""
    path = written(tmp_path / "a.h5", np.zeros((20, 30), "u1"), libver="earliest", userblock=userblock)
    data = bytearray(path.read_bytes())
    _, _, free, start = struct.unpack_from("<8sQQQ", data, data.index(b"HEAP"))
    struct.pack_into("<Q", data, userblock + start + free, free)
    path.write_bytes(data)
    with pytest.raises(BadSource, match="names and texts"):
        read(path)


def test_the_guard_is_a_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(range(100)))
    with path.open("rb") as stream:
        guarded = Guarded(stream, 100)
        assert guarded.seek(10) == 10
        buffer = bytearray(5)
        assert guarded.readinto(memoryview(buffer)) == 5
        assert buffer == bytes(range(10, 15))
        assert guarded.tell() == 15
        assert guarded.seek(0, 2) == 100
        assert guarded.read() == b""


def test_absurd_sizes(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 40, 1 << 20), "u1", chunks=(16, 16))
    with pytest.raises(Unsupported, match="chunks"):
        read(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 40, 1 << 20), "u1", chunks=(1 << 15, 1 << 16))
    with pytest.raises(Unsupported, match=r"chunks|MiB"):
        read(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", (1 << 20, 1 << 20), "u1", chunks=(1 << 15, 1 << 16))
    with pytest.raises(Unsupported, match="MiB"):
        read(path)


XML = b"""<SpimData version="0.2"><BasePath type="relative">.</BasePath><SequenceDescription>
<ImageLoader format="bdv.hdf5"><hdf5 type="relative">d.h5</hdf5></ImageLoader>
<ViewSetups><ViewSetup><id>0</id><name>a</name><size>5 4 3</size>
<voxelSize><unit>um</unit><size>1 1 2</size></voxelSize><attributes><channel>1</channel></attributes></ViewSetup>
<Attributes name="channel"><Channel><id>1</id><name>1</name></Channel></Attributes></ViewSetups>
<Timepoints type="pattern"><integerpattern>0-3</integerpattern></Timepoints></SequenceDescription><ViewRegistrations>
<ViewRegistration timepoint="0" setup="0"><ViewTransform type="affine"><affine>1 0 0 0 0 1 0 0 0 0 1 0</affine>
</ViewTransform></ViewRegistration></ViewRegistrations></SpimData>"""


def test_damaged_xml(tmp_path):
    path = tmp_path / "a.xml"
    path.write_bytes(XML)
    assert len(bdv_xml.read(LocalFile.open(path)).times) == 4
    tokens = [b"", b"9", b"-1", b"e9", b"<", b"</size>", b"<id/>", b'"', b"\xff", b"x", b"nan", b"99999999999999999999"]

    @settings(max_examples=300, database=None)
    @given(st.integers(0, len(XML)), st.integers(0, 12), st.sampled_from(tokens))
    def tried(at, gone, token):
        path.write_bytes(XML[:at] + token + XML[at + gone :])
        with contextlib.suppress(SourceError):
            bdv_xml.read(LocalFile.open(path))

    tried()
