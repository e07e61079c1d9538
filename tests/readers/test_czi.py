"""CZI files: pixels against libCZI, whatever the pieces are compressed with and wherever they lie."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from czi_writer import Writer
from vendor_tools import SAMPLES, damaged, opened, survives, thawed, whole

from s3facade.core.errors import BadSource, SourceError, Unsupported
from s3facade.core.region import Region
from s3facade.readers.czi.reader import CziReader
from s3facade.readers.czi.segments import Entry, Extent
from s3facade.readers.czi.tiles import factor
from s3facade.stores.local import LocalFile
from s3facade.testing.readers import ReaderContract

libczi = pytest.importorskip("pylibCZIrw.czi")
RNG = np.random.default_rng(3)


def smooth(shape, dtype, top=4000):
    """Something that compresses, in the range of its type."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    values = (y * 37 + x * 11) % (250 if dtype == np.uint8 else top)
    if len(shape) == 3:
        values = np.stack([(values + 40 * k) % 250 for k in range(shape[2])], -1)
    return values.astype(dtype)


def from_libczi(path, raster, scene=None, level=0, zoom=1.0):
    """The same image by libCZI, in the axes of ours."""
    shape = dict(zip(raster.spec.names, raster.spec.levels[level].shape, strict=True))
    with libczi.open_czi(str(path)) as document:
        bounds = document.total_bounding_box
        planes = []
        for t in range(shape.get("t", 1)):
            channels = []
            for c in range(bounds["C"][1] if "C" in bounds else 1):
                stack = []
                for z in range(shape.get("z", 1)):
                    plane = {"T": t + bounds.get("T", (0,))[0], "C": c, "Z": z + bounds.get("Z", (0,))[0]}
                    kept = {k: v for k, v in plane.items() if k in bounds}
                    stack.append(document.read(plane=kept, scene=scene, zoom=zoom))
                channels.append(np.stack(stack))
            planes.append(np.stack(channels))
    array = np.stack(planes)
    if array.shape[-1] >= 3:
        array = array[..., [2, 1, 0, 3][: array.shape[-1]]]
    t, c, z, y, x, s = array.shape
    return array.transpose(0, 1, 5, 2, 3, 4).reshape(t, c * s, z, y, x).reshape(raster.spec.levels[level].shape)


def check(path, scenes=(None,)):
    rasters = opened(CziReader, path)
    assert len(rasters) == len(scenes)
    for raster, again, scene in zip(rasters, thawed(CziReader, rasters), scenes, strict=True):
        expected = from_libczi(path, raster, scene)
        np.testing.assert_array_equal(whole(raster), expected)
        np.testing.assert_array_equal(whole(again), expected)
    return rasters


