"""What the background builder does in rounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from s3facade.app.server import open_catalog
from s3facade.catalog.builder import Builder
from s3facade.config.load import load
from s3facade.engine.warm import Warming


async def test_what_there_is_no_room_for_is_added_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2048, 2048), np.uint16), tile=(256, 256), compression="zlib")
    config = tmp_path / "config.yaml"
    config.write_text(
        "sources: {all: {files: '{name}.tif'}}\n"
        "buckets: {images: {warm: true, views: [{type: ome-zarr, from: all, path: '{name}'}]}}\n"
        "limits: {disk: 100 kB, cache_dir: cache}\n"
    )
    tallied = []
    tally = Warming.tally
    monkeypatch.setattr(Warming, "tally", lambda self, has: tallied.append(self) or tally(self, has))
    catalog = open_catalog(load(config))
    builder = Builder(catalog)
    disk = catalog.engine.disk
    assert disk is not None
    for _ in range(3):
        await builder._round(disk)
        assert builder.status["state"] == "full"
    assert len(tallied) == 1
    # Another image by the same name is looked at.
    tifffile.imwrite(tmp_path / "a.tif", np.ones((2048, 2048), np.uint16), tile=(256, 256))
    await builder._round(disk)
    assert len(tallied) == 2
    catalog.engine.close()
