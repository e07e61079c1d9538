"""Images as single files: what tifffile, Pillow, Bio-Formats and geotiff.js make of the bytes that are served."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import subprocess
import urllib.request

import numpy as np
import PIL
import pytest
import tifffile
import yaml
from PIL import Image

from conformance.contract import same
from conformance.server import ROOT, serving
from s3facade.core.region import Region
from s3facade.readers.bioformats import program
from s3facade.readers.bioformats.reader import BioFormatsReader
from s3facade.stores.local import LocalFile

NODE = ROOT / "conformance" / "node"
SOURCE = ROOT / "examples" / "registered_volume" / "dna.ome.tif"
RNG = np.random.default_rng(8)
PHOTO = RNG.integers(0, 255, (1500, 1300, 3), dtype=np.uint8)
FILES = ("photo.ome.tif", "photo.ome.btf", "photo.tif", "photo.png", "volume.ome.tif", "volume.ome.btf")


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The server, and the folder of what it is made from."""
    base = tmp_path_factory.mktemp("single")
    tifffile.imwrite(base / "photo.tif", PHOTO, photometric="rgb", tile=(256, 256))
    kinds = {"tif": "tif", "png": "png", "ome.tif": "ome-tiff", "ome.btf": "ome-tiff"}
    views = [{"type": kinds[f.partition(".")[2]], "from": f.partition(".")[0], "path": f} for f in FILES]
    sources = {"photo": {"file": str(base / "photo.tif"), "pixel_size": "0.5 um"}, "volume": {"file": str(SOURCE)}}
    settings = {"sources": sources, "buckets": {"images": {"views": views}}}
    (base / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with serving(base / "config.yaml", log=base / "log.txt") as running:
        yield running


@pytest.fixture(scope="module")
def fetched(served, tmp_path_factory):
    """The files, as a client downloads them."""
    folder = tmp_path_factory.mktemp("got")
    for name in FILES:
        with urllib.request.urlopen(f"{served.url}/images/{name}", timeout=60) as answer:
            (folder / name).write_bytes(answer.read())
    return folder


def volume():
    """c, z, y, x."""
    return tifffile.imread(SOURCE).transpose(1, 0, 2, 3)


class TestTifffile:
    CLIENT, VERSION = "tifffile", importlib.metadata.version("tifffile")

    @pytest.mark.parametrize("name", ["photo.ome.tif", "photo.ome.btf", "photo.tif"])
    def test_photo(self, fetched, name):
        with tifffile.TiffFile(fetched / name) as file:
            same(file.asarray(), PHOTO, name)
            assert file.is_bigtiff == name.endswith("btf")

    @pytest.mark.parametrize("name", ["volume.ome.tif", "volume.ome.btf"])
    def test_volume(self, fetched, name):
        same(tifffile.imread(fetched / name), volume(), name)


class TestPillow:
    CLIENT, VERSION = "Pillow", PIL.__version__

    def test_png(self, fetched):
        with Image.open(fetched / "photo.png") as image:
            same(np.asarray(image), PHOTO, "photo.png")
            assert image.info["dpi"] == pytest.approx((50_800, 50_800))


@pytest.fixture(scope="module")
def java():
    words = program.command()
    done = subprocess.run([*words, "--check"], capture_output=True, check=False) if words else None
    if done is None or done.returncode:
        pytest.skip("Bio-Formats is not installed (scripts/setup-bioformats)")
    yield
    program.PROGRAM.end()


class TestBioFormats:
    CLIENT, VERSION = "Bio-Formats", "7.3.1"

    @pytest.mark.usefixtures("java")
    @pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".ome.tif", ".ome.btf"))])
    def test_ome_tiff(self, fetched, name):
        (raster,) = BioFormatsReader().open(LocalFile.open(str(fetched / name)), {})
        expected = np.moveaxis(PHOTO, -1, 0) if name.startswith("photo") else volume()
        same(raster.read(0, Region.whole(expected.shape)), expected, name)
        if name.startswith("photo"):
            assert [level.shape[1:] for level in raster.spec.levels] == [(1500, 1300), (750, 650), (375, 325)]
            with tifffile.TiffFile(fetched / name) as file:
                for n, level in enumerate(file.series[0].levels):
                    found = raster.read(n, Region.whole(raster.spec.levels[n].shape))
                    same(np.moveaxis(found, 0, -1), level.asarray(), f"{name}, level {n}")
        else:
            assert [channel.name for channel in raster.spec.channels] == ["confocal", "widefield"]
            assert raster.spec.levels[0].scale[1:] == pytest.approx((0.499412602, 0.511877952, 0.511877952))


class TestGeotiffJs:
    """The reader of TIFF files in web viewers: ranges, no downloads."""

    CLIENT = "geotiff.js"
    PACKAGE = NODE / "node_modules" / "geotiff" / "package.json"
    VERSION = json.loads(PACKAGE.read_text("utf-8"))["version"] if PACKAGE.exists() else ""

    def window(self, served, name, page, level, left, top, right, bottom):
        if shutil.which("node") is None or not self.PACKAGE.exists():
            pytest.skip("Node or its package geotiff is not installed (conformance/install.sh)")
        words = map(str, (f"{served.url}/images/{name}", page, level, left, top, right, bottom))
        done = subprocess.run(["node", str(NODE / "tiff.mjs"), *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert {status for status, _ in found["asked"]} == {206}
        values = np.array(found["window"], dtype=found["type"])
        return found, values.reshape(-1, bottom - top, right - left)

    @pytest.mark.parametrize("name", ["photo.ome.tif", "photo.ome.btf"])
    def test_photo(self, served, fetched, name):
        found, window = self.window(served, name, 0, 0, 600, 700, 640, 720)
        same(window, np.moveaxis(PHOTO[700:720, 600:640], -1, 0), name)
        # of 8 MB the header, and the tile that was looked at, as blocks of 64 KiB
        assert sum(size for _, size in found["asked"]) < 1_500_000
        with tifffile.TiffFile(fetched / name) as file:
            coarse = file.series[0].levels[2].asarray()
        found, window = self.window(served, name, 0, 2, 100, 200, 150, 260)
        assert found["size"] == [325, 375]
        same(window, np.moveaxis(coarse[200:260, 100:150], -1, 0), f"{name}, level 2")

    @pytest.mark.parametrize("name", ["volume.ome.tif", "volume.ome.btf"])
    def test_volume(self, served, name):
        _, window = self.window(served, name, 45 + 20, 0, 30, 40, 70, 60)
        same(window[0], volume()[1, 20, 40:60, 30:70], name)
