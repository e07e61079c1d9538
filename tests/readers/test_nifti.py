"""NIfTI and Analyze against nibabel and SimpleITK."""

import gzip
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from volume_tools import damage, one, same, samples, survives

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.readers.volumes.nifti import NiftiReader
from s3facade.stores.local import LocalFile

READER = NiftiReader()
BUNDLED = Path(nibabel.__file__).parent / "tests" / "data"
TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


def in_our_axes(array):
    """Of nibabel: x, y, z, t, then what is c; axes of length 1 behind z are dropped."""
    array = array.reshape(array.shape + (1,) * (3 - array.ndim))
    rest = array.shape[3:]
    t = rest[0] if rest else 1
    c = int(np.prod(rest[1:])) if rest else 1
    array = array.reshape((*array.shape[:3], t, c), order="F").transpose(3, 4, 2, 1, 0)
    return array.reshape([n for i, n in enumerate(array.shape) if i > 1 or n > 1])


def compare(raster, image):
    expected = image.dataobj
    plain = expected.slope == 1 and expected.inter == 0
    if plain:
        same(raster, in_our_axes(np.asarray(expected.get_unscaled())))
    else:
        same(raster, in_our_axes(image.get_fdata()).astype(raster.spec.dtype), rtol=1e-6, atol=1e-6)


def positions(raster):
    """Where voxels stand, by the attributes; and by scale and origin if the image says so."""
    matrix = np.vstack([raster.spec.attrs["affine"], [0, 0, 0, 1]])
    level, names = raster.spec.levels[0], raster.spec.names
    by_axis = {a: (level.scale[names.index(a)], level.origin[names.index(a)]) for a in "xyz" if a in names}
    return matrix, by_axis


REAL = [
    *("5D_small.nii", "big.nii.gz", "example4d.nii.gz", "example_nifti2.nii.gz", "functional.nii", "ras.hdr"),
    *("inia19-NeuroMaps.nii.gz", "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz", "small_64D.nii"),
]


@pytest.mark.parametrize("path", samples("neuro", *REAL))
def test_real_files(path):
    raster, image = one(READER, path), nibabel.load(path)
    compare(raster, image)
    header = image.header
    if header["sform_code"] > 0 or header["qform_code"] > 0:
        factor = {"mm": 1000, "unknown": 1000, "meter": 1e6, "micron": 1}[header.get_xyzt_units()[0]]
        matrix, by_axis = positions(raster)
        np.testing.assert_allclose(matrix[:3], image.affine[:3] * factor, rtol=1e-5, atol=1e-2)
        for i, a in enumerate("xyz"):
            assert by_axis[a][0] == pytest.approx(float(header.get_zooms()[i]) * factor)
        # SimpleITK is LPS, NIfTI RAS: x and y change their signs.
        if image.ndim < 5 and not isinstance(image, nibabel.Nifti2Image):
            other = SimpleITK.ReadImage(str(path))
            index = [3, 2, 1, *([0] * (other.GetDimension() - 3))]
            theirs = np.array(other.TransformIndexToPhysicalPoint(index))[:3] * [-1, -1, 1] * 1000
            np.testing.assert_allclose((matrix @ [3, 2, 1, 1])[:3], theirs, rtol=1e-4, atol=5)
    else:
        assert "affine" not in raster.spec.attrs


@pytest.mark.parametrize("name", ["anatomical.nii", "standard.nii.gz", "resampled_anat_moved.nii"])
def test_files_of_nibabel(name):
    compare(one(READER, BUNDLED / name), nibabel.load(BUNDLED / name))


