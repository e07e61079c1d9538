"""What an ARC around a dataset is told beside the dataset's own facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from s3facade.layouts.arc.isa import Term


@dataclass(frozen=True, slots=True)
class ArcConfig:
    """Names and facts of investigation, study and assay."""

    assay: str
    study: str
    name: str = ""
    """Of the data set."""
    identifier: str = ""
    """Of the investigation; empty: made of the name, as its title."""
    title: str = ""
    description: str = ""
    submitted: str = ""
    released: str = ""
    study_title: str = ""
    study_description: str = ""
    assay_title: str = ""
    assay_description: str = ""
    measurement: Term = field(default_factory=Term)
    technology: Term = field(default_factory=Term)
    platform: str = ""
    people: tuple[Mapping[str, str], ...] = ()
    """By ``first``, ``last``, ``orcid``, ``email``, ``affiliation`` and ``role``."""
    publications: tuple[Mapping[str, str], ...] = ()
    """By ``doi``, ``pubmed``, ``title``, ``authors`` and ``status``."""
    terms: Mapping[str, Term] | None = None
    """Terms by words: a column whose value is one of these words is told with its term."""
