"""What a column of alike fields becomes in a pattern: fixed text, and captures with sensible names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from s3facade.config.guess import words as w

_WORD = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Hole:
    """A capture of a pattern that is being made."""

    name: str
    type: str = ""
    """What stands behind the colon; empty for any text."""
    values: tuple[str, ...] = ()
    """One per file, as written in its name."""
    sure: bool = True
    """Whether its name says what it is; a number or text of unknown meaning may be called as a table calls it."""

    @property
    def width(self) -> int:
        """Digits that numbers are padded to with zeros; 0 if they are not, or if it is text."""
        lengths = {len(v) for v in self.values}
        padded = self.type == "int" and len(lengths) == 1 and any(v[0] == "0" for v in self.values)
        return lengths.pop() if padded else 0

    def called(self, name: str) -> Hole:
        """The same under another name."""
        return replace(self, name=name, sure=True)


Piece: TypeAlias = str | Hole
"""Fixed text, or a capture."""


def pieces(column: Sequence[str], before: str = "") -> list[Piece]:
    """What a column of fields becomes.

    Args:
        column: The field at one place of every name.
        before: The fixed field in front of it, if there is one: it may say what a number counts.
    """
    if len(set(column)) == 1:
        return _same(column)
    values = tuple(column)
    if all(w.WELL.fullmatch(v) for v in values):
        letters = {v[0] for v in values}
        if len(letters) > 1 or not (letters & {"C", "T", "Z", "S", "F", "M"}):
            rows, columns = tuple(v[0] for v in values), tuple(v[1:] for v in values)
            return [Hole("row", "letter", rows), Hole("column", "int", columns)]
    if all(w.DATE.fullmatch(v) for v in values):
        return [Hole("date", "", values)]
    if all(v.isascii() and v.isdigit() for v in values):
        return [_number(values, before)]
    prefix = _prefix(values)
    if prefix:
        rest = pieces([v[len(prefix) :] for v in values], prefix[:-1])
        if len(rest) == 1 and isinstance(rest[0], Hole):
            known = w.SUBJECTS.get(prefix[:-1].lower())
            rest = [rest[0].called(known) if known else rest[0]]
            if known:
                # Labels, not numbers: 01 stays 01.
                rest = [replace(rest[0], type="")] if isinstance(rest[0], Hole) else rest
        return [prefix, *rest]
    return _numbers_inside(values) or [_text(values)]


def _same(column: Sequence[str]) -> list[Piece]:
    """Fixed text; but a single well is a well, and a folder of one date may get others."""
    return [column[0]]


def _prefix(values: Sequence[str]) -> str:
    """Letters and a dash that all values begin with."""
    head, dash, _ = values[0].partition("-")
    prefix = head + dash
    good = bool(dash) and head.isalpha() and all(v.startswith(prefix) and len(v) > len(prefix) for v in values)
    return prefix if good else ""


def _number(values: tuple[str, ...], before: str) -> Hole:
    word = before.strip().lower()
    if word in w.SUBJECTS and word not in w.COUNTERS:
        return Hole(w.SUBJECTS[word], "int", values)
    if word in w.COUNTERS:
        return Hole(w.COUNTERS[word], "int", values)
    return Hole("number", "int", values, sure=False)


def _numbers_inside(values: tuple[str, ...]) -> list[Piece] | None:
    """Numbers between letters that are the same in all of them; None if they are not."""
    split = [w.runs(v) for v in values]
    first = split[0]
    if any(len(parts) != len(first) for parts in split):
        return None
    for place, run in enumerate(first):
        digits = run[0].isdigit()
        if any(p[place][0].isdigit() != digits or (not digits and p[place] != run) for p in split):
            return None
    varying = [i for i in range(len(first)) if len({p[i] for p in split}) > 1]
    if len(varying) == 1 and (whole := _subject(first, varying[0], values)) is not None:
        return [whole]
    out: list[Piece] = []
    for place, run in enumerate(first):
        if place in varying:
            column = tuple(p[place] for p in split)
            letters = next((r for r in reversed(first[:place]) if r[0].isalpha()), "")
            if letters.lower() == "c" and "r" in map(str.lower, first[:place]):
                letters = "col"  # r02c03 is a well, c03 alone a channel
            out.append(_counted(column, letters, first[place + 1] if place + 1 < len(first) else ""))
        elif out and isinstance(out[-1], str):
            out[-1] += run
        else:
            out.append(run)
    return out


def _subject(first: Sequence[str], place: int, values: tuple[str, ...]) -> Hole | None:
    """``mouse12`` and ``scan3`` are names, captured whole; ``sec7`` is a count."""
    letters = first[0].lower() if place == 1 and len(first) == 2 and first[0].isalpha() else ""
    if letters in w.SUBJECTS:
        return Hole(w.SUBJECTS[letters], "", values)
    if letters and letters not in w.COUNTERS:
        return Hole("name", "", values, sure=False)
    return None


def _counted(column: tuple[str, ...], before: str, after: str) -> Hole:
    if after.lower() == "x" and not before:
        return Hole("magnification", "int", column)
    name = w.COUNTERS.get(before.lower())
    if name is not None:
        return Hole(name, "int", column)
    plain = before.lower() if before.isascii() and _WORD.fullmatch(before) else ""
    return Hole(plain or "number", "int", column, sure=False)


def _text(values: tuple[str, ...]) -> Hole:
    """A whole field whose values share no form; known words say what they are."""
    distinct = {v.lower() for v in values}
    for name, known in (("stain", w.STAINS), ("channel", w.CHANNELS), ("side", w.SIDES)):
        hits = sum(1 for v in distinct if v in known or any(part in known for part in v.split()))
        if hits * 2 >= len(distinct):
            return Hole(name, "", values)
    heads = {w.runs(v)[0].lower() for v in values if v}
    for head in heads:
        if head in w.SUBJECTS and head != "m":
            return Hole(w.SUBJECTS[head], "", values)
    numbered = [re.fullmatch(r"([A-Za-z]+)\d+", v) for v in values]
    hits = sum(1 for m in numbered if m is not None and m[1].lower() in w.SUBJECTS)
    if hits * 2 >= len(values):
        return Hole("animal", "", values)
    return Hole("name", "", values, sure=False)
