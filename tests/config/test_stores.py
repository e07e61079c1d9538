"""Stores in the configuration: what is accepted, and what is said about the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from s3facade.config.load import load
from s3facade.config.settings import Settings
from s3facade.core.errors import ConfigError

LAB = "stores:\n  lab: {url: 's3://lab-raw/2026', endpoint: 'https://s3.example.org', key: K, secret: never-told}\n"
WEB = "stores:\n  web: {url: 'https://data.example.org/x'}\n"


def loaded(tmp_path: Path, stores: str, source: str = "{synthetic: {shape: {y: 1, x: 1}}}", view: str = "") -> Settings:
    path = tmp_path / "c.yaml"
    view = view or "{type: ome-zarr, from: all, path: '{stem}'}"
    path.write_text(f"{stores}sources:\n  all: {source}\nbuckets:\n  images:\n    views: [{view}]\n")
    return load(path, {"NAME": "v"})


def test_a_pattern_in_a_store(tmp_path: Path) -> None:
    settings = loaded(tmp_path, LAB, "{files: 'lab:raw/{animal}_{stain}.czi', skip: ['x*']}")
    (store,) = settings.stores
    assert (store.url, store.endpoint) == ("s3://lab-raw/2026/", "https://s3.example.org")
    pattern = settings.sources["all"].files
    assert pattern is not None
    assert str(pattern.root) == "lab:/raw"
    assert pattern.match("m1_gfp.czi") == {"animal": "m1", "stain": "gfp"}
    assert settings.sources["all"].skip[0].accepts(Path("lab:/raw/xyz"))
    assert "never-told" not in repr(settings)


def test_at_the_top_of_a_store(tmp_path: Path) -> None:
    pattern = loaded(tmp_path, LAB, "{files: 'lab:**'}").sources["all"].files
    assert pattern is not None
    assert str(pattern.root) == "lab:"


def test_a_file_and_a_list(tmp_path: Path) -> None:
    assert str(loaded(tmp_path, WEB, "{file: 'web:a/b.tif'}").sources["all"].file) == "web:/a/b.tif"
    listed = loaded(tmp_path, WEB, "{files: 'web:{name}.tif', list: names.txt}").sources["all"].listed
    assert listed == tmp_path / "names.txt"


def test_captures_with_colons_are_no_stores(tmp_path: Path) -> None:
    pattern = loaded(tmp_path, "", "{files: 'data_{n:int}.tif'}").sources["all"].files
    assert pattern is not None
    assert pattern.root == tmp_path
    assert loaded(tmp_path, "", "{files: './lab:x/*.tif'}").sources["all"].files is not None


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("{files: 'lib:*.tif'}", "there is no store 'lib'"),
        ("{file: 's3://lab-raw/a.tif'}", "is an address; give it a name"),
        ("{files: 'https://example.org/*.tif'}", "is an address"),
        ("{file: 'file:///etc/passwd'}", "is an address"),
        ("{files: 'lab:../*.tif'}", "plain path below it"),
        ("{files: 'lab:/etc/*.tif'}", "plain path below it"),
        ("{file: 'lab:a//b.tif'}", "plain path below it"),
        ("{file: 'lab:~root/b.tif'}", "plain path below it"),
        ("{file: 'lab:'}", "plain path below it"),
        ("{files: '*.tif', list: names.txt}", "goes with files of a store only"),
        ("{file: 'lab:a.tif', list: names.txt}", "goes with `files` only"),
    ],
)
def test_paths_that_are_refused(tmp_path: Path, source: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        loaded(tmp_path, LAB, source)


def test_web_servers_list_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`list:`"):
        loaded(tmp_path, WEB, "{files: 'web:*.tif'}")


def test_views_of_files_stay_here(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="clients can read the store itself"):
        loaded(tmp_path, LAB, view="{type: files, root: 'lab:raw'}")


@pytest.mark.parametrize(
    ("store", "sentence"),
    [
        ("{url: 'ftp://host/x'}", "url"),
        ("{url: 'file:///etc'}", "url"),
        ("{url: 'https://user:hunter2@host/x'}", "url"),
        ("{url: 'https://host/x?token=1'}", "url"),
        ("{url: 's3://b', key: k}", "no secret"),
        ("{url: 's3://b', secret: s}", "no `key`"),
        ("{url: 's3://b', key: k, secret: s, secret_file: f}", "leave out one"),
        ("{url: 's3://b', key: k, secret: s, anonymous: true}", "leave out one"),
        ("{url: 's3://b', redirects: [x.org]}", "web servers only"),
        ("{url: 'https://h', endpoint: 'https://s3'}", "s3:// only"),
        ("{url: 'https://h', redirects: ['x.org/path']}", "redirects"),
        ("{url: 's3://b', refresh: 0 s}", "longer than 0 s"),
        ("{url: 's3://b', connections: 0}", "connections"),
        ("{url: 's3://b', secret_fil: x}", "secret_file"),
        ("{url: 's3://b', key: k, secret_file: none}", "cannot be read"),
    ],
)
def test_stores_that_are_refused(tmp_path: Path, store: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence) as caught:
        loaded(tmp_path, f"stores:\n  lab: {store}\n")
    assert "hunter2" not in str(caught.value)
