"""Grids of words against brute force, alone and below folders."""

from __future__ import annotations

from itertools import islice, product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_keyspace import LEAF, brute, resolve

from s3facade.core.keyspace import Dir, find, scan
from s3facade.core.named import NamedGrid

ALPHABET = "-019a~é_/."


def ranges(size: int, chunk: int, offset: int) -> list[str]:
    return [f"{offset + a}-{offset + min(a + chunk, size)}" for a in range(0, size, chunk)]


boxes = st.builds(ranges, st.integers(1, 900), st.integers(40, 130), st.sampled_from([0, 5, 96, 1000, -70]))
texts = st.lists(st.text([c for c in ALPHABET if c not in "_/"], min_size=1, max_size=3), min_size=1, unique=True)
grids = st.builds(
    lambda words, separator, suffix: NamedGrid(tuple(words), lambda index: LEAF, separator, suffix),
    st.lists(boxes | texts, min_size=1, max_size=3).filter(lambda w: len(w[0]) * len(w[-1]) < 300),
    st.sampled_from(["_", "/"]),
    st.sampled_from(["", ".gz", "_x", "/a", "0"]),
)
trees = st.dictionaries(st.sampled_from(["a", "a-", "0", "0.", "1_1_1"]), grids | st.just(LEAF), max_size=3).map(Dir)


def keys_of(grid: NamedGrid) -> list[str]:
    return [grid.separator.join(words) + grid.suffix for words in product(*grid.words)]


def every_key(tree: Dir) -> list[str]:
    found = []
    for name, child in tree.children.items():
        found += [f"{name}/{key}" for key in keys_of(child)] if isinstance(child, NamedGrid) else [name]
    return found


@given(trees, st.data())
def test_scan_lists_what_brute_force_lists(tree: Dir, data: st.DataObject) -> None:
    keys = every_key(tree)
    free = st.text(ALPHABET, max_size=6)
    near = st.sampled_from(keys).flatmap(lambda k: st.integers(0, len(k)).map(lambda n: k[:n])) if keys else free
    prefix = data.draw(near | free)
    bound = data.draw(near | free | near.map(lambda k: k + "~") | near.map(lambda k: k + "0"))
    delimiter = data.draw(st.sampled_from(["", "/", "_", "-", "1"]))
    got = [
        (e.key, e.file is None) for e in scan(tree, prefix=prefix, bound=bound, delimiter=delimiter, resolve=resolve)
    ]
    assert got == brute(keys, prefix, bound, delimiter)


@given(grids, st.text(ALPHABET, max_size=8), st.data())
def test_a_grid_alone(grid: NamedGrid, other: str, data: st.DataObject) -> None:
    keys = keys_of(grid)
    assert grid.size == len(keys) == len(set(keys))
    assert [key for _, key in grid.keys("", "")] == sorted(keys, key=str.encode)
    for index, key in islice(grid.keys("", ""), 50):
        assert grid.parse(key) == index
    changed = data.draw(st.sampled_from(keys)) + data.draw(st.sampled_from(["0", "_", grid.suffix]))
    for text in (other, changed, changed[1:]):
        assert (grid.parse(text) is not None) == (text in keys), text
    bound = data.draw(st.sampled_from(keys).map(lambda k: k[: len(k) // 2 + 1]) | st.just(other))
    assert [key for _, key in grid.keys("", bound)] == [k for k in sorted(keys) if k >= bound]


def test_bounds_sort_as_text() -> None:
    grid = NamedGrid((ranges(700, 64, 0), ["0-1"]), lambda index: LEAF)
    names = [key.partition("_")[0] for _, key in grid.keys("", "")]
    assert names[:2] == ["0-64", "128-192"]
    assert names[-2:] == ["64-128", "640-700"]
    assert find(Dir({"s": grid}), "s/640-700_0-1", resolve) is LEAF
    assert find(Dir({"s": grid}), "s/640-704_0-1", resolve) is None
    assert find(Dir({"s": grid}), "s/00-64_0-1", resolve) is None


def test_a_page_of_a_huge_grid_costs_the_page() -> None:
    made: list[tuple[int, ...]] = []
    words = tuple(ranges(64 * 2000, 64, 0) for _ in range(3))
    tree = Dir({"s": NamedGrid(words, lambda index: made.append(index) or LEAF)})
    page = list(islice(scan(tree, bound="s/640-704_9", resolve=resolve), 1000))
    assert len(page) == len(made) == 1000
    assert page[0].key == "s/640-704_90048-90112_0-64"


@pytest.mark.parametrize("words", [(), (("a", "a"),), (("",),), (("a_b",),)])
def test_words_that_would_make_two_spellings_of_a_key_are_refused(words: tuple[tuple[str, ...], ...]) -> None:
    with pytest.raises(ValueError, match=r"must differ|at least one axis"):
        NamedGrid(words, lambda index: LEAF)
