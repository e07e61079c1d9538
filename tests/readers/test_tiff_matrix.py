"""Every way of storing numbers that tifffile can write, against what tifffile reads."""

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiff_tools import Plain, compare, expected, region, whole

from s3facade.core.region import Region
from s3facade.readers.tiff.reader import TiffReader

RNG = np.random.default_rng(7)
CODECS = ["none", "lzw", "deflate", "zstd", "packbits", "lzma", "lerc", "png", "jpeg2000", "webp", "jpegxl"]


def _open(path):
    return TiffReader().open(Plain.open(path), {})


def _image(shape, dtype):
    kind = np.dtype(dtype).kind
    if kind == "b":
        return RNG.random(shape) > 0.5
    if kind == "f":
        return RNG.normal(0, 100, shape).astype(dtype)
    info = np.iinfo(dtype)
    return RNG.integers(max(info.min, -30000), min(info.max, 60000), shape, dtype, endpoint=True)


@pytest.mark.parametrize("layout", [{"rowsperstrip": 5}, {"tile": (16, 32)}], ids=["strips", "tiles"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "?"])
@pytest.mark.parametrize("codec", ["none", "lzw", "deflate", "zstd"])
def test_types(tmp_path, codec, dtype, order, layout):
    if np.dtype(dtype).kind == "b":
        layout, codec = {}, "none"  # all that tifffile writes
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, _image((2, 37, 53), dtype), byteorder=order, compression=codec, **layout)
    compare(path, _open(path))


@pytest.mark.parametrize("layout", [{"rowsperstrip": 1}, {"rowsperstrip": 7}, {"tile": (32, 16)}, {}])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("dtype", "predictor"), [("u1", 2), ("u2", 2), ("i4", 2), ("f4", 3), ("f8", 3), ("f2", 3)])
def test_predictors(tmp_path, dtype, predictor, order, layout):
    path = tmp_path / "a.tif"
    image = _image((2, 29, 41), dtype)
    tifffile.imwrite(path, image, byteorder=order, compression="lzw", predictor=predictor, **layout)
    compare(path, _open(path))


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize("layout", [{"rowsperstrip": 6}, {"tile": (16, 16)}])
@pytest.mark.parametrize("codec", CODECS)
def test_colour(tmp_path, codec, layout, samples, planar):
    if codec == "webp":
        planar = "contig"  # there are no others
    shape = (2, 35, 44, samples) if planar == "contig" else (2, samples, 35, 44)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, _image(shape, "u1"), photometric="rgb", planarconfig=planar, compression=codec, **layout)
    rasters = _open(path)
    compare(path, rasters)
    names = [c.name for c in rasters[0].spec.channels]
    assert names[:3] == ["Red", "Green", "Blue"]
    assert rasters[0].spec.length("c") == samples
    assert rasters[0].spec.channels[0].window == (0, 255)


@pytest.mark.parametrize("kind", ["rgb", "ycbcr"])
def test_jpeg(tmp_path, kind):
    path = tmp_path / "a.tif"
    smooth = np.add.outer(np.arange(70), np.arange(90))[..., None].repeat(3, 2).astype("u1")
    options = {"photometric": "rgb", "compression": "jpeg"}
    if kind == "ycbcr":
        options["subsampling"] = (2, 2)
    tifffile.imwrite(path, smooth, tile=(32, 32), **options)
    compare(path, _open(path))


@pytest.mark.parametrize("options", [{"bigtiff": True}, {"bigtiff": True, "byteorder": ">", "tile": (16, 16)}])
def test_bigtiff(tmp_path, options):
    path = tmp_path / "a.btf"
    tifffile.imwrite(path, _image((5, 30, 31), "u2"), **options)
    compare(path, _open(path))


@pytest.mark.parametrize("axes", ["TZCYX", "TCYX", "ZYX", "TZCYXS"])
def test_imagej(tmp_path, axes):
    sizes = {"T": 2, "Z": 3, "C": 2, "Y": 20, "X": 24, "S": 3}
    image = _image(tuple(sizes[a] for a in axes), "u1" if "S" in axes else "u2")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, image, imagej=True, metadata={"axes": axes})
    compare(path, _open(path))


