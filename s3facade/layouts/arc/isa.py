"""ISA's investigation, study and assay as sheets of cells, in the form of ISA-XLSX of the ARC specification 2.0.

Pure: what is known from names and tables goes in, rows come out; `s3facade.layouts.arc.workbook` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from s3facade.core.identity import digest

Row = Sequence[str]
INVESTIGATION = "isa.investigation.xlsx"
STUDY = "isa.study.xlsx"
ASSAY = "isa.assay.xlsx"
_TERM = ("Term Accession Number", "Term Source REF")
_PERSON = (
    *("Last Name", "First Name", "Mid Initials", "Email", "Phone", "Fax", "Address", "Affiliation"),
    *("Roles", "Roles Term Accession Number", "Roles Term Source REF"),
)
_PUBLICATION = (
    *("PubMed ID", "DOI", "Author List", "Title"),
    *("Status", "Status Term Accession Number", "Status Term Source REF"),
)


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet of a workbook."""

    name: str
    rows: Sequence[Row]
    """Of text; an empty cell is ``""``. Rows of a table are as long as its first one, the header."""
    table: bool = False
    """Whether it is an annotation table, which readers find by a table object of Excel."""


@dataclass(frozen=True, slots=True)
class Term:
    """A value with the term of an ontology behind it."""

    name: str = ""
    source: str = ""
    """Short name of the ontology: ``NCBITaxon``."""
    accession: str = ""
    """Its address."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of an annotation table, and those that say more about it."""

    header: str
    """As ``Characteristic [organism]``, ``Output [Data]``."""
    values: Sequence[str | Term]
    """One per row."""

    def cells(self) -> Iterator[tuple[str, Sequence[str]]]:
        """Headers and values of the column and, where a term or quality is meant, of the two that ISA asks for."""
        yield self.header, [value.name if isinstance(value, Term) else value for value in self.values]
        if self.header.startswith(("Characteristic [", "Parameter [", "Factor [", "Component [")):
            terms = [value if isinstance(value, Term) else Term(value) for value in self.values]
            yield "Term Source REF ()", [term.source for term in terms]
            yield "Term Accession Number ()", [term.accession for term in terms]


@dataclass(frozen=True, slots=True)
class Person:
    """Who did it."""

    first: str
    last: str
    orcid: str = ""
    email: str = ""
    affiliation: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True)
class Assay:
    """What was measured of the samples of a study."""

    identifier: str
    title: str = ""
    description: str = ""
    measurement: Term = Term()
    technology: Term = Term()
    platform: str = ""
    people: tuple[Person, ...] = ()


@dataclass(frozen=True, slots=True)
class Study:
    """Who and what was sampled."""

    identifier: str
    title: str = ""
    description: str = ""
    submitted: str = ""
    """Date, ISO 8601."""
    released: str = ""
    people: tuple[Person, ...] = ()
    publications: tuple[Mapping[str, str], ...] = ()
    """By ``doi``, ``pubmed``, ``title``, ``authors``, ``status``."""
    assays: tuple[Assay, ...] = ()


@dataclass(frozen=True, slots=True)
class Investigation:
    """What all of it is about."""

    identifier: str
    title: str = ""
    description: str = ""
    submitted: str = ""
    """Date, ISO 8601."""
    released: str = ""
    people: tuple[Person, ...] = ()
    publications: tuple[Mapping[str, str], ...] = ()
    """As of `Study`."""
    studies: tuple[Study, ...] = ()


def investigation(about: Investigation, sources: Mapping[str, str]) -> list[Sheet]:
    """The workbook at the root of the ARC.

    Args:
        about: What is known.
        sources: Addresses of ontologies by their short names.
    """
    rows: list[Row] = [
        ["ONTOLOGY SOURCE REFERENCE"],
        ["Term Source Name", *sources],
        ["Term Source File", *sources.values()],
        ["Term Source Version", *("" for _ in sources)],
        ["Term Source Description", *("" for _ in sources)],
        ["INVESTIGATION"],
        *_fields("Investigation", ("Identifier", about.identifier), ("Title", about.title)),
        *_fields("Investigation", ("Description", about.description), ("Submission Date", about.submitted)),
        *_fields("Investigation", ("Public Release Date", about.released)),
        ["INVESTIGATION PUBLICATIONS"],
        *_publications("Investigation Publication", about.publications),
        ["INVESTIGATION CONTACTS"],
        *_people("Investigation Person", about.people),
    ]
    for one in about.studies:
        rows += [*_study(one), *_described(one.assays, "STUDY ASSAYS", "Study Assay")]
    return [Sheet("isa_investigation", rows)]


