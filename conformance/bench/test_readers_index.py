"""The law behind the figures, with room for a busy machine: a restart parses nothing again."""

from __future__ import annotations

from conformance.bench.readers_index import index


def test_a_warm_index_is_quicker_than_parsing(tmp_path):
    figures = {figure.what: figure for figure in index(tmp_path, files=500)}
    for what, figure in figures.items():
        if figure.goal is not None:
            assert figure.value < 3 * figure.goal * 500 / 10_000, figure
        if what.startswith("tiff: "):
            assert figure.value > 1.5, figure
