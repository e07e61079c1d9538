"""Names of BIDS: judged as bidsschematools' own expressions judge them, refused in sentences that help."""

from __future__ import annotations

import re
import time
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3facade.layouts.bids.names import LABEL, Labels, Name, Refused, clean, parse
from s3facade.layouts.bids.rules import Shape, datatypes, ordered, refusal
from s3facade.layouts.bids.schema import schema

MICR = ("sub", "ses", "sample", "acq", "stain", "run", "chunk")


@cache
def expressions(*, derivative: bool) -> list[re.Pattern[str]]:
    """The oracle: regular expressions of the schema's own package for every file of raw or derivative data sets."""
    from bidsschematools.rules import regexify_filename_rules
    from bidsschematools.schema import load_schema

    found = []
    tree = load_schema()
    for group in (tree.rules.files.raw, *([tree.rules.files.deriv] if derivative else [])):
        for kind in group.values():
            found += [re.compile(rule["regex"]) for rule in regexify_filename_rules(kind, tree, level=1)]
    return found


def accepted(path: str, *, derivative: bool = False) -> bool:
    return any(expression.fullmatch(path) for expression in expressions(derivative=derivative))


NAMES = [
    (("sub", "sample"), "BF", ".ome.zarr", "micr", False),
    (("sub", "ses", "sample", "acq", "stain", "run", "chunk"), "SPIM", ".ome.tif", "micr", False),
    (("sub", "sample"), "TEM", ".png", "micr", False),
    (("sub", "sample", "space", "desc"), "SPIM", ".ome.zarr", "micr", True),
    (("sub", "sample"), "photo", ".jpg", "micr", False),
    (("sub",), "T1w", ".nii.gz", "anat", False),
    (("sub", "task"), "bold", ".nii", "func", False),
    (("sub", "dir"), "epi", ".nii.gz", "fmap", False),
    (("sub", "space", "desc"), "T1w", ".nii.gz", "anat", True),
    (("sub",), "pet", ".nii.gz", "pet", False),
    (("sub",), "BF", ".ome.zarr", "micr", False),
    (("sample",), "BF", ".ome.zarr", "micr", False),
    (("sub", "sample", "echo"), "BF", ".ome.zarr", "micr", False),
    (("sub", "sample", "res"), "SPIM", ".ome.zarr", "micr", True),
    (("sub", "sample"), "BF", ".nii.gz", "micr", False),
    (("sub", "sample"), "BF", ".jpg", "micr", False),
    (("sub", "sample"), "bf", ".ome.zarr", "micr", False),
    (("sub",), "bold", ".nii.gz", "func", False),
    (("sub", "sample"), "BF", ".ome.tif", "anat", False),
    (("sub", "sample"), "dseg", ".ome.zarr", "micr", True),
]


@pytest.mark.parametrize(("entities", "suffix", "extension", "datatype", "derivative"), NAMES)
def test_the_schemas_own_expressions_say_the_same(entities, suffix, extension, datatype, derivative):
    indices = {name for name, entity in schema().entities.items() if entity.index}
    labels = {name: "1" if name in indices else "a" for name in ordered(entities)}
    name = Name(labels, suffix, extension, datatype)
    path = name.path + ("/" if extension == ".ome.zarr" else "")
    said = refusal(name.shape, derivative=derivative)
    assert (said is None) == accepted(path, derivative=derivative), (said, path)


@given(st.sets(st.sampled_from([*MICR, "echo", "task", "res", "dir"])), st.sampled_from([".ome.zarr", ".tif", ".nii"]))
@settings(max_examples=60, deadline=None)
def test_any_set_of_entities_is_judged_as_the_schema_judges_it(entities, extension):
    labels = dict.fromkeys(ordered(entities), "1")
    if "sub" not in labels:
        return
    name = Name(labels, "CONF", extension, "micr")
    path = name.path + ("/" if extension == ".ome.zarr" else "")
    assert (refusal(name.shape) is None) == accepted(path)


REFUSED = [
    (("sub",), "BF", ".ome.zarr", "micr", False, "A BF file of micr needs the entity `sample`."),
    (("sample",), "BF", ".ome.zarr", "micr", False, "A BF file of micr needs the entity `sub`."),
    ((), "BF", ".ome.zarr", "micr", True, "A BF file of micr needs the entities `sub`, `sample`."),
    (
        ("sub", "sample", "echo"),
        "BF",
        ".ome.zarr",
        "micr",
        False,
        "A BF file of micr has no entity `echo`; it may have sub, ses, sample, acq, stain, run, chunk.",
    ),
    (
        ("sub", "sample", "desc"),
        "BF",
        ".ome.zarr",
        "micr",
        False,
        "A BF file of micr has the entity `desc` in derivative data sets only.",
    ),
    (
        ("sub", "sample", "res"),
        "BF",
        ".ome.zarr",
        "micr",
        True,
        "A BF file of micr has no entity `res`; it may have sub, ses, sample, acq, stain, run, space, chunk, desc.",
    ),
    (
        ("sub", "sample"),
        "BF",
        ".nii.gz",
        "micr",
        False,
        "A BF file of micr is .ome.btf, .ome.tif, .ome.zarr, .png or .tif, not .nii.gz.",
    ),
    (("sub", "sample"), "bf", ".ome.tif", "micr", False, "BIDS has no suffix 'bf'; did you mean BF?"),
    (("sub", "sample"), "BF", ".ome.tif", "anat", False, "Files of suffix 'BF' lie in micr, not in 'anat'."),
    (("sub",), "bold", ".nii.gz", "func", False, "A bold file of func needs the entity `task`."),
    (("sub",), "dseg", ".nii.gz", "anat", False, "Only derivatives have files of suffix 'dseg'."),
    (("sub", "smple"), "BF", ".tif", "micr", False, "BIDS has no entity `smple`; did you mean sample?"),
    (("subject",), "BF", ".tif", "micr", False, "The entity `subject` is written `sub` in names."),
]


