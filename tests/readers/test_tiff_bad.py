"""Files that lie, lack parts or attack: always an error with a sentence, never zeros."""

import struct

import imagecodecs
import numpy as np
import pytest
import tifffile
from tiff_tools import Plain, compare, whole

from s3facade.core.errors import BadSource, SourceDenied, SourceError, SourceNotFound, Unsupported
from s3facade.readers.tiff.bomb import stated_voxels
from s3facade.readers.tiff.reader import TiffReader

IMAGE = np.arange(64 * 64, dtype="u2").reshape(64, 64)


def _open(path):
    return TiffReader().open(Plain.open(path), {})


def _write(path, **options):
    tifffile.imwrite(path, IMAGE, **options)
    return path.read_bytes()


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16)}, {"compression": "zstd"}])
def test_truncated_pixels(tmp_path, options):
    path = tmp_path / "a.tif"
    data = _write(path, **options)
    path.write_bytes(data[: len(data) - 100])
    with pytest.raises(BadSource, match="behind the end"):
        _open(path)


@pytest.mark.parametrize("options", [{}, {"tile": (16, 16), "compression": "zlib"}, {"bigtiff": True}])
def test_every_truncation_is_an_error_or_changes_nothing(tmp_path, options):
    path = tmp_path / "a.tif"
    data = _write(path, **options)
    for n in range(0, len(data), 97):
        path.write_bytes(data[:n])
        with pytest.raises(SourceError):
            _open(path)


def test_offset_past_the_end(tmp_path):
    path = tmp_path / "a.tif"
    _write(path, tile=(16, 16))
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tag = tif.pages[0].tags[324]
        tag.overwrite((*tag.value[:3], 1 << 30, *tag.value[4:]))
    with pytest.raises(BadSource, match="behind the end"):
        _open(path)


def test_directory_chain_in_a_circle(tmp_path):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as tif:
        for _ in range(5):
            tif.write(IMAGE, metadata=None)
    data = bytearray(path.read_bytes())
    offset = struct.unpack_from("<I", data, 4)[0]
    second = 0
    for i in range(4):
        offset = struct.unpack_from("<I", data, offset + 2 + 12 * struct.unpack_from("<H", data, offset)[0])[0]
        second = second or offset
        assert i < 4
    struct.pack_into("<I", data, offset + 2 + 12 * struct.unpack_from("<H", data, offset)[0], second)
    path.write_bytes(data)
    with pytest.raises(BadSource, match="circle"):
        _open(path)


def test_damaged_tile_is_named_and_leaves_the_others_readable(tmp_path):
    path = tmp_path / "a.tif"
    data = bytearray(_write(path, tile=(16, 16), compression="zlib"))
    with tifffile.TiffFile(path) as tif:
        start, size = tif.pages[0].dataoffsets[5], tif.pages[0].databytecounts[5]
    data[start : start + size] = bytes(size)
    path.write_bytes(data)
    (raster,) = _open(path)
    table = raster.chunks(0)
    for index in np.ndindex(4, 4):
        cell = table.cell(index)
        found = raster.files[cell.file].pread(cell.offset, cell.nbytes)
        if index == (1, 1):
            with pytest.raises(BadSource) as caught:
                table.decode(index, found)
            assert "(1, 1)" in caught.value.private
        else:
            y, x = index
            np.testing.assert_array_equal(table.decode(index, found), IMAGE[16 * y :, 16 * x :][:16, :16])


def test_tile_of_another_size(tmp_path):
    import imagecodecs

    path = tmp_path / "a.tif"
    data = bytearray(_write(path, tile=(32, 32), compression="zlib"))
    with tifffile.TiffFile(path) as tif:
        start, size = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    short = imagecodecs.zlib_encode(bytes(100))
    data[start : start + size] = short + bytes(size - len(short))
    path.write_bytes(data)
    (raster,) = _open(path)
    with pytest.raises(BadSource):
        whole(raster)


def test_huge_strip_is_refused_before_anything_is_allocated(tmp_path):
    path = tmp_path / "a.tif"
    _write(path, compression="zlib", rowsperstrip=64)
    with tifffile.TiffFile(path, mode="r+b") as tif:
        for code in (256, 257, 278):
            tif.pages[0].tags[code].overwrite(1 << 20)
    with pytest.raises(SourceError):
        _open(path)


@pytest.mark.parametrize("data", [b"", b"II*\0", b"not a TIFF at all", b"II*\0\xff\xff\xff\x7f" + bytes(100)])
def test_no_tiff(tmp_path, data):
    path = tmp_path / "a.tif"
    path.write_bytes(data)
    with pytest.raises(SourceError):
        _open(path)


