"""Mappings with a mistake in them, as they are complained about of other tools: ``check`` says the sentence that helps.

Each case: what lies in the folder, the configuration, the exit status (0: told, but no problem; 1: a problem; 2: the
file itself is wrong), and what has to be said.
"""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade.cli.main import main

LAB = ("m12_Nissl_sec7.tif", "m12_HE_sec8.tif", "m13_Nissl_sec7.tif")
PLATE = tuple(f"{well}_s{s}_w{w}.tif" for well in ("A01", "B02") for s in (1, 2) for w in (1, 2))
ANIMALS = {"animals.csv": "Animal ID,Sex\nm12,F\nm13,M\n"}
SECTIONS = "sources: {sections: {files: '{animal:word}_{stain:word}_sec{section:int}.tif'}}\n"
JOINED = (
    "sources:\n"
    "  sections:\n"
    "    files: '{animal:word}_{stain:word}_sec{section:int}.tif'\n"
    "    pixel_size: 0.5 um\n"
    "    join: [{table: animals.csv, by: {animal: Animal ID}}]\n"
)
ZARR = "buckets: {lab: {views: [{type: ome-zarr, from: sections, path: '{animal}_{stain}_{section}.ome.zarr'}]}}\n"


def bids(entities="sub: '{animal}', sample: '{section}', stain: '{stain}'", suffix="BF", more="", rest=""):
    return (
        f"buckets: {{lab: {{views: [{{type: bids, name: Lab, samples: {{sample_type: tissue}}{rest}, "
        f"files: [{{from: sections, suffix: {suffix}, entities: {{{entities}}}{more}}}]}}]}}}}\n"
    )


def plate(view="well: '{row}/{column}', field: '{field}'", source="stack: {c: channel}"):
    return (
        "sources: {plate: {files: '{row:letter}{column:int}_s{field:int}_w{channel:int}.tif', pixel_size: 1 um, "
        f"{source}}}}}\n"
        f"buckets: {{lab: {{views: [{{type: ome-zarr-plate, from: plate, path: p.ome.zarr, {view}}}]}}}}\n"
    )


