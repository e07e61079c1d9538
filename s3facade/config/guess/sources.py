"""From a group of alike names to a source: a pattern, a key for each image, and what differs only along an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from s3facade.config.guess import words as w
from s3facade.config.guess.groups import Name
from s3facade.config.guess.pieces import Hole, Piece, pieces
from s3facade.config.pattern import compile_pattern
from s3facade.config.settings import ALWAYS
from s3facade.core.errors import ConfigError

Part = tuple[str, tuple[tuple[Piece, ...], ...]]
"""One path component: what separates its fields, and the fields."""
STACKED = {"c": "channel", "z": "z", "t": "t"}
"""Axes, and the captures that run along them."""


@dataclass(frozen=True, slots=True)
class Found:
    """A source that is proposed."""

    name: str
    files: tuple[str, ...]
    """Paths relative to the folder that was looked at."""
    parts: tuple[Part, ...]
    """Components of the pattern; empty for `wild` ones."""
    extension: str
    wild: str = ""
    """The pattern of whatever has no common form."""
    stack: Mapping[str, str] = field(default_factory=dict)
    """Capture by axis."""
    skip: tuple[str, ...] = ()
    more: bool = False
    """Whether some names go on behind the pattern."""

    @property
    def holes(self) -> tuple[Hole, ...]:
        """Captures, each once, in order of appearance."""
        every = [p for _, fields in self.parts for f in fields for p in f if isinstance(p, Hole)]
        return tuple({hole.name: hole for hole in reversed(every)}[n] for n in dict.fromkeys(h.name for h in every))

    def hole(self, name: str) -> Hole | None:
        """The capture of that name."""
        return next((h for h in self.holes if h.name == name), None)

    @property
    def pattern(self) -> str:
        """Relative to the folder that was looked at."""
        if self.wild:
            return self.wild
        seen: set[str] = set()
        parts = [_written(mark, fields, seen) for mark, fields in self.parts]
        return "/".join(parts) + "*" * self.more + literal(self.extension)

    @property
    def structured(self) -> bool:
        """Whether its pattern says more than that there are names."""
        last = self.parts[-1][1]
        if any(isinstance(p, str) and w.telling(p, self.extension) for f in last for p in f):
            return True
        plain = len(last) == 1 and len(last[0]) == 1 and not any(h.type for h in self.holes)
        inner = [h for f in last for h in f if isinstance(h, Hole)]
        return any(hole.sure or hole.type for hole in self.holes if not (plain and hole in inner))

    @property
    def key(self) -> str:
        """Template of what is shown, without an extension."""
        if self.wild:
            return "{stem}"
        stacked = set(self.stack.values())
        out = []
        for number, (mark, fields) in enumerate(self.parts):
            last = number == len(self.parts) - 1
            kept = [f for f in fields if not any(isinstance(p, Hole) and p.name in stacked for p in f)]
            if last or any(isinstance(p, Hole) for f in kept for p in f):
                out.append((mark or "_").join(_template(f) for f in kept).strip())
        key = "/".join(part for part in out if part.strip(". "))
        return key or self.name


def _written(mark: str, fields: Sequence[Sequence[Piece]], seen: set[str]) -> str:
    texts = {p.name for f in fields for p in f if isinstance(p, Hole) and not p.type} - seen
    out = []
    for one in fields:
        text = ""
        for piece in one:
            if isinstance(piece, str):
                text += literal(piece)
            elif piece.name in seen:
                text += f"{{{piece.name}}}"
            else:
                seen.add(piece.name)
                narrow = piece.type or (_narrow(piece, mark) if len(texts) > 1 and mark else "")
                text += f"{{{piece.name}:{narrow}}}" if narrow else f"{{{piece.name}}}"
        out.append(text)
    return literal(mark).join(out)


def _narrow(hole: Hole, mark: str) -> str:
    """What keeps a text from taking what its neighbours are made of."""
    return "word" if all(map(str.isalnum, hole.values)) else f"[^{mark}/]+"


def literal(text: str) -> str:
    """Fixed text for a pattern: what has a meaning there, or begins a variable, matches as any character."""
    return "".join("?" if c in "{}*$\\" else c for c in text)


def _template(one: Sequence[Piece]) -> str:
    text = ""
    for piece in one:
        if isinstance(piece, str):
            text += piece.replace("{", "(").replace("}", ")").replace("$", "_").replace("/", "_")
        else:
            text += f"{{{piece.name}:0{piece.width}}}" if piece.width else f"{{{piece.name}}}"
    return text


def source(names: Sequence[Name]) -> Found | None:
    """The source of a group of alike names; None where their forms say nothing that holds for nearly all of them."""
    if len(names) < 2:
        return None
    mark, length = names[0].mark, len(names[0].fields)
    last = _columns([n.fields for n in names], length)
    folders = [_folder([n.folders[i] for n in names]) for i in range(len(names[0].folders))]
    parts = _named([*folders, (mark, last)])
    unsure = _collide(parts)
    parts = [(m, tuple(tuple(_typed(p, unsure) for p in f) for f in fields)) for m, fields in parts]
    more = any(n.more for n in names)
    found = Found(_title(names, parts), tuple(n.path for n in names), tuple(parts), names[0].extension, more=more)
    return _true(found)


def _columns(rows: Sequence[tuple[str, ...]], length: int) -> tuple[tuple[Piece, ...], ...]:
    out: list[tuple[Piece, ...]] = []
    before = ""
    for place in range(length):
        column = [row[place] for row in rows]
        out.append(tuple(pieces(column, before)))
        before = column[0] if len(set(column)) == 1 else ""
    return tuple(out)


def _folder(column: Sequence[str]) -> Part:
    """A folder: fields if all of that name have the same, else one capture of the whole name."""
    if len(set(column)) == 1:
        return "", ((column[0],),)
    mark = w.separator(column[0])
    rows = [tuple(text.split(mark)) if mark else (text,) for text in column]
    dated = all(w.DATE.fullmatch(text) for text in column)
    if not dated and len({len(r) for r in rows}) == 1 and not any("" in r for r in rows):
        fields = _columns(rows, len(rows[0]))
        holes = [p for f in fields for p in f if isinstance(p, Hole)]
        if len(holes) == 1 or all(hole.sure for hole in holes):
            return mark, fields
    made = pieces(["".join(text) for text in column]) if dated or not mark else [Hole("name", "", tuple(column), False)]
    return "", (tuple(p.called("folder") if isinstance(p, Hole) and p.name == "name" else p for p in made),)


def _collide(parts: Sequence[Part]) -> bool:
    """Whether two names differ only in how a number is padded: 7 and 07."""
    holes = [p for _, fields in parts for f in fields for p in f if isinstance(p, Hole)]
    rows = set(zip(*(hole.values for hole in holes), strict=True))
    typed = [hole.type == "int" for hole in holes]
    return len({tuple(int(v) if t else v for v, t in zip(row, typed, strict=True)) for row in rows}) < len(rows)


def _typed(piece: Piece, unsure: bool) -> Piece:  # noqa: FBT001 - a predicate's answer
    """Where names differ only in how a number is padded, such numbers stay text."""
    if unsure and isinstance(piece, Hole) and piece.type == "int":
        numbers = {int(v) for v in piece.values}
        return replace(piece, type="") if len(numbers) < len(set(piece.values)) else piece
    return piece


def _named(parts: Sequence[Part]) -> list[Part]:
    """Captures of equal values get one name, others different ones."""
    names: dict[tuple[str, ...], str] = {}
    types: dict[tuple[str, ...], str] = {}
    taken: set[str] = {*ALWAYS}
    # What the file's own name says comes first: folders repeat it.
    for _, fields in reversed(parts):
        for piece in (p for f in fields for p in f if isinstance(p, Hole)):
            if piece.values not in names:
                tries = (piece.name if n == 1 else f"{piece.name}{n}" for n in count(1))
                names[piece.values] = next(name for name in tries if name not in taken)
                types[piece.values] = piece.type
                taken.add(names[piece.values])

    def renamed(piece: Piece) -> Piece:
        if isinstance(piece, str):
            return piece
        return replace(piece, name=names[piece.values], type=types[piece.values])

    return [(mark, tuple(tuple(renamed(p) for p in f) for f in fields)) for mark, fields in parts]


def _true(found: Found) -> Found | None:
    """The source with the files that its pattern does read as it is meant to; None if it does so for few."""
    try:
        pattern = compile_pattern("/" + found.pattern, Path("/"))
    except ConfigError:
        return None
    above = len(str(pattern.root).rstrip("/")) + 1
    good, keys = [], set()
    for index, path in enumerate(found.files):
        values = pattern.match(f"/{path}"[above:])
        told = {h.name: int(h.values[index]) if h.type == "int" else h.values[index] for h in found.holes}
        key = tuple(told.values())
        if values == told and key not in keys:
            keys.add(key)
            good.append(index)
    if len(good) < 2 or len(good) * 10 < 9 * len(found.files):
        return None
    return found if len(good) == len(found.files) else only(found, good)


def only(found: Found, indices: Sequence[int]) -> Found:
    """The source of some of its files."""

    def fewer(piece: Piece) -> Piece:
        return piece if isinstance(piece, str) else replace(piece, values=tuple(piece.values[i] for i in indices))

    parts = tuple((m, tuple(tuple(fewer(p) for p in f) for f in fields)) for m, fields in found.parts)
    return replace(found, parts=parts, files=tuple(found.files[i] for i in indices))


def _title(names: Sequence[Name], parts: Sequence[Part]) -> str:
    """A name for the source: a word that all files share, or what they are."""
    holes = {p.name for _, fields in parts for f in fields for p in f if isinstance(p, Hole)}
    fixed = [p for f in parts[-1][1] for p in f if isinstance(p, str)]
    known = [word for text in fixed if (word := w.telling(text, names[0].extension))]
    if known:
        return w.MRI[known[-1]][1] if known[-1] in w.MRI else known[0]
    if {"row", "column"} <= holes:
        return "wells"
    for name, title in (("section", "sections"), ("z", "planes"), ("field", "fields"), ("t", "frames")):
        if name in holes:
            return title
    long = [word for text in fixed for word in w.words(text) if len(word) > 3 and word.isascii()]
    folders = [word for f in names[0].folders[-1:] for word in w.words(f) if len(word) > 2 and word.isascii()]
    return (long or (folders if len({n.folders for n in names}) == 1 else []) or ["images"])[0]


def stacked(found: Found) -> tuple[Found, Mapping[str, str]]:
    """The source with the axes along which its files are complete; and those along which some are missing."""
    along = {axis: name for axis, name in STACKED.items() if found.hole(name) is not None}
    if not along:
        return found, {}
    rest = [h.values for h in found.holes if h.name not in along.values()]
    inner = [h.values for h in found.holes if h.name in along.values()]
    groups: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for index in range(len(found.files)):
        outer = tuple(v[index] for v in rest)
        groups.setdefault(outer, set()).add(tuple(v[index] for v in inner))
    sets = list(groups.values())
    whole = 1
    for place in range(len(inner)):
        whole *= len({values[place] for values in sets[0]})
    if all(s == sets[0] for s in sets) and whole == len(sets[0]):
        return replace(found, stack=along), {}
    return found, along
