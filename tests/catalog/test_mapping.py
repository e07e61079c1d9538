"""Files by what their names and tables say: labels, rows, stacks, and a word about everything that is left out."""

import logging
import math
import os
import re
import time

import numpy as np
import openpyxl
import pytest
import tifffile

from s3facade.app.server import open_catalog
from s3facade.catalog.catalog import Catalog
from s3facade.config.load import load
from s3facade.core.errors import BadSource, ConfigError
from s3facade.core.region import Region

ANIMALS = "Animal ID,Sex,Born\nm12,F,2026-01-05\nm13,M,NO\nm99,M,x\n"
LAB = """\
bucket: lab7
sources:
  sections:
    files: "lab/{batch}/{animal}_{stain:[^_]+}_sec{section:int}*.tif"
    skip: ["**/*_thumb.tif"]
    values: {stain: {"cresyl violet": CV, "H&E": HE, never: x}, Sex: {F: female}}
    join: [{table: animals.csv, by: {animal: Animal ID}, missing: MISSING}]
views:
  - {type: ome-zarr, from: sections, path: "{animal}_{Sex}_{stain}_{section:03}_{Born}"}
"""
PLATE = """\
bucket: screen
sources:
  plate:
    files: "plate/{row:letter}{column:int}_s{field:int}_w{channel:CHANNEL}_z{z:int}.tif"
    stack: {c: channel, z: z}
    pixel_size: {x: 0.65 um, y: 0.65 um, z: 2 um}
    MORE
views:
  - {type: ome-zarr, from: plate, path: "{row}{column}/{field}"}
"""
NAMED = "channels: {2: {name: GFP, color: 00ff00}, 1: {name: DAPI, color: 0000FF}}"


def image(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.full((4, 5), value, np.uint8), photometric="minisblack")


@pytest.fixture
def opened(tmp_path):
    made = []

    def open_(text: str) -> Catalog:
        (tmp_path / "c.yaml").write_text(text + "limits: {index: off}\n")
        made.append(open_catalog(load(tmp_path / "c.yaml", {})))
        made[-1].probe(math.inf)
        return made[-1]

    yield open_
    for catalog in made:
        catalog.engine.close()


@pytest.fixture
def lab(tmp_path):
    (tmp_path / "animals.csv").write_text(ANIMALS)
    names = [
        "m12_cresyl violet_sec7_40x",
        "m12_H&E_sec8",
        "m13_H&E_sec1",
        "m_13_Nissl_sec2",
        "m12_x_sec1_thumb",
        "junk",
    ]
    for name in names:
        image(tmp_path / f"lab/2023/{name}.tif")
    (tmp_path / "lab/notes.txt").write_text("x")
    (tmp_path / "lab/2023/raw").mkdir()
    return tmp_path


def notes(notes):
    return {note.about: note.sentence for note in notes.shown}


def test_labels_columns_and_a_word_about_all_the_rest(lab, opened):
    catalog = opened(LAB.replace("MISSING", "error"))
    assert catalog.images("lab7") == [
        "m12_female_CV_007_2026-01-05",
        "m12_female_HE_008_2026-01-05",
        "m13_M_HE_001_NO",
    ]
    lacking = "no row of animals.csv has 'Animal ID' = 'm_13'; is it that of row 3? Write them alike, or use `values`"
    assert [(os.path.basename(b.path), b.reason, b.detail) for b in catalog.broken()] == [
        ("m_13_Nissl_sec2.tif", "It is not shown: a table has no row for it.", lacking)
    ]
    report = catalog.plan("lab7").report
    assert report.problems == 1
    told = report.sources["sections"]
    assert (told.matched, told.pattern, told.root) == (3, LAB.split('"')[1], str(lab / "lab"))
    assert notes(told.rowless) == {"2023/m_13_Nissl_sec2.tif": lacking}
    assert notes(told.skipped) == {"2023/m12_x_sec1_thumb.tif": "by `skip`: '**/*_thumb.tif'"}
    assert notes(told.fileless) == {"animals.csv: row 4": "Animal ID = 'm99'"}
    assert notes(told.values) == {"stain": "no file has 'never'"}
    assert notes(told.unmatched) == {
        "notes.txt": "'notes.txt' has no '/' behind '{batch}'",
        "2023/junk.tif": "fits '{batch}/' as far as '2023/', then 'junk.tif' has no '_' behind '{animal}'",
        "2023/raw/": "is deeper than the pattern goes; nothing in it was looked at",
    }


