"""Mappings to BIDS that do not hold, and the sentences that tell so: before serving, or among what is broken."""

from __future__ import annotations

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
from s3facade.core.errors import ConfigError
from s3facade.engine.engine import Engine, EngineLimits

PIXELS = np.zeros((8, 8), np.uint8)
FILES = {"from": "s", "suffix": "BF", "entities": {"sub": "{animal}", "sample": "s{section:03}"}}
VIEW = {"type": "bids", "name": "A", "samples": {"sample_type": "tissue"}}
SIDECAR = {"PixelSize": "0.5 um"}


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    yield engine
    engine.close()


def catalog(base: Path, engine: Engine, names: list[str], view: dict[str, Any], **more: Any) -> Catalog:
    for name in names:
        path = base / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, PIXELS)
    source = {"files": "data/{animal}_{section:int}.tif", **more.pop("source", {})}
    about = {"sources": {"s": source}, **more, "buckets": {"lab": {"views": [{**VIEW, **view}]}}}
    config = base / "c.yaml"
    config.write_text(yaml.safe_dump(about, sort_keys=False))
    found = Catalog(load(config), engine)
    found.probe(1e12)
    return found


def files(**more: Any) -> dict[str, Any]:
    return {"files": [{**FILES, "sidecar": SIDECAR, **more}]}


def broken(found: Catalog) -> dict[str, str]:
    return {Path(item.path).name: item.reason for item in found.broken()}


def refused(base: Path, engine: Engine, view: dict[str, Any], **more: Any) -> list[str]:
    """Sentences behind ``file:line: key: ``."""
    with pytest.raises(ConfigError) as told:
        catalog(base, engine, ["a_1.tif"], view, **more)
    return [line.split(": ", 1)[1] for line in str(told.value).splitlines()]


