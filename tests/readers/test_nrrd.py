"""NRRD against pynrrd and SimpleITK."""

import bz2
import gzip

import nrrd
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from volume_tools import damage, one, same, samples, survives

from s3facade.core.errors import BadSource, SourceDenied, SourceNotFound, Unsupported
from s3facade.readers.volumes.nrrd import NrrdReader
from s3facade.stores.local import LocalFile

READER = NrrdReader()
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
ENCODE = {
    "raw": lambda a: a.tobytes(),
    "gzip": lambda a: gzip.compress(a.tobytes()),
    "bz2": lambda a: bz2.compress(a.tobytes()),
    "hex": lambda a: a.tobytes().hex().encode(),
    "txt": lambda a: "\n".join(map(str, a.ravel())).encode(),
}


def values(shape, number="i2"):
    return np.random.default_rng(0).integers(0, 100, shape).astype(number)


def text(*, magic="NRRD0005", end="\n", **fields):
    head = {"type": "short", "dimension": 3, "sizes": "5 4 3", "endian": "little", "encoding": "raw"}
    every = {**head, **{k.replace("_", " "): v for k, v in fields.items()}}
    last = {"data file": every.pop("data file", None)}
    return (
        f"{magic}\n# made by hand\n"
        + "".join(f"{k}: {v}\n" for k, v in {**every, **last}.items() if v is not None)
        + end
    )


def hand(path, body=b"", **fields):
    path.write_bytes(text(**fields).encode() + body)
    return path


NAMES = ["BallBinary30x30x30.nhdr", "BallBinary30x30x30.nrrd", "BallBinary30x30x30_gz.nrrd"]


@pytest.mark.parametrize("path", [*samples("nrrd", *NAMES), *samples("neuro", "FLAIR.nrrd")])
def test_real_files(path):
    array, header = nrrd.read(str(path))
    raster = one(READER, path)
    same(raster, array.T)
    theirs = SimpleITK.ReadImage(str(path))
    assert raster.spec.attrs["frame"] == "LPS"
    matrix = np.array(raster.spec.attrs["affine"])
    for index in ((0, 0, 0), (4, 5, 3)):
        np.testing.assert_allclose(
            matrix @ [*index, 1], np.array(theirs.TransformIndexToPhysicalPoint(index)) * 1000, atol=1e-2
        )
    sizes = np.linalg.norm(header["space directions"], axis=1) * 1000
    assert raster.spec.levels[0].scale == pytest.approx(sizes[::-1])
    assert len(raster.files) == (2 if path.suffix == ".nhdr" else 1)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bz2", "ascii"])
@pytest.mark.parametrize("number", TYPES)
@pytest.mark.parametrize("detached", [False, True])
def test_what_pynrrd_writes(tmp_path, encoding, number, detached):
    array = values((5, 6, 4), number)
    path = tmp_path / ("a.nhdr" if detached else "a.nrrd")
    nrrd.write(str(path), array, {"encoding": encoding}, detached_header=detached)
    raster = one(READER, path)
    assert raster.spec.dtype == np.dtype(number)
    same(raster, nrrd.read(str(path))[0].T)


@pytest.mark.parametrize("encoding", ENCODE)
@pytest.mark.parametrize("order", ["little", "big"])
def test_encodings_and_orders(tmp_path, encoding, order):
    array = values((3, 4, 5), "<i2" if order == "little" else ">i2")
    body = ENCODE[encoding](array)
    same(one(READER, hand(tmp_path / "a.nrrd", body, encoding=encoding, endian=order)), array)
    (tmp_path / "a.raw").write_bytes(body)
    path = hand(tmp_path / "a.nhdr", encoding=encoding, endian=order, data_file="a.raw", end="")
    same(one(READER, path), array)


@pytest.mark.parametrize(
    ("skips", "before"),
    [
        ({"line_skip": 2}, b"one\ntwo\n"),
        ({"byte_skip": 3}, b"abc"),
        ({"line_skip": 1, "byte_skip": 3}, b"one\nabc"),
        ({"byte_skip": -1}, b"whatever"),
    ],
)
def test_skips(tmp_path, skips, before):
    (tmp_path / "a.raw").write_bytes(before + values((3, 4, 5)).tobytes())
    same(one(READER, hand(tmp_path / "a.nhdr", data_file="a.raw", **skips)), values((3, 4, 5)))
    with pytest.raises(BadSource, match="skip"):
        READER.open(LocalFile.open(hand(tmp_path / "a.nhdr", data_file="a.raw", line_skip=99)), {})


