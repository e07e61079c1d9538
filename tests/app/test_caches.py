"""Where caches lie, what switches them on, and what makes their content stale."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade import caches
from s3facade.app.server import open_catalog
from s3facade.config.load import load
from s3facade.config.settings import Limits
from s3facade.config.zero import zero
from s3facade.readers.tiff.reader import TiffReader


def limits(tmp_path: Path, text: str) -> Limits:
    path = tmp_path / "s3facade.yaml"
    path.write_text(f"buckets: {{bucket: {{views: [{{type: files, root: .}}]}}}}\nlimits: {{{text}}}\n")
    return load(path, {}).limits


def test_the_configuration_says_how_much_and_where(tmp_path: Path) -> None:
    given = limits(tmp_path, "disk: 200 GiB, index: off, cache_dir: kept")
    assert (given.disk, given.index, given.cache_dir) == (200 << 30, 0, tmp_path / "kept")
    disk = caches.disk(given)
    assert disk is not None
    assert (disk.quota, Path(disk.root).parent) == (200 << 30, tmp_path / "kept")
    assert caches.index(given) is None
    given = limits(tmp_path, "queue: 1")
    assert caches.disk(given) is None
    index = caches.index(given)
    assert index is not None
    assert index.limit == 512 << 20


def test_the_folder_is_the_one_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert caches.folder(Limits()) == "/x/s3facade"
    monkeypatch.setenv("CACHE_DIRECTORY", "/var/cache/a:/var/cache/b")
    assert caches.folder(Limits()) == "/var/cache/a"
    assert caches.folder(Limits(cache_dir=Path("/y"))) == "/y"
    monkeypatch.delenv("CACHE_DIRECTORY")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert caches.folder(Limits()) == "/home/me/.cache/s3facade"


def test_a_second_start_opens_nothing_and_reads_no_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for i in range(5):
        tifffile.imwrite(folder / f"{i}.tif", np.full((16, 16), i, np.uint8), compression="zlib")
        os.utime(folder / f"{i}.tif", (time.time() - 100,) * 2)
    parsed: list[str] = []
    read = TiffReader.open
    sniff = TiffReader.sniff
    monkeypatch.setattr(TiffReader, "open", lambda self, *a: parsed.append("open") or read(self, *a))
    monkeypatch.setattr(TiffReader, "sniff", lambda self, *a: parsed.append("sniff") or sniff(self, *a))
    shown = []
    for _ in range(2):
        catalog = open_catalog(zero([folder]))
        catalog.probe(time.monotonic() + 60)
        assert catalog.unopened() == 0
        found = [catalog.find_now("images", f"{p}/zarr.json") for p in catalog.images("images")]
        shown.append([(f.key, f.etag, f.file.size) for f in found])
        catalog.engine.close()
    assert len(shown[0]) == 5
    assert shown[0] == shown[1]
    assert sorted(parsed) == ["open"] * 5 + ["sniff"] * 5
