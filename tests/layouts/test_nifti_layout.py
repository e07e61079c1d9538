"""NIfTI files as nibabel and SimpleITK read them, and any range of them."""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 - as everybody calls it
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_evaluator import encode, opened, render, whole

from s3facade.codecs.nifti import NiftiVoxels, checksum, joined, member, packed_nbytes, stored
from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.image import Dataset, derive
from s3facade.core.objects import Packed, Passed, cut
from s3facade.core.spec import Channel
from s3facade.layouts import nifti as layout
from s3facade.layouts.nifti import Nifti
from s3facade.layouts.nifti_header import header
from s3facade.readers.volumes.nifti_header import parse, recognised
from s3facade.transforms.geometry.crop import Crop
from s3facade.transforms.geometry.places import Place
from s3facade.transforms.values.cast import Cast

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8", "c8", "c16"]
MM = 1000.0


def pattern(shape, dtype="u2"):
    rng = np.random.default_rng(sum(shape))
    if np.dtype(dtype).kind in "fc":
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(0, 2 if dtype == "bool" else 127, shape).astype(dtype)


def built(image, **options):
    return Nifti(**options).build(Dataset({"": image}))


def written(image, **options):
    """The file's bytes, its size checked."""
    file = built(image, **options)
    data = render(file.body())
    assert len(data) == file.size
    return data


def nibabel(data):
    return nib.Nifti1Image.from_bytes(data) if data[:4] == b"\x5c\x01\0\0" else nib.Nifti2Image.from_bytes(data)


def itk(data, folder, name="a.nii"):
    path = folder / name
    path.write_bytes(data)
    return sitk.ReadImage(str(path))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nibabel_reads_equal_voxels_of_every_type(dtype, packed):
    array = pattern((5, 7, 11), dtype)
    data = written(opened(array, scale=(2 * MM, 500, 250), unit="micrometer"), gzip=packed)
    read = nibabel(gzip.decompress(data) if packed else data)
    assert read.get_data_dtype() == np.dtype(dtype)
    assert np.array_equal(np.asanyarray(read.dataobj).T, array)
    assert np.allclose(read.affine, np.diag([0.25, 0.5, 2, 1]))
    assert read.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize(("dtype", "as_"), [("bool", "u1"), ("f2", "f4")])
def test_types_that_the_format_lacks_are_stored_in_one_that_holds_all_values(dtype, as_):
    array = pattern((3, 4, 5), dtype)
    read = nibabel(written(opened(array), gzip=False))
    assert read.get_data_dtype() == np.dtype(as_)
    assert np.array_equal(np.asanyarray(read.dataobj).T, array.astype(as_))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((6, 9), "yx"), ((4, 6, 9), "zyx"), ((3, 4, 6, 9), "tzyx"), ((2, 3, 4, 6, 9), "tczyx"), ((3, 6, 9), "cyx"),
        ((3, 4, 6, 9), "czyx"), ((1, 4, 6, 9), "czyx"), ((1, 4, 6, 9), "tzyx"), ((5, 6, 9), "tyx"),
    ],
)  # fmt: skip
def test_axes_go_to_the_dimensions_that_nifti_means(shape, names, packed, tmp_path):
    array = pattern(shape, "i2")
    data = written(opened(array, names=names), gzip=packed)
    full = array.reshape([shape[names.index(a)] if a in names else 1 for a in "tczyx"])
    fortran = full.transpose(4, 3, 2, 0, 1)  # x, y, z, t, c
    read = nibabel(gzip.decompress(data) if packed else data)
    assert np.array_equal(np.asanyarray(read.dataobj), fortran.reshape(read.shape))
    assert read.shape == fortran.shape[: len(read.shape)]
    name = "a.nii.gz" if packed else "a.nii"
    known = sitk.GetArrayFromImage(itk(data, tmp_path, name))
    assert np.array_equal(known.ravel(), fortran.ravel(order="F")) or "c" in names


