"""Files beside NIfTI files, in BIDS views: what comes along, what is said; and when an original's bytes are shown."""

from __future__ import annotations

import asyncio
import json

import nibabel as nib
import numpy as np
import pytest
import yaml

from s3facade import registry
from s3facade.catalog.arrange.as_is import own_bytes
from s3facade.catalog.catalog import Catalog
from s3facade.catalog.images.recipe import FaultyRecipe, FileRecipe, Pipeline
from s3facade.catalog.sources.strays import strays
from s3facade.config.load import load
from s3facade.engine.engine import Engine, EngineLimits

DWI = {"from": "s", "suffix": "dwi", "entities": {"sub": "{name}"}, "as": "nii.gz"}
BOLD = {"from": "s", "suffix": "bold", "entities": {"sub": "{name}", "task": "rest", "echo": "1"}, "as": "nii.gz"}


def volume(path, seconds=2.0):
    image = nib.Nifti1Image(np.zeros((4, 5, 6, 3), "i2"), np.eye(4))
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = seconds
    nib.save(image, path)


@pytest.fixture
def shown(tmp_path):
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))

    def show(files, ending=".nii.gz", steps=(), **companions):
        volume(tmp_path / f"a{ending}")
        for name, content in companions.items():
            (tmp_path / name.replace("__", ".")).write_text(content)
        about = {
            "sources": {"s": {"files": f"{{name}}{ending}"}},
            "buckets": {"lab": {"views": [{"type": "bids", "name": "A", "files": [files]}]}},
        }
        if steps:
            about["images"] = {"i": {"from": "s", "steps": steps}}
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(about))
        catalog = Catalog(load(tmp_path / "c.yaml"), engine)
        found = {item.key: item.file for item in catalog.page_now("lab", "", "", "", 1000)}
        return {key: read(engine, file) for key, file in found.items()}, catalog.broken()

    yield show
    engine.close()


def read(engine, file):
    async def whole():
        return b"".join([bytes(piece) async for piece in engine.stream(file.body(), 0, file.size)])

    return asyncio.run(whole())


def test_gradients_and_metadata_come_along(shown):
    side = json.dumps({"EchoTime": 0.08, "Manufacturer": "X"})
    made, broken = shown({**DWI, "sidecar": {"Manufacturer": "Y"}}, a__bval="0 1 2\n", a__bvec="0 0 0\n", a__json=side)
    assert made["sub-a/dwi/sub-a_dwi.bval"] == b"0 1 2\n"
    assert made["sub-a/dwi/sub-a_dwi.bvec"] == b"0 0 0\n"
    assert json.loads(made["dwi.json"]) == {"Manufacturer": "Y"}
    assert json.loads(made["sub-a/dwi/sub-a_dwi.json"]) == {"EchoTime": 0.08}
    assert not broken


def test_events_belong_to_all_echoes_and_the_task_is_named(shown):
    made, _ = shown(BOLD, a_events__tsv="onset\tduration\n", a__json='{"RepetitionTime": 3}', a__bval="0\n")
    assert made["sub-a/func/sub-a_task-rest_events.tsv"] == b"onset\tduration\n"
    side = json.loads(made["sub-a/func/sub-a_task-rest_echo-1_bold.json"])
    assert side == {"RepetitionTime": 3, "TaskName": "rest"}
    assert not [key for key in made if key.endswith(".bval")]


def test_tables_of_other_kinds_come_along_where_bids_has_them(shown):
    files = {**BOLD, "suffix": "asl", "entities": {"sub": "{name}"}}
    made, _ = shown(files, a_aslcontext__tsv="volume_type\n", a_events__tsv="onset\n", a_blood__tsv="time\n")
    assert made["sub-a/perf/sub-a_aslcontext.tsv"] == b"volume_type\n"
    assert not [key for key in made if key.endswith("blood.tsv")]


def test_names_as_bids_has_them_share_what_is_before_their_suffix(tmp_path, shown):
    made, _ = shown(BOLD, "_bold.nii.gz", a_events__tsv="onset\n", a_bold_physio__json="{}")
    assert made["sub-a/func/sub-a_task-rest_events.tsv"] == b"onset\n"
    assert made["sub-a/func/sub-a_task-rest_physio.json"] == b"{}"


def test_times_are_those_of_the_image_where_nothing_else_says_them(shown):
    made, _ = shown(BOLD)
    side = json.loads(made["sub-a/func/sub-a_task-rest_echo-1_bold.json"])
    assert side == {"RepetitionTime": 2, "TaskName": "rest"}