def test_bytes_to_skip_are_those_of_the_content(tmp_path):
    (tmp_path / "a.raw.gz").write_bytes(b"line\n" + gzip.compress(b"abc" + values((3, 4, 5)).tobytes()))
    fields = {"data_file": "a.raw.gz", "encoding": "gzip", "line_skip": 1, "byte_skip": 3}
    same(one(READER, hand(tmp_path / "a.nhdr", **fields)), values((3, 4, 5)))


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize(
    "given",
    ["LIST\na1.raw\na3.raw\na5.raw", "LIST 2\na1.raw\na3.raw\na5.raw", "a%d.raw 1 5 2", "a%d.raw 1 5 2 2"],
)
def test_lists_of_files(tmp_path, encoding, given):
    array = values((3, 4, 5))
    for plane, i in zip(array, (1, 3, 5), strict=True):
        (tmp_path / f"a{i}.raw").write_bytes(ENCODE[encoding](plane))
    path = hand(tmp_path / "a.nhdr", data_file=given, encoding=encoding, end="")
    raster = one(READER, path)
    assert len(raster.files) == 4
    same(raster, array)
    same(raster, SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))))


@pytest.mark.parametrize("parts", [2, 6, 12])
def test_files_of_slabs_and_rows(tmp_path, parts):
    array = values((6, 4, 5))
    names = []
    for i, part in enumerate(array.reshape(parts, -1)):
        (tmp_path / f"p{i}.raw").write_bytes(part.tobytes())
        names.append(f"p{i}.raw")
    same(one(READER, hand(tmp_path / "a.nhdr", sizes="5 4 6", data_file="\n".join(["LIST", *names]))), array)


@pytest.mark.parametrize(
    ("sizes", "fields", "names"),
    [
        ("3 5 4 2", {"kinds": "RGB-color domain domain domain"}, "zyxc"),
        ("3 5 4 2", {"kinds": "vector domain domain domain"}, "zyxc"),
        ("5 4 2 3", {"kinds": "domain domain domain list"}, "tzyx"),
        ("3 5 4 2", {"kinds": "list domain domain domain"}, "zyxc"),
        ("3 5 4 2", {"kinds": "list domain domain domain", "labels": '"frame" "" "" ""'}, "zyxt"),
        ("5 4 2 3", {"kinds": "space space space time"}, "tzyx"),
        ("5 4 2 3", {}, "tzyx"),
        ("5 4", {}, "yx"),
        ("3 5 4 2", {"space": "LPS", "space_directions": "none (1,0,0) (0,1,0) (0,0,1)"}, "zyxc"),
        ("5 4 2 3", {"space": "LPS", "space_directions": "(1,0,0) (0,1,0) (0,0,1) none"}, "tzyx"),
        ("2 5 4 2 3", {"kinds": "vector domain domain domain time"}, "tzyxc"),
        ("1 5 4", {"kinds": "stub domain domain"}, "yx"),
    ],
)
def test_axes(tmp_path, sizes, fields, names):
    shape = [int(n) for n in sizes.split()][::-1]
    array = values(shape, "u1")
    path = hand(tmp_path / "a.nrrd", array.tobytes(), type="uchar", dimension=len(shape), sizes=sizes, **fields)
    raster = one(READER, path)
    ordered = [a for a in "tczyx" if a in names]
    assert raster.spec.names == tuple(ordered)
    array = array.reshape([n for n in shape if n > 1])
    same(raster, array.transpose([names.index(a) for a in ordered]))
    assert (raster.spec.channels[0].name == "Red") == ("RGB" in fields.get("kinds", ""))
    given = "".join(reversed("zcyxt"[: len(shape)] if len(shape) > 3 else "zyx"[: len(shape)]))
    again = one(READER, path, axes=given)
    assert set(again.spec.names) >= set(given) - {"t", "c", "z"}


