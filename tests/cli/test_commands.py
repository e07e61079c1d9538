"""Each command as a user runs it, in this process, on real files."""

import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade import __version__
from s3facade.cli.main import main, parse

SAMPLE = Path(__file__).parents[2] / "examples" / "sample"


@pytest.fixture
def folder(tmp_path):
    """Two images, a damaged one, a text file."""
    root = tmp_path / "scans"
    (root / "deep").mkdir(parents=True)
    shutil.copy(SAMPLE / "cell.tif", root / "cell.tif")
    tifffile.imwrite(root / "deep" / "ramp.ome.tif", np.arange(64 * 48, dtype=np.float64).reshape(64, 48))
    (root / "broken.tif").write_bytes(b"II*\0" + b"\xff" * 60)
    (root / "notes.txt").write_text("not an image")
    return root


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"s3facade {__version__}\n"


def test_wrong_usage_has_status_2(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["serv"])
    assert "serve" in capsys.readouterr().err


def test_options_may_stand_between_paths(folder, capsys):
    assert parse(["serve", "a", "--port", "1", "b"]).what == ["a", "b"]
    for wrong in (["inspect", "a", "b"], ["serve", "a", "--prt", "1"]):
        with pytest.raises(SystemExit, match="2"):
            parse(wrong)
    assert "unrecognized arguments: --prt 1" in capsys.readouterr().err


def test_inspect_tells_what_a_file_holds(capsys):
    assert main(["inspect", str(SAMPLE / "cell.tif")]) == 0
    out = capsys.readouterr().out
    for expected in ("c 3, y 350, x 350, uint16", "y 0.132492 µm", "raw", "chunks 1x512x512", "window 143 to 465"):
        assert expected in out


def test_inspect_notes_what_viewers_cannot_read(folder, capsys):
    assert main(["inspect", str(folder / "deep" / "ramp.ome.tif")]) == 0
    out = capsys.readouterr().out
    assert "set `dtype: float32`" in out
    assert "states no voxel size along y, x" in out


def test_inspect_notes_what_makes_an_image_slow(tmp_path, capsys):
    path = tmp_path / "flat.tif"
    tifffile.imwrite(path, np.zeros((6000, 6000), np.uint8), rowsperstrip=6000, compression="zlib")
    assert main(["inspect", str(path)]) == 0
    assert "slow: Compressed in pieces of 34 MiB" in capsys.readouterr().out


def test_inspect_lists_levels_that_are_computed(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "flat.tif", np.zeros((1500, 1300), np.uint16), tile=(256, 256))
    assert main(["inspect", str(tmp_path / "flat.tif")]) == 0
    out = capsys.readouterr().out
    assert "level 0   1500x1300, in the file" in out
    assert "level 2   375x325, computed" in out


@pytest.mark.parametrize("name", ["broken.tif", "notes.txt", "missing.tif"])
def test_inspect_fails_with_a_sentence(folder, name, capsys):
    assert main(["inspect", str(folder / name)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("s3facade: ")
    assert len(captured.err.split()) > 5


def test_ls_lists_buckets_levels_and_keys(folder, capsys):
    assert main(["ls", "/", str(folder)]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["files", "images"]
    assert main(["ls", "s3://images/", str(folder)]) == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["cell.ome.zarr/", "deep/"]
    assert main(["ls", "images/deep/", "-r", str(folder)]) == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[-1] == "deep/ramp.ome.zarr/zarr.json"
    assert main(["ls", "files/", str(folder)]) == 0
    shown = {line.split()[-1]: line.split()[-2] for line in capsys.readouterr().out.splitlines()}
    assert shown["cell.tif"] == str((folder / "cell.tif").stat().st_size)


@pytest.mark.parametrize("address", ["nothing/", "images/none"])
def test_ls_and_cat_say_what_does_not_exist(folder, address, capsys):
    assert main(["ls", address, str(folder)]) == 1
    assert main(["cat", address, str(folder)]) == 1
    assert capsys.readouterr().err.count("s3facade: ") == 2


def test_cat_writes_an_object(folder, capfdbinary):
    assert main(["cat", "files/cell.tif", str(folder)]) == 0
    assert (
        hashlib.sha256(capfdbinary.readouterr().out).digest()
        == hashlib.sha256((folder / "cell.tif").read_bytes()).digest()
    )
    assert main(["cat", "images/cell.ome.zarr/0/zarr.json", str(folder)]) == 0
    assert json.loads(capfdbinary.readouterr().out)["shape"] == [3, 350, 350]


def test_ls_walks_over_pages(tmp_path, capsys):
    config = tmp_path / "many.yaml"
    config.write_text(
        "sources: {big: {synthetic: {shape: {y: 1600, x: 1600}}}}\n"
        "buckets: {many: {views: [{type: ome-zarr, from: big, path: b, chunks: 32, shards: false}]}}\n"
    )
    assert main(["ls", "-r", "many/b/0/c/", str(config)]) == 0
    keys = [line.split()[-1] for line in capsys.readouterr().out.splitlines()]
    assert sorted(set(keys)) == keys
    assert len(keys) == 50 * 50


def test_check_names_every_problem(folder, capsys):
    assert main(["check", str(folder)]) == 1
    out = capsys.readouterr().out
    assert "broken.tif" in out
    assert "notes.txt" not in out
    assert "2 images" in out
    (folder / "broken.tif").unlink()
    assert main(["check", str(folder)]) == 0
    assert capsys.readouterr().out.endswith("No problems.\n")


def test_check_names_keys_that_two_files_claim_and_sources_without_files(tmp_path, folder, capsys):
    config = tmp_path / "c.yaml"
    config.write_text(
        "sources:\n"
        '  a: {files: "scans/{name}.tif", skip: ["broken*"]}\n'
        '  b: {files: "scans/{name}.nothing"}\n'
        "buckets:\n"
        '  abc: {views: [{type: ome-zarr, from: a, path: "x"}, {type: files, root: gone, path: f}]}\n'
        '  bbb: {views: [{type: ome-zarr, from: b, path: "{name}"}]}\n'
    )
    shutil.copy(folder / "cell.tif", folder / "same.tif")
    assert main(["check", str(config)]) == 1
    out = capsys.readouterr().out
    assert "same.tif" in out
    assert "gone does not exist" in out
    assert "no file matches" in out
    assert "\n3 problems, " in out


def test_check_does_not_ask_for_files_that_are_there_and_do_not_open(tmp_path, folder, capsys):
    config = tmp_path / "c.yaml"
    config.write_text(
        'sources: {a: {files: "scans/broken.tif"}}\nbuckets: {abc: {views: [{type: ome-zarr, from: a, path: "x"}]}}\n'
    )
    assert main(["check", str(config)]) == 1
    out = capsys.readouterr().out
    assert "broken.tif: " in out
    assert "no file matches" not in out
    assert out.endswith("1 problem.\n")


def test_a_configuration_stands_alone(tmp_path, capsys):
    assert main(["check", "a.yaml", str(tmp_path)]) == 2
    assert "give it alone" in capsys.readouterr().err


def test_formats_and_schema(capsys):
    assert main(["formats"]) == 0
    assert "tiff" in capsys.readouterr().out
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["properties"].keys() >= {"sources", "buckets"}