AT = "buckets.lab.views[0]"
WRONG = [
    (files(suffix="bf"), f"{AT}.files[0]: BIDS has no suffix 'bf'; did you mean BF?"),
    (
        files(**{"as": "nii.gz"}),
        f"{AT}.files[0]: A BF file of micr is .ome.btf, .ome.tif, .ome.zarr, .png or .tif, not .nii.gz.",
    ),
    (files(entities={"sub": "{animal}"}), f"{AT}.files[0]: A BF file of micr needs the entity `sample`."),
    (files(entities={"sample": "{section}"}), f"{AT}.files[0]: A BF file of micr needs the entity `sub`."),
    (
        files(entities={"sub": "{animal}", "sample": "1", "echo": "1"}),
        (
            f"{AT}.files[0]: A BF file of micr has no entity `echo`; it may have sub, ses, sample, acq, stain, run, "
            "space, chunk, desc."
        ),
    ),
    (
        files(entities={"sub": "{animal}", "sample": "1", "acquisition": "x"}),
        f"{AT}.files[0].entities.acquisition: The entity `acquisition` is written `acq` in names.",
    ),
    (
        files(entities={"sub": "{animal}", "sample": "--"}),
        (
            f"{AT}.files[0].entities.sample: `sample` would be empty: '--' holds no letter or digit that a label may "
            "have; give it a label in `values` of the source."
        ),
    ),
    (
        files(entities={"sub": "{animl}", "sample": "1"}),
        (
            f"{AT}.files[0].entities.sub: there is no capture of 's' called 'animl'; did you mean 'animal'? "
            "known: animal, section, stem, path"
        ),
    ),
    (files(datatype="anat"), f"{AT}.files[0]: Files of suffix 'BF' lie in micr, not in 'anat'."),
    (
        files(sidecar={"SampleEnvironment": "exvivo"}),
        f"{AT}.files[0].sidecar.SampleEnvironment: is one of in vivo, ex vivo, in vitro, not 'exvivo'",
    ),
    (
        files(sidecar={"PixelSise": "1 um"}),
        f"{AT}.files[0].sidecar.PixelSise: BIDS has no such field; did you mean PixelSize?",
    ),
    (
        files(sidecar={"PixelSize": [1, 1]}),
        f"{AT}.files[0].sidecar.PixelSize: needs a unit; write it as in '0.5 um', or add PixelSizeUnits: mm, um or nm",
    ),
    (
        files(suffix="m0scan", entities={"sub": "{animal}"}, **{"as": "nii.gz"}),
        f"{AT}.files[0]: m0scan files may lie in fmap or perf; say which with `datatype`",
    ),
    (
        files(entities={"sub": "{animal}", "sample": "1", "space": "mine", "desc": "x"}),
        (
            f"{AT}.files[0].entities.space: 'mine' is no standard space of BIDS: add `SpatialReference` to `sidecar`, "
            "the address of the image that it is the space of"
        ),
    ),
    (
        {**files(), "samples": {}},
        (
            f"{AT}.samples: names have `sample`, so BIDS wants `samples: {{sample_type: …}}`, which is one of cell "
            "line, in vitro differentiated cells, primary cell, cell-free sample, cloning host, tissue, whole "
            "organisms, organoid, technical sample"
        ),
    ),
    (
        {**files(), "samples": {"sample_type": "Tissue"}},
        (
            f"{AT}.samples.sample_type: sample_type is one of cell line, in vitro differentiated cells, primary cell, "
            "cell-free sample, cloning host, tissue, whole organisms, organoid, technical sample, not 'Tissue'"
        ),
    ),
    (
        files(sidecar={"ChunkTransformationMatrix": [[1, 0, 0], [0, 1, 0], [0, 0, 1]]}),
        (
            f"{AT}.files[0].sidecar.ChunkTransformationMatrix: BIDS wants to know its axes, too: add "
            "`ChunkTransformationMatrixAxis: [X, Y]`, or `[X, Y, Z]`"
        ),
    ),
    (
        {**files(), "participants": {"a\tb": "{animal}"}},
        f"{AT}.participants.a\tb: the name of a column has no tabs, line ends or spaces around it; not 'a\\tb'",
    ),
    (
        {**files(), "participants": {"participant_id": "{animal}"}},
        f"{AT}.participants.participant_id: this column is made of the names' entities; remove it",
    ),
    (
        {**files(), "participants": {"sex": "{Sex}"}},
        f"{AT}.participants.sex: there is no capture or column called 'Sex'; known: animal, path, section, stem",
    ),
    (
        files(intended_for="t"),
        f"{AT}.files[0].intended_for: there is no `from` in this view called 't'; known: s",
    ),
    (
        {**files(), "readme": "text", "readme_file": "README"},
        f"{AT}.readme_file: is given besides `readme`; leave out one of the two",
    ),
]


@pytest.mark.parametrize(("view", "sentence"), WRONG)
def test_what_cannot_hold_is_refused_before_serving(tmp_path, engine, view, sentence):
    assert sentence in refused(tmp_path, engine, view)


def test_a_text_that_is_not_there_is_told(tmp_path, engine):
    (sentence,) = refused(tmp_path, engine, {**files(), "changes_file": "CHANGES.txt"})
    missing = tmp_path / "CHANGES.txt"
    assert sentence == f"{AT}.changes_file: there is no file {missing} on this machine; write the text as `changes`"


def test_everything_that_is_wrong_is_told_at_once(tmp_path, engine):
    view = {**files(suffix="bf", sidecar={"SampleEnvironment": "x"}), "samples": {"sample_type": "y"}}
    assert len(refused(tmp_path, engine, view)) == 3


STEPS = {"small": {"from": "s", "steps": [{"crop": {"x": [0, 4]}}]}}


def test_computed_images_are_told_apart_from_raw_ones_by_their_names(tmp_path, engine):
    (sentence,) = refused(tmp_path, engine, files(**{"from": "small"}), images=STEPS)
    assert sentence == (
        f"{AT}.files[0]: the images of 'small' are computed (crop), which their names must tell: add `desc` or `space` "
        "to `entities`"
    )


