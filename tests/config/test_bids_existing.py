"""Views of BIDS data sets that exist: what they mean, and what is refused with which sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from s3facade.config.load import load
from s3facade.config.views.bids_existing import BidsExistingView
from s3facade.core.errors import ConfigError


def loaded(base: Path, **view: object) -> BidsExistingView:
    (base / "study").mkdir(exist_ok=True)
    config = base / "c.yaml"
    config.write_text(yaml.safe_dump({"buckets": {"lab": {"views": [{"type": "bids", **view}]}}}))
    (found,) = load(config).buckets[0].views
    assert isinstance(found, BidsExistingView)
    return found


def test_everything_but_the_folder_has_a_default(tmp_path):
    view = loaded(tmp_path, root="study")
    assert view.root == tmp_path / "study"
    assert (view.path, view.extension, view.layout) == ("", ".ome.zarr", "ome-zarr")
    assert ".nii.gz" in view.convert


def test_images_may_become_nifti_files(tmp_path):
    view = loaded(tmp_path, root="study", path="a/b", convert=["nii", ".ome.tif"], **{"as": "nii.gz"})
    assert (view.path, view.convert) == ("a/b", (".nii", ".ome.tif"))
    assert (view.layout, view.options) == ("nifti", {"gzip": True})
    assert ".nii" not in loaded(tmp_path, root="study", **{"as": "nii"}).convert
    assert loaded(tmp_path, root="study", convert=[]).convert == ()


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        ({"root": "study", "name": "A"}, "has `root`, a data set that says this itself, and `name`"),
        ({"root": "study", "files": []}, "has `root`, a data set that says this itself, and `files`"),
        ({"root": "study", "license": "CC0"}, "and `license`; leave out one of the two"),
        ({"root": "study", "path": "{a}"}, "a data set has one path, without captures; write a plain prefix"),
        ({"root": "study", "path": "a//b"}, "has an empty, `.` or `..` component"),
        ({"root": "nowhere"}, "nowhere is no folder; name the one with dataset_description.json"),
        ({"root": "study", "convert": ["ome.zarr"]}, ".ome.zarr is what images are shown as already; remove it"),
        ({"root": "study", "as": "png"}, "as: must be 'ome.zarr', 'nii.gz' or 'nii'"),
        ({"root": "study", "convert": ["*.nii"]}, "convert"),
        ({"name": "A"}, "needs `files`; or `root`, the folder of a data set that exists already"),
        ({"files": [{"from": "s", "suffix": "BF", "entities": {"sub": "1"}}]}, "needs `name`; or `root`"),
        (
            {"name": "A", "files": [{"from": "s", "suffix": "BF", "entities": {"sub": "1"}}], "as": "nii"},
            "has `as`, which goes with `root`; here it belongs to each of `files`",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_sentence(tmp_path, view, sentence):
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, **view)
    assert sentence in str(caught.value)
    assert "c.yaml:" in str(caught.value)


def test_data_sets_in_stores_are_refused(tmp_path):
    config = tmp_path / "c.yaml"
    about = {"stores": {"far": {"url": "s3://x/"}}, "buckets": {"lab": {"views": [{"type": "bids", "root": "far:a"}]}}}
    config.write_text(yaml.safe_dump(about))
    with pytest.raises(ConfigError, match="a data set in a store cannot be shown whole"):
        load(config)


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        ({"path": "{stem}"}, "must end in .nii or .nii.gz, which says whether they are packed"),
        ({"path": "{stem}.nii", "edition": "3"}, "edition"),
        ({"path": "{stem}.nii", "labels": {"a": "s"}}, "labels"),
    ],
)
def test_views_of_nifti_files_are_checked(tmp_path, view, sentence):
    config = tmp_path / "c.yaml"
    views = [{"type": "nifti", "from": "s", **view}]
    config.write_text(yaml.safe_dump({"sources": {"s": {"files": "*.tif"}}, "buckets": {"lab": {"views": views}}}))
    with pytest.raises(ConfigError) as caught:
        load(config)
    assert sentence in str(caught.value)