@pytest.mark.parametrize(("missing", "shown"), [("skip", 3), ("keep", 4)])
def test_files_without_a_row(lab, opened, missing, shown):
    text = LAB.replace("MISSING", missing).replace("{Sex}", "x").replace("_{Born}", "")
    catalog = opened(text)
    assert len(catalog.images("lab7")) == shown
    assert catalog.broken() == []
    told = catalog.plan("lab7").report.sources["sections"]
    assert (told.kept.count, told.rowless.count, told.problems) == (shown - 3, 0, 0)
    assert ("2023/m_13_Nissl_sec2.tif" in notes(told.skipped)) == (missing == "skip")


def test_an_empty_value_that_would_be_a_whole_component_is_told(lab, opened):
    text = LAB.replace("MISSING", "keep").replace("{animal}_{Sex}_", "{Sex}/{animal}_")
    catalog = opened(text)
    (broken,) = catalog.broken()
    assert broken.reason == (
        "It is not shown: the path '{Sex}/{animal}_{stain}_{section:03}_{Born}' cannot be filled in: "
        "it would have an empty component."
    )
    assert broken.detail == "it becomes '/m_13_Nissl_002_'"


def test_a_file_that_another_source_matches_is_not_left_out(lab, opened):
    more = LAB.replace("MISSING", "error").replace(
        "views:\n",
        '  rest: {files: "lab/*/{name:letters}.tif"}\nviews:\n  - {type: ome-zarr, from: rest, path: "rest/{name}"}\n',
    )
    catalog = opened(more)
    assert "rest/junk" in catalog.images("lab7")
    assert set(notes(catalog.plan("lab7").report.sources["sections"].unmatched)) == {"notes.txt", "2023/raw/"}


def test_names_that_can_be_read_in_two_ways_are_told(tmp_path, opened):
    image(tmp_path / "d/m_13_Nissl.tif")
    image(tmp_path / "d/m13_Nissl.tif")
    catalog = opened(
        'bucket: abc\nsources: {s: {files: "d/{animal}_{stain}.tif"}}\n'
        'views: [{type: ome-zarr, from: s, path: "{stain}/{animal}"}]\n'
    )
    report = catalog.plan("abc").report
    assert report.problems == 1
    assert notes(report.sources["s"].ambiguous) == {
        "m_13_Nissl.tif": "animal=m_13, stain=Nissl or animal=m, stain=13_Nissl"
    }


def test_a_table_that_changes_is_read_again_and_a_broken_one_is_not_used(lab, opened, caplog):
    catalog = opened(LAB.replace("MISSING", "skip"))
    before = catalog.images("lab7")
    assert len(before) == 3
    (lab / "animals.csv").write_text(ANIMALS.replace("m12,F", "m12,M"))
    assert catalog.plan("lab7").watch.moved()
    catalog.rescan()
    after = catalog.images("lab7")
    assert after == ["m12_M_CV_007_2026-01-05", "m12_M_HE_008_2026-01-05", "m13_M_HE_001_NO"]
    for broken, said in [
        ("Animal ID,Sex,Born\nm12,F,x\nm12,M,x\n", "rows 2 and 3 both have 'Animal ID' = 'm12'"),
        ("Animal ID,Gender,Born\nm12,F,x\n", "has no column 'Sex'"),
        (None, "the table cannot be read: No such file or directory"),
    ]:
        if broken is None:
            (lab / "animals.csv").unlink()
        else:
            (lab / "animals.csv").write_text(broken)
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            catalog.rescan()
        assert said in caplog.text
        assert "c.yaml:7: sources.sections.join[0]" in caplog.text
        assert catalog.images("lab7") == after
    (lab / "animals.csv").write_text(ANIMALS)
    assert catalog.plan("lab7").watch.moved()
    catalog.rescan()
    assert catalog.images("lab7") == before


