import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3facade.core.errors import BadRange
from s3facade.s3.ranges import resolve


@given(st.integers(0, 40), st.integers(0, 50), st.one_of(st.none(), st.integers(0, 50)))
def test_like_slicing(size, first, last):
    data = bytes(range(size))
    header = f"bytes={first}-{'' if last is None else last}"
    expected = data[first:] if last is None else data[first : last + 1]
    if last is not None and last < first:
        assert resolve(header, size) is None
    elif first >= size:
        with pytest.raises(BadRange) as caught:
            resolve(header, size)
        assert caught.value.fields["ActualObjectSize"] == str(size)
    else:
        start, stop = resolve(header, size)
        assert data[start:stop] == expected


@given(st.integers(0, 40), st.integers(0, 50))
def test_suffixes(size, n):
    data = bytes(range(size))
    if n == 0 or size == 0:
        with pytest.raises(BadRange):
            resolve(f"bytes=-{n}", size)
    else:
        start, stop = resolve(f"bytes=-{n}", size)
        assert data[start:stop] == data[-n:]


@pytest.mark.parametrize(
    "header",
    ["", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1-2,4-5", "bytes=5-2", "items=0-1", "bytes=0x1-2",
     "bytes=1-2;", "bytes=--1", "bytes=+1-2", "bytes=٣-٤", "0-1", "bytes=1.0-2", "bytes=1-2-3"],
)  # fmt: skip
def test_malformed_is_the_whole(header):
    assert resolve(header, 10) is None


@pytest.mark.parametrize(
    ("header", "span"),
    [("bytes=0-99999999999999999999999999", (0, 10)), ("Bytes=0-0", (0, 1)), (" bytes = 1 - 2 ", (1, 3)),
     ("bytes=-99999999999999999999", (0, 10)), ("bytes=0003-", (3, 10)), ("bytes=-" + "9" * 6000, (0, 10))],
)  # fmt: skip
def test_odd_but_good(header, span):
    assert resolve(header, 10) == span


@given(st.text(max_size=20))
def test_never_fails_otherwise(header):
    try:
        span = resolve(f"bytes={header}", 10)
    except BadRange:
        assert re.search(r"\d", header)
    else:
        assert span is None or 0 <= span[0] < span[1] <= 10
