"""An ARC around a BIDS data set: the data set is an assay's data, and ISA workbooks are made of the same mapping.

ARC specification 2.0; BIDS at ``assays/<assay>/dataset/``, so that both standards hold as they are. Participants are
sources, samples of BIDS are samples, each image is data made of a sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from s3facade.catalog.arrange.desk import Desk
from s3facade.config.views.arc import ArcConfig, TermConfig
from s3facade.layouts.arc.isa import (
    ASSAY,
    INVESTIGATION,
    STUDY,
    Column,
    Facts,
    Person,
    Sheet,
    Term,
    assay,
    investigation,
    study,
    table,
    tag,
)
from s3facade.layouts.arc.workbook import MEDIA_TYPE, workbook
from s3facade.layouts.bids.tables import MISSING, Rows
from s3facade.layouts.ro_crate.identifiers import organism_of

ONTOLOGIES: Mapping[str, str] = {
    "NCBITaxon": "http://purl.obolibrary.org/obo/ncbitaxon.owl",
    "FBbi": "http://purl.obolibrary.org/obo/fbbi.owl",
}
"""Addresses of ontologies that terms are taken from."""


@dataclass(frozen=True, slots=True)
class Made:
    """One image as data of the assay."""

    key: str
    """Its key, or its prefix without a final slash, seen from the root of the bucket."""
    participant: str
    """As ``sub-m12``."""
    sample: str = ""
    """As ``sample-s007``; empty where names have none."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """How it was made, by name."""


def arrange(
    config: ArcConfig, desk: Desk, participants: Rows, samples: Rows, data: Sequence[Made], authors: Sequence[str]
) -> None:
    """Put the workbooks into the plan. They are written when they are looked at.

    Args:
        config: Names and facts.
        desk: The bucket.
        participants: By ``participant_id``.
        samples: By ``sample_id`` and ``participant_id``; may be empty.
        data: Images, in order of keys.
        authors: Of the data set: who did it, unless ``config`` says.
    """
    facts = _facts(config, authors)
    terms = dict(config.terms or {})
    study_tables = [_sampling(participants, samples, terms)] if participants.known else []
    assay_tables = [_imaging(data, terms)] if data else []
    given = (*terms.values(), config.measurement, config.technology)
    used = {term.source for term in given if term.source}
    used |= {source for sheet in (*study_tables, *assay_tables) for source in _sources(sheet)}
    known = {source: ONTOLOGIES.get(source, "") for source in sorted(used)}
    books: Mapping[str, list[Sheet]] = {
        INVESTIGATION: investigation(facts, known),
        f"studies/{config.study}/{STUDY}": study(facts, study_tables),
        f"assays/{config.assay}/{ASSAY}": assay(facts, assay_tables),
    }
    for key, sheets in books.items():
        desk.later(key, partial(workbook, sheets), MEDIA_TYPE, tag(sheets))


def _facts(config: ArcConfig, authors: Sequence[str]) -> Facts:
    people = tuple(Person(**person) for person in config.people) or tuple(map(_person, authors))
    return Facts(
        identifier=config.identifier,
        title=config.title,
        description=config.description,
        submitted=config.submitted,
        released=config.released,
        people=people,
        publications=config.publications,
        study=config.study,
        study_title=config.study_title,
        study_description=config.study_description,
        assay=config.assay,
        assay_title=config.assay_title,
        assay_description=config.assay_description,
        measurement=_term(config.measurement),
        technology=_term(config.technology),
        platform=config.platform,
    )


def _person(author: str) -> Person:
    """``Doe, Jane`` and ``Jane Doe``; in ``Doe J`` the initials stand behind."""
    last, comma, first = author.partition(",")
    if comma:
        return Person(first.strip(), last.strip())
    words = author.split()
    if len(words) > 1 and words[-1].replace(".", "").isupper() and len(words[-1].replace(".", "")) < len(words[0]):
        return Person(words[-1], " ".join(words[:-1]))
    return Person(" ".join(words[:-1]), words[-1] if words else "")


def _sampling(participants: Rows, samples: Rows, terms: Mapping[str, TermConfig]) -> Sheet:
    """Which samples were taken from whom; participants without samples are samples themselves."""
    rows = [(subject, sample) for sample, subject in sorted(samples.known, key=lambda key: (key[1], key[0]))]
    sampled = {subject for subject, _ in rows}
    rows += [(subject, "") for (subject,) in sorted(participants.known) if subject not in sampled]
    about = [_values(participants, (subject,)) for subject, _ in rows]
    taken = [_values(samples, (sample, subject)) for subject, sample in rows]
    columns = [Column("Input [Source Name]", [subject for subject, _ in rows])]
    for name, values in (*_columns(participants, about), *_columns(samples, taken)):
        columns.append(Column(f"Characteristic [{_header(name)}]", [_worded(value, name, terms) for value in values]))
    columns.append(Column("Output [Sample Name]", [_sample(*row) for row in rows]))
    return table("sampling", columns)


def _imaging(data: Sequence[Made], terms: Mapping[str, TermConfig]) -> Sheet:
    """Which data were made of which sample, and how."""
    names = list(dict.fromkeys(name for made in data for name in made.facts))
    columns = [Column("Input [Sample Name]", [_sample(made.participant, made.sample) for made in data])]
    for name in names:
        values = [_said(made.facts.get(name)) for made in data]
        columns.append(Column(f"Parameter [{name}]", [_worded(value, name, terms) for value in values]))
    columns.append(Column("Output [Data]", [made.key for made in data]))
    return table("imaging", columns)


def _sample(participant: str, sample: str) -> str:
    """Samples of one name may be of several participants; in an ARC a name is one sample."""
    return f"{participant}_{sample}" if sample else participant


def _values(rows: Rows, key: tuple[str, ...]) -> Mapping[str, str]:
    found = rows.known.get(key, [])
    return {column.name: value or "" for column, (value, _) in zip(rows.columns, found, strict=False)}


def _columns(rows: Rows, values: Sequence[Mapping[str, str]]) -> Iterable[tuple[str, list[str]]]:
    for column in rows.columns:
        yield column.name, [known.get(column.name, "") for known in values]


def _header(name: str) -> str:
    return "organism" if name == "species" else name


def _said(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value))
    return "" if value is None else str(value)


def _worded(value: str, name: str, terms: Mapping[str, TermConfig]) -> Term:
    """A value with the term that it is known to stand for."""
    value = "" if value == MISSING else value
    if value in terms:
        return _term(terms[value])
    if name == "species" and value:
        try:
            number = organism_of(value).removeprefix("NCBI:txid")
        except ValueError:
            return Term(value)
        return Term(value, "NCBITaxon", f"http://purl.obolibrary.org/obo/NCBITaxon_{number}")
    return Term(value)


def _term(config: TermConfig) -> Term:
    return Term(config.name, config.source, config.accession)


def _sources(sheet: Sheet) -> set[str]:
    """Short names of ontologies in a table."""
    places = [n for n, header in enumerate(sheet.rows[0]) if header.startswith("Term Source REF")]
    return {row[n] for row in sheet.rows[1:] for n in places if row[n]}