def test_excel_tables_join_numbers_as_they_are(tmp_path, opened):
    book = openpyxl.Workbook()
    for row in (["Section", "Thickness"], [7.0, 20], [8, 20.5]):
        book.active.append(row)
    book.save(tmp_path / "s.xlsx")
    image(tmp_path / "d/s007.tif")
    image(tmp_path / "d/s008.tif")
    catalog = opened(
        'bucket: abc\nsources: {s: {files: "d/s{n:int}.tif", join: [{table: s.xlsx, by: {n: Section}}]}}\n'
        'views: [{type: ome-zarr, from: s, path: "{n:03}_{Thickness}um"}]\n'
    )
    assert catalog.images("abc") == ["007_20um", "008_20.5um"]


def plate(tmp_path, *, names=("1", "2"), zs=(0, 10, 20), without=()):
    for well in ("A01", "B02"):
        for c, name in enumerate(names):
            for z in zs:
                path = f"plate/{well}_s1_w{name}_z{z:03}.tif"
                if path not in without:
                    image(tmp_path / path, 10 * c + z)


def made(catalog, prefix):
    """The plan of an image that is shown."""
    (mount,) = [m for name, m in catalog.mounts("screen") if name == prefix]
    (image,) = mount.recipe.images(catalog.engine)
    return image


def test_planes_become_one_image(tmp_path, opened):
    plate(tmp_path)
    catalog = opened(PLATE.replace("CHANNEL", "int").replace("MORE", NAMED))
    assert catalog.images("screen") == ["A1/1", "B2/1"]
    plan = made(catalog, "A1/1")
    spec = plan.spec
    voxels = catalog.engine.read(plan, 0, Region.whole(spec.levels[0].shape))
    assert voxels[..., 0, 0].tolist() == [[10, 20, 30], [0, 10, 20]]
    assert spec.names == ("c", "z", "y", "x")
    assert spec.levels[0].shape == (2, 3, 4, 5)
    assert spec.levels[0].scale == (1.0, 2.0, 0.65, 0.65)
    # in the order of `channels`
    assert [(c.name, c.color) for c in spec.channels] == [("GFP", "00FF00"), ("DAPI", "0000FF")]
    assert catalog.plan("screen").report.sources["plate"].matched == 12


@pytest.mark.parametrize(
    ("kind", "names", "more", "called"),
    [
        ("int", ("1", "2"), "", [None, None]),
        ("int", ("1", "2"), "values: {channel: {1: DAPI, 02: GFP}}", ["DAPI", "GFP"]),
        ("int", ("405", "561"), "", [None, None]),
        ("letters", ("GFP", "DAPI"), "", ["DAPI", "GFP"]),
        ("letters", ("GFP", "DAPI"), "channels: {GFP: green, DAPI: blue}", ["green", "blue"]),
    ],
)
def test_what_channels_are_called(tmp_path, opened, kind, names, more, called):
    plate(tmp_path, names=names)
    catalog = opened(PLATE.replace("CHANNEL", kind).replace("MORE", more))
    assert [c.name for c in made(catalog, "A1/1").spec.channels] == called


@pytest.mark.parametrize(
    ("without", "more", "said"),
    [
        (["plate/A01_s1_w2_z010.tif"], "", "1 plane is missing: z=10, channel=2"),
        (
            [f"plate/A01_s1_w{c}_z010.tif" for c in (1, 2)],
            "",
            "2 planes are missing: z=10, channel=1; z=10, channel=2",
        ),
        (
            [f"plate/A01_s1_w2_z{z:03}.tif" for z in (0, 10, 20)],
            NAMED,
            "3 planes are missing: z=0, channel=2; z=10, channel=2; z=20, channel=2",
        ),
        (
            [],
            "channels: {1: DAPI}",
            "Files have the channel 2, which `channels` does not name; add it there, or skip them",
        ),
    ],
)
def test_a_plane_that_is_missing_is_named_and_never_filled(tmp_path, opened, without, more, said):
    plate(tmp_path, without=without)
    catalog = opened(PLATE.replace("CHANNEL", "int").replace("MORE", more))
    report = catalog.plan("screen").report.sources["plate"]
    assert notes(report.stacks)["row=A, column=1, field=1"] == said
    assert report.problems == report.stacks.count
    assert "A1/1" not in catalog.images("screen")
    assert f"{said}." in [b.reason for b in catalog.broken()]
    with pytest.raises(BadSource, match=re.escape(said)):
        made(catalog, "A1/1")


