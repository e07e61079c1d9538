"""Every real file opens with tifffile's pixels at every level, or is refused with a sentence."""

import os

import numpy as np
import pytest

from conformance.corpus.corpus import ask, files, oracle, root, voxels

REFUSED: dict[str, str] = {}
"""Files that may be refused: name and part of the sentence. Each was looked at."""


def test_the_corpus_is_there():
    if root() is None:
        if os.environ.get("CI"):
            pytest.fail("no corpus: set S3FACADE_CORPUS to a folder of real images")
        pytest.skip("no corpus: only the committed samples are compared")
    assert len(files()) > 100


@pytest.mark.parametrize("path", files(), ids=lambda p: f"{p.parent.name}/{p.name}")
@pytest.mark.filterwarnings("ignore")
def test_pixels_equal_or_refused(path):
    answer = ask(path)
    if not answer.images:
        assert path.name in REFUSED, answer.refusal
        assert REFUSED[path.name] in answer.refusal
        return
    for i, raster in enumerate(answer.images):
        for level in range(len(raster.spec.levels)):
            want = oracle(path, raster, i, level, len(answer.images))
            assert want.dtype == raster.spec.dtype
            np.testing.assert_array_equal(voxels(raster, level), want)
