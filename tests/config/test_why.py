"""Why files do not match, and which of them match in two ways: against every way there is, on small alphabets."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3facade.config.kinds import TYPES
from s3facade.config.pattern import compile_pattern
from s3facade.config.why import explain, readings

LAB = "{batch}/{animal}_{stain:[^_]+}_sec{section:int}*.tif"


@pytest.mark.parametrize(
    ("text", "relative", "captures"),
    [
        ("{row:letter}{column:int}_s{field:int}.tif", "A01_s2.tif", {"row": "A", "column": 1, "field": 2}),
        ("{name:letters}{n:int}.tif", "abc007.tif", {"name": "abc", "n": 7}),
        ("{name:word}{n:int}.tif", "a1b007.tif", {"name": "a1b", "n": 7}),
        ("*{n:int}.tif", "s1_img007.tif", {"n": 7}),
        ("{n:int}*.tif", "007_x.tif", {"n": 7}),
        ("{animal}{n:int}.tif", "m12.tif", {"animal": "m", "n": 12}),
        ("{d:date}_{n:int}.tif", "2026-01-31_7.tif", {"d": "2026-01-31", "n": 7}),
        ("*_{d:date}*.tif", "x_20260131T10.tif", {"d": "20260131"}),
        ("{d:date}{t:int}.tif", "20260131101500.tif", {"d": "20260131", "t": 101500}),
        ("{d:date}.tif", "2026.01.31.tif", {"d": "2026.01.31"}),
        ("{w:word}_{x}.tif", "çé1_y.tif", {"w": "çé1", "x": "y"}),
    ],
)
def test_typed_captures(text, relative, captures):
    pattern = compile_pattern(text, Path("/d"))
    assert pattern.match(relative) == captures
    assert readings(pattern, relative) == [captures]


@pytest.mark.parametrize(
    ("text", "relative"),
    [
        ("{d:date}.tif", "20261331.tif"),
        ("{d:date}.tif", "2026-1-31.tif"),
        ("*{d:date}*.tif", "x120260131.tif"),
        ("{row:letter}{n:int}.tif", "AB1.tif"),
        ("{w:word}.tif", "a-b.tif"),
        ("{w:letters}.tif", "a1.tif"),
    ],
)
def test_types_take_nothing_else(text, relative):
    assert compile_pattern(text, Path("/d")).match(relative) is None


TOLD = {
    (LAB, "2023/m12_HE_sec7_40x.tif"): "",
    (LAB, "notes.txt"): "'notes.txt' has no '/' behind '{batch}'",
    (LAB, "2023/m12.tif"): "fits '{batch}/' as far as '2023/', then 'm12.tif' has no '_' behind '{animal}'",
    (LAB, "2023/m12_HE_secx.tif"): (
        "fits '{batch}/{animal}_{stain:[^_]+}_sec' as far as '2023/m12_HE_sec', "
        "then has 'x.tif' where the pattern has '{section:int}'"
    ),
    (LAB, "2023/m12_HE_sec7.czi"): (
        "fits '{batch}/{animal}_{stain:[^_]+}_sec{section:int}' as far as '2023/m12_HE_sec7', "
        "then '.czi' has no '.tif' behind '*'"
    ),
    (LAB, "2023/m12_HE_sec7.TIF"): (
        "fits '{batch}/{animal}_{stain:[^_]+}_sec{section:int}' as far as '2023/m12_HE_sec7', "
        "then '.TIF' has no '.tif' behind '*'; only upper and lower case differ"
    ),
    (LAB, "2023/._m12_HE_sec7.tif"): (
        "fits '{batch}/' as far as '2023/', then has '._m12_HE_sec7.tif' where the pattern has '{animal}', "
        "which leaves out names that start with a dot"
    ),
    ("a/b{n:int}", "b7x"): "fits the whole pattern as far as 'b7', then goes on with 'x'",
    ("{x}_{n:int}.tif", "a_"): "fits '{x}_' as far as 'a_', then ends where the pattern has '{n:int}'",
    ("{x}/{x}.tif", "a/b.tif"): "fits '{x}/' as far as 'a/', then has 'b.tif' where the pattern has '{x}'",
    ("{x}.tif", "y" * 80): "'" + "y" * 59 + "…' has no '.tif' behind '{x}'",
}


@pytest.mark.parametrize(("text", "relative", "said"), [(*case, said) for case, said in TOLD.items()])
def test_a_file_that_does_not_match_is_told_at_which_part(text, relative, said):
    assert explain(compile_pattern(text, Path("/d")), relative) == said


@pytest.mark.parametrize(
    ("text", "relative", "found"),
    [
        (
            "{animal}_{stain}.tif",
            "m_13_Nissl.tif",
            [{"animal": "m_13", "stain": "Nissl"}, {"animal": "m", "stain": "13_Nissl"}],
        ),
        ("{animal}_{stain}.tif", "m13_Nissl.tif", [{"animal": "m13", "stain": "Nissl"}]),
        ("{animal}_{stain:[^_]+}.tif", "m_13_Nissl.tif", [{"animal": "m_13", "stain": "Nissl"}]),
        ("**/{a}/**/{b}.tif", "x/y/z.tif", [{"a": "y", "b": "z"}, {"a": "x", "b": "z"}]),
        ("{a:.+}/{b:.+}", "x/y/z", [{"a": "x/y", "b": "z"}, {"a": "x", "b": "y/z"}]),
        ("{a}.tif", "b.png", []),
    ],
)
def test_a_name_that_can_be_read_in_two_ways_shows_both(text, relative, found):
    pattern = compile_pattern(text, Path("/d"))
    assert readings(pattern, relative) == found
    assert pattern.ambiguous(relative) == (len(found) > 1)


PIECES = ["{a}", "{b:int}", "{c:letters}", "{d:[^_]+}", "_", "x", "1", "?"]


def every(pattern, relative):
    """All readings, by cutting the path at every place: the oracle."""
    import re

    one = {"int": "[0-9]+", "letters": "[A-Za-z]+"}
    ways = [((), 0)]
    for n, part in enumerate(pattern.parts):
        out = []
        for read, at in ways:
            for end in range(at, len(relative) + 1):
                text = relative[at:end]
                if part.kind == "text":
                    good = text == part.text
                elif part.kind == "any":
                    good = len(text) == 1
                elif part.kind == "typed":
                    beside = TYPES[part.inside].beside
                    before = pattern.parts[n - 1].kind == "plain" if n else False
                    behind = pattern.parts[n + 1].kind == "plain" if n + 1 < len(pattern.parts) else False
                    good = re.fullmatch(one[part.inside], text) is not None
                    good = good and not (before and at and re.fullmatch(beside, relative[at - 1]))
                    good = good and not (behind and re.fullmatch(beside, relative[end : end + 1]))
                else:
                    good = bool(text) and (part.kind == "plain" or "_" not in text)
                if good:
                    out.append(((*read, (part.name, text)) if part.name else read, end))
        ways = out
    return {tuple(read) for read, end in ways if end == len(relative)}


@given(parts=st.permutations(PIECES), count=st.integers(1, 5), relative=st.text("a1x_", min_size=1, max_size=7))
def test_ambiguity_against_every_way_to_cut_a_name(parts, count, relative):
    pattern = compile_pattern("".join(parts[:count]), Path("/d"))
    ways = every(pattern, relative)
    assert (pattern.match(relative) is not None) == bool(ways)
    if ways:
        found = readings(pattern, relative)
        if len(ways) > 1 and not any(part.kind == "any" for part in pattern.parts):
            assert len(found) == 2
        if len(ways) == 1:
            assert len(found) == 1
        texts = [tuple((n, str(v)) for n, v in read.items() if n != "b") for read in found]
        assert set(texts) <= {tuple(pair for pair in way if pair[0] != "b") for way in ways}
    else:
        assert explain(pattern, relative)


def test_long_names_take_no_time():
    pattern = compile_pattern("/d/*{a}*{b}*{c}*{d}*.tif", Path("/"))
    begun = time.monotonic()
    for name in ("x" * 250, "_" * 240 + ".tiff", "x" * 240 + ".TIF"):
        assert pattern.match(name) is None
        assert pattern.read(name) is None
        assert not pattern.accepts(f"/d/{name}")
        told = explain(pattern, name)
        assert "'.tif'" in told or "upper and lower case" in told or "goes on with" in told
    assert time.monotonic() - begun < 5