@pytest.mark.parametrize("name", ["row_major.dconn.nii"])
def test_cifti_is_refused(name):
    with pytest.raises(Unsupported, match="CIFTI-2"):
        READER.open(LocalFile.open(BUNDLED / name), {})


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image, nibabel.Nifti1Pair, nibabel.Nifti2Pair])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("number", TYPES)
def test_types_orders_and_slopes(tmp_path, kind, order, number):
    rng = np.random.default_rng(1)
    values = rng.integers(0, 100, (5, 4, 3, 2)).astype(order + number)
    pair = kind.__name__.endswith("Pair")
    for slope, inter in ((None, None), (0.5, -3.0), (1.0, 0.0), (0.0, 7.0)):
        header = kind.header_class(endianness=order)
        header.set_data_dtype(values.dtype)
        header.set_data_shape(values.shape)
        header.set_xyzt_units("mm", "msec")
        header["pixdim"][1:5] = [0.5, 0.6, 0.7, 250]
        if slope is not None:
            header["scl_slope"], header["scl_inter"] = slope, inter
        header["vox_offset"] = 0 if pair else (544 if "2" in kind.__name__ else 352)
        path = tmp_path / ("a.hdr" if pair else "a.nii")
        path.write_bytes(header.binaryblock + (b"" if pair else bytes(4)) + (b"" if pair else values.tobytes("F")))
        (tmp_path / "a.img").write_bytes(values.tobytes("F"))
        raster = one(READER, path)
        image = nibabel.load(path)
        compare(raster, image)
        scaled = slope is not None and slope not in (0.0, 1.0)
        wide = number in ("u4", "i4", "u8", "i8", "f8")
        assert raster.spec.dtype == (np.dtype("f8" if wide else "f4") if scaled else np.dtype(number))
        assert raster.spec.names == ("t", "z", "y", "x")
        assert raster.spec.levels[0].scale == pytest.approx((0.25, 700, 600, 500))
        assert [a.unit for a in raster.spec.axes] == ["second", "micrometer", "micrometer", "micrometer"]
        assert len(raster.files) == 1 + pair


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("dtype", "count"), [([(c, "u1") for c in "RGB"], 3), ([(c, "u1") for c in "RGBA"], 4)])
def test_colours(tmp_path, order, dtype, count):
    values = np.random.default_rng(0).integers(0, 255, (6, 5, 4, count)).astype("u1")
    image = nibabel.Nifti1Image(values.view(np.dtype(dtype))[..., 0], np.diag([2, 3, 4, 1]))
    image = nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header.as_byteswapped(order))
    nibabel.save(image, tmp_path / "a.nii")
    raster = one(READER, tmp_path / "a.nii")
    assert raster.spec.names == ("c", "z", "y", "x")
    assert [c.name for c in raster.spec.channels] == ["Red", "Green", "Blue", "Alpha"][:count]
    same(raster, values.transpose(3, 2, 1, 0))


@pytest.mark.parametrize("code", [0, 1, 2, 3])
@pytest.mark.parametrize("time", [0, 8, 16, 24, 32])
def test_units(tmp_path, code, time):
    image = nibabel.Nifti1Image(np.zeros((4, 3, 2, 5), "i2"), np.diag([2.0, 3, 4, 1]))
    image.header["xyzt_units"] = code | time
    image.header["pixdim"][4] = 3
    image.header["toffset"] = 6
    nibabel.save(image, tmp_path / "a.nii")
    raster = one(READER, tmp_path / "a.nii")
    factor = {0: 1000, 1: 1e6, 2: 1000, 3: 1}[code]
    assert raster.spec.levels[0].scale[1:] == pytest.approx((4 * factor, 3 * factor, 2 * factor))
    assert any("no unit of length" in note for note in raster.spec.attrs["notes"]) == (code == 0)
    second = {8: 1, 16: 1e-3, 24: 1e-6}.get(time)
    assert raster.spec.axes[0].unit == ("second" if second else None)
    assert raster.spec.levels[0].scale[0] == pytest.approx(3 * second if second else 1)
    assert raster.spec.levels[0].origin[0] == pytest.approx(6 * second if second else 0)
    (again,) = READER.open(LocalFile.open(tmp_path / "a.nii"), {"unit": "um"})
    assert again.spec.levels[0].scale[1:] == pytest.approx((4, 3, 2))


rotations = st.tuples(*[st.floats(-1, 1)] * 3)


@settings(max_examples=40, deadline=None)
@given(rotations, st.sampled_from([1.0, -1.0]), st.booleans(), st.integers(0, 2**32 - 1))
def test_positions_are_those_of_nibabel(tmp_path_factory, quatern, qfac, sform, seed):
    path = tmp_path_factory.getbasetemp() / "positions.nii"
    rng = np.random.default_rng(seed)
    header = nibabel.Nifti1Header()
    header.set_data_shape((3, 4, 5))
    header.set_xyzt_units("mm")
    header["pixdim"][:4] = [qfac, *rng.uniform(0.1, 3, 3)]
    length = float(np.linalg.norm(quatern))
    header["quatern_b"], header["quatern_c"], header["quatern_d"] = np.array(quatern) / max(1.0, length * 1.001)
    header["qoffset_x"], header["qoffset_y"], header["qoffset_z"] = rng.uniform(-50, 50, 3)
    header["qform_code"], header["sform_code"] = 1, int(sform) * 4
    for name in ("srow_x", "srow_y", "srow_z"):
        header[name] = rng.uniform(-3, 3, 4)
    header.set_data_dtype("u1")
    header["vox_offset"] = 352
    path.write_bytes(header.binaryblock + bytes(4 + 60))
    raster = one(READER, path)
    matrix, by_axis = positions(raster)
    image = nibabel.load(path)
    np.testing.assert_allclose(matrix[:3], image.affine[:3] * 1000, rtol=1e-5, atol=1e-2)
    assert raster.spec.attrs["frame"] == ("RAS, mni" if sform else "RAS, scanner")
    del by_axis


