"""What `s3facade check` says of files that are not there, folders that are no images, and names that move cursors."""

import numpy as np
import pytest
import tifffile

from s3facade.cli.main import main
from s3facade.cli.plain import plain


@pytest.fixture
def checked(tmp_path, capsys):
    def run(text):
        (tmp_path / "c.yaml").write_text(text)
        status = main(["check", str(tmp_path / "c.yaml")])
        return status, capsys.readouterr().out

    return run


def test_a_file_that_is_not_there_is_a_problem(checked):
    status, out = checked("bucket: abc\nsources:\n  s: {file: nope.tif}\nviews: [{type: ome-zarr, from: s, path: x}]\n")
    assert status == 1
    assert "images of s3://abc that cannot be opened now (1)" in out
    assert "    nope.tif: " in out
    assert out.endswith("1 problem.\n")


def test_a_folder_is_no_pattern(checked, tmp_path):
    (tmp_path / "d").mkdir()
    status, out = checked('bucket: abc\nsources:\n  s: {files: "d"}\nviews: [{type: ome-zarr, from: s, path: x}]\n')
    assert status == 1
    assert "d is a folder: name the files in it, as in d/{name}.tif." in out


def test_names_do_not_move_the_cursor(checked, tmp_path):
    (tmp_path / "d").mkdir()
    for name in ("a\x1b[2J", "b\nNo problems."):
        tifffile.imwrite(tmp_path / f"d/{name}.tif", np.zeros((8, 8), np.uint8))
    status, out = checked(
        'bucket: abc\nsources:\n  s: {files: "d/{n}.tif"}\nviews: [{type: ome-zarr, from: s, path: "{n}"}]\n'
    )
    assert status == 0
    assert "  a\\x1b[2J\n" in out
    assert "  b\\nNo problems.\n" in out


@pytest.mark.parametrize("text", ["Müller, Jörg", "e\u0301", "👩\u200d🔬", "日本", "a b"])
def test_what_people_write_is_shown_as_it_is(text):
    assert plain(text) == text


def test_what_changes_the_order_of_text_is_written_out():
    assert plain("a\u202efit.b") == "a\\u202efit.b"


def test_links_that_are_not_followed_are_told(checked, tmp_path):
    for name in ("d/real/a", "elsewhere/b"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((8, 8), np.uint8))
    for name, target in {
        "b": "../../elsewhere/b", "within": "a", "gone": "nothing", "loop": "loop", "skipped": "nothing",
    }.items():  # fmt: skip
        (tmp_path / f"d/real/{name}.tif").symlink_to(f"{target}.tif")
    (tmp_path / "d/real/note.txt").symlink_to("nothing")
    (tmp_path / "d/up").symlink_to("..")
    status, out = checked(
        'bucket: abc\nsources:\n  s: {files: "d/*/{n}.tif", skip: ["**/skipped*"]}\n'
        'views: [{type: ome-zarr, from: s, path: "{n}"}]\n'
    )
    assert status == 0
    assert "s3://abc (public): 2 images\n  a\n  within\n" in out
    told = out.partition("links that are not followed (4)")[2].splitlines()[1:5]
    assert [line.strip().partition(";")[0] for line in told] == [
        "d/real/b.tif: leads out of the folder that the pattern begins with",
        "d/real/gone.tif: leads nowhere",
        "d/real/loop.tif: leads nowhere",
        "d/up: leads to a folder",
    ]
