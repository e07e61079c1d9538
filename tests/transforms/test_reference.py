"""The reference of steps: each that is registered has its section, and each example can be made."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from importlib.metadata import entry_points
from pathlib import Path

import jsonschema
import pytest
import yaml

from s3facade.cli.schema import text
from s3facade.config.document import parse
from s3facade.config.steps import read_step

PAGE = (Path(__file__).parents[2] / "docs/reference/transforms.md").read_text("utf-8")
STEPS = {point.name: point for point in entry_points(group="s3facade.transforms")}
SECTIONS = {
    text.partition("\n")[0]: re.split(r"^##", text, maxsplit=1, flags=re.MULTILINE)[0]
    for text in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
}
VALIDATOR = jsonschema.Draft202012Validator(json.loads(text()))
EXAMPLES = re.findall(r"^`- (.*)`$", PAGE, re.MULTILINE)


def test_every_step_has_a_section_and_every_section_a_step():
    assert set(SECTIONS) == set(STEPS)


@pytest.mark.parametrize("name", sorted(STEPS))
def test_every_option_is_told(name):
    """In its own section, or where its group is introduced."""
    before = PAGE.partition(f"\n### {name}\n")[0]
    group = before[before.rindex("\n## ") :].partition("\n### ")[0]
    told = SECTIONS.get(name, "") + group
    options = {f.name for f in fields(STEPS[name].load()) if f.init} - {"index"}
    assert {option for option in options if not re.search(rf"\b{option}\b", told)} == set()


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_can_be_made(example, tmp_path):
    document = parse(f"steps:\n  - {example}\n", tmp_path / "c.yaml", {})
    (step,) = document.value["steps"]
    told = {"sources": {}, "buckets": {}, "images": {"a": {"from": "b", "steps": yaml.safe_load(f"- {example}")}}}
    VALIDATOR.validate(told)
    for name, value in step.items():
        read_step(name, value, document, ("steps", 0, name))