def test_the_origin_is_that_of_a_straight_affine(tmp_path):
    for signs, told in (((1, 1, 1), True), ((-1, 1, 1), False)):
        affine = np.diag([*(np.array([2.0, 3, 4]) * signs), 1])
        affine[:3, 3] = -10, 20, 30
        nibabel.save(nibabel.Nifti1Image(np.zeros((4, 3, 2), "i2"), affine), tmp_path / "a.nii")
        raster = one(READER, tmp_path / "a.nii")
        assert raster.spec.levels[0].origin == ((30000, 20000, -10000) if told else (0, 0, 0))
        assert raster.spec.attrs["affine"][0] == [signs[0] * 2000, 0, 0, -10000]


@pytest.mark.parametrize("swap", [False, True])
def test_analyze(tmp_path, swap):
    values = np.random.default_rng(0).integers(0, 99, (5, 4, 3)).astype("i2")
    header = nibabel.Spm99AnalyzeHeader(endianness=">" if swap else "<")
    header.set_data_shape(values.shape)
    header.set_data_dtype(values.dtype)
    header.set_zooms((2, 3, 4))
    header["scl_slope"] = 0.25
    (tmp_path / "a.hdr").write_bytes(header.binaryblock)
    (tmp_path / "a.img").write_bytes(values.astype(header.get_data_dtype()).tobytes("F"))
    raster = one(READER, tmp_path / "a.hdr")
    same(raster, nibabel.load(tmp_path / "a.hdr").get_fdata().T.astype("f4"))
    assert raster.spec.levels[0].scale == (4000, 3000, 2000)
    assert "affine" not in raster.spec.attrs
    assert len(raster.spec.attrs["notes"]) == 2
    assert not READER.sniff(header.binaryblock, "a.dat")


def test_pairs(tmp_path):
    image = nibabel.Nifti1Pair(np.arange(24, dtype="i2").reshape(2, 3, 4), np.eye(4))
    nibabel.save(image, tmp_path / "A.hdr")
    (tmp_path / "A.img.gz").write_bytes(gzip.compress((tmp_path / "A.img").read_bytes()))
    (tmp_path / "A.img").unlink()
    raster = one(READER, tmp_path / "A.hdr")
    same(raster, np.asarray(image.dataobj).T)
    assert [f.source.path.rpartition("/")[2] for f in raster.files] == ["A.hdr", "A.img.gz"]
    (tmp_path / "A.img.gz").unlink()
    with pytest.raises(SourceNotFound, match=r"A\.img"):
        READER.open(LocalFile.open(tmp_path / "A.hdr"), {})
    assert not READER.sniff(bytes(4096), "A.img")


def test_labels_windows_and_extensions(tmp_path):
    image = nibabel.Nifti1Image(np.zeros((3, 4, 5), "i2"), np.eye(4))
    image.header.set_intent("label")
    image.header["cal_min"], image.header["cal_max"] = 2, 9
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"made by hand"))
    nibabel.save(image, tmp_path / "a.nii.gz")
    raster = one(READER, tmp_path / "a.nii.gz")
    assert raster.spec.attrs["categorical"] is True
    assert raster.spec.channels[0].window == (2, 9)
    assert raster.spec.attrs["original"]["extensions"][0]["text"] == "made by hand"


def test_more_dimensions(tmp_path):
    values = np.random.default_rng(0).integers(0, 9, (4, 3, 2, 5, 2, 1, 3)).astype("u1")
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "a.nii")
    raster = one(READER, tmp_path / "a.nii")
    assert raster.spec.names == ("t", "c", "z", "y", "x")
    compare(raster, nibabel.load(tmp_path / "a.nii"))


