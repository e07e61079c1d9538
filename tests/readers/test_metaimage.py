"""MetaImage against SimpleITK."""

import zlib

import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from volume_tools import damage, one, same, survives

from s3facade.core.errors import BadSource, SourceDenied, SourceNotFound, Unsupported
from s3facade.readers.volumes.metaimage import MetaImageReader
from s3facade.stores.local import LocalFile

READER = MetaImageReader()
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def values(shape, number="i2"):
    return np.random.default_rng(0).integers(0, 100, shape).astype(number)


def text(**tags):
    head = {"ObjectType": "Image", "NDims": 3, "DimSize": "5 4 3", "ElementType": "MET_SHORT"}
    last = {"ElementDataFile": tags.pop("ElementDataFile", None)}
    return "".join(f"{k} = {v}\n" for k, v in {**head, **tags, **last}.items() if v is not None)


def hand(path, body=b"", **tags):
    path.write_bytes(text(**tags).encode() + body)
    return path


@pytest.mark.parametrize("number", TYPES)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["a.mha", "a.mhd"])
def test_types_and_packing(tmp_path, number, packed, name):
    array = values((4, 6, 5), number)
    made = SimpleITK.GetImageFromArray(array)
    made.SetSpacing((0.5, 0.6, 2))
    SimpleITK.WriteImage(made, str(tmp_path / name), useCompression=packed)
    raster = one(READER, tmp_path / name)
    same(raster, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(tmp_path / name))))
    assert raster.spec.dtype == np.dtype(number)
    assert raster.spec.levels[0].scale == pytest.approx((2000, 600, 500))
    assert len(raster.files) == (1 if name == "a.mha" else 2)


@pytest.mark.parametrize("count", [2, 3, 4])
def test_channels(tmp_path, count):
    array = values((4, 6, 5, count), "u1")
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array, isVector=True), str(tmp_path / "a.mha"))
    raster = one(READER, tmp_path / "a.mha")
    same(raster, array.transpose(3, 0, 1, 2))
    assert (raster.spec.channels[0].name == "Red") == (count > 2)


def test_four_dimensions(tmp_path):
    array = values((2, 4, 6, 5))
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(array, isVector=False), str(tmp_path / "a.mha"))
    raster = one(READER, tmp_path / "a.mha")
    assert raster.spec.names == ("t", "z", "y", "x")
    assert raster.spec.axes[0].unit is None
    same(raster, array)


@settings(max_examples=40, deadline=None)
@given(st.tuples(*[st.floats(-3, 3)] * 3), st.integers(0, 9))
def test_positions_are_those_of_itk(tmp_path_factory, angles, seed):
    rng = np.random.default_rng(seed)
    made = SimpleITK.GetImageFromArray(values((4, 6, 5)))
    turn = SimpleITK.Euler3DTransform((0, 0, 0), *angles).GetMatrix()
    made.SetDirection(turn)
    made.SetSpacing(rng.uniform(0.1, 3, 3))
    made.SetOrigin(rng.uniform(-50, 50, 3))
    path = tmp_path_factory.getbasetemp() / "positions.mha"
    SimpleITK.WriteImage(made, str(path))
    raster, theirs = one(READER, path), SimpleITK.ReadImage(str(path))
    assert raster.spec.attrs["frame"] == "LPS"
    for index in ((0, 0, 0), (4, 5, 3), (1, 2, 3)):
        ours = np.array(raster.spec.attrs["affine"]) @ [*index, 1]
        np.testing.assert_allclose(ours, np.array(theirs.TransformIndexToPhysicalPoint(index)) * 1000, atol=1e-3)


def test_origin(tmp_path):
    made = SimpleITK.GetImageFromArray(values((4, 6, 5)))
    made.SetOrigin((1, 2, 3))
    SimpleITK.WriteImage(made, str(tmp_path / "a.mha"))
    assert one(READER, tmp_path / "a.mha").spec.levels[0].origin == (3000, 2000, 1000)
    (raster,) = READER.open(LocalFile.open(tmp_path / "a.mha"), {"unit": "um"})
    assert raster.spec.levels[0].origin == (3, 2, 1)
    flat = SimpleITK.GetImageFromArray(values((6, 5)))
    flat.SetOrigin((1, 2))
    flat.SetSpacing((3, 4))
    SimpleITK.WriteImage(flat, str(tmp_path / "b.mha"))
    raster = one(READER, tmp_path / "b.mha")
    assert raster.spec.levels[0].scale == (4000, 3000)
    assert raster.spec.levels[0].origin == (2000, 1000)


