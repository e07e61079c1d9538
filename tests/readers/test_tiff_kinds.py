"""TIFFs of slide scanners and microscopes: most are written here with the tags of their makers, not by them."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tiff_tools import Plain, compare, whole

from s3facade.core.errors import SourceError
from s3facade.readers.ome_xml import parse_ome
from s3facade.readers.tiff.maker import iso, objective
from s3facade.readers.tiff.reader import TiffReader

CORPUS = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
RANDOM = np.random.default_rng(5)


def opened(path):
    return TiffReader().open(Plain.open(path), {})


def scales(raster):
    spec = raster.spec
    return dict(zip(spec.names, spec.levels[0].scale, strict=True))


def units(raster):
    return {a.name for a in raster.spec.axes if a.unit}


def volume(*shape):
    return RANDOM.integers(0, 60000, shape).astype("u2")


def test_qptiff(tmp_path):
    path = tmp_path / "a.qptiff"
    full, small = volume(2, 512, 768), volume(2, 256, 384)
    page = (
        "<?xml version='1.0'?><PerkinElmer-QPI-ImageDescription><Name>{0}</Name><Biomarker>{0}</Biomarker>"
        "<Color>{1}</Color><Objective>20x</Objective><ExposureTime>50</ExposureTime>"
        "</PerkinElmer-QPI-ImageDescription>"
    )
    common = {"software": "PerkinElmer-QPI", "metadata": None, "resolutionunit": 3, "datetime": "2021:02:03 04:05:06"}
    marks = [("DAPI", "0,0,255"), ("CD8", "255,255,0")]
    with tifffile.TiffWriter(path) as tif:
        for (name, colour), plane in zip(marks, full, strict=True):
            tif.write(
                plane, tile=(256, 256), description=page.format(name, colour), resolution=(20000, 20000), **common
            )
        tif.write(volume(50, 60).astype("u1"), description=page.format("thumbnail", ""), **common)
        for (name, colour), plane in zip(marks, small, strict=True):
            tif.write(
                plane, tile=(256, 256), description=page.format(name, colour), resolution=(10000, 10000), **common
            )
    rasters = opened(path)
    compare(path, rasters)
    raster = rasters[0]
    assert [level.shape for level in raster.spec.levels] == [(2, 512, 768), (2, 256, 384)]
    np.testing.assert_array_equal(whole(raster, 1), small)
    assert scales(raster)["x"] == 0.5
    assert [(c.name, c.color) for c in raster.spec.channels] == [("DAPI", "0000FF"), ("CD8", "FFFF00")]
    assert raster.spec.attrs["objective"] == {"name": "20x", "magnification": 20.0}
    assert raster.spec.attrs["acquired"] == "2021-02-03T04:05:06"


def test_leica_scn(tmp_path):
    path = tmp_path / "a.scn"
    xml = (
        '<scn xmlns="http://www.leica-microsystems.com/scn/2010/10/01"><collection name="s" sizeX="9" sizeY="9">'
        '<image name="one"><creationDate>2012-03-04T05:06:07.8Z</creationDate><device model="SCN400"/>'
        '<pixels sizeX="512" sizeY="256"><dimension sizeX="512" sizeY="256" r="0" ifd="0"/>'
        '<dimension sizeX="256" sizeY="128" r="1" ifd="1"/></pixels>'
        '<view sizeX="256000" sizeY="128000" offsetX="0" offsetY="0"/>'
        "<scanSettings><objectiveSettings><objective>20</objective></objectiveSettings><illuminationSettings>"
        "<numericalAperture>0.4</numericalAperture></illuminationSettings></scanSettings></image>"
        "</collection></scn>"
    )
    full = volume(256, 512, 3).astype("u1")
    with tifffile.TiffWriter(path) as tif:
        tif.write(full, tile=(128, 128), photometric="rgb", description=xml, metadata=None)
        tif.write(full[::2, ::2], tile=(128, 128), photometric="rgb", metadata=None)
    (raster,) = opened(path)
    compare(path, [raster])
    assert raster.spec.names == ("c", "y", "x")
    assert [level.shape for level in raster.spec.levels] == [(3, 256, 512), (3, 128, 256)]
    assert scales(raster)["x"] == scales(raster)["y"] == 0.5
    assert raster.spec.attrs["objective"] == {"magnification": 20.0, "na": 0.4}
    assert raster.spec.attrs["acquired"] == "2012-03-04T05:06:07.8Z"
    assert raster.spec.attrs["original"] == {"model": "SCN400"}


def test_philips(tmp_path):
    path = tmp_path / "a.tiff"
    part = (
        '<DataObject ObjectType="PixelDataRepresentation"><Attribute Name="DICOM_PIXEL_SPACING" Group="0x0028" '
        'Element="0x0030" PMSVR="IDoubleArray">"{0}" "{0}"</Attribute></DataObject>'
    )
    xml = (
        '<?xml version="1.0" encoding="UTF-8" ?><DataObject ObjectType="DPUfsImport">'
        '<Attribute Name="DICOM_ACQUISITION_DATETIME">"20160719104532.000000"</Attribute>'
        '<Attribute Name="PIM_DP_SCANNED_IMAGES"><Array><DataObject ObjectType="DPScannedImage">'
        '<Attribute Name="PIIM_PIXEL_DATA_REPRESENTATION_SEQUENCE"><Array>'
        f"{part.format('0.00025')}{part.format('0.0005')}</Array></Attribute></DataObject></Array></Attribute></DataObject>"
    )
    full = volume(512, 640, 3).astype("u1")
    # sizes of smaller levels are padded to whole tiles
    small = volume(256, 384, 3).astype("u1")
    common = {"tile": (128, 128), "photometric": "rgb", "metadata": None, "software": "Philips DP v1.0"}
    with tifffile.TiffWriter(path) as tif:
        tif.write(full, description=xml, **common)
        tif.write(small, **common)
    (raster,) = opened(path)
    compare(path, [raster])
    assert [level.shape for level in raster.spec.levels] == [(3, 512, 640), (3, 256, 320)]
    np.testing.assert_array_equal(whole(raster, 1), np.moveaxis(small[:, :320], -1, 0))
    assert scales(raster)["x"] == pytest.approx(0.25)
    assert raster.spec.levels[1].scale[-1] == pytest.approx(0.5)
    assert raster.spec.attrs["acquired"] == "2016-07-19T10:45:32"


@pytest.mark.parametrize("overlap", [0, 24])
def test_ventana(tmp_path, overlap):
    path = tmp_path / "a.bif"
    xml = (
        '<Metadata><iScan Magnification="40" ScanRes="0.2325" UnitNumber="1"/><EncodeInfo><SlideStitchInfo>'
        f'<ImageInfo><TileJointInfo OverlapX="{overlap}" OverlapY="0" Direction="RIGHT"/></ImageInfo>'
        "</SlideStitchInfo></EncodeInfo></Metadata>"
    ).encode()
    full = volume(256, 512, 3).astype("u1")
    common = {
        "tile": (128, 128), "photometric": "rgb", "metadata": None, "software": "ScanOutputManager 1.1",
        "extratags": [(700, 1, len(xml), xml, True)],
    }  # fmt: skip
    with tifffile.TiffWriter(path) as tif:
        tif.write(full, description="level=0 mag=40 quality=90", **common)
        tif.write(full[::2, ::2], description="level=1 mag=20 quality=90", **common)
    (raster,) = opened(path)
    compare(path, [raster])
    assert len(raster.spec.levels) == 2
    assert scales(raster)["x"] == 0.2325
    assert raster.spec.attrs["objective"] == {"magnification": 40.0}
    assert ("overlap by up to 24" in str(raster.spec.attrs.get("notes"))) == bool(overlap)


def stk(path, stack, distances, created):
    """A MetaMorph stack: one directory, planes that follow each other, UIC tags."""
    count, height, width = stack.shape
    day = 2458849  # 2020-01-01
    two = b"".join(
        struct.pack("<6I", int(d * 1000), 1000, day, t, day, t) for d, t in zip(distances, created, strict=True)
    )
    three = struct.pack(f"<{2 * count}I", *[525, 1] * count)
    tifffile.imwrite(
        path,
        stack.reshape(-1, width),
        rowsperstrip=count * height,
        metadata=None,
        byteorder="<",
        extratags=[(33629, 5, 3 * count, two, True), (33630, 5, count, three, True), (33628, 4, 12, uic1(), True)],
    )
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tags = {t.code: t for t in tif.pages[0].tags}
        tags[257].overwrite(height)
        tags[278].overwrite(height)
        tags[279].overwrite(height * width * 2)
        places = {code: tags[code].offset for code in (33629, 33628)}
        where = tags[33628].valueoffset
    data = bytearray(path.read_bytes())
    data[places[33629] + 4 : places[33629] + 8] = struct.pack("<I", count)
    end = len(data)
    data[where : where + 48] = struct.pack("<12I", 1, 1, 4, end, 5, end + 8, 6, end + 16, 7, end + 24, 0, 0)
    data[places[33628] + 4 : places[33628] + 8] = struct.pack("<I", 5)
    data += struct.pack("<4I", 1, 4, 1, 4) + struct.pack("<I", 3) + b"um\0\0" + struct.pack("<I", 5) + b"FITC\0"
    path.write_bytes(data)


def uic1():
    return bytes(48)


def test_metamorph_stack(tmp_path):
    path = tmp_path / "a.stk"
    stack = volume(3, 20, 30)
    stk(path, stack, [0.5, 0.5, 0.5], [3600000, 3601000, 3602000])
    (raster,) = opened(path)
    assert raster.spec.names == ("z", "y", "x")
    np.testing.assert_array_equal(whole(raster), stack)
    assert scales(raster) == {"z": 0.5, "y": 0.25, "x": 0.25}
    assert raster.spec.channels[0].name == "FITC"
    assert raster.spec.attrs["acquired"] == "2020-01-01T01:00:00.000"
    assert [t["seconds"] for t in raster.spec.attrs["times"]] == [0, 1, 2]
    assert raster.spec.channels[0].emission == 525
    stk(path, stack, [0, 0, 0], [3600000, 3600500, 3601000])
    (raster,) = opened(path)
    assert raster.spec.names == ("t", "y", "x")
    assert scales(raster)["t"] == 0.5


def test_zeiss_lsm(tmp_path):
    path = tmp_path / "a.lsm"
    stack = volume(3, 3, 24, 32)
    record = np.zeros(1, np.dtype(tifffile.TIFF.CZ_LSMINFO))
    names = record.dtype.names
    for name, value in {
        "MagicNumber": 67127628, "StructureSize": record.nbytes, "DimensionX": 32, "DimensionY": 24, "DimensionZ": 3,
        "DimensionChannels": 3, "DimensionTime": 1, "VoxelSizeX": 2e-7, "VoxelSizeY": 2e-7, "VoxelSizeZ": 1e-6,
    }.items():  # fmt: skip
        assert name in names
        record[name] = value
    with tifffile.TiffWriter(path, byteorder="<") as tif:
        for k, plane in enumerate(stack):
            tags = [(34412, 1, record.nbytes, record.tobytes(), True)] if k == 0 else ()
            tif.write(plane, planarconfig="separate", photometric="minisblack", extratags=tags, metadata=None)
            tif.write(np.zeros((8, 8, 3), "u1"), photometric="rgb", subfiletype=1, metadata=None)
    rasters = opened(path)
    raster = rasters[0]
    assert raster.spec.names == ("c", "z", "y", "x")
    np.testing.assert_array_equal(whole(raster), stack.swapaxes(0, 1))
    assert scales(raster) == pytest.approx({"c": 1, "z": 1, "y": 0.2, "x": 0.2})
    assert units(rasters[1]) == set()


def test_fluoview(tmp_path):
    path = tmp_path / "a.tif"
    stack = volume(2, 3, 20, 30)
    record = np.zeros(1, np.dtype(tifffile.TIFF.MM_HEADER))
    dims = [("x", 30, 0.25, "um"), ("y", 20, 0.25, "um"), ("z", 3, 1.5, "um"), ("Ch", 2, 1, "Ch")]
    for k, (name, size, step, unit) in enumerate(dims):
        record["Dimensions"][0, k] = (name.encode(), size, 0, step, unit.encode())
    record["ImageName"] = b"cells"
    # each unused dimension has one entry
    for k in range(len(dims), 10):
        record["Dimensions"][0, k] = (b"", 0, 0, 0, b"")
    tags = [(34361, 1, record.nbytes, record.tobytes(), True), (34362, 12, 8, [0.0] * 8, True)]
    with tifffile.TiffWriter(path, byteorder="<") as tif:
        for plane in stack.reshape(-1, 20, 30):
            tif.write(plane, extratags=tags, metadata=None)
    (raster,) = opened(path)
    assert raster.spec.names == ("c", "z", "y", "x")
    np.testing.assert_array_equal(whole(raster), stack)
    assert scales(raster) == {"c": 1, "z": 1.5, "y": 0.25, "x": 0.25}


STATE = """SI.VERSION_MAJOR = '2021'
SI.hChannels.channelSave = [1;2]
SI.hChannels.channelName = {'green' 'red'}
SI.hStackManager.framesPerSlice = 1
SI.hStackManager.actualStackZStepSize = 2.5
SI.hStackManager.zs = [0 2.5 5]
SI.hRoiManager.scanVolumeRate = 4
SI.hRoiManager.imagingFovUm = [-15 -10;15 -10;15 10;-15 10]
SI.hRoiManager.linesPerFrame = 20
SI.hRoiManager.pixelsPerLine = 30"""


def scanimage(path, planes):
    """ScanImage's form of BigTIFF: its state between the header and the first directory."""
    state = STATE.encode() + b"\0"
    head = struct.pack("<IIII", 0x07030301, 3, len(state), 0) + state
    data = bytearray(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16 + len(head)) + head)
    for k, plane in enumerate(planes):
        height, width = plane.shape
        tags = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1)]
        end = len(data) + 8 + 20 * 10 + 8
        tags += [(273, 16, 1, end + 5), (277, 3, 1, 1), (278, 4, 1, height), (279, 16, 1, plane.nbytes)]
        tags += [(305, 2, 5, int.from_bytes(b"SI.1\0", "little"))]
        data += struct.pack("<Q", len(tags)) + b"".join(struct.pack("<HHQQ", *tag) for tag in tags)
        data += struct.pack("<Q", 0 if k == len(planes) - 1 else end + 5 + plane.nbytes)
        data += bytes(5) + plane.tobytes()
    path.write_bytes(data)


