"""What the files say about size, time and colour, and nothing that they do not say."""

import numpy as np
import pytest
import tifffile
from tiff_tools import Plain

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.ome_xml import duration, length, parse_ome
from s3facade.readers.tiff.reader import TiffReader

IMAGE = np.zeros((2, 3, 16, 20), "u2")


def _spec(path):
    return TiffReader().open(Plain.open(path), {})[0].spec


@pytest.mark.parametrize(
    ("value", "unit", "want"),
    [(1, "µm", 1), (1, "μm", 1), (500, "nm", 0.5), (1, "mm", 1000), (1, "pixel", None), ("x", "µm", None)],
)
def test_lengths(value, unit, want):
    assert length(value, unit) == want


def test_durations():
    assert duration(2, "min") == 120
    assert duration(1, "fortnight") is None


@pytest.mark.parametrize(
    ("resolution", "unit", "want"),
    [
        ((40000, 40000), 3, 0.25),  # centimetres: a microscope
        ((28.35, 28.35), 3, None),  # 72 dpi in disguise
        ((118.11, 118.11), 3, None),  # 300 dpi
        ((472.44, 472.44), 3, None),  # 1,200 dpi
        ((1000, 1000), 3, 10),  # 2,540 dpi, but a whole number of micrometres
        ((72, 72), 2, None),
        ((300, 300), 2, None),
        ((1, 1), 1, None),
        ((50800, 50800), 2, None),  # inches are for printers, however fine
    ],
)
def test_plain_resolution_tags(tmp_path, resolution, unit, want):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE[0, 0], resolution=resolution, resolutionunit=unit, metadata=None)
    spec = _spec(path)
    assert spec.axes[-1].unit == ("micrometer" if want else None)
    assert spec.levels[0].scale[-1] == pytest.approx(want or 1.0)


def test_imagej(tmp_path):
    path = tmp_path / "a.tif"
    green = np.zeros((3, 256), "u1")
    green[1] = np.arange(256)
    fire = np.random.default_rng(1).integers(0, 255, (3, 256)).astype("u1")
    meta = {
        "axes": "TCYX", "unit": "nm", "spacing": 3.0, "finterval": 2.5, "LUTs": [green, fire],
        "Ranges": (1.0, 99.0, 5.0, 5.0), "mode": "composite",
    }  # fmt: skip
    tifffile.imwrite(path, IMAGE[:, :2], imagej=True, resolution=(0.01, 0.02), metadata=meta)
    spec = _spec(path)
    assert spec.names == ("t", "c", "y", "x")
    assert spec.levels[0].scale == pytest.approx((2.5, 1.0, 0.05, 0.1))
    assert [a.unit for a in spec.axes] == ["second", None, "micrometer", "micrometer"]
    assert [(c.color, c.window) for c in spec.channels] == [("00FF00", (1.0, 99.0)), (None, None)]


def test_imagej_pixels_are_no_unit(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, IMAGE[0], imagej=True, resolution=(2, 2), metadata={"axes": "ZYX", "unit": "pixel"})
    assert {a.unit for a in _spec(path).axes} == {None}


def test_ome(tmp_path):
    path = tmp_path / "a.ome.tif"
    meta = {
        "axes": "TCYX", "Name": "cells", "PhysicalSizeX": 250, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.25,
        "TimeIncrement": 500, "TimeIncrementUnit": "ms", "Channel": {"Name": ["a", "b", "c"]},
        "Plane": {"PositionX": [10.0] * 6, "PositionXUnit": ["mm"] * 6, "PositionY": [7.0] * 6},
    }  # fmt: skip
    tifffile.imwrite(path, IMAGE, metadata=meta)
    spec = _spec(path)
    assert spec.levels[0].scale == pytest.approx((0.5, 1, 0.25, 0.25))
    assert spec.levels[0].origin[-1] == 10_000
    assert len(spec.attrs["positions"]) == 6
    assert [c.name for c in spec.channels] == ["a", "b", "c"]
    assert spec.attrs["name"] == "cells"
    assert spec.attrs["ome_xml"].startswith("<?xml")


def test_pyramid_levels_of_odd_sizes_keep_powers_of_two(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, bigtiff=True) as tif:
        tif.write(np.zeros((101, 203), "u1"), subifds=2, tile=(16, 16), metadata={"axes": "YX", "PhysicalSizeX": 0.5})
        tif.write(np.zeros((50, 101), "u1"), tile=(16, 16))
        tif.write(np.zeros((25, 50), "u1"), tile=(16, 16))
    spec = _spec(path)
    assert [level.scale for level in spec.levels] == [(1, 0.5), (2, 1), (4, 2)]
    assert [level.origin for level in spec.levels] == [(0, 0), (0.5, 0.25), (1.5, 0.75)]


def test_metamorph_calibration(tmp_path):
    path = tmp_path / "a.tif"
    text = (
        "<MetaData><PlaneInfo>"
        '<prop id="spatial-calibration-state" type="bool" value="on"/>'
        '<prop id="spatial-calibration-x" type="float" value="1.5"/>'
        '<prop id="spatial-calibration-y" type="float" value="1.25"/>'
        '<prop id="spatial-calibration-units" type="string" value="um"/>'
        '<custom-prop id="_IllumSetting_" type="string" value="FITC"/></PlaneInfo></MetaData>'
    )
    tifffile.imwrite(path, IMAGE[0, 0], description=text, metadata=None)
    spec = _spec(path)
    assert spec.levels[0].scale == (1.25, 1.5)
    assert spec.channels[0].name == "FITC"


@pytest.mark.parametrize("text", ["<OME>", "<html/>", "", "<OME><Image><Pixels/></Image></OME>"])
def test_no_ome_xml(text):
    with pytest.raises(BadSource):
        parse_ome(text)


def test_prefixed_names_are_understood():
    text = '<o:OME xmlns:o="x" UUID="u"><o:BinaryOnly MetadataFile="m" UUID="v"/></o:OME>'
    assert parse_ome(text).metadata_file == "m"


def test_dtd_is_refused():
    with pytest.raises(Unsupported):
        parse_ome("<!DOCTYPE OME [<!ELEMENT OME ANY>]><OME/>")


@pytest.mark.parametrize(
    "pixels",
    [
        '<Pixels DimensionOrder="XYZCT" SizeX="20" SizeY="16" SizeZ="1" SizeC="1"/>',
        '<Pixels DimensionOrder="XYZCT" SizeX="21" SizeY="16" SizeZ="1" SizeC="1" SizeT="1"><TiffData/></Pixels>',
        "<Pixels",
    ],
)
def test_ome_xml_about_something_else_is_noted_and_set_aside(tmp_path, pixels):
    path = tmp_path / "a.tif"
    text = f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image>{pixels}</Image></OME>'
    tifffile.imwrite(path, IMAGE[0, 0], description=text, metadata=None)
    spec = _spec(path)
    assert spec.levels[0].shape == (16, 20)
    assert "OME-XML" in spec.attrs["notes"][0]