@pytest.mark.parametrize(
    "options", ["uncompressed:", "zstd0:ExplicitLevel=3", "zstd1:PreProcess=HiLoByteUnpack", "zstd1:"]
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("samples", [1, 3])
def test_one_piece_per_plane(tmp_path, options, dtype, samples):
    if dtype == np.float32 and (samples == 3 or "zstd" in options):
        pytest.skip("the writer has no such pixels")
    path = tmp_path / "a.czi"
    expected = np.zeros((2, 2, samples, 3, 61, 47), dtype)
    with libczi.create_czi(str(path), compression_options=options) as document:
        for t in range(2):
            for c in range(2):
                for z in range(3):
                    data = smooth((61, 47, samples), dtype) + dtype(t + 2 * c + z)
                    document.write(data=data, plane={"T": t, "C": c, "Z": z})
                    expected[t, c, :, z] = data.transpose(2, 0, 1)[::-1]
    # libCZI 6.1 writes 16-bit colours in byte planes and does not read them again.
    (raster,) = opened(CziReader, path) if samples == 3 and dtype == np.uint16 else check(path)
    np.testing.assert_array_equal(whole(raster), expected.reshape(2, 2 * samples, 3, 61, 47))
    assert raster.spec.names == ("t", "c", "z", "y", "x")
    assert raster.chunks(0) is not None
    if samples == 3:
        assert [c.color for c in raster.spec.channels] == ["FF0000", "00FF00", "0000FF"] * 2


@pytest.mark.parametrize(("pixel", "dtype", "samples"), [(0, "u1", 1), (1, "u2", 1), (3, "u1", 3), (4, "u2", 3)])
def test_jpeg_xr(tmp_path, pixel, dtype, samples):
    image = smooth((61, 47, samples) if samples > 1 else (61, 47), np.dtype(dtype).type)
    writer = Writer()
    encoded = imagecodecs.jpegxr_encode(image, level=1.0, photometric="rgb" if samples > 1 else None)
    # Files of ZEN have the pixel format 24bppBGR, which is all that libCZI takes; imagecodecs writes 24bppRGB.
    rgb, bgr = (b"\x24\xc3\xdd\x6f\x03\x4e\xfe\x4b\xb1\x85\x3d\x77\x76\x8d\xc9" + end for end in (b"\x0d", b"\x0c"))
    writer.add(encoded.replace(rgb, bgr), pixel, 4, X=(0, 47), Y=(0, 61), C=0)
    (raster,) = check(writer.write(tmp_path / "a.czi"))
    assert raster.spec.attrs["codec"] == "jpegxr"
    if pixel != 3:  # the format was changed behind the encoder's back there
        np.testing.assert_array_equal(whole(raster), image.transpose(2, 0, 1) if samples > 1 else image)


def test_a_grid_with_a_piece_missing(tmp_path):
    path = tmp_path / "a.czi"
    image = RNG.integers(0, 9999, (100, 140), np.uint16)
    with libczi.create_czi(str(path), compression_options="zstd0:ExplicitLevel=1") as document:
        for y in (0, 40, 80):
            for x in (0, 64, 128):
                if (y, x) != (40, 64):
                    document.write(data=image[y : y + 40, x : x + 64, None], location=(x, y), plane={"C": 0})
    (raster,) = check(path)
    assert raster.chunks(0).cell((1, 1)) is None
    assert raster.spec.levels[0].block == (40, 64)
    assert "nothing was acquired" in raster.spec.attrs["notes"][0]


@pytest.mark.parametrize("samples", [1, 3])
def test_overlapping_pieces(tmp_path, samples):
    path = tmp_path / "a.czi"
    with libczi.create_czi(str(path), compression_options="zstd1:PreProcess=HiLoByteUnpack") as document:
        for c in range(2):
            for k, (x, y) in enumerate([(-30, 10), (20, -5), (0, 30), (40, 40), (300, 5), (10, 20)]):
                tile = RNG.integers(k * 40, k * 40 + 39, (50, 60, samples), np.uint8 if samples == 3 else np.uint16)
                document.write(data=tile, location=(x, y), plane={"C": c})
    (raster,) = check(path)
    assert raster.chunks(0) is None
    box = Region((1, 20, 30), (2 * samples, 60, 90))
    np.testing.assert_array_equal(whole(raster, 0, box), whole(raster)[box.slices()])
    np.testing.assert_array_equal(raster.read(0, box), whole(raster)[box.slices()])


def test_scenes_are_images(tmp_path):
    path = tmp_path / "a.czi"
    with libczi.create_czi(str(path)) as document:
        for scene in range(3):
            for k in range(2):
                tile = RNG.integers(0, 255, (40, 50 + scene, 1), np.uint8)
                document.write(data=tile, location=(500 * scene + 50 * k, 7), plane={"C": 0}, scene=scene)
        document.write_metadata("named", scale_x=2e-7, scale_y=3e-7, scale_z=1e-6)
    rasters = check(path, scenes=(0, 1, 2))
    about = rasters[1].spec.levels[0]
    assert about.scale == pytest.approx((0.3, 0.2))
    assert about.origin == pytest.approx((7 * 0.3, 500 * 0.2))


def test_pieces_of_a_jpeg(tmp_path):
    tile = smooth((64, 80, 3), np.uint8)
    encoded = imagecodecs.jpeg_encode(tile, 90)
    writer = Writer()
    for x in (0, 80):
        writer.add(encoded, 3, 1, X=(x, 80), Y=(0, 64), C=0)
    (raster,) = opened(CziReader, writer.write(tmp_path / "a.czi"))
    found = whole(raster)
    decoded = imagecodecs.jpeg_decode(encoded)
    np.testing.assert_array_equal(found, np.concatenate([decoded, decoded], 1).transpose(2, 0, 1))


def pyramid(tmp_path, *, holes=False, overlap=0, jpeg=False):
    """Levels of 1, 2 and 4; the smaller ones are not means, so that they are told apart."""
    writer = Writer()
    images = {f: RNG.integers(0, 200, (-(-200 // f), -(-260 // f)), np.uint8) for f in (1, 2, 4)}
    for f, image in images.items():
        step = 64 - (overlap if f == 1 else 0)
        m = 0
        for y in range(0, 200, step * f):
            for x in range(0, 260, step * f):
                height, width = min(64 * f, 200 - y), min(64 * f, 260 - x)
                if holes and f == 2 and x == y == 128:
                    continue
                part = np.ascontiguousarray(image[y // f : y // f + -(-height // f), x // f : x // f + -(-width // f)])
                data = imagecodecs.jpegxr_encode(part) if jpeg else part.tobytes()
                extra = {"M": (m, 1)} if f == 1 else {}
                m += 1
                dims = {"X": (x - 10, width, part.shape[1]), "Y": (y + 20, height, part.shape[0]), "C": (0, 1), **extra}
                writer.add(data, 0, 4 if jpeg else 0, pyramid=0 if f == 1 else 2, **dims)
    return writer.write(tmp_path / "p.czi"), images


@pytest.mark.parametrize("jpeg", [False, True])
@pytest.mark.parametrize("overlap", [0, 10])
def test_pyramid(tmp_path, jpeg, overlap):
    path, images = pyramid(tmp_path, overlap=overlap, jpeg=jpeg)
    (raster,) = opened(CziReader, path)
    assert [level.shape for level in raster.spec.levels] == [i.shape for i in images.values()]
    for found in (raster, *thawed(CziReader, [raster])):
        for level, image in enumerate(images.values()):
            np.testing.assert_array_equal(whole(found, level), image)
    np.testing.assert_array_equal(whole(raster), from_libczi(path, raster))
    np.testing.assert_array_equal(whole(raster, 1), from_libczi(path, raster, level=1, zoom=0.5))
    assert [level.scale for level in raster.spec.levels] == [(0.25 * f, 0.5 * f) for f in (1, 2, 4)]


@pytest.mark.parametrize("jpeg", [False, True])
@pytest.mark.parametrize("overlap", [0, 10])
def test_heads_of_many_pieces_are_read_with_their_pixels(tmp_path, monkeypatch, jpeg, overlap):
    monkeypatch.setattr("s3facade.readers.czi.places._FEW", 2)
    path, images = pyramid(tmp_path, overlap=overlap, jpeg=jpeg)
    reads = []
    pread = LocalFile.pread
    monkeypatch.setattr(LocalFile, "pread", lambda self, at, n: reads.append((at, n)) or pread(self, at, n))
    (raster,) = opened(CziReader, path)
    assert len(reads) <= 9
    for found in (raster, *thawed(CziReader, [raster])):
        for level, image in enumerate(images.values()):
            np.testing.assert_array_equal(whole(found, level), image)
    data = bytearray(path.read_bytes())
    first = data.index(b"ZISRAWSUBBLOCK")
    data[first : first + 4] = b"DELE"
    path.write_bytes(data)
    with pytest.raises(BadSource, match="does not decode"):
        whole(opened(CziReader, path)[0])


def test_a_level_that_shows_a_part_only_is_not_offered(tmp_path):
    path, _ = pyramid(tmp_path, holes=True)
    (raster,) = opened(CziReader, path)
    assert [level.shape for level in raster.spec.levels] == [(200, 260), (50, 65)]
    assert "show part of the image only" in raster.spec.attrs["notes"][0]


def test_sizes_of_pyramids_are_rounded_in_any_way():
    def fake(sizes, stored):
        extents = {a: Extent(0, n, m) for a, n, m in zip("XY", sizes, stored, strict=True)}
        return Entry(0, 0, 2, 0, 2, extents)

    assert factor(fake((1001, 1001), (500, 501))) == 2
    assert factor(fake((999, 17), (62, 1))) == 16
    assert factor(fake((900, 900), (100, 100))) == 9
    assert factor(fake((100, 100), (100, 50))) == 0
    assert factor(fake((100, 100), (250, 250))) == 0


def test_metadata(tmp_path):
    writer = Writer(times=[10.0, 12.5, 15.0])
    for t in range(3):
        for c in range(2):
            writer.add(bytes(12), 0, 0, X=(0, 4), Y=(0, 3), C=c, T=t)
    (raster,) = opened(CziReader, writer.write(tmp_path / "a.czi"))
    spec = raster.spec
    assert spec.levels[0].scale == (2.5, 1.0, 0.25, 0.5)
    first, second = spec.channels
    assert (first.name, first.color, first.emission, first.excitation) == ("DAPI", "0000FF", 461, 358)
    assert first.window == pytest.approx((25.5, 127.5))
    assert (second.name, second.color, second.window) == ("GFP", "00FF00", None)
    assert spec.attrs["acquired"] == "2024-05-06T07:08:09Z"
    assert spec.attrs["objective"] == {"name": "Plan 20x", "magnification": 20, "na": 0.8, "immersion": "Air"}
    assert spec.attrs["exposures"] == [0.005, None]
    assert [p["seconds"] for p in spec.attrs["times"]] == [10.0, 12.5, 15.0]
    assert "Information" in spec.attrs["original"]


def test_scenes_have_names_and_places_on_the_stage(tmp_path):
    writer = Writer()
    for scene in range(2):
        writer.add(bytes([scene] * 12), 0, 0, X=(9 * scene, 4), Y=(0, 3), S=scene)
    first, second = opened(CziReader, writer.write(tmp_path / "a.czi"))
    assert (first.spec.attrs["name"], second.spec.attrs["name"]) == ("P1", "P2")
    assert first.spec.attrs["positions"] == [{"x": 12.5, "y": -3000.0}]
    assert "positions" not in second.spec.attrs
    assert int(whole(second).min()) == 1


def test_other_dimensions_and_pixel_types_are_images(tmp_path):
    writer = Writer()
    for view in (0, 1):
        writer.add(bytes([view] * 12), 0, 0, X=(0, 4), Y=(0, 3), C=0, V=view)
    writer.add(np.full(12, 7, "u2").tobytes(), 1, 0, X=(0, 4), Y=(0, 3), C=1, V=0)
    rasters = opened(CziReader, writer.write(tmp_path / "a.czi"))
    assert [(r.spec.dtype.name, int(whole(r).max()), r.spec.channels[0].name) for r in rasters] == [
        ("uint8", 0, "DAPI"),
        ("uint16", 7, "GFP"),
        ("uint8", 1, "DAPI"),
    ]
    assert "view 1" in rasters[2].spec.attrs["notes"][0]
    assert rasters[2].spec.attrs["name"] == "view 1"


def simple(tmp_path, **changes):
    writer = Writer(part=changes.pop("part", 0))
    values = {"pixel": 0, "compression": 0, "X": (0, 4), "Y": (0, 3), "C": 0, **changes}
    writer.add(bytes(12), **values)
    return writer.write(tmp_path / "a.czi")


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"part": 2}, Unsupported, "part 2 of a set"),
        ({"pixel": 10}, Unsupported, "Gray64Complex"),
        ({"compression": 3}, Unsupported, "method 3"),
        ({"Z": (0, 2)}, Unsupported, "several indices of Z"),
        ({"X": (0, 1 << 30)}, Unsupported, "MiB"),
        ({"X": (0, -4)}, BadSource, "size -4"),
    ],
)
def test_what_is_refused(tmp_path, changes, error, words):
    with pytest.raises(error, match=words):
        opened(CziReader, simple(tmp_path, **changes))


def test_options_are_refused(tmp_path):
    with pytest.raises(Unsupported, match="'scene'"):
        opened(CziReader, simple(tmp_path), scene=1)


def test_indices_too_far_apart_are_refused(tmp_path):
    writer = Writer()
    for t in (0, 1 << 30):
        writer.add(bytes(12), 0, 0, X=(0, 4), Y=(0, 3), T=t)
    with pytest.raises(BadSource, match="indices of T"):
        opened(CziReader, writer.write(tmp_path / "a.czi"))


def test_pixels_too_short_are_never_filled(tmp_path):
    writer = Writer()
    writer.add(bytes(11), 0, 0, X=(0, 4), Y=(0, 3))
    (raster,) = opened(CziReader, writer.write(tmp_path / "a.czi"))
    with pytest.raises(BadSource):
        whole(raster)


def test_sniffed_by_its_first_segment():
    reader = CziReader()
    assert reader.sniff(b"ZISRAWFILE".ljust(16, b"\0"), "x")
    assert not reader.sniff(b"II*\0", "x.czi")
    assert not reader.sniff(b"", "x.czi")


def test_damaged_files(tmp_path):
    path, _ = pyramid(tmp_path, overlap=10, jpeg=True)
    first = path.read_bytes()
    with libczi.create_czi(str(tmp_path / "b.czi"), compression_options="zstd1:PreProcess=HiLoByteUnpack") as document:
        document.write(data=smooth((61, 47, 1), np.uint16), plane={"C": 0})
    second = (tmp_path / "b.czi").read_bytes()
    for seed in range(300):
        (tmp_path / "c.czi").write_bytes(damaged(first if seed % 2 else second, seed))
        survives(CziReader, tmp_path / "c.czi")


def test_cut_anywhere(tmp_path):
    path = simple(tmp_path)
    data = path.read_bytes()
    end = data.index(b"ZISRAWMETADATA")
    for n in range(0, len(data), 37):
        path.write_bytes(data[:n])
        if n <= end - 32:
            with pytest.raises(SourceError):
                opened(CziReader, path)
        else:
            survives(CziReader, path)


@pytest.mark.skipif(not (SAMPLES / "czi").is_dir(), reason="the samples are not there")
def test_real_files():
    for path in sorted((SAMPLES / "czi").iterdir()):
        rasters = check(path, scenes=(0, 1))
        assert rasters[0].spec.names == ("z", "y", "x")
        assert rasters[0].spec.channels[0].emission == pytest.approx(578.6, abs=0.1)


class TestPromises(ReaderContract):
    reader = CziReader
    samples = sorted((SAMPLES / "czi").glob("*.czi"))
