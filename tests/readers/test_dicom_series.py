"""Series of DICOM files as volumes, against SimpleITK and against how they were made."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK
from dicom_tools import item, opened, series, write
from pydicom.uid import generate_uid

from s3facade.core.errors import BadSource
from s3facade.readers.dicom.reader import DicomReader
from s3facade.testing.reading import Watched, voxels

SHARED = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
BRAIN = SHARED / "dicom-series-brain"


def volume(*shape, dtype="u2"):
    return np.random.default_rng(2).integers(0, 4000, shape).astype(dtype)


def itk(folder):
    names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(names)
    return reader.Execute()


def physical(raster, x, y, z):
    matrix = np.array(raster.spec.attrs["affine"])
    return matrix[:, :3] @ (x, y, z) + matrix[:, 3]


@pytest.mark.skipif(not BRAIN.exists(), reason="samples are not here")
def test_a_real_series():
    (raster,) = opened(BRAIN / "brain_011.dcm")
    image = itk(BRAIN)
    np.testing.assert_array_equal(voxels(raster, 0), SimpleITK.GetArrayFromImage(image))
    assert np.array(raster.spec.levels[0].scale)[::-1] / 1000 == pytest.approx(image.GetSpacing(), abs=1e-4)
    for number, name in ((0, "brain_002.dcm"), (18, "brain_020.dcm")):
        stated = pydicom.dcmread(BRAIN / name).ImagePositionPatient
        assert physical(raster, 0, 0, number) / 1000 == pytest.approx([float(v) for v in stated], abs=0.01)
    assert raster.files[0].source.path.endswith("brain_011.dcm")
    assert len(raster.files) == 20


@pytest.mark.parametrize("direction", [(1, 0, 0, 0, 1, 0), (0, 1, 0, 0, 0, -1), (0.8, 0.6, 0, 0, 0, -1)])
def test_volumes_and_places_are_those_of_itk(tmp_path, direction):
    data = volume(7, 6, 9)
    normal = np.cross(direction[:3], direction[3:])
    series(tmp_path, data, step=tuple(2.5 * normal), orientation=direction)
    (raster,) = opened(tmp_path / "IM0003")
    image = itk(tmp_path)
    assert raster.spec.names == ("z", "y", "x")
    np.testing.assert_array_equal(voxels(raster, 0), SimpleITK.GetArrayFromImage(image))
    np.testing.assert_array_equal(voxels(raster, 0), data)
    assert raster.spec.levels[0].scale == pytest.approx((2500, 500, 250))
    for at in ((0, 0, 0), (8, 5, 6), (3, 1, 2)):
        found = np.array(image.TransformIndexToPhysicalPoint(at)) * 1000
        assert physical(raster, *at) == pytest.approx(found, abs=0.01)
    if direction == (1, 0, 0, 0, 1, 0):
        assert raster.spec.levels[0].origin == pytest.approx((-30000, 20000, 10000))


def test_every_file_of_a_series_opens_the_same_volume_by_few_reads(tmp_path):
    data = volume(40, 4, 4)
    series(tmp_path, data)
    (tmp_path / "notes").write_text("no DICOM at all, but longer than the preamble of one would be" * 9)
    (tmp_path / "DICOMDIR").write_bytes(bytes(400))
    reads = []
    for number in (0, 17, 39):
        file = Watched.open(tmp_path / f"IM{number:04d}")
        (raster,) = DicomReader().open(file, {})
        np.testing.assert_array_equal(voxels(raster, 0), data)
        reads.append(len(file.notes.streams))
    assert reads[0] <= 2 * 40
    assert reads[1:] == [0, 0]


def test_other_series_and_copies_of_a_slice_are_no_part(tmp_path):
    data = volume(5, 4, 4)
    series(tmp_path, data)
    series(tmp_path, volume(3, 4, 4), name="other{}.dcm")
    (tmp_path / "copy").write_bytes((tmp_path / "IM0002").read_bytes())
    (raster,) = opened(tmp_path / "IM0001")
    np.testing.assert_array_equal(voxels(raster, 0), data)
    assert opened(tmp_path / "other1.dcm")[0].spec.levels[0].shape == (3, 4, 4)
    assert opened(tmp_path / "IM0001", series=False)[0].spec.levels[0].shape == (4, 4)


def test_missing_slices_are_told_and_no_distance_is_made_up(tmp_path):
    data = volume(8, 4, 4)
    series(tmp_path, data)
    (tmp_path / "IM0003").unlink()
    (tmp_path / "IM0005").unlink()
    (raster,) = opened(tmp_path / "IM0000")
    np.testing.assert_array_equal(voxels(raster, 0), data[[0, 1, 2, 4, 6, 7]])
    assert any("2 slices of the series are missing" in n for n in raster.spec.attrs["notes"])
    assert raster.spec.axes[0].unit is None
    assert "affine" not in raster.spec.attrs
    assert len(raster.spec.attrs["positions"]) == 6


def test_uneven_slices_are_told(tmp_path):
    data = volume(5, 4, 4)
    uid = generate_uid()
    for n, z in enumerate((0, 1, 2.4, 3, 4.4)):
        fields = {"ImagePositionPatient": [0, 0, z], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
        write(tmp_path / f"{n}.dcm", data[n], SeriesInstanceUID=uid, **fields)
    (raster,) = opened(tmp_path / "0.dcm")
    np.testing.assert_array_equal(voxels(raster, 0), data)
    assert any("mm apart" in n for n in raster.spec.attrs["notes"])


def test_a_tilted_gantry_is_told_and_in_the_affine(tmp_path):
    data = volume(5, 4, 4)
    series(tmp_path, data, step=(0, 0.7, 2.5))
    (raster,) = opened(tmp_path / "IM0000")
    assert any("tilted" in n for n in raster.spec.attrs["notes"])
    assert physical(raster, 0, 0, 4) == pytest.approx((10000, 22800, -20000))
    assert raster.spec.levels[0].scale[0] == pytest.approx(2500)


@pytest.mark.parametrize(
    ("keyword", "values", "axis", "labels"),
    [
        ("TemporalPositionIdentifier", [1, 2, 3], "t", None),
        ("TriggerTime", [0.0, 40.0, 80.0], "t", None),
        ("AcquisitionNumber", [4, 5, 9], "t", None),
        ("EchoTime", [2.5, 5.0, 7.5], "c", ["TE=2.5 ms", "TE=5 ms", "TE=7.5 ms"]),
        ("DiffusionBValue", [0.0, 500.0, 1000.0], "c", ["b=0 s/mm²", "b=500 s/mm²", "b=1000 s/mm²"]),
    ],
)
def test_several_slices_at_one_place(tmp_path, keyword, values, axis, labels):
    data = volume(3, 4, 5, 6)
    uid = generate_uid()
    for n, value in enumerate(values):
        series(tmp_path, data[n], uid=uid, name=f"IM{n}{{}}", **{keyword: value})
    (raster,) = opened(tmp_path / "IM20")
    names = raster.spec.names
    assert names == (axis, "z", "y", "x")
    np.testing.assert_array_equal(voxels(raster, 0), data)
    assert raster.spec.levels[0].scale[1:] == pytest.approx((2500, 500, 250))
    if labels:
        assert [c.name for c in raster.spec.channels] == labels
    if keyword == "TriggerTime":
        assert raster.spec.levels[0].scale[0] == pytest.approx(0.04)


def test_time_and_echoes_at_once(tmp_path):
    data = volume(2, 3, 4, 5, 6)
    uid = generate_uid()
    for t in range(2):
        for c in range(3):
            fields = {"TemporalPositionIdentifier": t + 1, "EchoTime": 2.0 + c}
            series(tmp_path, data[t, c], uid=uid, name=f"IM{t}{c}{{}}", **fields)
    (raster,) = opened(tmp_path / "IM000")
    assert raster.spec.names == ("t", "c", "z", "y", "x")
    np.testing.assert_array_equal(voxels(raster, 0), data)


def test_a_localizer_gives_an_image_per_direction(tmp_path):
    uid = generate_uid()
    one, two = volume(5, 4, 4), volume(3, 4, 4, dtype="u2") + 1
    series(tmp_path, one, uid=uid)
    series(tmp_path, two, uid=uid, name="sagittal{}", orientation=(0, 1, 0, 0, 0, -1), step=(-3, 0, 0))
    write(tmp_path / "wide", volume(4, 8), SeriesInstanceUID=uid)
    found = opened(tmp_path / "IM0000")
    assert [r.spec.levels[0].shape for r in found] == [(5, 4, 4), (3, 4, 4), (4, 8)]
    np.testing.assert_array_equal(voxels(found[0], 0), one)
    np.testing.assert_array_equal(voxels(found[1], 0), two)
    assert all({f.source.path for f in r.files} == {f.source.path for f in found[0].files} for r in found)


def test_factors_of_every_slice(tmp_path):
    data = volume(4, 5, 6)
    slopes = [1.0, 0.5, 2.0, 0.25]
    series(tmp_path, data, RescaleSlope=slopes, RescaleIntercept=-3)
    (raster,) = opened(tmp_path / "IM0002")
    assert raster.spec.dtype == np.float32
    np.testing.assert_array_equal(voxels(raster, 0), data * np.array(slopes)[:, None, None] - 3)
    file = Watched.open(tmp_path / "IM0002")
    rasters = DicomReader().open(file, {})
    thawed = DicomReader().thaw(DicomReader().freeze(rasters), {f.source.path: f for f in rasters[0].files})
    np.testing.assert_array_equal(voxels(thawed[0], 0), voxels(raster, 0))


def test_a_slice_without_its_pixels_is_refused(tmp_path):
    series(tmp_path, volume(4, 16, 16))
    path = tmp_path / "IM0002"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(BadSource, match=r"pixel data hold|incomplete"):
        opened(tmp_path / "IM0000")


def groups(n, z, t=None):
    return item(
        PlanePositionSequence=[item(ImagePositionPatient=[1, 2, 3 + 4 * z])],
        FrameContentSequence=[item(**({"TemporalPositionIndex": t} if t else {"InStackPositionNumber": n}))],
        PixelValueTransformationSequence=[item(RescaleSlope=1 + n, RescaleIntercept=0, RescaleType="US")],
    )


def shared():
    return [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
            PixelMeasuresSequence=[item(PixelSpacing=[0.5, 0.25], SliceThickness=4)],
        )
    ]


def test_frames_of_one_file_are_put_in_order(tmp_path):
    data = volume(6, 5, 4)
    order = [(2, 1), (0, 1), (1, 2), (0, 2), (1, 1), (2, 2)]
    per_frame = [groups(n, z, t) for n, (z, t) in enumerate(order)]
    fields = {"SharedFunctionalGroupsSequence": shared(), "PerFrameFunctionalGroupsSequence": per_frame}
    path = write(tmp_path / "a.dcm", data, SOPClassUID="1.2.840.10008.5.1.4.1.1.4.1", **fields)
    (raster,) = opened(path)
    assert raster.spec.names == ("t", "z", "y", "x")
    expected = [[data[n] * (1 + n) for z in range(3) for n in [order.index((z, t))]] for t in (1, 2)]
    np.testing.assert_array_equal(voxels(raster, 0), expected)
    assert raster.spec.levels[0].scale[1:] == pytest.approx((4000, 500, 250))
    assert physical(raster, 0, 0, 2) == pytest.approx((1000, 2000, 11000))


def test_a_series_without_places_is_as_many_images(tmp_path):
    uid = generate_uid()
    for n in range(3):
        write(tmp_path / f"{n}", volume(4, 5) + n, SeriesInstanceUID=uid, InstanceNumber=n)
    assert [r.spec.names for r in opened(tmp_path / "1")] == [("y", "x")] * 3


def test_slices_by_their_stated_location(tmp_path):
    uid, data = generate_uid(), volume(3, 4, 5)
    for n in range(3):
        write(tmp_path / f"{n}", data[2 - n], SeriesInstanceUID=uid, SliceLocation=-2.0 * n, PixelSpacing=[1, 1])
    (raster,) = opened(tmp_path / "1")
    np.testing.assert_array_equal(voxels(raster, 0), data)
    assert raster.spec.levels[0].scale == pytest.approx((2000, 1000, 1000))
    assert "affine" not in raster.spec.attrs


def test_sizes_written_with_fewer_digits_are_the_same(tmp_path):
    series(tmp_path, volume(3, 4, 4), PixelSpacing=None)
    for n, size in enumerate((0.48828125, 0.488281, 0.48828)):
        ds = pydicom.dcmread(tmp_path / f"IM{n:04d}")
        ds.PixelSpacing = [size, size]
        ds.save_as(tmp_path / f"IM{n:04d}")
    (raster,) = opened(tmp_path / "IM0000")
    assert raster.spec.levels[0].scale[1:] == pytest.approx((488.281, 488.281), rel=1e-5)
    ds.PixelSpacing = [0.6, 0.6]
    ds.save_as(tmp_path / "IM0002")
    (raster,) = opened(tmp_path / "IM0000")
    assert raster.spec.axes[2].unit is None
    assert any("differ between slices" in n for n in raster.spec.attrs["notes"])


def test_a_mosaic_is_told(tmp_path):
    fields = {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND", "MOSAIC"], "ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}
    place = {"ImagePositionPatient": [0, 0, 0], "PixelSpacing": [1, 1], "SliceThickness": 1}
    (raster,) = opened(write(tmp_path / "a.dcm", volume(8, 8), **fields, **place))
    assert "mosaic" in raster.spec.attrs["notes"][0]
    assert "affine" not in raster.spec.attrs


def test_slices_that_are_closer_than_a_micrometre(tmp_path):
    data = volume(8, 4, 5)
    series(tmp_path, data, step=(0, 0, 0.0008), PixelSpacing=[0.0008, 0.0008])
    (raster,) = opened(tmp_path / "IM0002")
    np.testing.assert_array_equal(voxels(raster, 0), data)
    assert raster.spec.levels[0].scale == pytest.approx((0.8, 0.8, 0.8), rel=1e-3)


def test_no_affine_where_sizes_of_pixels_differ(tmp_path):
    series(tmp_path, volume(4, 4, 5), PixelSpacing=[[0.5, 0.25]] * 3 + [[0.6, 0.25]])
    (raster,) = opened(tmp_path / "IM0000")
    assert "affine" not in raster.spec.attrs
    assert any("differ" in note for note in raster.spec.attrs["notes"])
