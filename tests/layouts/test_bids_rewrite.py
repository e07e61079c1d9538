"""Tables and JSON files whose images are called otherwise: only the names change."""

from __future__ import annotations

import json

import pytest

from s3facade.layouts.bids.rewrite import Place, links, reference, rewritten

NAMES = {
    "sub-01/func/sub-01_task-rest_bold.nii.gz": "sub-01/func/sub-01_task-rest_bold.ome.zarr",
    "sub-01/ses-a/anat/sub-01_ses-a_T1w.nii": "sub-01/ses-a/anat/sub-01_ses-a_T1w.ome.zarr",
    "derivatives/prep/sub-01/anat/sub-01_desc-x_T1w.nii.gz": "derivatives/prep/sub-01/anat/sub-01_desc-x_T1w.ome.zarr",
}
FMAP = Place("sub-01/fmap/sub-01_phasediff.json")
PREP = Place("derivatives/prep/sub-01/anat/sub-01_desc-x_T1w.json", "derivatives/prep", (("raw", ""),))


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (FMAP, "bids::sub-01/func/sub-01_task-rest_bold.nii.gz", "bids::sub-01/func/sub-01_task-rest_bold.ome.zarr"),
        (FMAP, "func/sub-01_task-rest_bold.nii.gz", "func/sub-01_task-rest_bold.ome.zarr"),
        (FMAP, "ses-a/anat/sub-01_ses-a_T1w.nii", "ses-a/anat/sub-01_ses-a_T1w.ome.zarr"),
        (FMAP, "../func/sub-01_task-rest_bold.nii.gz", "../func/sub-01_task-rest_bold.ome.zarr"),
        (FMAP, "sub-01/func/sub-01_task-rest_bold.nii.gz", "sub-01/func/sub-01_task-rest_bold.ome.zarr"),
        (PREP, "bids:raw:sub-01/ses-a/anat/sub-01_ses-a_T1w.nii", "bids:raw:sub-01/ses-a/anat/sub-01_ses-a_T1w.ome.zarr"),  # noqa: E501
        (PREP, "bids::sub-01/anat/sub-01_desc-x_T1w.nii.gz", "bids::sub-01/anat/sub-01_desc-x_T1w.ome.zarr"),
        (PREP, "sub-01_desc-x_T1w.nii.gz", "sub-01_desc-x_T1w.ome.zarr"),
        (FMAP, "bids:raw:sub-01/func/sub-01_task-rest_bold.nii.gz", None),
        (FMAP, "bids::func/sub-01_task-rest_bold.nii.gz", None),
        (FMAP, "bids::sub-02/func/sub-02_task-rest_bold.nii.gz", None),
        (FMAP, "/sub-01/func/sub-01_task-rest_bold.nii.gz", None),
        (FMAP, "../../../sub-01/func/sub-01_task-rest_bold.nii.gz", None),
        (FMAP, "", None),
        (FMAP, "TrueFISP", None),
    ],
)  # fmt: skip
def test_references_are_found_in_every_form(place, value, expected):
    assert reference(value, place, NAMES.get) == expected


def test_only_names_change_in_json():
    text = (
        '{"EchoTime1" : 0.00492,\r\n\t"IntendedFor": ["bids::sub-01\\/func\\/sub-01_task-rest_bold.nii.gz",'
        '"bids::sub-01/func/sub-01_task-other_bold.nii.gz"], "Note": "a \\"quoted\\" sub-01_bold.nii.gz", "x": 1e3}'
    )
    new = rewritten(text, FMAP, NAMES.get)
    assert json.loads(new)["IntendedFor"] == [
        "bids::sub-01/func/sub-01_task-rest_bold.ome.zarr", "bids::sub-01/func/sub-01_task-other_bold.nii.gz",
    ]  # fmt: skip
    assert (
        new.replace("ome.zarr", "nii.gz").replace("sub-01/func/sub-01_task-rest", "sub-01\\/func\\/sub-01_task-rest")
        == text
    )
    plain = '{"a": "b", "broken": '
    assert rewritten(plain, FMAP, NAMES.get) == plain


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_scans_are_named_as_seen_from_their_table(end):
    rows = [
        "acq_time\tfilename\toperator",
        "n/a\tfunc/sub-01_task-rest_bold.nii.gz\tx",
        "n/a\tmeg/sub-01_meg.ds\ty",
        "",
    ]
    text = end.join(rows)
    place = Place("sub-01/sub-01_scans.tsv")
    new = rewritten(text, place, NAMES.get)
    assert new == text.replace("bold.nii.gz", "bold.ome.zarr")
    assert rewritten("onset\tduration\n1\t2\n", place, NAMES.get) == "onset\tduration\n1\t2\n"
    assert rewritten("", place, NAMES.get) == ""


def test_links_between_data_sets_are_followed_as_far_as_they_are_shown():
    text = '{"DatasetLinks": {"raw": "../..", "up": "../../..", "far": "doi:10.1/x", "me": ".", "abs": "/x", "odd": 3}}'
    assert links(text, "derivatives/prep") == (("me", "derivatives/prep"), ("raw", ""))
    assert links("[]", "") == links("{", "") == links('{"DatasetLinks": 3}', "") == ()
