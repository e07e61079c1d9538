from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3facade.config.pattern import compile_pattern
from s3facade.config.template import compile_template
from s3facade.core.errors import ConfigError


def test_a_template_is_filled_from_captures():
    template = compile_template("{animal}/s{section:03}.ome.zarr")
    assert template.names == ("animal", "section")
    assert template.fill({"animal": "m12", "section": 7, "stem": "x"}) == "m12/s007.ome.zarr"


@pytest.mark.parametrize(
    "text", ["/a", "a/", "a//b", "../a", "a/./b", "{a:%Y}", "{a:x}", "{a:{b}}", "{", "}", "{}", "{:03}"]
)
def test_a_template_that_could_leave_the_bucket_or_is_none_is_refused(text):
    with pytest.raises(ConfigError):
        compile_template(text)


def test_a_value_that_does_not_fit_its_format_is_named():
    with pytest.raises(ConfigError, match="cannot be filled in"):
        compile_template("s{section:03d}").fill({"section": "seven"})


@pytest.mark.parametrize(
    ("text", "captures", "filled"),
    [
        ("{Age (weeks)}w", {"Age (weeks)": "12"}, "12w"),
        ("{Weight [g]:.1f}", {"Weight [g]": "21.46"}, "21.5"),
        ("{ID: old}", {"ID: old": "x"}, "x"),
        ("s{n:03}", {"n": "7"}, "s007"),
        ("s{n:03}", {"n": "0012"}, "s012"),
        ("s{n:02d}", {"n": 7}, "s07"),
        ("{n}", {"n": 7}, "7"),
        ("{x:upper}_{x:lower}", {"x": "He"}, "HE_he"),
        ("{{{x}}}", {"x": "a"}, "{a}"),
        ("{x}", {"x": "a/b"}, "a/b"),
        ("", {}, ""),
    ],
)
def test_columns_and_formats(text, captures, filled):
    assert compile_template(text).fill(captures) == filled


@pytest.mark.parametrize(
    ("text", "captures", "said"),
    [
        ("{x}", {"x": ""}, "the path '{x}' cannot be filled in: it would have an empty component (it becomes '')"),
        (
            "a/{x}",
            {"x": ""},
            "the path 'a/{x}' cannot be filled in: it would have an empty component (it becomes 'a/')",
        ),
        (
            "a/{x}/b",
            {"x": ".."},
            "the path 'a/{x}/b' cannot be filled in: it would have the component '..' (it becomes 'a/../b')",
        ),
        (
            "{x}",
            {"x": "../b"},
            "the path '{x}' cannot be filled in: it would have the component '..' (it becomes '../b')",
        ),
        (
            "{x}",
            {"x": "/etc"},
            "the path '{x}' cannot be filled in: it would have an empty component (it becomes '/etc')",
        ),
        ("{x}", {}, "the path '{x}' cannot be filled in: there is no value for 'x'"),
        ("{x:03}", {"x": "a"}, "the path '{x:03}' cannot be filled in: 'x' is not a whole number (it is 'a')"),
        ("{x:.1f}", {"x": "a"}, "the path '{x:.1f}' cannot be filled in: 'x' is not a number (it is 'a')"),
    ],
)
def test_values_that_make_no_key(text, captures, said):
    with pytest.raises(ConfigError) as caught:
        compile_template(text).fill(captures)
    assert caught.value.explain() == said


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="{}:", exclude_categories=["Cs", "Cc"]), min_size=1)
VALUES = st.text("ab1-. _", min_size=1, max_size=5).filter(lambda text: text not in (".", ".."))


@given(st.lists(st.tuples(NAMES.map(str.strip).filter(bool), VALUES), min_size=1, max_size=4))
def test_any_column_may_be_used(columns):
    text = "-".join(f"x{{{name}}}" for name, _ in columns)
    values = dict(columns)
    assert compile_template(text).fill(values) == "-".join(f"x{values[name]}" for name, _ in columns)


@given(
    animal=st.text("abc1", min_size=1, max_size=4),
    stain=st.text("HE &", min_size=1, max_size=4),
    section=st.integers(0, 10**6),
)
def test_a_name_that_a_template_makes_is_read_back_by_the_pattern(animal, stain, section):
    made = compile_template("{animal}_{stain}_s{section:04}.tif", path=True)
    captures = {"animal": animal, "stain": stain, "section": section}
    pattern = compile_pattern("{animal}_{stain:[^_]+}_s{section:int}.tif", Path("/d"))
    assert pattern.read(made.fill(captures)) == (captures, False)


@given(st.text("{}:0ab ", max_size=8))
def test_a_template_is_refused_with_a_sentence_or_filled(text):
    try:
        template = compile_template(text, path=True)
    except ConfigError as error:
        said = str(error)
    else:
        said = template.fill(dict.fromkeys(template.names, "1"))
    assert isinstance(said, str)


@pytest.mark.parametrize("form", ["0999d", "1000000000d", "99999999"])
def test_numbers_are_not_as_long_as_memory(form):
    with pytest.raises(ConfigError, match=f"has the format '{form}'; write"):
        compile_template(f"{{n:{form}}}")


def test_a_number_of_thousands_of_digits_is_told():
    with pytest.raises(ConfigError, match=r"is not a whole number$"):
        compile_template("{n:03}").fill({"n": "9" * 5000})


def test_an_empty_value_makes_no_hidden_name():
    with pytest.raises(ConfigError, match=r"the value of 'x' is empty, and the name would begin with a dot"):
        compile_template("a/{x}.ome.zarr").fill({"x": ""})
    assert compile_template("a/.{x}").fill({"x": "b"}) == "a/.b"
    assert compile_template("{a}_{x}.zarr").fill({"a": "m1", "x": ""}) == "m1_.zarr"


def test_what_values_are_is_not_for_anybody():
    with pytest.raises(ConfigError) as caught:
        compile_template("{x:03}").fill({"x": "secret"})
    assert "secret" not in str(caught.value)
