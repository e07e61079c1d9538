"""Any byte range of any object equals slicing the whole."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from s3facade.core.identity import canonical, digest, etag
from s3facade.core.objects import Cut, Literal, Object, Run, Segment, cut

runs = st.tuples(st.integers(1, 5), st.integers(1, 7), st.integers(0, 255)).map(
    lambda t: Run(t[0], t[1], lambda i: Literal(bytes([(t[2] + i) % 256]) * t[1]))
)
objects = st.lists(st.binary(max_size=9).map(Literal) | runs, max_size=6).map(lambda parts: Object(tuple(parts)))


def data(segment: Segment) -> bytes:
    assert isinstance(segment, Literal)
    return segment.data


def joined(cuts: list[Cut]) -> bytes:
    return b"".join(data(c.segment)[c.lo : c.hi] for c in cuts)


@given(objects, st.data())
def test_every_range_equals_slicing_the_whole(obj: Object, draw: st.DataObject) -> None:
    whole = joined(list(cut(obj, 0, obj.size)))
    assert len(whole) == obj.size
    start = draw.draw(st.integers(0, obj.size))
    stop = draw.draw(st.integers(start, obj.size))
    cuts = list(cut(obj, start, stop))
    assert joined(cuts) == whole[start:stop]
    assert all(c.lo < c.hi for c in cuts)


def test_a_range_makes_only_the_segments_it_touches() -> None:
    made: list[int] = []

    def make(i: int) -> Literal:
        made.append(i)
        return Literal(b"0123456789")

    obj = Object((Run(10**9, 10, make), Literal(b"tail")))
    assert joined(list(cut(obj, 10**10 - 15, 10**10 + 2))) == b"56789" + b"0123456789" + b"ta"
    assert made == [10**9 - 2, 10**9 - 1]


def test_an_etag_is_decimal_digits_and_a_hyphen() -> None:
    tag = etag("identity", "a/b")
    assert tag[:-1].isdecimal()
    assert tag.endswith("-")
    assert tag != etag("identity", "a/c")
    assert tag != etag("other", "a/b")


def test_digests_see_types_and_ignore_the_order_of_mappings() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    assert digest(Literal(b"")) != digest({"data": b""})
    assert canonical((1, "x", None)) == '[1,"x",null]'
