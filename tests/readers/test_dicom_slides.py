"""Whole slides in DICOM: tiles, levels, optical paths and focal planes, against wsidicom and against the making."""

from __future__ import annotations

import os
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
from dicom_tools import item, opened, write
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, generate_uid

from s3facade.core.errors import BadSource, Unsupported
from s3facade.testing.reading import voxels

SHARED = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
SAMPLES = sorted((SHARED / "dicom-wsi").glob("*.dcm"))
CORPUS = Path(__file__).parents[1] / "corpus" / "dicom"
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"


def plane(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype="u1")


def tiles(image, size):
    """Row by row, edge tiles padded."""
    down, across = (-(-n // size) for n in image.shape[:2])
    pad = [(0, down * size - image.shape[0]), (0, across * size - image.shape[1]), *[(0, 0)] * (image.ndim - 2)]
    whole = np.pad(image, pad)
    return [
        whole[y : y + size, x : x + size] for y in range(0, down * size, size) for x in range(0, across * size, size)
    ]


def slide(
    path, images, size=16, *, uid, spacing=0.0005, kind="VOLUME", organization="TILED_FULL", frames=None, **fields
):
    """One file: ``images`` by optical path and focal plane."""
    images = np.asarray(images)
    paths, focal = images.shape[:2]
    found = [t for c in images for z in c for t in tiles(z, size)] if frames is None else frames
    colour = {"SamplesPerPixel": 3} if images.ndim == 5 else {}
    given = {
        "SOPClassUID": SLIDE,
        "SeriesInstanceUID": uid,
        "Modality": "SM",
        "ImageType": ["DERIVED", "PRIMARY", kind, "RESAMPLED"],
        "TotalPixelMatrixRows": images.shape[2],
        "TotalPixelMatrixColumns": images.shape[3],
        "TotalPixelMatrixFocalPlanes": focal,
        "NumberOfOpticalPaths": paths,
        "DimensionOrganizationType": organization,
        "OpticalPathSequence": [
            item(OpticalPathIdentifier=f"{n}", OpticalPathDescription=f"dye {n}") for n in range(paths)
        ],
        "SharedFunctionalGroupsSequence": [
            item(
                PixelMeasuresSequence=[
                    item(PixelSpacing=[spacing] * 2, SpacingBetweenSlices=0.002, SliceThickness=0.001)
                ]
            )
        ],
        "NumberOfFrames": len(found),
        **colour,
        **fields,
    }
    return write(path, np.stack(found), **given)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.name)
def test_samples(path):
    wsidicom = pytest.importorskip("wsidicom")
    (raster,) = opened(path)
    with wsidicom.WsiDicom.open(path) as other:
        image = other.read_region((0, 0), 0, (other.size.width, other.size.height)).convert("RGB")
    np.testing.assert_array_equal(np.moveaxis(voxels(raster, 0), 0, -1), np.asarray(image))
    assert raster.spec.levels[0].scale[1:] == pytest.approx((0.499, 0.499))
    assert raster.spec.levels[0].block == (3, 10, 10)


def test_levels_are_the_volume_images_of_a_series(tmp_path):
    uid = generate_uid()
    levels = [plane(70, 101, 3), plane(35, 51, 3, seed=1), plane(18, 26, 3, seed=2)]
    slide(tmp_path / "b.dcm", levels[1][None, None], uid=uid, spacing=0.001)
    slide(tmp_path / "a.dcm", levels[2][None, None], uid=uid, spacing=0.002)
    slide(tmp_path / "c.dcm", levels[0][None, None], uid=uid)
    overview = plane(20, 30, 3, seed=3)
    slide(tmp_path / "o.dcm", overview[None, None], uid=uid, kind="OVERVIEW", spacing=0.05)
    slide(tmp_path / "l.dcm", plane(9, 9, 3)[None, None], uid=uid, kind="LABEL")
    main, beside = opened(tmp_path / "a.dcm")
    for number, level in enumerate(levels):
        np.testing.assert_array_equal(voxels(main, number), np.moveaxis(level, -1, 0))
    assert [level.scale[-1] for level in main.spec.levels] == pytest.approx([0.5, 1, 2])
    np.testing.assert_array_equal(voxels(beside, 0), np.moveaxis(overview, -1, 0))
    assert beside.spec.attrs["name"] == "overview"
    assert len(opened(tmp_path / "a.dcm", identifying="keep")) == 3
    with pytest.raises(Unsupported, match="label"):
        opened(tmp_path / "l.dcm", series=False)


def test_compressed_tiles_of_paths_and_focal_planes(tmp_path):
    images = plane(2, 3, 40, 50)
    encoded = [
        imagecodecs.jpeg2k_encode(t, codecformat="j2k", reversible=True, level=0)
        for c in images for z in c for t in tiles(z, 16)
    ]  # fmt: skip
    path = slide(
        tmp_path / "a.dcm", images, uid=generate_uid(), syntax=JPEG2000Lossless, fragments=encapsulate(encoded)
    )
    (raster,) = opened(path)
    assert raster.spec.names == ("c", "z", "y", "x")
    np.testing.assert_array_equal(voxels(raster, 0), images)
    assert raster.spec.levels[0].scale == pytest.approx((1, 2, 0.5, 0.5))
    assert [c.name for c in raster.spec.channels] == ["dye 0", "dye 1"]


def place(row, column, z=0.0, path="0"):
    return item(
        PlanePositionSlideSequence=[
            item(
                RowPositionInTotalImagePixelMatrix=row,
                ColumnPositionInTotalImagePixelMatrix=column,
                ZOffsetInSlideCoordinateSystem=z,
            )
        ],
        OpticalPathIdentificationSequence=[item(OpticalPathIdentifier=path)],
    )  # fmt: skip


def test_tiles_that_were_imaged_here_and_there(tmp_path):
    image = plane(40, 50)
    every = tiles(image, 16)
    chosen = [11, 0, 6, 3]
    own = [place(16 * (n // 4) + 1, 16 * (n % 4) + 1) for n in chosen]
    fields = {"organization": "TILED_SPARSE", "PerFrameFunctionalGroupsSequence": own}
    path = slide(tmp_path / "a.dcm", image[None, None], uid=generate_uid(), frames=[every[n] for n in chosen], **fields)
    (raster,) = opened(path)
    expected = np.zeros((48, 64), "u1")
    for n in chosen:
        expected[16 * (n // 4) :, 16 * (n % 4) :][:16, :16] = every[n]
    np.testing.assert_array_equal(voxels(raster, 0), expected[:40, :50])
    assert any("not imaged" in n for n in raster.spec.attrs["notes"])
    table = raster.chunks(0)
    assert table.cell((0, 1)) is None
    own[0] = place(3, 1)
    path = slide(tmp_path / "b.dcm", image[None, None], uid=generate_uid(), frames=[every[n] for n in chosen], **fields)
    with pytest.raises(Unsupported, match="grid"):
        opened(path)


def test_a_slide_in_several_files(tmp_path):
    image, uid, whole = plane(40, 50), generate_uid(), generate_uid()
    every = tiles(image, 16)
    for number, (first, last) in enumerate(((0, 5), (5, 7), (7, 12))):
        fields = {
            "ConcatenationUID": whole,
            "ConcatenationFrameOffsetNumber": first,
            "InConcatenationNumber": number + 1,
        }
        slide(tmp_path / f"{number}.dcm", image[None, None], uid=uid, frames=every[first:last], **fields)
    (raster,) = opened(tmp_path / "1.dcm")
    np.testing.assert_array_equal(voxels(raster, 0), image)
    (tmp_path / "0.dcm").unlink()
    with pytest.raises(BadSource, match="missing"):
        opened(tmp_path / "1.dcm")


def test_too_few_tiles_are_refused(tmp_path):
    image = plane(40, 50)
    path = slide(tmp_path / "a.dcm", image[None, None], uid=generate_uid(), frames=tiles(image, 16)[:-1])
    with pytest.raises(BadSource, match="11 tiles; 12 are needed"):
        opened(path)
    ds = pydicom.dcmread(path)
    ds.TotalPixelMatrixRows = 2**31
    ds.TotalPixelMatrixColumns = 2**31
    ds.save_as(path)
    with pytest.raises(BadSource, match="claims"):
        opened(path)


def placed(path, segments):
    """Tiles put in their places by pydicom alone, of the stated segments."""
    ds = pydicom.dcmread(path)
    frames = ds.pixel_array
    out = np.zeros((segments, ds.TotalPixelMatrixRows, ds.TotalPixelMatrixColumns), frames.dtype)
    for frame, about in zip(frames, ds.PerFrameFunctionalGroupsSequence, strict=True):
        at = about.PlanePositionSlideSequence[0]
        row, column = at.RowPositionInTotalImagePixelMatrix - 1, at.ColumnPositionInTotalImagePixelMatrix - 1
        number = about.SegmentIdentificationSequence[0].ReferencedSegmentNumber if segments > 1 else 1
        out[number - 1, row : row + ds.Rows, column : column + ds.Columns] = frame
    return out


def test_segments_of_a_slide_are_channels():
    (sparse,) = opened(CORPUS / "seg_image_sm_dots.dcm", series=False)
    (full,) = opened(CORPUS / "seg_image_sm_dots_tiled_full.dcm", series=False)
    expected = placed(CORPUS / "seg_image_sm_dots.dcm", 50)
    np.testing.assert_array_equal(voxels(sparse, 0), expected)
    np.testing.assert_array_equal(voxels(full, 0), expected)
    assert sparse.spec.attrs["categorical"] is True
    assert sparse.spec.channels[0].name == "RGB(36, 231, 253)"


def test_a_map_of_labels_keeps_its_numbers():
    path = CORPUS / "seg_image_sm_control_labelmap.dcm"
    (raster,) = opened(path, series=False)
    np.testing.assert_array_equal(voxels(raster, 0), placed(path, 1)[0])
    assert raster.spec.attrs["categorical"] is True


def test_segments_of_a_series_are_channels():
    (raster,) = opened(CORPUS / "seg_image_ct_binary_overlap.dcm", series=False)
    assert raster.spec.names == ("c", "z", "y", "x")
    assert [c.name for c in raster.spec.channels] == ["first segment", "second segment"]
    ds = pydicom.dcmread(CORPUS / "seg_image_ct_binary_overlap.dcm")
    found = voxels(raster, 0)
    heights = sorted({f.PlanePositionSequence[0].ImagePositionPatient[2] for f in ds.PerFrameFunctionalGroupsSequence})
    for frame, about in zip(ds.pixel_array, ds.PerFrameFunctionalGroupsSequence, strict=True):
        z = heights.index(about.PlanePositionSequence[0].ImagePositionPatient[2])
        c = about.SegmentIdentificationSequence[0].ReferencedSegmentNumber - 1
        np.testing.assert_array_equal(found[c, z], frame)


def test_two_tiles_at_one_place_are_refused(tmp_path):
    image = plane(32, 32)
    own = [place(1, 1), place(1, 17), place(1, 1), place(17, 17)]
    fields = {"organization": "TILED_SPARSE", "PerFrameFunctionalGroupsSequence": own}
    path = slide(tmp_path / "a.dcm", image[None, None], uid=generate_uid(), **fields)
    with pytest.raises(Unsupported, match="two tiles at one place"):
        opened(path)


def test_fragments_without_a_table_of_offsets():
    wsidicom = pytest.importorskip("wsidicom")
    path = CORPUS / "sm_image_jpegls_nobot.dcm"
    (raster,) = opened(path, series=False)
    with wsidicom.WsiDicom.open(path) as other:
        image = other.read_region((0, 0), 0, (other.size.width, other.size.height)).convert("RGB")
    np.testing.assert_array_equal(np.moveaxis(voxels(raster, 0), 0, -1), np.asarray(image))
