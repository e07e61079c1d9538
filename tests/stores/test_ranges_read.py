"""Any ranges, read in any order and any way, are the bytes of the file; kept blocks stay within their limit."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from fault_server import FaultServer, fault_server
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3facade.core.image import Source
from s3facade.stores import files
from s3facade.stores.blocks import BLOCK
from s3facade.stores.pieces import GAP, LARGEST, Piece, together
from s3facade.stores.transport import Address

SIZE = 9 * BLOCK + 1234
DATA = random.Random(7).randbytes(SIZE)
LIMIT = 3 * BLOCK
edges = st.sampled_from([n * BLOCK + d for n in range(10) for d in (-1, 0, 1) if 0 <= n * BLOCK + d <= SIZE])
places = st.one_of(st.integers(0, SIZE), edges)
ranges = st.tuples(places, places).map(sorted)


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with fault_server({"a": DATA}) as running:
        files.register({"web": Address(running.url)}, memory=LIMIT)
        yield running
        files.register({})


@given(st.lists(st.tuples(st.booleans(), st.lists(ranges, min_size=1, max_size=5)), min_size=1, max_size=5))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_are_those_of_the_file(server: FaultServer, reads: list[tuple[bool, list[list[int]]]]) -> None:
    file = files.file(files.describe("web:/a"))
    for exact, wanted in reads:
        if exact:
            parts = files.read_many([(file, a, b - a) for a, b in wanted])
            assert parts == [DATA[a:b] for a, b in wanted]
        else:
            assert [file.pread(a, b - a) for a, b in wanted] == [DATA[a:b] for a, b in wanted]
    assert files.store("web:/").blocks.held_bytes <= LIMIT


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 40 << 20), st.integers(1, 9 << 20))))
def test_groups_hold_every_piece_once_and_nothing_far(given_pieces: list[tuple[str, int, int]]) -> None:
    pieces = [Piece(Source(name, 1 << 30, 0, "e"), start, start + n) for name, start, n in given_pieces]
    groups = together(pieces)
    assert sorted(map(repr, pieces)) == sorted(repr(p) for group in groups for p in group)
    for group in groups:
        assert len({p.source for p in group}) == 1
        assert group[0].start == min(p.start for p in group)
        assert len(group) == 1 or max(p.stop for p in group) - group[0].start <= LARGEST
        end = group[0].stop
        for piece in group:
            assert piece.start - end <= GAP
            end = max(end, piece.stop)
