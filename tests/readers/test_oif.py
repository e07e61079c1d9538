"""OIF and OIB: pixels against oiffile, a real file and such as are made here."""

from __future__ import annotations

import numpy as np
import pytest
from oif_writer import members, oib, oif
from vendor_tools import SAMPLES, damaged, opened, survives, thawed, whole

from s3facade.core.errors import BadSource, SourceError, SourceNotFound, Unsupported
from s3facade.core.region import Region
from s3facade.readers.oif.reader import OifReader
from s3facade.testing.readers import ReaderContract

oiffile = pytest.importorskip("oiffile")
RNG = np.random.default_rng(11)
AXES = {"T": "t", "L": "c", "A": "t", "C": "c", "Z": "z", "Y": "y", "X": "x", "S": "c"}


def numbers(*shape, dtype="<u2"):
    return RNG.integers(0, 250, shape).astype(dtype)


def ours(array, dims):
    names = [a for a in "tczyx" if a in [AXES[d] for d in dims] or a in "yx"]
    order = [k for a in names for k, d in enumerate(dims) if AXES[d] == a]
    shape = [int(np.prod([array.shape[k] for k, d in enumerate(dims) if AXES[d] == a], initial=1)) for a in names]
    return array.transpose(order).reshape(shape)


def check(path, array, dims):
    (raster,) = opened(OifReader, path)
    with oiffile.OifFile(path) as file:
        np.testing.assert_array_equal(file.asarray().reshape(array.shape), array)
    for found in (raster, *thawed(OifReader, [raster])):
        np.testing.assert_array_equal(whole(found), ours(array, dims))
    return raster


@pytest.mark.parametrize("dims", ["CYX", "CZTYX", "ZYX", "CLYX", "TYX"])
@pytest.mark.parametrize("kind", ["oif", "oib"])
def test_dimensions(tmp_path, dims, kind):
    sizes = {"X": 30, "Y": 40, "C": 2, "Z": 3, "T": 4, "L": 5}
    array = numbers(*(sizes[d] for d in dims))
    write = oif if kind == "oif" else oib
    raster = check(write(tmp_path / f"a.{kind}", members(array, dims)), array, dims)
    scale = dict(zip(raster.spec.names, raster.spec.levels[0].scale, strict=True))
    assert (scale["x"], scale["y"]) == (0.25, 0.5)
    assert "Z" not in dims or scale["z"] == pytest.approx(2.0)
    assert "T" not in dims or scale["t"] == pytest.approx(2.0)
    if kind == "oif":
        names = {f.source.path.rpartition("/")[2] for f in raster.files}
        assert {"a.oif", "a.oif.files", "s_Thumb.bmp"} <= names


@pytest.mark.parametrize("shift", [9, 12])
@pytest.mark.parametrize("scattered", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "<u2"])
def test_sectors(tmp_path, shift, scattered, dtype):
    array = numbers(2, 90, 70, dtype=dtype)
    path = oib(tmp_path / "a.oib", members(array, "CYX", rows=13), shift=shift, scattered=scattered)
    raster = check(path, array, "CYX")
    assert (raster.chunks(0) is None) == scattered
    box = Region((1, 20, 30), (2, 60, 50))
    np.testing.assert_array_equal(whole(raster, 0, box), array[box.slices()])
    if scattered:
        np.testing.assert_array_equal(raster.read(0, box), array[box.slices()])


def test_scans_through_depth(tmp_path):
    array = numbers(2, 40, 30)
    (raster,) = opened(OifReader, oif(tmp_path / "a.oif", members(array, "CZX", order="XZC")))
    assert raster.spec.names == ("c", "z", "y", "x")
    np.testing.assert_array_equal(whole(raster)[:, :, 0], array)


