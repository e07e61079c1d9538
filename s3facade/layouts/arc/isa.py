"""ISA's investigation, study and assay as sheets of cells, in the form of ISA-XLSX of the ARC specification 2.0.

Pure: what is known from names and tables goes in, rows come out; `s3facade.layouts.arc.workbook` writes them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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

    name: str
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
class Facts:
    """What the workbooks say beside their tables."""

    identifier: str
    """Of the investigation."""
    title: str = ""
    description: str = ""
    submitted: str = ""
    """Date, ISO 8601."""
    released: str = ""
    people: tuple[Person, ...] = ()
    publications: tuple[Mapping[str, str], ...] = ()
    """By ``doi``, ``pubmed``, ``title``, ``authors``, ``status``."""
    study: str = "study"
    study_title: str = ""
    study_description: str = ""
    assay: str = "assay"
    assay_title: str = ""
    assay_description: str = ""
    measurement: Term = field(default_factory=lambda: Term(""))
    technology: Term = field(default_factory=lambda: Term(""))
    platform: str = ""


def investigation(facts: Facts, sources: Mapping[str, str]) -> list[Sheet]:
    """The workbook at the root of the ARC.

    Args:
        facts: What is known.
        sources: Addresses of ontologies by their short names.
    """
    rows = [
        ["ONTOLOGY SOURCE REFERENCE"],
        ["Term Source Name", *sources],
        ["Term Source File", *sources.values()],
        ["Term Source Version", *("" for _ in sources)],
        ["Term Source Description", *("" for _ in sources)],
        ["INVESTIGATION"],
        *_fields("Investigation", ("Identifier", facts.identifier), ("Title", facts.title)),
        *_fields("Investigation", ("Description", facts.description), ("Submission Date", facts.submitted)),
        *_fields("Investigation", ("Public Release Date", facts.released)),
        ["INVESTIGATION PUBLICATIONS"],
        *_publications("Investigation Publication", facts.publications),
        ["INVESTIGATION CONTACTS"],
        *_people("Investigation Person", facts.people),
        *_study(facts),
        *_described(facts, "STUDY ASSAYS", "Study Assay"),
    ]
    return [Sheet("isa_investigation", rows)]


def study(facts: Facts, tables: Sequence[Sheet]) -> list[Sheet]:
    """The workbook of the study: which samples were taken from whom."""
    rows = [*_study(facts), *_described(facts, "STUDY ASSAYS", "Study Assay"), *_protocols(tables)]
    rows += [["STUDY CONTACTS"], *_people("Study Person", facts.people)]
    return [Sheet("isa_study", rows), *tables]


def assay(facts: Facts, tables: Sequence[Sheet]) -> list[Sheet]:
    """The workbook of the assay: which data were made of which sample, and how."""
    rows = [*_described(facts, "ASSAY", "Assay"), ["ASSAY PERFORMERS"], *_people("Assay Person", facts.people)]
    return [Sheet("isa_assay", rows), *tables]


def table(name: str, columns: Sequence[Column]) -> Sheet:
    """An annotation table. Headers that occur more than once end in spaces, as tables of Excel ask for."""
    headers: list[str] = []
    values: list[Sequence[str]] = []
    for column in columns:
        for header, cells in column.cells():
            while header in headers:
                header += " "  # noqa: PLW2901 - what makes it unlike the others
            headers.append(header)
            values.append(cells)
    return Sheet(name, [headers, *map(list, zip(*values, strict=True))], table=True)


def tag(sheets: Sequence[Sheet]) -> str:
    """A digest of all cells."""
    return digest([(sheet.name, [list(row) for row in sheet.rows], sheet.table) for sheet in sheets])


def _fields(prefix: str, *fields: tuple[str, str]) -> list[Row]:
    return [[f"{prefix} {name}", value] if value else [f"{prefix} {name}"] for name, value in fields]


def _study(facts: Facts) -> list[Row]:
    about = ("Identifier", facts.study), ("Title", facts.study_title), ("Description", facts.study_description)
    dates = ("Submission Date", facts.submitted), ("Public Release Date", facts.released)
    return [
        ["STUDY"],
        *_fields("Study", *about, *dates, ("File Name", f"studies/{facts.study}/{STUDY}")),
        ["STUDY DESIGN DESCRIPTORS"],
        *_fields("Study Design Type", *((name, "") for name in _TERM)),
        ["STUDY PUBLICATIONS"],
        *_publications("Study Publication", facts.publications),
    ]


def _described(facts: Facts, section: str, prefix: str) -> list[Row]:
    """The assay, as its own workbook and that of the study tell of it."""
    found = [[section]]
    about = ("Identifier", facts.assay), ("Title", facts.assay_title), ("Description", facts.assay_description)
    found += [list(row) for row in _fields(prefix, *about)]
    for name, term in (("Measurement Type", facts.measurement), ("Technology Type", facts.technology)):
        found += [list(row) for row in _fields(prefix, (name, term.name))]
        found += [
            list(row) for row in _fields(f"{prefix} {name}", *zip(_TERM, (term.accession, term.source), strict=True))
        ]
    rest = ("Technology Platform", facts.platform), ("File Name", f"assays/{facts.assay}/{ASSAY}")
    return [*found, *_fields(prefix, *rest)]


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
