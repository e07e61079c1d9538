"""A BIDS data set that exists, over a real server: its images in another form, what names them, what is not there."""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from test_serving import serving

from s3facade import registry
from s3facade.catalog.catalog import Catalog
from s3facade.config.load import load
from s3facade.engine.engine import Engine, EngineLimits

TURN = np.diag([2.0, 2.0, 2.5, 1.0])


def volume(path: Path, shape=(5, 6, 7)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.arange(np.prod(shape), dtype="i2").reshape(shape), TURN)
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    return image


def text(path: Path, content: str):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, "utf-8")


def dataset(root: Path):
    text(root / "dataset_description.json", '{"Name": "x", "BIDSVersion": "1.10.0", "DatasetType": "raw"}')
    text(root / ".bidsignore", "/extra\n")
    text(root / ".git/config", "[core]\n")
    text(root / "extra/a.nii.gz", "no image, and not BIDS' business\n")
    volume(root / "sub-01/anat/sub-01_T1w.nii.gz")
    text(root / "sub-01/anat/sub-01_T1w.json", '{"Manufacturer": "X"}')
    volume(root / "sub-01/func/sub-01_task-a_bold.nii.gz", (5, 6, 7, 3))
    text(root / "sub-01/fmap/sub-01_epi.json", '{"IntendedFor": ["func/sub-01_task-a_bold.nii.gz"]}')
    text(root / "sub-01/sub-01_scans.tsv", "filename\nfunc/sub-01_task-a_bold.nii.gz\nanat/sub-01_T1w.nii.gz\n")
    text(root / "sourcedata/sub-01/raw.nii.gz", "as it came\n")
    text(root / "sub-01/micr/sub-01_sample-a_SPIM.ome.zarr/zarr.json", '{"zarr_format": 3, "node_type": "group"}')
    annex = root / ".git/annex/objects/xx/yy"
    annex.mkdir(parents=True)
    content = io.BytesIO()
    nib.Nifti1Image(np.ones((5, 6, 7), "i2"), TURN).to_stream(content)
    (annex / "KEY").write_bytes(content.getvalue())
    (root / "sub-02/anat").mkdir(parents=True)
    for key, name in (("xx/yy/KEY", "T2w.nii"), ("zz/zz/GONE", "T1w.nii.gz"), ("zz/zz/GONE.tsv", "events.tsv")):
        (root / f"sub-02/anat/sub-02_{name}").symlink_to(f"../../.git/annex/objects/{key}")
    text(root / "sub-02/anat/sub-02_PDw.nii.gz", "/annex/objects/MD5E-s100--0123.nii.gz\n")
    (root / "sub-02/anat/sub-02_out.txt").symlink_to("/etc/hostname")


