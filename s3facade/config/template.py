"""Templates: ``{animal}/s{section:03}.ome.zarr`` with values of captures and of columns of tables.

=====================  ======================================================================
``{name}``             the value, as it is in the file's name or in the table
``{name:03}``          a whole number with zeros in front: ``7`` and ``007`` become ``007``
``{name:.2f}``         a number with so many decimals
``{name:upper}``       in capital letters; ``lower``: in small ones
``{{``  ``}}``         a brace
=====================  ======================================================================

A name is anything that a column may be called, as in ``{Age (weeks)}``; what stands behind its last colon is the
format, if it is one.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from s3facade.core.errors import ConfigError

_PIECE = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_FORMAT = re.compile(r"0?[0-9]{0,2}d?|\.[0-9]f|upper|lower")
_LONGEST = 100
"""Characters of a number."""
_DIGITS = re.compile(r"[-+]?[0-9]+")
_DECIMAL = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)")


@dataclass(frozen=True, slots=True)
class Field:
    """A place in a template."""

    name: str
    form: str = ""
    """What stands behind the colon."""


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template."""

    text: str
    """As written; of a key: no leading or final slash."""
    names: tuple[str, ...]
    """Captures and columns that it uses, in order of appearance, each once."""
    pieces: tuple[str | Field, ...] = ()
    """Text and places, in order."""
    path: bool = False
    """Whether it is the path of a file, or other text that need not be a key."""

    def fill(self, captures: Mapping[str, object]) -> str:
        """The text for these values.

        Raises:
            ConfigError: A value is missing, does not fit the format behind its colon, or would leave an empty, ``.``
                or ``..`` component in a key.
        """
        out = "".join([p if isinstance(p, str) else self._value(p, captures) for p in self.pieces])
        # Quick for almost all: components are looked at only where one may be wrong.
        if not self.path and self.text and ("//" in out or "/." in out or out[:1] in "./" or out[-1:] == "/"):
            components = out.split("/")
            wrong = next((c for c in components if c in ("", ".", "..")), None)
            if wrong is not None:
                said = f"the component {wrong!r}" if wrong else "an empty component"
                raise self._unfilled(f"it would have {said}", f"it becomes {out!r}")
            empty = [p.name for p in self.pieces if isinstance(p, Field) and captures.get(p.name) == ""]
            if empty and any(c.startswith(".") for c in components):
                raise self._unfilled(f"the value of {empty[0]!r} is empty, and the name would begin with a dot")
        return out

    def _value(self, field: Field, captures: Mapping[str, object]) -> str:
        value = captures.get(field.name)
        if value is None:
            raise self._unfilled(f"there is no value for {field.name!r}")
        if not field.form:
            return str(value)
        try:
            return _formatted(str(value), field.form)
        except ValueError as error:
            raise self._unfilled(f"{field.name!r} {error}", f"it is {str(value)[:200]!r}") from None

    def _unfilled(self, reason: str, private: str = "") -> ConfigError:
        """Anybody may see the reason; what tables say of a file is for the operator alone."""
        return ConfigError(f"the path {self.text!r} cannot be filled in: {reason}", private=private)


def compile_template(text: str, *, path: bool = False) -> Template:
    """Check ``text``: a key prefix, or with ``path`` the path of a file or any other text.

    Raises:
        ConfigError: A brace is not closed, a place has no name or a format that is none; or the key could leave the
            bucket's key space.
    """
    pieces = tuple(_pieces(text))
    components = text.split("/")
    if not path and text and ("" in components or "." in components or ".." in components):
        raise ConfigError(f"the path {text!r} has an empty, `.` or `..` component; write keys as in {{name}}.ome.zarr")
    names = dict.fromkeys(p.name for p in pieces if isinstance(p, Field))
    return Template(text, tuple(names), pieces, path)


def unknown_name(name: str, what: str, known: Collection[str]) -> str:
    """A sentence about a name that leads nowhere.

    Args:
        name: As written.
        what: What it should be, as in ``capture of 'scans'``.
        known: Names that there are, in the order in which they are told.
    """
    near = difflib.get_close_matches(name, known, 1, 0.75)
    if not near:
        alike = {k.lower().replace(" ", "_"): k for k in known}
        near = [alike[key] for key in [name.lower().replace(" ", "_")] if key in alike]
    hint = f"did you mean {near[0]!r}? " if near else ""
    there = f"known: {', '.join(known)}" if known else "there is none at all"
    return f"there is no {what} called {name!r}; {hint}{there}"


def _pieces(text: str) -> list[str | Field]:
    out: list[str | Field] = []

    def add(literal: str) -> None:
        if literal and out and isinstance(out[-1], str):
            out[-1] += literal
        elif literal:
            out.append(literal)

    end = 0
    for found in _PIECE.finditer(text):
        add(text[end : found.start()])
        end = found.end()
        if found[0] in ("{{", "}}"):
            add(found[0][0])
        elif found[1] is None:
            raise ConfigError(f"the path {text!r} is not a template: a brace stands alone; write {{name}}")
        else:
            out.append(_field(found[1], text))
    add(text[end:])
    return out


def _field(inside: str, text: str) -> Field:
    name, colon, form = inside.rpartition(":")
    if colon and _FORMAT.fullmatch(form.strip()):
        name, form = name.strip(), form.strip()
    elif colon and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and not form.startswith(" "):
        raise ConfigError(
            f"the path {text!r} has the format {form!r}; write {{{name}}}, {{{name}:03}}, {{{name}:.2f}}, "
            f"{{{name}:upper}} or {{{name}:lower}}"
        )
    else:
        name, form = inside.strip(), ""
    if not name:
        raise ConfigError(f"the path {text!r} has empty braces; write {{name}}")
    return Field(name, form)


def _formatted(value: str, form: str) -> str:
    if form == "upper":
        return value.upper()
    if form == "lower":
        return value.lower()
    if form.startswith("."):
        if not _DECIMAL.fullmatch(value) or len(value) > _LONGEST:
            raise ValueError("is not a number")
        return format(float(value), form)
    if not _DIGITS.fullmatch(value) or len(value) > _LONGEST:
        raise ValueError("is not a whole number")
    return format(int(value), form)