def test_simple_itk_reads_equal_voxels_and_places(tmp_path):
    array = pattern((5, 7, 11), "i2")
    turn = np.array([[0.8, 0, 0.6], [0, 1, 0], [-0.6, 0, 0.8]]) * [250, 500, 2000]
    affine = np.hstack([turn, [[10 * MM], [20 * MM], [-30 * MM]]])
    image = opened(array, scale=(2000, 500, 250), unit="micrometer", affine=affine.tolist(), frame="RAS, scanner")
    data = written(image, gzip=True)
    read = itk(data, tmp_path, "a.nii.gz")
    assert np.array_equal(sitk.GetArrayFromImage(read), array)
    assert np.allclose(read.GetSpacing(), (0.25, 0.5, 2))
    assert np.allclose(read.GetOrigin(), (-10, -20, -30), atol=1e-4)
    assert np.allclose(read.GetDirection(), (np.diag([-1, -1, 1]) @ turn / [250, 500, 2000]).ravel(), atol=1e-5)
    same = nibabel(gzip.decompress(data))
    assert np.allclose(same.affine[:3], affine / MM, atol=1e-4)
    assert np.allclose(same.get_qform(), same.get_sform(), atol=1e-4)
    assert (same.header["qform_code"], same.header["sform_code"]) == (1, 1)


@pytest.mark.parametrize("seed", range(12))
def test_quaternions_say_what_the_affine_says_of_mirror_images_too(seed):
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    if seed < 4:
        turn = np.diag([1.0, -1, -1]) if seed == 0 else np.diag([-1.0, 1, 1]) if seed == 1 else np.eye(3)[[2, 0, 1]]
    affine = np.hstack([turn * [250, 500, 2000], [[1], [2], [3]]])
    read = nibabel(written(opened(pattern((2, 3, 4)), affine=affine.tolist(), frame="RAS"), gzip=False))
    assert np.allclose(read.get_qform(), read.get_sform(), atol=1e-5)


@pytest.mark.parametrize(
    ("frame", "signs", "code"),
    [
        ("RAS, scanner", (1, 1, 1), 1), ("LPS", (-1, -1, 1), 1), ("RAS, mni", (1, 1, 1), 4), ("RAS", (1, 1, 1), 2),
        ("left-posterior-superior", (-1, -1, 1), 1), ("LAS", (-1, 1, 1), 2), ("BigDataViewer", (1, 1, 1), 2),
    ],
)  # fmt: skip
def test_frames_are_turned_to_right_anterior_superior(frame, signs, code):
    affine = np.array([[250, 0, 0, 1000], [0, 500, 0, 2000], [0, 0, 750, 3000]], float)
    read = nibabel(written(opened(pattern((2, 3, 4)), affine=affine.tolist(), frame=frame), gzip=False))
    assert np.allclose(read.affine[:3], affine / MM * np.array(signs)[:, None])
    assert int(read.header["sform_code"]) == code


def test_without_right_angles_the_quaternion_is_unset():
    affine = [[250, 100, 0, 0], [0, 500, 0, 0], [0, 0, 750, 0]]
    read = nibabel(written(opened(pattern((2, 3, 4)), affine=affine, frame="RAS, aligned"), gzip=False))
    assert int(read.header["qform_code"]) == 0
    assert np.allclose(read.affine[:3], np.array(affine) / MM)


def test_sizes_that_are_not_known_are_not_made_up():
    nothing = nibabel(written(opened(pattern((2, 3, 4))), gzip=False))
    assert nothing.header.get_xyzt_units() == ("unknown", "unknown")
    assert np.array_equal(nothing.affine, np.eye(4))
    image = opened(pattern((2, 3, 4)), names="zyx", scale=(1.0, 500, 500), unit="micrometer")
    axes = (type(image.spec.axes[0])("z"), *image.spec.axes[1:])
    half = type(image)(image.source, "numpy", 0, type(image.spec)(axes, image.spec.dtype, image.spec.levels))
    read = nib.Nifti1Header.from_fileobj(io.BytesIO(header(half.spec, 1)))
    assert read.get_xyzt_units()[0] == "unknown"
    assert read.get_zooms() == (0.5, 0.5, 1.0)


def test_times_windows_labels_and_descriptions_are_told():
    image = opened(pattern((3, 2, 4, 5)), names="tzyx", channels=[Channel(window=(2.0, 90.0))], categorical=True)
    levels = (type(image.spec.levels[0])((3, 2, 4, 5), (1.5, 1, 1, 1), (0.25, 0, 0, 0), (3, 2, 4, 5)),)
    axes = (type(image.spec.axes[0])("t", "second"), *image.spec.axes[1:])
    spec = type(image.spec)(axes, image.spec.dtype, levels, image.spec.channels, "i", image.spec.attrs)
    read = nib.Nifti1Header.from_fileobj(io.BytesIO(header(spec, 1, "Schädel " * 20)))
    assert read.get_zooms()[3] == 1.5
    assert read.get_xyzt_units() == ("unknown", "sec")
    assert (float(read["toffset"]), float(read["cal_min"]), float(read["cal_max"])) == (0.25, 2, 90)
    assert read.get_intent()[0] == "label"
    assert read["descrip"].item().decode().startswith("Schädel Schädel")
    assert read.get_slope_inter() in ((1.0, 0.0), (None, None))