def test_what_came_along_is_not_left_over(shown, tmp_path):
    _, _ = shown({**DWI}, a__bval="0 1 2\n", a__json='{"EchoTime": 1}', b__txt="nobody's\n")
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    settings = load(tmp_path / "c.yaml")
    plan = Catalog(settings, engine).plan("lab")
    engine.close()
    assert [stray.relative for stray in strays(plan.tallies.values(), settings)] == ["b.txt"]
    left = [note.about for note in plan.report.sources["s"].unmatched.shown]
    assert "b.txt" in left
    assert not [name for name in left if name.startswith("a.")]


def test_companions_may_stay_away(shown):
    made, _ = shown({**DWI, "companions": "false"}, a__bval="0 1 2\n", a__json='{"EchoTime": 1}')
    assert [key for key in made if "sub-a" in key] == ["sub-a/dwi/sub-a_dwi.nii.gz"]


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"a": NaN}', "\udcff".encode("utf-8", "surrogateescape").decode("latin-1")]
)
def test_metadata_that_cannot_be_read_are_told(shown, text):
    made, broken = shown(DWI, a__json=text)
    assert ["JSON file beside the image cannot be read" in item.reason for item in broken] == [True]
    assert "sub-a/dwi/sub-a_dwi.nii.gz" in made


def test_a_file_of_the_form_that_is_asked_for_is_shown_by_its_own_bytes(shown, tmp_path):
    made, _ = shown(DWI)
    assert made["sub-a/dwi/sub-a_dwi.nii.gz"] == (tmp_path / "a.nii.gz").read_bytes()
    made, _ = shown({**DWI, "as": "nii"})
    assert len(made["sub-a/dwi/sub-a_dwi.nii"]) == 352 + 4 * 5 * 6 * 3 * 2
    made, _ = shown({**DWI, "dtype": "float32", "entities": {"sub": "{name}", "desc": "wide"}})
    assert len(made["sub-a/dwi/sub-a_desc-wide_dwi.nii.gz"]) > 352 + 4 * 5 * 6 * 3 * 4


def test_whatever_changes_an_image_keeps_its_bytes_from_being_passed_on():
    plain = FileRecipe("/a/b.nii.gz", "nifti")
    assert own_bytes(plain, ".nii.gz") == "/a/b.nii.gz"
    assert own_bytes(plain, ".nii") is None
    assert own_bytes(FileRecipe("/a/b.nii.gz", "tiff"), ".nii.gz") is None
    assert own_bytes(FileRecipe("/a/b.nii.gz", "nifti", {"unit": "um"}), ".nii.gz") is None
    assert own_bytes(FileRecipe("/a/b.nii.gz", "nifti", {}, 0), ".nii.gz") is None
    assert own_bytes(FileRecipe("/a/b.nii.gz", "nifti", {}, None, {"x": 1.0}), ".nii.gz") is None
    assert own_bytes(Pipeline("p", (plain,), ()), ".nii.gz") is None
    assert own_bytes(FaultyRecipe("/a/b.nii.gz", "no"), ".nii.gz") is None
    assert own_bytes(FileRecipe("/a/b.ome.zarr", ""), ".ome.zarr") is None


@pytest.mark.parametrize(
    ("steps", "kept", "step"),
    [
        ([{"gaussian": "1 px"}, {"crop": {"x": [0, 2]}}], {"SliceTiming", "PhaseEncodingDirection"}, None),
        ([{"crop": {"z": [0, 2]}}], {"PhaseEncodingDirection"}, None),
        ([{"flip": ["x"]}], set(), None),
        ([{"flip": ["t"]}], set(), "flip"),
        ([{"crop": {"t": [0, 2]}}], set(), "crop"),
    ],
)
def test_fields_and_tables_do_not_outlive_the_places_and_times_they_are_of(shown, steps, kept, step):
    files = {**BOLD, "from": "i", "entities": {"sub": "{name}", "task": "rest", "desc": "x"}}
    about = {"EchoTime": 0.1, "SliceTiming": [0, 1, 2, 3, 4, 5], "PhaseEncodingDirection": "j"}
    events = "onset\tduration\n0\t1\n"
    found, broken = shown(files, steps=steps, a_events__tsv=events, a__json=json.dumps(about))
    fields = set(json.loads(found["sub-a/func/sub-a_task-rest_desc-x_bold.json"]))
    assert fields & set(about) == kept | {"EchoTime"}
    assert ("sub-a/func/sub-a_task-rest_events.tsv" in found) == (step is None)
    said = (
        f"It is not shown: the step `{step}` may turn axes or leave out volumes, and it is about the original. Show "
        "that as well, without the step, or say `companions: false`."
    )
    assert [item.reason for item in broken] == ([said] if step else [])
