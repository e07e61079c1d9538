"""Pipelines over folders of real files: what is joined with what, what changes are noticed, what is told about it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from s3facade import registry
from s3facade.catalog.catalog import Catalog, Found
from s3facade.config.load import load
from s3facade.core.errors import BadSource, ConfigError, NoSuchKey, SourceError, Unsupported
from s3facade.engine.engine import Engine, EngineLimits

Voxels = np.ndarray[Any, np.dtype[np.uint16]]


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Transforms of the tests, as if a package had registered them."""
    group = registry._group("transforms")
    names = {"add": "Add", "within": "Within", "total": "Total"}
    group.update({n: EntryPoint(n, f"pipeline_plugins:{c}", "s3facade.transforms") for n, c in names.items()})
    yield
    for name in names:
        del group[name]
    registry._load.cache_clear()


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    yield engine
    engine.close()


def write(path: Path, seed: int, **options: Any) -> Voxels:
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.random.default_rng(seed).integers(0, 1000, (40, 50), dtype=np.uint16)
    tifffile.imwrite(path, voxels, **options)
    return voxels


def opened(tmp_path: Path, engine: Engine, images: str, path: str, of: str = "i") -> Catalog:
    config = tmp_path / "config.yaml"
    config.write_text(
        "sources:\n"
        "  scans: {files: 'scans/{animal}/s{section:int}.tif', pixel_size: 2 um}\n"
        "  masks: {files: 'masks/{animal}_{section:int}.tif', pixel_size: 2 um}\n"
        "  flat: {file: flat.tif}\n"
        f"images:\n{images}"
        "buckets:\n"
        f"  bbb:\n    views: [{{type: ome-zarr, from: {of}, path: '{path}', chunks: 64, shards: false}}]\n"
    )
    return Catalog(load(config, {}), engine)


def tops(catalog: Catalog) -> list[str]:
    catalog.probe(time.monotonic() + 60)
    return [k.removesuffix("/") for k in catalog.page_now("bbb", "", "", "/", 1000) if isinstance(k, str)]


async def read(catalog: Catalog, key: str) -> bytes:
    found = await catalog.find("bbb", key)
    obj = found.file.body()
    return b"".join([bytes(b) async for b in catalog.engine.stream(obj, 0, obj.size)])


async def plane(catalog: Catalog, prefix: str, index: str = "0/0") -> Voxels:
    """The one chunk of a plane of 40 by 50 voxels."""
    data = await read(catalog, f"{prefix}/0/c/{index}")
    return np.frombuffer(data, np.uint16).reshape(64, 64)[:40, :50]


