"""Pipelines of tiamat: what they become here, and what is refused by name."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from s3facade import registry
from s3facade.catalog.catalog import Catalog
from s3facade.config.load import load
from s3facade.config.tiamat import read_pipeline
from s3facade.core.errors import ConfigError
from s3facade.core.image import apply_step
from s3facade.engine.engine import Engine, EngineLimits
from s3facade.testing import check_law, in_memory, whole
from s3facade.transforms.tiamat import TiamatAffine, TiamatMinMax

TURN = [[0.6, -0.8, 30.0], [0.8, 0.6, 4.0]]


def entry(kind: str, **args: object) -> dict[str, object]:
    return {"class": kind, "args": args}


def steps(tmp_path: Path, *items: object, **document: object) -> list[tuple[str, object]]:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"image_transformers": items, **document}))
    return read_pipeline(path, "i").steps


@pytest.mark.parametrize(
    ("kind", "args", "expected"),
    [
        ("Mirror", {"mirror_x": True, "mirror_z": True}, [("flip", {"axes": ["z", "x"]})]),
        ("Mirror", {}, []),
        ("ReorderCoordinates", {"axes": ["x", "z", "y"]}, [("permute", {"z": "x", "y": "z", "x": "y"})]),
        ("ReorderCoordinates", {"axes": ["x", "y"]}, [("permute", {"y": "x", "x": "y"})]),
        ("BoundingBox", {"bounds_x": [None, 5], "bounds_y": [2, None]}, [("crop", {"y": [2, "100%"], "x": [0, 5]})]),
        ("ImageToVolume", {"z_spacing": 2}, [("stack", {"along": "z", "spacing": "2.0 um"})]),
        ("Affine", {"affine_matrix": TURN, "request_margin": 3}, [("tiamat_affine", {"matrix": TURN, "outside": 0.0})]),
        ("ClipIntensityMapping", {"vmin": 1, "vmax": 2}, [("cast", {"dtype": "float32"}), ("clip", {"range": [1, 2]})]),
        ("Fraction", {}, []),
        ("LUT", {"color_map": "viridis"}, [("lut", {"name": "viridis"})]),
    ],
)
def test_a_transformer_becomes_steps(tmp_path: Path, kind: str, args: dict[str, Any], expected: object) -> None:
    assert steps(tmp_path, entry(f"{kind}Transformer", **args)) == expected


def test_the_range_of_values_is_followed(tmp_path: Path) -> None:
    document = {"value_range": [0, 4095], "spacing": [0.5, 0.25], "note": "of no effect"}
    found = steps(
        tmp_path,
        entry("MinMaxNormalizationTransformer"),
        entry("GammaIntensityMappingTransformer", gamma=0.5),
        entry("FloatToByteTransformer"),
        entry("LUTTransformer", color_map="grey"),
        entry("FloatToByteTransformer"),
        **document,
    )
    assert found == [
        ("metadata", {"pixel_size": {"x": "0.5 um", "y": "0.25 um"}}),
        ("tiamat_min_max", {"range": [0.0, 4095.0]}),
        ("gamma", {"gamma": 0.5, "range": [0, 1]}),
        ("rescale", {"window": [0, 1], "range": [0, 255], "dtype": "uint8"}),
        ("lut", {"name": "grey", "window": [0.0, 255.0]}),
    ]


def test_requests_act_last_and_backwards(tmp_path: Path) -> None:
    found = steps(
        tmp_path,
        entry("GrayscaleTransformer"),
        access_transformers=[entry("MirrorTransformer", mirror_x=True), entry("MirrorTransformer", mirror_y=True)],
    )
    assert [options for _, options in found] == [{"weights": "rec601"}, {"axes": ["y"]}, {"axes": ["x"]}]


@pytest.mark.parametrize(
    ("document", "sentences"),
    [
        (
            {
                "reader": {"class": "MemoryReader"},
                "image_transformers": [entry("DeformationFieldTransformer", dfield_file="x"), "Own"],
                "access_transformers": [entry("FractionTransformer"), entry("MirrorTransformer"), entry("Other")],
                "shape": [1, 2],
            },
            [
                "reader: the reader MemoryReader has no counterpart",
                "shape: stating it against the file has no counterpart",
                "image_transformers[0]: DeformationFieldTransformer has no counterpart",
                "image_transformers[1]: Own has no counterpart",
                "access_transformers[2]: Other has no counterpart",
            ],
        ),
        ({"image_transformers": [{}]}, ["image_transformers[0]: an entry needs a `class`"]),
        ({"image_transformers": [entry("AffineTransformer")]}, ["image_transformers[0]: its options cannot be read: "]),
        ({"image_transformers": [entry("FloatToByteTransformer")]}, ["needs values from 0 to 1 before it here"]),
        ({"reader": entry("BigTiffReader", page=3)}, ["reader: the option page of BigTiffReader has no counterpart"]),
        ({"reader": entry("ImageStackReader", reader_factory=[])}, ["with a pipeline for each section has no"]),
        ([], ["the file is no pipeline"]),
    ],
)
def test_what_has_no_counterpart_is_named(tmp_path: Path, document: object, sentences: list[str]) -> None:
    config = tmp_path / "c.yaml"
    (tmp_path / "p.json").write_text(json.dumps(document))
    config.write_text(
        "sources: {s: {files: '{name}.tif'}}\nimages:\n  i: {from: s, tiamat: p.json}\n"
        "buckets: {bbb: {views: [{type: ome-zarr, from: i, path: '{name}'}]}}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(config, {})
    lines = str(caught.value).splitlines()
    assert len(lines) == len(sentences)
    for line, sentence in zip(lines, sentences, strict=True):
        assert line.startswith(f"{config}:3: images.i.tiamat: p.json: ")
        assert sentence in line


@pytest.mark.parametrize("text", ["{", None])
def test_a_file_that_is_none(tmp_path: Path, text: str | None) -> None:
    if text:
        (tmp_path / "p.json").write_text(text)
    with pytest.raises(ConfigError, match="is not JSON" if text else "cannot be read"):
        read_pipeline(tmp_path / "p.json", "i")


@given(
    st.floats(0.8, 2.5),
    st.floats(-3.2, 3.2),
    st.tuples(st.floats(-20, 40), st.floats(-20, 40)),
    st.sampled_from([None, 0.5, 3.0]),
)
def test_a_matrix_acts_on_corners_as_tiamat_has_it(
    scale: float, angle: float, shift: tuple[float, float], pixel: float | None
) -> None:
    """Against the formula: output centre, plus a half, through the inverse, minus a half."""
    voxels = scipy.ndimage.gaussian_filter(np.random.default_rng(0).random((37, 52)) * 100, 2).astype(np.float32)
    image = in_memory(voxels, scale=pixel and (pixel, pixel), units=pixel is not None)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = tuple((*map(float, row), float(t)) for row, t in zip(turn, shift, strict=True))
    out = apply_step(image, TiamatAffine(matrix, "linear", -1.0))
    corners = turn @ np.array([[0, 52, 0, 52], [0, 0, 37, 37]])
    width, height = np.rint(np.ptp(corners, axis=1)).astype(int)
    assert out.spec.levels[0].shape == (height, width)
    moved = np.array(shift) / (pixel or 1.0)
    y, x = np.mgrid[:height, :width] + 0.5
    back = np.linalg.solve(turn, np.stack([x.ravel() - moved[0], y.ravel() - moved[1]])) - 0.5
    expected = scipy.ndimage.map_coordinates(voxels, back[::-1], order=1, cval=-1.0, mode="nearest").reshape(
        height, width
    )
    inside = (back > 0.01) & (back < np.array([[50.99], [35.99]]))
    inside = inside.all(0).reshape(height, width)
    np.testing.assert_allclose(whole(out)[inside], expected[inside], atol=1e-2)
    assert out.spec.levels[0].scale == image.spec.levels[0].scale


@given(st.data())
def test_the_law_holds(data: st.DataObject) -> None:
    voxels = np.random.default_rng(0).integers(0, 4000, (3, 41, 38), dtype=np.uint16)
    check_law(TiamatMinMax((0.0, 4095.0)), in_memory(voxels, axes="zyx"), data)
    check_law(TiamatAffine(tuple(map(tuple, TURN))), in_memory(voxels, axes="zyx"), data)


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    yield engine
    engine.close()


async def test_a_stack_of_pipelines_with_a_mask(tmp_path: Path, engine: Engine) -> None:
    sections = {}
    for n in (3, 1, 12):
        sections[n] = np.random.default_rng(n).integers(0, 255, (40, 50), dtype=np.uint8)
        tifffile.imwrite(tmp_path / f"s{n}.tif", sections[n])
    mask = np.zeros((40, 50), np.uint8)
    mask[10:30, 5:25] = 1
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    inner = {"image_transformers": [entry("ApplyMaskTransformer", mask_file="mask.tif", mask_value=7)]}
    factory = entry("PipelineReader", pipeline=inner)
    document: dict[str, Any] = {
        "reader": entry("ImageStackReader", slice_spacing=20, reader_factory=factory),
        "image_transformers": [entry("MirrorTransformer", mirror_x=True)],
    }
    (tmp_path / "p.json").write_text(json.dumps(document))
    config = tmp_path / "c.yaml"
    text = (
        "sources: {s: {files: 's{n:int}.tif'}}\nimages:\n  i: {from: s, tiamat: p.json, group: n}\n"
        "buckets: {bbb: {views: [{type: ome-zarr, from: i, path: v, chunks: 64, shards: false}]}}\n"
    )
    config.write_text(text)
    catalog = Catalog(load(config, {}), engine)
    catalog.probe(time.monotonic() + 60)
    assert catalog.broken() == []
    for z, n in enumerate(sorted(sections)):
        obj = (await catalog.find("bbb", f"v/0/c/{z}/0/0")).file.body()
        data = b"".join([bytes(b) async for b in engine.stream(obj, 0, obj.size)])
        found = np.frombuffer(data, np.uint8).reshape(64, 64)[:40, :50]
        assert np.array_equal(found, np.where(mask, sections[n], 7)[:, ::-1])
    config.write_text(text.replace(", group: n", ""))
    with pytest.raises(ConfigError, match="reads a stack: say which capture tells its sections apart"):
        load(config, {})
