"""Steps as they are written: short forms, units, marks in nested types, and every way to get them wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar, Literal

import jsonschema
import pytest

from s3facade import registry
from s3facade.config.document import parse
from s3facade.config.settings import StepConfig
from s3facade.config.steps import make, parameter_files, read_step, split
from s3facade.core.errors import ConfigError, Unsupported
from s3facade.core.options import Length, OtherImage, ParameterFile, Position


@dataclass(frozen=True, slots=True)
class Onto:
    """Nested options."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    spacing: Length | Mapping[str, Length] | None = None
    files: tuple[ParameterFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Everything:
    """One of each."""

    pick: tuple[int | str, ...] = ()
    """Channels, by number or name."""
    name: str | None = None
    flag: bool = False
    factor: float = 1.0
    at: Mapping[str, tuple[Position | int, Position | int]] | None = None
    matrix: tuple[tuple[float, ...], ...] | ParameterFile = ()
    onto: Onto | None = None
    method: Literal["nearest", "linear"] = "linear"

    def __post_init__(self) -> None:
        if self.factor < 0:
            raise Unsupported("A factor must not be negative.")
        if isinstance(self.matrix, str) and self.matrix.endswith(".bad"):
            raise ValueError("no such ending")


@dataclass(frozen=True, slots=True)
class Both:
    """Takes other images."""

    image: OtherImage
    more: Mapping[str, OtherImage] | None = None
    index: tuple[int | float | str, ...] = ()

    def needs(self) -> None:
        """Makes it a combination."""


@dataclass(frozen=True, slots=True)
class Bare:
    """Has no options."""


HERE = {"everything": "Everything", "both": "Both", "bare": "Bare"}


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """The classes above, as if a package had registered them."""
    group = registry._group("transforms")
    points = {n: EntryPoint(n, f"{__name__}:{c}", "s3facade.transforms") for n, c in HERE.items()}
    group.update(points)
    yield
    for name in points:
        del group[name]
    registry._load.cache_clear()


def read(text: str) -> StepConfig:
    document = parse(f"steps:\n  - {text}\n", Path("/base/config.yaml"), {})
    assert isinstance(document.value, dict)
    name, value = split(document.value["steps"][0])
    at = ("steps", 0, name)
    return read_step(name, value, document, at if at in document.lines else at[:-1])


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("everything: [0, DAPI]", Everything(pick=(0, "DAPI"))),
        ('everything: ["0"]', Everything(pick=("0",))),
        ("everything: {name: 10, pick: [1]}", Everything(name="10", pick=(1,))),
        ("everything: {name: true}", Everything(name="true")),
        ("everything: {flag: true, factor: 2}", Everything(flag=True, factor=2.0)),
        ("everything: {factor: +.inf}", Everything(factor=math.inf)),
        ("everything: {factor: 1e-3}", Everything(factor=0.001)),
        ("everything: {at: {x: [10 um, 500], y: [-1 mm, 3]}}", Everything(at={"x": (10.0, 500), "y": (-1000.0, 3)})),
        ("everything: {matrix: [[1, 0], [0, 1]]}", Everything(matrix=((1.0, 0.0), (0.0, 1.0)))),
        ("everything: {onto: {spacing: 5 um}}", Everything(onto=Onto(spacing=5.0))),
        ("everything: {onto: {spacing: {x: 5 um}}}", Everything(onto=Onto(spacing={"x": 5.0}))),
        ("everything: {name: null}", Everything()),
        ("everything:", Everything()),
        ("bare", Bare()),
        ("bare:", Bare()),
        ("bare: {}", Bare()),
        ("gaussian: 2 px", None),
    ],
)
def test_a_step_becomes_an_instance_with_typed_fields(written: str, expected: object) -> None:
    step = read(written)
    assert step.operator is not None
    assert expected is None or step.operator == expected
    assert make(step, {}) is step.operator
    assert parameter_files(step, {}) == []


