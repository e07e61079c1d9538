"""``s3facade init`` on folders as they are met: what it writes loads, and ``check`` has nothing against it."""

import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3facade.cli.main import main
from s3facade.config.load import load

SAMPLE = Path(__file__).parents[2] / "examples" / "sample"
PLANE = np.arange(32 * 40, dtype=np.uint8).reshape(32, 40)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def image(path, pixel=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    if pixel is None:
        tifffile.imwrite(path, PLANE)
    else:
        told = {"axes": "YX", "PhysicalSizeX": pixel, "PhysicalSizeY": pixel}
        tifffile.imwrite(path, PLANE, metadata=told)


def volume(path):
    import nibabel

    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(np.zeros((4, 5, 6), np.int16), np.eye(4)).to_filename(path)


def written(folder, *options):
    assert main(["init", str(folder), *options]) == 0
    return Path("s3facade.yaml").read_text("utf-8")


def checked(capsys):
    status = main(["check", "s3facade.yaml", "--json", "--tree"])
    out = capsys.readouterr().out
    return status, json.loads(out[out.index("{") :])


@pytest.fixture
def lab(tmp_path):
    root = tmp_path / "lab7"
    for batch in ("2023-01", "2023-02"):
        for animal in (12, 13):
            for stain in ("cresyl violet", "H&E"):
                for section in (7, 8):
                    image(root / batch / f"m{animal}_{stain}_sec{section}_40x.tif")
    image(root / "2023-01" / "m12_H&E_sec9.tif")
    image(root / "2023-01" / "m12_H&E_sec7_thumb.tif")
    image(root / "2023-01" / "old" / "m12_H&E_sec7_40x.tif")
    (root / "animals.csv").write_text("Animal ID,Sex,Age (weeks)\nm12,F,10\nm13,M,11\n")
    (root / "protocol.docx").write_bytes(b"x")
    (root / "Thumbs.db").write_bytes(b"")
    return root


def test_a_messy_lab_folder_gets_a_source_a_join_and_a_proposal_for_bids(lab, capsys):
    text = written(lab)
    assert '    files: "lab7/{date}/{animal:word}_{stain:[^_/]+}_sec{section:int}*.tif"' in text
    assert 'by: {animal: "Animal ID"}' in text
    assert "adds {Sex}, {Age (weeks)}" in text
    assert "#   protocol.docx" in text
    assert "Thumbs.db" not in text
    assert 'sub: "{animal}", ses: "{date}", sample: "{section}", stain: "{stain}"' in text.replace(
        "s{section", "{section"
    )
    capsys.readouterr()
    status, found = checked(capsys)
    assert status == 0, found
    assert found["buckets"]["lab7"]["images"] == 17
    settings = load(Path("s3facade.yaml"))
    assert settings.sources["sections"].files.captures.keys() == {"date", "animal", "stain", "section"}


def test_never_over_another_file(lab, capsys):
    Path("s3facade.yaml").write_text("mine")
    assert main(["init", str(lab)]) == 1
    assert "exists already" in capsys.readouterr().err
    assert Path("s3facade.yaml").read_text() == "mine"
    assert main(["init", str(lab), "--output", "other.txt"]) == 1
    assert "end in .yaml" in capsys.readouterr().err
    assert main(["init", str(lab), "--output", "no/such/folder.yaml"]) == 1
    assert "cannot be written" in capsys.readouterr().err
    assert main(["init", "gone"]) == 1
    assert "no such folder" in capsys.readouterr().err


def test_printed_and_from_another_folder(lab, tmp_path, capsys, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["init", str(lab), "--output", "-"]) == 0
    text = capsys.readouterr().out
    assert f'files: "{lab}/' in text
    assert not list(Path().iterdir())


def test_plain_images(tmp_path, capsys):
    for name in ("brain1", "brain2", "test"):
        image(tmp_path / "scans" / f"{name}.ome.tif", 0.5)
    text = written(tmp_path / "scans")
    assert 'files: "scans/{name}.ome.tif"' in text
    assert 'path: "{stem}.ome.zarr"' in text
    assert "x 0.5 µm" in text
    assert "pixel_size" not in text
    capsys.readouterr()
    status, found = checked(capsys)
    assert status == 0
    assert sorted(found["buckets"]["scans"]["tree"]) == ["brain1.ome.zarr", "brain2.ome.zarr", "test.ome.zarr"]


def test_a_plate_of_files(tmp_path, capsys):
    for row in "AB":
        for column in (1, 2):
            for site in (1, 2):
                for channel in (1, 2):
                    image(tmp_path / "plate7" / f"{row}{column:02}_s{site}_w{channel}.tif")
    text = written(tmp_path / "plate7")
    for line in (
        'files: "plate7/{row:letter}{column:int}_s{field:int}_w{channel:int}.tif"',
        "stack: {c: channel}",
        "type: ome-zarr-plate",
        "plate: 8x12",
        'well: "{row}/{column}"',
        'field: "{field}"',
        "# pixel_size: 0.5 um",
    ):
        assert line in text
    capsys.readouterr()
    status, found = checked(capsys)
    assert status == 0, found
    assert found["sources"]["wells"]["files"] == 16


def test_scans_of_a_study(tmp_path, capsys):
    for patient in ("03", "07", "11"):
        volume(tmp_path / "study" / f"Pat{patient}" / f"Pat{patient}_T1.nii.gz")
        volume(tmp_path / "study" / f"Pat{patient}" / f"Pat{patient}_rest_bold.nii.gz")
    text = written(tmp_path / "study", "--bids")
    assert 'files: "study/{sub}/{sub}_T1.nii.gz"' in text
    assert "datatype: anat" in text
    assert "suffix: T1w" in text
    assert "datatype: func" in text
    assert "suffix: bold" in text
    capsys.readouterr()
    status, found = checked(capsys)
    # A BIDS dataset of scans says what was done during them: that is for a human to write.
    assert status in (0, 1), found
    load(Path("s3facade.yaml"))


def test_junk(tmp_path, capsys):
    root = tmp_path / "My Stuff (2)"
    shutil.copytree(SAMPLE, root / "sample")
    image(root / "weird {x} $HOME.tif")
    image(root / "~tilde" / "a: b.tif")
    (root / "broken.tif").write_bytes(b"II*\0" + b"\xff" * 60)
    (root / "notes.txt").write_text("no image")
    (root / ".hidden.tif").write_bytes(b"")
    written(root)
    capsys.readouterr()
    _, found = checked(capsys)
    reasons = [e["about"] for f in found["findings"] if f["weight"] == "problem" for e in f["examples"]]
    assert [Path(r).name for r in reasons] == ["broken.tif"]
    (bucket,) = found["buckets"]
    assert bucket == "my-stuff-2"


def test_nothing_at_all(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert "type: files" in written(tmp_path / "empty")
    capsys.readouterr()
    assert checked(capsys)[0] == 0


def test_folders_that_are_images(tmp_path, capsys):
    import zarr

    for name in ("a", "b"):
        zarr.create_array(str(tmp_path / "arrays" / f"{name}.zarr"), data=np.zeros((16, 16), np.uint8))
    assert 'files: "arrays/{name}.zarr"' in written(tmp_path / "arrays")
    capsys.readouterr()
    status, found = checked(capsys)
    assert status == 0
    assert found["buckets"]["arrays"]["images"] == 2


def test_a_table_with_two_rows_for_an_animal_is_proposed_in_a_comment(lab, capsys):
    (lab / "animals.csv").write_text("Animal ID,Day,Weight\nm12,1,20\nm12,2,21\nm13,1,19\n")
    text = written(lab)
    assert "    # join:" in text
    assert "several rows for m12" in text
    capsys.readouterr()
    assert checked(capsys)[0] == 0


def test_rows_that_are_missing_are_told_and_kept(lab, capsys):
    (lab / "animals.csv").write_text("Animal ID,Sex\nm12,F\nm13,M\n")
    image(lab / "2023-01" / "m15_H&E_sec7_40x.tif")
    text = written(lab)
    assert "missing: keep" in text
    assert "no row for m15" in text
    capsys.readouterr()
    assert checked(capsys)[0] == 0


def test_microscopy_as_bids(lab, capsys):
    text = written(lab, "--bids")
    assert "suffix: BF" in text
    assert "how was it taken?" in text
    assert 'sex: "{Sex}"' in text
    capsys.readouterr()
    status, found = checked(capsys)
    # What no file says, how large a pixel is, is left to be said; there is nothing else to complain of.
    reasons = {e["sentence"] for f in found["findings"] if f["weight"] == "problem" for e in f["examples"]}
    assert status == 1
    assert len(reasons) == 1
    assert "PixelSize" in reasons.pop()
    Path("s3facade.yaml").write_text(text.replace("# pixel_size: 0.5 um ", "pixel_size: 0.5 um "))
    assert checked(capsys)[0] == 0


def test_a_dataset_that_is_bids_already(tmp_path, capsys):
    root = tmp_path / "ds"
    volume(root / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    (root / "participants.tsv").write_text("participant_id\nsub-01\n")
    text = written(root)
    assert 'root: "ds"' in text
    assert "is a BIDS dataset already" in text
    capsys.readouterr()
    status, found = checked(capsys)
    assert status == 0, found
    assert any("T1w" in key for key in found["buckets"]["images"]["tree"]["sub-01/"]["anat/"])


def test_a_dataset_among_other_files(tmp_path, capsys):
    volume(tmp_path / "all" / "ds" / "sub-01" / "anat" / "sub-01_T1w.nii.gz")
    (tmp_path / "all" / "ds" / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    image(tmp_path / "all" / "a.tif")
    text = written(tmp_path / "all")
    assert 'root: "all/ds"' in text
    assert 'files: "all/{name}.tif"' in text
    capsys.readouterr()
    assert checked(capsys)[0] == 0


NAMES = st.lists(
    st.lists(
        st.sampled_from(
            ["m12", "m13", "Nissl", "H&E", "sec1", "sec02", "A01", "B02", "w1", "w2", "2023-01-05", "mask", "7"]
        ),
        min_size=1,
        max_size=4,
    ).map("_".join),
    min_size=1,
    max_size=2,
).map("/".join)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sets(NAMES, min_size=1, max_size=15), st.sampled_from([".tif", ".ome.tif"]))
def test_what_it_writes_always_loads_and_passes(tmp_path, capsys, names, extension):
    root = tmp_path / "tree"
    shutil.rmtree(root, ignore_errors=True)
    Path("s3facade.yaml").unlink(missing_ok=True)
    for name in names:
        image(root / f"{name}{extension}")
    text = written(root)
    load(Path("s3facade.yaml"))
    capsys.readouterr()
    status, found = checked(capsys)
    assert status == 0, (text, found["findings"])
    shown = sum(source["files"] for source in found["sources"].values())
    left = sum(int(n) for n in re.findall(r"^#   \S+: (\d+) files?, as", text, re.MULTILINE))
    assert shown + left == len(names) or not found["sources"]


def test_excel_tables_are_joined(lab, capsys):
    import openpyxl

    (lab / "animals.csv").unlink()
    book = openpyxl.Workbook()
    for row in (("Animal ID", "Sex"), ("m12", "F"), ("m13", "M")):
        book.active.append(row)
    book.save(lab / "animals.xlsx")
    text = written(lab)
    assert '- table: "lab7/animals.xlsx"     # adds {Sex}' in text
    capsys.readouterr()
    assert checked(capsys)[0] == 0


def test_names_that_cannot_be_said_are_listed_as_well_as_can_be(tmp_path, capsys):
    import os

    root = tmp_path / "odd"
    image(root / "fine.tif")
    image(root / "two\nlines.tif")
    with open(os.fsencode(root) + b"/\xff\xfe.tif", "wb") as file:
        file.write(b"x")
    text = written(root)
    assert 'files: "odd/{name}.tif"' in text
    assert "(2 files)" in text
    assert "two\\nlines.tif" in text
    load(Path("s3facade.yaml"))


def test_tables_that_cannot_be_read_are_told_with_the_reason(lab, capsys, monkeypatch):
    (lab / "animals.csv").write_bytes("Animal ID,Sex\nm12,F\n".encode("utf-16"))
    (lab / "slides.xlsx").write_bytes(b"PK")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    text = written(lab)
    assert re.search(r"^#   animals.csv: is not UTF-8 but UTF-16", text, re.MULTILINE)
    assert re.search(r"^#   slides.xlsx: reading .xlsx needs openpyxl; pip install", text, re.MULTILINE)