def test_raw_images_have_no_names_of_derivatives(tmp_path, engine):
    (sentence,) = refused(tmp_path, engine, files(entities={**FILES["entities"], "desc": "x"}))
    assert sentence == f"{AT}.files[0]: A BF file of micr has the entity `desc` in derivative data sets only."


def test_another_type_of_voxels_is_computed_too(tmp_path, engine):
    (sentence,) = refused(tmp_path, engine, files(dtype="float32"))
    assert "the images of 's' are computed (cast), which their names must tell" in sentence
    found = catalog(tmp_path, engine, ["a_1.tif"], {**files(dtype="float32"), "dataset_type": "raw"})
    assert broken(found) == {}


def test_raw_and_computed_images_are_not_mixed(tmp_path, engine):
    computed = {**FILES, "from": "small", "entities": {**FILES["entities"], "desc": "crop"}}
    (sentence,) = refused(tmp_path, engine, {"files": [FILES, computed]}, images=STEPS)
    assert sentence == (
        f"{AT}.files[1]: the images of 'small' are computed (crop) and those of 's' are raw: put the computed ones in "
        "a view of their own with `path: derivatives/<name>`"
    )


def test_two_values_of_one_label_are_told_and_the_first_is_shown(tmp_path, engine):
    found = catalog(tmp_path, engine, ["m13_1.tif", "m-13_2.tif"], files())
    assert broken(found) == {
        "m13_1.tif": "`sub` would be 'm13' for 'm13' of m13_1.tif and for 'm-13' of m-13_2.tif; say with `values` that "
        "they mean the same, or write the template so that they differ."
    }
    assert found.images("lab") == ["sub-m13/micr/sub-m13_sample-s002_BF.ome.zarr"]


def test_values_of_one_label_are_told_within_a_subject_alone(tmp_path, engine):
    view = files(entities={"sub": "{animal}", "sample": "{section}"})
    source = {"files": "data/{animal}_{section}.tif"}
    found = catalog(tmp_path, engine, ["a_S1.tif", "b_s1.tif", "c_x-1.tif", "c_x1.tif"], view, source=source)
    assert list(broken(found)) == ["c_x1.tif"]
    assert len(found.images("lab")) == 3


def test_two_files_of_one_name_are_told(tmp_path, engine):
    found = catalog(tmp_path, engine, ["a_1.tif", "a_2.tif"], files(entities={"sub": "{animal}", "sample": "x"}))
    assert broken(found) == {
        "a_2.tif": "Its name 'sub-a/micr/sub-a_sample-x_BF.ome.zarr' is that of a_1.tif already: add an entity that "
        "differs."
    }


def test_one_image_in_two_formats_of_one_name_is_told(tmp_path, engine):
    found = catalog(tmp_path, engine, ["a_1.tif"], {"files": [{**FILES, "sidecar": SIDECAR}, {**FILES, "as": "png"}]})
    assert broken(found) == {
        "a_1.tif": "'sub-a/micr/sub-a_sample-s001_BF.png' and the same with .ome.zarr would share one sidecar; show it "
        "as one of them."
    }


def test_values_that_leave_no_label_are_told(tmp_path, engine):
    found = catalog(tmp_path, engine, ["--_1.tif"], files())
    said = (
        "`sub` would be empty: '--' holds no letter or digit that a label may have; give it a label in `values` of the "
        "source."
    )
    assert broken(found) == {"--_1.tif": said}


def test_numbers_are_numbers(tmp_path, engine):
    found = catalog(tmp_path, engine, ["a_1.tif"], files(entities={**FILES["entities"], "run": "{animal}"}))
    assert broken(found) == {"a_1.tif": "`run` is a whole number in BIDS, and 'a' is none."}


