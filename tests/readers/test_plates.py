"""Plates and folders of planes: indexes of four vendors, planes made by tifffile."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade.core.errors import BadSource, SourceError, SourceNotFound, Unsupported
from s3facade.readers.plates.cv8000 import Cv8000Reader
from s3facade.readers.plates.harmony import HarmonyReader
from s3facade.readers.plates.imagexpress import ImageXpressReader
from s3facade.readers.plates.micromanager import MicroManagerReader
from s3facade.testing.reading import Watched, voxels

CORPUS = Path(__file__).parents[1] / "corpus"
SHARED = Path(os.environ.get("S3FACADE_CORPUS") or Path(__file__).parents[3] / "shared" / "data")
EXPORTED = SHARED / "plate-imagexpress-exported" / "9987_Plate_3435"
READERS = (Cv8000Reader, HarmonyReader, ImageXpressReader, MicroManagerReader)


def opened(reader, path, **options):
    return reader().open(Watched.open(path), options)


def pixels(*shape, seed=0, dtype="u2"):
    return np.random.default_rng(seed).integers(0, 4000, shape).astype(dtype)


def frozen_and_thawed(reader, path):
    file = Watched.open(path)
    rasters = reader().open(file, {})
    files = {f.source.path: f for r in rasters for f in r.files}
    return rasters, reader().thaw(reader().freeze(rasters), files)


# Harmony

OLD = """<Image Version="1"><id>{n}</id><State>Ok</State><URL>{url}</URL><Row>{row}</Row><Col>{col}</Col>
<FieldID>{field}</FieldID><PlaneID>{z}</PlaneID><TimepointID>{t}</TimepointID><ChannelID>{c}</ChannelID>
<ChannelName>dye {c}</ChannelName><ImageResolutionX Unit="m">2.5E-07</ImageResolutionX>
<ImageResolutionY Unit="m">5E-07</ImageResolutionY><PositionX Unit="m">0.001</PositionX>
<PositionY Unit="m">-0.002</PositionY><PositionZ Unit="m">{height}</PositionZ><AbsPositionZ Unit="m">0.1</AbsPositionZ>
<MeasurementTimeOffset Unit="s">{seconds}</MeasurementTimeOffset><ObjectiveMagnification>20</ObjectiveMagnification>
<ObjectiveNA>0.8</ObjectiveNA><MainExcitationWavelength Unit="nm">40{c}</MainExcitationWavelength>
<MainEmissionWavelength Unit="nm">50{c}</MainEmissionWavelength>
<AbsTime>2020-01-02T03:04:05.5+01:00</AbsTime></Image>"""
NEW = """<Image><URL>{url}</URL><Row>{row}</Row><Col>{col}</Col><FieldID>{field}</FieldID><PlaneID>{z}</PlaneID>
<TimepointID>{t}</TimepointID><ChannelID>{c}</ChannelID><PositionX>0.001</PositionX><PositionY>-0.002</PositionY>
<PositionZ>{height}</PositionZ><AbsPositionZ>0.1</AbsPositionZ>
<MeasurementTimeOffset>{seconds}</MeasurementTimeOffset><AbsTime>2020-01-02T03:04:05.5+01:00</AbsTime></Image>"""
ENTRY = """<Entry ChannelID="{c}"><ChannelName>dye {c}</ChannelName><ImageResolutionX>2.5E-07</ImageResolutionX>
<ImageResolutionY>5E-07</ImageResolutionY><ObjectiveMagnification>20</ObjectiveMagnification><ObjectiveNA>0.8</ObjectiveNA>
<MainExcitationWavelength>40{c}</MainExcitationWavelength><MainEmissionWavelength>50{c}</MainEmissionWavelength></Entry>"""
WELLS = [(1, 2), (2, 10), (1, 1)]


def harmony(folder, data, *, version=5, skip=(), compression=None):
    """Planes of ``data`` (wells, fields, t, c, z, y, x)."""
    folder.mkdir(exist_ok=True)
    images = []
    for n, (w, f, t, c, z) in enumerate(np.ndindex(*data.shape[:5])):
        row, col = WELLS[w]
        url = f"r{row:02d}c{col:02d}f{f + 1:02d}p{z + 1:02d}-ch{c + 1}sk{t + 1}fk1fl1.tiff"
        if (w, f, t, c, z) not in skip:
            about = {"row": row, "col": col, "field": f + 1, "z": z + 1, "t": t, "c": c + 1}
            values = {"height": z * 2e-6, "seconds": 60.0 * t, "url": url, "n": n}
            images.append((OLD if version < 7 else NEW).format(**about, **values))
            tifffile.imwrite(folder / url, data[w, f, t, c, z], compression=compression)
    maps = "".join(ENTRY.format(c=c + 1) for c in range(data.shape[3])) if version >= 7 else ""
    name = "Index.idx.xml" if version < 7 else "Index.xml"
    (folder / name).write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<EvaluationInputData xmlns="http://www.perkinelmer.com/PEHH/HarmonyV{version}">'
        f"<Plates><Plate><PlateID>P7</PlateID><Name>Plate seven</Name><PlateRows>8</PlateRows></Plate></Plates>"
        f"<Maps><Map>{maps}</Map></Maps><Images>{''.join(images)}</Images></EvaluationInputData>"
    )
    return folder / name


def test_the_size_of_the_plate(tmp_path):
    index = harmony(tmp_path / "Images", pixels(1, 1, 1, 1, 1, 4, 4))
    assert "size" not in opened(HarmonyReader, index)[0].spec.attrs["plate"], "there are rows and no columns"
    for columns, size in (("12", [8, 12]), ("-1", None), ("99999", None)):
        text = index.read_text()
        index.write_text(text.replace("</PlateRows>", f"</PlateRows><PlateColumns>{columns}</PlateColumns>"))
        assert opened(HarmonyReader, index)[0].spec.attrs["plate"].get("size") == size
        index.write_text(text)
    cv8000 = opened(Cv8000Reader, CORPUS / "cv8000" / "MeasurementData.mlf")
    assert cv8000[0].spec.attrs["plate"]["size"] == [8, 12]


@pytest.mark.parametrize("version", [5, 7])
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_harmony(tmp_path, version, compression):
    data = pixels(3, 2, 2, 3, 4, 12, 16)
    index = harmony(tmp_path / "Images", data, version=version, compression=compression)
    assert HarmonyReader().sniff(index.read_bytes()[:4096], index.name)
    rasters, thawed = frozen_and_thawed(HarmonyReader, index)
    told = [r.spec.attrs["plate"] for r in rasters]
    assert [(p["row"], p["column"], p["field"]) for p in told] == [
        ("A", "1", 1), ("A", "1", 2), ("A", "2", 1), ("A", "2", 2), ("B", "10", 1), ("B", "10", 2),
    ]  # fmt: skip
    assert told[0]["name"] == "Plate seven"
    for raster, again, (w, f) in zip(rasters, thawed, [(2, 0), (2, 1), (0, 0), (0, 1), (1, 0), (1, 1)], strict=True):
        assert raster.spec.names == ("t", "c", "z", "y", "x")
        np.testing.assert_array_equal(voxels(raster, 0), data[w, f])
        np.testing.assert_array_equal(voxels(again, 0), data[w, f])
        assert again.spec == raster.spec
    spec = rasters[0].spec
    assert spec.levels[0].scale == pytest.approx((60, 1, 2, 0.5, 0.25))
    assert [(c.name, c.excitation, c.emission) for c in spec.channels][1] == ("dye 2", 402, 502)
    assert spec.attrs["objective"] == {"magnification": 20, "na": 0.8}
    assert spec.attrs["acquired"] == "2020-01-02T03:04:05.500000+01:00"
    assert spec.attrs["positions"][1] == pytest.approx([1000, -2000, 100002])


def test_opening_reads_few_planes(tmp_path):
    index = harmony(tmp_path / "Images", pixels(3, 2, 2, 3, 4, 6, 8))
    file = Watched.open(index)
    HarmonyReader().open(file, {})
    assert len(file.notes.reads) == 2


def test_a_plane_that_was_not_acquired_is_zero_and_told(tmp_path):
    data = pixels(1, 1, 1, 2, 3, 6, 8)
    index = harmony(tmp_path / "Images", data, skip={(0, 0, 0, 1, 2)})
    (raster,) = opened(HarmonyReader, index)
    data[0, 0, 0, 1, 2] = 0
    np.testing.assert_array_equal(voxels(raster, 0), data[0, 0, 0])
    assert raster.spec.attrs["notes"] == ["1 of 6 planes were not acquired; they are shown as zero."]


def test_a_plane_that_is_missing_is_named_when_it_is_read(tmp_path):
    data = pixels(1, 2, 1, 2, 3, 6, 8)
    index = harmony(tmp_path / "Images", data)
    (tmp_path / "Images" / "r01c02f01p03-ch2sk1fk1fl1.tiff").unlink()
    damaged, whole = opened(HarmonyReader, index)
    np.testing.assert_array_equal(voxels(whole, 0), data[0, 1, 0])
    with pytest.raises(BadSource, match=r"r01c02f01p03-ch2sk1fk1fl1\.tiff"):
        voxels(damaged, 0)
    assert "1 of 6 planes are missing" in damaged.spec.attrs["notes"][0]
    for path in (tmp_path / "Images").glob("*.tiff"):
        path.unlink()
    with pytest.raises(SourceNotFound, match="None of"):
        opened(HarmonyReader, index)


def test_planes_that_differ_are_refused_when_they_are_read(tmp_path):
    data = pixels(1, 1, 1, 1, 3, 6, 8)
    index = harmony(tmp_path / "Images", data)
    odd = tmp_path / "Images" / "r01c02f01p02-ch1sk1fk1fl1.tiff"
    tifffile.imwrite(odd, pixels(8, 6))
    (raster,) = opened(HarmonyReader, index)
    with pytest.raises(BadSource, match="8 x 6 of uint16"):
        voxels(raster, 0)
    tifffile.imwrite(odd, pixels(8, 8, 3, dtype="u1"))
    with pytest.raises(BadSource, match="single planes"):
        voxels(opened(HarmonyReader, index)[0], 0)
    odd.write_bytes(odd.read_bytes()[:100])
    with pytest.raises(BadSource):
        voxels(opened(HarmonyReader, index)[0], 0)
    # another compression and place of the same pixels is no difference
    tifffile.imwrite(odd, data[0, 0, 0, 0, 1], compression="zlib", tile=(16, 16), byteorder=">")
    np.testing.assert_array_equal(voxels(opened(HarmonyReader, index)[0], 0), data[0, 0, 0, 0])


def test_several_planes_of_one_file(tmp_path):
    data = pixels(3, 6, 8)
    tifffile.imwrite(tmp_path / "well.tif", data, photometric="minisblack")
    images = "".join(
        f'<Image><URL BufferNo="{n}">well.tif</URL><Row>1</Row><Col>1</Col><FieldID>1</FieldID><PlaneID>1</PlaneID>'
        f"<ChannelID>{n + 1}</ChannelID></Image>"
        for n in range(3)
    )
    index = tmp_path / "ImageIndex.ColumbusIDX.xml"
    index.write_text(
        f'<EvaluationInputData xmlns="http://www.perkinelmer.com/Columbus"><Images>{images}</Images></EvaluationInputData>'
    )
    (raster,) = opened(HarmonyReader, index)
    np.testing.assert_array_equal(voxels(raster, 0), data)


def test_names_that_lead_out_of_the_folder_are_refused(tmp_path):
    index = harmony(tmp_path / "Images", pixels(1, 1, 1, 1, 1, 6, 8))
    index.write_text(index.read_text().replace("<URL>", "<URL>../"))
    (tmp_path / "r01c02f01p01-ch1sk1fk1fl1.tiff").write_bytes(b"II*\0")
    with pytest.raises(BadSource, match="outside"):
        opened(HarmonyReader, index)


def test_entities_are_refused(tmp_path):
    index = tmp_path / "Index.xml"
    index.write_text('<!DOCTYPE a [<!ENTITY b "c">]><EvaluationInputData>&b;</EvaluationInputData>')
    with pytest.raises(BadSource, match="entities"):
        opened(HarmonyReader, index)


# CellVoyager


def test_cellvoyager_of_the_corpus():
    index = CORPUS / "cv8000" / "MeasurementData.mlf"
    assert Cv8000Reader().sniff(index.read_bytes()[:4096], index.name)
    rasters = opened(Cv8000Reader, index)
    assert len(rasters) == 12
    spec = rasters[0].spec
    assert (spec.names, spec.levels[0].shape) == (("c", "z", "y", "x"), (2, 4, 2000, 2000))
    assert spec.levels[0].scale == pytest.approx((1, 3, 0.325, 0.325))
    assert [(c.name, c.color, c.excitation) for c in spec.channels] == [
        ("BP445/45", "002FFF", 405), ("BP525/50", "00FFA1", 488),
    ]  # fmt: skip
    assert spec.attrs["objective"] == {"name": "20x v2", "magnification": 20}
    assert spec.attrs["acquired"].startswith("2023-09-18T13:58:39.401")
    assert "reitsabi" not in json.dumps(dict(spec.attrs))
    name = "CV8000-Minimal-DataSet-2C-3W-4S-FP2-stack_D08_T0001F001L01A01Z02C01.tif"
    found = rasters[0].chunks(0).decode((0, 1, 0, 0), (CORPUS / "cv8000" / name).read_bytes())
    np.testing.assert_array_equal(found[0, 0], tifffile.imread(CORPUS / "cv8000" / name))
    assert "8 of 8 planes are missing" in rasters[1].spec.attrs["notes"][0]


def record(name, *, row, column, field, t, z, c, action="3D", line=1, kind="IMG"):
    return (
        f'<bts:MeasurementRecord bts:Type="{kind}" bts:Time="2023-09-18T13:00:{2 * t:02d}.000+02:00" '
        f'bts:Column="{column}" '
        f'bts:Row="{row}" bts:TimePoint="{t}" bts:FieldIndex="{field}" bts:ZIndex="{z}" bts:TimelineIndex="{line}" '
        f'bts:ActionIndex="1" bts:Action="{action}" bts:X="5" bts:Y="-7" bts:Z="{1.5 * z}" bts:Ch="{c}">'
        f"{name}</bts:MeasurementRecord>"
    )  # fmt: skip


def test_cellvoyager_stacks_projections_and_failures(tmp_path):
    data, flat = pixels(3, 2, 4, 6, 8), pixels(3, 2, 6, 8, seed=1)
    lines = []
    for t, c, z in np.ndindex(3, 2, 4):
        lines.append(record(f"a_T{t}C{c}Z{z}.tif", row=3, column=12, field=1, t=t + 1, z=z + 1, c=c + 1))
        tifffile.imwrite(tmp_path / f"a_T{t}C{c}Z{z}.tif", data[t, c, z])
    for t, c in np.ndindex(3, 2):
        lines.append(record(f"m_T{t}C{c}.tif", row=3, column=12, field=1, t=t + 1, z=1, c=c + 1, action="MIP"))
        tifffile.imwrite(tmp_path / f"m_T{t}C{c}.tif", flat[t, c])
    lines.append(record("no light", row=3, column=12, field=1, t=1, z=1, c=1, kind="ERR"))
    index = tmp_path / "MeasurementData.mlf"
    index.write_text(
        '<bts:MeasurementData xmlns:bts="http://www.yokogawa.co.jp/BTS/BTSSchema/1.0">'
        + "".join(lines)
        + "</bts:MeasurementData>"
    )
    stack, projection = opened(Cv8000Reader, index)
    np.testing.assert_array_equal(voxels(stack, 0), data)
    np.testing.assert_array_equal(voxels(projection, 0), flat)
    assert stack.spec.levels[0].scale == pytest.approx((2, 1, 1.5, 1, 1))
    assert [a.unit for a in stack.spec.axes] == ["second", None, "micrometer", None, None]
    assert projection.spec.attrs["name"] == "C12 field 1 projection"
    assert stack.spec.attrs["notes"] == ["1 planes of the plate failed when they were to be taken."]


# ImageXpress


@pytest.mark.skipif(not EXPORTED.exists(), reason="samples are not here")
def test_imagexpress_sample():
    index = EXPORTED / "9987.HTD"
    assert ImageXpressReader().sniff(index.read_bytes()[:4096], index.name)
    rasters, thawed = frozen_and_thawed(ImageXpressReader, index)
    assert [r.spec.attrs["name"] for r in rasters] == ["B02 field 1", "B02 field 2", "B03 field 1", "B03 field 2"]
    for raster, again, (well, site) in zip(
        rasters, thawed, [("B02", 1), ("B02", 2), ("B03", 1), ("B03", 2)], strict=True
    ):
        expected = [
            [tifffile.imread(EXPORTED / f"TimePoint_{t}" / f"9987_{well}_s{site}_w{w}.TIF") for w in (1, 2)]
            for t in (1, 2)
        ]
        np.testing.assert_array_equal(voxels(raster, 0), expected)
        np.testing.assert_array_equal(voxels(again, 0), expected)
    spec = rasters[0].spec
    assert spec.levels[0].scale == pytest.approx((1, 1, 1.3672, 1.3672))
    assert [(c.name, c.emission) for c in spec.channels] == [("DAPI", 452), ("FITC", 520)]
    assert spec.attrs["objective"] == {"name": "40X Plan Apo Lambda", "na": 0.95}
    assert spec.attrs["plate"]["acquisition"] == "fe477428-69e1-4edb-94d1-4098a0f3a611"


def htd(folder, **more):
    folder.mkdir(exist_ok=True)
    lines = ['"HTSInfoFile", Version 1.0', '"WaveName1", "DAPI"', '"WaveName2", "Texas, red"', *more.get("lines", ())]
    (folder / "p.HTD").write_bytes("\r\n".join(lines).encode())
    return folder / "p.HTD"


def metadata(z):
    return (
        '<MetaData><prop id="spatial-calibration-state" type="bool" value="on"/><prop id="spatial-calibration-x" '
        'type="float" value="0.5"/><prop id="spatial-calibration-y" type="float" value="0.25"/><prop '
        f'id="spatial-calibration-units" type="string" value="um"/>'
        f'<prop id="z-position" type="float" value="{100 + 3 * z}"/></MetaData>'
    )


def test_imagexpress_slices_and_projections(tmp_path):
    index = htd(tmp_path / "p")
    data = pixels(4, 2, 6, 8)
    for z, c in np.ndindex(4, 2):
        folder = tmp_path / "p" / "TimePoint_1" / f"ZStep_{z}"
        folder.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / f"p_AB03_w{c + 1}.TIF", data[z, c], description=metadata(z), metadata=None)
        tifffile.imwrite(folder / f"p_AB03_w{c + 1}_thumb.TIF", data[z, c])
    stack, projection = opened(ImageXpressReader, index)
    np.testing.assert_array_equal(voxels(stack, 0), data[1:].transpose(1, 0, 2, 3))
    np.testing.assert_array_equal(voxels(projection, 0), data[0])
    assert stack.spec.levels[0].scale == pytest.approx((1, 3, 0.25, 0.5))
    assert stack.spec.channels[1].name == "Texas, red"
    assert stack.spec.attrs["plate"]["row"] == "AB"


def test_imagexpress_tells_what_was_never_acquired_from_what_is_missing(tmp_path):
    index = htd(tmp_path / "p")
    for t in (1, 2):
        (tmp_path / "p" / f"TimePoint_{t}").mkdir()
    data = pixels(2, 2, 2, 6, 8)
    for t, s, c in np.ndindex(2, 2, 2):
        # of the second channel there is the first time only, and of site 2 not even that
        if c == 0 or (t, s) == (0, 0):
            tifffile.imwrite(tmp_path / "p" / f"TimePoint_{t + 1}" / f"p_C11_s{s + 1}_w{c + 1}.tif", data[t, s, c])
    first, second = opened(ImageXpressReader, index)
    data[1, :, 1] = 0
    np.testing.assert_array_equal(voxels(first, 0), data[:, 0])
    with pytest.raises(BadSource, match="C11, field 2, time 1, channel 2"):
        voxels(second, 0)


# Micro-Manager


def micromanager(folder, data, *, version):
    folder.mkdir()
    notes = {"Summary": {"ChNames": ["Cy5", "DAPI"], "ChColors": [-65536, -1], "PixelSize_um": 0.65, "z-step_um": 1.5}}
    for t, c, z in np.ndindex(*data.shape[:3]):
        name = f"img_{t:09d}_{['Cy5', 'DAPI'][c]}_{z:03d}.tif"
        about = {"ElapsedTime-ms": 500.0 * t + 3 * c, "XPositionUm": 1.0, "YPositionUm": 2.0, "ZPositionUm": 3.0 + z}
        if version == 1:
            notes[f"FrameKey-{t}-{c}-{z}"] = {
                "FileName": name,
                **about,
                "Time": "2013-02-03 04:05:06 +0100",
                "PixelSizeUm": 0.65,
            }
        else:
            name = f"img_channel{c:03d}_position000_time{t:09d}_z{z:03d}.tif"
            above = "Default/" if version == 2 else ""
            notes[f"Coords-{above}{name}"] = {"time": t, "channel": c, "z": z, "position": 0}
            notes[f"Metadata-{above}{name}"] = {
                **about,
                "ReceivedTime": "2020-02-03 04:05:06.123 +0100",
                "PixelSizeUm": 0.65,
            }
        tifffile.imwrite(folder / name, data[t, c, z])
    (folder / "metadata.txt").write_text(json.dumps(notes, indent=2))
    return folder / "metadata.txt"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_micromanager(tmp_path, version):
    data = pixels(3, 2, 4, 6, 8)
    index = micromanager(tmp_path / "Pos0", data, version=version)
    assert MicroManagerReader().sniff(index.read_bytes()[:4096], index.name)
    (raster,), (again,) = frozen_and_thawed(MicroManagerReader, index)
    np.testing.assert_array_equal(voxels(raster, 0), data)
    np.testing.assert_array_equal(voxels(again, 0), data)
    assert raster.spec.levels[0].scale == pytest.approx((0.5, 1, 1.5, 0.65, 0.65))
    assert [(c.name, c.color) for c in raster.spec.channels] == [("Cy5", "FF0000"), ("DAPI", None)]
    assert raster.spec.attrs["acquired"].startswith(("2013-02-03T04:05:06", "2020-02-03T04:05:06.123"))
    assert "plate" not in raster.spec.attrs


def test_positions_in_one_folder_are_images(tmp_path):
    data = pixels(2, 3, 6, 8)
    notes = {"Summary": {}}
    for position, t in np.ndindex(2, 3):
        name = f"img_channel000_position{position:03d}_time{t:09d}_z000.tif"
        notes[f"Coords-{name}"] = {"channel": 0, "z": 0, "position": position, "time": t}
        tifffile.imwrite(tmp_path / name, data[position, t])
    (tmp_path / "metadata.txt").write_text(json.dumps(notes))
    found = opened(MicroManagerReader, tmp_path / "metadata.txt")
    assert [r.spec.attrs["name"] for r in found] == ["position 0", "position 1"]
    for raster, expected in zip(found, data, strict=True):
        np.testing.assert_array_equal(voxels(raster, 0), expected)


def test_an_acquisition_that_was_broken_off_is_refused(tmp_path):
    index = micromanager(tmp_path / "Pos0", pixels(3, 2, 4, 6, 8), version=1)
    index.write_bytes(index.read_bytes()[:-300])
    with pytest.raises(BadSource, match="broken off"):
        opened(MicroManagerReader, index)


# all


@pytest.mark.parametrize("reader", READERS)
def test_options_and_other_files(reader, tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels(4, 4))
    with pytest.raises(Unsupported, match="'depth'"):
        opened(reader, path, depth=3)
    for head in (b"", path.read_bytes()[:4096], b'{"zarr_format": 3}', b"<xml/>"):
        for name in ("a.tif", "zarr.json", "metadata.txt", "Index.xml", "a.HTD", "a.mlf"):
            assert not reader().sniff(head, name)


@pytest.mark.parametrize("name", ["harmony", "cv8000", "imagexpress", "micromanager"])
def test_damaged_indexes_are_refused_or_read(name, tmp_path):
    made = {
        "harmony": lambda: (HarmonyReader, harmony(tmp_path / "Images", pixels(1, 1, 1, 2, 2, 6, 8))),
        "cv8000": lambda: (
            Cv8000Reader,
            Path(shutil.copytree(CORPUS / "cv8000", tmp_path / "c")) / "MeasurementData.mlf",
        ),
        "imagexpress": lambda: (ImageXpressReader, htd(tmp_path / "p")),
        "micromanager": lambda: (MicroManagerReader, micromanager(tmp_path / "Pos0", pixels(1, 2, 2, 6, 8), version=1)),
    }
    reader, index = made[name]()
    if name == "imagexpress":
        tifffile.imwrite(index.parent / "p_A01.tif", pixels(6, 8))
    data = index.read_bytes()[:20_000]
    random = np.random.default_rng(7)
    for _ in range(60):
        damaged = bytearray(data[: random.integers(1, len(data))] if random.random() < 0.3 else data)
        for _ in range(random.integers(1, 20)):
            damaged[random.integers(len(damaged))] = random.integers(32, 127)
        index.write_bytes(damaged)
        try:
            for raster in opened(reader, index)[:3]:
                voxels(raster, 0) if raster.spec.levels[0].shape[-1] < 100 else None
        except SourceError:
            continue


def test_ten_thousand_planes_open_quickly(tmp_path):
    index = harmony(tmp_path / "Images", pixels(1, 1, 1, 1, 1, 6, 8))
    (first,) = tmp_path.joinpath("Images").glob("*.tiff")
    text = index.read_text()
    start, end = text.index("<Image "), text.index("</Images>")
    body, images = text[start:end], []
    for n in range(10_000):
        name = f"f{n}.tiff"
        os.link(first, first.parent / name)
        images.append(
            body.replace(first.name, name)
            .replace("<FieldID>1<", f"<FieldID>{n // 8}<")
            .replace("<PlaneID>1<", f"<PlaneID>{n % 8}<")
        )
    index.write_text(text[:start] + "".join(images) + text[end:])
    begun = time.process_time()
    rasters = opened(HarmonyReader, index)
    assert time.process_time() - begun < 4, "1 s is usual"
    assert len(rasters) == 1250


# indexes as they are found in the wild


def listed(folder, rows, encoding="utf-8"):
    form = "<Image><URL>{}</URL><Row>{}</Row><Col>1</Col><TimepointID>{}</TimepointID><ChannelID>{}</ChannelID>"
    images = "".join((form + "<PlaneID>{}</PlaneID></Image>").format(*row) for row in rows)
    text = f'<?xml version="1.0" encoding="{encoding}"?><EvaluationInputData>{images}</EvaluationInputData>'
    path = folder / "Index.xml"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_indexes_of_windows(tmp_path, encoding):
    (tmp_path / "Images").mkdir()
    plane = pixels(4, 5)
    tifffile.imwrite(tmp_path / "Images" / "a.tif", plane)
    path = listed(tmp_path, [("Images\\a.tif", 1, 1, 1, 1)], encoding)
    assert HarmonyReader().sniff(path.read_bytes()[:4096], path.name)
    (raster,) = opened(HarmonyReader, path)
    np.testing.assert_array_equal(voxels(raster, 0), plane)


def test_an_index_in_utf_16_defines_no_entities(tmp_path):
    text = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "c">]><EvaluationInputData/>'
    (tmp_path / "Index.xml").write_bytes(text.encode("utf-16"))
    with pytest.raises(BadSource, match="entities"):
        opened(HarmonyReader, tmp_path / "Index.xml")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_descriptions_of_plates_and_notes_with_a_mark_of_their_encoding(tmp_path, encoding):
    tifffile.imwrite(tmp_path / "p_A01_s1_w1.TIF", pixels(4, 5))
    plate, notes = tmp_path / "p.HTD", tmp_path / "metadata.txt"
    plate.write_bytes('"HTSInfoFile", Version 1.0\r\n"WaveName1", "µ"\r\n'.encode(encoding))
    told = {"Summary": {"UserName": "roe", "ComputerName": "lab7"}, "FrameKey-0-0-0": {"FileName": "p_A01_s1_w1.TIF"}}
    notes.write_bytes(json.dumps(told).encode(encoding))
    assert ImageXpressReader().sniff(plate.read_bytes(), plate.name)
    assert MicroManagerReader().sniff(notes.read_bytes(), notes.name)
    assert opened(ImageXpressReader, plate)[0].spec.channels[0].name == "µ"
    (raster,) = opened(MicroManagerReader, notes)
    for secret in ("roe", "lab7"):
        assert secret not in str(raster.spec.attrs)


@pytest.mark.parametrize("row", [0, 703, 10**9])
def test_wells_that_no_plate_has(tmp_path, row):
    tifffile.imwrite(tmp_path / "a.tif", pixels(4, 5))
    with pytest.raises(BadSource, match="well"):
        opened(HarmonyReader, listed(tmp_path, [("a.tif", row, 1, 1, 1)]))


def test_few_planes_make_no_endless_image(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", pixels(4, 5))
    start = time.monotonic()
    with pytest.raises(Unsupported, match="planes"):
        opened(HarmonyReader, listed(tmp_path, [("a.tif", 1, n, n, n) for n in range(1, 400)]))
    assert time.monotonic() - start < 5
