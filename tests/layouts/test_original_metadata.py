"""The file's own metadata beside the voxels: told in ``s3facade.json``, bounded, and nowhere else."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np

from s3facade.catalog.images.provenance import ORIGINAL, original
from s3facade.core.image import Dataset
from s3facade.layouts.documents import literal_file
from s3facade.layouts.ome_xml import metadata
from s3facade.layouts.ome_zarr import OmeZarr
from s3facade.testing import in_memory


def test_all_of_it_if_it_is_small():
    image = in_memory(np.zeros((2, 2), "u1"), original={"a": {"b": [1, float("nan")]}}, ome_xml="<OME/>")
    assert original(image) == {"a": {"b": [1, "NaN"]}, "OME-XML": "<OME/>"}
    assert original(in_memory(np.zeros((2, 2), "u1"))) is None
    assert original(in_memory(np.zeros((2, 2), "u1"), original=["x"])) == {"metadata": ["x"]}


def test_what_is_too_long_is_named():
    image = in_memory(
        np.zeros((2, 2), "u1"), original={"small": 1, "huge": "x" * ORIGINAL, **{f"k{i}": "y" * 999 for i in range(99)}}
    )
    told = original(image)
    assert told["small"] == 1
    assert "huge" in told["left out"]
    assert len(json.dumps(told)) < ORIGINAL + 2000


def test_not_told_where_nothing_is_told_of_the_files():
    spec = in_memory(np.zeros((2, 2), "u1"), original={"who": "somebody"}).spec
    assert b"somebody" in metadata([spec], ["a"])
    assert b"somebody" not in metadata([spec], ["a"], original=False)


def test_never_in_the_attributes():
    tree = OmeZarr().build(Dataset({"": in_memory(np.zeros((2, 2), "u1"), original={"secret": 1})}))
    assert b"secret" not in b"".join(
        bytes(part.data) for part in tree.children["zarr.json"].body().parts if hasattr(part, "data")
    )


def test_long_documents_are_kept_packed():
    """A server keeps them for each of thousands of images."""
    data = b"".join(b"<M K='name %d'>value</M>" % n for n in range(4000))
    tracemalloc.start()
    try:
        kept = [literal_file(data + b"%d" % n, "application/xml", 0) for n in range(20)]
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 20 * len(data) / 4
    for n, file in enumerate(kept):
        (part,) = file.body().parts
        assert bytes(part.data) == data + b"%d" % n
        assert file.size == len(part.data)
