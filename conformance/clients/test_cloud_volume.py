"""cloud-volume's reader of Zarr v3; it reads no sharded arrays, so that the view here has none."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest
import yaml

cloudvolume = pytest.importorskip("cloudvolume")

from conformance.contract import same  # noqa: E402 - after the check that there is a client
from conformance.server import serving  # noqa: E402

CLIENT, VERSION = "cloud-volume", importlib.metadata.version("cloud-volume")


@pytest.fixture(scope="module")
def url(folder, samples, tmp_path_factory):
    """A server whose chunks are objects of their own."""
    assert samples
    base = tmp_path_factory.mktemp("unsharded")
    view = {"type": "ome-zarr", "from": "stack", "path": "stack.ome.zarr", "shards": False}
    settings = {"sources": {"stack": {"file": str(folder / "stack.tif")}}, "buckets": {"images": {"views": [view]}}}
    (base / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    with serving(base / "config.yaml", log=base / "log.txt") as running:
        yield f"zarr3://{running.url}/images/stack.ome.zarr"


class TestCloudVolume:
    def test_pixels_of_a_crop(self, url, samples):
        volume = cloudvolume.CloudVolume(url, mip=0, progress=False, fill_missing=False, green_threads=False)
        found = np.asarray(volume[10:300, 20:500, 3:9])[..., 0].transpose(2, 1, 0)
        same(found, samples["stack.ome.zarr"].own[0][3:9, 20:500, 10:300], "level 0")

    def test_voxel_size(self, url):
        volume = cloudvolume.CloudVolume(url, mip=0, progress=False)
        np.testing.assert_allclose(volume.resolution, [500, 500, 1500])  # nanometres; x, y, z

    def test_sharded_arrays(self):
        pytest.skip("cloud-volume says: sharded volumes are not currently supported")
