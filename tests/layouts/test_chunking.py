"""Chunk and shard shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3facade.core.errors import Unsupported
from s3facade.core.spec import Axis, Level, Spec
from s3facade.layouts.chunking import SHARD_BYTES, SHARD_CHUNKS, chunk_shape, power, tiling


def spec_of(shape, dtype="u2", block=None):
    level = Level(shape, (1.0,) * len(shape), (0.0,) * len(shape), block or (1,) * len(shape))
    return Spec(tuple(Axis(n) for n in "tczyx"[-len(shape) :]), np.dtype(dtype), (level,))


@pytest.mark.parametrize(
    ("shape", "dtype", "block", "expected"),
    [
        ((9000, 9000), "u2", (1, 1), (512, 512)),
        ((9000, 9000), "u2", (256, 256), (256, 256)),
        ((9000, 9000), "u2", (1024, 1024), (1024, 1024)),
        ((9000, 9000), "f4", (1024, 1024), (512, 512)),
        ((9000, 9000), "u2", (240, 240), (512, 512)),
        ((9000, 9000), "u2", (128, 128), (512, 512)),
        ((9000, 9000), "u2", (9000, 9000), (512, 512)),
        ((9000, 9000), "c16", (1, 1), (256, 256)),
        ((2, 3, 15, 900, 900), "u2", None, (1, 1, 1, 512, 512)),
        ((2, 3, 16, 900, 900), "u2", None, (1, 1, 64, 64, 64)),
        ((200, 900, 900), "u1", None, (64, 128, 128)),
        ((200, 900, 900), "f4", None, (64, 64, 64)),
        ((200, 900, 900), "f8", None, (32, 64, 64)),
    ],
)
def test_chunks_follow_the_kind_of_image(shape, dtype, block, expected):
    assert chunk_shape(spec_of(shape, dtype, block)) == expected


@pytest.mark.parametrize(
    ("shape", "chunk", "counts"),
    [
        ((20000, 20000), (512, 512), (16, 32)),
        ((1000, 20000), (512, 512), (2, 40)),
        ((300, 200), (512, 512), (1, 1)),
        ((100, 30), (128, 128), (1, 1)),
        ((10, 2048, 2048), (1, 512, 512), (10, 4, 4)),
        ((20, 2048, 2048), (32, 64, 64), (1, 32, 32)),
        ((2, 1024, 1024, 1024), (1, 64, 64, 64), (1, 8, 8, 8)),
    ],
)
def test_shards_cover_small_levels_and_stop_at_the_limits(shape, chunk, counts):
    cut = tiling(spec_of(shape), 0)
    assert cut.chunk == chunk
    assert math.prod(cut.counts) <= SHARD_CHUNKS
    assert cut.counts == counts


@given(
    st.lists(st.integers(1, 10**5), min_size=2, max_size=5).map(tuple),
    st.sampled_from(["u1", "u2", "f4", "f8"]),
)
def test_rules_hold_for_any_shape(shape, dtype):
    cut = tiling(spec_of(shape, dtype), 0)
    size = math.prod(cut.chunk) * np.dtype(dtype).itemsize
    assert all(n == power(n) for n in cut.chunk)
    assert cut.chunk[-1] == cut.chunk[-2]
    assert size <= 2 * 2**20
    assert math.prod(cut.counts) <= SHARD_CHUNKS
    assert math.prod(cut.counts) * size <= SHARD_BYTES
    assert set(cut.chunk[:-3] + cut.counts[:-3]) <= {1}
    assert all((k - 1) * c < n for k, c, n in zip(cut.counts, cut.chunk, shape, strict=True))


def test_overrides():
    volume, plane = spec_of((200, 900, 900)), spec_of((3, 900, 900))
    assert tiling(volume, 0, chunks=32, shards=128).outer == (128, 128, 128)
    assert tiling(volume, 0, chunks={"z": 1}).chunk == (1, 64, 64)
    assert tiling(plane, 0, chunks=100).chunk == (1, 100, 100)
    assert tiling(plane, 0, chunks={"t": 5}).chunk == (1, 512, 512)
    assert tiling(plane, 0, chunks=64, shards={"y": 128}).counts[1] == 2
    assert tiling(plane, 0, chunks=64, shards=4096).counts[1:] == (15, 15)
    assert tiling(spec_of((50, 50)), 0, chunks=100, shards=200).outer == (64, 64)
    assert tiling(plane, 0, shards=False).counts is None
    assert tiling(plane, 0, shards=True) == tiling(plane, 0)


@pytest.mark.parametrize(
    "options",
    [
        {"chunks": 0},
        {"chunks": {"q": 4}},
        {"chunks": 64, "shards": 100},
        {"chunks": 1, "shards": 512},
        {"chunks": True},
    ],
)
def test_refuses_options_that_do_not_fit(options):
    with pytest.raises(Unsupported):
        tiling(spec_of((900, 900)), 0, **options)
