"""A server with private buckets, for the clients that sign."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from conformance.samples import Sample
from conformance.server import serving
from conformance.signed import Private

KEY, SECRET = "AKIACONFORMANCETESTS", "s3cret/with+signs=and/forty-characters.."
"""Made up; forty characters with those that need quoting, as real secrets have."""


@pytest.fixture(scope="session")
def private(folder: Path, samples: dict[str, Sample], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    """A second server over the common folder, in which nothing is public."""
    assert samples
    base = tmp_path_factory.mktemp("private")
    files = {"type": "files", "root": str(folder), "path": ""}
    images = {"type": "ome-zarr", "from": "data", "path": "{stem}.ome.zarr"}
    # the source is called as the folder is in the public server: images name what they were made of
    settings = {
        "sources": {"data": {"files": f"{folder}/{{name}}.tif"}},
        "buckets": {
            "vault": {"access": "private", "views": [files]},
            "vault-images": {"access": "private", "views": [images]},
            "closed": {"access": "private", "views": [files]},
        },
        "access": [
            {"key": KEY, "secret": SECRET, "buckets": ["vault", "vault-images"]},
            {"key": "AKIASOMEBODYELSES000", "secret": "another-secret", "buckets": ["closed"]},
        ],
        "links": {"secret": "what links are signed with"},
    }
    config = base / "config.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with serving(config, log=base / "log.txt") as running:
        yield Private(running, KEY, SECRET, config)


@pytest.fixture(autouse=True, scope="session")
def _plain_http() -> Iterator[None]:
    """No certificates or proxies of the machine: some clients refuse to start with files that they cannot read."""
    patch = pytest.MonkeyPatch()
    for name in list(os.environ):
        if "CA_BUNDLE" in name or name.startswith("SSL_CERT") or name.lower().endswith("_proxy"):
            patch.delenv(name)
    yield
    patch.undo()
