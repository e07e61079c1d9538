"""YAML to mappings, lists and strings, remembering the line of every value.

Scalars stay as the user wrote them (``NO`` is a name, ``1.10`` a version): the model gives them types.
``${NAME}`` stands for an environment variable, ``$${`` for ``${``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from yaml.reader import ReaderError

from s3facade.core.errors import ConfigError

Path_ = tuple[str | int, ...]
_VARIABLE = re.compile(r"\$(\$?)\{([^}]*)\}")
_ODD = re.compile(r"[\x00\ud800-\udfff]")
_NULLS = ("", "~", "null", "Null", "NULL")
_MAX_NODES = 100_000


class Plain(str):
    """A scalar without quotes: free values (a reader's options) may read it as a number."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed file."""

    path: Path
    value: object
    """Mappings, lists, strings and None."""
    lines: Mapping[Path_, int]
    """Line of each value, counted from 1, by its key path."""

    def where(self, path: Path_) -> str:
        """``file.yaml:12: buckets.scans.views[0].path``: the nearest place that the file has."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        place = f"{self.path}:{self.lines.get(known, 1)}"
        return f"{place}: {dotted(path)}" if path else place


def dotted(path: Path_) -> str:
    """A key path as text: ``views[0].path``."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")


def parse(text: str, path: Path, environment: Mapping[str, str]) -> Document:
    """Parse one YAML document.

    Raises:
        ConfigError: Not YAML, a key given twice, a tag, or a variable that is not set; names line and key.
    """
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        advice = _advice(error.problem or "", *text.splitlines()[line - 1 : line])
        raise ConfigError(f"{path}:{line}: not valid YAML: {error.problem or error.context}{advice}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply to be a configuration") from None
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{path}:{line}: holds the character {error.character:#04x}, which is no text") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from None
    visitor = _Visitor(path, environment)
    value = None if root is None else visitor.visit(root, ())
    return Document(path, value, visitor.lines)


def _advice(problem: str, line: str = "") -> str:
    """What to do about a mistake that YAML has its own words for."""
    if "escape character" in problem:
        return "; a backslash in double quotes begins an escape: use single quotes"
    if "'\\t'" in problem:
        return "; indent with blanks"
    if re.search(r"[:\[,-]\s*[^\s\"'#]*[{}*&%@`]|:\s+\S.*:\s", line):
        return "; put text with any of { } * & % @ ` or a colon in quotes"
    return ""


@dataclass(slots=True)
class _Visitor:
    path: Path
    environment: Mapping[str, str]
    lines: dict[Path_, int] = field(default_factory=dict)

    def visit(self, node: yaml.Node, at: Path_) -> object:
        self.lines[at] = node.start_mark.line + 1
        if len(self.lines) > _MAX_NODES or len(at) > 50:
            raise ConfigError(f"{self.path}: too large or nested in itself; write the values out")
        if node.tag.startswith("!"):
            raise self.fail(at, f"the tag {node.tag} is not supported; remove it")
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node, at)
        if isinstance(node, yaml.SequenceNode):
            return [self.visit(item, (*at, i)) for i, item in enumerate(node.value)]
        out: dict[str, object] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.fail(at, "a key must be plain text")
            here = (*at, key.value)
            if key.value in out:
                self.lines[here] = key.start_mark.line + 1
                raise self.fail(here, "is given twice; keep one")
            out[key.value] = self.visit(item, here)
            self.lines[here] = key.start_mark.line + 1
        return out

    def scalar(self, node: yaml.ScalarNode, at: Path_) -> str | None:
        if node.style is None and node.value in _NULLS:
            return None
        if odd := _ODD.search(node.value):
            raise self.fail(at, f"holds the character {ord(odd[0]):#x}, which neither paths nor keys have; remove it")
        text = _VARIABLE.sub(lambda found: self.variable(found, at), node.value)
        return Plain(text) if node.style is None else text

    def variable(self, found: re.Match[str], at: Path_) -> str:
        if found[1]:
            return found[0][1:]
        value = self.environment.get(found[2])
        if value is None:
            raise self.fail(at, f"the environment variable {found[2]} is not set; set it before starting")
        return value

    def fail(self, at: Path_, sentence: str) -> ConfigError:
        place = f"{self.path}:{self.lines.get(at, 1)}"
        return ConfigError(f"{place}: {dotted(at)}: {sentence}" if at else f"{place}: {sentence}")
