"""The law behind the figures, with room for a busy machine: a chunk costs no more than by h5py."""

from __future__ import annotations

from conformance.bench.readers_hdf5 import hdf5


def test_chunks_are_read_as_quickly_as_by_h5py(tmp_path):
    for figure in hdf5(tmp_path, rounds=3, side=128):
        if "1 thread" in figure.what:
            assert figure.value > 0.8, figure
