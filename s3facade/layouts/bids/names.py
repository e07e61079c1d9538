"""File names of BIDS: ``sub-m12/micr/sub-m12_sample-s007_stain-CV_BF.ome.zarr``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from s3facade.layouts.bids.rules import Shape, ordered
from s3facade.layouts.bids.schema import schema

LABEL = re.compile(r"[0-9a-zA-Z+]+")
_ELSE = re.compile(r"[^0-9a-zA-Z+]+")
_GREEK = {letter: unicodedata.name(letter).split()[-1].lower() for letter in "αβγδεζηθικλμνξοπρςστυφχψω"}
_GREEK["λ"] = "lambda"  # Unicode writes it without b.
_SPELLED = str.maketrans(
    {"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
    | {"þ": "th", "Þ": "Th", "ð": "d", "Ð": "D", "\N{LATIN SMALL LETTER DOTLESS I}": "i"}
    | _GREEK
    | {letter.upper(): name.capitalize() for letter, name in _GREEK.items()}
)
"""Letters that are no Latin letter with an accent, and have a name or spelling in Latin letters."""
_NAME = re.compile(r"((?:[a-z0-9]+-[0-9a-zA-Z+]+_)+)([0-9a-zA-Z]+)(\.[0-9a-zA-Z.]+)")


@dataclass(frozen=True, slots=True)
class Name:
    """One file name."""

    entities: Mapping[str, str]
    """Labels by short name, in the order of the schema."""
    suffix: str
    extension: str
    """With its dot: ``.ome.zarr``."""
    datatype: str

    @property
    def stem(self) -> str:
        """The name without its extension."""
        return "_".join((*(f"{name}-{label}" for name, label in self.entities.items()), self.suffix))

    @property
    def folder(self) -> str:
        """Where it lies, below the root of the data set."""
        parts = [f"{name}-{self.entities[name]}" for name in ("sub", "ses") if name in self.entities]
        return "/".join((*parts, self.datatype))

    @property
    def path(self) -> str:
        """Below the root of the data set."""
        return f"{self.folder}/{self.stem}{self.extension}"

    @property
    def sidecar(self) -> str:
        """Path of the JSON file that tells about it."""
        return f"{self.folder}/{self.stem}.json"

    @property
    def uri(self) -> str:
        """As other files of the data set refer to it (BIDS URI)."""
        return f"bids::{self.path}"

    @property
    def shape(self) -> Shape:
        """What the schema judges."""
        return Shape(tuple(self.entities), self.suffix, self.extension, self.datatype)


def parse(path: str) -> Name | None:
    """The name at a path below the root of a data set, or None if it is not made as BIDS makes them."""
    folder, _, file = path.rpartition("/")
    found = _NAME.fullmatch(file)
    if found is None or not folder:
        return None
    pairs = [pair.partition("-") for pair in found[1].rstrip("_").split("_")]
    entities = {name: label for name, _, label in pairs}
    name = Name(entities, found[2], found[3], folder.rpartition("/")[2])
    return name if len(entities) == len(pairs) and tuple(entities) == ordered(entities) else None


def clean(value: str) -> str:
    """``value`` as a label: letters and digits without accents, and plus signs; the rest is left out.

    Greek letters, as of antibodies, are written by their names: without, two kinds of tubulin would be one.
    """
    plain = unicodedata.normalize("NFKD", value).translate(_SPELLED)
    return _ELSE.sub("", plain)


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a value makes no label."""

    reason: str
    """A sentence."""


@dataclass
class Labels:
    """Labels of one data set: two values that give one label would make one subject of two, or one sample."""

    known: dict[tuple[str, str], tuple[str, str] | Refused] = field(default_factory=dict)
    """Labels by entity and value, as they came, each with what all spellings of it have in common."""
    taken: dict[tuple[str, str, str], tuple[str, str]] = field(default_factory=dict)
    """Value and file that a label is from, by entity, label and subject."""

    def fits(self, other: Labels) -> bool:
        """Whether each label of the other ones is from the same value here, or not taken yet."""
        known = self.taken
        return all(known[key][0] == value for key, (value, _) in other.taken.items() if key in known)

    def take(self, other: Labels) -> None:
        """Labels of other images that fit; the first file that one is from stays the one that is named."""
        for key, found in other.taken.items():
            self.taken.setdefault(key, found)

    def label(self, entity: str, value: str, file: str, subject: str = "") -> str | Refused:
        """The label of a value of an entity.

        Args:
            entity: Its short name.
            value: As the template gave it.
            file: What it was found at, to be named where another value gives the same label.
            subject: Label of the subject that it belongs to: samples of two animals have nothing to do with each other.
        """
        found = self.known.get((entity, value))
        if found is None:
            found = self.known[entity, value] = _read(entity, value)
        if isinstance(found, Refused):
            return found
        label, alike = found
        key = (entity, alike, subject)
        before = self.taken.get(key)
        if before is None:
            self.taken[key] = (value, file)
        elif before[0] != value:
            return Refused(
                f"`{entity}` would be {label!r} for {value!r} of {file} and for {before[0]!r} of {before[1]}; "
                "say with `values` that they mean the same, or write the template so that they differ."
            )
        return label


def _read(entity: str, value: str) -> tuple[str, str] | Refused:
    """The label, and what it must differ in from all others."""
    kind = schema().entities[entity]
    if kind.index:
        text = value.strip()
        if not (text.isascii() and text.isdigit()):
            return Refused(f"`{entity}` is a whole number in BIDS, and {value!r} is none.")
        return text, str(int(text))
    label = clean(value)
    if not label:
        return Refused(
            f"`{entity}` would be empty: {value!r} holds no letter or digit that a label may have; give it a label in "
            "`values` of the source."
        )
    if kind.values and label not in kind.values:
        return Refused(f"`{entity}` is one of {', '.join(kind.values)} in BIDS, and {value!r} is none of them.")
    # BIDS allows no names that differ in case alone: some file systems hold only one of them.
    return label, label.lower()
