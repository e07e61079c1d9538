"""Labels that an OME-Zarr brings along: sizes, pyramids, and that those which do not fit do not hide their image."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from s3facade import registry
from s3facade.catalog.catalog import Catalog
from s3facade.config.load import load
from s3facade.engine.engine import Engine, EngineLimits

PIXELS = np.random.default_rng(0).integers(0, 4000, (3, 64, 80)).astype("u2")
CELLS = (PIXELS % 7).astype("i4")


def ome(path: Path, levels: Sequence[np.ndarray], scale: Sequence[float], *, unit: bool = True) -> None:
    axes = [{"name": a, "type": "space", **({"unit": "micrometer"} if unit else {})} for a in "zyx"]
    datasets = []
    for n in range(len(levels)):
        sizes = [scale[0], *(s * 2**n for s in scale[1:])]
        datasets.append({"path": str(n), "coordinateTransformations": [{"type": "scale", "scale": sizes}]})
    group = zarr.create_group(
        path, attributes={"ome": {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}}
    )
    for n, level in enumerate(levels):
        group.create_array(str(n), shape=level.shape, chunks=(1, 32, 32), dtype=level.dtype)[...] = level


def halved(values: np.ndarray, count: int = 2) -> list[np.ndarray]:
    return [values[:, :: 2**n, :: 2**n] for n in range(count)]


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    yield engine
    engine.close()


@pytest.fixture
def image(tmp_path: Path) -> Path:
    image = tmp_path / "data" / "a.zarr"
    ome(image, halved(PIXELS), [2, 0.5, 0.5])
    zarr.create_group(image / "labels", attributes={"ome": {"version": "0.5", "labels": ["cells"]}})
    return image


def catalog(image: Path, engine: Engine, **source: object) -> Catalog:
    view = {"type": "ome-zarr", "from": "s", "path": "{stem}.ome.zarr"}
    about = {
        "sources": {"s": {"files": "data/{name}", **source}},
        "buckets": {"images": {"access": "public", "views": [view]}},
    }
    config = image.parent.parent / "s3facade.yaml"
    config.write_text(json.dumps(about))
    return Catalog(load(config), engine)


async def document(catalog: Catalog, key: str) -> Any:
    found = await catalog.find("images", f"a.ome.zarr/{key}")
    obj = found.file.body()
    return json.loads(b"".join([bytes(b) async for b in catalog.engine.stream(obj, 0, obj.size)]))


async def sizes(catalog: Catalog, below: str = "") -> tuple[list[str | None], list[list[float]]]:
    about = (await document(catalog, f"{below}zarr.json"))["attributes"]["ome"]["multiscales"][0]
    scales = [d["coordinateTransformations"][0]["scale"] for d in about["datasets"]]
    return [a.get("unit") for a in about["axes"]], scales


async def test_a_pyramid_without_units_lies_where_its_image_lies(image: Path, engine: Engine) -> None:
    ome(image / "labels" / "cells", halved(CELLS), [1, 1, 1], unit=False)
    shown = catalog(image, engine)
    assert await sizes(shown, "labels/cells/") == await sizes(shown)
    assert (await sizes(shown))[1] == [[2, 0.5, 0.5], [2, 1, 1]]


@pytest.mark.parametrize("unit", [True, False])
async def test_sizes_that_the_operator_states_hold_for_labels_too(image: Path, engine: Engine, *, unit: bool) -> None:
    ome(image / "labels" / "cells", halved(CELLS), [2, 0.5, 0.5] if unit else [1, 1, 1], unit=unit)
    shown = catalog(image, engine, pixel_size={"y": "0.7 um", "x": "0.7 um", "z": "3 um"})
    assert (await sizes(shown))[1] == [[3, 0.7, 0.7], [3, 1.4, 1.4]]
    assert await sizes(shown, "labels/cells/") == await sizes(shown)


async def test_more_levels_than_the_image_has_are_not_shown(image: Path, engine: Engine) -> None:
    ome(image / "labels" / "cells", halved(CELLS, 3), [2, 0.5, 0.5])
    shown = catalog(image, engine)
    assert await sizes(shown, "labels/cells/") == await sizes(shown)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("half", "32 voxels along y"),
        ("float", "float32"),
        ("bool", "bool"),
        ("damaged", "not JSON"),
        ("level", "missing"),
    ],
)
async def test_what_does_not_fit_is_left_out_and_named(image: Path, engine: Engine, what: str, why: str) -> None:
    path = image / "labels" / "cells"
    values = {"half": CELLS[:, ::2, ::2], "float": CELLS.astype("f4"), "bool": CELLS > 3}.get(what, CELLS)
    ome(path, halved(values), [2, 0.5, 0.5])
    if what == "damaged":
        (path / "0" / "zarr.json").write_text("{")
    if what == "level":
        shutil.rmtree(path / "1")
    shown = catalog(image, engine)
    assert (await sizes(shown))[1] == [[2, 0.5, 0.5], [2, 1, 1]]
    left = (await document(shown, "s3facade.json"))["labels_left_out"]
    assert why in left["cells"]
    mount = shown.mounts("images")[0][1]
    assert str(path / "zarr.json") in [source.path for source in mount.sources]