@pytest.mark.parametrize("ending", ["gz", "bz2"])
def test_packed(tmp_path, ending):
    image = nibabel.Nifti1Image(np.random.default_rng(0).normal(size=(60, 50, 40)).astype("f4"), np.eye(4))
    nibabel.save(image, tmp_path / f"a.nii.{ending}")
    raster = one(READER, tmp_path / f"a.nii.{ending}")
    same(raster, np.asarray(image.dataobj).T)
    assert raster.spec.attrs["codec"] == {"gz": "gzip", "bz2": "bzip2"}[ending]
    assert len(raster.spec.attrs["reasons"]) == 1


def small():
    header = nibabel.Nifti1Header()
    header.set_data_shape((5, 4, 3, 2))
    header.set_data_dtype("i2")
    header["vox_offset"] = 352
    return header


@pytest.mark.parametrize(
    ("fields", "kind", "says"),
    [
        ({"datatype": 32}, Unsupported, "complex"),
        ({"datatype": 1536}, Unsupported, "128 bits"),
        ({"datatype": 1}, Unsupported, "bits"),
        ({"datatype": 77}, Unsupported, "datatype"),
        ({"dim": [0] * 8}, BadSource, "dim"),
        ({"dim": [4, 5, -4, 3, 2, 1, 1, 1]}, BadSource, "voxels"),
        ({"dim": [4, 5, 400, 3, 2, 1, 1, 1]}, BadSource, "behind the end"),
        ({"vox_offset": 20}, BadSource, "vox_offset"),
        ({"vox_offset": np.nan}, BadSource, "vox_offset"),
        ({"scl_slope": 1, "scl_inter": np.inf}, BadSource, "scl_inter"),
        ({"sform_code": 1, "srow_x": [np.nan] * 4}, BadSource, "position"),
        ({"intent_code": 3001}, Unsupported, "CIFTI"),
    ],
)
def test_refused(tmp_path, fields, kind, says):
    header = small()
    for name, value in fields.items():
        header[name] = value
    (tmp_path / "a.nii").write_bytes(header.binaryblock + bytes(4 + 240))
    with pytest.raises(kind, match=says):
        READER.open(LocalFile.open(tmp_path / "a.nii"), {})


def test_unknown_options_are_named(tmp_path):
    (tmp_path / "a.nii").write_bytes(small().binaryblock + bytes(4 + 240))
    with pytest.raises(Unsupported, match=r"'axis'.*unit"):
        READER.open(LocalFile.open(tmp_path / "a.nii"), {"axis": 1})
    with pytest.raises(Unsupported, match="parsec"):
        READER.open(LocalFile.open(tmp_path / "a.nii"), {"unit": "parsec"})


def test_a_header_that_claims_more_than_its_packed_bytes_can_hold(tmp_path):
    header = small()
    header["dim"] = [4, 5000, 5000, 5000, 2, 1, 1, 1]
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(header.binaryblock + bytes(4 + 240)))
    with pytest.raises(BadSource, match="incomplete"):
        READER.open(LocalFile.open(tmp_path / "a.nii.gz"), {})


@settings(max_examples=150, deadline=None)
@given(st.data(), st.booleans())
def test_damaged(tmp_path_factory, data, packed):
    good = small().binaryblock + bytes(4) + bytes(range(240))
    bad = data.draw(damage(good))
    bad = data.draw(damage(gzip.compress(bad))) if packed else bad
    survives(READER, tmp_path_factory.getbasetemp() / ("bad.nii.gz" if packed else "bad.nii"), bad)
    READER.sniff(bad[:4096], "bad.hdr")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damaged_pairs(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    (folder / "bad.img").write_bytes(bytes(240))
    survives(READER, folder / "bad.hdr", data.draw(damage(small().binaryblock)))
    shutil.rmtree(folder / "none", ignore_errors=True)


@pytest.mark.parametrize(("header", "voxels"), [("B.HDR", "B.img"), ("B.hdr", "B.IMG"), ("B.HDR", "B.IMG")])
def test_pairs_whose_endings_differ_in_case(tmp_path, header, voxels):
    data = np.arange(24, dtype="i2").reshape(2, 3, 4)
    nibabel.save(nibabel.AnalyzeImage(data, np.eye(4)), tmp_path / "a.hdr")
    (tmp_path / "a.hdr").rename(tmp_path / header)
    (tmp_path / "a.img").rename(tmp_path / voxels)
    same(one(READER, tmp_path / header), data.T)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_placeholders_are_told_as_such(tmp_path, name):
    """Data sets of examples are full of them."""
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(BadSource, match=r"The file is empty: a placeholder"):
        READER.open(LocalFile.open(tmp_path / name), {})