def test_complex_numbers_are_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.ones((8, 8), "c8"))
    with pytest.raises(Unsupported, match="real numbers"):
        _open(path)


def test_unknown_compression_is_refused_when_opened(tmp_path):
    path = tmp_path / "a.tif"
    _write(path, compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags[259].overwrite(34676)
    with pytest.raises(Unsupported, match="cannot be decoded"):
        _open(path)


XML = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{own}"><Image ID="Image:0" Name="n">
<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="64" SizeY="64" SizeZ="1" SizeC="2" SizeT="1"
 PhysicalSizeX="500" PhysicalSizeXUnit="nm" PhysicalSizeY="0.5"><Channel ID="Channel:0:0" Color="-16776961" Name="a"/>
<Channel ID="Channel:0:1"/>{data}</Pixels></Image></OME>"""
DATA = '<TiffData FirstC="{c}" IFD="0" PlaneCount="1"><UUID FileName="{name}">urn:uuid:{uuid}</UUID></TiffData>'


def _pair(folder, *, first="a.ome.tif", second="b.ome.tif"):
    data = DATA.format(c=0, name=first, uuid="a") + DATA.format(c=1, name=second, uuid="b")
    for name, uuid, image in ((first, "a", IMAGE), (second, "b", IMAGE + 1)):
        text = XML.format(own=uuid, data=data)
        tifffile.imwrite(folder / name, image, description=text.encode(), metadata=None)


def test_two_files_make_one_image_whichever_is_opened(tmp_path):
    _pair(tmp_path)
    for name, other in (("a.ome.tif", "b.ome.tif"), ("b.ome.tif", "a.ome.tif")):
        (raster,) = _open(tmp_path / name)
        assert [f.source.path.rpartition("/")[2] for f in raster.files] == [name, other]
        np.testing.assert_array_equal(whole(raster), [IMAGE, IMAGE + 1])
        assert raster.spec.levels[0].scale == (1, 0.5, 0.5)
        assert [a.unit for a in raster.spec.axes] == [None, "micrometer", "micrometer"]
        assert [(c.name, c.color) for c in raster.spec.channels] == [("a", "FF0000"), (None, None)]


def test_missing_member_is_named(tmp_path):
    _pair(tmp_path)
    (tmp_path / "b.ome.tif").unlink()
    with pytest.raises(SourceNotFound, match=r"b\.ome\.tif"):
        _open(tmp_path / "a.ome.tif")


def test_member_outside_of_the_folder_is_refused(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    _pair(folder)
    (folder / "b.ome.tif").rename(tmp_path / "b.ome.tif")
    text = XML.format(
        own="a", data=DATA.format(c=0, name="a.ome.tif", uuid="a") + DATA.format(c=1, name="../b.ome.tif", uuid="b")
    )
    tifffile.imwrite(folder / "a.ome.tif", IMAGE, description=text.encode(), metadata=None)
    with pytest.raises(SourceDenied):
        _open(folder / "a.ome.tif")


def test_missing_planes_are_no_zeros(tmp_path):
    text = XML.format(own="a", data='<TiffData IFD="0" PlaneCount="1"/>')
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE, description=text.encode(), metadata=None)
    with pytest.raises(BadSource, match="lacks 1 of the 2 planes"):
        _open(tmp_path / "a.ome.tif")


def test_companion_file_and_its_members(tmp_path):
    data = DATA.format(c=0, name="a.ome.tif", uuid="a") + DATA.format(c=1, name="b.ome.tif", uuid="b")
    (tmp_path / "x.companion.ome").write_text(XML.format(own="x", data=data))
    only = (
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:{}">'
        '<BinaryOnly MetadataFile="x.companion.ome" UUID="urn:uuid:x"/></OME>'
    )
    for name, image in (("a", IMAGE), ("b", IMAGE + 1)):
        text = only.format(name).encode()
        tifffile.imwrite(tmp_path / f"{name}.ome.tif", image, description=text, metadata=None)
    for name in ("x.companion.ome", "a.ome.tif", "b.ome.tif"):
        (raster,) = _open(tmp_path / name)
        assert raster.files[0].source.path.endswith(name)
        assert len(raster.files) == 3
        np.testing.assert_array_equal(whole(raster), [IMAGE, IMAGE + 1])
    (tmp_path / "x.companion.ome").unlink()
    with pytest.raises(SourceNotFound, match=r"x\.companion\.ome"):
        _open(tmp_path / "a.ome.tif")


def test_renamed_single_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.ome.tif", IMAGE, metadata={"axes": "YX", "PhysicalSizeX": 0.5})
    (tmp_path / "a.ome.tif").rename(tmp_path / "z.ome.tif")
    (raster,) = _open(tmp_path / "z.ome.tif")
    assert raster.spec.levels[0].scale == (1.0, 0.5)
    compare(tmp_path / "z.ome.tif", [raster])


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)
)


@pytest.mark.parametrize("wrapped", [True, False])
def test_entity_bomb_is_refused(tmp_path, wrapped):
    text = BOMB + ']><OME xmlns="x"><Image Name="&j;"/></OME>'
    if wrapped:
        path = tmp_path / "a.ome.tif"
        tifffile.imwrite(path, IMAGE, description=text.encode(), metadata=None)
        with tifffile.TiffFile(path) as tif:
            assert tif.is_ome
    else:
        path = tmp_path / "a.companion.ome"
        path.write_text(text)
    with pytest.raises(Unsupported, match="document type"):
        _open(path)


def test_too_much_metadata_is_refused(tmp_path):
    path = tmp_path / "a.companion.ome"
    path.write_bytes(b"<OME>" + b" " * (17 << 20) + b"</OME>")
    with pytest.raises(Unsupported, match="16 MiB"):
        _open(path)


@pytest.mark.parametrize("codec", ["jpeg", "jpeg2000", "png"])
def test_tile_that_claims_gigabytes_is_refused_before_it_is_decoded(tmp_path, codec):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE.astype("u1"), tile=(32, 32), compression=codec)
    (raster,) = _open(path)
    table = raster.chunks(0)
    cell = table.cell((0, 0))
    data = bytearray(raster.files[0].pread(cell.offset, cell.nbytes))
    if codec == "jpeg":
        at = data.find(b"\xff\xc0") + 5
        data[at : at + 4] = b"\xff\x00\xff\x00"
        table.decode((0, 0), raster.files[0].pread(cell.offset, cell.nbytes))
        data[at + 4] = 255
    elif codec == "jpeg2000":
        at = data.find(b"\xff\x4f\xff\x51") + 8
        data[at : at + 8] = b"\x00\x01\x00\x00" * 2
    else:
        data[16:24] = b"\x00\x01\x00\x00" * 2
    with pytest.raises(BadSource, match="claims to be larger"):
        table.decode((0, 0), bytes(data))


def test_sizes_that_compressed_images_state():
    for shape in ((32, 40), (700, 33)):
        grey, colour = np.zeros(shape, "u1"), np.zeros((*shape, 3), "u1")
        for codec, image in (("lerc", grey), ("lerc", colour), ("jpegxl", grey), ("jpeg2k", grey)):
            data = getattr(imagecodecs, f"{codec}_encode")(image)
            assert stated_voxels(memoryview(data)) == image.size
        for lossless in (True, False):
            data = imagecodecs.webp_encode(colour, lossless=lossless)
            assert stated_voxels(memoryview(data)) == grey.size * 4


def test_a_tile_of_few_bytes_that_unpacks_to_gigabytes(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((32, 32), "u1"), tile=(32, 32), compression="lerc")
    tile = imagecodecs.lerc_encode(np.zeros((32, 32), "u1"))
    large = tile[:14] + struct.pack("<ii", 40_000, 40_000) + tile[22:]
    path.write_bytes(path.read_bytes().replace(tile, large))
    (raster,) = _open(path)
    cell = raster.chunks(0).cell((0, 0))
    with pytest.raises(BadSource, match="claims to be larger"):
        raster.chunks(0).decode((0, 0), raster.files[0].pread(cell.offset, cell.nbytes))


def test_ome_images_of_several_sizes_in_one_file(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(np.stack([IMAGE] * 9), metadata={"axes": "ZYX"})
        tif.write(np.stack([IMAGE[:32]] * 3), metadata={"axes": "TYX"}, compression="zlib")
    compare(path, _open(path))


@pytest.mark.parametrize("offset", [1 << 40, (1 << 63) + 8, (1 << 64) - 1])
def test_directory_at_an_impossible_place(tmp_path, offset):
    path = tmp_path / "a.tif"
    data = bytearray(_write(path, bigtiff=True))
    struct.pack_into("<Q", data, 8, offset)
    path.write_bytes(data)
    with pytest.raises(BadSource, match="behind the end"):
        _open(path)
