"""Leica files, written by the specification: pixels against liffile, and against what was written."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from lif_writer import image, lif, lof, xlef, xlif
from vendor_tools import damaged, opened, survives, thawed, whole

from s3facade.core.errors import BadSource, SourceDenied, SourceError, SourceNotFound, Unsupported
from s3facade.readers.lif.reader import LifReader

liffile = pytest.importorskip("liffile")
RNG = np.random.default_rng(9)
AXES = {"T": "t", "L": "c", "A": "t", "C": "c", "Z": "z", "Y": "y", "X": "x", "S": "c"}


def numbers(shape, dtype="u2"):
    return RNG.integers(0, 250, shape).astype(np.dtype(dtype).newbyteorder("<"))


def ours(array, dims):
    """In the order of our axes, dimensions of one axis merged."""
    names = [a for a in "tczyx" if a in [AXES[d] for d in dims] or a in "yx"]
    order = [k for a in names for k, d in enumerate(dims) if AXES[d] == a]
    shape = [int(np.prod([array.shape[k] for k, d in enumerate(dims) if AXES[d] == a], initial=1)) for a in names]
    return array.transpose(order).reshape(shape)


def check(path, made):
    """Every image equals what was written, and what liffile reads."""
    rasters = opened(LifReader, path)
    assert len(rasters) == len(made)
    with liffile.LifFile(path) as file:
        theirs = list(file.images)
        for raster, again, their, (array, dims) in zip(rasters, thawed(LifReader, rasters), theirs, made, strict=True):
            expected = ours(array, dims)
            assert raster.spec.levels[0].shape == expected.shape
            np.testing.assert_array_equal(whole(raster), expected)
            np.testing.assert_array_equal(whole(again), expected)
            found = their.asarray()
            assert sorted(found.shape) == sorted(n for n in array.shape if n > 1)
            np.testing.assert_array_equal(ours(found.reshape(array.shape), dims), expected)
    return rasters


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize("dims", ["YX", "ZYX", "CYX", "TZCYX", "CZYX", "ZX", "LYX", "TYX"])
def test_dimensions(tmp_path, version, dtype, dims):
    sizes = {"X": 10, "Y": 9, "Z": 5, "C": 2, "T": 4, "L": 6}
    array = numbers([sizes[d] for d in dims], dtype)
    path = lif(tmp_path / "a.lif", image("one", array, dims), image("two", array + 1, dims), version=version)
    first, second = check(path, [(array, dims), (array + 1, dims)])
    assert first.spec.attrs["name"] == "project/one"
    assert second.spec.attrs["name"] == "project/two"
    scale = dict(zip(first.spec.names, first.spec.levels[0].scale, strict=True))
    assert scale["x"] == pytest.approx(1.0)
    assert "Y" not in dims or scale["y"] == pytest.approx(1.0)
    assert "Z" not in dims or scale["z"] == pytest.approx(1.0)
    assert "T" not in dims or scale["t"] == pytest.approx(2.0)
    assert "L" not in dims or [c.emission for c in first.spec.channels] == [500, 510, 520, 530, 540, 550]
    named = ["Dye 0", "Dye 1"] if "C" in dims else [None] * 6 if "L" in dims else ["Dye 0"]
    assert [c.name for c in first.spec.channels] == named


def test_colour_pictures_are_red_green_blue(tmp_path):
    array = numbers((9, 10, 3), "u1")
    path = lif(
        tmp_path / "a.lif", image("rgb", array, "YXC", tags=[1, 2, 3]), image("bgr", array, "YXC", tags=[3, 2, 1])
    )
    rgb, bgr = opened(LifReader, path)
    np.testing.assert_array_equal(whole(rgb), array.transpose(2, 0, 1))
    np.testing.assert_array_equal(whole(bgr), array.transpose(2, 0, 1)[::-1])
    assert [c.name for c in bgr.spec.channels] == ["Red", "Green", "Blue"]
    with liffile.LifFile(path) as file:
        for raster, their in zip((rgb, bgr), file.images, strict=True):
            np.testing.assert_array_equal(whole(raster), their.asarray().transpose(2, 0, 1))


def test_rows_with_padding(tmp_path):
    array = numbers((2, 9, 11), "u1")
    path = lif(tmp_path / "a.lif", image("padded", array, "ZYX", pad=1))
    (raster,) = opened(LifReader, path)
    np.testing.assert_array_equal(whole(raster), array)


def test_metadata(tmp_path):
    array = numbers((3, 2, 9, 10))
    (raster,) = opened(LifReader, lif(tmp_path / "a.lif", image("one", array, "TCYX", stamps=6)))
    spec = raster.spec
    assert [(c.name, c.color) for c in spec.channels] == [("Dye 0", "00FF00"), ("Dye 1", "FF0000")]
    assert spec.attrs["objective"] == {"name": "HC PL APO 63x", "magnification": 63, "na": 1.4, "immersion": "OIL"}
    with liffile.LifFile(tmp_path / "a.lif") as file:
        stamps = file.images[0].timestamps
    assert spec.attrs["acquired"] == f"{stamps[0]}Z"
    assert [t["seconds"] for t in spec.attrs["times"]] == [0, 4, 8]
    assert "ImageDescription" in spec.attrs["original"]["Image"]["Data"]["Image"]


def test_tiles_of_a_mosaic_are_images(tmp_path):
    array = numbers((4, 2, 9, 10))
    tiles = "".join(f'<Tile FieldX="{k}" FieldY="0" PosX="{k}e-4" PosY="0.002" PosZ="0"/>' for k in range(4))
    extra = f'<Attachment Name="TileScanInfo" FlipX="0">{tiles}</Attachment>'
    rasters = opened(LifReader, lif(tmp_path / "a.lif", image("scan", array, "MCYX", extra=extra)))
    assert len(rasters) == 4
    for k, raster in enumerate(rasters):
        np.testing.assert_array_equal(whole(raster), array[k])
        assert raster.spec.attrs["positions"][0]["x"] == pytest.approx(100.0 * k)
        assert raster.spec.attrs["name"] == f"project/scan tile {k + 1}"


def test_rotations_and_wavelengths_are_named_in_notes(tmp_path):
    array = numbers((3, 9, 10))
    for dims, words in (("AYX", "rotation"), ("LYX", "emission wavelength")):
        (raster,) = opened(LifReader, lif(tmp_path / "a.lif", image("one", array, dims)))
        assert words in raster.spec.attrs["notes"][0]
        assert raster.spec.levels[0].scale[0] == 1.0


def test_channels_of_two_types_are_two_images(tmp_path):
    xml, data = image("mixed", numbers((2, 9, 10), "u2"), "CYX")
    second = xml.index("<ChannelDescription", xml.index("<ChannelDescription") + 1)
    xml = xml[:second] + xml[second:].replace('DataType="0"', 'DataType="1"').replace(
        'Resolution="16"', 'Resolution="16"'
    )
    rasters = opened(LifReader, lif(tmp_path / "a.lif", (xml, data)))
    assert [r.spec.dtype.name for r in rasters] == ["uint16", "float16"]
    assert "of other types" in rasters[0].spec.attrs["notes"][0]


def test_object_file(tmp_path):
    array = numbers((2, 3, 9, 10))
    check(lof(tmp_path / "a.lof", image("one", array, "CZYX")), [(array, "CZYX")])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_description_beside_an_object_file(tmp_path, encoding):
    array = numbers((2, 3, 9, 10))
    made = image("one", array, "CZYX")
    lof(tmp_path / "a.lof", made)
    path = xlif(tmp_path / "a.xlif", made, [("a.lof", 0, len(made[1]))], encoding=encoding)
    assert LifReader().sniff(path.read_bytes()[:4096], path.name)
    (raster,) = opened(LifReader, path)
    np.testing.assert_array_equal(whole(raster), array)
    assert [f.source.path.rpartition("/")[2] for f in raster.files] == ["a.xlif", "a.lof"]
    with liffile.LifFile(path) as file:
        np.testing.assert_array_equal(file.images[0].asarray(), array)


def test_description_beside_tiffs(tmp_path):
    array = numbers((2, 3, 9, 10))
    made = image("one", array, "CZYX")
    files, at = [], 0
    for c in range(2):
        for z in range(3):
            tifffile.imwrite(tmp_path / f"c{c}z{z}.tif", array[c, z], byteorder="<")
            files.append((f"c{c}z{z}.tif", at, 180))
            at += 180
    path = xlif(tmp_path / "a.xlif", made, files)
    (raster,) = opened(LifReader, path)
    np.testing.assert_array_equal(whole(raster), array)
    np.testing.assert_array_equal(whole(thawed(LifReader, [raster])[0]), array)
    assert len(raster.files) == 7
    (tmp_path / "c1z1.tif").unlink()
    with pytest.raises(SourceNotFound):
        opened(LifReader, path)
    tifffile.imwrite(tmp_path / "c1z1.tif", array[1, 1], compression="zlib")
    with pytest.raises(Unsupported, match=r"c1z1\.tif"):
        opened(LifReader, path)


def test_data_set_of_several_files(tmp_path):
    (tmp_path / "Metadata").mkdir()
    first, second = numbers((2, 9, 10)), numbers((3, 9, 10), "u1")
    one, two = image("one", first, "CYX"), image("two", second, "ZYX")
    lof(tmp_path / "one.lof", one)
    lof(tmp_path / "two 2.lof", two)
    xlif(tmp_path / "Metadata" / "one.xlif", one, [("../one.lof", 0, len(one[1]))])
    xlif(tmp_path / "Metadata" / "two.xlif", two, [("..\\two%202.lof", 0, len(two[1]))])
    path = xlef(tmp_path / "all.xlef", ["Metadata/one.xlif", "Metadata\\two.xlif"])
    rasters = opened(LifReader, path)
    np.testing.assert_array_equal(whole(rasters[0]), first)
    np.testing.assert_array_equal(whole(rasters[1]), second)
    assert [f.source.path.rpartition("/")[2] for f in rasters[1].files] == ["all.xlef", "two.xlif", "two 2.lof"]
    with pytest.raises(SourceDenied, match="xlef"):
        opened(LifReader, tmp_path / "Metadata" / "one.xlif")


def test_files_that_refer_to_each_other_in_a_circle_are_refused(tmp_path):
    xlef(tmp_path / "a.xlef", ["b.xlef"])
    xlef(tmp_path / "b.xlef", ["a.xlef"])
    with pytest.raises(SourceError):
        opened(LifReader, tmp_path / "a.xlef")


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ('DimID="3"', 'DimID="99"', Unsupported, "kind 99"),
        ('NumberOfElements="5"', 'NumberOfElements="99999"', BadSource, "outside the memory"),
        ('BytesInc="180"', 'BytesInc="999999999999999999999"', BadSource, "more bytes"),
        ('BytesInc="2"', 'BytesInc="1"', BadSource, "1 bytes apart"),
        ('Resolution="16"', 'Resolution="99"', Unsupported, "99 bits"),
        ('MemoryBlockID="MemBlock_1"', 'MemoryBlockID="other"', BadSource, "are missing"),
    ],
)
def test_what_is_refused(tmp_path, old, new, error, words):
    xml, data = image("one", numbers((5, 9, 10)), "ZYX")
    assert old in xml
    with pytest.raises(error, match=words):
        opened(LifReader, lif(tmp_path / "a.lif", (xml.replace(old, new), data)))


def test_options_are_refused(tmp_path):
    with pytest.raises(Unsupported, match="'series'"):
        opened(LifReader, lif(tmp_path / "a.lif", image("one", numbers((9, 10)), "YX")), series=1)


def test_what_follows_the_blocks_is_not_read(tmp_path):
    array = numbers((9, 10))
    path = lif(tmp_path / "a.lif", image("one", array, "YX"))
    path.write_bytes(path.read_bytes() + bytes(100))
    np.testing.assert_array_equal(whole(opened(LifReader, path)[0]), array)


def test_cut_short(tmp_path):
    for path in (
        lif(tmp_path / "a.lif", image("one", numbers((9, 10)), "YX")),
        lof(tmp_path / "a.lof", image("one", numbers((9, 10)), "YX")),
    ):
        data = path.read_bytes()
        # behind the image there is the empty block of the project
        for n in range(0, len(data) - 60, 61):
            path.write_bytes(data[:n])
            with pytest.raises(SourceError):
                [whole(r) for r in opened(LifReader, path)]


def test_damaged_files(tmp_path):
    array = numbers((2, 3, 9, 10))
    made = [
        lif(tmp_path / "a.lif", image("one", array, "CZYX", stamps=3)),
        lof(tmp_path / "a.lof", image("o", array, "CZYX")),
    ]
    data = [p.read_bytes() for p in made]
    for seed in range(300):
        (tmp_path / "c.lif").write_bytes(damaged(data[seed % 2], seed))
        survives(LifReader, tmp_path / "c.lif")
    xml = xlif(tmp_path / "a.xlif", image("o", array, "CZYX"), [("a.lof", 0, 1080)]).read_bytes()
    for seed in range(100):
        (tmp_path / "c.xlif").write_bytes(damaged(xml, seed))
        survives(LifReader, tmp_path / "c.xlif")