def test_metadata(tmp_path):
    (raster,) = opened(OifReader, oib(tmp_path / "a.oib", members(numbers(2, 40, 30), "CYX")))
    spec = raster.spec
    assert [(c.name, c.emission, c.excitation) for c in spec.channels] == [("DAPI", 461, 405), ("TD1", None, None)]
    assert spec.attrs["acquired"] == "2012-07-26T15:13:35"
    assert spec.attrs["objective"] == {"name": "PLAPON 60X", "magnification": 60.0}
    assert spec.attrs["original"]["ProfileSaveInfo"]["Version"] == "2.0.0.0"


def test_other_pictures_of_the_folder_are_no_planes(tmp_path):
    array = numbers(2, 40, 30)
    files = members(array, "CYX")
    files["s_R001.tif"] = files["s_C001.tif"]
    np.testing.assert_array_equal(whole(opened(OifReader, oif(tmp_path / "a.oif", files))[0]), array)


def test_missing_planes_are_never_filled(tmp_path):
    files = members(numbers(2, 3, 40, 30), "CZYX")
    del files["s_C002Z002.tif"]
    with pytest.raises(BadSource, match="C002Z002 is missing; 5 of 6"):
        opened(OifReader, oif(tmp_path / "a.oif", files))
    (tmp_path / "b.oif").write_bytes(files[""])
    with pytest.raises(SourceNotFound, match=r"b\.oif\.files"):
        opened(OifReader, tmp_path / "b.oif")


def test_what_is_refused(tmp_path):
    with pytest.raises(Unsupported, match="compression 8"):
        opened(OifReader, oib(tmp_path / "a.oib", members(numbers(2, 40, 30), "CYX", compression="zlib")))
    with pytest.raises(Unsupported, match="'plane'"):
        opened(OifReader, oib(tmp_path / "a.oib", members(numbers(2, 40, 30), "CYX")), plane=1)
    files = members(numbers(2, 40, 30), "CYX")
    files["s_C002.tif"] = members(numbers(1, 40, 31), "CYX")["s_C001.tif"]
    with pytest.raises(Unsupported, match="differ"):
        opened(OifReader, oib(tmp_path / "b.oib", files))


def test_sniffed_by_name_and_signature():
    reader = OifReader()
    compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    assert reader.sniff(compound, "A.OIB")
    assert not reader.sniff(compound, "a.doc")
    assert reader.sniff("\ufeff[File Info]".encode("utf-16-le"), "a.oif")
    assert not reader.sniff(b"", "a.oif")


def test_cut_short(tmp_path):
    path = oib(tmp_path / "a.oib", members(numbers(2, 40, 60), "CYX"))
    data = path.read_bytes()
    for n in range(0, len(data) - 512, 487):
        path.write_bytes(data[:n])
        with pytest.raises(SourceError):
            [whole(r) for r in opened(OifReader, path)]


def test_damaged_files(tmp_path):
    array = numbers(2, 40, 60)
    data = [oib(tmp_path / "a.oib", members(array, "CYX"), scattered=s).read_bytes() for s in (False, True)]
    for seed in range(400):
        (tmp_path / "c.oib").write_bytes(damaged(data[seed % 2], seed))
        survives(OifReader, tmp_path / "c.oib")
    path = oif(tmp_path / "a.oif", members(array, "CYX"))
    plane = tmp_path / "a.oif.files" / "s_C001.tif"
    good = [path.read_bytes(), plane.read_bytes()]
    for seed in range(200):
        for file, data in zip((path, plane), good, strict=True):
            file.write_bytes(damaged(data, seed))
            survives(OifReader, path)
            file.write_bytes(data)


@pytest.mark.skipif(not (SAMPLES / "oif").is_dir(), reason="the samples are not there")
def test_real_files():
    for path in sorted((SAMPLES / "oif").iterdir()):
        raster = check(path, oiffile.imread(path), "CYX")
        assert raster.spec.levels[0].scale == (1.0, 0.177, 0.177)
        assert raster.spec.attrs["objective"]["magnification"] == 40


class TestPromises(ReaderContract):
    reader = OifReader
    samples = sorted((SAMPLES / "oif").glob("*.oib"))
