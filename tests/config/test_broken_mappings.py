"""Mappings as people get them wrong: each is refused with the sentence that they need, file, line and key included."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from s3facade.config.load import load
from s3facade.config.model import schema
from s3facade.core.errors import ConfigError

ANIMALS = "Animal ID,Sex,Age (weeks),Notes\nm12,F,12,x\nm13,M,7,y\n"
SLIDES = "Slide,Notes,Stain\n1,a,HE\n2,b,CV\n"
GOOD = """\
bucket: lab7
sources:
  sections:
    files: "lab/{batch}/{animal}_{stain:[^_]+}_sec{section:int}*.tif"
    skip: ["**/*_thumb.tif"]
    values:
      stain: {"cresyl violet": CV, "H&E": HE}
    join:
      - table: animals.csv
        by: {animal: "Animal ID"}
        missing: error
  plate:
    files: "plate/{row:letter}{column:int}_s{field:int}_w{channel:int}_z{z:int}.tif"
    stack: {c: channel, z: z}
    channels: {1: {name: DAPI, color: 0000FF}, 2: {name: GFP, color: 00FF00}}
    pixel_size: {x: 0.65 um, y: 0.65 um, z: 2 um}
images:
  bright: {from: sections, steps: [{gamma: 0.5}]}
views:
  - type: ome-zarr
    from: bright
    path: "s/{animal}_{section:03}_{Age (weeks)}.ome.zarr"
  - {type: ome-zarr, from: plate, path: "p/{row}{column}/{field}"}
