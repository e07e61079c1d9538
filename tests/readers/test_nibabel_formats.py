"""MGH, AFNI, PAR/REC and MINC against nibabel."""

import gzip
import shutil
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.freesurfer.mghformat import MGHImage
from volume_tools import damage, one, same, samples, survives

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.readers.volumes.afni import AfniReader
from s3facade.readers.volumes.mgh import MghReader
from s3facade.readers.volumes.minc import MincReader
from s3facade.readers.volumes.parrec import ParRecReader
from s3facade.stores.local import LocalFile

BUNDLED = Path(nibabel.__file__).parent / "tests" / "data"
AFNI, MGH, MINC, PARREC = AfniReader(), MghReader(), MincReader(), ParRecReader()


def compare(raster, image, names="xyzt", **tolerance):
    """`names`: axes of nibabel's array."""
    expected = np.asarray(image.dataobj)
    moved = expected.transpose(sorted(range(expected.ndim), key=lambda k: "tczyx".index(names[k])))
    moved = moved.reshape([n for i, n in enumerate(moved.shape) if n > 1 or i >= moved.ndim - 3])
    same(raster, moved.astype(raster.spec.dtype), **tolerance)


def affine(raster, flip=(1, 1, 1)):
    return np.vstack([np.array(raster.spec.attrs["affine"]) * np.array(flip)[:, None], [0, 0, 0, 1]])


def copied(folder, *paths):
    for path in paths:
        (folder / path.name).write_bytes(path.read_bytes())
    return folder / paths[0].name


@pytest.mark.parametrize("path", samples("neuro", "test.mgz"))
def test_real_mgz(path):
    raster, image = one(MGH, path), nibabel.load(path)
    compare(raster, image)
    np.testing.assert_allclose(affine(raster)[:3], image.affine[:3] * 1000, atol=1e-2)


@pytest.mark.parametrize("number", ["u1", ">i2", ">i4", ">f4"])
@pytest.mark.parametrize("ending", ["mgh", "mgz", "mgh.gz"])
@pytest.mark.parametrize("frames", [1, 3])
def test_mgh(tmp_path, number, ending, frames):
    rng = np.random.default_rng(0)
    array = rng.integers(0, 99, (6, 5, 4, frames)).astype(number)
    matrix = np.eye(4)
    matrix[:3, :3] = np.linalg.qr(rng.normal(size=(3, 3)))[0] * [0.5, 2, 3]
    matrix[:3, 3] = 5, -6, 7
    image = MGHImage(array if frames > 1 else array[..., 0], matrix)
    if frames > 1:
        image.header["tr"] = 2500
    nibabel.save(image, tmp_path / ("a.mgh" if ending == "mgh" else "a.mgz"))
    if ending == "mgh.gz":
        shutil.move(tmp_path / "a.mgz", tmp_path / "a.mgh.gz")
    raster = one(MGH, tmp_path / f"a.{ending}")
    compare(raster, image)
    assert raster.spec.dtype == np.dtype(number).newbyteorder("=")
    np.testing.assert_allclose(affine(raster)[:3], matrix[:3] * 1000, rtol=1e-4, atol=0.01)
    assert raster.spec.levels[0].scale[-3:] == pytest.approx((3000, 2000, 500), rel=1e-5)
    if frames > 1:
        assert raster.spec.levels[0].scale[0] == (2.5 if ending == "mgh" else 1)


def test_mgh_without_geometry(tmp_path):
    nibabel.save(MGHImage(np.zeros((2, 3, 4), "u1"), np.eye(4)), tmp_path / "a.mgh")
    data = bytearray((tmp_path / "a.mgh").read_bytes())
    data[28:30] = b"\0\0"
    (tmp_path / "a.mgh").write_bytes(data)
    raster = one(MGH, tmp_path / "a.mgh")
    assert {a.unit for a in raster.spec.axes} == {None}
    data[20:24] = b"\0\0\0\x07"
    (tmp_path / "a.mgh").write_bytes(data)
    with pytest.raises(Unsupported, match="type"):
        MGH.open(LocalFile.open(tmp_path / "a.mgh"), {})


@pytest.mark.parametrize("path", samples("neuro", "scaled+tlrc.HEAD", "vr_base_min_outlier+orig.HEAD"))
def test_real_afni(path):
    afni(path)


@pytest.mark.parametrize("name", ["example4d+orig.HEAD", "scaled+tlrc.HEAD"])
def test_afni_of_nibabel(name):
    afni(BUNDLED / name)


def afni(path):
    raster, image = one(AFNI, path), nibabel.load(path)
    compare(raster, image, rtol=1e-6)
    # The file's frame is LPS, nibabel's RAS.
    np.testing.assert_allclose(affine(raster, (-1, -1, 1))[:3], image.affine[:3] * 1000, atol=1e-2)
    assert raster.spec.levels[0].scale[-3:] == pytest.approx([v * 1000 for v in image.header.get_zooms()[2::-1]])
    assert len(raster.files) == 2


