"""What ``check`` prints of buckets: the tree collapsed, sizes that are those of listings, the same as JSON."""

import json
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade.app.server import open_catalog
from s3facade.cli.check_sizes import FEW, Size, size
from s3facade.cli.main import main
from s3facade.config.load import load
from s3facade.core.keyspace import Dir, File, Grid
from s3facade.core.named import NamedGrid


def file(nbytes):
    return File(nbytes, "application/octet-stream", "id", 0, lambda: None)


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for animal in ("m12", "m13", "m14"):
        for section in range(1, 8):
            path = tmp_path / "lab" / animal / f"sec{section}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, np.zeros((700, 600), np.uint16))
    (tmp_path / "c.yaml").write_text(
        "sources: {s: {files: 'lab/{animal}/sec{section:int}.tif', pixel_size: 1 um}}\n"
        "buckets:\n"
        "  lab:\n"
        "    views:\n"
        "      - {type: ome-zarr, from: s, path: 'zarr/{animal}/{section}.ome.zarr', chunks: 64, shards: false}\n"
        "      - {type: ome-tiff, from: s, path: 'tiff/{animal}_{section}.ome.tif'}\n"
        "      - {type: files, root: lab, path: original}\n"
    )
    return tmp_path / "c.yaml"


def listed(path):
    """Keys and bytes as listings have them."""
    catalog = open_catalog(load(path))
    try:
        page = catalog.page_now("lab", "", "", "", 1_000_000)
    finally:
        catalog.engine.close()
    return len(page), sum(item.file.size for item in page)


def test_sizes_are_those_of_listings(lab, capsys):
    assert main(["check", str(lab), "--sizes", "--json"]) == 0
    bucket = json.loads(capsys.readouterr().out)["buckets"]["lab"]
    keys, nbytes = listed(lab)
    assert bucket["sizes"] == {"keys": keys, "bytes": nbytes, "keys_of_unknown_size": 0}
    assert bucket["originals"]["files"] == 21
    assert main(["check", str(lab), "--sizes"]) == 0
    assert f"({nbytes:,} bytes) in {keys:,} keys" in capsys.readouterr().out


def test_compressed_chunks_are_counted_as_unknown(lab, capsys):
    lab.write_text(lab.read_text().replace("shards: false", "codec: zstd"))
    assert main(["check", str(lab), "--sizes"]) == 0
    assert "keys whose size only computing tells" in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(3,), (1, 90, 70), (70, 80, 2), (2, 2, 2000)])
def test_large_grids_are_not_gone_through(shape):
    """Sizes as of edge chunks that are truncated; the sum is known anyway."""
    sides = [5 * n - 2 for n in shape]
    asked = []

    def leaf(index):
        asked.append(index)
        return file(int(np.prod([min(5, side - 5 * i) for i, side in zip(index, sides, strict=True)])))

    keys = int(np.prod(shape))
    assert size(Grid(shape, leaf), None) == Size(keys, int(np.prod(sides)), 0)
    assert len(asked) <= max(FEW, 27)
    words = tuple([str(i) for i in range(n)] for n in shape)
    assert size(NamedGrid(words, leaf), None) == Size(keys, int(np.prod(sides)), 0)


def test_sizes_of_trees():
    tree = Dir({"a": file(3), "b": Dir({"c": file(None)}), "g": Grid((2, 2), lambda _: file(5))})
    assert size(tree, None) == Size(6, 23, 1)


def test_the_tree_opens_up_one_of_each_kind(lab, capsys):
    assert main(["check", str(lab), "--tree", "--limit", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("s3://lab"))
    assert lines[start : start + 16] == [
        "s3://lab (public): 42 images",
        "  ├─ original  the folder itself",
        "  ├─ tiff/",
        "  │  ├─ m12_1.ome.tif  y 700, x 600, uint16",
        "  │  ├─ m12_2.ome.tif  y 700, x 600, uint16",
        "  │  ├─ m12_3.ome.tif  y 700, x 600, uint16",
        "  │  └─ … 18 more",
        "  └─ zarr/",
        "     ├─ m12/",
        "     │  ├─ 1.ome.zarr  y 700, x 600, uint16",
        "     │  ├─ 2.ome.zarr  y 700, x 600, uint16",
        "     │  ├─ 3.ome.zarr  y 700, x 600, uint16",
        "     │  └─ … 4 more",
        "     ├─ m13/  … 7 keys",
        "     └─ m14/  … 7 keys",
        "",
    ]


def test_names_alone_open_nothing(lab, capsys):
    (lab.parent / "lab" / "m12" / "sec9.tif").write_bytes(b"II*\0" + b"\xff" * 60)
    assert main(["check", str(lab), "--no-open", "--tree", "--limit", "2"]) == 0
    assert "m12_1.ome.tif  image" in capsys.readouterr().out
    assert main(["check", str(lab)]) == 1
    assert "sec9.tif" in capsys.readouterr().out


def test_json_holds_the_whole_tree(lab, capsys):
    assert main(["check", str(lab), "--tree", "--json", "--limit", "1"]) == 0
    found = json.loads(capsys.readouterr().out)
    tree = found["buckets"]["lab"]["tree"]
    assert len(tree["tiff/"]) == 21
    assert tree["zarr/"]["m14/"]["7.ome.zarr"] == "y 700, x 600, uint16"
    assert (found["problems"], found["warnings"]) == (0, 0)
    assert found["sources"]["s"]["files"] == 21


@pytest.mark.parametrize("limit", ["0", "-1", "x", "²"])
def test_the_limit_is_a_number(lab, limit, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["check", str(lab), "--limit", limit])
    assert "at least 1" in capsys.readouterr().err


def test_exact_counts_behind_few_examples(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("d").mkdir()
    for n in range(300):
        Path(f"d/x{n}.dat").write_bytes(b"")
    tifffile.imwrite("d/a1.tif", np.zeros((4, 4), np.uint8))
    Path("c.yaml").write_text(
        "sources: {s: {files: 'd/a{n:int}.tif'}}\nbuckets: {abc: {views: [{type: ome-zarr, from: s, path: '{n}'}]}}\n"
    )
    assert main(["check", "c.yaml", "--limit", "2"]) == 0
    out = capsys.readouterr().out
    assert "(300)" in out
    assert "… 298 more" in out
    assert out.count(".dat: ") == 2
    assert out.endswith("No problems, 300 warnings.\n")


def test_many_files_in_reasonable_time(tmp_path, monkeypatch, capsys):
    """A tenth of what the benchmark has; nothing is opened."""
    monkeypatch.chdir(tmp_path)
    for folder in range(20):
        Path(f"d/b{folder}").mkdir(parents=True)
        for n in range(500):
            Path(f"d/b{folder}/m{n % 50}_sec{n}.tif").write_bytes(b"")
        Path(f"d/b{folder}/notes").write_bytes(b"")
    Path("c.yaml").write_text(
        "sources: {s: {files: 'd/{batch}/{animal:word}_sec{section:int}.tif'}}\n"
        "buckets: {abc: {views: [{type: ome-zarr, from: s, path: '{batch}/{animal}/{section}'}]}}\n"
    )
    begun = time.process_time()
    assert main(["check", "c.yaml", "--no-open", "--tree"]) == 0
    assert time.process_time() - begun < 20
    out = capsys.readouterr().out
    assert "10,000 files" in out
    assert out.endswith("No problems, 20 warnings.\n")
