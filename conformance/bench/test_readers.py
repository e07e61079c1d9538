"""Readers are measured against libraries that give the same pixels; how quick they are is in docs/benchmarks.md."""

from __future__ import annotations

import math

import pytest

from conformance.bench.readers_hdf5 import hdf5
from conformance.bench.readers_index import index
from conformance.bench.readers_slides import slides
from conformance.bench.readers_tiff import tiff
from conformance.bench.readers_volumes import volumes

MEASURES = {
    "hdf5": lambda folder: hdf5(folder, rounds=1, side=128),
    "index": lambda folder: index(folder, files=200),
    "slides": lambda folder: slides(folder, rounds=1, side=512),
    "tiff": lambda folder: tiff(folder, rounds=1, side=1024),
    "volumes": lambda folder: volumes(folder, rounds=1, megabytes=32),
}


@pytest.mark.parametrize("name", MEASURES)
def test_measures_what_is_equal(name, tmp_path):
    figures = MEASURES[name](tmp_path)
    assert figures
    assert all(math.isfinite(figure.value) and figure.value > 0 for figure in figures)