def test_scanimage(tmp_path):
    path = tmp_path / "a.tif"
    stack = volume(3, 2, 20, 30)
    scanimage(path, stack.reshape(-1, 20, 30))
    (raster,) = opened(path)
    assert raster.spec.names == ("c", "z", "y", "x")
    np.testing.assert_array_equal(whole(raster), stack.swapaxes(0, 1))
    assert scales(raster) == {"c": 1, "z": 2.5, "y": 1.0, "x": 1.0}
    assert [c.name for c in raster.spec.channels] == ["green", "red"]


def test_positions_are_images(tmp_path):
    """By way of tifffile's own metadata, which know a letter for them."""
    path = tmp_path / "a.tif"
    stack = volume(2, 4, 16, 20)
    with tifffile.TiffWriter(path) as tif:
        tif.write(stack, metadata={"axes": "RZYX"}, compression="zlib", photometric="minisblack")
    rasters = opened(path)
    assert [r.spec.names for r in rasters] == [("z", "y", "x")] * 2
    assert [r.spec.attrs["name"] for r in rasters] == ["position 0", "position 1"]
    for raster, expected in zip(rasters, stack, strict=True):
        np.testing.assert_array_equal(whole(raster), expected)


def test_fei(tmp_path):
    path = tmp_path / "a.tif"
    text = b"[Scan]\r\nPixelWidth=1.5e-09\r\nPixelHeight=1.5e-09\r\n"
    tifffile.imwrite(path, volume(8, 9), metadata=None, extratags=[(34682, 2, len(text), text, True)])
    (raster,) = opened(path)
    assert scales(raster) == pytest.approx({"y": 0.0015, "x": 0.0015})