CASES = {
    # Files that are left out without a word.
    "a stain with a space": (
        ("m12_cresyl violet_sec7.tif", *LAB),
        SECTIONS + ZARR,
        0,
        ["m12_cresyl violet_sec7.tif: fits '{animal:word}_{stain:word}' as far as 'm12_cresyl'"],
    ),
    "an extension in capitals": (
        ("m14_HE_sec9.TIF", *LAB),
        SECTIONS + ZARR,
        0,
        ["m14_HE_sec9.TIF", "only upper and lower case differ"],
    ),
    "nothing matches": (("a.tif",), SECTIONS + ZARR, 1, ["no file matches its sources", "a.tif: "]),
    "nothing gets a name": (
        LAB,
        SECTIONS + bids("sub: '{animal}', sample: '{section}', run: '{stain}'"),
        1,
        ["it shows no image; why is told with each file", "`run` is a whole number in BIDS, and 'HE' is none."],
    ),
    "files a folder deeper": (
        ("raw/m12_Nissl_sec7.tif", *LAB),
        SECTIONS + ZARR,
        0,
        ["raw/", "deeper than any pattern goes"],
    ),
    # Names that are read wrongly.
    "two ways to read a name": (
        ("m_13_Nissl_sec7.tif", *LAB),
        SECTIONS.replace(":word", "") + ZARR,
        1,
        ["m_13_Nissl_sec7.tif", "animal=m_13", "animal=m, stain=13_Nissl"],
    ),
    "two animals of one label": (
        ("m_1-2_sec7.tif", "m_12_sec7.tif"),
        "sources: {sections: {files: 'm_{animal}_sec{section:int}.tif', pixel_size: 1 um}}\n"
        + bids("sub: '{animal}', sample: '{section}'"),
        1,
        ["1-2", "12"],
    ),
    "two files of one key": (
        LAB,
        SECTIONS + ZARR.replace("{animal}_{stain}_{section}", "{section}"),
        1,
        ["keys that two files claim", "m12_Nissl_sec7.tif", "m13_Nissl_sec7.tif"],
    ),
    "an empty subject": (LAB, SECTIONS + bids("sub: '', sample: '{section}'"), 2, ["sub"]),
    "a subject of nothing but dashes": (
        ("--_Nissl_sec7.tif",),
        "sources: {sections: {files: '{animal}_{stain:word}_sec{section:int}.tif', pixel_size: 1 um}}\n" + bids(),
        1,
        ["--"],
    ),
    # Names that the standard does not have.
    "an entity that there is none of": (
        LAB,
        SECTIONS + bids("sub: '{animal}', sample: '{section}', colour: '{stain}'"),
        2,
        ["colour"],
    ),
    "a suffix that there is none of": (LAB, SECTIONS + bids(suffix="Brightfield"), 2, ["Brightfield"]),
    "microscopy without a sample": (LAB, SECTIONS + bids("sub: '{animal}'"), 2, ["sample"]),
    "no subject": (LAB, SECTIONS + bids("sample: '{section}'"), 2, ["sub"]),
    "a scan as microscopy": (LAB, SECTIONS + bids(more=", as: nii.gz"), 2, ["nii.gz"]),
    "no pixel size": (LAB, SECTIONS + bids(), 1, ["PixelSize", "pixel_size"]),
    # Tables.
    "an animal without a row": (
        ("m14_HE_sec9.tif", *LAB, ANIMALS),
        JOINED + ZARR,
        1,
        ["m14_HE_sec9.tif", "no row of animals.csv has 'Animal ID' = 'm14'", "missing: skip"],
    ),
    "a row without files": (
        (*LAB, {"animals.csv": ANIMALS["animals.csv"] + "m99,F\n"}),
        JOINED + ZARR,
        0,
        ["rows of tables without a file", "m99"],
    ),
    "two rows for an animal": (
        (*LAB, {"animals.csv": ANIMALS["animals.csv"] + "m12,M\n"}),
        JOINED + ZARR,
        (1, 2),
        ["animals.csv", "m12"],
    ),
    "a column that is called otherwise": (
        (*LAB, {"animals.csv": "AnimalID,Sex\nm12,F\n"}),
        JOINED + ZARR,
        2,
        ["Animal ID", "AnimalID"],
    ),
    "a table that is not there": (LAB, JOINED + ZARR, 2, ["animals.csv"]),
    "a column that nobody knows": ((*LAB, ANIMALS), JOINED + ZARR.replace("{stain}", "{Colour}"), 2, ["Colour", "Sex"]),
    "rows of different lengths": (
        (*LAB, {"animals.csv": "Animal ID,Sex\nm12,F,9\n"}),
        JOINED + ZARR,
        2,
        ["animals.csv:2: has 3 values"],
    ),
    # The file itself.
    "a capture with a spelling mistake": (
        LAB,
        SECTIONS + ZARR.replace("{animal}", "{animl}"),
        2,
        ["there is no capture", "did you mean 'animal'"],
    ),
    "a source with a spelling mistake": (
        LAB,
        SECTIONS + ZARR.replace("from: sections", "from: section"),
        2,
        ["did you mean 'sections'"],
    ),
    "a key with a spelling mistake": (LAB, SECTIONS.replace("files:", "file_s:") + ZARR, 2, ["c.yaml:1", "file_s"]),
    "a type that there is none of": (LAB, SECTIONS.replace(":int", ":number") + ZARR, 2, ["there is no type 'number'"]),
    "an expression with a mistake": (LAB, SECTIONS.replace("{stain:word}", "{stain:[^_}") + ZARR, 2, ["stain"]),
    "a brace that is not closed": (LAB, SECTIONS.replace("{section:int}", "{section:int") + ZARR, 2, ["brace"]),
    "a value that is renamed but never met": (
        LAB,
        SECTIONS.replace("tif'", "tif', values: {stain: {Nisl: N}}") + ZARR,
        0,
        ["entries of `values`", "Nisl"],
    ),
    "values of no capture": (LAB, SECTIONS.replace("tif'", "tif', values: {colour: {a: b}}") + ZARR, 2, ["colour"]),
    "a view of two data sets at one place": (
        LAB,
        SECTIONS + "buckets: {lab: {views: [&v {type: ome-zarr, from: sections, path: x}, *v]}}\n",
        2,
        ["keep them apart"],
    ),
    # Plates and stacks.
    "a channel without a name": (
        PLATE,
        plate(source="stack: {c: channel}, channels: {1: {name: DAPI}}"),
        1,
        ["the channel 2, which `channels` does not name"],
    ),
    "a well outside the plate": (
        (*PLATE, "C07_s1_w1.tif", "C07_s1_w2.tif"),
        plate("plate: 2x3, well: '{row}/{column}', field: '{field}'"),
        1,
        ["C07_s1_w1.tif"],
    ),
    "a channel that is missing": (PLATE[:-1], plate(), 1, ["B02_s2_w1.tif"]),
    "a plate without wells": (PLATE, plate("field: '{field}'"), 2, ["has `field` and no `well`"]),
    "a stack along no capture": (PLATE, plate(source="stack: {c: wavelength}"), 2, ["wavelength", "channel"]),
    "a channel that is named but never met": (
        PLATE,
        plate(source="stack: {c: channel}, channels: {1: {name: DAPI}, 2: {name: GFP}, 5: {name: Cy5}}"),
        1,
        ["entries of `values` or `channels`", "no file has '5'", "1 plane is missing: channel=5"],
    ),
}


