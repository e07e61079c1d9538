"""``OME/METADATA.ome.xml``: valid, true about the image that is served, and complete as far as something is known."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ome_schema import NS, check, parsed

from s3facade.core.image import Dataset, Opened, derive
from s3facade.core.spec import AXES, Axis, Channel, Level, Spec
from s3facade.layouts import ome_own
from s3facade.layouts.ome_elements import moment, number, whole, words
from s3facade.layouts.ome_plate import position
from s3facade.layouts.ome_xml import metadata
from s3facade.layouts.ome_zarr import OmeZarr
from s3facade.readers.tiff.reader import TiffReader
from s3facade.stores.local import LocalFile
from s3facade.testing import images
from s3facade.transforms.geometry.axes import Flip
from s3facade.transforms.geometry.crop import Crop
from s3facade.transforms.geometry.places import Place
from s3facade.transforms.values.cast import Cast

CORPUS = Path(__file__).parents[1] / "corpus"
SOURCE = """<?xml version="1.0" encoding="UTF-8"?>
<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="urn:uuid:1" Creator="scope">
  <Instrument ID="Instrument:a"><Microscope Model="M" Type="Sideways"/>
    <Objective ID="Objective:a" NominalMagnification="40" Immersion="Vodka" LensNA="1.3" WorkingDistance="1"
      WorkingDistanceUnit="furlong"/><Unknown/></Instrument>
  <Image ID="Image:a" Name="left &amp; first"><AcquisitionDate>2020-01-01T00:00:00</AcquisitionDate>
    <Description>two
lines</Description>
    <InstrumentRef ID="Instrument:a"/><ObjectiveSettings ID="Objective:a" RefractiveIndex="1.5"/>
    <StageLabel Name="here" X="3"/>
    <Pixels ID="Pixels:a" DimensionOrder="XYZCT" Type="uint16" SizeX="4" SizeY="3" SizeZ="1" SizeC="2" SizeT="1">
      <Channel ID="Channel:a:0" Name="DAPI" EmissionWavelength="461" AcquisitionMode="SPIM" ContrastMethod="none"/>
      <Channel ID="Channel:a:1"/>
      <TiffData IFD="0"><UUID FileName="secret/path.tif">urn:uuid:1</UUID></TiffData>
      <Plane TheZ="0" TheC="0" TheT="0" ExposureTime="0.5"/><Plane TheZ="9" TheC="0" TheT="0" ExposureTime="7"/>
    </Pixels><ROIRef ID="ROI:0"/></Image>
  <Image ID="Image:b"><Pixels ID="Pixels:b" DimensionOrder="XYZCT" Type="uint8" SizeX="1" SizeY="1" SizeZ="1" SizeC="1"
    SizeT="1"><Channel ID="Channel:b:0"/><BinData BigEndian="false" Length="4">AAAA</BinData></Pixels></Image>
  <Folder ID="Folder:0"><ImageRef ID="Image:a"/><ImageRef ID="Image:z"/></Folder>