@pytest.mark.skipif(not CORPUS.is_dir(), reason="there is no corpus")
def test_real_slides():
    first, *_ = opened(CORPUS / "wsi" / "cmu-1-small-region.svs")
    assert first.spec.attrs["objective"] == {"magnification": 20.0}
    assert first.spec.attrs["acquired"] == "2009-12-29T09:59:15"
    first, *_ = opened(CORPUS / "wsi" / "test3-DAPI-2-(387).ndpi")
    assert first.spec.attrs["objective"] == {"magnification": 40.0}
    assert first.spec.attrs["acquired"] == "2017-02-07T13:06:43"


OME = """<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Plate ID="Plate:0" Name="P" ColumnNamingConvention="number" RowNamingConvention="letter"><Well ID="W:0" Row="1" Column="2"><WellSample ID="S:0" Index="0"><ImageRef ID="Image:0"/></WellSample></Well></Plate>
<Instrument ID="Instrument:0"><Objective ID="Objective:0" Model="Plan" NominalMagnification="63" LensNA="1.4" Immersion="Oil"/></Instrument>
<Image ID="Image:0" Name="a"><AcquisitionDate>2020-01-02T03:04:05</AcquisitionDate><ObjectiveSettings ID="Objective:0"/>
<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint8" SizeX="2" SizeY="2" SizeC="1" SizeZ="1" SizeT="1">
<Channel ID="Channel:0" Name="DAPI" EmissionWavelength="461" ExcitationWavelength="0.358" ExcitationWavelengthUnit="µm"/><TiffData/></Pixels></Image></OME>"""  # noqa: E501