@pytest.mark.parametrize("count", [3, 4])
def test_colours_lie_together(count, tmp_path):
    array = pattern((count, 4, 6, 9), "u1")
    named = [Channel("Red", "FF0000"), Channel("Green", "00FF00"), Channel("Blue", "0000FF"), Channel("Alpha")]
    data = written(opened(array, names="czyx", channels=named[:count]), gzip=False)
    read = nibabel(data)
    assert read.get_data_dtype().names == ("R", "G", "B", "A")[:count]
    for i, name in enumerate("RGBA"[:count]):
        assert np.array_equal(np.asanyarray(read.dataobj)[name].T, array[i])
    assert np.array_equal(sitk.GetArrayFromImage(itk(data, tmp_path)), np.moveaxis(array, 0, -1))
    assert parse(data, *recognised(data, pair=False)).samples == count


def test_three_channels_of_other_colours_stay_channels():
    array = pattern((3, 4, 6, 9), "u1")
    read = nibabel(written(opened(array, names="czyx", channels=[Channel("DAPI", "0000FF")] * 3), gzip=False))
    assert read.shape == (9, 6, 4, 1, 3)


def test_long_axes_are_nifti_2():
    array = pattern((2, 40000), "u1")
    data = written(opened(array, scale=(500, 500), unit="micrometer"), gzip=False)
    assert data[:8] == b"\x1c\x02\0\0n+2\0"
    read = nibabel(data)
    assert isinstance(read, nib.Nifti2Image)
    assert np.array_equal(np.asanyarray(read.dataobj).T, array)
    assert np.array_equal(
        np.asanyarray(nibabel(written(opened(pattern((3, 4))), edition=2, gzip=False)).dataobj).T, pattern((3, 4))
    )


def test_steps_change_voxels_and_type():
    array = pattern((5, 7, 11), "u2")
    cropped = derive(
        opened(array, scale=(3, 2, 2), unit="micrometer"), Crop(x=(Place(2), Place(9)), y=(Place(1), Place(6)))
    )
    image = derive(cropped, Cast("float32"))
    read = nibabel(written(image, gzip=False))
    assert np.array_equal(np.asanyarray(read.dataobj).T, array[:, 1:6, 2:9].astype("f4"))
    assert np.allclose(read.affine[:3, 3], [0.004, 0.002, 0])