def test_units(tmp_path):
    body = values((3, 4, 5)).tobytes()
    raster = one(READER, hand(tmp_path / "a.nrrd", body, spacings="0.5 2 3", units='"um" "nm" "mm"'))
    assert raster.spec.levels[0].scale == pytest.approx((3000, 2e-3, 0.5))
    path = hand(tmp_path / "a.nrrd", body, spacings="0.5 nan 3")
    raster = one(READER, path)
    assert {a.unit for a in raster.spec.axes} == {None}
    assert "`unit`" in raster.spec.attrs["notes"][0]
    raster = one(READER, path, unit="um")
    assert [a.unit for a in raster.spec.axes] == ["micrometer", None, "micrometer"]
    fields = {"space_dimension": 3, "space_directions": "(0,2,0) (3,0,0) (0,0,4)", "space_origin": "(1,2,3)"}
    raster = one(READER, hand(tmp_path / "a.nrrd", body, **fields, space_units='"um" "um" "um"'))
    assert raster.spec.levels[0].scale == (4, 3, 2)
    assert raster.spec.levels[0].origin == (0, 0, 0)
    assert raster.spec.attrs["affine"] == [[0, 3, 0, 1], [2, 0, 0, 2], [0, 0, 4, 3]]
    raster = one(READER, hand(tmp_path / "a.nrrd", body, **fields))
    assert "affine" not in raster.spec.attrs
    fields["space_directions"] = "(2,0,0) (0,3,0) (0,0,4)"
    raster = one(READER, hand(tmp_path / "a.nrrd", body, **fields, space_units='"um" "um" "um"'))
    assert raster.spec.levels[0].origin == (3, 2, 1)


def test_time(tmp_path):
    body = values((2, 3, 4, 5)).tobytes()
    fields = {"dimension": 4, "sizes": "5 4 3 2", "kinds": "domain domain domain time"}
    fields |= {"spacings": "1 1 1 40", "units": '"um" "um" "um" "ms"'}
    raster = one(READER, hand(tmp_path / "a.nrrd", body, **fields))
    assert raster.spec.axes[0].unit == "second"
    assert raster.spec.levels[0].scale == pytest.approx((0.04, 1, 1, 1))


def test_keys_and_segmentations(tmp_path):
    path = tmp_path / "a.nrrd"
    path.write_bytes(text(end="Segment0_ID:=one\nmodality:=a: b\n\n").encode() + values((3, 4, 5)).tobytes())
    raster = one(READER, path)
    assert raster.spec.attrs["categorical"] is True
    assert raster.spec.attrs["original"]["keys"] == {"Segment0_ID": "one", "modality": "a: b"}


@pytest.mark.parametrize(
    ("fields", "kind", "says"),
    [
        ({"type": "block"}, Unsupported, "block"),
        ({"encoding": "zrl"}, Unsupported, "zrl"),
        ({"kinds": "complex domain domain"}, Unsupported, "complex"),
        ({"kinds": "domain domain"}, BadSource, "kinds"),
        ({"sizes": "5 4"}, BadSource, "dimension"),
        ({"sizes": "5 4 -3"}, BadSource, "voxels"),
        ({"sizes": None}, BadSource, "sizes"),
        ({"sizes": "5 4 300"}, BadSource, "behind the end"),
        ({"endian": "middle"}, BadSource, "endian"),
        ({"byte_skip": "-1", "encoding": "gzip"}, Unsupported, "byte skip"),
        ({"data_file": "../a.raw"}, SourceDenied, "outside"),
        ({"data_file": "b.raw"}, SourceNotFound, "missing"),
        ({"data_file": "a%d.raw 1 1000000000 1"}, BadSource, "counts"),
        ({"space_directions": "(1,0) (a,b) (0,0)"}, BadSource, "vector"),
    ],
)
def test_refused(tmp_path, fields, kind, says):
    path = hand(tmp_path / "a.nrrd", values((3, 4, 5)).tobytes(), **fields)
    with pytest.raises(kind, match=says):
        READER.open(LocalFile.open(path), {})


@settings(max_examples=200, deadline=None)
@given(st.data(), st.sampled_from(sorted(ENCODE)))
def test_damaged(tmp_path_factory, data, encoding):
    fields = {"encoding": encoding, "space": "LPS", "kinds": "domain domain domain", "space_origin": "(1,2,3)"}
    fields |= {"space_directions": "(1,0,0) (0,1,0) (0,0,1)"}
    good = text(**fields).encode() + ENCODE[encoding](values((3, 4, 5)))
    survives(READER, tmp_path_factory.getbasetemp() / "bad.nrrd", data.draw(damage(good)))