async def told(catalog: Catalog, prefix: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(await read(catalog, f"{prefix}/s3facade.json"))
    return document


async def test_sections_form_volumes_in_the_order_of_their_numbers(tmp_path: Path, engine: Engine) -> None:
    sections = {n: write(tmp_path / f"scans/a/s{n}.tif", n) for n in (10, 9, 8)}
    write(tmp_path / "scans/b/s2.tif", 2)
    catalog = opened(
        tmp_path,
        engine,
        "  i: {from: scans, group: section, steps: [{stack: {along: z, spacing: 3 um}}]}\n",
        "{animal}",
    )
    assert tops(catalog) == ["a", "b"]
    for z, n in enumerate(sorted(sections)):
        assert np.array_equal(await plane(catalog, "a", f"{z}/0/0"), sections[n])
    datasets = json.loads(await read(catalog, "a/zarr.json"))["attributes"]["ome"]["multiscales"][0]["datasets"]
    assert datasets[0]["coordinateTransformations"][0] == {"type": "scale", "scale": [3.0, 2.0, 2.0]}
    recipe = (await told(catalog, "a"))["recipe"]
    assert recipe["index"] == [8, 9, 10]
    assert [p["files"][0]["path"] for p in recipe["from"]] == ["a/s8.tif", "a/s9.tif", "a/s10.tif"]


async def test_a_new_file_of_a_group_makes_a_new_image(tmp_path: Path, engine: Engine) -> None:
    first = write(tmp_path / "scans/a/s1.tif", 1)
    catalog = opened(tmp_path, engine, "  i: {from: scans, group: section, steps: [total]}\n", "{animal}")
    before = await catalog.find("bbb", "a/0/c/0/0")
    assert np.array_equal(await plane(catalog, "a"), first)
    catalog.rescan()
    assert catalog.current(before), "nothing changed"
    second = write(tmp_path / "scans/a/s2.tif", 2)
    catalog.rescan()
    assert not catalog.current(before)
    after = await catalog.find("bbb", "a/0/c/0/0")
    assert after.etag != before.etag
    assert np.array_equal(await plane(catalog, "a"), first + second)
    write(tmp_path / "scans/a/s2.tif", 3)
    assert not catalog.current(after), "a file of the group was replaced"


async def test_images_are_joined_by_equal_captures(tmp_path: Path, engine: Engine) -> None:
    scans, masks = {}, {}
    for animal in "ab":
        for n in (1, 2):
            scans[animal, n] = write(tmp_path / f"scans/{animal}/s{n}.tif", n)
            masks[animal, n] = write(tmp_path / f"masks/{animal}_{n:03}.tif", 10 + n)
    images = (
        "  i: {from: [scans, masks], steps: [merge]}\n  within: {from: scans, steps: [{within: {image: masks}}]}\n"
        "  small: {from: within, steps: [{crop: {x: [1, 21]}}]}\n"
    )
    catalog = opened(tmp_path, engine, images, "{animal}/{section:02}")
    assert [k for a in "ab" for k in (f"{a}/01", f"{a}/02")] == sorted(catalog.images("bbb"))
    for (animal, n), voxels in scans.items():
        prefix = f"{animal}/{n:02}"
        assert np.array_equal(await plane(catalog, prefix, "0/0/0"), voxels)
        assert np.array_equal(await plane(catalog, prefix, "1/0/0"), masks[animal, n])
    catalog = opened(tmp_path, engine, images, "{animal}/{section:02}", "small")
    expected = (scans["b", 2] * (masks["b", 2] != 0))[:, 1:21]
    assert np.array_equal((await plane(catalog, "b/02"))[:, :20], expected)
    document = await told(catalog, "b/02")
    assert document["steps"] == ["within", "crop"]
    (within,) = document["recipe"]["from"]
    assert within["steps"][0]["with"][0]["files"][0]["path"] == "b_002.tif"


async def test_a_partner_without_captures_goes_with_every_image(tmp_path: Path, engine: Engine) -> None:
    scans = {n: write(tmp_path / f"scans/a/s{n}.tif", n) for n in (1, 2)}
    flat = write(tmp_path / "flat.tif", 3)
    catalog = opened(
        tmp_path, engine, "  i: {from: scans, steps: [{within: {image: flat}}]}\n", "{animal}{section}-{stem}"
    )
    assert tops(catalog) == ["a1-a", "a2-a"]
    for n, voxels in scans.items():
        assert np.array_equal(await plane(catalog, f"a{n}-a/s{n}"), voxels * (flat != 0))


def by_name(tmp_path: Path, engine: Engine, source: str) -> Catalog:
    """Labels and masks that are made of the images themselves, which share nothing but their names."""
    config = tmp_path / "config.yaml"
    config.write_text(
        f"sources:\n  scans: {source}\n"
        "images:\n  nuclei: {from: scans, steps: [{threshold: 500}]}\n"
        "  masked: {from: scans, steps: [{within: {image: nuclei}}]}\n"
        "buckets:\n  bbb:\n    views:\n"
        "      - {type: ome-zarr, from: scans, path: 'x/{stem}', labels: {nuclei: nuclei}, chunks: 64, shards: false}\n"
        "      - {type: ome-zarr, from: masked, path: '{stem}', chunks: 64, shards: false}\n"
    )
    return Catalog(load(config, {}), engine)


@pytest.mark.parametrize(("names", "source"), [("ab", "{files: 'scans/*.tif'}"), ("a", "{file: scans/a.tif}")])
async def test_what_is_made_of_an_image_goes_with_it_without_captures(
    tmp_path: Path, engine: Engine, names: str, source: str
) -> None:
    scans = {name: write(tmp_path / f"scans/{name}.tif", ord(name)) for name in names}
    catalog = by_name(tmp_path, engine, source)
    assert tops(catalog) == [*names, "x"]
    assert catalog.broken() == []
    for name, voxels in scans.items():
        labels = np.frombuffer(await read(catalog, f"x/{name}/labels/nuclei/0/c/0/0"), np.uint8).reshape(64, 64)
        assert np.array_equal(labels[:40, :50], voxels >= 500)
        assert np.array_equal(await plane(catalog, name), np.where(voxels >= 500, voxels, 0))


async def test_no_partner_and_several_are_named_and_never_absent(tmp_path: Path, engine: Engine) -> None:
    for n in (1, 2, 3):
        write(tmp_path / f"scans/a/s{n}.tif", n)
    write(tmp_path / "masks/a_2.tif", 2)
    write(tmp_path / "masks/a_3.tif", 3)
    write(tmp_path / "masks/a_03.tif", 3)
    catalog = opened(
        tmp_path, engine, "  i: {from: scans, steps: [{within: {image: masks}}, {cast: uint16}]}\n", "s{section}"
    )
    reasons = {os.path.basename(b.path): b.reason for b in catalog.broken()}
    assert reasons == {
        "s1.tif": "No images of 'masks' belong to it (animal=a, section=1); one is needed.",
        "s3.tif": "2 images of 'masks' belong to it (animal=a, section=3); one is needed.",
    }
    assert {b.detail.rpartition(": ")[2] for b in catalog.broken()} == {"images.i.steps[0].within"}
    assert tops(catalog) == ["s2"]
    with pytest.raises(BadSource, match="No images of 'masks'"):
        await catalog.find("bbb", "s1/zarr.json")
    with pytest.raises(NoSuchKey):
        await catalog.find("bbb", "s4/zarr.json")
    write(tmp_path / "masks/a_1.tif", 1)
    catalog.rescan()
    assert tops(catalog) == ["s1", "s2"]


async def test_two_files_of_one_place_in_a_group_are_named(tmp_path: Path, engine: Engine) -> None:
    write(tmp_path / "scans/a/s1.tif", 1)
    write(tmp_path / "scans/a/s01.tif", 2)
    write(tmp_path / "scans/b/s1.tif", 2)
    catalog = opened(tmp_path, engine, "  i: {from: scans, group: section, steps: [total]}\n", "{animal}")
    assert [b.reason for b in catalog.broken()] == ["Several images of 'scans' have section=1."]
    assert [b.detail.rpartition(": ")[2] for b in catalog.broken()] == ["images.i.group"]
    assert tops(catalog) == ["b"]


async def test_every_reason_is_named_though_the_file_is_the_same(tmp_path: Path, engine: Engine) -> None:
    write(tmp_path / "scans/a/s1.tif", 1)
    catalog = opened(
        tmp_path,
        engine,
        "  one: {from: scans, steps: [{select: {z: 1}}]}\n  i: {from: scans, steps: [{select: {t: 1}}]}\n",
        "i{section}'}, {type: ome-zarr, from: one, path: 'one",
    )
    assert tops(catalog) == []
    reasons = [b.reason for b in catalog.broken()]
    assert len(reasons) == 2
    assert all(any(f" {axis}" in r for r in reasons) for axis in "zt"), reasons


async def test_a_step_that_one_image_of_a_file_refuses_says_which(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "scans/a").mkdir(parents=True)
    with tifffile.TiffWriter(tmp_path / "scans/a/s1.tif") as file:
        file.write(np.zeros((40, 50), np.uint16))
        file.write(np.zeros((3, 40, 50), np.uint8), photometric="minisblack", metadata={"axes": "CYX"})
    catalog = opened(tmp_path, engine, "  i: {from: scans, steps: [{select: {c: 1}}]}\n", "s{section}")
    assert tops(catalog) == []
    assert ["image 0 (" in b.detail and ") of 2; `series:`" in b.detail for b in catalog.broken()] == [True]


async def test_parameter_files_are_found_by_capture_and_watched(tmp_path: Path, engine: Engine) -> None:
    scans = {n: write(tmp_path / f"scans/a/s{n}.tif", n) for n in (1, 2)}
    (tmp_path / "reg").mkdir()
    (tmp_path / "reg/s001.txt").write_text("5")
    catalog = opened(tmp_path, engine, "  i: {from: scans, steps: [{add: 'reg/s{section:03}.txt'}]}\n", "s{section}")
    assert tops(catalog) == ["s1"]
    assert [b.reason for b in catalog.broken()] == ["A parameter file does not exist."]
    before = await catalog.find("bbb", "s1/0/c/0/0")
    assert np.array_equal(await plane(catalog, "s1"), scans[1] + 5)
    (tmp_path / "reg/s001.txt").write_text("70")
    assert not catalog.current(before)
    assert np.array_equal(await plane(catalog, "s1"), scans[1] + 70)
    after = await catalog.find("bbb", "s1/0/c/0/0")
    assert after.etag != before.etag
    (step,) = (await told(catalog, "s1"))["recipe"]["steps"]
    assert step["options"] == {"amount": 70, "files": []}
    assert (step["version"], step["files"][0]["path"], step["files"][0]["size"]) == (3, "reg/s001.txt", 2)
    (tmp_path / "reg/s002.txt").write_text("1")
    catalog.probe(time.monotonic() + 60)
    assert tops(catalog) == ["s1", "s2"], "the missing file is there now"


async def test_files_of_several_images_are_combined_image_by_image(tmp_path: Path, engine: Engine) -> None:
    voxels = {}
    for n in (1, 2):
        path = tmp_path / f"scans/a/s{n}.tif"
        path.parent.mkdir(parents=True, exist_ok=True)
        with tifffile.TiffWriter(path) as file:
            for k in (0, 1):
                voxels[n, k] = np.random.default_rng(2 * n + k).integers(0, 99, (40, 50 + k), dtype=np.uint16)
                file.write(voxels[n, k])
    catalog = opened(tmp_path, engine, "  i: {from: scans, group: section, steps: [total]}\n", "{animal}")
    assert np.array_equal(await plane(catalog, "a/0"), voxels[1, 0] + voxels[2, 0])
    assert np.array_equal((await plane(catalog, "a/1"))[:, :50], (voxels[1, 1] + voxels[2, 1])[:, :50])
    write(tmp_path / "scans/a/s3.tif", 3)
    catalog.rescan()
    with pytest.raises(Unsupported, match="Files of 2 and of 1 images do not go together; say which one"):
        await catalog.find("bbb", "a/0/zarr.json")


async def test_a_combination_alone_takes_the_images_of_one_file(tmp_path: Path, engine: Engine) -> None:
    path = tmp_path / "scans/a/s1.tif"
    path.parent.mkdir(parents=True)
    voxels = [np.random.default_rng(k).integers(0, 99, (40, 50), dtype=np.uint16) for k in range(3)]
    with tifffile.TiffWriter(path, ome=True) as file:
        for plane_ in voxels:
            file.write(plane_, photometric="minisblack")
    catalog = opened(tmp_path, engine, "  i: {from: scans, steps: [total]}\n", "x")
    assert np.array_equal(await plane(catalog, "x"), sum(voxels))


async def test_a_section_is_shown_by_itself_and_in_its_volume(tmp_path: Path, engine: Engine) -> None:
    for n in (1, 2, 3):
        write(tmp_path / f"scans/a/s{n}.tif", n)
    catalog = opened(tmp_path, engine, "  i: {from: scans, group: section, steps: [stack]}\n", "volume/{animal}")
    config = tmp_path / "config.yaml"
    view = "      - {type: ome-zarr, from: scans, path: 'sections/{animal}{section}'}\n"
    config.write_text(config.read_text().replace("views: [", "views:\n      - ").replace("false}]", "false}") + view)
    catalog = Catalog(load(config, {}), engine)
    catalog.probe(time.monotonic() + 60)
    page = [k for k in catalog.page_now("bbb", "sections/", "", "/", 100) if isinstance(k, str)]
    assert page == ["sections/a1/", "sections/a2/", "sections/a3/"]


async def test_the_recipe_is_told_without_paths_of_this_machine(tmp_path: Path, engine: Engine) -> None:
    write(tmp_path / "scans/a/s1.tif", 1)
    (tmp_path / "five.txt").write_text("5")
    catalog = opened(
        tmp_path,
        engine,
        f"  i: {{from: scans, steps: [{{add: {tmp_path}/five.txt}}, {{crop: {{y: [0, 20]}}}}]}}\n",
        "x",
    )
    text = (await read(catalog, "x/s3facade.json")).decode()
    assert str(tmp_path) not in text
    document = json.loads(text)
    assert document["recipe"]["from"][0] == {
        "source": "scans",
        "files": [document["recipe"]["from"][0]["files"][0]],
        "reader": {"name": "tiff", "version": registry.reader("tiff").version},
        "pixel_size": {"y": 2.0, "x": 2.0},
    }
    assert document["software"].keys() >= {"s3facade", "numpy"}
    attributes = json.loads(await read(catalog, "x/zarr.json"))["attributes"]["s3facade"]
    assert attributes == {"recipe": "s3facade.json", "digest": document["digest"], "steps": ["add", "crop"]}
    keys = [f.key for f in catalog.page_now("bbb", "x/", "", "", 100) if isinstance(f, Found)]
    assert "x/s3facade.json" in keys
    (tmp_path / "five.txt").write_text("6")
    assert (await told(catalog, "x"))["digest"] != document["digest"]


async def test_a_view_may_keep_the_recipe_to_itself(tmp_path: Path, engine: Engine) -> None:
    write(tmp_path / "scans/a/s1.tif", 1)
    catalog = opened(tmp_path, engine, "  i: {from: scans, steps: [{crop: {x: [0, 9]}}]}\n", "x', recipe: 'false")
    assert json.loads(await read(catalog, "x/zarr.json"))["attributes"].keys() == {"ome"}
    with pytest.raises(NoSuchKey):
        await catalog.find("bbb", "x/s3facade.json")


async def test_labels_are_never_averaged(tmp_path: Path, engine: Engine) -> None:
    (tmp_path / "scans/a").mkdir(parents=True)
    tifffile.imwrite(tmp_path / "scans/a/s1.tif", np.zeros((600, 600), np.uint8))
    steps = {"plain": "[]", "stated": "[{metadata: {categorical: true}}]", "made": "[{threshold: 5}]"}
    methods = {}
    for name, written in steps.items():
        catalog = opened(tmp_path, engine, f"  i: {{from: scans, steps: {written}}}\n", name)
        methods[name] = (await told(catalog, name))["images"][0]["levels"]["method"]
    assert methods == {"plain": "mean", "stated": "mode", "made": "mode"}


@pytest.mark.parametrize(
    ("image", "path", "sentence"),
    [
        ("{from: scans, group: section, steps: [total]}", "{section}", "no capture of 'i' called 'section'"),
        ("{from: scans, group: section, steps: [total]}", "{stem}", "no capture of 'i' called 'stem'; known: animal"),
        ("{from: [scans, masks], group: section, steps: [total]}", "x", "make one image of the list first"),
        ("{from: scans, steps: [{within: {image: none}}]}", "x", "no source or image called 'none'"),
        ("{from: scans, steps: [{within: {image: i}}]}", "x", "goes in a circle: i → i"),
        (
            "{from: scans, steps: [{add: 'a{nme}'}]}",
            "x",
            "steps[0].add: there is no capture called 'nme'; known: animal",
        ),
        (
            "{from: scans, group: section, steps: [total, {add: 'a{section}'}]}",
            "x",
            "steps[1].add: there is no capture called 'section'",
        ),
        ("{from: scans, group: section, steps: [{cast: int8}]}", "x", "first step must make one image of several"),
    ],
)
def test_contradictions_are_found_before_any_file_is_looked_at(
    tmp_path: Path, engine: Engine, image: str, path: str, sentence: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        opened(tmp_path, engine, f"  i: {image}\n", path)
    assert sentence in str(caught.value)
    assert all(line.startswith(f"{tmp_path}/config.yaml:") for line in str(caught.value).splitlines())


async def test_what_an_image_cannot_be_made_into_says_where(tmp_path: Path, engine: Engine) -> None:
    write(tmp_path / "scans/a/s1.tif", 1)
    catalog = opened(tmp_path, engine, "  i: {from: scans, steps: [{crop: {z: [0, 1]}}]}\n", "x")
    with pytest.raises(SourceError) as caught:
        await catalog.find("bbb", "x/zarr.json")
    assert "config.yaml:6: images.i.steps[0].crop" in caught.value.private


async def test_options_that_json_cannot_hold_and_paths_of_functions_are_told(tmp_path: Path, engine: Engine) -> None:
    write(tmp_path / "scans/a/s1.tif", 1)
    images = (
        "  i:\n    from: scans\n    steps:\n      - cast: float32\n"
        "      - affine: {matrix: [[1, 0, 50], [0, 1, 0]], outside: nan}\n"
        f"      - python: {{function: 'numpy:array', options: {{like: {tmp_path}/model.bin, ndmin: 3}}}}\n"
    )
    catalog = opened(tmp_path, engine, images, "{animal}")
    assert tops(catalog) == ["a"]
    steps = (await told(catalog, "a"))["recipe"]["steps"]
    assert steps[1]["options"]["outside"] == "NaN"
    assert steps[2]["options"]["options"] == {"like": "model.bin", "ndmin": 3}


async def test_what_is_written_out_is_what_it_is_by_default(tmp_path: Path, engine: Engine) -> None:
    for n in (1, 2):
        write(tmp_path / f"scans/a/s{n}.tif", n)
    digests = set()
    for options in ("spacing: 3 um", "spacing: 3 um, value: 0, step: 1, missing: error"):
        images = f"  i: {{from: scans, group: section, steps: [{{stack: {{{options}}}}}]}}\n"
        digests.add((await told(opened(tmp_path, engine, images, "{animal}"), "a"))["digest"])
    assert len(digests) == 1


async def test_many_ways_to_one_file_are_not_gone_one_by_one(tmp_path: Path, engine: Engine) -> None:
    """Statistics stand beside what they are about, so n of them make 2 ** n ways to the file."""
    write(tmp_path / "scans/a/s1.tif", 1)
    steps = "".join("      - rescale: {percentiles: [1, 99]}\n" for _ in range(40))
    catalog = opened(tmp_path, engine, f"  i:\n    from: scans\n    steps:\n{steps}", "{animal}")
    began = time.monotonic()
    assert tops(catalog) == ["a"]
    assert len((await told(catalog, "a"))["steps"]) == 40
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("forks", [False, True])
def test_pipelines_that_are_too_long_are_named(tmp_path: Path, engine: Engine, *, forks: bool) -> None:
    mask = ", {within: {image: i%d}}" if forks else ""
    chain = "".join(
        f"  i{n + 1}: {{from: i{n}, steps: [{{crop: {{x: [0, 9]}}}}{mask % n if forks else ''}]}}\n"
        for n in reversed(range(1000))
    )
    images = f"  i0: {{from: scans, steps: [{{crop: {{x: [0, 9]}}}}]}}\n{chain}"
    with pytest.raises(ConfigError, match="i100: goes through more than 64 steps"):
        opened(tmp_path, engine, images, "{animal}", "i0")
