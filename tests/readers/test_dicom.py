"""DICOM files one by one: every way of storing pixels, against pydicom with decoders of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from dicom_tools import DATA, item, opened, reference, write
from pydicom._dicom_dict import DicomDictionary
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)  # fmt: skip

from s3facade.core.errors import BadSource, SourceError, Unsupported
from s3facade.readers.dicom.header import Header
from s3facade.readers.dicom.meta import original
from s3facade.readers.dicom.reader import DicomReader
from s3facade.testing.reading import Watched, voxels

SHARED = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
FILES = sorted(p.name for p in DATA.glob("*.dcm"))
SAMPLES = sorted((SHARED / "dicom").glob("*.dcm"))
REFUSED = {
    "ExplVR_BigEndNoMeta.dcm": "no pixels", "ExplVR_LitEndNoMeta.dcm": "no pixels", "UN_sequence.dcm": "no pixels",
    "JPEG2000-embedded-sequence-delimiter.dcm": "does not decode", "MR_truncated.dcm": "incomplete|need",
    "empty_charset_LEI.dcm": "no pixels", "meta_missing_tsyntax.dcm": "Rows", "nested_priv_SQ.dcm": "Rows",
    "no_meta.dcm": "damaged", "no_meta_group_length.dcm": "no pixels", "priv_SQ.dcm": "no pixels",
    "reportsi.dcm": "no pixels", "reportsi_with_empty_number_tags.dcm": "no pixels", "rtplan.dcm": "no pixels",
    "rtplan_truncated.dcm": "cut short", "rtstruct.dcm": "no pixels", "test-SR.dcm": "no pixels",
    "waveform_ecg.dcm": "no pixels",
}  # fmt: skip
UNKNOWN = {"JPEG-lossy.dcm", "badVR.dcm"}
"""What the oracle cannot read."""
LOSSY = 3
"""By so much do two decoders of lossy JPEG differ: the standard leaves the transform's rounding open."""


def compare(path):
    raster = opened(path, series=False)[0]
    found, expected = voxels(raster, 0), reference(path)
    if expected is None:
        assert path.name in UNKNOWN
        return
    if raster.spec.length("c") == 3:
        found = np.moveaxis(found, raster.spec.names.index("c"), -1)
    difference = np.abs(found.astype(float) - expected.reshape(found.shape)).max()
    lossy = raster.spec.attrs["codec"].endswith("jpeg, fragments") and "lossless" not in raster.spec.attrs["codec"]
    assert difference <= (LOSSY if lossy else 1e-6 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", FILES)
def test_pixels_of_the_files_that_come_with_pydicom(name):
    if name in REFUSED:
        with pytest.raises(SourceError, match=REFUSED[name]):
            voxels(opened(DATA / name, series=False)[0], 0)
        return
    compare(DATA / name)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.name)
def test_pixels_of_the_samples(path):
    compare(path)


@pytest.mark.parametrize("name", [n for n in FILES if n not in REFUSED])
def test_what_is_frozen_is_the_same(name):
    file = Watched.open(DATA / name)
    rasters = DicomReader().open(file, {"series": False})
    thawed = DicomReader().thaw(DicomReader().freeze(rasters), {file.source.path: file})
    assert [r.spec for r in thawed] == [r.spec for r in rasters]
    np.testing.assert_array_equal(voxels(thawed[0], 0), voxels(rasters[0], 0))


SMALL_VOLUME = np.array([8, 4, 9, 2], "<i4").tobytes() + bytes(1008)
"""The head of an MRC file, of 8 x 4 x 9 numbers, looks like an element of group 8 and one of group 2."""


def test_sniffing():
    reader = DicomReader()
    for name in FILES:
        head = (DATA / name).read_bytes()[:4096]
        assert reader.sniff(head, name) or name == "no_meta.dcm"
    assert not reader.sniff((DATA / "dicomdirtests" / "DICOMDIR").read_bytes()[:4096], "index")
    for other in (b"", b"II*\0" + bytes(200), b"\x89PNG\r\n\x1a\n", bytes(4096), b"\x08\0" * 40, SMALL_VOLUME):
        assert not reader.sniff(other, "x.dcm")


