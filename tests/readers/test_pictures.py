"""Pictures against Pillow, and against imagecodecs' own arrays where Pillow cannot."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tiff_tools import Plain, whole

from s3facade.core.errors import BadSource, SourceError, Unsupported
from s3facade.readers.pictures.reader import PictureReader, kind

READER = PictureReader()
RGB = np.random.default_rng(0).integers(0, 256, (3, 37, 50, 3)).astype("u1")
GREY = RGB[0, ..., 0]
CORPUS = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
SAMPLES = sorted((CORPUS / "images2d").glob("*"))


def opened(tmp_path, data, **options):
    path = tmp_path / "picture"
    path.write_bytes(data)
    assert READER.sniff(data[:4096], "picture")
    (raster,) = READER.open(Plain.open(path), options)
    (again,) = READER.thaw(READER.freeze([raster]), {str(path): Plain.open(path)})
    assert again.spec == raster.spec
    return again


def shown(raster, level=0):
    """Voxels, channels last, as picture libraries give them."""
    found = whole(raster, level)
    names = list(raster.spec.names)
    return np.moveaxis(found, names.index("c"), -1) if "c" in names else found


def saved(array, form, **options):
    stream = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(stream, form, **options)
    return stream.getvalue()


def pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image.convert("RGB") if image.mode == "P" else image)


PLAIN = {
    "png-grey": saved(GREY, "PNG"),
    "png-rgb": saved(RGB[0], "PNG"),
    "png-16": saved(GREY.astype("u2") * 257 + 1, "PNG"),
    "png-alpha": saved(np.dstack([RGB[0], GREY]), "PNG"),
    "png-grey-alpha": saved(Image.fromarray(np.dstack([GREY, GREY // 2]), "LA"), "PNG"),
    "png-palette": saved(Image.fromarray(RGB[0]).quantize(200), "PNG"),
    "png-palette-2": saved(Image.fromarray(RGB[0]).quantize(4), "PNG", bits=2),
    "jpeg": saved(RGB[0], "JPEG"),
    "jpeg-grey": saved(GREY, "JPEG"),
    "jpeg-progressive": saved(RGB[0], "JPEG", progressive=True),
    "webp": saved(RGB[0], "WEBP"),
    "webp-lossless": saved(RGB[0], "WEBP", lossless=True),
    "webp-alpha": saved(np.dstack([RGB[0], GREY]), "WEBP", lossless=True),
    "avif": imagecodecs.avif_encode(RGB[0], level=100),
    "bmp": saved(RGB[0], "BMP"),
    "bmp-grey": saved(GREY, "BMP"),
    "bmp-palette": saved(Image.fromarray(RGB[0]).quantize(200), "BMP"),
    "gif": saved(Image.fromarray(RGB[0]).quantize(256), "GIF"),
    "jp2": saved(RGB[0], "JPEG2000"),
    "jp2-tiles": saved(RGB[0], "JPEG2000", tile_size=(16, 24)),
    "jp2-16": saved(GREY.astype("u2") * 200, "JPEG2000"),
    "pgm": saved(GREY, "PPM"),
    "ppm": saved(RGB[0], "PPM"),
    "pgm-16": saved(GREY.astype("u2") * 200, "PPM"),
    "pfm": saved(GREY.astype("f4"), "PPM"),
}  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_pixels_are_those_of_pillow(tmp_path, name):
    data = PLAIN[name]
    raster = opened(tmp_path, data)
    expected = pillow(data)
    np.testing.assert_array_equal(shown(raster), expected)
    assert shown(raster).dtype == raster.spec.dtype
    if raster.spec.length("c") > 2:
        assert [c.color for c in raster.spec.channels[:3]] == ["FF0000", "00FF00", "0000FF"]
    if raster.spec.length("c") in (2, 4):
        assert not raster.spec.channels[-1].active


ENCODED = {
    f"{codec}-{array.dtype}-{array.ndim}": (codec, array)
    for codec, arrays in {
        "jpegxl": (RGB[0], GREY, RGB[0].astype("u2") * 250, GREY.astype("f4")),
        "jpegxr": (RGB[0], GREY, GREY.astype("u2") * 250),
        "qoi": (RGB[0],),
        "jpegls": (RGB[0], GREY.astype("u2") * 250),
        "jpeg2k": (RGB[0], GREY.astype("i2") - 99),
        "htj2k": (RGB[0], GREY.astype("u2") * 200),
    }.items()
    for array in arrays
}


@pytest.mark.parametrize("name", ENCODED)
def test_pixels_are_what_was_encoded(tmp_path, name):
    codec, array = ENCODED[name]
    options = {"lossless": True} if codec == "jpegxl" else {"level": 100} if codec == "jpegxr" else {}
    data = getattr(imagecodecs, f"{codec}_encode")(array, **options)
    raster = opened(tmp_path, data)
    np.testing.assert_array_equal(shown(raster), getattr(imagecodecs, f"{codec}_decode")(data))
    if codec != "jpegxr":
        np.testing.assert_array_equal(shown(raster), array)


def test_htj2k_has_the_resolutions_of_its_stream(tmp_path):
    ramp = np.add.outer(np.arange(300), np.arange(500)).astype("u2")
    data = imagecodecs.htj2k_encode(ramp, reversible=True)
    raster = opened(tmp_path, data)
    assert [level.shape for level in raster.spec.levels] == [(300, 500), (150, 250), (75, 125), (38, 63)]
    for level in range(4):
        np.testing.assert_array_equal(shown(raster, level), imagecodecs.htj2k_decode(data, skipres=level))


@pytest.mark.parametrize("array", [RGB[0], GREY, GREY.astype("u2") * 200], ids=["rgb", "grey", "u2"])
@pytest.mark.parametrize("lossless", [True, False])
@pytest.mark.parametrize("boxes", [True, False])
def test_tiles_of_jpeg_2000_are_read_one_by_one(tmp_path, array, lossless, boxes):
    # Kept by Pillow as OpenJPEG writes it
    options = {"tile_size": (16, 24), "irreversible": not lossless, "no_jp2": not boxes}
    data = saved(array, "JPEG2000", **options, **({} if lossless else {"quality_layers": [4]}))
    raster = opened(tmp_path, data)
    assert raster.chunks(0).block[-2:] == (24, 16)
    assert raster.chunks(0).codec == "JPEG 2000"
    np.testing.assert_array_equal(shown(raster), pillow(data))
    cell = raster.chunks(0).cell((0,) * len(raster.spec.names))
    assert cell.nbytes < len(data) / 4


def test_a_tile_that_is_missing_is_told(tmp_path):
    data = saved(RGB[0], "JPEG2000", tile_size=(16, 24))
    with pytest.raises(BadSource, match=r"JPEG 2000|picture"):
        opened(tmp_path, data[: len(data) // 2])
    first = data.index(b"\xff\x90\0\x0a")
    size = int.from_bytes(data[first + 6 : first + 10], "big")
    with pytest.raises(BadSource, match="1 of 8 tiles"):
        opened(tmp_path, data[:first] + data[first + size :])


def test_indices_of_a_palette(tmp_path):
    for count, bits in ((4, 2), (16, 4), (2, 1), (256, 8)):
        image = Image.fromarray(RGB[0]).quantize(count)
        raster = opened(tmp_path, saved(image, "PNG", bits=bits), palette="index")
        assert raster.spec.names == ("y", "x")
        np.testing.assert_array_equal(shown(raster), np.array(image))


def test_few_bits_are_stretched(tmp_path):
    image = Image.fromarray(GREY > 99)
    raster = opened(tmp_path, saved(image, "PNG"))
    np.testing.assert_array_equal(shown(raster), np.where(GREY > 99, 255, 0))
    assert "stretched" in str(raster.spec.attrs["notes"])


@pytest.mark.parametrize("number", range(1, 9))
def test_orientation_is_told_and_followed_where_asked(tmp_path, number):
    from PIL import ImageOps

    about = Image.Exif()
    about[0x0112] = number
    about[0x0132] = "2024:02:03 04:05:06"
    data = saved(RGB[0], "JPEG", exif=about)
    raster = opened(tmp_path, data)
    np.testing.assert_array_equal(shown(raster), pillow(data))
    assert raster.spec.attrs["acquired"] == "2024-02-03T04:05:06"
    assert ("orientation" in str(raster.spec.attrs.get("notes"))) == (number > 1)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.array(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(shown(opened(tmp_path, data, orientation="upright")), expected)


def test_inks(tmp_path):
    data = saved(Image.fromarray(RGB[0]).convert("CMYK"), "JPEG")
    raster = opened(tmp_path, data)
    # Adobe's way to store inks: 255 for none; Pillow turns them round
    np.testing.assert_array_equal(shown(raster), 255 - pillow(data))
    assert [c.name for c in raster.spec.channels] == ["Cyan", "Magenta", "Yellow", "Black"]


def test_frames_of_a_gif_are_time(tmp_path):
    frames = [Image.fromarray(f).quantize(64) for f in RGB]
    raster = opened(tmp_path, saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=250))
    assert raster.spec.names == ("t", "c", "y", "x")
    assert raster.spec.levels[0].scale[0] == 0.25
    assert raster.spec.axes[0].unit == "second"
    np.testing.assert_array_equal(shown(raster)[2], np.array(frames[2].convert("RGB")))
    uneven = saved(frames[0], "GIF", save_all=True, append_images=frames[1:], duration=[100, 200, 300])
    times = opened(tmp_path, uneven).spec.attrs["times"]
    assert [t["seconds"] for t in times] == pytest.approx([0, 0.1, 0.3])


def test_rows_of_a_large_bmp_are_read_in_parts(tmp_path):
    big = np.random.default_rng(1).integers(0, 256, (1000, 1001, 3)).astype("u1")
    raster = opened(tmp_path, saved(big, "BMP"))
    assert raster.chunks(0).codec == "raw"
    assert raster.chunks(0).block[1] < 1000
    np.testing.assert_array_equal(shown(raster), big)


def test_run_lengths_of_a_bmp_are_refused(tmp_path):
    head = struct.pack("<2sIIIIiiHHIIiiII", b"BM", 99, 0, 54, 40, 4, 3, 1, 8, 1, 0, 0, 0, 0, 0)
    with pytest.raises(Unsupported, match="compression 1"):
        opened(tmp_path, head + bytes(2000))


@pytest.mark.parametrize(
    ("dots", "size"),
    [
        (2000000, 0.5),
        (100000, 10),
        (50000, 20),
        (2834.65, None),
        (11811, None),
        (23622, None),
        (1000, None),
        (47244, None),
    ],
)
def test_only_sizes_that_no_printer_means_are_physical(tmp_path, dots, size):
    data = saved(GREY, "PNG", dpi=(dots * 0.0254, dots * 0.0254))
    level = opened(tmp_path, data).spec
    assert {a.unit for a in level.axes} == ({"micrometer"} if size else {None})
    assert level.levels[0].scale == pytest.approx((size or 1.0,) * 2)


def test_too_large_is_refused_before_anything_is_decoded(tmp_path):
    data = bytearray(PLAIN["png-rgb"])
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    with pytest.raises(Unsupported, match="whole only"):
        opened(tmp_path, bytes(data))
    gif = bytearray(PLAIN["gif"])
    gif[6:10] = b"\xff\xff\xff\xff"
    with pytest.raises(Unsupported, match="whole only"):
        opened(tmp_path, bytes(gif))


def test_options_that_there_are_not(tmp_path):
    with pytest.raises(Unsupported, match="palette and orientation"):
        opened(tmp_path, PLAIN["png-rgb"], colour=1)
    with pytest.raises(Unsupported, match="index"):
        opened(tmp_path, PLAIN["png-rgb"], palette="all")


@pytest.mark.parametrize("name", PLAIN)
def test_cut_short_is_told_and_never_filled(tmp_path, name):
    data = PLAIN[name]
    expected = shown(opened(tmp_path, data))
    for part in (64, len(data) // 3, len(data) // 2, 9 * len(data) // 10, len(data) - 20):
        try:
            found = shown(opened(tmp_path, data[:part]))
        except SourceError:
            continue
        np.testing.assert_array_equal(found, expected)


@settings(max_examples=400, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(PLAIN)), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4))
def test_damage_is_an_error_of_the_source(tmp_path, name, changes):
    data = bytearray(PLAIN[name])
    for at, value in changes:
        data[at] = value
    path = tmp_path / "damaged"
    path.write_bytes(data)
    if not kind(bytes(data[:64])):
        return
    try:
        for raster in READER.open(Plain.open(path), {}):
            whole(raster)
    except (BadSource, Unsupported):
        pass


def known(path):
    """By imagecodecs; of JPEG 2000 the codestream alone, because of a JP2 it applies the colour profile."""
    data = path.read_bytes()
    if path.suffix == ".jp2":
        return imagecodecs.jpeg2k_decode(data[data.index(b"\xff\x4f\xff\x51") :])
    return imagecodecs.imread(path)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda p: p.name)
def test_samples(path):
    (raster,) = READER.open(Plain.open(path), {})
    np.testing.assert_array_equal(shown(raster), known(path))