def test_suffixes_that_captures_give_are_judged_for_each_image(tmp_path, engine):
    found = catalog(tmp_path, engine, ["BF_1.tif", "xx_2.tif"], files(suffix="{animal}"))
    assert broken(found) == {"xx_2.tif": broken(found)["xx_2.tif"]}
    assert broken(found)["xx_2.tif"].startswith("BIDS has no suffix 'xx'; it has 2PE, BF, CARS")


def test_two_files_that_say_different_things_of_one_animal_are_told(tmp_path, engine):
    view = {**files(), "participants": {"note": "{section}"}}
    found = catalog(tmp_path, engine, ["a_1.tif", "a_2.tif"], view)
    assert broken(found) == {
        "a_2.tif": "sub-a has two values of note: '1' by a_1.tif and '2' by a_2.tif; all its images must say the same."
    }


def test_values_that_a_column_must_not_have_are_told(tmp_path, engine):
    found = catalog(tmp_path, engine, ["a_1.tif"], {**files(), "participants": {"age": "{animal}"}})
    said = (
        "sub-a: age is a number, not 'a'; n/a stands there until the value is corrected where it is from, or given "
        "another label in `values`."
    )
    assert broken(found) == {"a_1.tif": said}


def test_fields_that_captures_fill_are_judged_for_each_image(tmp_path, engine):
    found = catalog(tmp_path, engine, ["a_1.tif"], files(sidecar={**SIDECAR, "Magnification": "{animal}"}))
    assert broken(found) == {"a_1.tif": "Its sidecar leaves out Magnification: must be a number, not 'a'."}


def test_pixels_that_nobody_knows_are_told_and_the_image_is_shown(tmp_path, engine):
    found = catalog(tmp_path, engine, ["a_1.tif"], files(sidecar={}))
    assert broken(found) == {
        "a_1.tif": "BIDS needs PixelSize, and the image does not say how large its pixels are: add `PixelSize: 0.5 um` "
        "to `sidecar`, or `pixel_size` to the source."
    }
    assert found.images("lab") == ["sub-a/micr/sub-a_sample-s001_BF.ome.zarr"]


def test_pixels_that_are_stated_otherwise_are_told(tmp_path, engine):
    found = catalog(tmp_path, engine, ["a_1.tif"], files(), source={"pixel_size": "2 um"})
    assert broken(found) == {
        "a_1.tif": "`sidecar` says that PixelSize is 0.5 x 0.5 um, and the image says 2 x 2 um: one of the two is "
        "wrong. Leave PixelSize out, or give the source the right `pixel_size`."
    }


def test_a_photo_of_nothing_is_told(tmp_path, engine):
    photo = {**FILES, "from": "p", "suffix": "photo", "intended_for": "s"}
    about = {
        "sources": {
            "s": {"files": "data/{animal}_{section:int}.tif"},
            "p": {"files": "data/p/{animal}_{section:int}.tif"},
        }
    }
    found = catalog(
        tmp_path, engine, ["a_1.tif", "p/b_1.tif"], {"files": [photo, {**FILES, "sidecar": SIDECAR}]}, **about
    )
    assert broken(found) == {"b_1.tif": "It is for images of its subject and sample, and has none."}


def test_what_a_table_does_not_say_is_left_out_of_sidecars(tmp_path, engine):
    (tmp_path / "t.csv").write_text("animal,um,mag\na,0.5,40\nb,,\n")
    join = [{"table": "t.csv", "by": {"animal": "animal"}}]
    sidecar = {"PixelSize": "{um} um", "Magnification": "{mag}"}
    found = catalog(tmp_path, engine, ["a_1.tif", "b_1.tif"], files(sidecar=sidecar), source={"join": join})
    assert list(broken(found)) == ["b_1.tif"]
    assert broken(found)["b_1.tif"].startswith("BIDS needs PixelSize")
    assert len(found.images("lab")) == 2
