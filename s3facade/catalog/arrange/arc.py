"""An ARC around BIDS data sets: each is data of an assay, and ISA workbooks are made of the same mapping.

ARC specification 2.0; BIDS at ``assays/<assay>/dataset/``, so that both standards hold as they are. Participants are
sources, samples of BIDS are samples, each image is data made of a sample. A bucket is one ARC: data sets of several
views are assays of one investigation, and those of equal ``assay`` are one assay, as data and derivatives are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from s3facade.catalog.arrange import arc_tables as tables
from s3facade.catalog.arrange.arc_tables import Part
from s3facade.catalog.arrange.desk import Desk
from s3facade.core.errors import ConfigError
from s3facade.layouts.arc.isa import (
    ASSAY,
    INVESTIGATION,
    STUDY,
    Assay,
    Investigation,
    Person,
    Sheet,
    Study,
    Term,
    assay,
    investigation,
    study,
    tag,
)
from s3facade.layouts.arc.workbook import MEDIA_TYPE, workbook

T = TypeVar("T")
ONTOLOGIES: Mapping[str, str] = {
    "NCBITaxon": "http://purl.obolibrary.org/obo/ncbitaxon.owl",
    "FBbi": "http://purl.obolibrary.org/obo/fbbi.owl",
}
"""Addresses of ontologies that terms are taken from."""
LONG = 10_000
"""Rows from which on a workbook takes more than a second: listings do not wait for it."""


def arrange(desk: Desk) -> None:
    """Put the workbooks of all data sets that are told to be assays into the plan.

    They are written when they are looked at. Raises `ConfigError`: two data sets say different things of one thing.
    """
    parts = desk.assayed
    if not parts:
        return
    books: dict[str, list[Sheet]] = {}
    used = {term.source for part in parts for term in _terms(part) if term.source}
    assays = {}
    for name, own in _grouped(parts, [p.config.assay for p in parts]).items():
        assays[name] = _assay(name, own)
        found = tables.imaging(own)
        used |= tables.ontologies(found)
        books[f"assays/{name}/{ASSAY}"] = assay(assays[name], found)
    studies = []
    for name, own in _grouped(parts, [p.config.study for p in parts]).items():
        about = _study(name, own, [assays[a] for a in dict.fromkeys(p.config.assay for p in own)])
        found = tables.sampling(own)
        used |= tables.ontologies(found)
        books[f"studies/{name}/{STUDY}"] = study(about, found)
        studies.append(about)
    known = {source: ONTOLOGIES.get(source, "") for source in sorted(used)}
    books[INVESTIGATION] = investigation(_investigation(parts, studies), known)
    for key, sheets in books.items():
        dear = sum(len(sheet.rows) for sheet in sheets) > LONG
        desk.later(key, partial(workbook, sheets), MEDIA_TYPE, tag(sheets), waits=dear)


def _grouped(parts: Sequence[Part], names: Sequence[str]) -> dict[str, list[Part]]:
    """Parts by name. Raises `ConfigError` for names that are one folder to some file systems."""
    groups: dict[str, list[Part]] = {}
    same: dict[str, str] = {}
    for part, name in zip(parts, names, strict=True):
        other = same.setdefault(name.lower(), name)
        if other != name:
            raise ConfigError(f"{part.where}.arc: {name!r} is called {other!r} by another view; spell it alike")
        groups.setdefault(name, []).append(part)
    return groups


def _investigation(parts: Sequence[Part], studies: Sequence[Study]) -> Investigation:
    first = parts[0].config
    identifier = _agreed(parts, "investigation.identifier", [p.config.identifier for p in parts])
    derived = re.sub(r"[^A-Za-z0-9_-]+", "-", first.name).strip("-") or first.assay
    return Investigation(
        identifier or derived,
        _agreed(parts, "investigation.title", [p.config.title for p in parts]) or first.name,
        _agreed(parts, "investigation.description", [p.config.description for p in parts]),
        _agreed(parts, "investigation.submitted", [p.config.submitted for p in parts]),
        _agreed(parts, "investigation.released", [p.config.released for p in parts]),
        _people(parts),
        _publications(parts),
        tuple(studies),
    )


def _study(name: str, parts: Sequence[Part], assays: Sequence[Assay]) -> Study:
    return Study(
        name,
        _agreed(parts, "about_study.title", [p.config.study_title for p in parts]),
        _agreed(parts, "about_study.description", [p.config.study_description for p in parts]),
        _agreed(parts, "investigation.submitted", [p.config.submitted for p in parts]),
        _agreed(parts, "investigation.released", [p.config.released for p in parts]),
        _people(parts),
        _publications(parts),
        tuple(assays),
    )


def _assay(name: str, parts: Sequence[Part]) -> Assay:
    return Assay(
        name,
        _agreed(parts, "about_assay.title", [p.config.assay_title for p in parts]),
        _agreed(parts, "about_assay.description", [p.config.assay_description for p in parts]),
        _agreed(parts, "measurement", [p.config.measurement for p in parts]),
        _agreed(parts, "technology", [p.config.technology for p in parts]),
        _agreed(parts, "platform", [p.config.platform for p in parts]),
        _people(parts),
    )


def _agreed(parts: Sequence[Part], key: str, values: Sequence[T]) -> T:
    """What data sets say of something that is one thing: those that say nothing go with the others."""
    said = [(part, value) for part, value in zip(parts, values, strict=True) if value not in ("", Term())]
    if not said:
        return values[0]
    first, value = said[0]
    for part, other in said:
        if other != value:
            raise ConfigError(
                f"{part.where}.arc.{key}: differs from that of {first.where}, and both are of one thing; say it once"
            )
    return value


def _people(parts: Iterable[Part]) -> tuple[Person, ...]:
    """Who did it, each once."""
    told = (
        [Person(**person) for person in part.config.people] or [_person(author) for author in part.authors]
        for part in parts
    )
    return tuple(dict.fromkeys(person for people in told for person in people))


def _publications(parts: Iterable[Part]) -> tuple[Mapping[str, str], ...]:
    found: list[Mapping[str, str]] = []
    for part in parts:
        found += [one for one in part.config.publications if one not in found]
    return tuple(found)


def _terms(part: Part) -> list[Term]:
    return [*part.terms.values(), part.config.measurement, part.config.technology]


def _person(author: str) -> Person:
    """``Doe, Jane`` and ``Jane Doe``; in ``Doe J`` the initials stand behind."""
    last, comma, first = author.partition(",")
    if comma:
        return Person(first.strip(), last.strip())
    words = author.split()
    if len(words) > 1 and words[-1].replace(".", "").isupper() and len(words[-1].replace(".", "")) < len(words[0]):
        return Person(words[-1], " ".join(words[:-1]))
    return Person(" ".join(words[:-1]), words[-1] if words else "")