def study(about: Study, tables: Sequence[Sheet]) -> list[Sheet]:
    """The workbook of a study: which samples were taken from whom."""
    rows = [*_study(about), *_described(about.assays, "STUDY ASSAYS", "Study Assay"), *_protocols(tables)]
    rows += [["STUDY CONTACTS"], *_people("Study Person", about.people)]
    return [Sheet("isa_study", rows), *tables]


def assay(about: Assay, tables: Sequence[Sheet]) -> list[Sheet]:
    """The workbook of an assay: which data were made of which sample, and how."""
    rows = [*_described([about], "ASSAY", "Assay"), ["ASSAY PERFORMERS"], *_people("Assay Person", about.people)]
    return [Sheet("isa_assay", rows), *tables]


def table(name: str, columns: Sequence[Column]) -> Sheet:
    """An annotation table. Headers that occur more than once end in spaces, as tables of Excel ask for.

    To Excel, ``Sex`` and ``sex`` are the same header.
    """
    headers: dict[str, str] = {}
    values: list[Sequence[str]] = []
    for column in columns:
        for header, cells in column.cells():
            while header.casefold() in headers:
                header += " "  # noqa: PLW2901 - what makes it unlike the others
            headers[header.casefold()] = header
            values.append(cells)
    return Sheet(name, [list(headers.values()), *map(list, zip(*values, strict=True))], table=True)


def tag(sheets: Sequence[Sheet]) -> str:
    """A digest of all cells."""
    return digest([(sheet.name, [list(row) for row in sheet.rows], sheet.table) for sheet in sheets])


def _fields(prefix: str, *fields: tuple[str, str]) -> list[Row]:
    return [[f"{prefix} {name}", value] if value else [f"{prefix} {name}"] for name, value in fields]


def _study(study: Study) -> list[Row]:
    about = ("Identifier", study.identifier), ("Title", study.title), ("Description", study.description)
    dates = ("Submission Date", study.submitted), ("Public Release Date", study.released)
    return [
        ["STUDY"],
        *_fields("Study", *about, *dates, ("File Name", f"studies/{study.identifier}/{STUDY}")),
        ["STUDY DESIGN DESCRIPTORS"],
        *_fields("Study Design Type", *((name, "") for name in _TERM)),
        ["STUDY PUBLICATIONS"],
        *_publications("Study Publication", study.publications),
    ]


def _described(assays: Sequence[Assay], section: str, prefix: str) -> list[Row]:
    """Assays, one a column, as their own workbooks and that of their study tell of them."""
    columns: dict[str, list[str]] = {
        "Identifier": [one.identifier for one in assays],
        "Title": [one.title for one in assays],
        "Description": [one.description for one in assays],
    }
    terms = {
        "Measurement Type": [one.measurement for one in assays],
        "Technology Type": [one.technology for one in assays],
    }
    for name, found in terms.items():
        columns[name] = [term.name for term in found]
        for part, values in zip(_TERM, ([t.accession for t in found], [t.source for t in found]), strict=True):
            columns[f"{name} {part}"] = values
    columns["Technology Platform"] = [one.platform for one in assays]
    columns["File Name"] = [f"assays/{one.identifier}/{ASSAY}" for one in assays]
    return [[section], *([f"{prefix} {name}", *values] for name, values in columns.items())]


def _protocols(tables: Sequence[Sheet]) -> list[Row]:
    """Each table is a protocol that was followed."""
    names = ("Type", *(f"Type {name}" for name in _TERM), "Description", "URI", "Version")
    parts = ("Parameters Name", *(f"Parameters {name}" for name in _TERM), "Components Name", "Components Type")
    rows: list[Row] = [["STUDY PROTOCOLS"], ["Study Protocol Name", *(sheet.name for sheet in tables)]]
    rows += _fields("Study Protocol", *((name, "") for name in (*names, *parts)))
    return [*rows, *_fields("Study Protocol Components Type", *((name, "") for name in _TERM))]


def _people(prefix: str, people: Sequence[Person]) -> list[Row]:
    columns: dict[str, list[str]] = {name: ["" for _ in people] for name in _PERSON}
    columns["Last Name"] = [person.last for person in people]
    columns["First Name"] = [person.first for person in people]
    columns["Email"] = [person.email for person in people]
    columns["Affiliation"] = [person.affiliation for person in people]
    columns["Roles"] = [person.role for person in people]
    rows: list[Row] = [[f"{prefix} {name}", *values] for name, values in columns.items()]
    if any(person.orcid for person in people):
        rows.append(["Comment[ORCID]", *(person.orcid for person in people)])
    return rows


def _publications(prefix: str, publications: Sequence[Mapping[str, str]]) -> list[Row]:
    keys = {"PubMed ID": "pubmed", "DOI": "doi", "Author List": "authors", "Title": "title", "Status": "status"}
    return [[f"{prefix} {name}", *(p.get(keys.get(name, ""), "") for p in publications)] for name in _PUBLICATION]