def test_two_files_of_one_plane_are_told(tmp_path, opened):
    image(tmp_path / "plate/A01_s1_w1_z0.tif")
    image(tmp_path / "plate/A01_s1_w1_z00.tif")
    catalog = opened(PLATE.replace("CHANNEL", "int").replace("MORE", ""))
    (note,) = catalog.plan("screen").report.sources["plate"].stacks.shown
    assert note.sentence == "Several files are the plane z=0, channel=1: A01_s1_w1_z0.tif and A01_s1_w1_z00.tif"


def test_images_of_fewer_planes_are_remarked(tmp_path, opened):
    plate(tmp_path, without=["plate/B02_s1_w1_z020.tif", "plate/B02_s1_w2_z020.tif"])
    catalog = opened(PLATE.replace("CHANNEL", "int").replace("MORE", ""))
    report = catalog.plan("screen").report.sources["plate"]
    assert catalog.images("screen") == ["A1/1", "B2/1"]
    assert notes(report.uneven) == {"row=B, column=2, field=1": "2 planes along z; others have up to 3"}
    assert report.problems == 0


def test_columns_that_differ_between_planes_are_none_of_the_image(tmp_path, opened):
    (tmp_path / "s.csv").write_text("Animal,Section,Sex,Depth\nm1,1,F,5\nm1,2,F,6\n")
    image(tmp_path / "d/m1_1.tif")
    image(tmp_path / "d/m1_2.tif")
    text = (
        'bucket: abc\nsources:\n  s:\n    files: "d/{animal}_{n:int}.tif"\n    stack: {z: n}\n'
        "    join: [{table: s.csv, by: {animal: Animal, n: Section}}]\n"
        'views: [{type: ome-zarr, from: s, path: "{animal}_{Sex}"}]\n'
    )
    assert opened(text).images("abc") == ["m1_F"]
    catalog = opened(text.replace("{Sex}", "{Depth}"))
    assert [b.reason for b in catalog.broken()] == [
        "It is not shown: the path '{animal}_{Depth}' cannot be filled in: there is no value for 'Depth'."
    ]


def test_groups_of_images_need_not_agree_in_what_tables_say_of_their_parts(tmp_path, opened):
    (tmp_path / "s.csv").write_text("Section,Sex,Depth\n1,F,5\n2,F,6\n")
    image(tmp_path / "d/m1_1.tif")
    image(tmp_path / "d/m1_2.tif")
    catalog = opened(
        'bucket: abc\nsources: {s: {files: "d/{animal}_{n:int}.tif", join: [{table: s.csv, by: {n: Section}}]}}\n'
        "images: {volume: {from: s, group: n, steps: [{stack: {along: z}}]}}\n"
        'views: [{type: ome-zarr, from: volume, path: "{animal}_{Sex}"}]\n'
    )
    assert catalog.images("abc") == ["m1_F"]


def test_many_files_are_mapped_quickly(tmp_path):
    """200,000 files took 1.3 s; here are as many as a slow machine maps in the same time."""
    from s3facade.catalog.sources.candidates import Item
    from s3facade.catalog.sources.mapping import Marks, Tables, mapped
    from s3facade.catalog.sources.report import Tally
    from s3facade.catalog.sources.watch import Watch

    rows = "".join(f"m{i},F,2026-01-05\n" for i in range(1000))
    (tmp_path / "animals.csv").write_text(f"Animal ID,Sex,Born\n{rows}")
    (tmp_path / "c.yaml").write_text(LAB.replace("MISSING", "error"))
    source = load(tmp_path / "c.yaml", {}).sources["sections"]
    paths = [f"2023/m{i % 1000}_{'H&E' if i % 2 else 'CV'}_sec{i // 1000}_40x.tif" for i in range(40_000)]
    begun = time.process_time()
    read = [source.files.read(path) for path in paths]
    items = [
        Item("/" + path, "tiff", {"path": path, **found[0]}, found[1]) for path, found in zip(paths, read, strict=True)
    ]
    tally, tables = Tally(source), Tables().of(source, Watch())
    found = list(mapped(source, items, tables, Marks(source, tables), tally, lambda *_: None))
    assert time.process_time() - begun < 1.5
    assert len(found) == tally.matched == len(paths)
    assert tally.ambiguous.count == tally.rowless.count == 0


