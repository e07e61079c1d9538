r"""Path patterns: which files belong to a source, and what their names say.

========================  =================================================================================
``{name}``                one or more characters but ``/``, captured under that name
``{name:int}``            digits, captured as a whole number: ``007`` is 7
``{name:word}``           letters and digits
``{name:letter}``         one letter of a to z, upper or lower case; ``letters``: one or more
``{name:date}``           2026-01-31, 20260131, 2026_01_31 or 2026.01.31, captured as it is written
``{name:expression}``     a regular expression; ``.`` in it stands for ``/``, too, but ``[^_]`` does not
``*``  ``?``              any characters but ``/``; one of them
``**``                    as a whole path component: any number of folders, also none; at the end: any file below
========================  =================================================================================

A typed capture beside a wildcard takes all that is of its type: ``*{n:int}.tif`` gives 12 for ``s12.tif``.

A folder that is one image, an OME-Zarr for instance, counts as a file: ``{name}.ome.zarr`` matches it by its own path,
and nothing below it is looked at.

The same name twice must match the same text. As in a shell, wildcards and plain captures do not match a dot at
the start of a file or folder name; other characters, brackets included, stand for themselves.

Why a path does not match, and in which ways it does: `s3facade.config.why`.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from s3facade.config.ambiguity import unsure
from s3facade.config.kinds import TYPES, Part, expression, within
from s3facade.core.errors import ConfigError

Captured = str | int
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


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
    parts: tuple[Part, ...] = ()
    """What stands behind ``root``, in order."""
    lazy: re.Pattern[str] | None = None
    """Matches the same paths as ``regex``, with as little in the first parts as possible; None where there is only one
    way to read a path."""

    whole: tuple[str, ...] = ()
    """Names of captures that are whole numbers."""
    tail: str = ""
    """Text that every path ends with: asked first, since to find out that ``*{a}*{b}*{c}*.tif`` does not match a long
    name may take for ever."""

    def match(self, relative: str) -> dict[str, Captured] | None:
        """Captured values of a path relative to ``root``, or None when it does not match."""
        found = self.regex.fullmatch(relative) if relative.endswith(self.tail) else None
        return None if found is None else self.values(found)

    def values(self, found: re.Match[str]) -> dict[str, Captured]:
        """Captured values of a match of `regex` or `lazy`."""
        captures: dict[str, Captured] = found.groupdict()
        for name in self.whole:
            captures[name] = int(captures[name])
        return captures

    def read(self, relative: str) -> tuple[dict[str, Captured], bool] | None:
        """`match`, and whether the path is `ambiguous`: in one go, for many files."""
        found = self.regex.fullmatch(relative) if relative.endswith(self.tail) else None
        if found is None:
            return None
        if self.lazy is None:
            return self.values(found), False
        other = self.lazy.fullmatch(relative)
        # Most are alike to the letter; the same text at another place is the same value, too.
        twice = other is not None and other.regs != found.regs and other.groups() != found.groups()
        return self.values(found), twice

    def ambiguous(self, relative: str) -> bool:
        """Whether a path that matches gives other captures when it is read in another way.

        An expression of the user's own with alternatives, as in ``(a|ab)``, may hide another way.
        """
        found = self.read(relative)
        return found is not None and found[1]

    def accepts(self, path: Path | str) -> bool:
        """Whether an absolute ``path`` without detours lies below ``root`` and matches."""
        root, text = str(self.root).rstrip("/") + "/", os.fspath(path)
        return text.startswith(root) and text.endswith(self.tail) and self.regex.fullmatch(text, len(root)) is not None


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
    parts = _parts(rest, captures)
    try:
        regex = compiled(parts)
        lazy = compiled(parts, lazy=True) if captures and unsure(parts) else None
    except re.error as error:
        raise ConfigError(f"the pattern {text!r} holds an expression that is not valid: {error}") from None
    whole = tuple(name for name, kind in captures.items() if kind is int)
    tail = parts[-1].text if parts and parts[-1].kind == "text" else ""
    return Pattern(text, absolute(fixed, base), regex, captures, _depth(parts), parts, lazy, whole, tail)


def compiled(parts: Sequence[Part], *, lazy: bool = False) -> re.Pattern[str]:
    """The expression of parts in a row. Raises `re.error`."""
    around: list[Part | None] = [None, *parts, None]
    sources = [expression(part, around[i], around[i + 2], lazy=lazy) for i, part in enumerate(parts)]
    return re.compile("".join(sources), re.DOTALL)


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
        elif text[i] == "}":
            raise ConfigError(f"the pattern {text!r} closes a brace that it did not open; write {{name}}")
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


def _parts(pieces: Sequence[str], captures: dict[str, type[Captured]]) -> tuple[Part, ...]:
    out: list[Part] = []
    i = 0
    while i < len(pieces):
        piece = pieces[i]
        start = i == 0 or pieces[i - 1] == "/"
        if piece == "**":
            if not start or list(pieces[i + 1 : i + 2]) not in (["/"], []):
                raise ConfigError("`**` stands for whole folders; write it between slashes, as in /data/**/{name}.tif")
            out.append(Part("**/", "folders") if pieces[i + 1 :] else Part("**", "below"))
            i += 1  # the slash is part of the expression
        elif piece == "*":
            out.append(Part(piece, "star", start=start))
        elif piece == "?":
            out.append(Part(piece, "any", start=start))
        elif piece[0] == "{":
            out.append(_capture(piece, captures, start=start))
        elif piece == "/":
            out.append(Part(piece, "slash"))
        elif out and out[-1].kind == "text":
            out[-1] = Part(out[-1].text + piece, "text", start=out[-1].start)
        else:
            out.append(Part(piece, "text", start=start))
        i += 1
    return tuple(out)


def _capture(piece: str, captures: dict[str, type[Captured]], *, start: bool) -> Part:
    name, colon, inside = piece[1:-1].partition(":")
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{piece}: a capture's name is made of letters, digits and underscores")
    if name in captures:
        if colon:
            raise ConfigError(f"{piece}: say what {name!r} looks like at its first use, then write {{{name}}}")
        return Part(piece, "again", name)
    captures[name] = int if inside == "int" else str
    if not colon:
        return Part(piece, "plain", name, start=start)
    if inside in TYPES:
        return Part(piece, "typed", name, inside)
    if not inside or re.fullmatch(r"[a-z_]+", inside):
        near = difflib.get_close_matches(inside, TYPES, 1)
        hint = f"did you mean {{{name}:{near[0]}}}?" if near else f"use {', '.join(TYPES)} or a regular expression"
        raise ConfigError(f"{piece}: there is no type {inside!r}; {hint}")
    if "(?P<" in inside:
        raise ConfigError(f"{piece}: an expression has no names of its own; write (…) without a name")
    _alone(piece, inside)
    return Part(piece, "regex", name, within(inside))


def _alone(piece: str, inside: str) -> None:
    """Raise `ConfigError` for an expression that is valid only by what follows it: a bracket is not closed, say."""
    try:
        re.compile(inside)
    except re.error as error:
        if "(?P=" not in inside:
            raise ConfigError(f"{piece}: is not a valid expression: {error}") from None


def _depth(parts: Sequence[Part]) -> int | None:
    if any(part.kind in ("folders", "below") or (part.kind == "regex" and part.holds("/")) for part in parts):
        return None
    return 1 + sum(part.kind == "slash" for part in parts)
