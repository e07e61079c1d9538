"""What is found in the folder of a data set: links, hidden files, folders that are taken as a whole."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from s3facade import registry
from s3facade.catalog.arrange import bids_walk
from s3facade.catalog.arrange.bids_walk import walk
from s3facade.catalog.catalog import Catalog
from s3facade.catalog.sources.watch import Watch
from s3facade.config.load import load
from s3facade.core.errors import SourceError
from s3facade.engine.engine import Engine, EngineLimits


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "study"
    for name in (
        "sub-01/anat/sub-01_T1w.nii.gz",
        "sub-01/meg/sub-01_meg.ds/a.meg4",
        "a.ome.zarr/0/c/0",
        ".x/y",
        "z.txt",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"1")
    return root


def test_folders_that_bids_takes_for_a_file_are_not_looked_into(root):
    found = walk(str(root), Watch())
    assert sorted(found.files) == ["sub-01/anat/sub-01_T1w.nii.gz", "z.txt"]
    assert sorted(found.folders) == ["a.ome.zarr", "sub-01/meg/sub-01_meg.ds"]


def test_links_in_a_circle_end(root):
    (root / "sub-01/up").symlink_to("..")
    (root / "sub-01/self").symlink_to("self")
    (root / "sub-01/here").symlink_to(".")
    found = walk(str(root), Watch())
    assert len(found.files) < 20
    assert found.absent["sub-01/self"] == bids_walk.NOWHERE


def test_a_folder_that_is_gone_is_an_error_and_no_empty_data_set(tmp_path):
    with pytest.raises(SourceError):
        walk(str(tmp_path / "gone"), Watch())


def test_names_that_are_no_text_are_told(root):
    with open(bytes(root) + b"/\xff.txt", "wb"):
        pass
    found = walk(str(root), Watch())
    assert ["not UTF-8" in item.reason for item in found.broken] == [True]


def test_pointers_of_git_annex_are_known(tmp_path):
    file = tmp_path / "a.nii.gz"
    file.write_text("/annex/objects/MD5E-s1--0.nii.gz\n")
    assert bids_walk.pointer(str(file))
    file.write_bytes(b"\x1f\x8b")
    assert not bids_walk.pointer(str(file))
    assert not bids_walk.pointer(str(tmp_path / "none"))


def test_what_changes_is_noticed(root):
    (root / "sub-01/b.nii.gz").symlink_to("../.git/annex/objects/aa/bb/KEY")
    watch = Watch()
    walk(str(root), watch)
    (root / "sub-01/new").mkdir()
    assert watch.moved()


def told(root, **view):
    config = root.parent / "c.yaml"
    more = "".join(f", {key}: {value}" for key, value in view.items())
    config.write_text(f"buckets:\n  lab:\n    views: [{{type: bids, root: study{more}}}]\n")
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    catalog = Catalog(load(config), engine)
    names = [item if isinstance(item, str) else item.key for item in catalog.page_now("lab", "", "", "", 1000)]
    broken = {item.path: item.reason for item in catalog.broken()}
    engine.close()
    return names, broken


def test_a_folder_without_a_description_is_asked_about(root):
    _, broken = told(root, convert="[]")
    assert "has no dataset_description.json: is it the root of a BIDS data set?" in broken[str(root)]


def test_two_files_of_one_new_name_stay_apart(root):
    (root / "sub-01/anat/sub-01_T1w.nii").write_bytes(b"1")
    (root / "dataset_description.json").write_text("{}")
    _, broken = told(root)
    assert (
        "shown as it is, and not as sub-01/anat/sub-01_T1w.ome.zarr" in broken[f"{root}/sub-01/anat/sub-01_T1w.nii.gz"]
    )


def test_only_names_that_bids_has_are_converted(root):
    for name in ("sub-01/anat/sub-01_foo.nii.gz", "sub-01/func/sub-01_bold.nii.gz", "sub-01/anat/sub-1_x_T1w.nii.gz"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"1")
    (root / "dataset_description.json").write_text("not json")
    names, _ = told(root)
    assert {"sub-01/anat/sub-01_foo.nii.gz", "sub-01/func/sub-01_bold.nii.gz"} <= set(names)
    assert "sub-01/anat/sub-1_x_T1w.nii.gz" in names
    assert "sub-01/anat/sub-01_T1w.nii.gz" not in names


def test_microscopy_becomes_ome_zarr_and_photos_stay_photos(root):
    folder = root / "sub-01/micr"
    folder.mkdir()
    for name in ("sub-01_sample-A_SPIM.ome.tif", "sub-01_sample-A_BF.tif", "sub-01_sample-A_photo.tif"):
        tifffile.imwrite(folder / name, np.zeros((8, 8), np.uint8))
    (folder / "sub-01_sample-A_photo.json").write_text('{"IntendedFor": "bids::sub-01/micr/sub-01_sample-A_BF.tif"}')
    (folder / "sub-01_sample-B_BF.png").write_bytes(b"no picture")
    (root / "dataset_description.json").write_text("{}")
    names, broken = told(root)
    assert "no reader recognises it" in broken.pop(str(folder / "sub-01_sample-B_BF.png"))
    assert "sub-01/micr/sub-01_sample-B_BF.png" in names
    assert "sub-01/micr/sub-01_sample-A_SPIM.ome.zarr/zarr.json" in names
    assert "sub-01/micr/sub-01_sample-A_BF.ome.zarr/zarr.json" in names
    assert "sub-01/micr/sub-01_sample-A_photo.tif" in names
    assert not [path for path in broken if path.startswith(str(folder))]


def test_derivatives_are_judged_as_such(root):
    stem = "derivatives/prep/sub-01/anat/sub-01_desc-x_T1w"
    for name in (f"{stem}.nii.gz", "sub-01/anat/sub-01_desc-x_T1w.nii.gz"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"1")
    for folder in (root, root / "derivatives/prep"):
        (folder / "dataset_description.json").write_text("{}")
    found = shown_as(root)
    assert found[f"{stem}.nii.gz"] == f"{stem}.ome.zarr"
    assert "sub-01/anat/sub-01_desc-x_T1w.nii.gz" not in found


def shown_as(root):
    """New names by old ones."""
    told(root)
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    plan = Catalog(load(root.parent / "c.yaml"), engine).plan("lab")
    engine.close()
    return {mount.recipe.path[len(str(root)) + 1 :]: key for key, mount in plan.mounts.items()}