def test_a_table_must_be_there_when_the_configuration_is_read(lab, opened):
    (lab / "animals.csv").unlink()
    with pytest.raises(ConfigError, match=r"c\.yaml:7: sources\.sections\.join\[0\]\.table: .*cannot be read"):
        opened(LAB.replace("MISSING", "error"))


def test_channels_of_files_that_have_them_are_named_in_order(tmp_path, opened):
    for n, count in ((1, 2), (2, 3)):
        path = tmp_path / f"d/s{n}.tif"
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, np.zeros((count, 4, 5), np.uint8), metadata={"axes": "CYX"}, ome=True)
    catalog = opened(
        "bucket: screen\nsources:\n  s:\n    files: d/s{n:int}.tif\n"
        "    channels: [{name: DAPI, color: 0000FF}, {name: GFP, color: 00FF00}]\n"
        'views: [{type: ome-zarr, from: s, path: "{n}"}]\n'
    )
    assert [(c.name, c.color) for c in made(catalog, "1").spec.channels] == [("DAPI", "0000FF"), ("GFP", "00FF00")]
    (broken,) = catalog.broken()
    assert broken.reason == "metadata: channel_names has 2 entries; the image has 3 channels."


def test_a_parameter_file_that_no_value_names_is_told(tmp_path, opened):
    image(tmp_path / "d/a.tif")
    image(tmp_path / "d/1.tif")
    (tmp_path / "m001.txt").write_text("1 0 0\n0 1 0\n0 0 1\n")
    catalog = opened(
        "bucket: abc\nsources: {s: {files: 'd/{n}.tif'}}\n"
        "images: {r: {from: s, steps: [{affine: {matrix: 'm{n:03}.txt'}}]}}\n"
        'views: [{type: ome-zarr, from: r, path: "{n}"}]\n'
    )
    assert (
        "A parameter file cannot be found: the path 'm{n:03}.txt' cannot be filled in: 'n' is not a whole number."
        in [b.reason for b in catalog.broken()]
    )


def test_accents_may_be_written_in_two_ways(tmp_path, opened):
    decomposed = "Ka\N{COMBINING DIAERESIS}fig 1_Fa\N{COMBINING DIAERESIS}rbung"
    image(tmp_path / f"d/{decomposed}.tif")
    (tmp_path / "a.csv").write_text("Ort,Sex\nK\N{LATIN SMALL LETTER A WITH DIAERESIS}fig 1,F\n")
    catalog = opened(
        'bucket: abc\nsources:\n  s:\n    files: "d/{ort}_{stain}.tif"\n'
        '    values: {stain: {"F\N{LATIN SMALL LETTER A WITH DIAERESIS}rbung": x}}\n'
        "    join: [{table: a.csv, by: {ort: Ort}}]\n"
        'views: [{type: ome-zarr, from: s, path: "{Sex}{stain}"}]\n'
    )
    assert catalog.images("abc") == ["Fx"]
    assert catalog.plan("abc").report.sources["s"].values.count == 0


def test_images_below_the_keys_of_others_are_told(tmp_path, opened):
    (tmp_path / "s.csv").write_text("File,Name\na,ok\nb,ok/zarr.json\nc,other/deep/er\nd,other\n")
    for name in "abcd":
        image(tmp_path / f"d/{name}.tif")
    catalog = opened(
        'bucket: abc\nsources:\n  s:\n    files: "d/{n}.tif"\n    join: [{table: s.csv, by: {n: File}}]\n'
        'views: [{type: ome-zarr, from: s, path: "{Name}"}]\n'
    )
    assert catalog.images("abc") == ["ok", "other"]
    assert [(os.path.basename(b.path), b.reason) for b in catalog.broken()] == [
        ("b.tif", "Its keys 'ok/zarr.json' lie among those of 'a.tif' at 'ok'."),
        ("c.tif", "Its keys 'other/deep/er' lie among those of 'd.tif' at 'other'."),
    ]


def test_keys_that_s3_has_no_room_for_are_told(tmp_path, opened):
    (tmp_path / "s.csv").write_text(f"File,Name\na,{'x' * 2000}\nb,{'ä' * 450}\nc,{'ä' * 451}\n")
    for name in "abc":
        image(tmp_path / f"d/{name}.tif")
    catalog = opened(
        'bucket: abc\nsources:\n  s:\n    files: "d/{n}.tif"\n    join: [{table: s.csv, by: {n: File}}]\n'
        'views: [{type: ome-zarr, from: s, path: "{Name}"}]\n'
    )
    assert catalog.images("abc") == ["ä" * 450]
    assert [os.path.basename(b.path) for b in catalog.broken()] == ["a.tif", "c.tif"]
    assert catalog.broken()[0].reason.endswith("is longer than 900 bytes, and S3 has few more.")


