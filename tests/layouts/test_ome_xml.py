"""``OME/METADATA.ome.xml``: what is kept of a source's document, and what is written without one."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest

from s3facade.core.spec import Axis, Channel, Level, Spec
from s3facade.layouts.ome_xml import metadata

NS = "{http://www.openmicroscopy.org/Schemas/OME/2016-06}"
SOURCE = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1" Creator="scope">
  <Instrument ID="Instrument:0"><Objective ID="Objective:0" NominalMagnification="40"/></Instrument>
  <Image ID="Image:a" Name="left &amp; first"><AcquisitionDate>2020-01-01T00:00:00</AcquisitionDate>
    <Pixels ID="Pixels:a" DimensionOrder="XYZCT" Type="uint16" SizeX="4" SizeY="3" SizeZ="1" SizeC="2" SizeT="1">
      <Channel ID="Channel:a:0" Name="DAPI"/><Channel ID="Channel:a:1"/>
      <TiffData IFD="0"><UUID FileName="secret/path.tif">urn:uuid:1</UUID></TiffData>
      <Plane TheZ="0" TheC="0" TheT="0" ExposureTime="0.5"/>
    </Pixels><ROIRef ID="ROI:0"/></Image>
  <Image ID="Image:b"><Pixels ID="Pixels:b" DimensionOrder="XYZCT" Type="uint8" SizeX="1" SizeY="1" SizeZ="1" SizeC="1"
    SizeT="1"><Channel ID="Channel:b:0"/><BinData BigEndian="false" Length="4">AAAA</BinData></Pixels></Image>
  <Folder ID="Folder:0"><ImageRef ID="Image:a"/><ImageRef ID="Image:z"/></Folder>
</OME>"""


def spec(*, channels=(), names="cyx", unit=None, **attrs):
    axes = tuple(Axis(name, unit if name in "yx" else None) for name in names)
    n = len(names)
    return Spec(
        axes, np.dtype("u2"), (Level((2,) * n, (0.5,) * n, (0.0,) * n, (2,) * n),), tuple(channels), attrs=attrs
    )


def tree(specs, names=None):
    return ET.fromstring(metadata(specs, names or [f"n{i}" for i in range(len(specs))]))


@pytest.mark.parametrize("order", [(None, None), (0, 1)])
def test_keeps_the_source_s_own(order):
    root = tree([spec(ome_xml=SOURCE, **({} if n is None else {"ome_image": n})) for n in order])
    images = root.findall(f"{NS}Image")
    assert [i.get("ID") for i in images] == ["Image:0", "Image:1"]
    assert images[0].get("Name") == "left & first"
    pixels = images[0].find(f"{NS}Pixels")
    assert [child.tag.removeprefix(NS) for child in pixels] == ["Channel", "Channel", "MetadataOnly", "Plane"]
    assert [child.tag.removeprefix(NS) for child in images[1].find(f"{NS}Pixels")] == ["Channel", "MetadataOnly"]
    assert root.find(f"{NS}Instrument/{NS}Objective").get("NominalMagnification") == "40"
    assert [ref.get("ID") for ref in root.iter(f"{NS}ImageRef")] == ["Image:0"]
    text = ET.tostring(root)
    assert b"secret" not in text
    assert b"BinData" not in text


def test_follows_the_order_of_series():
    images = tree([spec(ome_xml=SOURCE, ome_image=n) for n in (1, 0)]).findall(f"{NS}Image")
    assert [i.find(f"{NS}Pixels").get("Type") for i in images] == ["uint8", "uint16"]
    assert [i.get("ID") for i in images] == ["Image:0", "Image:1"]


def test_prefixes_are_kept():
    prefixed = SOURCE.replace("</", "</ome:").replace("<ome:/", "</").replace("xmlns=", "xmlns:ome=")
    for tag in ("OME", "Instrument", "Objective", "Image", "Pixels", "Channel", "TiffData", "UUID", "Plane", "ROIRef"):
        prefixed = prefixed.replace(f"<{tag} ", f"<ome:{tag} ").replace(f"<{tag}>", f"<ome:{tag}>")
    for tag in ("BinData", "Folder", "ImageRef", "AcquisitionDate"):
        prefixed = prefixed.replace(f"<{tag} ", f"<ome:{tag} ").replace(f"<{tag}>", f"<ome:{tag}>")
    root = tree([spec(ome_xml=prefixed)] * 2)
    assert [child.tag for child in root.find(f"{NS}Image/{NS}Pixels")][2] == f"{NS}MetadataOnly"


@pytest.mark.parametrize(
    "texts",
    [
        (SOURCE, None),
        ("<OME", "<OME"),
        ("<html/>", "<html/>"),
        ("<OME/>", "<OME/>"),
        ('<!DOCTYPE a [<!ENTITY x "y">]><OME>&x;</OME>',) * 2,
        (SOURCE,) * 3,
    ],
)
def test_writes_a_minimal_document_else(texts):
    specs = [spec(channels=[Channel("DAPI", "0000FF")], unit="micrometer", ome_xml=text) for text in texts]
    root = tree(specs, ["µ\x00<a>", *"bc"[: len(texts) - 1]])
    images = root.findall(f"{NS}Image")
    assert images[0].get("Name") == "µ_<a>"
    pixels = images[0].find(f"{NS}Pixels").attrib
    assert [pixels[f"Size{axis}"] for axis in "XYZCT"] == ["2", "2", "1", "2", "1"]
    assert (pixels["PhysicalSizeX"], pixels["PhysicalSizeXUnit"]) == ("0.5", "µm")
    assert "PhysicalSizeZ" not in pixels
    channels = images[0].findall(f"{NS}Pixels/{NS}Channel")
    assert [c.get("Color") for c in channels] == ["65535", None]
    assert [i.get("ID") for i in images] == [f"Image:{n}" for n in range(len(texts))]


def test_colours_are_signed():
    root = tree([spec(channels=[Channel(color="FF0000"), Channel(color="FFFFFF")])] * 2)
    assert [c.get("Color") for c in root.iter(f"{NS}Channel")][:2] == ["-16776961", "-1"]
