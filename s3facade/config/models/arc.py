"""An ARC around a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from s3facade.config.models.base import Model
from s3facade.config.views.arc import ArcConfig
from s3facade.layouts.arc import isa
from s3facade.layouts.arc.workbook import missing
from s3facade.layouts.ro_crate.identifiers import orcid_of

NAME = r"^[A-Za-z0-9_-][A-Za-z0-9_ -]*$"
_DATE = r"^\d{4}-\d{2}-\d{2}$"


def _digits(value: str) -> str:
    return orcid_of(value).removeprefix("https://orcid.org/")


Name = Annotated[str, Field(pattern=NAME)]
Date = Annotated[str, Field(pattern=_DATE)]


class TermModel(Model):
    """A word, and the term of an ontology that it stands for."""

    name: str = ""
    """The word."""
    source: str = ""
    """Short name of the ontology, as in `NCBITaxon`."""
    accession: str = ""
    """Address of the term."""

    def resolve(self) -> isa.Term:
        """The same as plain data."""
        return isa.Term(self.name, self.source, self.accession)


def _term(value: object) -> object:
    return value if isinstance(value, Mapping | TermModel) else {"name": value}


Term = Annotated[TermModel, BeforeValidator(_term)]


class PersonModel(Model):
    """Who did it."""

    last: Annotated[str, Field(min_length=1)]
    """Family name."""
    first: str = ""
    """Given name."""
    orcid: Annotated[str, AfterValidator(_digits)] | None = None
    """As in `0000-0002-1825-0097`."""
    email: str = ""
    """Address of electronic mail."""
    affiliation: str = ""
    """Where they work."""
    role: str = ""
    """What they did."""


class PublicationModel(Model):
    """What was published about it."""

    doi: str = ""
    """Digital object identifier."""
    pubmed: str = ""
    """Number in PubMed."""
    title: str = ""
    """Title."""
    authors: str = ""
    """Authors, as they are to be listed."""
    status: str = ""
    """As in `published`."""


class InvestigationModel(Model):
    """The investigation."""

    identifier: str | None = None
    """Default: the name of the dataset, in letters that file names may have."""
    title: str = ""
    """Default: the name of the dataset."""
    description: str = ""
    """What it is about."""
    submitted: Date | None = None
    """Date, as in `2026-01-31`."""
    released: Date | None = None
    """Date, as in `2026-01-31`."""


class TitledModel(Model):
    """A study or an assay in words."""

    title: str = ""
    """Title."""
    description: str = ""
    """What it is about."""


class ArcModel(Model):
    """An ARC whose assay holds the dataset: `assays/<assay>/dataset/`."""

    assay: Name
    """Name of the assay's folder."""
    study: Name = "study"
    """Name of the study's folder."""
    investigation: InvestigationModel = InvestigationModel()
    """What the investigation is called and about."""
    about_study: TitledModel = TitledModel()
    """What the study is called and about."""
    about_assay: TitledModel = TitledModel()
    """What the assay is called and about."""
    measurement: Term = TermModel()
    """What is measured: a word, or `{name, source, accession}`."""
    technology: Term = TermModel()
    """What it is measured with, as `measurement`."""
    platform: str = ""
    """Maker or model of the instrument."""
    people: list[PersonModel] = []
    """Who did it; default: the authors of the dataset."""
    publications: list[PublicationModel] = []
    """What was published about it."""
    terms: dict[str, Term] = {}
    """Terms of ontologies by words: where a table has the word, it has the term, too."""

    @model_validator(mode="after")
    def _writable(self) -> ArcModel:
        if lacking := missing():
            raise ValueError(lacking)
        return self

    def resolve(self, name: str) -> ArcConfig:
        """The same as plain data, for a dataset called ``name``."""
        given = self.investigation
        return ArcConfig(
            assay=self.assay,
            study=self.study,
            name=name,
            identifier=given.identifier or "",
            title=given.title,
            description=given.description,
            submitted=given.submitted or "",
            released=given.released or "",
            study_title=self.about_study.title,
            study_description=self.about_study.description,
            assay_title=self.about_assay.title,
            assay_description=self.about_assay.description,
            measurement=self.measurement.resolve(),
            technology=self.technology.resolve(),
            platform=self.platform,
            people=tuple(_said(person) for person in self.people),
            publications=tuple(_said(publication) for publication in self.publications),
            terms={word: _named(term, word) for word, term in self.terms.items()},
        )


def _said(model: Model) -> dict[str, str]:
    found: dict[str, Any] = model.model_dump()
    return {key: value for key, value in found.items() if value}


def _named(term: TermModel, word: str) -> isa.Term:
    return isa.Term(term.name or word, term.source, term.accession)
