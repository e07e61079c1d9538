"""Listing and lookup against brute force, over random trees."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product

from hypothesis import given
from hypothesis import strategies as st

from s3facade.core.keyspace import Deferred, Dir, Entry, File, Grid, Node, find, following, scan, seek
from s3facade.core.objects import Literal, Object

LEAF = File(size=1, media_type="x", identity="i", modified=0, body=lambda: Object((Literal(b"x"),)))
UNSIZED = File(size=None, media_type="x", identity="i", modified=0, body=LEAF.body)
ALPHABET = "-./019a~é\U0001f600"

names = st.text([c for c in ALPHABET if c != "/"], min_size=1, max_size=3)
grids = st.builds(
    Grid,
    st.lists(st.integers(1, 12), min_size=1, max_size=3).map(tuple),
    st.sampled_from([lambda index: LEAF, lambda index: UNSIZED if sum(index) % 2 else LEAF]),
    st.sampled_from(["/", ".", "-"]),
    st.sampled_from(["", "/zarr.json", ".png"]),
)
trees = st.recursive(
    st.dictionaries(names, st.just(LEAF) | grids, max_size=4).map(Dir),
    lambda inner: st.dictionaries(names, inner | inner.map(Deferred) | st.just(LEAF) | grids, max_size=4).map(Dir),
    max_leaves=8,
)
texts = st.text(ALPHABET, max_size=6)


def resolve(node: Deferred) -> Dir | Grid:
    assert isinstance(node.token, Dir | Grid)
    return node.token


def every_key(node: Node, base: str = "") -> Iterator[str]:
    """All keys by plain recursion, in no order."""
    if isinstance(node, Deferred):
        node = resolve(node)
    if isinstance(node, File):
        yield base
    elif isinstance(node, Grid):
        for index in product(*map(range, node.shape)):
            yield base + node.separator.join(map(str, index)) + node.suffix
    else:
        for name, child in node.children.items():
            yield from every_key(child, base + name + ("" if isinstance(child, File) else "/"))


def brute(keys: list[str], prefix: str, bound: str, delimiter: str) -> list[tuple[str, bool]]:
    """The listing by the definition: filter, sort as bytes, roll up."""
    out: list[tuple[str, bool]] = []
    for key in sorted((k for k in keys if k.startswith(prefix) and k >= bound), key=str.encode):
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        item = (key, False) if at < 0 else (key[: at + len(delimiter)], True)
        if item not in out[-1:]:
            out.append(item)
    return out


def nonempty(node: Node) -> bool:
    return any(True for _ in every_key(node))


@given(trees, st.data())
def test_scan_lists_what_brute_force_lists(tree: Dir, data: st.DataObject) -> None:
    keys = list(every_key(tree))
    near = st.sampled_from(keys).flatmap(lambda k: st.integers(0, len(k)).map(lambda n: k[:n])) if keys else texts
    prefix = data.draw(near | texts)
    bound = data.draw(near | texts | near.map(lambda k: k + "~"))
    delimiter = data.draw(st.sampled_from(["", "/", "1", "/0", "a", "."]))
    got = [
        (e.key, e.file is None) for e in scan(tree, prefix=prefix, bound=bound, delimiter=delimiter, resolve=resolve)
    ]
    expected = brute(keys, prefix, bound, delimiter)
    # A folder that is not opened is listed although it may turn out to be empty.
    assert [g for g in got if g in expected] == expected
    assert all(g[1] for g in got if g not in expected)
    assert got == sorted(got, key=lambda g: g[0].encode())


@given(trees, texts)
def test_find_knows_exactly_the_keys(tree: Dir, other: str) -> None:
    keys = set(every_key(tree))
    assert all(find(tree, key, resolve) in (LEAF, UNSIZED) for key in keys)
    assert (find(tree, other, resolve) is not None) == (other in keys)


@given(st.integers(1, 3000))
def test_numbers_follow_in_text_order(n: int) -> None:
    order, value = [0], following(0, n)
    while value is not None:
        order.append(value)
        value = following(value, n)
    assert [str(v) for v in order] == sorted(map(str, range(n)))


@given(st.integers(1, 400), st.text("0123456789/-.a", max_size=5), st.sampled_from(["", "/", ".x"]))
def test_seek_finds_the_first_number_not_before(n: int, rest: str, tail: str) -> None:
    expected = next((v for v in sorted(range(n), key=lambda v: f"{v}{tail}") if f"{v}{tail}" >= rest), None)
    assert seek(rest, tail, n, last=True) == expected


def test_keys_have_one_spelling() -> None:
    tree = Dir({"c": Grid((20, 20), lambda index: LEAF)})
    assert find(tree, "c/0/10", resolve) is LEAF
    for key in (
        "c/00/0",
        "c/0/+1",
        "c/0/ 1",
        "c/0/\u0661",
        "c/0/20",
        "c/0",
        "c/0/0/",
        "c//0/0",
        "c/0/0/0",
        "c/-0/0",
        "c",
        "",
    ):
        assert find(tree, key, resolve) is None, key


def test_a_page_of_a_huge_grid_costs_the_page() -> None:
    made: list[tuple[int, ...]] = []
    tree = Dir({"c": Grid((10**6, 10**6, 10**6), lambda index: made.append(index) or LEAF)})
    page = list(islice(scan(tree, bound="c/9/99/7", resolve=resolve), 1000))
    assert len(page) == len(made) == 1000
    assert page[0].key == "c/9/99/7"
    rolled = [e.key for e in islice(scan(tree, prefix="c/", delimiter="/", resolve=resolve), 3)]
    assert rolled == ["c/0/", "c/1/", "c/10/"]


def test_unopened_folders_are_listed_without_opening_one() -> None:
    def refuse(node: Deferred) -> Dir | Grid:
        raise AssertionError(node)

    tree = Dir({f"{i}.ome.zarr": Deferred(i) for i in range(3)} | {"readme": LEAF})
    listed = list(scan(tree, delimiter="/", resolve=refuse))
    assert listed == [Entry(f"{i}.ome.zarr/", None) for i in range(3)] + [Entry("readme", LEAF)]
    assert list(scan(tree, prefix="none", resolve=refuse)) == []