def test_a_header_without_spacing_has_no_scale(tmp_path):
    path = hand(tmp_path / "a.mha", values((3, 4, 5)).tobytes(), ElementDataFile="LOCAL")
    raster = one(READER, path)
    assert {a.unit for a in raster.spec.axes} == {None}
    assert "affine" not in raster.spec.attrs
    same(raster, values((3, 4, 5)))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "given", ["LIST\na0.raw\na1.raw\na2.raw", "LIST 2\na0.raw\na1.raw\na2.raw", "a%d.raw 0 2 1", "a%d.raw 0 2"]
)
def test_lists_of_files(tmp_path, given, packed):
    array = values((3, 4, 5))
    for i, plane in enumerate(array):
        body = plane.astype(">i2").tobytes()
        (tmp_path / f"a{i}.raw").write_bytes(zlib.compress(body) if packed else body)
    path = hand(
        tmp_path / "a.mhd", CompressedData=packed, ElementByteOrderMSB="True", BinaryData="True", ElementDataFile=given
    )
    raster = one(READER, path)
    assert len(raster.files) == 4
    same(raster, array)
    if not packed and given.startswith("LIST\n"):
        same(raster, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))))


@pytest.mark.parametrize("skip", [7, -1])
def test_bytes_to_skip(tmp_path, skip):
    (tmp_path / "a.raw").write_bytes(b"1234567" + values((3, 4, 5)).tobytes())
    path = hand(tmp_path / "a.mhd", HeaderSize=skip, ElementDataFile="a.raw")
    same(one(READER, path), values((3, 4, 5)))


def test_text(tmp_path):
    body = " ".join(map(str, values((3, 4, 5)).ravel())).encode()
    same(one(READER, hand(tmp_path / "a.mha", body, BinaryData="False", ElementDataFile="LOCAL")), values((3, 4, 5)))
    (tmp_path / "a.raw").write_bytes(body)
    same(one(READER, hand(tmp_path / "a.mhd", BinaryData="False", ElementDataFile="a.raw")), values((3, 4, 5)))
    path = hand(tmp_path / "a.mha", body.replace(b"1", b"q"), BinaryData="False", ElementDataFile="LOCAL")
    raster = one(READER, path)
    with pytest.raises(BadSource, match="decode"):
        same(raster, values((3, 4, 5)))


@pytest.mark.parametrize(
    ("tags", "kind", "says"),
    [
        ({"ElementDataFile": "../secret.raw"}, SourceDenied, "outside"),
        ({"ElementDataFile": "none.raw"}, SourceNotFound, "missing"),
        ({"ElementDataFile": "a%d 0 99999999 1"}, BadSource, "counts"),
        ({"ElementDataFile": "a%s%d 0 9 1"}, BadSource, "whole number"),
        ({"ElementDataFile": None}, BadSource, "ElementDataFile"),
        ({"ElementDataFile": "LOCAL"}, BadSource, "behind the end"),
        ({"ElementDataFile": "LOCAL", "DimSize": "0 1 2"}, BadSource, "voxels"),
        ({"ElementDataFile": "LOCAL", "DimSize": "1 2"}, BadSource, "DimSize"),
        ({"ElementDataFile": "LOCAL", "ElementType": "MET_STRING"}, Unsupported, "MET_STRING"),
        ({"ElementDataFile": "LOCAL", "NDims": "9"}, Unsupported, "NDims"),
        ({"ElementDataFile": "LOCAL", "ElementNumberOfChannels": "x"}, BadSource, "Channels"),
    ],
)
def test_refused(tmp_path, tags, kind, says):
    with pytest.raises(kind, match=says):
        READER.open(LocalFile.open(hand(tmp_path / "a.mha", b"", **tags)), {})


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans())
def test_damaged(tmp_path_factory, data, packed):
    body = values((3, 4, 5)).tobytes()
    tags = {"ElementSpacing": "1 2 3", "CompressedData": packed, "ElementDataFile": "LOCAL"}
    good = text(**tags).encode() + (zlib.compress(body) if packed else body)
    survives(READER, tmp_path_factory.getbasetemp() / "bad.mha", data.draw(damage(good)))
