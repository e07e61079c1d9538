"""The laws that hold on any machine, with room for a busy one; the figures themselves are in docs/benchmarks.md."""

from __future__ import annotations

import pytest

from conformance.bench import computed, mapping, measure, pipelines, rival, viewers
from conformance.bench.load import WRK

needs_rival = pytest.mark.skipif(
    rival.NGINX is None or WRK is None, reason="nginx or wrk is not installed (conformance/install.sh)"
)


@needs_rival
def test_bodies_in_memory_leave_at_about_the_price_of_copying_them(tmp_path):
    figures = measure.static(tmp_path, seconds=1, rounds=2, sizes=("256 KiB", "1 MiB"), tuned=False)
    for figure in figures:
        if figure.floor is not None and figure.goal is not None:
            assert figure.floor > 0.35, figure
        if figure.what == "HEAD per CPU-second":
            assert figure.value > 10_000, figure


@needs_rival
def test_a_page_costs_the_page_and_not_the_bucket(tmp_path):
    (figure,) = measure.listing(tmp_path, seconds=1, rounds=2)
    assert figure.value < 2, figure


def test_first_chunk_of_an_unconverted_file(tmp_path):
    large = tmp_path / "large.ome.tif"
    measure.write_large(large, repeats=3)
    request, _ = measure.first_chunk(tmp_path, large)
    assert request.value < 1, request


def test_memory_stays_near_the_budget(tmp_path):
    (figure,) = measure.crowd(tmp_path, tmp_path / "large.ome.tif", repeats=4)
    assert figure.met, figure


@needs_rival
def test_a_computed_level_costs_about_what_decoding_does(tmp_path):
    (figure,) = computed.halved(tmp_path, seconds=1, rounds=2, side=8192)
    assert figure.value > 0.3, figure


def test_affine_chunks_are_as_quick_as_those_of_scipy(tmp_path):
    pytest.importorskip("cv2", reason="opencv-python-headless is not installed (extra conformance)")
    for figure in computed.affine(tmp_path, rounds=2):
        if figure.what.endswith("scipy.ndimage"):
            assert figure.value > 0.5, figure


def test_pipelines_of_others_give_the_same_and_are_slower(tmp_path):
    pytest.importorskip("dask", reason="dask is not installed (extra conformance)")
    for figure in pipelines.pipelines(tmp_path, rounds=1, count=4):
        assert figure.value > (2 if "dask" in figure.what else 0.5), figure


def test_viewers_find_again_what_they_saw(tmp_path):
    cold, warm = viewers.panning(tmp_path, viewers=8, moves=4, side=8192)
    assert warm.value < cold.value, (cold, warm)


@needs_rival
def test_computed_chunks_leave_nothing_in_memory(tmp_path):
    (figure,) = viewers.steady(tmp_path, requests=20_000, side=8192)
    assert figure.value < 100, figure


def test_a_small_tree_is_served_in_both_views(tmp_path):
    found = mapping.mapping(tmp_path, subjects=3, each=8)
    assert len(found) == 5 * len(mapping.VIEWS)
    for figure in found:
        if figure.what.endswith(("added file is listed", "page of 1,000 keys")):
            assert figure.met, figure
