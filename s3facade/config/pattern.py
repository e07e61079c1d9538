r"""Path patterns: which files belong to a source, and what their names say.

========================  =================================================================================
``{name}``                one or more characters but ``/``, captured under that name
``{name:int}``            digits, captured as a whole number
``{name:expression}``     a regular expression, which may cross ``/``
``*``  ``?``              any characters but ``/``; one of them
``**``                    as a whole path component: any number of folders, also none; at the end: any file below
========================  =================================================================================

A folder that is one image, an OME-Zarr for instance, counts as a file: ``{name}.ome.zarr`` matches it by its own path,
and nothing below it is looked at.

The same name twice must match the same text. As in a shell, wildcards and plain captures do not match a dot at
the start of a file or folder name; other characters, brackets included, stand for themselves.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from s3facade.core.errors import ConfigError

Captured = str | int
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_VISIBLE = r"(?!\.)"
_FOLDERS = r"(?:(?!\.)[^/]+/)*"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled path pattern."""

    text: str
    """As written."""
    root: Path
    """The folder to walk: the part in front of the first wildcard. Absolute."""
    regex: re.Pattern[str]
    """Matches a whole path relative to ``root``, with ``/`` between components."""
    captures: Mapping[str, type[Captured]]
    """Type of the value behind each name, in order of appearance."""
    depth: int | None
    """Number of path components below ``root``; None when it varies."""

    def match(self, relative: str) -> dict[str, Captured] | None:
        """Captured values of a path relative to ``root``, or None when it does not match."""
        found = self.regex.fullmatch(relative)
        if found is None:
            return None
        return {name: kind(found[name]) for name, kind in self.captures.items()}

    def accepts(self, path: Path) -> bool:
        """Whether an absolute ``path`` lies below ``root`` and matches."""
        if not path.is_relative_to(self.root):
            return False
        return self.regex.fullmatch(path.relative_to(self.root).as_posix()) is not None


def compile_pattern(text: str, base: Path) -> Pattern:
    """Compile ``text``; a relative pattern starts at the absolute folder ``base``.

    Raises:
        ConfigError: The pattern is empty, a brace is not closed, or an expression is not valid.
    """
    if not text or text.endswith("/"):
        raise ConfigError(f"the pattern {text!r} names no file; end it with a file name such as {{name}}.tif")
    tokens = _tokens(text)
    fixed, rest = _split(tokens)
    captures: dict[str, type[Captured]] = {}
    source, depth = _translate(rest, captures)
    try:
        regex = re.compile(source, re.DOTALL)
    except re.error as error:
        raise ConfigError(f"the pattern {text!r} holds an expression that is not valid: {error}") from None
    return Pattern(text, absolute(fixed, base), regex, captures, depth)


def absolute(fixed: str, base: Path) -> Path:
    """``fixed`` seen from ``base``; ``..`` is collapsed by text: links stay as the user wrote them."""
    return Path(os.path.normpath(base / Path(fixed).expanduser()))


def _tokens(text: str) -> list[str]:
    """Split into literal characters, wildcards and whole captures."""
    tokens: list[str] = []
    i = 0
    while i < len(text):
        if text[i] == "{":
            j = _closing(text, i)
            tokens.append(text[i : j + 1])
            i = j + 1
        elif text.startswith("**", i):
            tokens.append("**")
            i += 2
        else:
            tokens.append(text[i])
            i += 1
    return tokens


def _closing(text: str, start: int) -> int:
    depth = 0
    for i in range(start, len(text)):
        if text[i - 1] == "\\" and i > start:
            continue
        depth += {"{": 1, "}": -1}.get(text[i], 0)
        if depth == 0:
            return i
    raise ConfigError(f"the pattern {text!r} opens a brace that it does not close; write {{name}}")


def _split(tokens: list[str]) -> tuple[str, list[str]]:
    """The literal folders in front, with the final slash, and the tokens behind them."""
    plain = next((i for i, t in enumerate(tokens) if len(t) > 1 or t in "*?"), len(tokens))
    cut = max((i + 1 for i, t in enumerate(tokens[:plain]) if t == "/"), default=0)
    return "".join(tokens[:cut]), tokens[cut:]


def _translate(pieces: list[str], captures: dict[str, type[Captured]]) -> tuple[str, int | None]:
    out: list[str] = []
    depth: int | None = 1
    i = 0
    while i < len(pieces):
        piece = pieces[i]
        start = i == 0 or pieces[i - 1] == "/"
        if piece == "**":
            if not start or pieces[i + 1 : i + 2] not in (["/"], []):
                raise ConfigError("`**` stands for whole folders; write it between slashes, as in /data/**/{name}.tif")
            out.append(_FOLDERS if pieces[i + 1 :] else _FOLDERS + _VISIBLE + "[^/]+")
            depth = None
            i += 1  # the slash is part of the expression
        elif piece == "*":
            out.append((_VISIBLE if start else "") + "[^/]*")
        elif piece == "?":
            out.append((_VISIBLE if start else "") + "[^/]")
        elif piece[0] == "{":
            expression = _capture(piece[1:-1], captures, start=start)
            crosses = piece.count(":") and captures[piece[1:-1].partition(":")[0]] is str
            depth = None if crosses else depth
            out.append(expression)
        else:
            depth = depth + 1 if piece == "/" and depth is not None else depth
            out.append(re.escape(piece))
        i += 1
    return "".join(out), depth


def _capture(inside: str, captures: dict[str, type[Captured]], *, start: bool) -> str:
    name, colon, expression = inside.partition(":")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{{{inside}}}: a capture's name is made of letters, digits and underscores")
    if name in captures:
        if colon:
            raise ConfigError(f"{{{inside}}}: say what {name!r} looks like at its first use, then write {{{name}}}")
        return f"(?P={name})"
    if not colon:
        captures[name] = str
        return f"(?P<{name}>{_VISIBLE if start else ''}[^/]+)"
    if expression == "int":
        captures[name] = int
        return f"(?P<{name}>[0-9]+)"
    captures[name] = str
    return f"(?P<{name}>{expression})"
