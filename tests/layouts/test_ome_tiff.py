"""OME-TIFF and plain TIFF, as tifffile and ome-types read them."""

from __future__ import annotations

import io
import struct
import time
from functools import cache
from itertools import takewhile

import numpy as np
import ome_types
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from plain_evaluator import opened, render, whole
from written_tiffs import RGB, RGBA, image_of, part, pattern, read, voxels

from s3facade.core.errors import Unsupported
from s3facade.core.image import Dataset, Opened, Source
from s3facade.core.objects import Literal, Run, cut
from s3facade.core.spec import Axis, Channel, Level, Spec
from s3facade.layouts.ome_tiff import OmeTiff, Tiff
from s3facade.layouts.tiff_file import DESCRIBED
from s3facade.layouts.tiff_pages import TYPES

SHAPES = {
    "plane": ((300, 500), "yx", {}),
    "one tile": ((9, 5), "yx", {}),
    "two tiles": ((30, 70), "yx", {}),
    "stack": ((3, 90, 130), "zyx", {"unit": "micrometer", "scale": (2.0, 0.65, 0.65)}),
    "all axes": ((2, 3, 4, 70, 90), "tczyx", {}),
    "photo": ((3, 200, 170), "cyx", {"dtype": "u1", "channels": RGB}),
    "photos": ((2, 3, 2, 100, 90), "tczyx", {"dtype": "u2", "channels": RGB}),
    "transparent": ((4, 100, 90), "cyx", {"dtype": "u1", "channels": RGBA}),
    "three channels": ((3, 100, 90), "cyx", {"dtype": "u1", "channels": [Channel("a"), Channel("b"), Channel("c")]}),
}


def of(image, layout):
    return layout.build(Dataset({"": image}))


@cache
def stack(big):
    file = of(image_of((2, 3, 90, 130), "czyx"), OmeTiff(tile=32, bigtiff=big))
    return file, render(file.body())


