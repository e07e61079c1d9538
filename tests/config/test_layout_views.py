"""Views of single files and of Neuroglancer in the configuration: what they become, and what is refused."""

from __future__ import annotations

import pytest

from s3facade.config.load import load
from s3facade.core.errors import ConfigError


def views(tmp_path, *written):
    (tmp_path / "a.tif").touch()
    path = tmp_path / "c.yaml"
    lines = "".join(f"      - {view}\n" for view in written)
    path.write_text(f'sources: {{s: {{files: "{{name}}.tif"}}}}\nbuckets:\n  images:\n    views:\n{lines}')
    return load(path, {}).buckets[0].views


@pytest.mark.parametrize(
    ("written", "options"),
    [
        (
            '{type: ome-tiff, from: s, path: "{name}.ome.tif"}',
            {"tile": 512, "bigtiff": None, "pyramid": True},
        ),
        (
            '{type: ome-tiff, from: s, path: "{name}.ome.btf", tile: 256}',
            {"tile": 256, "bigtiff": True, "pyramid": True},
        ),
        (
            '{type: ome-tiff, from: s, path: "{name}.ome.tiff", bigtiff: true, pyramid: false}',
            {"tile": 512, "bigtiff": True, "pyramid": False},
        ),
        (
            '{type: tif, from: s, path: "{name}.tif", bigtiff: auto}',
            {"tile": 512, "bigtiff": None, "pyramid": False},
        ),
        ('{type: tif, from: s, path: "{name}.TIF", bigtiff: false}', {"tile": 512, "bigtiff": False, "pyramid": False}),
        ('{type: png, from: s, path: "{name}.png"}', {}),
        (
            '{type: precomputed, from: s, path: "{name}"}',
            {"chunks": None, "sharded": False, "segmentation": None, "thickness": None},
        ),
        (
            '{type: precomputed, from: s, path: "{name}", chunks: {x: 32, z: 8}, sharded: true, thickness: 20 um}',
            {"chunks": {"x": 32, "z": 8}, "sharded": True, "segmentation": None, "thickness": 20.0},
        ),
        (
            '{type: precomputed, from: s, path: "{name}", segmentation: true, encoding: raw}',
            {"chunks": None, "sharded": False, "segmentation": True, "thickness": None},
        ),
    ],
)
def test_options(tmp_path, written, options):
    (view,) = views(tmp_path, written)
    assert written.startswith(f"{{type: {view.type},")
    assert dict(view.options) == options


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ('{type: ome-tiff, from: s, path: "{name}.tif"}', "must end in .ome.tif, .ome.tiff"),
        ('{type: ome-tiff, from: s, path: "{name}"}', "must end in .ome.tif, .ome.tiff"),
        ('{type: tif, from: s, path: "{name}.png"}', "must end in .tif, .tiff"),
        ('{type: png, from: s, path: "{name}.jpg"}', "must end in .png"),
        ('{type: ome-tiff, from: s, path: "{name}.ome.btf", bigtiff: false}', "promises a BigTIFF"),
        ('{type: ome-tiff, from: s, path: "{name}.ome.tif", tile: 100}', "must be a multiple of 16"),
        ('{type: ome-tiff, from: s, path: "{name}.ome.tif", tile: big}', "must be a whole number"),
        ('{type: ome-tiff, from: s, path: "{name}.ome.tif", bigtiff: maybe}', "must be auto, true or false"),
        ('{type: ome-tiff, from: s, path: "{name}.ome.tif", chunks: 64}', "chunks"),
        ('{type: png, from: s, path: "{name}.png", labels: {a: s}}', "labels"),
        ('{type: precomputed, from: s, path: "{name}", encoding: jpeg}', "encoding"),
        ('{type: precomputed, from: s, path: "{name}", shards: 512}', "shards"),
        ('{type: precomputed, from: s, path: "{name}", thickness: 20}', "write it as in"),
        ('{type: precomputed, from: s, path: "{animal}"}', "animal"),
        ('{type: precomputed, from: t, path: "{name}"}', "'t'"),
    ],
)
def test_what_is_refused_is_named_with_its_line(tmp_path, written, sentence):
    with pytest.raises(ConfigError) as caught:
        views(tmp_path, written)
    assert sentence in str(caught.value)
    assert "c.yaml:5: buckets.images.views[0]" in str(caught.value)
