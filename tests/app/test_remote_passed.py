"""Files of a store that are shown as they are: their own bytes, ranges of them, and nothing once they are gone."""

from __future__ import annotations

import sys
from pathlib import Path

import nibabel as nib
import numpy as np
from test_serving import serving

sys.path.insert(0, str(Path(__file__).parents[1] / "stores"))
from s3_server import KEY, SECRET, client, s3_server

VOXELS = np.random.default_rng(3).integers(0, 4000, (64, 64, 200), dtype=np.int16)


def test_an_original_of_a_store_goes_out_as_it_is(tmp_path):
    path = tmp_path / "brain.nii.gz"
    nib.save(nib.Nifti1Image(VOXELS, np.diag([1, 1, 2, 1])), path)
    data = path.read_bytes()
    assert len(data) > 1 << 20
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o600)
    with s3_server({"scans/brain.nii.gz": data, "scans/other.nii.gz": data}) as url:
        config = tmp_path / "config.yaml"
        config.write_text(
            f"stores:\n  lab: {{url: 's3://lab-raw/', endpoint: '{url}', region: us-east-1, key: {KEY},\n"
            "    secret_file: secret, refresh: 1 s}\n"
            "sources:\n  brains: {files: 'lab:scans/{name}.nii.gz'}\n"
            "buckets:\n  mri:\n    views: [{type: nifti, from: brains, path: '{name}.nii.gz'}]\n"
            "server: {rescan: 1 s}\nlimits: {workers: 1, memory: 256 MiB, cache_dir: cache}\n"
        )
        with serving(tmp_path, tmp_path / "log", str(config)) as running:
            whole = running.get("/mri/brain.nii.gz")
            assert (whole.status, whole.body == data) == (200, True)
            part = running.get("/mri/brain.nii.gz", Range="bytes=100-900099")
            assert (part.status, part.body == data[100:900100]) == (206, True)
            assert f"<Size>{len(data)}</Size>" in running.get("/mri?list-type=2").body.decode()
            client(url).delete_object(Bucket="lab-raw", Key="scans/brain.nii.gz")
            running.eventually(lambda: running.get("/mri/brain.nii.gz").status == 404)
