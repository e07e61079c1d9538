"""Real files: pixels against tifffile, metadata against what their makers wrote."""

from pathlib import Path

import pytest
from tiff_tools import Plain, compare

from s3facade.core.errors import BadSource
from s3facade.readers.tiff.reader import TiffReader

CORPUS = Path(__file__).parents[1] / "corpus"
FILES = sorted(p.name for p in CORPUS.iterdir() if p.suffix in (".tif", ".tiff"))


def _open(name):
    return TiffReader().open(Plain.open(CORPUS / name), {})


@pytest.mark.parametrize("name", FILES)
def test_pixels(name):
    compare(CORPUS / name, _open(name))


@pytest.mark.parametrize("name", FILES)
def test_every_sample_has_a_source_and_a_licence(name):
    assert name in (CORPUS / "PROVENANCE.md").read_text()


def test_pyramid_scales():
    (raster,) = _open("pyramid-subifd-u16-zstd.ome.tif")
    scales = [level.scale[-1] / raster.spec.levels[0].scale[-1] for level in raster.spec.levels]
    assert scales == [1, 2, 4]
    base = raster.spec.levels[0]
    for level in raster.spec.levels:
        assert level.origin[-1] == pytest.approx(base.origin[-1] + (level.scale[-1] - base.scale[-1]) / 2)


def test_imagej_time_series():
    (raster,) = _open("xyt_8bit_polyp.tif")
    assert raster.spec.names == ("t", "y", "x")


def test_unknown_sequence_is_shown_along_z_without_a_unit():
    raster = _open("gray.bigendian.u2.tif")[0]
    assert raster.spec.names == ("z", "y", "x")
    assert {a.unit for a in raster.spec.axes} == {None}
    assert raster.spec.levels[0].scale == (1.0, 1.0, 1.0)
    assert raster.spec.attrs["axes"] == "IYX"


def test_colour_table_is_noted():
    (raster,) = _open("palette-1c-8b.tiff")
    assert "colour table" in raster.spec.attrs["notes"][0]


def test_slow_codec_has_a_reason():
    raster = _open("rgb.tiled.jpeg2000.u1.tif")[0]
    assert "takes long" in " ".join(raster.spec.attrs["reasons"])


def test_ndtiff_takes_its_axes_from_the_index():
    path = CORPUS / "ndtiff" / "ndtiffv3.0_test_NDTiffStack.tif"
    (raster,) = TiffReader().open(Plain.open(path), {})
    assert raster.spec.names == ("t", "c", "y", "x")
    assert [f.source.path.rpartition("/")[2] for f in raster.files] == [path.name, "NDTiff.index"]
    compare(path, [raster])


def test_ndtiff_without_its_last_plane_is_refused(tmp_path):
    for file in (CORPUS / "ndtiff").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    index = tmp_path / "NDTiff.index"
    index.write_bytes(index.read_bytes()[: 9 * index.stat().st_size // 10])
    with pytest.raises(BadSource, match=r"NDTiff\.index"):
        TiffReader().open(Plain.open(tmp_path / "ndtiffv3.0_test_NDTiffStack.tif"), {})