CONFIG = """
server: {{rescan: 1 s}}
limits: {{workers: 1}}
buckets:
  study:
    views: [{{type: bids, root: "{root}"}}]
  packed:
    views: [{{type: bids, root: "{root}", as: nii.gz, convert: [nii], path: there}}]
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("study") / "data"
    dataset(root)
    return root


@pytest.fixture(scope="module")
def study(root):
    config = root.parent / "c.yaml"
    config.write_text(CONFIG.format(root=root))
    with serving(root, root.parent / "log", str(config)) as server:
        yield lambda key, bucket="study": server.get(f"/{bucket}/{key}")


def keys(get, bucket="study", prefix=""):
    return re.findall(r"<Key>([^<]+)</Key>", get(f"?list-type=2&prefix={prefix}", bucket).body.decode())


def test_images_are_shown_in_the_other_form_and_all_else_as_it_is(study, root):
    found = keys(study)
    assert "sub-01/anat/sub-01_T1w.ome.zarr/zarr.json" in found
    assert "sub-01/anat/sub-01_T1w.nii.gz" not in found
    for name in ("extra/a.nii.gz", "sourcedata/sub-01/raw.nii.gz", ".bidsignore", "sub-01/anat/sub-01_T1w.json",
                 "sub-01/micr/sub-01_sample-a_SPIM.ome.zarr/zarr.json"):  # fmt: skip
        assert name in found
        assert study(name).body == (root / name).read_bytes()
    assert study("sub-01/anat/sub-01_T1w.nii.gz").status == 404


def test_hidden_files_and_links_that_lead_out_are_not_shown(study):
    assert not [name for name in keys(study) if ".git" in name or name.endswith("out.txt")]
    assert study(".git/config").status == 404
    assert study("sub-02/anat/sub-02_out.txt").status == 404


def test_tables_and_metadata_name_images_as_they_are_shown(study):
    table = study("sub-01/sub-01_scans.tsv")
    assert table.body == b"filename\nfunc/sub-01_task-a_bold.ome.zarr\nanat/sub-01_T1w.ome.zarr\n"
    assert table.headers["content-type"] == "text/tab-separated-values"
    assert json.loads(study("sub-01/fmap/sub-01_epi.json").body) == {
        "IntendedFor": ["func/sub-01_task-a_bold.ome.zarr"]
    }


def test_listed_sizes_are_those_of_the_rewritten_files(study):
    listed = study("?list-type=2&prefix=sub-01/sub-01_scans.tsv").body.decode()
    assert f"<Size>{len(study('sub-01/sub-01_scans.tsv').body)}</Size>" in listed


def test_contents_that_are_not_here_are_told_and_are_no_404(study, root):
    for name in ("sub-02/anat/sub-02_T1w.ome.zarr/zarr.json", "sub-02/anat/sub-02_PDw.ome.zarr/zarr.json"):
        answer = study(name)
        assert answer.status >= 500
        assert b"datalad get" in answer.body
    assert study("sub-02/anat/sub-02_events.tsv").status == 503
    listed = keys(study, prefix="sub-02/")
    assert "sub-02/anat/sub-02_T2w.ome.zarr/zarr.json" in listed
    assert not [name for name in listed if "T1w" in name or "events" in name or "PDw" in name]


def test_what_is_not_shown_is_told(study, root):
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    told = {item.path: item.reason for item in Catalog(load(root.parent / "c.yaml"), engine).broken()}
    engine.close()
    anat = root / "sub-02/anat"
    for name in ("sub-02_T1w.nii.gz", "sub-02_events.tsv", "sub-02_PDw.nii.gz"):
        assert "git-annex has not fetched" in told[str(anat / name)]
    assert "a link out of the folder of the data set" in told[str(anat / "sub-02_out.txt")]
    assert len(told) == 4


def test_another_form_is_computed_and_the_same_one_is_passed_on(study, root):
    answer = study("there/sub-02/anat/sub-02_T2w.nii.gz", "packed")
    assert answer.status == 200
    path = root.parent / "got.nii.gz"
    path.write_bytes(answer.body)
    image = nib.load(path)
    assert np.array_equal(np.asanyarray(image.dataobj), np.ones((5, 6, 7)))
    assert np.allclose(image.affine, TURN)
    own = (root / "sub-01/anat/sub-01_T1w.nii.gz").read_bytes()
    assert study("there/sub-01/anat/sub-01_T1w.nii.gz", "packed").body == own


def test_new_files_and_changed_tables_show_without_a_restart(study, root):
    table = root / "sub-01/sub-01_scans.tsv"
    before = study("sub-01/sub-01_scans.tsv")
    volume(root / "sub-03/anat/sub-03_T1w.nii.gz")
    text(table, table.read_text() + "extra.txt\n")
    content = root / ".git/annex/objects/zz/zz/GONE.tsv"
    content.parent.mkdir(parents=True)
    content.write_text("onset\tduration\n")
    until = time.monotonic() + 20
    while time.monotonic() < until:
        after = study("sub-01/sub-01_scans.tsv")
        found = keys(study)
        if b"extra.txt" in after.body and "sub-02/anat/sub-02_events.tsv" in found and "sub-03" in str(found):
            break
        time.sleep(0.2)
    assert after.body == before.body + b"extra.txt\n"
    assert after.headers["etag"] != before.headers["etag"]
    assert "sub-03/anat/sub-03_T1w.ome.zarr/zarr.json" in found
    assert "sub-02/anat/sub-02_events.tsv" in found


def test_images_have_crates_of_what_the_data_set_and_the_bucket_say(tmp_path):
    root = tmp_path / "set"
    told = {"Name": "x", "BIDSVersion": "1.10.0", "License": "CC0", "Authors": ["Doe J"]}
    text(root / "dataset_description.json", json.dumps(told))
    text(root / "derivatives/d/dataset_description.json", json.dumps({**told, "License": "ask me", "Authors": None}))
    (root / "sub-1/micr").mkdir(parents=True)
    tifffile.imwrite(root / "sub-1/micr/sub-1_sample-a_SEM.tif", np.zeros((8, 9), "u1"))
    volume(root / "derivatives/d/sub-1/anat/sub-1_desc-x_T1w.nii.gz")
    views = f'views: [{{type: bids, root: "{root}"}}]'
    about = "about: {license: CC-BY-4.0, name: not of each, organism: Mus musculus}"
    (tmp_path / "c.yaml").write_text(f"buckets: {{own: {{{views}}}, said: {{{about}, {views}}}}}")
    engine = Engine(registry.reader, EngineLimits(memory=64 << 20))
    try:
        catalog = Catalog(load(tmp_path / "c.yaml"), engine)
        found = {}
        for bucket in ("own", "said"):
            for item in catalog.page_now(bucket, "", "", "", 1000):
                if item.key.endswith("ro-crate-metadata.json"):
                    (part,) = item.file.body().parts
                    graph = {entity["@id"]: entity for entity in json.loads(part.data)["@graph"]}
                    found[bucket, item.key.split("/")[0]] = graph
        assert set(found) == {("own", "sub-1"), ("said", "sub-1"), ("said", "derivatives")}
        own, said = found["own", "sub-1"], found["said", "sub-1"]
        assert own["./"]["license"].endswith("publicdomain/zero/1.0/")
        assert said["./"]["license"].endswith("licenses/by/4.0/")
        assert own[own["./"]["author"]["@id"]]["name"] == "Doe J"
        assert "obo:FBbi_00000257" in own
        assert "NCBI:txid10090" in said
        assert said["./"]["name"] == "sub-1_sample-a_SEM"
    finally:
        engine.close()