def slices(file, ranges):
    for start, stop in ranges:
        yield b"".join(bytes(encode(c.segment))[c.lo : c.hi] for c in cut(file.body(), start, stop))


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_range_is_a_slice_of_the_whole(data):
    shape = data.draw(st.tuples(*[st.integers(1, 9)] * 4))
    names = data.draw(st.sampled_from(["tzyx", "czyx", "tcyx"]))
    image = opened(pattern(shape, data.draw(st.sampled_from(["u1", "i2", "f4"]))), names=names)
    piece, most = data.draw(st.integers(1, 300)), data.draw(st.sampled_from([0, 1 << 20]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layout, "PIECE", piece)
        patch.setattr(layout, "WHOLE", most)
        file = built(image, gzip=data.draw(st.booleans()))
        everything = render(file.body())
        assert len(everything) == file.size
        ranges = data.draw(st.lists(st.tuples(*[st.integers(0, file.size)] * 2).map(sorted), max_size=5))
        for (start, stop), found in zip(ranges, slices(file, ranges), strict=True):
            assert found == everything[start:stop]


def test_a_range_makes_what_it_touches_and_the_checksum_only_in_the_tail():
    array = pattern((64, 128, 128), "u2")
    file = built(opened(array))
    touched = [c.segment for c in cut(file.body(), 1000, 1100)]
    assert len(touched) == 1
    assert touched[0].region.size < array.size / 1.5
    assert not any(isinstance(c.segment, Packed) for c in cut(file.body(), 0, file.size - 8))
    (tail,) = [c.segment for c in cut(file.body(), file.size - 8, file.size)]
    assert isinstance(tail, Packed)


def test_voxels_that_do_not_decode_have_no_checksum():
    file = built(opened(pattern((4, 5))))
    (tail,) = [c.segment for c in cut(file.body(), file.size - 8, file.size)]
    with pytest.raises(BadSource, match="some of the voxels do not decode"):
        tail.parts[0][1](None)


def test_large_files_are_several_members_and_read_as_one(monkeypatch, tmp_path):
    monkeypatch.setattr(layout, "WHOLE", 1000)
    monkeypatch.setattr(layout, "PIECE", 4000)
    array = pattern((9, 40, 50), "i2")
    data = written(opened(array))
    first, everything = zlib.decompressobj(31).decompress(data), gzip.decompress(data)
    assert 352 < len(first) < len(everything)
    assert everything.startswith(first)
    (tmp_path / "a.nii.gz").write_bytes(data)
    assert np.array_equal(np.asanyarray(nib.load(tmp_path / "a.nii.gz").dataobj).T, array)
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.nii.gz"))), array)


def test_packed_bytes_are_the_same_every_time_and_name_nothing():
    image = opened(pattern((3, 40, 50)))
    data = written(image)
    assert data == written(image)
    assert data[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    assert built(image).identity == built(image).identity != built(image, gzip=False).identity


@given(st.binary(max_size=50), st.binary(max_size=50), st.binary(max_size=50))
def test_checksums_are_joined(a, b, c):
    crc = joined(joined(zlib.crc32(a), zlib.crc32(b), len(b)), zlib.crc32(c), len(c))
    assert crc == zlib.crc32(a + b + c)


@pytest.mark.parametrize("n", [1, 65534, 65535, 65536, 200_000])
def test_stored_blocks_are_deflate(n):
    data = bytes(np.random.default_rng(n).integers(0, 256, n, np.uint8))
    assert gzip.decompress(member(data)) == data
    assert zlib.decompress(stored(data, last=True), -15) == data
    assert checksum(stored(data)) == (zlib.crc32(data), n)
    assert len(stored(data)) == packed_nbytes(n, "blocks")
    assert len(member(data)) == packed_nbytes(n, "member")
    assert NiftiVoxels("uint8", packing="member").nbytes((n,), np.dtype("u1")) == len(member(data))


def test_what_cannot_be_a_nifti_file_is_refused_with_a_sentence():
    image = opened(pattern((3, 4)))
    with pytest.raises(Unsupported, match="holds one image, and this file 2; say which one with `series:`"):
        Nifti().build(Dataset({"0": image, "1": image}))
    with pytest.raises(Unsupported, match="holds one image, and this file 0"):
        Nifti().build(Dataset({}))
    with pytest.raises(Unsupported, match="cannot hold voxels of type"):
        built(opened(np.zeros((3, 4), np.longdouble)))
    with pytest.raises(Unsupported, match="counts to 32767 voxels along an axis, and there are 40000"):
        built(opened(np.zeros((2, 40000), "u1")), edition=1)


def test_a_pyramid_shows_its_finest_level():
    fine = pattern((8, 8))
    image = opened(fine, fine[::2, ::2])
    assert np.array_equal(np.asanyarray(nibabel(written(image, gzip=False)).dataobj).T, whole(image, 0))


def test_an_original_of_the_same_form_is_passed_on():
    image = opened(pattern((8, 8)), path="/data/a.nii.gz")
    image = replace(image, reader="nifti", source=replace(image.source, path="/data/a.nii.gz", size=77))
    plain = {"recipe": {"source": "s", "files": [], "reader": {"name": "nifti"}, "original": {}}}

    def parts(recipe, image=image, **options):
        return Nifti(**options).build(Dataset({"": image}, recipe=recipe)).body().parts

    assert parts(plain) == (Passed(image.source, 0, 77),)
    assert Nifti().build(Dataset({"": image}, recipe=plain)).size == 77
    for key in ("pixel_size", "options", "series", "steps"):
        assert not isinstance(parts({"recipe": {**plain["recipe"], key: 1}})[0], Passed)
    assert not isinstance(parts({})[0], Passed)
    assert not isinstance(parts(plain, gzip=False)[0], Passed)
    assert not isinstance(parts(plain, edition=1)[0], Passed)
    assert not isinstance(parts(plain, replace(image, reader="tiff"))[0], Passed)
    assert isinstance(parts(plain, replace(image, source=replace(image.source, path="far:/a.nii.gz")))[0], Passed)