def test_bricks_of_different_scales_and_kinds(tmp_path):
    rng = np.random.default_rng(0)
    for order, word in (("<", "LSB_FIRST"), (">", "MSB_FIRST")):
        array = rng.integers(0, 99, (3, 4, 5, 6)).astype(order + "i2")
        (tmp_path / "a+orig.BRIK").write_bytes(array.tobytes())
        lines = {
            "DATASET_DIMENSIONS": ("integer", "6 5 4 0 0"),
            "DATASET_RANK": ("integer", "3 3"),
            "BRICK_TYPES": ("integer", "1 1 1"),
            "BRICK_FLOAT_FACS": ("float", "0 0.5 2"),
            "BYTEORDER_STRING": ("string", f"'{word}~"),
            "BRICK_LABS": ("string", "'one~two~three~"),
            "DELTA": ("float", "-1 2 3"),
            "BRICK_STATS": ("float", "0 1 2 3 4 5"),
        }
        text = ""
        for name, (kind, v) in lines.items():
            count = len(v) if kind == "string" else len(v.split())
            text += f"\ntype = {kind}-attribute\nname = {name}\ncount = {count}\n {v}\n"
        (tmp_path / "a+orig.HEAD").write_text(text)
        raster = one(AFNI, tmp_path / "a+orig.HEAD")
        assert raster.spec.names == ("c", "z", "y", "x")
        assert [c.name for c in raster.spec.channels] == ["one", "two", "three"]
        assert raster.spec.channels[2].window == (4, 5)
        same(raster, array * np.array([1, 0.5, 2], "f4").reshape(3, 1, 1, 1))
        assert raster.spec.levels[0].scale[1:] == (3000, 2000, 1000)
        kind = text.replace("1 1 1", "1 3 1")
        (tmp_path / "a+orig.HEAD").write_text(kind)
        with pytest.raises(Unsupported, match="BRICK_TYPES"):
            AFNI.open(LocalFile.open(tmp_path / "a+orig.HEAD"), {})
        timed = text + "\ntype = integer-attribute\nname = TAXIS_NUMS\ncount = 3\n 3 0 77001\n"
        timed += "\ntype = float-attribute\nname = TAXIS_FLOATS\ncount = 5\n 0 1500 0 0 0\n"
        (tmp_path / "a+orig.HEAD").write_text(timed)
        raster = one(AFNI, tmp_path / "a+orig.HEAD")
        assert raster.spec.names == ("t", "z", "y", "x")
        assert raster.spec.levels[0].scale[0] == 1.5
    (tmp_path / "a+orig.BRIK").unlink()
    with pytest.raises(SourceNotFound, match="BRIK"):
        AFNI.open(LocalFile.open(tmp_path / "a+orig.HEAD"), {})


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")  # nibabel's
@pytest.mark.parametrize("name", ["phantom_EPI_asc_CLEAR_2_1", "phantom_varscale"])
def test_parrec(name):
    path = BUNDLED / f"{name}.PAR"
    raster, image = one(PARREC, path), nibabel.load(path)
    compare(raster, image, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(affine(raster)[:3], image.affine[:3] * 1000, atol=1e-1)
    assert raster.spec.levels[0].scale[-3:] == pytest.approx([v * 1000 for v in image.header.get_zooms()[2::-1]])


def test_truncated_parrec(tmp_path):
    with pytest.raises(BadSource, match="PAR"):
        PARREC.open(LocalFile.open(BUNDLED / "phantom_truncated.PAR"), {})
    path = copied(tmp_path, BUNDLED / "phantom_varscale.PAR", BUNDLED / "phantom_varscale.REC")
    (tmp_path / "phantom_varscale.REC").write_bytes(b"short")
    with pytest.raises(BadSource, match="behind the end"):
        PARREC.open(LocalFile.open(path), {})
    (tmp_path / "phantom_varscale.REC").unlink()
    with pytest.raises(SourceNotFound, match="REC"):
        PARREC.open(LocalFile.open(path), {})


@pytest.mark.parametrize("path", samples("neuro", "tiny.mnc", "small.mnc", "minc2_4d.mnc"))
def test_real_minc(path):
    minc(path)


NAMES = ["minc1_1_scale.mnc", "minc1_4d.mnc", "minc2_1_scale.mnc", "minc2_4d.mnc", "minc2-4d-d.mnc", "small.mnc"]


@pytest.mark.parametrize("name", [*NAMES, "minc1-no-att.mnc", "minc2-no-att.mnc"])
def test_minc_of_nibabel(name):
    minc(BUNDLED / name)


def minc(path):
    raster, image = one(MINC, path), nibabel.load(path)
    names = "".join(n[0] for n in image.dataobj.minc_file._dim_names)
    compare(raster, image, names, rtol=1e-5, atol=1e-5 * float(np.abs(np.asarray(image.dataobj)).max()))
    space = [a for a in names if a != "t"]
    if "affine" in raster.spec.attrs:
        columns = ["xyz".index(a) for a in space]
        np.testing.assert_allclose(affine(raster)[:3, [*columns, 3]], image.affine[:3] * 1000, atol=1e-1)
    zooms = dict(zip(names, image.header.get_zooms(), strict=True))
    if any(a.unit == "micrometer" for a in raster.spec.axes):
        assert raster.spec.levels[0].scale[-3:] == pytest.approx([float(zooms[a]) * 1000 for a in "zyx"])


@pytest.mark.parametrize("version", ["minc1_1_scale.mnc", "tiny.mnc"])
def test_packed_minc(tmp_path, version):
    source = BUNDLED / version
    (tmp_path / "a.mnc.gz").write_bytes(gzip.compress(source.read_bytes()))
    compare(one(MINC, tmp_path / "a.mnc.gz"), nibabel.load(source), "zyx", rtol=1e-5, atol=1e-3)


def test_minc_numbers_beyond_the_valid_range_and_mixed_axes(tmp_path):
    array = np.arange(2 * 3 * 4, dtype="i2").reshape(2, 3, 4)
    with h5py.File(tmp_path / "a.mnc", "w") as file:
        group = file.create_group("minc-2.0/image/0")
        image = group.create_dataset("image", data=array, chunks=(1, 2, 4), compression="gzip")
        image.attrs["dimorder"] = np.bytes_("yspace,zspace,xspace")
        image.attrs["valid_range"] = np.array([2.0, 20.0])
        for name, values in (("image-min", [0.0, 10.0]), ("image-max", [9.0, 28.0])):
            scale = group.create_dataset(name, data=np.array(values))
            scale.attrs["dimorder"] = np.bytes_("yspace")
        for k, name in enumerate(("xspace", "yspace", "zspace")):
            dimension = file.create_dataset(f"minc-2.0/dimensions/{name}", data=0)
            dimension.attrs["step"], dimension.attrs["start"] = -1.0 - k, 5.0 * k
    raster = one(MINC, tmp_path / "a.mnc")
    assert raster.spec.names == ("z", "y", "x")
    slopes = np.array([0.5, 1.0]).reshape(2, 1, 1)
    least = np.array([0.0, 10.0]).reshape(2, 1, 1)
    expected = least + (np.clip(array, 2, 20) - 2) * slopes
    same(raster, expected.transpose(1, 0, 2).astype("f4"), rtol=1e-6)
    assert raster.spec.levels[0].scale == (3000, 2000, 1000)
    assert raster.spec.levels[0].origin == (0, 0, 0)
    assert np.array(raster.spec.attrs["affine"])[:, 3].tolist() == [0, 5000, 10000]


@pytest.mark.parametrize(("unit", "seconds"), [("ms", 0.5), ("s", 500.0), ("", None), ("volumes", None)])
def test_minc_time_has_the_unit_that_is_stated_or_none(tmp_path, unit, seconds):
    shutil.copy(BUNDLED / "minc2_4d.mnc", tmp_path / "a.mnc")
    with h5py.File(tmp_path / "a.mnc", "r+") as file:
        time = file["minc-2.0/dimensions/time"]
        time.attrs["step"] = 500.0
        if unit:
            time.attrs["units"] = np.bytes_(unit)
        else:
            time.attrs.pop("units", None)
    spec = one(MINC, tmp_path / "a.mnc").spec
    assert (spec.levels[0].scale[0] if spec.axes[0].unit else None) == seconds


FILES = {
    "bad.mgh": (MGH, None),
    "bad+orig.HEAD": (AFNI, BUNDLED / "scaled+tlrc.HEAD"),
    "bad.PAR": (PARREC, BUNDLED / "phantom_varscale.PAR"),
    "bad.mnc": (MINC, BUNDLED / "minc1_1_scale.mnc"),
    "bad2.mnc": (MINC, BUNDLED / "minc2_1_scale.mnc"),
}


@settings(max_examples=250, deadline=None)
@given(st.data(), st.sampled_from(sorted(FILES)))
def test_damaged(tmp_path_factory, data, name):
    reader, source = FILES[name]
    folder = tmp_path_factory.getbasetemp()
    if source is None:
        nibabel.save(MGHImage(np.zeros((2, 3, 4), "u1"), np.eye(4)), folder / "good.mgh")
        source = folder / "good.mgh"
    for sibling, original in (("bad+orig.BRIK", "scaled+tlrc.BRIK"), ("bad.REC", "phantom_varscale.REC")):
        if not (folder / sibling).exists():
            (folder / sibling).write_bytes((BUNDLED / original).read_bytes())
    good = source.read_bytes()
    bad = data.draw(damage(good, min(len(good), 4000)))
    reader.sniff(bad[:4096], name)
    survives(reader, folder / name, bad)