@pytest.mark.parametrize("axes", ["TCZYX", "TZCYX", "ZTCYX", "CYX", "ZCYXS", "CYXS"])
@pytest.mark.parametrize("layout", [{}, {"tile": (16, 16), "compression": "zstd"}])
def test_ome(tmp_path, axes, layout):
    sizes = {"T": 2, "Z": 3, "C": 2, "Y": 20, "X": 24, "S": 3}
    path = tmp_path / "a.ome.tif"
    image = _image(tuple(sizes[a] for a in axes), "u1")
    tifffile.imwrite(path, image, metadata={"axes": axes}, photometric="rgb" if "S" in axes else None, **layout)
    compare(path, _open(path))


def test_volume_tiles(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, _image((20, 40, 50), "u2"), tile=(16, 16, 16), volumetric=True, compression="deflate")
    rasters = _open(path)
    assert rasters[0].spec.levels[0].block == (16, 16, 16)
    compare(path, rasters)


def test_several_images_in_order(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        tif.write(_image((20, 30), "u2"), metadata=None)
        tif.write(_image((25, 30), "f4"), metadata=None)
        tif.write(_image((20, 30), "u2"), metadata=None)
    compare(path, _open(path))


def test_bands_of_a_large_contiguous_stack(tmp_path):
    """One directory for many planes, as ImageJ writes beyond 4 GB."""
    path = tmp_path / "a.tif"
    image = _image((6, 700, 1000), "u2")
    tifffile.imwrite(path, image, imagej=True, metadata={"axes": "ZYX"}, truncate=True)
    (raster,) = _open(path)
    assert raster.spec.levels[0].shape == (6, 700, 1000)
    assert raster.spec.levels[0].block == (1, 524, 1000)
    compare(path, [raster])


def test_sparse_tiles_hold_the_stated_fill_value(tmp_path):
    path = tmp_path / "a.tif"
    image = _image((64, 64), "i2")

    def tiles():
        yield image[:32, :32]
        yield None
        yield image[32:, :32]
        yield None

    extra = [(42113, "s", 0, "-7", True)]
    tifffile.imwrite(path, tiles(), shape=image.shape, dtype="i2", tile=(32, 32), extratags=extra, compression="zlib")
    (raster,) = _open(path)
    assert raster.chunks(0).cell((0, 1)) is None
    compare(path, [raster])
    assert (region(raster, 0, Region((0, 32), (64, 64))) == -7).all()


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """Images of awkward sizes with tifffile's arrays."""
    folder = tmp_path_factory.mktemp("regions")
    found = []
    for name, shape, options in [
        ("a", (2, 5, 45, 67), {"tile": (16, 32), "compression": "zstd", "predictor": 2, "metadata": {"axes": "TZYX"}}),
        ("b", (3, 45, 67, 3), {"rowsperstrip": 4, "compression": "lzw", "photometric": "rgb"}),
        ("c", (5, 45, 67), {"rowsperstrip": 9}),
        ("d", (2, 3, 45, 67), {"photometric": "rgb", "planarconfig": "separate", "tile": (32, 16)}),
    ]:
        path = folder / f"{name}.tif"
        tifffile.imwrite(path, _image(shape, "u1"), **options)
        (raster,) = _open(path)
        with tifffile.TiffFile(path) as tif:
            found.append((raster, expected(tif.series[0], raster.spec.levels[0].shape)))
    return found


@given(data=st.data())
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_region_equals_the_slice(opened, data):
    raster, want = data.draw(st.sampled_from(opened))
    pairs = [sorted(data.draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))) for n in want.shape]
    box = Region(tuple(a for a, _ in pairs), tuple(b for _, b in pairs))
    np.testing.assert_array_equal(region(raster, 0, box), want[box.slices()])


@pytest.mark.parametrize("other", [{"shape": (33, 40)}, {"shape": (25, 48)}, {"compression": "zlib"}])
def test_one_page_that_differs_in_a_long_file(tmp_path, other):
    """Readers that look at a few pages only take the odd one for one of the others."""
    path = tmp_path / "a.tif"
    images = [_image(other.get("shape", (30, 40)) if i == 4 else (30, 40), "u2") for i in range(12)]
    with tifffile.TiffWriter(path) as tif:
        for i, image in enumerate(images):
            tif.write(image, metadata=None, compression=other.get("compression") if i == 4 else None)
    rasters = _open(path)
    assert [r.spec.length("z") for r in rasters] == [11, 1]
    np.testing.assert_array_equal(whole(rasters[0]), np.stack(images[:4] + images[5:]))
    np.testing.assert_array_equal(whole(rasters[1]), images[4])