def test_each_ome_image_knows_its_place_in_the_document(tmp_path):
    path = tmp_path / "a.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as tif:
        for name in ("first", "second"):
            tif.write(volume(2, 20, 30), metadata={"axes": "ZYX", "Name": name}, photometric="minisblack")
    rasters = opened(path)
    assert [(r.spec.attrs["name"], r.spec.attrs["ome_image"]) for r in rasters] == [("first", 0), ("second", 1)]


def mutated(data, rng):
    changed = bytearray(data)
    for at in rng.integers(0, len(data), rng.integers(1, 8)):
        changed[at] = rng.integers(0, 256)
    return bytes(changed[: rng.integers(1, len(data))]) if rng.random() < 0.3 else bytes(changed)


def test_damaged_metadata_are_an_error_of_the_source_or_none(tmp_path):
    makers = {
        "stk": lambda p: stk(p, volume(3, 20, 30), [0.5, 0.5, 0.5], [3600000, 3601000, 3602000]),
        "si": lambda p: scanimage(p, volume(4, 20, 30)),
        "lsm": test_zeiss_lsm,
        "qpi": test_qptiff,
        "philips": test_philips,
        "scn": test_leica_scn,
        "fv": test_fluoview,
    }
    for name, make in makers.items():
        folder = tmp_path / name
        folder.mkdir()
        make(folder / "a.tif") if name in ("stk", "si") else make(folder)
        (path,) = folder.iterdir()
        data, rng = path.read_bytes(), np.random.default_rng(7)
        for _ in range(25):
            # tags and texts lie in front of the pixels or behind them
            part = rng.choice([0, len(data) - 3000])
            head = mutated(data[part : part + 3000], rng)
            path.write_bytes(data[:part] + head + data[part + 3000 :] if part == 0 else data[:part] + head)
            try:
                for raster in opened(path):
                    whole(raster)
            except SourceError:
                continue


def test_what_ome_xml_refers_to():
    (image,) = parse_ome(OME).images
    assert image.acquired == "2020-01-02T03:04:05"
    assert image.objective == {"name": "Plan", "magnification": 63.0, "na": 1.4, "immersion": "Oil"}
    assert image.plate == {"name": "P", "row": "B", "column": "3", "field": 0}
    (channel,) = image.channels
    assert (channel.emission, channel.excitation) == (461, 358)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Plan-Apochromat 63x/1.40 Oil DIC M27", {"magnification": 63.0, "na": 1.4, "immersion": "Oil"}),
        ("20x", {"magnification": 20.0}),
        ("W N-Achroplan 10x/0.3", {"magnification": 10.0, "na": 0.3, "immersion": "Water"}),
        ("", {}),
        ("none", {}),
    ],
)
def test_objectives(name, expected):
    assert objective(name) == ({"name": name, **expected} if name else {})


def test_only_iso_times_are_times():
    assert iso("2012-03-04T05:06:07.1234567Z")
    assert iso("yesterday") is None
