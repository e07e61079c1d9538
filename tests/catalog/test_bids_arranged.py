"""What a BIDS view shows: which fields stand where, what derivatives say, what photos are for."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import yaml

from s3facade import registry
from s3facade.catalog.catalog import Catalog
from s3facade.config.load import load
from s3facade.core.objects import Literal, Passed
from s3facade.engine.engine import Engine, EngineLimits

NAMES = {"sub": "{animal}", "sample": "s{section:03}"}
SOURCES = {
    "dark": {"files": "data/dark/{animal}_{section:int}.tif"},
    "bright": {"files": "data/bright/{animal}_{section:int}.tif"},
    "both": {
        "files": "data/{kind}/{animal}_{section:int}.tif",
        "values": {"kind": {"bright": "BF", "dark": "DF"}},
    },
    "none": {"files": "data/dark/{animal}_{section:int}.nowhere.tif"},
    "photos": {"files": "data/photos/{animal}_{section:int}.{ending:jpe?g}"},
}
IMAGES = {"small": {"from": "bright", "steps": [{"crop": {"x": [0, 4]}}, {"gaussian": "1 px"}]}}
VIEW = {"type": "bids", "name": "A", "samples": {"sample_type": "tissue"}}


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    yield engine
    engine.close()


class Shown:
    def __init__(self, base: Path, engine: Engine, *views: dict[str, Any]) -> None:
        for kind in ("bright", "dark"):
            for name in ("a_1", "a_2", "b_1"):
                path = base / "data" / kind / f"{name}.tif"
                path.parent.mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(path, np.zeros((8, 8), np.uint8), resolution=(20000, 20000), resolutionunit=3)
        (base / "data" / "photos").mkdir()
        (base / "data" / "photos" / "a_1.jpeg").write_bytes(b"\xff\xd8 a photo")
        (base / "NOTES.txt").write_text("Read me.")
        config = base / "c.yaml"
        about = {
            "sources": SOURCES,
            "images": IMAGES,
            "buckets": {"lab": {"views": [v if "type" in v else {**VIEW, **v} for v in views]}},
        }
        config.write_text(yaml.safe_dump(about, sort_keys=False))
        self.catalog = Catalog(load(config), engine)
        self.catalog.probe(time.monotonic() + 60)

    def listed(self) -> list[str]:
        """All keys but those inside images."""
        found = self.catalog.page_now("lab", "", "", "", 10_000)
        return [item.key for item in found if not isinstance(item, str) and ".ome.zarr/" not in item.key]

    def text(self, key: str) -> str:
        (part,) = self.catalog.find_now("lab", key).file.body().parts
        if isinstance(part, Passed):
            return Path(part.source.path).read_text()
        assert isinstance(part, Literal)
        return part.data.decode()

    def json(self, key: str) -> dict[str, Any]:
        return json.loads(self.text(key))

    def broken(self) -> list[str]:
        return [item.reason for item in self.catalog.broken()]


def test_fields_of_two_sources_of_one_suffix_stand_at_the_root_if_both_say_them(tmp_path, engine):
    bright = {"from": "bright", "suffix": "BF", "entities": {**NAMES, "acq": "bright"}}
    dark = {"from": "dark", "suffix": "BF", "entities": {**NAMES, "acq": "dark"}}
    shown = Shown(
        tmp_path,
        engine,
        {
            "files": [
                {**bright, "sidecar": {"BodyPart": "BRAIN", "SliceThickness": 20}},
                {**dark, "sidecar": {"BodyPart": "BRAIN", "SliceThickness": 30}},
            ]
        },
    )
    assert shown.json("BF.json") == {"BodyPart": "BRAIN"}
    pixels = {"PixelSize": [0.5, 0.5], "PixelSizeUnits": "um"}
    assert shown.json("sub-a/micr/sub-a_sample-s001_acq-bright_BF.json") == {**pixels, "SliceThickness": 20}
    assert shown.json("sub-a/micr/sub-a_sample-s001_acq-dark_BF.json") == {**pixels, "SliceThickness": 30}
    assert shown.broken() == []


def test_fields_of_one_source_do_not_reach_images_whose_suffix_captures_tell(tmp_path, engine):
    """A file at the root holds for every image of its suffix, whoever called it so."""
    sizes = {"PixelSize": "0.5 um"}
    stated = {"BodyPart": "BRAIN", **sizes}
    named = {"from": "bright", "suffix": "BF", "entities": {**NAMES, "acq": "b"}, "sidecar": stated}
    told = {"from": "both", "suffix": "{kind}", "entities": {**NAMES, "acq": "t"}, "sidecar": sizes}
    shown = Shown(tmp_path, engine, {"files": [named, told]})
    assert shown.json("BF.json") == {"PixelSize": [0.5, 0.5], "PixelSizeUnits": "um"}
    assert shown.json("DF.json") == {"PixelSize": [0.5, 0.5], "PixelSizeUnits": "um"}
    assert shown.json("sub-a/micr/sub-a_sample-s001_acq-b_BF.json") == {"BodyPart": "BRAIN"}
    assert "sub-a/micr/sub-a_sample-s001_acq-t_BF.json" not in shown.listed()


def test_a_source_without_files_leaves_no_sidecar_at_the_root(tmp_path, engine):
    none = {"from": "none", "suffix": "BF", "entities": NAMES, "sidecar": {"PixelSize": "0.5 um"}}
    dark = {"from": "dark", "suffix": "DF", "entities": NAMES, "sidecar": {"PixelSize": "0.5 um"}}
    listed = Shown(tmp_path, engine, {"files": [none, dark]}).listed()
    assert "DF.json" in listed
    assert "BF.json" not in listed


def test_sidecars_with_nothing_in_them_are_no_keys(tmp_path, engine):
    files = {"from": "bright", "suffix": "BF", "entities": NAMES, "sidecar": {"PixelSize": "0.5 um"}}
    shown = Shown(tmp_path, engine, {"files": [files]})
    assert shown.listed() == ["BF.json", "README.md", "dataset_description.json", "participants.tsv", "samples.tsv"]
    assert len(shown.catalog.images("lab")) == 3


@pytest.mark.parametrize("above", ["", "lab/"])
def test_a_derivative_says_what_was_done_and_of_what(tmp_path, engine, above):
    raw = {"path": above.rstrip("/"), "files": [{"from": "bright", "suffix": "BF", "entities": NAMES}]}
    computed = {"from": "small", "suffix": "BF", "entities": {**NAMES, "desc": "small"}}
    shown = Shown(tmp_path, engine, raw, {"path": f"{above}derivatives/small", "samples": {}, "files": [computed]})
    told = shown.json(f"{above}derivatives/small/dataset_description.json")
    assert told["DatasetType"] == "derivative"
    assert told["SourceDatasets"] == [{"URL": "../.."}]
    (by,) = told["GeneratedBy"]
    assert by["Description"] == "Computed from original files on request, through: crop, gaussian."
    assert shown.json(f"{above}derivatives/small/BF.json") == {"Description": "Computed through: crop, gaussian."}
    assert shown.json(f"{above}dataset_description.json")["DatasetType"] == "raw"
    assert ".bidsignore" not in shown.listed()
    assert f"{above}derivatives/small/participants.tsv" not in shown.listed()


def test_photos_are_shown_as_they_are_and_say_what_they_are_of(tmp_path, engine):
    bright = {"from": "bright", "suffix": "BF", "entities": NAMES}
    photo = {"from": "photos", "suffix": "photo", "entities": NAMES, "intended_for": "bright"}
    shown = Shown(tmp_path, engine, {"files": [photo, bright]})
    stem = "sub-a/micr/sub-a_sample-s001_photo"
    assert shown.catalog.find_now("lab", f"{stem}.jpg").file.size == len(b"\xff\xd8 a photo")
    assert shown.json(f"{stem}.json") == {"IntendedFor": ["bids::sub-a/micr/sub-a_sample-s001_BF.ome.zarr"]}


def test_texts_may_be_files(tmp_path, engine):
    files = [{"from": "bright", "suffix": "BF", "entities": NAMES}]
    shown = Shown(tmp_path, engine, {"files": files, "readme_file": "NOTES.txt", "changes": "1.0.0 2026-01-01\n"})
    assert shown.text("README.md") == "Read me."
    assert shown.text("CHANGES") == "1.0.0 2026-01-01\n"


def test_sessions_are_of_their_subjects(tmp_path, engine):
    files = [{"from": "bright", "suffix": "BF", "entities": {**NAMES, "ses": "1"}}]
    shown = Shown(
        tmp_path, engine, {"files": files, "sessions": {"acq_time": "2023-01-01T00:00:00", "who": "{animal}"}}
    )
    for animal in "ab":
        table = shown.text(f"sub-{animal}/sub-{animal}_sessions.tsv")
        assert table == f"session_id\tacq_time\twho\nses-1\t2023-01-01T00:00:00\t{animal}\n"
    assert shown.json("sessions.json") == {"who": {"Description": "{animal}, as it is called where it is from."}}


def test_scans_are_listed_with_their_subject_or_session(tmp_path, engine):
    files = [
        {"from": "bright", "suffix": "BF", "entities": {**NAMES, "ses": "1"}},
        {"from": "dark", "suffix": "DF", "entities": NAMES, "as": "png"},
        {"from": "photos", "suffix": "photo", "entities": NAMES},
    ]
    shown = Shown(tmp_path, engine, {"files": files, "scans": {"acq_time": "2023-01-0{section}T00:00:00"}})
    assert shown.text("sub-a/ses-1/sub-a_ses-1_scans.tsv") == (
        "filename\tacq_time\n"
        "micr/sub-a_ses-1_sample-s001_BF.ome.zarr\t2023-01-01T00:00:00\n"
        "micr/sub-a_ses-1_sample-s002_BF.ome.zarr\t2023-01-02T00:00:00\n"
    )
    assert shown.text("sub-b/sub-b_scans.tsv") == (
        "filename\tacq_time\nmicr/sub-b_sample-s001_DF.png\t2023-01-01T00:00:00\n"
    )
    assert "scans.json" not in shown.listed()


def test_other_views_beside_a_data_set_are_hidden_from_the_validator(tmp_path, engine):
    files = [{"from": "bright", "suffix": "BF", "entities": NAMES}]
    other = {"type": "ome-zarr", "from": "dark", "path": "viewer-{animal}/{section}.ome.zarr"}
    plain = {"type": "files", "root": str(tmp_path / "data"), "path": "originals/all"}
    source = {"type": "files", "root": str(tmp_path / "data"), "path": "sourcedata/all"}
    shown = Shown(tmp_path, engine, {**VIEW, "files": files, "bidsignore": ["*.log"]}, other, plain, source)
    assert shown.text(".bidsignore") == "*.log\n/originals\n/viewer-*\n"


def test_the_same_configuration_gives_the_same_bytes(tmp_path, engine):
    files = [{"from": "bright", "suffix": "BF", "entities": NAMES, "sidecar": {"BodyPart": "BRAIN"}}]
    found = []
    for n in range(2):
        base = tmp_path / str(n)
        base.mkdir()
        shown = Shown(base, engine, {"files": files, "participants": {"species": "mus musculus"}})
        found.append({key: shown.text(key) for key in shown.listed()})
    assert found[0] == found[1]