def rng(shape, dtype, high=None):
    info = np.iinfo(dtype)
    return np.random.default_rng(5).integers(info.min, (high or info.max) + 1, shape, dtype=dtype, endpoint=False)


def _rle(frame):
    from pydicom.pixels.encoders.base import EncodeRunner
    from pydicom.pixels.encoders.native import _encode_frame

    runner = EncodeRunner(RLELossless)
    runner.set_options(
        rows=frame.shape[0], columns=frame.shape[1], samples_per_pixel=1, number_of_frames=1, bits_allocated=16,
        bits_stored=16, pixel_representation=0, photometric_interpretation="MONOCHROME2", pixel_keyword="PixelData",
    )  # fmt: skip
    return bytes(_encode_frame(frame.tobytes(), runner))


ENCODERS = {
    RLELossless: _rle,
    JPEGLosslessSV1: imagecodecs.ljpeg_encode,
    JPEGLSLossless: imagecodecs.jpegls_encode,
    JPEG2000Lossless: lambda f: imagecodecs.jpeg2k_encode(f, codecformat="j2k", reversible=True, level=0),
    HTJ2KLossless: lambda f: imagecodecs.htj2k_encode(f, reversible=True),
}


@pytest.mark.parametrize("syntax", ENCODERS, ids=lambda s: s.name)
@pytest.mark.parametrize("offsets", ["basic", "extended", "none", "split"])
def test_frames_are_found_by_every_table_of_offsets(tmp_path, syntax, offsets):
    frames = rng((5, 24, 18), "u2", 4000)
    encoded = [ENCODERS[syntax](f) for f in frames]
    more = {}
    if offsets == "basic":
        data = encapsulate(encoded, has_bot=True)
    elif offsets == "none":
        data = encapsulate(encoded, has_bot=False)
    elif offsets == "split":
        if syntax == RLELossless:
            pytest.skip("a frame of RLE is one fragment")
        data = encapsulate(encoded, fragments_per_frame=3, has_bot=False)
    else:
        data, more["ExtendedOffsetTable"], more["ExtendedOffsetTableLengths"] = encapsulate_extended(encoded)
    path = write(tmp_path / "a.dcm", frames, syntax=syntax, fragments=data, FrameTime=40.0, **more)
    (raster,) = opened(path)
    assert raster.spec.names == ("t", "y", "x")
    assert raster.spec.levels[0].scale[0] == pytest.approx(0.04)
    np.testing.assert_array_equal(voxels(raster, 0), frames)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_uncompressed(tmp_path, syntax, dtype):
    frames = rng((3, 6, 8), dtype)
    order = ">" if syntax == ExplicitVRBigEndian else "<"
    path = write(tmp_path / "a.dcm", frames.astype(frames.dtype.newbyteorder(order)), syntax=syntax)
    np.testing.assert_array_equal(voxels(opened(path)[0], 0), frames)


def test_unused_bits_are_no_part_of_the_numbers(tmp_path):
    numbers = rng((7, 9), "u2")
    path = write(tmp_path / "a.dcm", numbers, BitsStored=12, HighBit=13)
    np.testing.assert_array_equal(voxels(opened(path)[0], 0), (numbers >> 2) & 0xFFF)
    path = write(tmp_path / "b.dcm", numbers, BitsStored=12, HighBit=11, PixelRepresentation=1)
    signed = ((numbers & 0xFFF).astype(int) + 2048) % 4096 - 2048
    np.testing.assert_array_equal(voxels(opened(path)[0], 0), signed)


