"""What a catalogue makes of folders of thousands of files: few images, and few files opened."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade import registry
from s3facade.catalog.catalog import Catalog
from s3facade.config.load import load
from s3facade.config.zero import zero
from s3facade.engine.engine import Engine, EngineLimits

sys.path.insert(0, str(Path(__file__).parents[1] / "readers"))

from dicom_tools import series
from test_plates import harmony, htd, micromanager, pixels


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    yield engine
    engine.close()


def shown(catalog: Catalog, bucket: str = "images") -> list[str]:
    catalog.probe(time.monotonic() + 30)
    return list(catalog.images(bucket))


def configured(tmp_path: Path, **source: object) -> Path:
    views = [{"type": "ome-zarr", "from": "all", "path": "{path}"}]
    document = {"sources": {"all": source}, "buckets": {"images": {"views": views}}}
    (tmp_path / "config.yaml").write_text(json.dumps(document))
    return tmp_path / "config.yaml"


def test_slices_of_an_open_series_are_not_opened(tmp_path: Path, engine: Engine) -> None:
    series(tmp_path / "a", pixels(30, 4, 4))
    series(tmp_path / "b", pixels(3, 4, 4))
    catalog = Catalog(zero([tmp_path]), engine)
    assert shown(catalog) == ["a/IM0000.ome.zarr", "b/IM0000.ome.zarr"]
    opened = [m for _, m in catalog.mounts("images") if m.sources]
    every = [m for b in catalog._state.now.values() for m in b.plan.mounts.values() if m.sources]
    assert len(opened) == len(every) == 2
    assert catalog.unopened() == 0


def test_an_index_stands_for_its_folder(tmp_path: Path, engine: Engine) -> None:
    harmony(tmp_path / "Images", pixels(1, 1, 1, 1, 2, 6, 8))
    micromanager(tmp_path / "Pos0", pixels(1, 1, 2, 6, 8), version=1)
    htd(tmp_path / "plate")
    tifffile.imwrite(tmp_path / "plate" / "p_A01.TIF", pixels(6, 8))
    catalog = Catalog(zero([tmp_path]), engine)
    assert shown(catalog) == ["Images.ome.zarr", "Pos0.ome.zarr", "plate.ome.zarr"]
    assert not catalog.broken()


def test_planes_that_are_asked_for_are_images(tmp_path: Path, engine: Engine) -> None:
    harmony(tmp_path / "Images", pixels(1, 1, 1, 1, 2, 6, 8))
    planes = sorted(f"Images/{p.name}" for p in (tmp_path / "Images").glob("*.tiff"))
    by_name = Catalog(load(configured(tmp_path, files="Images/{name}.tiff")), engine)
    assert shown(by_name) == [Path(p).name for p in planes]
    by_reader = Catalog(load(configured(tmp_path, files="Images/**", reader="tiff")), engine)
    assert shown(by_reader) == [Path(p).name for p in planes]
    assert [Path(b.path).name for b in by_reader.broken()] == ["Index.idx.xml"]


def test_several_plates_in_one_folder(tmp_path: Path, engine: Engine) -> None:
    index = htd(tmp_path / "plates")
    index.with_name("q.HTD").write_bytes(index.read_bytes())
    for name in ("p", "q"):
        tifffile.imwrite(tmp_path / "plates" / f"{name}_B07.TIF", np.full((6, 8), ord(name), "u1"))
    catalog = Catalog(zero([tmp_path]), engine)
    assert shown(catalog) == ["plates/p.ome.zarr", "plates/q.ome.zarr"]
    assert [m.count for _, m in catalog.mounts("images")] == [1, 1]


def test_a_plate_whose_index_is_damaged_is_one_broken_image(tmp_path: Path, engine: Engine) -> None:
    folder = tmp_path / "plate"
    htd(folder).write_text("nothing of the kind")
    tifffile.imwrite(folder / "p_A01.TIF", pixels(6, 8))
    catalog = Catalog(zero([tmp_path]), engine)
    assert shown(catalog) == []
    assert [Path(b.path).name for b in catalog.broken()] == ["p.HTD"]


def test_files_of_one_series_are_not_stacked(tmp_path: Path, engine: Engine) -> None:
    """Each of them opens all: a stack of three slices would have nine."""
    series(tmp_path / "head", pixels(3, 4, 4))
    config = configured(tmp_path, files="head/IM{n:int}", stack={"z": "n"})
    config.write_text(config.read_text().replace("{path}", "head.ome.zarr"))
    catalog = Catalog(load(config), engine)
    catalog.probe(time.monotonic() + 30)
    (broken,) = catalog.broken()
    assert broken.reason == (
        "Files are to be put together that are parts of one image already: each of them opens all of it. "
        "Leave out `stack`, and name one of them in `files`."
    )


def test_a_series_in_a_bids_data_set_has_a_sidecar_of_its_header(tmp_path: Path, engine: Engine) -> None:
    series(tmp_path / "anna" / "t1", pixels(3, 4, 4), Modality="MR", EchoTime="4.2", MagneticFieldStrength="3")
    files = {"from": "s", "suffix": "T1w", "as": "nii.gz", "entities": {"sub": "{who}"}}
    document = {
        "sources": {"s": {"files": "{who}/t1/IM0000"}},
        "buckets": {"mri": {"views": [{"type": "bids", "name": "A", "files": [files]}]}},
    }
    (tmp_path / "config.yaml").write_text(json.dumps(document))
    catalog = Catalog(load(tmp_path / "config.yaml"), engine)
    catalog.probe(time.monotonic() + 30)
    (part,) = catalog.find_now("mri", "sub-anna/anat/sub-anna_T1w.json").file.body().parts
    assert json.loads(part.data) == {"EchoTime": 0.0042, "MagneticFieldStrength": 3}
