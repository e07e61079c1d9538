"""Precomputed volumes over the socket: cloud-volume and tensorstore's own driver."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest
import tensorstore as ts

cloudvolume = pytest.importorskip("cloudvolume")

from conformance.contract import same  # noqa: E402 - after the check that there is a client
from conformance.registered_volume import configuration  # noqa: E402
from conformance.server import serving  # noqa: E402


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """The example, one volume as OME-Zarr and precomputed, and once more with its chunks in shards."""
    base = tmp_path_factory.mktemp("precomputed")
    with serving(configuration(base), log=base / "log.txt") as running:
        yield running


@pytest.fixture(scope="module")
def voxels(served):
    """The same volume by another format and driver: c, z, y, x."""
    store = {"driver": "http", "base_url": f"{served.url}/dna/", "path": "dna.ome.zarr/0/"}
    return ts.open({"driver": "zarr3", "kvstore": store}, read=True).result().read().result()


class TestCloudVolumePrecomputed:
    CLIENT, VERSION = "cloud-volume", importlib.metadata.version("cloud-volume")

    def volume(self, served, path="dna"):
        return cloudvolume.CloudVolume(
            f"precomputed://{served.url}/dna/{path}", mip=0, progress=False, fill_missing=False, green_threads=False
        )

    @pytest.mark.parametrize("path", ["dna", "shards"])
    def test_pixels(self, served, voxels, path):
        volume = self.volume(served, path)
        same(np.asarray(volume[:]).transpose(3, 2, 1, 0), voxels, "all")
        same(np.asarray(volume[40:77, 20:90, 9:15])[..., 1].T, voxels[1, 7:13, 14:84, 36:73], "a part, by its place")

    def test_voxel_size_and_place(self, served):
        volume = self.volume(served)
        assert volume.resolution.tolist() == [500, 500, 500]
        assert volume.voxel_offset.tolist() == [4, 6, 2]
        assert volume.num_channels == 2
        assert volume.layer_type == "image"


class TestTensorstorePrecomputed:
    CLIENT, VERSION = "tensorstore (http)", importlib.metadata.version("tensorstore")

    @pytest.mark.parametrize("path", ["dna/", "shards/"])
    @pytest.mark.parametrize("driver", ["http", "s3"])
    def test_pixels(self, served, voxels, driver, path):
        store = {"driver": "http", "base_url": f"{served.url}/dna/", "path": path}
        if driver == "s3":
            store = {"driver": "s3", "bucket": "dna", "path": path, "endpoint": served.url}
            store |= {"aws_region": "us-east-1", "aws_credentials": {"type": "anonymous"}}
        volume = ts.open({"driver": "neuroglancer_precomputed", "kvstore": store}, read=True).result()
        same(volume.read().result().transpose(3, 2, 1, 0), voxels, driver)
        assert [str(unit) for unit in volume.dimension_units[:3]] == ["500 nm"] * 3