def test_channels_are_called_as_files_call_them_where_only_their_color_is_told(opened, tmp_path):
    for channel in ("DAPI", "gfp"):
        image(tmp_path / "cells" / f"a_{channel}.tif")
    catalog = opened(
        "bucket: screen\n"
        "sources:\n  cells:\n    files: 'cells/{name}_{channel}.tif'\n    stack: {c: channel}\n"
        "    channels: {gfp: {color: 00FF00}, DAPI: {name: nuclei, color: 0000FF}}\n"
        "views: [{type: ome-zarr, from: cells, path: '{name}'}]\n"
    )
    channels = made(catalog, "a").spec.channels
    assert [(c.name, c.color) for c in channels] == [("gfp", "00FF00"), ("nuclei", "0000FF")]


@pytest.mark.parametrize(
    ("view", "images", "told"),
    [
        (
            'type: ome-zarr, path: "{n}", about: {name: "{Age:03}"}',
            ["a", "b"],
            "`name` of what is said about it is left",
        ),
        (
            'type: ome-zarr-plate, path: p, well: "{Well}", name: "{Age:03}"',
            ["p/A/1/0", "p/A/2/0"],
            "The `name` of its",
        ),
        (
            (
                "type: bids, name: x, files: [{from: s, suffix: BF, entities: {sub: '{n}', sample: x}}], "
                "participants: {species: '{Age:03}'}, samples: {sample_type: tissue}"
            ),
            [f"sub-{n}/micr/sub-{n}_sample-x_BF.ome.zarr" for n in "ab"],
            "sub-a: the path '{Age:03}' cannot be filled in",
        ),
    ],
)
def test_one_value_of_a_table_does_not_hide_everything(tmp_path, opened, view, images, told):
    (tmp_path / "s.csv").write_text("File,Age,Well\na,12 weeks,A1\nb,7,A2\n")
    for name in "ab":
        image(tmp_path / f"d/{name}.tif")
    source = "" if "bids" in view else "from: s, "
    catalog = opened(
        'bucket: abc\nsources:\n  s:\n    files: "d/{n}.tif"\n    pixel_size: 1 um\n'
        f"    join: [{{table: s.csv, by: {{n: File}}}}]\nviews: [{{{source}{view}}}]\n"
    )
    assert catalog.images("abc") == images
    (broken,) = catalog.broken()
    assert broken.reason.startswith(told)
    assert "12 weeks" not in broken.reason
    assert "12 weeks" in broken.detail


def test_of_a_stack_the_file_that_does_not_open_is_named(tmp_path, opened):
    for n in (1, 2, 3):
        image(tmp_path / f"d/s_{n}.tif")
    (tmp_path / "d/s_2.tif").write_bytes(b"II*\0")
    catalog = opened(
        'bucket: abc\nsources:\n  s: {files: "d/s_{n:int}.tif", stack: {z: n}}\n'
        "views: [{type: ome-zarr, from: s, path: v}]\n"
    )
    catalog.probe(math.inf)
    (broken,) = catalog.broken()
    assert "s_2.tif" in broken.detail


def test_why_a_bucket_stays_as_it_was_is_told_once(tmp_path, opened, caplog):
    (tmp_path / "s.csv").write_text("File,Name\na,x\n")
    image(tmp_path / "d/a.tif")
    catalog = opened(
        'bucket: abc\nsources:\n  s:\n    files: "d/{n}.tif"\n    join: [{table: s.csv, by: {n: File}}]\n'
        'views: [{type: ome-zarr, from: s, path: "{Name}"}]\n'
    )
    for text in ("File,Other\na,x\n", "File,Name\na,y\n", "File,Other\na,x\n"):
        (tmp_path / "s.csv").write_text(text)
        for _ in range(3):
            catalog.rescan()
    assert catalog.images("abc") == ["y"]
    assert caplog.text.count("bucket abc stays as it was") == 2
