"""Path patterns against the file system's own globbing, and against what a reader of a pattern expects."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3facade.config.pattern import compile_pattern
from s3facade.core.errors import ConfigError

BASE = Path("/data")


@pytest.mark.parametrize(
    ("text", "root", "relative", "captures"),
    [
        ("/d/scans/**/{name}.ome.tif", "/d/scans", "brain.ome.tif", {"name": "brain"}),
        ("/d/scans/**/{name}.ome.tif", "/d/scans", "a/b/brain.ome.tif", {"name": "brain"}),
        ("{batch}/{animal}_sec{n:int}.tif", "/data", "2023/m12_sec007.tif", {"batch": "2023", "animal": "m12", "n": 7}),
        ("{animal}_{stain:[^_]+}_x.tif", "/data", "m_1_crs_x.tif", {"animal": "m_1", "stain": "crs"}),
        ("p{n:\\d{2}}.tif", "/data", "p12.tif", {"n": "12"}),
        ("{all:.+}.tif", "/data", "a/b/c.tif", {"all": "a/b/c"}),
        ("{all:[^_/]+|[a-z/]+}.tif", "/data", "a/b/c.tif", {"all": "a/b/c"}),
        ("{b:[^]_]+}.tif", "/data", "a-b.tif", {"b": "a-b"}),
        ("{a}/{a}_x.tif", "/data", "m/m_x.tif", {"a": "m"}),
        ("../other/?.tif", "/other", "x.tif", {}),
        ("**", "/data", "a/b", {}),
        ("one.tif", "/data", "one.tif", {}),
        ("a[1].tif", "/data", "a[1].tif", {}),
    ],
)
def test_a_matching_path_gives_its_captures(text, root, relative, captures):
    pattern = compile_pattern(text, BASE)
    assert pattern.root == Path(root)
    assert pattern.match(relative) == captures
    assert pattern.accepts(Path(root) / relative)


@pytest.mark.parametrize(
    ("text", "relative"),
    [
        ("{name}.tif", "a/b.tif"),
        ("*.tif", ".hidden.tif"),
        ("{name}.tif", "._b.tif"),
        ("**/{name}.tif", ".trash/b.tif"),
        ("{a}/{a}_x.tif", "m/n_x.tif"),
        ("{n:int}.tif", "٣.tif"),
        ("?.tif", "ab.tif"),
        ("{name}.tif", "b.tif\n"),
        ("{name}.tif", "bxtif"),
        ("{a}_{b:[^_]+}.tif", "x_a/b.tif"),
        ("{b:[^]_]+}.tif", "a/b.tif"),
        ("{b:(?:[^_.]|-)+}.tif", "a/b.tif"),
    ],
)
def test_other_paths_do_not_match(text, relative):
    assert compile_pattern(text, BASE).match(relative) is None


@pytest.mark.parametrize(
    "text", ["", "dir/", "{name", "{1a}.tif", "{a:(}.tif", "a**/b", "{a}{a:int}.tif", "{}.tif", "{a b}"]
)
def test_a_pattern_that_cannot_be_meant_is_refused_with_a_sentence(text):
    with pytest.raises(ConfigError, match=r"\w+ \w+"):
        compile_pattern(text, BASE)


@pytest.mark.parametrize(
    ("text", "depth"),
    [("*.tif", 1), ("{a}/{n:int}.tif", 2), ("{a}/{b:[^_]+}_*", 2), ("**/a.tif", None), ("{a:.+}", None)],
)
def test_the_depth_of_a_walk_is_known_where_it_is_fixed(text, depth):
    assert compile_pattern(text, BASE).depth == depth


NAME = st.text("ab.", min_size=1, max_size=3).filter(lambda s: s not in {".", ".."})


@given(
    paths=st.lists(st.lists(NAME, min_size=1, max_size=3), min_size=1, max_size=6),
    parts=st.lists(st.sampled_from(["*", "a", "?", "*b", "a?", "**"]), min_size=1, max_size=3),
)
def test_wildcards_mean_what_they_mean_to_a_shell(paths, parts, tmp_path_factory):
    """Oracle: `glob.glob`, on a real tree."""
    import glob
    import os

    if parts[-1] == "**":
        parts = [*parts, "*"]
    root = tmp_path_factory.mktemp("glob")
    for path in paths:
        at = root.joinpath(*path)
        if not at.exists() and not any(p.is_file() for p in at.parents):
            at.parent.mkdir(parents=True, exist_ok=True)
            at.touch()
    text = "/".join(parts)
    expected = {p for p in glob.glob(text, root_dir=root, recursive=True) if (root / p).is_file()}
    pattern = compile_pattern(text, root)
    files = {os.path.relpath(os.path.join(d, f), root) for d, _, names in os.walk(root) for f in names}
    assert {f for f in files if pattern.accepts(root / f)} == expected