@pytest.mark.parametrize(
    ("written", "at", "sentence"),
    [
        ("everything: {pik: [1]}", ".pik", "is not a known key; did you mean `pick`?"),
        ("everything: {onto: {spacin: 5 um}}", ".onto.spacin", "is not a known key; did you mean `spacing`?"),
        ("everything: {factor: much}", ".factor", "must be a number, not 'much'"),
        ("everything: {flag: maybe}", ".flag", "must be true or false, not 'maybe'"),
        ("everything: {method: cubic}", ".method", "'nearest' or 'linear'"),
        ("everything: {onto: {spacing: 5}}", ".onto.spacing", "must be a number and a unit of"),
        ("everything: {at: {x: [1 um]}}", ".at.x", "is missing; add it"),
        ("everything: {factor: -1}", "", "A factor must not be negative."),
        ("everything: {matrix: '{a'}", "", "is not a template"),
        ("everything: {matrix: '{a:b}'}", "", "write {a}, {a:03}, {a:.2f}"),
        ("everything: 5", "", "must be a list"),
        ("bare: 5", "", "is not a known key; remove it"),
        ("both: {}", ".image", "is missing; add it"),
        ("nothing: 1", "", "There is no transform called 'nothing'; known: "),
    ],
)
def test_an_error_names_file_line_and_key(written: str, at: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(written)
    name = written.partition(":")[0]
    lines = str(caught.value).splitlines()
    start = f"/base/config.yaml:2: steps[0].{name}{at}"
    assert any(line.startswith(start) and sentence in line for line in lines), lines


@pytest.mark.parametrize("written", ["{}", "{a: 1, b: 2}", "[1]"])
def test_a_step_has_one_key(written: str) -> None:
    with pytest.raises(ValueError, match="a mapping of one key"):
        read(written)


def test_what_is_no_number_is_written_as_in_yaml() -> None:
    operator = read("everything: {factor: .nan}").operator
    assert isinstance(operator, Everything)
    assert math.isnan(operator.factor)


def test_parameter_files_wait_for_captures() -> None:
    text = "everything: {matrix: 'reg/{animal}/s{n:03}.txt', onto: {files: [/abs/a.txt, '../{animal}.txt']}}"
    step = read(text)
    assert step.operator is None
    assert step.captures == {"animal", "n"}
    captures = {"animal": "A1", "n": 7}
    made = make(step, captures)
    assert made.matrix == "/base/reg/A1/s007.txt"
    assert made.onto == Onto(files=("/abs/a.txt", "/A1.txt"))
    assert all(type(path) is str for path in (made.matrix, *made.onto.files)), "no marks are left"
    assert parameter_files(step, captures) == ["/base/reg/A1/s007.txt", "/abs/a.txt", "/A1.txt"]


def test_what_fails_with_a_parameter_file_is_an_error_of_the_image() -> None:
    step = read("everything: {matrix: a.bad}")
    with pytest.raises(Unsupported, match="'everything' cannot be made: no such ending"):
        make(step, {})


def test_other_images_are_known_by_name_in_order() -> None:
    step = read("both: {image: tissue, more: {b: second, a: third}}")
    assert step.combines
    assert step.others == ("tissue", "second", "third")
    assert make(step, {}) == Both("tissue", {"b": "second", "a": "third"})
    assert type(make(step, {}).image) is str


def test_the_schema_accepts_what_is_read(tmp_path: Path) -> None:
    from s3facade.config.model import schema

    def document(step: Any) -> dict[str, Any]:
        image = {"from": "s", "steps": [step]}
        source = {"synthetic": {"shape": {"y": 8, "x": 8}}}
        return {"sources": {"s": source}, "images": {"i": image}, "buckets": {"bbb": {"views": [_VIEW]}}}

    checker = jsonschema.Draft202012Validator(schema())
    for step in (
        {"everything": [0, "DAPI"]},
        {"everything": {"at": {"x": ["10 um", 500]}, "onto": {"spacing": "5 um"}}},
        "bare",
        {"cast": "float32"},
        {"cast": {"dtype": "float32"}},
        {"both": {"image": "tissue"}},
    ):
        checker.validate(document(step))
    for step in (
        {"everything": {"pik": 1}},
        {"cast": "flat"},
        {"nothing": 1},
        {"bare": {}, "cast": "int8"},
        "cast",
        {},
    ):
        assert not checker.is_valid(document(step)), step


_VIEW = {"type": "ome-zarr", "from": "i", "path": "{stem}"}