@pytest.mark.parametrize("big", [None, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_tifffile_reads_every_level(shape, big):
    size, names, more = SHAPES[shape]
    image = image_of(size, names, **more)
    file = of(image, OmeTiff(tile=48, bigtiff=big))
    data = render(file.body())
    assert len(data) == file.size
    with read(data) as tiff:
        assert tiff.is_bigtiff == bool(big)
        assert tiff.is_ome
        (series,) = tiff.series
        colours = image.spec.channels and image.spec.channels[0].name == "Red"
        expected = [a.upper() for a in names if not (colours and a == "c")] + (["S"] if colours else [])
        assert series.axes == "".join(expected)
        assert len(series.levels) == len(image.spec.levels)
        for n, level in enumerate(series.levels):
            np.testing.assert_array_equal(np.squeeze(level.asarray()), voxels(image, n))


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("layout", [OmeTiff(tile=32), Tiff(tile=32, pyramid=True)])
def test_every_type(dtype, layout):
    image = image_of((2, 70, 45), "zyx", np.dtype(dtype))
    with read(render(of(image, layout).body())) as tiff:
        assert tiff.series[0].dtype == dtype
        np.testing.assert_array_equal(tiff.asarray(), whole(image, 0))


@pytest.mark.parametrize("dtype", ["bool", "f2", "u8", "i8", "c8"])
def test_types_that_few_programs_read_are_refused(dtype):
    with pytest.raises(Unsupported, match="write `dtype:`"):
        of(opened(pattern((20, 30)).astype(dtype)), OmeTiff())


@pytest.mark.parametrize("shape", SHAPES)
def test_the_description_is_valid_and_true(shape):
    size, names, more = SHAPES[shape]
    image = image_of(size, names, **more)
    data = render(of(image, OmeTiff(tile=64, name="A <name> µ")).body())
    with read(data) as tiff:
        text = tiff.ome_metadata
        # programs that look at the first 4 KiB alone must find none of it
        assert tiff.pages[0].tags["ImageDescription"].valueoffset >= DESCRIBED
        assert data[tiff.pages[0].tags["ImageDescription"].valueoffset :].startswith(b"<?xml")
    told = ome_types.from_xml(text, validate=True).images[0]
    assert told.name == "A <name> µ"
    spec, pixels = image.spec, told.pixels
    assert [getattr(pixels, f"size_{a}") for a in "tczyx"] == [spec.length(a) for a in "tczyx"]
    assert pixels.dimension_order.value == "XYZCT"
    assert sum(c.samples_per_pixel for c in pixels.channels) == spec.length("c")
    assert pixels.tiff_data_blocks[0].plane_count == len(read(data).pages)
    known = spec.axes[-1].unit is not None
    assert (pixels.physical_size_x == 0.65) if known else (pixels.physical_size_x is None)
    assert not known or {u.value for u in (pixels.physical_size_x_unit, pixels.physical_size_z_unit)} == {"µm"}


def test_resolution_is_exact():
    image = image_of((3, 90, 130), "zyx", unit="micrometer", scale=(2.0, 0.65, 0.325))
    for layout in (OmeTiff(), Tiff(pyramid=True)):
        with read(render(of(image, layout).body())) as tiff:
            tags = tiff.pages[0].tags
            assert tags["XResolution"].value == (400_000, 13)
            assert tags["YResolution"].value == (200_000, 13)
            assert tags["ResolutionUnit"].value == 3
            coarse = tiff.series[0].levels[1].pages[0].tags
            assert coarse["XResolution"].value == (200_000, 13)
    with read(render(of(image_of((20, 30)), Tiff()).body())) as tiff:
        assert "XResolution" not in tiff.pages[0].tags


def test_directories_are_as_ome_tiff_wants_them():
    file, data = stack(None)
    with read(data) as tiff:
        assert len(tiff.pages) == 6
        for number, page in enumerate(tiff.pages):
            assert page.is_tiled
            assert page.tags["NewSubfileType"].value == 0
            assert len(page.pages) == 2
            assert ("ImageDescription" in page.tags) == (number == 0)
            assert [sub.tags["NewSubfileType"].value for sub in page.pages] == [1, 1]
    assert struct.unpack("<2sHI", data[:8]) == (b"II", 42, 16)
    assert file.media_type == "image/tiff"


@pytest.mark.parametrize("big", [None, True])
@given(data=st.data())
def test_any_range_is_a_slice(big, data):
    file, everything = stack(big)
    start = data.draw(st.integers(0, file.size - 1))
    stop = data.draw(st.integers(start + 1, min(file.size, start + data.draw(st.sampled_from([1, 40, 9000, 10**7])))))
    assert part(file.body(), start, stop) == everything[start:stop]


def test_a_range_of_a_tile_computes_that_tile_alone():
    file, everything = stack(None)
    with read(everything) as tiff:
        page = tiff.pages[4]
        at, size = page.dataoffsets[3], page.databytecounts[3]
    touched = [c.segment for c in cut(file.body(), at, at + size)]
    assert len(touched) == 1
    assert touched[0].region.start == (1, 1, 0, 96)
    assert part(file.body(), at, at + size) == everything[at : at + size]


def huge(shape, block=None):
    """A description without voxels."""
    names = "tczyx"[-len(shape) :]
    level = Level(shape, (1.0,) * len(shape), (0.0,) * len(shape), block or (1,) * (len(shape) - 2) + (512, 512))
    spec = Spec(tuple(Axis(n) for n in names), np.dtype("u2"), (level,), (), identity=str(shape))
    return Opened(Source("/data/huge.tif", 1, 1, "e"), "numpy", 0, spec)


def head(obj, most):
    """What stands before the first tile, and at most so many bytes of it."""
    pieces = takewhile(lambda c: isinstance(c.segment, Literal), cut(obj, 0, most))
    return b"".join(c.segment.data[c.lo : c.hi] for c in pieces)


@pytest.mark.parametrize("shape", [(229_000, 229_000), (40, 50, 100, 512, 512)], ids=["200k tiles", "200k planes"])
def test_the_header_of_a_huge_file_costs_nothing_until_it_is_read(shape):
    begun = time.thread_time()
    file = of(huge(shape), OmeTiff())
    obj = file.body()
    assert file.size > 10**11
    described = time.thread_time() - begun
    assert described < 0.5
    begun = time.thread_time()
    header = head(obj, 16 << 10)
    assert time.thread_time() - begun < 0.1
    assert header[:4] == b"II\x2b\x00"
    held = sum(len(p.data) for p in obj.parts if isinstance(p, Literal))
    assert held < 64 << 10, "nothing long is made before it is asked for"
    assert all(p.nbytes <= 64 << 10 for p in obj.parts if isinstance(p, Run) and isinstance(p.make(0), Literal))


def test_tables_of_a_huge_file_say_where_its_tiles_are():
    image = huge((229_000, 229_000))
    file = of(image, OmeTiff())
    with read(head(file.body(), 4 << 20)) as tiff:
        page = tiff.pages[0]
        assert len(page.dataoffsets) == 448**2
        assert page.dataoffsets[-1] + page.databytecounts[-1] == file.size
        (piece,) = cut(file.body(), page.dataoffsets[449], page.dataoffsets[449] + 2 * 512**2)
        assert piece.segment.region.start == (512, 512)


def test_planes_of_a_long_series_follow_each_other():
    image = huge((10, 3, 7, 40, 40))
    file = of(image, OmeTiff(tile=64, bigtiff=True))
    obj = file.body()
    with read(head(obj, 600 << 10)) as tiff:
        assert len(tiff.pages) == 210
        for number in (0, 1, 100, 209):
            at = tiff.pages[number].dataoffsets[0]
            (piece,) = cut(obj, at, at + 1)
            t, rest = divmod(number, 21)
            assert piece.segment.region.start[:3] == (t, *divmod(rest, 7))


def test_several_images_are_one_file():
    one, other = image_of((2, 90, 130), "zyx"), image_of((3, 50, 60), "cyx", "u1", channels=RGB)
    file = OmeTiff(tile=32).build(Dataset({"0": one, "1": other}))
    data = render(file.body())
    assert len(data) == file.size
    with read(data) as tiff:
        assert [series.shape for series in tiff.series] == [(2, 90, 130), (50, 60, 3)]
        for n, image in enumerate((one, other)):
            for k, level in enumerate(tiff.series[n].levels):
                np.testing.assert_array_equal(level.asarray(), voxels(image, k))
        assert [i.name for i in ome_types.from_xml(tiff.ome_metadata).images] == ["0", "1"]
    with pytest.raises(Unsupported, match="`series:`"):
        Tiff().build(Dataset({"0": one, "1": other}))


def test_levels_without_every_plane_are_left_out():
    levels = [pattern(shape) for shape in ((8, 64, 64), (4, 32, 32))]
    with read(render(of(opened(*levels, names="zyx"), OmeTiff(tile=16)).body())) as tiff:
        assert [level.shape for level in tiff.series[0].levels] == [(8, 64, 64)]
    with read(render(of(image_of((8, 64, 64), "zyx"), OmeTiff(tile=16, pyramid=False)).body())) as tiff:
        assert len(tiff.series[0].levels) == 1


@pytest.mark.parametrize("side", [0, 8, 100, 65536])
def test_tiles_that_tiff_does_not_allow(side):
    with pytest.raises(Unsupported, match="multiple of 16"):
        of(image_of((20, 30)), OmeTiff(tile=side))


@pytest.mark.parametrize("shape", [(40_000, 40_000), (32_768, 32_768)])
def test_tiles_are_smaller_than_2_gib(shape):
    with pytest.raises(Unsupported, match="32768 x 32768 pixels has 2147483648 bytes"):
        of(huge(shape), OmeTiff(tile=32768))
    assert of(huge(shape), OmeTiff(tile=16384)).size > 2**31


def test_a_classic_file_ends_at_4_gib():
    with pytest.raises(Unsupported, match="do not fit into a classic TIFF"):
        of(huge((100_000, 100_000)), OmeTiff(bigtiff=False))
    assert part(of(huge((40_000, 40_000)), Tiff()).body(), 0, 4)[2:] == b"*\x00"
    assert part(of(huge((60_000, 60_000)), Tiff()).body(), 0, 4)[2:] == b"+\x00"


def test_identity_follows_what_is_served():
    image, other = image_of((20, 30)), image_of((20, 30))
    identities = {
        of(*pair).identity
        for pair in ((image, OmeTiff()), (other, OmeTiff()), (image, OmeTiff(tile=16)), (image, OmeTiff(name="x")))
    }
    assert len(identities) == 4
    assert of(image, OmeTiff()).identity == of(image, OmeTiff()).identity


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize(
    ("shape", "names", "dtype", "channels"),
    [
        ((300, 500), "yx", "u1", ()),
        ((300, 500), "yx", "u2", ()),
        ((30, 50), "yx", "f4", ()),
        ((3, 200, 170), "cyx", "u1", RGB),
        ((4, 200, 170), "cyx", "u1", RGBA),
    ],
)
def test_pillow_reads_plain_files(big, shape, names, dtype, channels):
    image = image_of(shape, names, dtype, channels=channels)
    with Image.open(io.BytesIO(render(of(image, Tiff(tile=64, bigtiff=big)).body()))) as shown:
        np.testing.assert_array_equal(np.asarray(shown), voxels(image, 0))


def test_what_it_is_called():
    image = image_of((20, 30))
    for layout, about, expected in (
        (OmeTiff(), {}, "scan"),
        (OmeTiff(), {"name": "Brain 12"}, "Brain 12"),
        (OmeTiff(name="x"), {"name": "Brain 12"}, "x"),
        (OmeTiff(), {"description": "of a brain"}, "scan"),
    ):
        file = layout.build(Dataset({"": image}, about=about))
        with read(render(file.body())) as tiff:
            assert ome_types.from_xml(tiff.ome_metadata).images[0].name == expected