def test_single_bits_that_cross_bytes(tmp_path):
    masks = rng((5, 3, 7), "u1", 1)
    packed = np.packbits(masks.ravel(), bitorder="little")
    fields = {"NumberOfFrames": 5, "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
    path = write(tmp_path / "a.dcm", packed.reshape(1, -1), Rows=3, Columns=7, **fields)
    np.testing.assert_array_equal(voxels(opened(path)[0], 0), masks)


def test_colours_plane_by_plane(tmp_path):
    pixels = rng((2, 6, 8, 3), "u1")
    path = write(tmp_path / "a.dcm", pixels, SamplesPerPixel=3)
    planar = np.ascontiguousarray(np.moveaxis(pixels, -1, 1))
    other = write(
        tmp_path / "b.dcm", planar, SamplesPerPixel=3, PlanarConfiguration=1, Rows=6, Columns=8, NumberOfFrames=2
    )
    for name in (path, other):
        (raster,) = opened(name)
        assert raster.spec.names == ("c", "z", "y", "x")
        assert [c.name for c in raster.spec.channels] == ["Red", "Green", "Blue"]
        np.testing.assert_array_equal(voxels(raster, 0), np.moveaxis(pixels, -1, 0))


def test_luminance_and_chrominance_plane_by_plane(tmp_path):
    pixels = rng((6, 8, 3), "u1")
    fields = {"SamplesPerPixel": 3, "PhotometricInterpretation": "YBR_FULL", "Rows": 6, "Columns": 8}
    one = write(tmp_path / "a.dcm", pixels, **fields)
    two = write(
        tmp_path / "b.dcm", np.moveaxis(pixels, -1, 0).copy(), **fields, PlanarConfiguration=1, NumberOfFrames=None
    )
    from pydicom.pixels import convert_color_space

    expected = np.moveaxis(convert_color_space(pixels, "YBR_FULL", "RGB"), -1, 0)
    for path in (one, two):
        assert np.abs(voxels(opened(path)[0], 0).astype(int) - expected).max() <= 1


def test_hounsfield_units_stay_whole_numbers(tmp_path):
    numbers = rng((7, 9), "u2", 4095)
    fields = {
        "BitsStored": 12,
        "HighBit": 11,
        "RescaleSlope": 1,
        "RescaleIntercept": -1024,
        "WindowCenter": 40,
        "WindowWidth": 400,
    }
    (raster,) = opened(write(tmp_path / "a.dcm", numbers, **fields))
    assert raster.spec.dtype == np.int16
    assert raster.spec.channels[0].window == (-160, 239)
    np.testing.assert_array_equal(voxels(raster, 0), numbers.astype(int) - 1024)
    (raster,) = opened(write(tmp_path / "b.dcm", numbers, RescaleSlope=0.5, RescaleIntercept=-1))
    assert raster.spec.dtype == np.float32
    np.testing.assert_array_equal(voxels(raster, 0), numbers * 0.5 - 1)


@pytest.mark.parametrize(("keyword", "dtype"), [("FloatPixelData", "f4"), ("DoubleFloatPixelData", "f8")])
def test_floating_point(tmp_path, keyword, dtype):
    values = np.random.default_rng(1).normal(size=(6, 8)).astype(dtype)
    import pydicom

    path = write(tmp_path / "a.dcm", np.zeros((6, 8), "u4"))
    ds = pydicom.dcmread(path)
    del ds.PixelData
    setattr(ds, keyword, values.tobytes())
    ds.BitsAllocated = 8 * values.itemsize
    ds.BitsStored, ds.HighBit = ds.BitsAllocated, ds.BitsAllocated - 1
    ds.save_as(path)
    (raster,) = opened(path)
    assert raster.spec.dtype == values.dtype
    np.testing.assert_array_equal(voxels(raster, 0), values)


@pytest.mark.parametrize(("slope", "intercept", "dtype"), [(-1, 65535, "u2"), (-1, 0, "u1"), (3, -32768, "u1")])
def test_whole_factors_that_are_no_numbers_of_the_type(tmp_path, slope, intercept, dtype):
    numbers = rng((6, 7), dtype)
    (raster,) = opened(write(tmp_path / "a.dcm", numbers, RescaleSlope=slope, RescaleIntercept=intercept))
    assert raster.spec.dtype.kind in "iu"
    np.testing.assert_array_equal(voxels(raster, 0), numbers.astype(np.int64) * slope + intercept)


def test_no_text_of_the_whole_dictionary_is_told_but_names_of_kinds():
    spoken = {"SH", "LO", "ST", "LT", "UT", "UC", "UR", "PN", "AE", "AS", "DA", "TM", "DT", "UI"}
    told = {}
    for tag, (vr, *_) in DicomDictionary.items():
        for stated in {vr.split(" or ")[0], "CS"} if vr in spoken else ():
            told |= original(Header({tag: (stated, b"somebody")}), identifying=False)
    classes = {"SOPClassUID", "TransferSyntaxUID", "MediaStorageSOPClassUID"}
    assert len(told) < 50
    assert classes | {"Manufacturer", "SegmentLabel", "CodeMeaning"} < told.keys()
    # labels of slides, drawings, comments: none of them is of the patient's own group
    never = {"LabelText", "BarcodeValue", "TextComments", "UnformattedTextValue", "CameraOwnerName", "StationAETitle"}
    assert not never & told.keys()


def test_nothing_says_whose_image_it_is(tmp_path):
    fields = {
        "PatientBirthDate": "19700101", "InstitutionName": "General", "OperatorsName": "Roe^R", "StudyDate": "20200102",
        "AcquisitionDate": "20200102", "AcquisitionTime": "030405.25", "StudyInstanceUID": "1.2.3.4",
        "Manufacturer": "ACME",
        "AccessionNumber": "A77", "ImageComments": "of Jane", "DeviceSerialNumber": "SN9",
        "SeriesDescription": "Jane's head",
        "RequestAttributesSequence": [item(ScheduledProcedureStepDescription="Jane again")],
        "ReferencedImageSequence": [item(ReferencedSOPInstanceUID="1.2.3.9", ReferencedSOPClassUID="1.2.840.10008.1")],
    }  # fmt: skip
    path = write(tmp_path / "a.dcm", rng((4, 4), "u1"), **fields)
    (raster,) = opened(path)
    told = json.dumps(dict(raster.spec.attrs))
    for secret in ("Doe", "Jane", "secret-17", "1970", "General", "Roe", "1.2.3", "A77", "SN9"):
        assert secret not in told
    assert raster.spec.attrs["original"]["Manufacturer"] == "ACME"
    assert raster.spec.attrs["acquired"] == "2020-01-02T03:04:05.25"
    (raster,) = opened(path, identifying="keep")
    assert raster.spec.attrs["original"]["PatientName"] == "Doe^Jane"
    assert raster.spec.attrs["name"] == "Jane's head"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"BitsAllocated": 12}, "BitsAllocated"),
        ({"PhotometricInterpretation": "HSV"}, "HSV"),
        ({"BitsStored": 20}, "20 bits"),
        ({"Rows": 60000, "Columns": 60000}, "more than can be read|hold"),
        ({"NumberOfFrames": 40}, "40 frames need"),
        ({"SamplesPerPixel": 3, "PhotometricInterpretation": "MONOCHROME2"}, "3 samples"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "palette"),
    ],
)
def test_what_cannot_be_shown_truly_is_refused(tmp_path, fields, sentence):
    path = write(tmp_path / "a.dcm", rng((8, 8, 3) if "SamplesPerPixel" in fields else (8, 8), "u1"), **fields)
    with pytest.raises((BadSource, Unsupported), match=sentence):
        opened(path)


def test_options_are_named():
    with pytest.raises(Unsupported, match=r"'frames'.*`series`"):
        opened(DATA / "CT_small.dcm", frames=3)
    with pytest.raises(Unsupported, match="drop or keep"):
        opened(DATA / "CT_small.dcm", identifying="all")


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small_RLE.dcm", "examples_palette.dcm", "rtdose_rle.dcm"])
def test_damaged_files_are_refused_or_read(name, tmp_path):
    data = (DATA / name).read_bytes()[:60_000]
    random = np.random.default_rng(11)
    path = tmp_path / "a.dcm"
    for _ in range(60):
        made = bytearray(data[: random.integers(140, len(data))] if random.random() < 0.4 else data)
        for _ in range(random.integers(0, 12)):
            made[random.integers(132, min(len(made), 3000))] = random.integers(256)
        path.write_bytes(made)
        try:
            for raster in opened(path):
                if np.prod(raster.spec.levels[0].shape) < 1 << 22:
                    voxels(raster, 0)
        except SourceError:
            continue