@pytest.mark.parametrize(("entities", "suffix", "extension", "datatype", "derivative", "sentence"), REFUSED)
def test_what_no_rule_accepts_is_refused_with_what_is_allowed(
    entities, suffix, extension, datatype, derivative, sentence
):
    assert refusal(Shape(ordered(entities), suffix, extension, datatype), derivative=derivative) == sentence


def test_datatypes_follow_from_names_where_the_schema_leaves_no_choice():
    assert datatypes("BF", ".ome.zarr", ("sub", "sample")) == ["micr"]
    assert datatypes("sbref", ".nii.gz", ("sub", "task")) == ["func"]
    assert datatypes("sbref", ".nii.gz", ("sub",)) == ["dwi"]
    assert datatypes("m0scan", ".nii.gz", ("sub",)) == ["fmap", "perf"]


def test_a_name_has_its_parts_in_the_order_of_the_schema():
    entities = dict.fromkeys(ordered(["stain", "sub", "run", "sample", "ses", "acq"]), "1")
    name = Name(entities, "BF", ".ome.zarr", "micr")
    assert name.path == "sub-1/ses-1/micr/sub-1_ses-1_sample-1_acq-1_stain-1_run-1_BF.ome.zarr"
    assert name.sidecar == "sub-1/ses-1/micr/sub-1_ses-1_sample-1_acq-1_stain-1_run-1_BF.json"
    assert name.uri == f"bids::{name.path}"
    assert parse(name.path) == name


@pytest.mark.parametrize("path", ["a.txt", "sub-1/micr/sample-1_sub-1_BF.tif", "sub-1/micr/sub-1_BF", "sub-1_BF.tif"])
def test_what_is_made_otherwise_is_no_name(path):
    assert parse(path) is None


@pytest.mark.parametrize(
    ("value", "label"),
    [
        *(("m_12", "m12"), ("cresyl violet", "cresylviolet"), ("Müller", "Muller"), ("a+b", "a+b"), ("…", "")),
        *(("\N{GREEK SMALL LETTER ALPHA}-Syn", "alphaSyn"), ("ΔFosB", "DeltaFosB"), ("λ1", "lambda1"), ("µ", "mu")),
        *(("Groß", "Gross"), ("Łódź", "Lodz")),
    ],
)
def test_values_are_cleaned_to_labels(value, label):
    assert clean(value) == label


@given(st.text(max_size=30))
def test_labels_are_what_bids_allows_or_nothing(value):
    assert not clean(value) or LABEL.fullmatch(clean(value))


@given(st.dictionaries(st.sampled_from(["ses", "acq", "stain"]), st.text(max_size=12)), st.text(), st.text())
@settings(max_examples=200, deadline=None)
def test_whatever_values_are_what_is_named_the_schema_accepts(more, sub, sample):
    labels = Labels()
    made = {e: labels.label(e, value, "a.tif") for e, value in {**more, "sub": sub, "sample": sample}.items()}
    if any(isinstance(label, Refused) for label in made.values()):
        return
    name = Name({e: str(made[e]) for e in ordered(made)}, "FLUO", ".ome.zarr", "micr")
    assert accepted(name.path + "/")
    assert parse(name.path) == name


def test_two_values_of_one_label_are_refused_with_both_files():
    labels = Labels()
    assert labels.label("sub", "m13", "2023/m13.tif") == "m13"
    assert labels.label("sub", "m13", "2023/other.tif") == "m13"
    assert labels.label("sub", "m_13", "2024/m_13.tif") == Refused(
        "`sub` would be 'm13' for 'm_13' of 2024/m_13.tif and for 'm13' of 2023/m13.tif; say with `values` that they "
        "mean the same, or write the template so that they differ."
    )


def test_labels_that_differ_in_case_alone_are_refused():
    labels = Labels()
    assert labels.label("stain", "Nissl", "a.tif") == "Nissl"
    assert isinstance(labels.label("stain", "nissl", "b.tif"), Refused)


def test_numbers_that_are_the_same_are_refused():
    labels = Labels()
    assert labels.label("run", "7", "a.tif") == "7"
    assert isinstance(labels.label("run", "007", "b.tif"), Refused)


NONE = "holds no letter or digit that a label may have; give it a label in `values` of the source."


@pytest.mark.parametrize(
    ("entity", "value", "sentence"),
    [
        ("sub", "--", f"`sub` would be empty: '--' {NONE}"),
        ("sub", "", f"`sub` would be empty: '' {NONE}"),
        ("sub", "мышь", f"`sub` would be empty: 'мышь' {NONE}"),
        ("run", "A", "`run` is a whole number in BIDS, and 'A' is none."),
        ("hemi", "left", "`hemi` is one of L, R in BIDS, and 'left' is none of them."),
    ],
)
def test_values_that_make_no_label_are_refused(entity, value, sentence):
    assert Labels().label(entity, value, "a.tif") == Refused(sentence)


def test_two_hundred_thousand_names_take_a_moment():
    labels = Labels()
    begun = time.process_time()
    paths = set()
    for n in range(200_000):
        raw = {"sub": f"m_{n // 400}", "sample": f"s{n % 400:03}", "stain": "CV" if n % 2 else "HE"}
        entities = {}
        for entity, value in raw.items():
            label = labels.label(entity, value, "file")
            assert isinstance(label, str)
            entities[entity] = label
        name = Name(entities, "BF", ".ome.zarr", "micr")
        assert refusal(name.shape) is None
        paths.add(name.path)
    assert len(paths) == 200_000
    assert time.process_time() - begun < 4
