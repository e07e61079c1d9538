"""Tables, sidecars and documents of BIDS: the same bytes at every time, nothing invented, contradictions told."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from s3facade.core.image import Dataset, Opened, Source
from s3facade.core.keyspace import Dir, File
from s3facade.core.objects import Literal
from s3facade.core.spec import Axis, Level, Spec
from s3facade.layouts.bids.documents import Description, generated, ignored, readme
from s3facade.layouts.bids.sidecar import SIDECAR, PixelsStated, Sidecar, pixels_stated
from s3facade.layouts.bids.tables import Column, Rows, cell

OBJECTIVE = {"name": "Plan", "magnification": 40.0, "na": 0.95, "immersion": "Air"}


def dataset(scale: tuple[float, ...] = (2.0, 0.5, 0.25), *, known: bool = True, **about: object) -> Dataset:
    axes = tuple(Axis(name, "micrometer" if known else None) for name in "zyx"[-len(scale) :])
    shape = (4,) * len(scale)
    attrs = {"objective": OBJECTIVE}
    spec = Spec(axes, np.dtype("u1"), (Level(shape, scale, (0.0,) * len(scale), shape),), identity="x", attrs=attrs)
    return Dataset({"": Opened(Source("/d/a.tif", 1, 5, "e"), "tiff", 0, spec)}, modified=3, about=about)


def told(node: File | Dir) -> dict[str, object]:
    assert isinstance(node, File)
    (part,) = node.body().parts
    assert isinstance(part, Literal)
    assert len(part.data) == node.size
    return json.loads(part.data)


def test_a_sidecar_says_what_the_image_says_along_x_y_and_z():
    assert told(Sidecar().build(dataset())) == {
        "Immersion": "Air",
        "Magnification": 40,
        "NumericalAperture": 0.95,
        "PixelSize": [0.25, 0.5, 2],
        "PixelSizeUnits": "um",
    }
    assert told(Sidecar().build(dataset((0.5, 0.25))))["PixelSize"] == [0.25, 0.5]
    assert Sidecar().build(dataset()).modified == 5


def test_nothing_is_made_up_where_the_image_does_not_know():
    assert "PixelSize" not in told(Sidecar().build(dataset(known=False)))


def test_what_is_stated_wins_and_what_stands_at_the_root_is_not_repeated():
    root = {"PixelSize": [1, 1], "PixelSizeUnits": "um", "Immersion": "Oil"}
    found = told(Sidecar("micr", root).build(dataset(**{SIDECAR: {"Magnification": 20, "BodyPart": "BRAIN"}})))
    assert found == {"BodyPart": "BRAIN", "Magnification": 20, "NumericalAperture": 0.95}


def test_a_sidecar_says_what_the_header_of_a_scanner_says():
    header = {
        "Modality": "MR",
        "Manufacturer": "SIEMENS",
        "MagneticFieldStrength": 15000,
        "EchoTime": 2.98,
        "InversionTime": 0,
        "FlipAngle": 9.0,
        "ScanningSequence": ["GR", "IR"],
        "SequenceVariant": ("SK", "SP"),
        "MRAcquisitionType": "three",
        "SoftwareVersions": ["a", "b"],
        "RepetitionTime": 2300.0,
        "ScanOptions": "",
    }
    whole = dataset()
    image = whole.images[""]
    scan = replace(whole, images={"": replace(image, spec=replace(image.spec, attrs={"original": header}))})
    assert told(Sidecar("anat").build(scan)) == {
        "EchoTime": 0.00298,
        "FlipAngle": 9.0,
        "Manufacturer": "SIEMENS",
        "ScanningSequence": ["GR", "IR"],
        "SequenceVariant": ["SK", "SP"],
        "SoftwareVersions": "a, b",
    }
    assert Sidecar("anat").build(whole) == Dir({})


def test_a_sidecar_that_would_say_nothing_is_no_key():
    root = {"PixelSize": [1, 1], "PixelSizeUnits": "um"}
    nothing = dataset()
    image = nothing.images[""]
    plain = replace(nothing, images={"": replace(image, spec=replace(image.spec, attrs={}))})
    assert Sidecar("micr", root).build(plain) == Dir({})


def test_pixels_that_are_stated_otherwise_are_told():
    stated = pixels_stated({"PixelSize": [0.5, 0.5], "PixelSizeUnits": "um"})
    (said,) = stated.remarks(dataset())
    assert said == (
        "`sidecar` says that PixelSize is 0.5 x 0.5 um, and the image says 0.25 x 0.5 x 2 um: one of the two is wrong. "
        "Leave PixelSize out, or give the source the right `pixel_size`."
    )
    same = pixels_stated({"PixelSize": [250, 500, 2000], "PixelSizeUnits": "nm"})
    assert same.remarks(dataset()) == ()
    assert same.remarks(dataset(known=False)) == ()


def test_pixels_of_a_volume_that_are_stated_along_x_and_y_alone_are_told():
    stated = pixels_stated({"PixelSize": [250, 500], "PixelSizeUnits": "nm"})
    sentence = (
        "`sidecar` says PixelSize along x and y, and the image has 4 planes along z: write all three, as in "
        "`PixelSize: {x: 0.5 um, y: 0.5 um, z: 2 um}`, or leave it out where the image says it."
    )
    assert stated.remarks(dataset()) == (sentence,)
    assert stated.remarks(dataset(known=False)) == (sentence,)
    assert stated.remarks(dataset((0.5, 0.25))) == ()


def test_pixels_that_nobody_knows_are_told():
    assert PixelsStated().remarks(dataset()) == ()
    (said,) = PixelsStated().remarks(dataset(known=False))
    assert said == (
        "BIDS needs PixelSize, and the image does not say how large its pixels are: add `PixelSize: 0.5 um` to "
        "`sidecar`, or `pixel_size` to the source."
    )


def test_rows_are_sorted_and_the_bytes_are_those_of_their_values_alone():
    tables = []
    for order in ((0, 1, 2), (2, 1, 0)):
        table = Rows(("participant_id",), (Column("sex"), Column("age", units="week"), Column("note", "A remark.")))
        rows = [("sub-b", "F", "12"), ("sub-a", "M", "n/a"), ("sub-c", "M", "3.5")]
        for n in order:
            who, sex, age = rows[n]
            assert table.add((who,), (sex, age if age != "n/a" else None, cell("a\tb\n")), f"{who}.tif") == []
        tables.append(table)
    assert tables[0].tsv() == tables[1].tsv()
    assert tables[0].tsv().decode() == (
        "participant_id\tsex\tage\tnote\nsub-a\tM\tn/a\ta b\nsub-b\tF\t12\ta b\nsub-c\tM\t3.5\ta b\n"
    )
    assert json.loads(tables[0].document()) == {"age": {"Units": "week"}, "note": {"Description": "A remark."}}


def test_two_files_that_say_different_things_of_one_subject_are_told():
    table = Rows(("participant_id",), (Column("sex"),))
    assert table.add(("sub-a",), ("F",), "1.tif") == []
    assert table.add(("sub-a",), ("M",), "2.tif") == [
        "sub-a has two values of sex: 'F' by 1.tif and 'M' by 2.tif; all its images must say the same."
    ]
    assert b"sub-a\tF\n" in table.tsv()


def test_what_one_image_does_not_know_another_may_say():
    table = Rows(("participant_id",), (Column("sex"),))
    assert table.add(("sub-a",), (None,), "1.tif") == []
    assert table.add(("sub-a",), ("M",), "2.tif") == []
    assert table.add(("sub-a",), (None,), "3.tif") == []
    assert b"sub-a\tM\n" in table.tsv()


@pytest.mark.parametrize(
    ("column", "value", "sentence"),
    [
        (Column("sample_type"), "Tissue", "sub-a: sample_type is one of cell line, in vitro differentiated cells, "),
        (Column("age"), "twelve", "sub-a: age is a number, not 'twelve'; n/a stands there until"),
        (Column("age"), "130", "sub-a: age is at most 89 years, not 130: write 89 for more, or say its `units`; n/a"),
        (
            Column("acq_time"),
            "31.1.2023",
            "sub-a: acq_time is a datetime as BIDS writes it, as in 2023-01-31T09:30:00, not '31.1.2023'; n/a",
        ),
        (
            Column("strain_rrid"),
            "C57",
            "sub-a: strain_rrid is a rrid as BIDS writes it, as in RRID:IMSR_JAX:000664, not 'C57'; n/a",
        ),
        (Column("derived_from"), "block 1", "sub-a: derived_from is as in sample-"),
        (Column("dose", levels={"low": "1 mg"}), "high", "sub-a: dose is one of low, not 'high'; n/a"),
    ],
)
def test_values_that_bids_does_not_have_are_told_and_left_out(column, value, sentence):
    table = Rows(("participant_id",), (column,))
    (said,) = table.add(("sub-a",), (value,), "1.tif")
    assert said.startswith(sentence)
    assert table.tsv().endswith(b"sub-a\tn/a\n")


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        (Column("age"), "89+", "89"),
        (Column("age"), "> 89", "89"),
        (Column("age"), "NaN", "n/a"),
        (Column("sex"), "NA", "n/a"),
        (Column("sex"), "female", "female"),
        (Column("handedness"), cell("N/A"), "n/a"),
        (Column("species"), "Mus musculus", "Mus musculus"),
        # Where any text may stand, a word is what it says.
        (Column("strain"), "NA", "NA"),
        (Column("dose", levels={"none": "Nothing."}), "none", "none"),
        (Column("age", units="week"), "130", "130"),
    ],
)
def test_values_are_written_as_bids_writes_them(column, value, shown):
    table = Rows(("participant_id",), (column,))
    assert table.add(("sub-a",), (value,), "1.tif") == []
    assert table.tsv().endswith(f"sub-a\t{shown}\n".encode())


def test_a_description_says_what_is_given_and_nothing_else():
    raw = json.loads(Description("A", license="CC0", authors=("Doe J",)).document())
    expected = {"Name": "A", "BIDSVersion": "1.11.1", "DatasetType": "raw", "License": "CC0", "Authors": ["Doe J"]}
    assert raw == expected
    made = Description("B", derivative=True, generated_by=(generated("1.0", ("crop", "affine")),))
    derived = json.loads(made.document())
    assert derived["DatasetType"] == "derivative"
    assert derived["GeneratedBy"] == [
        {
            "Name": "s3facade",
            "Version": "1.0",
            "Description": "Computed from original files on request, through: crop, affine.",
        }
    ]


def test_patterns_that_are_ignored_have_no_final_slash():
    assert ignored(["/extra/", "/ro-crate-metadata.json", "/extra"]) == b"/extra\n/ro-crate-metadata.json\n"


def test_a_readme_is_long_enough_to_be_one():
    assert len(readme("A")) > 150
    assert b"derivative" in readme("A", derivative=True)
