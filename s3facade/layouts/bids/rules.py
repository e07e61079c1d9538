"""Whether the schema accepts a kind of file name, and a sentence on what is wrong where it does not.

A name is judged by its shape alone (which entities, suffix, extension, datatype): a data set of 200,000 files has a
handful of shapes, and each is judged once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from s3facade.layouts.bids.schema import Rule, schema


@dataclass(frozen=True, slots=True)
class Shape:
    """What all names of one kind have in common."""

    entities: tuple[str, ...]
    """Short names, in the order of the schema; see `ordered`."""
    suffix: str
    extension: str
    """With its dot, without a slash."""
    datatype: str


def ordered(entities: Iterable[str]) -> tuple[str, ...]:
    """Short names of entities in the order in which names have them; unknown ones behind all others."""
    places = {name: place for place, name in enumerate(schema().entities)}
    return tuple(sorted(entities, key=lambda name: (places.get(name, len(places)), name)))


def datatypes(suffix: str, extension: str, entities: Iterable[str], *, derivative: bool = False) -> list[str]:
    """Datatypes of which a rule accepts such a name, sorted."""
    shapes = (Shape(ordered(entities), suffix, extension, d) for d in sorted(schema().modalities))
    return [shape.datatype for shape in shapes if refusal(shape, derivative=derivative) is None]


def home(suffix: str) -> str:
    """The datatype of which it is told what is wrong with a name that no rule accepts."""
    found = sorted({d for rule in schema().rules if suffix in rule.suffixes for d in rule.datatypes})
    return found[0] if found and "micr" not in found else "micr"


@lru_cache(maxsize=4096)
def refusal(shape: Shape, *, derivative: bool = False) -> str | None:
    """Why no rule of the schema accepts the shape, in a sentence that says what is allowed; None if one does.

    Args:
        shape: Of the name.
        derivative: Whether the data set is a derivative one.
    """
    of = schema()
    for name in shape.entities:
        if name not in of.entities:
            return _unknown(name)
    if shape.suffix not in of.suffixes:
        return f"BIDS has no suffix {shape.suffix!r}; {_nearest(shape.suffix, of.suffixes, _siblings(shape.datatype))}"
    alike = [rule for rule in of.rules if shape.suffix in rule.suffixes and (derivative or not rule.derivative)]
    if not alike:
        return f"Only derivatives have files of suffix {shape.suffix!r}."
    inside = [rule for rule in alike if shape.datatype in rule.datatypes]
    if not inside:
        there = _or({d for rule in alike for d in rule.datatypes})
        return f"Files of suffix {shape.suffix!r} lie in {there}, not in {shape.datatype!r}."
    spelled = (shape.extension, shape.extension + "/")
    fitting = [rule for rule in inside if any(e in rule.extensions for e in spelled)]
    if not fitting:
        return f"A {shape.suffix} file of {shape.datatype} is {_or(_images(inside))}, not {shape.extension}."
    sentences = [_entities(rule, shape, derivative=derivative) for rule in fitting]
    # The rule that is nearest to what was meant has the shortest list of complaints.
    return None if None in sentences else min(s for s in sentences if s)[2]


def _entities(rule: Rule, shape: Shape, *, derivative: bool) -> tuple[int, int, str] | None:
    """How far the entities are from what a rule wants, and the sentence on the first thing that is wrong.

    The number between the two prefers rules that allow more.
    """
    what = f"A {shape.suffix} file of {shape.datatype}"
    missing = [name for name in schema().entities if name in rule.required and name not in shape.entities]
    if "sub" not in shape.entities and "sub" not in missing:
        # Names without a subject belong to templates; images here are of somebody or something.
        missing.insert(0, "sub")
    more = [name for name in shape.entities if name not in rule.entities]
    if missing:
        return len(missing) + len(more), -len(rule.entities), f"{what} needs the {_entity(missing)}."
    if more:
        other = _ever(more[0], shape)
        if other and not derivative:
            return len(more), 0, f"{what} has the entity `{more[0]}` in derivative data sets only."
        allowed = ", ".join(name for name in schema().entities if name in rule.entities)
        return len(more), -len(rule.entities), f"{what} has no entity `{more[0]}`; it may have {allowed}."
    return None


def _ever(name: str, shape: Shape) -> bool:
    """Whether a derivative of such a file may have the entity."""
    return any(
        rule.derivative and name in rule.entities and shape.suffix in rule.suffixes and shape.datatype in rule.datatypes
        for rule in schema().rules
    )


def _unknown(name: str) -> str:
    known = schema()
    if name in known.long:
        return f"The entity `{name}` is written `{known.long[name]}` in names."
    return f"BIDS has no entity `{name}`; {_nearest(name, known.entities, known.entities)}"


def _nearest(wrong: str, among: Iterable[str], otherwise: Iterable[str]) -> str:
    spelled = {name.lower(): name for name in sorted(among)}
    near = difflib.get_close_matches(wrong.lower(), spelled, n=1)
    return f"did you mean {spelled[near[0]]}?" if near else f"it has {', '.join(otherwise)}."


def _siblings(datatype: str) -> list[str]:
    """Suffixes of images of a datatype; those of microscopy if there is none."""
    of = datatype or "micr"
    return sorted({s for rule in schema().rules if of in rule.datatypes and _images([rule]) for s in rule.suffixes})


def _images(rules: Iterable[Rule]) -> list[str]:
    """Extensions but those of sidecars and tables."""
    found = {e.rstrip("/") for rule in rules for e in rule.extensions}
    return sorted(found - {".json", ".tsv", ".tsv.gz", ".bval", ".bvec"})


def _entity(names: Sequence[str]) -> str:
    return f"entity `{names[0]}`" if len(names) == 1 else "entities " + ", ".join(f"`{name}`" for name in names)


def _or(names: Iterable[str]) -> str:
    *first, last = sorted(names)
    return f"{', '.join(first)} or {last}" if first else last
