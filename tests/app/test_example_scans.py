"""The example of OME-TIFFs as OME-Zarr: served, listed, opened by zarr-python, and compared with tifffile."""

from __future__ import annotations

from pathlib import Path

import boto3
import numpy as np
import tifffile
import zarr
from botocore import UNSIGNED
from botocore.config import Config
from test_serving import serving
from zarr.storage import MemoryStore

EXAMPLE = Path(__file__).parents[2] / "examples" / "scans" / "scans.yaml"
GALLERY = EXAMPLE.parents[1] / "gallery"


async def test_every_scan_is_an_ome_zarr_of_its_own(tmp_path):
    with serving(EXAMPLE.parent, tmp_path / "log.txt", str(EXAMPLE)) as server:
        config = Config(s3={"addressing_style": "path"}, signature_version=UNSIGNED)
        client = boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{server.port}", region_name="us-east-1", config=config
        )
        listed = client.list_objects_v2(Bucket="scans")["Contents"]
        bodies = {e["Key"]: client.get_object(Bucket="scans", Key=e["Key"])["Body"].read() for e in listed}
        assert {key: len(body) for key, body in bodies.items()} == {e["Key"]: e["Size"] for e in listed}
        client.close()
    files = {path.name.removesuffix(".ome.tif"): path for path in GALLERY.glob("**/*.ome.tif")}
    assert {key.partition("/")[0] for key in bodies} == {f"{name}.ome.zarr" for name in files}
    store = await MemoryStore.open()
    for key, body in bodies.items():
        await store.set(key, zarr.core.buffer.default_buffer_prototype().buffer.from_bytes(body))
    for name, path in files.items():
        with tifffile.TiffFile(path) as tiff:
            expected = tiff.asarray()
            axes = tiff.series[0].axes.lower().replace("s", "c")
        shown = await zarr.api.asynchronous.open_array(store=store, path=f"{name}.ome.zarr/0", mode="r")
        names = shown.metadata.dimension_names
        assert sorted(axes) == sorted(names)
        np.testing.assert_array_equal(await shown.getitem(...), expected.transpose([axes.index(n) for n in names]))
