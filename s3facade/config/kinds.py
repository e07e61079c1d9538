"""What the parts of a path pattern stand for, as regular expressions, and which characters they may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "slash", "folders", "below", "star", "any", "plain", "again", "typed", "regex"]
"""Of a part: ``text`` stands for itself; ``folders`` is ``**/``, ``below`` a final ``**``; ``again`` a name that comes
a second time; ``typed`` is ``{name:int}`` and the like."""

_DAY = r"(?:0[1-9]|[12][0-9]|3[01])"
_MONTH = r"(?:0[1-9]|1[0-2])"
_DATE = "|".join(rf"[0-9]{{4}}{mark}{_MONTH}{mark}{_DAY}" for mark in ("-", "", "_", r"\."))


@dataclass(frozen=True, slots=True)
class Type:
    """A type of captures."""

    one: str
    """Expression of one character; of the whole where its length is fixed."""
    many: bool = True
    """Whether it takes as many as there are."""
    beside: str = ""
    """Characters that never stand beside it where its neighbour is a wildcard: it takes all of them itself."""


TYPES: Mapping[str, Type] = {
    "int": Type("[0-9]", beside="[0-9]"),
    "word": Type(r"[^\W_]", beside=r"[^\W_]"),
    "letter": Type("[A-Za-z]", many=False),
    "letters": Type("[A-Za-z]", beside="[A-Za-z]"),
    "date": Type(f"(?:{_DATE})", many=False, beside="[0-9]"),
}
"""What may stand behind a colon, by name; everything else there is a regular expression."""
LOOSE = ("star", "plain")
"""Neighbours that a typed capture takes its characters from: ``*{n:int}`` is the whole number, not its last digit."""
FOLDERS = r"(?:(?!\.)[^/]+/)*"
VISIBLE = r"(?!\.)"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a pattern."""

    text: str
    """As written."""
    kind: Kind
    name: str = ""
    """Of a capture."""
    inside: str = ""
    """Type or expression of a capture."""
    start: bool = False
    """Whether it begins the name of a file or folder."""

    @property
    def stretches(self) -> bool:
        """Whether it may stand for texts of several lengths."""
        if self.kind == "typed":
            return TYPES[self.inside].many
        return self.kind not in ("text", "slash", "any", "again")

    def holds(self, character: str) -> bool:
        """Whether the character may be in what it stands for; True where that is hard to tell."""
        if self.kind == "typed":
            kind = TYPES[self.inside]
            return character in "0123456789-_." if not kind.many else re.match(kind.one, character) is not None
        if self.kind == "regex":
            simple = re.fullmatch(r"(\[\^?\]?[^\[\]]*\]|\\[dDwWsS])[+*]", self.inside)
            return simple is None or re.fullmatch(simple[1], character) is not None
        return character != "/" or self.kind in ("folders", "below")


def expression(part: Part, before: Part | None, behind: Part | None, *, lazy: bool = False) -> str:
    """The regular expression of a part between its neighbours.

    Args:
        part: It.
        before: The part in front; None at the beginning.
        behind: The part that follows; None at the end.
        lazy: Take as little as possible instead of as much: where the two find different captures, a path can be
            read in two ways.
    """
    less = "?" if lazy else ""
    visible = VISIBLE if part.start else ""
    if part.kind in ("text", "slash"):
        return re.escape(part.text)
    if part.kind == "folders":
        return FOLDERS + less
    if part.kind == "below":
        return FOLDERS + less + VISIBLE + "[^/]+" + less
    if part.kind == "star":
        return f"{visible}[^/]*{less}"
    if part.kind == "any":
        return f"{visible}[^/]"
    if part.kind == "again":
        return f"(?P={part.name})"
    if part.kind == "plain":
        return f"(?P<{part.name}>{visible}[^/]+{less})"
    if part.kind == "regex":
        return f"(?P<{part.name}>{_other(part.inside) if lazy else part.inside})"
    kind = TYPES[part.inside]
    alone_before = before is not None and (before.kind in LOOSE or (before.inside == "word" and part.inside == "int"))
    front = f"(?<!{kind.beside})" if kind.beside and alone_before else ""
    after = f"(?!{kind.beside})" if kind.beside and behind is not None and behind.kind in LOOSE else ""
    count = "+" + less if kind.many else ""
    return f"{front}(?P<{part.name}>{kind.one}{count}){after}"


def _other(source: str) -> str:
    """A regular expression whose repeats take as little as they may, and the other way around."""
    out: list[str] = []
    i = 0
    while i < len(source):
        found = _TOKEN.match(source, i)
        token = found[0] if found else source[i]
        i += len(token)
        out.append(token)
        if not (found and found["repeat"]):
            continue
        if source[i : i + 1] == "?":
            i += 1
        elif source[i : i + 1] == "+":
            out.append("+")
            i += 1
        else:
            out.append("?")
    return "".join(out)


def within(source: str) -> str:
    """A regular expression whose negated classes leave out ``/``, too: ``[^_]+`` stays in the name of one file."""
    out = []
    i = 0
    while i < len(source):
        found = _TOKEN.match(source, i)
        token = found[0] if found else source[i]
        i += len(token)
        if token.startswith("[^") and "/" not in token:
            token = "[^/" + ("\\" if token[2] == "]" else "") + token[2:]
        out.append(token)
    return "".join(out)


_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?(?:P?<[^>]*>|P=[^)]*\)|[^)]?)|(?P<repeat>[*+?]|\{\d*,?\d*\})", re.DOTALL
)
"""An escape, a class, the beginning of a group with a question mark, or a repeat."""