"""


@pytest.fixture(scope="module")
def published():
    return schema()


def refused(tmp_path, text, **tables):
    (tmp_path / "animals.csv").write_text(ANIMALS)
    (tmp_path / "slides.csv").write_text(SLIDES)
    for name, data in tables.items():
        (tmp_path / f"{name}.csv").write_bytes(data if isinstance(data, bytes) else data.encode())
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def test_the_mapping_that_all_of_these_are_made_from_is_good(tmp_path):
    (tmp_path / "animals.csv").write_text(ANIMALS)
    (tmp_path / "lab.yaml").write_text(GOOD)
    settings = load(tmp_path / "lab.yaml", {})
    assert settings.sources["sections"].captures == {
        *("batch", "animal", "stain", "section"),
        *("Animal ID", "Sex", "Age (weeks)", "Notes"),
    }
    assert settings.sources["plate"].captures == {"row", "column", "field"}
    assert [b.name for b in settings.buckets] == ["lab7"]


CASES = [
    (case["old"], case["new"], case["said"])
    for case in yaml.safe_load((Path(__file__).parent / "broken_mappings.yaml").read_text("utf-8"))
]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("views:", "views:"),
        ("{1: {name: DAPI, color: 0000FF}, 2: {name: GFP, color: 00FF00}}", "{1: DAPI, 2: GFP}"),
        ("{1: {name: DAPI, color: 0000FF}, 2: {name: GFP, color: 00FF00}}", "[DAPI, GFP]"),
        ("color: 0000FF", "color: 000000"),
        ('"cresyl violet": CV', "old: 17, new: NO"),
    ],
)
def test_editors_accept_what_the_loader_accepts(tmp_path, published, old, new):
    (tmp_path / "animals.csv").write_text(ANIMALS)
    (tmp_path / "lab.yaml").write_text(GOOD.replace(old, new))
    assert load(tmp_path / "lab.yaml", {}).sources
    # As editors see it: keys are text.
    jsonschema.validate(json.loads(json.dumps(yaml.safe_load(GOOD.replace(old, new)))), published)


@pytest.mark.parametrize(("old", "new", "said"), CASES, ids=[re.sub(r"\W+", "-", c[1])[:40] or "none" for c in CASES])
def test_a_broken_mapping_is_refused_with_one_clear_sentence(tmp_path, old, new, said):
    assert GOOD.count(old), old
    told = refused(tmp_path, GOOD.replace(old, new, 1))
    line = f"lab.yaml:{said}"
    if "{types}" in said:
        before, after = line.split("{types}")
        assert any(t.startswith(before) and t.endswith(after) for t in told), told
    else:
        assert line in told, told


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (
            "Animal ID,Sex,Age (weeks),Notes\nm12,F,12,\nm13,M,7,\nm12,M,7,\n",
            "animals.csv: rows 2 and 4 both have 'Animal ID' = 'm12'; a file could not tell which one is its own",
        ),
        ("Animal ID,,Age (weeks),Notes\nm12,F,12,\n", "animals.csv:1: column 2 has no name; every column needs one"),
        (
            "Animal ID,Sex,Age (weeks),Sex\nm12,F,12,\n",
            "animals.csv:1: columns 2 and 4 are both called 'Sex'; rename one",
        ),
        ("", "animals.csv: is empty; its first row names the columns"),
        (
            "Animal ID,Sex\nm12,F,x\n",
            "animals.csv:2: has 3 values; the first row names 2 columns",
        ),
        (
            "Animal ID,Sex\nm\xe4,F\n".encode("latin-1"),
            "animals.csv:2: is not UTF-8 text (byte 0xe4); save it as UTF-8, which Excel calls CSV UTF-8",
        ),
    ],
)
def test_a_broken_table_is_one_problem_with_file_and_row(tmp_path, table, said):
    path = tmp_path / "lab.yaml"
    path.write_text(GOOD)
    (tmp_path / "animals.csv").write_bytes(table if isinstance(table, bytes) else table.encode())
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    line = f"lab.yaml:9: sources.sections.join[0].table: {said}"
    assert str(caught.value).replace(f"{tmp_path}/", "") == line


@pytest.mark.parametrize(
    ("used", "said"),
    [
        ("{Notes}", "22: views[0].path: 'Notes' is a column of animals.csv and of slides.csv; rename one of the two"),
        ("{Stain}", None),
    ],
)
def test_columns_of_one_name_are_refused_where_they_are_used(tmp_path, used, said):
    two = "        missing: error\n      - {table: slides.csv, by: {section: Slide}}\n"
    text = GOOD.replace("        missing: error\n", two).replace("{Age (weeks)}", used)
    if said is None:
        (tmp_path / "animals.csv").write_text(ANIMALS)
        (tmp_path / "slides.csv").write_text(SLIDES)
        (tmp_path / "lab.yaml").write_text(text)
        assert "Stain" in load(tmp_path / "lab.yaml", {}).sources["sections"].captures
    else:
        assert f"lab.yaml:{said.replace('22', '23')}" in refused(tmp_path, text)


def test_a_capture_comes_before_a_column_of_its_name(tmp_path):
    (tmp_path / "animals.csv").write_text("animal,stain,Sex\nm12,HE,F\n")
    text = GOOD.replace('by: {animal: "Animal ID"}', "by: {animal: animal}").replace("{Age (weeks)}", "{stain}")
    (tmp_path / "lab.yaml").write_text(text)
    assert load(tmp_path / "lab.yaml", {}).sources["sections"].columns == {"Sex"}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ("stack: {c: channel}", "`stack` goes with `files` only; remove it"),
        ("join: [{table: a.csv, by: {a: b}}]", "`join` goes with `files` only; remove it"),
        ("values: {a: {b: c}}", "`values` goes with `files` only; remove it"),
    ],
)
def test_what_needs_names_of_files_goes_with_a_pattern(tmp_path, files, said):
    text = f"bucket: abc\nsources:\n  s: {{file: a.tif, {files}}}\nviews: [{{type: ome-zarr, from: s, path: x}}]\n"
    assert refused(tmp_path, text) == [f"lab.yaml:3: sources.s: {said}"]


def test_everything_that_is_wrong_is_told_at_once(tmp_path):
    text = (
        GOOD.replace("{section:int}", "{section:int")
        .replace("c: channel", "c: chanel")
        .replace("from: plate", "from: q")
    )
    told = refused(tmp_path, text)
    assert [line.split(": ")[0] for line in told] == ["lab.yaml:4", "lab.yaml:14", "lab.yaml:23"]


def test_one_mistake_is_told_once(tmp_path):
    text = GOOD.replace("[^_]+", "[^_+").replace(
        "steps: [{gamma", "group: section, steps: [{stack: {along: z}}, {gamma"
    )
    (told,) = refused(tmp_path, text)
    assert told.startswith("lab.yaml:4: sources.sections.files: ")
