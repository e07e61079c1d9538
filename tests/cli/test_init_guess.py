"""What names of files suggest: patterns that read all of them back, with captures that say what they are."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3facade.config.guess.bids import rule
from s3facade.config.guess.proposal import compiled, propose
from s3facade.config.guess.tables import joins, named

ROOT = Path("/")


def proposed(*paths):
    return propose(paths).sources


def shape(found):
    return found.pattern, dict(found.stack)


LAB = [
    f"2023-0{batch}/m{animal}_{stain}_sec{section}_40x.tif"
    for batch in (1, 2)
    for animal in (12, 13)
    for stain in ("cresyl violet", "H&E", "Nissl")
    for section in (7, 8, 12)
]


def test_a_lab_folder_has_animals_stains_and_sections():
    (found,) = proposed(*LAB)
    assert found.pattern == "{date}/{animal:word}_{stain:[^_/]+}_sec{section:int}_40x.tif"
    assert found.key == "{date}/{animal}_{stain}_sec{section}_40x"


def test_a_last_field_that_some_names_lack_is_left_to_a_star():
    found, *_ = proposed(*LAB, "2023-01/m12_Nissl_sec19.tif")
    assert found.pattern == "{date}/{animal:word}_{stain:[^_/]+}_sec{section:int}*.tif"
    assert len(found.files) == len(LAB) + 1


def test_numbers_that_run_along_axes_are_stacked_when_none_is_missing():
    every = [f"{row}{c:02}_s{s}_w{w}.tif" for row in "ABH" for c in (1, 12) for s in (1, 2) for w in (1, 2)]
    (found,) = proposed(*every)
    assert shape(found) == ("{row:letter}{column:int}_s{field:int}_w{channel:int}.tif", {"c": "channel"})
    proposal = propose(every[:-1])
    assert proposal.sources[0].stack == {}
    assert proposal.incomplete == {"wells": {"c": "channel"}}


@pytest.mark.parametrize(
    ("paths", "pattern", "stack"),
    [
        (["brain1.ome.tif", "brain2.ome.tif", "test.ome.tif"], "{name}.ome.tif", {}),
        (
            [f"{d}/pos1_t{t}_{c}.tif" for d in ("2026-01-30", "20260131") for t in (1, 2, 3) for c in ("DAPI", "GFP")],
            "{date}/pos1_t{t:int}_{channel}.tif",
            {"c": "channel", "t": "t"},
        ),
        ([f"img_z{z:03}.tif" for z in range(10)], "img_z{z:int}.tif", {"z": "z"}),
        ([f"t_{n}/a.tif" for n in (1, 2)], "t_{t:int}/a.tif", {"t": "t"}),
        ([f"Patient_{n}_T1w.nii.gz" for n in (1, 2)], "Patient_{sub:int}_T1w.nii.gz", {}),
        (
            [f"mouse{a}/mouse{a}_slice{n:03}_{c}.tif" for a in (1, 2) for n in range(3) for c in ("DAPI", "GFP")],
            "{animal}/{animal}_slice{section:int}_{channel}.tif",
            {"c": "channel"},
        ),
        (
            [f"r{r:02}c{c:02}f{f:02}p01-ch{h}sk1.tiff" for r in (1, 2) for c in (3, 4) for f in (1, 2) for h in (1, 2)],
            "r{row:int}c{column:int}f{field:int}p01-ch{channel:int}sk1.tiff",
            {"c": "channel"},
        ),
        ([f"sub-{s}/ses-{n}/sub-{s}_ses-{n}_x.nii" for s in ("a1", "b2") for n in ("01", "02")],
         "sub-{sub}/ses-{ses}/sub-{sub}_ses-{ses}_x.nii", {}),
    ],
)  # fmt: skip
def test_names_that_are_often_met(paths, pattern, stack):
    found = proposed(*paths)
    assert [shape(f) for f in found] == [(pattern, stack)]


def test_scans_of_several_kinds_are_sources_of_their_own():
    found = proposed(*(f"pat{n}/{kind}.nii.gz" for n in (1, 2, 3) for kind in ("T1", "FLAIR", "rest_bold")))
    assert sorted(f.name for f in found) == ["FLAIR", "T1w", "bold"]


def test_scans_lie_in_a_folder_for_each_person():
    (found,) = proposed(
        *(f"{who}/{visit}/T1 MPRAGE (sagittal).nii.gz" for who in ("Müller, J", "x y") for visit in "ab")
    )
    assert (found.name, rule(found).entities) == ("T1w", {"sub": "{folder}"})


def test_segmentations_are_kept_from_the_images():
    found = proposed(*(f"cells{n}.tif" for n in (1, 2)), *(f"cells{n}_mask.tif" for n in (1, 2)))
    assert [(f.name, f.pattern, f.skip) for f in found] == [
        ("mask", "{name}_mask.tif", ()),
        ("images", "{name}.tif", ("*_mask.tif",)),
    ]


def test_what_nobody_means_to_show_is_left_out_and_told():
    proposal = propose([*LAB, "2023-01/m12_Nissl_sec7_thumb.tif", "2023-02/old/m12_Nissl_sec7_40x.tif"])
    assert {word: len(files) for word, files in proposal.junk.items()} == {"thumb": 1, "old": 1}
    assert not any("thumb" in path for found in proposal.sources for path in found.files)


def test_a_folder_of_nothing_but_thumbnails_is_shown_after_all():
    assert propose(["a_thumb.tif", "b_thumb.tif"]).sources


def test_numbers_that_would_be_one_as_numbers_stay_text():
    (found,) = proposed("scan_7.tif", "scan_07.tif", "scan_8.tif")
    assert "int" not in found.pattern


def test_captures_are_called_as_the_column_that_names_them():
    (found,) = proposed(*(f"{name}_{n}.tif" for name in ("xa3", "yb4") for n in (1, 2)))
    table = {"Specimen ID": ["xa3", "yb4", "zz9"], "Sex": ["F", "M", "F"]}
    assert "{specimen" in named(found, {"t.csv": table}).pattern
    (join,) = joins(named(found, {"t.csv": table}), {"t.csv": table})
    assert (join.capture, join.column, join.others, join.missing) == ("specimen", "Specimen ID", ("Sex",), ())


def test_a_column_of_small_numbers_is_no_match_by_chance():
    (found,) = proposed("s_sec1.tif", "s_sec2.tif")
    assert joins(found, {"t.csv": {"Weight": ["1", "2", "3"]}}) == []
    assert joins(found, {"t.csv": {"Section": ["1", "2", "3"]}})[0].column == "Section"


CHARACTERS = st.sampled_from("abA1207_- .{}[]*?$()+é&%#~:,;'\"\\")
COMPONENT = st.text(CHARACTERS, min_size=1, max_size=12).filter(lambda s: s.strip(". ") and not s.startswith("."))
PATH = st.lists(COMPONENT, min_size=1, max_size=3).map("/".join)
EXTENSION = st.sampled_from([".tif", ".ome.tif", ".nii.gz", ".TIF", ".czi"])
WORD = st.sampled_from(
    ["m12", "m13", "Nissl", "H&E", "sec1", "sec02", "A01", "B02", "w1", "2023-01-05", "T1w", "mask", "7"]
)
ALIKE = st.lists(st.lists(WORD, min_size=1, max_size=4).map("_".join), min_size=1, max_size=2).map("/".join)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.one_of(PATH, ALIKE), EXTENSION), min_size=1, max_size=30, unique=True))
def test_every_image_is_in_exactly_one_source(names):
    """As its pattern and what it skips say, not as the guess believes."""
    paths = {base + extension for base, extension in names}
    # A path cannot be a folder, too.
    paths = {p for p in paths if not any(q.startswith(p + "/") for q in paths)}
    proposal = propose(paths)
    junk = {path for files in proposal.junk.values() for path in files}
    owners = {path: [] for path in paths}
    for found in proposal.sources:
        pattern = compiled(found.pattern)
        skips = [compiled(text) for text in found.skip]
        for path in paths:
            if pattern.accepts(ROOT / path) and not any(s.accepts(ROOT / path) for s in skips):
                owners[path].append(found.name)
    assert {path: found for path, found in owners.items() if len(found) != 1 and path not in junk} == {}
