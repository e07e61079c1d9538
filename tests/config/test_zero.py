from pathlib import Path

import pytest

from s3facade.config.views.files import FilesView
from s3facade.config.zero import zero
from s3facade.core.errors import ConfigError


def paths(settings):
    images, files = settings.buckets
    assert (images.name, files.name) == ("images", "files")
    assert images.access == files.access == "public"
    return [v.path.text for v in images.views], [(v.root, v.path) for v in files.views if isinstance(v, FilesView)]


def test_one_folder_is_shown_at_the_root_of_both_buckets(tmp_path):
    assert paths(zero([tmp_path])) == (["{stem}.ome.zarr"], [(tmp_path, "")])


def test_a_folder_finds_files_at_every_depth_but_hidden_ones(tmp_path):
    (source,) = zero([tmp_path]).sources.values()
    assert source.files.accepts(tmp_path / "a/b/c.tif")
    assert not source.files.accepts(tmp_path / "a/.b/c.tif")


def test_several_paths_are_told_apart_by_name(tmp_path):
    for name in ("a/scans", "b/scans"):
        (tmp_path / name).mkdir(parents=True)
    file = tmp_path / "x{1}.ome.tif"
    file.touch()
    (tmp_path / "a/x{1}.ome.tif").touch()
    several = [tmp_path / "a/scans", tmp_path / "b/scans", file, tmp_path / "a/x{1}.ome.tif", file]
    images, files = paths(zero(several))
    assert images == ["scans/{stem}.ome.zarr", "2/scans/{stem}.ome.zarr", "{stem}.ome.zarr", "2/{stem}.ome.zarr"]
    assert [p for _, p in files] == ["scans", "2/scans", "x{1}.ome.tif", "2/x{1}.ome.tif"]


def test_a_folder_whose_name_looks_like_a_template_is_taken_literally(tmp_path):
    for name in ("{a}", "b"):
        (tmp_path / name).mkdir()
    settings = zero([tmp_path / "{a}", tmp_path / "b"])
    assert settings.buckets[0].views[0].path.fill({"stem": "x"}) == "{a}/x.ome.zarr"
    assert settings.sources["{a}"].files.root == tmp_path / "{a}"


@pytest.mark.parametrize("given", [[], [Path("/nowhere/at/all")]])
def test_nothing_to_serve_is_said_in_a_sentence(given):
    with pytest.raises(ConfigError, match=r"name a file|no such file"):
        zero(given)