</OME>"""


def spec(*, channels=(), names="cyx", unit=None, dtype="u2", **attrs):
    axes = tuple(Axis(name, unit if name in "yx" else None) for name in names)
    n = len(names)
    return Spec(
        axes, np.dtype(dtype), (Level((2,) * n, (0.5,) * n, (0.0,) * n, (2,) * n),), tuple(channels), attrs=attrs
    )


def tree(specs, names=None):
    return check(metadata(specs, names or [f"n{i}" for i in range(len(specs))]))


def test_what_the_image_says():
    about = spec(
        channels=[Channel("DAPI", "0000FF", emission=461.0, excitation=358.0), Channel()],
        unit="micrometer",
        acquired="2021-03-04T05:06:07.5+02:00",
        objective={"name": "Plan-Apo", "magnification": 63, "na": 1.4, "immersion": "oil"},
        times=[{"t": 0, "c": None, "z": None, "seconds": 1.5}, {"t": 7, "c": 0, "z": 0, "seconds": 9}],
        positions=[{"t": 0, "c": 1, "z": 0, "x": 10.0, "y": None, "z_position": -3}],
        original={"Scope": {"Mode": "fast", "Gains": [1, 2.5]}, "empty": None, "list": [{"a": "b"}]},
    )
    ome = parsed(metadata([about], ["µ\x00<a>"]))
    image, pixels = ome.images[0], ome.images[0].pixels
    assert (ome.creator, image.name) == ("s3facade", "µ_<a>")
    assert (pixels.size_x, pixels.size_y, pixels.size_z, pixels.size_c, pixels.size_t) == (2, 2, 1, 2, 1)
    assert (pixels.physical_size_x, pixels.physical_size_x_unit.value) == (0.5, "µm")
    assert pixels.physical_size_z is None
    assert pixels.type.value == "uint16"
    first, second = pixels.channels
    assert (first.name, first.emission_wavelength, first.excitation_wavelength) == ("DAPI", 461, 358)
    assert (first.color.as_hex(), second.name, second.color.as_hex()) == ("#00f", None, "#fff")
    assert image.acquisition_date.isoformat() == "2021-03-04T05:06:07.500000+02:00"
    (objective,) = ome.instruments[0].objectives
    assert (objective.nominal_magnification, objective.lens_na, objective.immersion.value) == (63, 1.4, "Oil")
    assert (objective.model, image.objective_settings.id) == ("Plan-Apo", objective.id)
    assert [(p.the_t, p.the_c, p.delta_t, p.position_x, p.position_z) for p in pixels.planes] == [
        (0, 0, 1.5, None, None),
        (0, 1, None, 10.0, -3),
    ]
    (note,) = ome.structured_annotations
    assert {m.k: m.value for m in note.value.ms} == {
        "Scope.Mode": "fast",
        "Scope.Gains": "1, 2.5",
        "list.0.a": "b",
    }
    assert [ref.id for ref in image.annotation_refs] == [note.id]


def test_one_value_per_plane():
    sizes = (2, 2, 1, 1)
    about = Spec(
        tuple(map(Axis, "tcyx")),
        np.dtype("u1"),
        (Level(sizes, (1.0,) * 4, (0.0,) * 4, sizes),),
        (Channel(),) * 2,
        attrs={"times": [0.5, 1.5], "positions": [[1, 2, 3], [4, 5, 6], [7, 8, 9], [None, 0, 0]]},
    )
    planes = [dict(p.attrib) for p in tree([about]).iter(f"{NS}Plane")]
    assert [(p["TheT"], p["TheC"], p.get("DeltaT"), p.get("PositionX"), p["PositionZ"]) for p in planes] == [
        ("0", "0", "0.5", "1.0", "3.0"),
        ("0", "1", None, "4.0", "6.0"),
        ("1", "0", "1.5", "7.0", "9.0"),
        ("1", "1", None, None, "0.0"),
    ]
    assert not list(tree([spec(times=[1.0, 2.0, 3.0])]).iter(f"{NS}Plane"))


def test_nothing_is_said_that_is_not_known():
    root = tree([spec(names="yx")])
    (image,) = root
    assert image.attrib == {"ID": "Image:0", "Name": "n0"}
    (pixels,) = image
    assert set(pixels.attrib) == {"ID", "DimensionOrder", "Type", *(f"Size{a}" for a in "XYZCT")}
    assert [(c.tag.removeprefix(NS), dict(c.attrib)) for c in pixels] == [
        ("Channel", {"ID": "Channel:0:0", "SamplesPerPixel": "1"}),
        ("MetadataOnly", {}),
    ]


def test_a_source_s_document_gives_what_stays_true():
    root = tree([spec(ome_xml=SOURCE, ome_image=0), spec(names="yx", dtype="u1", ome_xml=SOURCE, ome_image=1)])
    first, second = root.findall(f"{NS}Image")
    assert first.find(f"{NS}Description").text == "two\nlines"
    assert first.find(f"{NS}AcquisitionDate").text == "2020-01-01T00:00:00"
    assert dict(first.find(f"{NS}StageLabel").attrib) == {"Name": "here", "X": "3.0"}
    (instrument,) = root.findall(f"{NS}Instrument")
    assert dict(instrument.find(f"{NS}Microscope").attrib) == {"Model": "M"}
    objective = dict(instrument.find(f"{NS}Objective").attrib)
    assert objective == {"ID": "Objective:0:1", "NominalMagnification": "40.0", "LensNA": "1.3"}
    assert first.find(f"{NS}ObjectiveSettings").get("ID") == "Objective:0:1"
    pixels = first.find(f"{NS}Pixels")
    assert [pixels.get(f"Size{a}") for a in "XYZCT"] == ["2", "2", "1", "2", "1"]
    assert [p.get("ExposureTime") for p in pixels.findall(f"{NS}Plane")] == ["0.5"]
    channel = pixels.find(f"{NS}Channel")
    assert (channel.get("AcquisitionMode"), channel.get("ContrastMethod")) == ("SPIM", None)
    assert second.find(f"{NS}InstrumentRef") is None
    assert b"secret" not in metadata([spec(ome_xml=SOURCE)], ["a"])


def test_prefixes_do_not_matter():
    import re

    prefixed = re.sub(r"<(/?)(?=[A-Z])", r"<\1ome:", SOURCE).replace("xmlns=", "xmlns:ome=")
    assert metadata([spec(ome_xml=prefixed)], ["a"]) == metadata([spec(ome_xml=SOURCE)], ["a"])


@pytest.mark.parametrize(
    "text",
    ["<OME", "<html/>", "<OME/>", '<!DOCTYPE a [<!ENTITY x "y">]><OME>&x;</OME>', "<OME><Image/></OME>", 7, "", []],
)
def test_documents_that_say_nothing(text):
    assert metadata([spec(ome_xml=text)], ["a"]) == metadata([spec()], ["a"])
    assert metadata([spec(ome_xml=SOURCE, ome_image=5)], ["a"]) == metadata([spec()], ["a"])


def test_colours_are_signed():
    root = tree([spec(channels=[Channel(color="FF0000"), Channel(color="FFFFFF")])])
    assert [c.get("Color") for c in root.iter(f"{NS}Channel")] == ["-16776961", "-1"]


@pytest.mark.parametrize(
    ("dtype", "name", "noted"),
    [
        ("f2", "float", True),
        ("f8", "double", False),
        ("u8", "double", True),
        ("?", "bit", True),
        ("c8", "complex", False),
    ],
)
def test_types_that_the_schema_lacks_are_noted(dtype, name, noted):
    root = tree([spec(dtype=dtype)])
    assert next(root.iter(f"{NS}Pixels")).get("Type") == name
    assert [m.text for m in root.iter(f"{NS}M")] == ([np.dtype(dtype).name] if noted else [])


def test_plates():
    fields = [("B", "02", 0), ("B", "02", 1), ("C", "11", 0)]
    about = [spec(plate={"row": r, "column": c, "field": f, "name": "P"}) for r, c, f in fields]
    (plate,) = tree([*about, spec()]).findall(f"{NS}Plate")
    assert (plate.get("Name"), plate.get("RowNamingConvention"), plate.get("ColumnNamingConvention")) == (
        "P",
        "letter",
        "number",
    )
    assert [(w.get("Row"), w.get("Column"), [s[0].get("ID") for s in w]) for w in plate] == [
        ("1", "1", ["Image:0", "Image:1"]),
        ("2", "10", ["Image:2"]),
    ]
    assert [position(label) for label in ("A", "z", "AA", "1", 12, "", "A1", None)] == [
        0,
        25,
        26,
        0,
        11,
        None,
        None,
        None,
    ]


def test_forms_of_values():
    assert moment("2020-01-01") is None
    assert moment("2020-01-01 10:00:00Z") == "2020-01-01T10:00:00+00:00"
    assert moment("yesterday") is None
    assert number("nan") is None
    assert number(1e39) is None
    assert number(10**400) is None
    assert number(True) is None
    assert number("1e-50", positive=True) is None
    assert whole("99999999999") is None
    assert whole(-1) is None
    assert words("  ") is None
    assert words("a\x00\ud800" + "b" * 9999).startswith("a__b")


odd = (
    st.text(st.characters(exclude_categories=[]), max_size=12)
    | st.just("µ" * 5000)
    | st.sampled_from(["", '\r\n\t<&">]]>'])
)
numbers = st.floats() | st.integers() | st.sampled_from([math.nan, math.inf, 1e300, 1e-300, -0.0])
loose = st.recursive(
    st.none() | st.booleans() | numbers | odd,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(odd, inner, max_size=4),
    max_leaves=12,
)


def known(entry):
    """Attributes with a meaning: as they should be, or anything at all."""
    optic = st.fixed_dictionaries({}, optional=dict.fromkeys(["name", "magnification", "na", "immersion"], loose))
    moments = st.datetimes(timezones=st.timezones()).map(lambda d: d.isoformat())
    well = st.fixed_dictionaries({"row": loose | st.just("B"), "column": st.just("3") | loose, "name": odd})
    return {
        "acquired": odd | st.datetimes().map(str) | moments,
        "objective": loose | optic,
        "plate": loose | well,
        "times": loose | st.lists(entry),
        "positions": loose | st.lists(entry),
        "original": loose,
        "ome_xml": loose | st.just(SOURCE),
        "ome_image": st.integers(-1, 2),
    }


@st.composite
def specs(draw):
    names = draw(st.sampled_from(["yx", "cyx", "tyx", "czyx", "tczyx"]))
    sizes = tuple(draw(st.integers(1, 4)) for _ in names)
    channels = [
        Channel(draw(st.none() | odd), draw(st.none() | st.sampled_from(["00FF00", "FFFFFF"])), None, True,
                draw(st.none() | numbers), draw(st.none() | numbers))
        for _ in range(draw(st.integers(0, 5)))
    ]  # fmt: skip
    axes = tuple(Axis(a, draw(st.sampled_from([None, "second" if a == "t" else "micrometer"]))) for a in names)
    scale = tuple(draw(st.floats(1e-300, 1e300)) for _ in names)
    origin = tuple(draw(st.floats(allow_nan=False)) for _ in names)
    entry = st.dictionaries(st.sampled_from(["t", "c", "z", "x", "y", "z_position", "seconds"]), loose, max_size=7)
    attrs = draw(st.fixed_dictionaries({}, optional=known(entry)))
    dtype = draw(st.sampled_from(["?", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8", "c16"]))
    return Spec(axes, np.dtype(dtype), (Level(sizes, scale, origin, sizes),), tuple(channels), attrs=attrs)


@given(st.lists(specs(), min_size=1, max_size=3), odd)
def test_any_description_gives_a_valid_document(many, name):
    root = check(metadata(many, [name] * len(many)))
    pixels = root.findall(f"{NS}Image/{NS}Pixels")
    assert [[p.get(f"Size{a.upper()}") for a in AXES] for p in pixels] == [
        [str(s.length(a)) for a in AXES] for s in many
    ]
    assert len(metadata(many, [name] * len(many))) < len(many) * (400 << 10)


def test_huge_metadata_is_cut():
    text = metadata([spec(original={f"key {i}": "v" * 5000 for i in range(10000)})], ["a"])
    assert len(text) < 200 << 10
    assert "there is more in the source" in [m.text for m in check(text).iter(f"{NS}M")]


def test_thousands_of_planes_are_bounded():
    about = Spec(
        (Axis("t"), Axis("y"), Axis("x")),
        np.dtype("u1"),
        (Level((50000, 1, 1), (1.0,) * 3, (0.0,) * 3, (1, 1, 1)),),
        (Channel(),),
        attrs={"times": [{"t": t, "c": 0, "z": 0, "seconds": t} for t in range(50000)]},
    )
    assert len(metadata([about], ["a"])) < 400 << 10


def test_thousands_of_fields_are_bounded_together():
    """A plate of 384 wells with 9 fields, each with all that its maker wrote into it."""
    original = {f"key {k}": "v" * 100 for k in range(1000)}
    fields = [
        spec(names="yx", original=original, positions=[{"x": 1.0, "y": 2.0}], plate={"row": "A", "column": n // 9 + 1})
        for n in range(384 * 9)
    ]
    text = metadata(fields, ["field"] * len(fields))
    assert len(text) < 10_000_000
    assert text.count(b"there is more in the source") == len(fields)
    assert text.count(b"PositionX=") == len(fields)


def test_an_image_of_a_long_document_is_looked_up_not_searched(monkeypatch):
    looked = []
    every = ome_own._every
    monkeypatch.setattr(ome_own, "_every", lambda node, *names: looked.append(names) or every(node, *names))
    image = '<Image ID="Image:{0}"><Pixels SizeC="1" SizeZ="1" SizeT="1"><Channel ID="Channel:{0}:0"/></Pixels></Image>'
    source = f"<OME>{''.join(image.format(n) for n in range(300))}</OME>"
    metadata([spec(names="yx", ome_xml=source, ome_image=n) for n in range(300)], ["image"] * 300)
    assert len(looked) < 300 * 10


def served(image):
    """The document as the layout gives it."""
    tree = OmeZarr(shards=False).build(Dataset({"": image}))
    file = tree.children["OME"].children["METADATA.ome.xml"]
    return b"".join(bytes(part.data) for part in file.body().parts)


@pytest.mark.parametrize("name", sorted(p.name for p in CORPUS.iterdir() if p.suffix in (".tif", ".tiff")))
def test_samples_and_what_is_made_of_them(name):
    file = LocalFile.open(CORPUS / name)
    for series, raster in enumerate(TiffReader().open(file, {})):
        image = Opened(file.source, "tiff", series, raster.spec)
        _agrees(image)
        if image.spec.levels[0].shape[-1] > 8:
            _agrees(derive(image, Crop(x=(Place(1), Place(7)))))
        _agrees(derive(image, Flip(("x",))))
        _agrees(derive(image, Cast("float32")))


def _agrees(image):
    root = check(served(image))
    (pixels,) = root.iter(f"{NS}Pixels")
    spec = image.spec
    assert {a: int(pixels.get(f"Size{a.upper()}")) for a in AXES} == {a: spec.length(a) for a in AXES}
    kinds = {"float": "float32", "double": "float64", "bit": "bool"}
    if spec.dtype.name not in ("int64", "uint64"):
        assert kinds.get(pixels.get("Type"), pixels.get("Type")) == spec.dtype.name
    assert len(pixels.findall(f"{NS}Channel")) == spec.length("c")
    for axis, scale in zip(spec.axes, spec.levels[0].scale, strict=True):
        stated = pixels.get("TimeIncrement" if axis.name == "t" else f"PhysicalSize{axis.name.upper()}")
        assert (stated is None) == (axis.unit is None)
        assert stated is None or float(stated) == pytest.approx(scale)


@given(images(units=True))
def test_any_image_is_described(image):
    _agrees(image)
