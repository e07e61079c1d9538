"""The law behind the figures, with room for a busy machine: a tile of one's choice costs no more than by tifffile."""

from __future__ import annotations

from conformance.bench.readers_tiff import tiff


def test_tiles_are_read_as_quickly_as_by_tifffile(tmp_path):
    for figure in tiff(tmp_path, rounds=2, side=1024):
        if figure.goal is not None and "1 thread" in figure.what:
            assert figure.value > 1, figure
