"""What the documentation says exists, and what exists is documented."""

import argparse
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from s3facade.cli.main import parser
from s3facade.cli.schema import text
from s3facade.config import model
from s3facade.config.document import parse
from s3facade.config.steps import read_step
from s3facade.core import errors
from s3facade.s3.codes import ABSENT, CODES, INTERNAL

ROOT = Path(__file__).parent.parent
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
CLI = (ROOT / "docs/reference/cli.md").read_text("utf-8")
CONFIGURATION = (ROOT / "docs/reference/configuration.md").read_text("utf-8")
HTTP = (ROOT / "docs/reference/http.md").read_text("utf-8")
EVERY = {*CODES.values(), INTERNAL, *((code, 404) for code in ABSENT.values())}
"""Every code with its status."""
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")]


def modules() -> list[str]:
    package = ROOT / "s3facade"
    return sorted(p.relative_to(package).as_posix() for p in package.rglob("*.py") if p.name != "__init__.py")


def test_the_architecture_names_every_module_and_no_other():
    """Its tree: a line ``folder/`` and below it, further in, a line per module."""
    tree = ARCHITECTURE.partition("```text\ns3facade/\n")[2].partition("```")[0]
    named, folder = [], ""
    for line in tree.splitlines():
        word = line.split()[0] if line.strip() else ""
        if word.endswith("/"):
            folder = word
        elif word.endswith(".py"):
            named.append((folder if line.startswith("    ") else "") + word)
    assert sorted(named) == modules()


def commands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


@pytest.mark.parametrize(
    ("name", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_every_command_and_option_is_documented(name, command):
    section = CLI.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
    assert section, f"{name} has no section"
    options = {o for action in command._actions for o in action.option_strings} - {"-h", "--help"}
    assert {o for o in options if f"`{o}`" not in section and f"[{o}" not in section} == set()


def test_every_documented_option_exists():
    known = {o for _, command in commands() for action in command._actions for o in action.option_strings}
    assert set(re.findall(r"`(--[a-z-]+)`", CLI)) <= known | {"--version", "--help"}


def models(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield kind
    for field in kind.model_fields.values():
        yield from _inside(field.annotation)


def _inside(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from models(annotation)
    for argument in get_args(annotation):
        yield from _inside(argument)


@pytest.mark.parametrize("kind", sorted(set(models(model.ConfigModel)), key=lambda k: k.__name__))
def test_every_configuration_key_is_documented(kind):
    for name, field in kind.model_fields.items():
        key = field.alias or name
        assert f"`{key}`" in CONFIGURATION or f"## {key}\n" in CONFIGURATION, key
        assert field.description, f"{key} has no description in the schema"


def test_the_published_schema_is_the_one_in_use():
    assert (ROOT / "docs/reference/config.schema.json").read_text("utf-8") == text()
    assert json.loads(text())["title"]


def leaves(kind: type[errors.FacadeError]) -> Iterator[type[errors.FacadeError]]:
    if not kind.__subclasses__():
        yield kind
    for below in kind.__subclasses__():
        yield from leaves(below)


def test_every_error_has_a_code_and_every_code_is_documented():
    needed = {e for e in leaves(errors.FacadeError) if e.__module__ == errors.__name__} - {errors.ConfigError}
    assert needed <= set(CODES)
    for code, status in EVERY:
        assert f"| `{code}` | {status} |" in HTTP, code


def test_every_documented_code_exists():
    rows = set(re.findall(r"^\| `(\w+)` \| (\d{3}) \|", HTTP, re.MULTILINE))
    assert rows == {(code, str(status)) for code, status in EVERY}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
    missing = [x for x in links if "://" not in x and not (page.parent / x).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_configurations_in_the_documentation_parse(page, tmp_path):
    """Every YAML block whose first key is one of ours, as far as it is complete."""
    import yaml

    for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
        document = yaml.safe_load(block)
        if isinstance(document, dict):
            assert set(document) <= set(model.ConfigModel.model_fields)
            for name, source in document.get("sources", {}).items():
                assert model.SourceModel.model_validate(_text(source)), name
            parsed = parse(block.replace("${", "$${"), tmp_path / "c.yaml", {})
            for name in document.get("images", {}):
                image = model.ImageModel.model_validate(parsed.value["images"][name])
                for i, (step, value) in enumerate(image.steps):
                    assert read_step(step, value, parsed, ("images", name, "steps", i, step)).name == step


def _text(value):
    """Scalars as the loader gives them."""
    if isinstance(value, dict):
        return {str(k): _text(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_text(v) for v in value]
    return value if value is None else str(value)


def test_examples_load():
    from s3facade.config.load import load

    examples = sorted((ROOT / "examples").rglob("*.yaml"))
    assert examples
    for path in examples:
        assert load(path, {}).buckets