def laid(folder, *entries):
    for entry in entries:
        if isinstance(entry, dict):
            for name, text in entry.items():
                (folder / name).write_text(text)
        else:
            path = folder / entry
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, np.zeros((16, 16), np.uint8))


@pytest.mark.parametrize("case", CASES)
def test_the_sentence_that_helps(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    entries, text, expected, said = CASES[case]
    laid(tmp_path, *entries)
    Path("c.yaml").write_text(text)
    status = main(["check", "c.yaml"])
    captured = capsys.readouterr()
    out = captured.out + captured.err
    assert [s for s in said if s not in out] == [], out
    assert status in (expected if isinstance(expected, tuple) else (expected,)), out
    if status == 2:
        assert captured.out == ""
        assert "c.yaml:" in captured.err, "it names the line"


@pytest.mark.parametrize("text", [SECTIONS + ZARR, JOINED + bids(rest=", participants: {sex: '{Sex}'}")])
def test_without_a_mistake_nothing_is_said(text, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    laid(tmp_path, *LAB, ANIMALS)
    Path("c.yaml").write_text(text)
    status = main(["check", "c.yaml"])
    out = capsys.readouterr().out
    assert status == 0, out
    assert "No problems" in out


def test_the_same_again_after_a_mistake_is_mended(tmp_path, monkeypatch, capsys):
    """Nothing of an earlier run is remembered: a view is a function of configuration and files."""
    monkeypatch.chdir(tmp_path)
    laid(tmp_path, *LAB, {"animals.csv": "Animal ID,Sex\nm12,F\n"})
    Path("c.yaml").write_text(JOINED + ZARR)
    assert main(["check", "c.yaml"]) == 1
    laid(tmp_path, ANIMALS)
    capsys.readouterr()
    assert main(["check", "c.yaml", "--strict"]) == 0
    assert capsys.readouterr().out.endswith("No problems.\n")


def test_check_never_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    laid(tmp_path, *LAB, ANIMALS)
    Path("c.yaml").write_text(JOINED + ZARR)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")}
    main(["check", "c.yaml", "--tree", "--sizes"])
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*")} == before
