"""Annotation tables of an ARC: who was sampled, and which data were made of which sample."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from s3facade.config.views.arc import ArcConfig
from s3facade.layouts.arc.isa import Column, Sheet, Term, table
from s3facade.layouts.arc.workbook import ROWS
from s3facade.layouts.bids.tables import MISSING, Rows
from s3facade.layouts.ro_crate.identifiers import organism_of


@dataclass(frozen=True, slots=True)
class Made:
    """One image as data of an assay."""

    key: str
    """Its key, or its prefix without a final slash, seen from the root of the bucket."""
    participant: str
    """As ``sub-m12``."""
    sample: str = ""
    """As ``sample-s007``; empty where names have none."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """How it was made, by name."""


@dataclass(frozen=True, slots=True)
class Part:
    """What one data set is of the ARC."""

    config: ArcConfig
    where: str
    """Place of its view in the configuration file."""
    participants: Rows
    """By ``participant_id``."""
    samples: Rows
    """By ``sample_id`` and ``participant_id``; may be empty."""
    data: Sequence[Made]
    """Images, in order of keys."""
    authors: Sequence[str]
    """Of the data set: who did it, unless ``config`` says."""

    @property
    def terms(self) -> Mapping[str, Term]:
        """Terms of ontologies by words."""
        return self.config.terms or {}


def sampling(parts: Iterable[Part]) -> list[Sheet]:
    """Of a study: one table of each of its data sets, but for those that say nothing that others do not."""
    kept: list[Sequence[Column]] = []
    known: set[tuple[object, ...]] = set()
    made = [_sampling(p.participants, p.samples, p.terms) for p in parts if p.participants.known]
    # Derivatives often have no columns of their own: what is known of their samples stands in the raw data set's table.
    for columns in sorted(made, key=len, reverse=True):
        taken = set(zip(columns[0].values, columns[-1].values, strict=True))
        if columns not in kept and (len(columns) > 2 or not taken <= known):
            kept.append(columns)
            known |= taken
    return _sheets("sampling", kept)


def imaging(parts: Iterable[Part]) -> list[Sheet]:
    """Of an assay: one table of each of its data sets."""
    return _sheets("imaging", [_imaging(part.data, part.terms) for part in parts if part.data])


def ontologies(sheets: Iterable[Sheet]) -> set[str]:
    """Short names of ontologies in tables."""
    found = set()
    for sheet in sheets:
        places = [n for n, header in enumerate(sheet.rows[0]) if header.startswith("Term Source REF")]
        found |= {row[n] for row in sheet.rows[1:] for n in places if row[n]}
    return found


def _sheets(name: str, tables: Iterable[Sequence[Column]]) -> list[Sheet]:
    """Tables on sheets called ``sampling``, ``sampling 2`` …: of one with more rows than a sheet has, several."""
    names = (f"{name} {n}" if n > 1 else name for n in count(1))
    most = ROWS - 1
    return [
        table(next(names), [Column(c.header, c.values[start : start + most]) for c in columns])
        for columns in tables
        for start in range(0, len(columns[0].values), most)
    ]


def _sampling(participants: Rows, samples: Rows, terms: Mapping[str, Term]) -> list[Column]:
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
    return columns


def _imaging(data: Sequence[Made], terms: Mapping[str, Term]) -> list[Column]:
    """Which data were made of which sample, and how."""
    names = list(dict.fromkeys(name for made in data for name in made.facts))
    columns = [Column("Input [Sample Name]", [_sample(made.participant, made.sample) for made in data])]
    for name in names:
        values = [_said(made.facts.get(name)) for made in data]
        columns.append(Column(f"Parameter [{name}]", [_worded(value, name, terms) for value in values]))
    columns.append(Column("Output [Data]", [made.key for made in data]))
    return columns


def _sample(participant: str, sample: str) -> str:
    """Samples of one name may be of several participants; in an ARC a name is one sample."""
    return f"{participant}_{sample}" if sample else participant


def _values(rows: Rows, key: tuple[str, ...]) -> Mapping[str, str]:
    found = rows.known.get(key, [])
    return {column.name: value or "" for column, (value, _) in zip(rows.columns, found, strict=False)}


def _columns(rows: Rows, values: Sequence[Mapping[str, str]]) -> Iterator[tuple[str, list[str]]]:
    for column in rows.columns:
        yield column.name, [known.get(column.name, "") for known in values]


def _header(name: str) -> str:
    return "organism" if name == "species" else name


def _said(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_said, value))
    return "" if value is None else str(value)


def _worded(value: str, name: str, terms: Mapping[str, Term]) -> Term:
    """A value with the term that it is known to stand for."""
    value = "" if value == MISSING else value
    if value in terms:
        return terms[value]
    if name == "species" and value:
        try:
            number = organism_of(value).removeprefix("NCBI:txid")
        except ValueError:
            return Term(value)
        return Term(value, "NCBITaxon", f"http://purl.obolibrary.org/obo/NCBITaxon_{number}")
    return Term(value)
