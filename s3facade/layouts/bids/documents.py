"""What a data set says about itself: ``dataset_description.json``, ``README.md``, ``.bidsignore``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from s3facade.layouts.bids.schema import BIDS_VERSION
from s3facade.layouts.bids.tables import pretty

DESCRIPTION = "dataset_description.json"
README = "README.md"
IGNORE = ".bidsignore"
KNOWN = frozenset({"code", "derivatives", "docs", "logs", "phenotype", "sourcedata", "stimuli"})
"""Folders at the root that the standard knows and does not look into, but for phenotype."""


@dataclass(frozen=True, slots=True)
class Description:
    """What ``dataset_description.json`` says; empty fields are left out."""

    name: str
    derivative: bool = False
    license: str = ""
    authors: Sequence[str] = ()
    acknowledgements: str = ""
    how_to_acknowledge: str = ""
    funding: Sequence[str] = ()
    ethics: Sequence[str] = ()
    references: Sequence[str] = ()
    keywords: Sequence[str] = ()
    doi: str = ""
    hed: str = ""
    generated_by: Sequence[Mapping[str, Any]] = ()
    sources: Sequence[Mapping[str, str]] = ()
    links: Mapping[str, str] = field(default_factory=dict)
    """Where other data sets are, by the name that BIDS URIs call them."""

    def document(self) -> bytes:
        """The file (BIDS, modality-agnostic files: dataset description)."""
        told: dict[str, Any] = {
            "Name": self.name,
            "BIDSVersion": BIDS_VERSION,
            "HEDVersion": self.hed,
            "DatasetLinks": dict(self.links),
            "DatasetType": "derivative" if self.derivative else "raw",
            "License": self.license,
            "Authors": list(self.authors),
            "Keywords": list(self.keywords),
            "Acknowledgements": self.acknowledgements,
            "HowToAcknowledge": self.how_to_acknowledge,
            "Funding": list(self.funding),
            "EthicsApprovals": list(self.ethics),
            "ReferencesAndLinks": list(self.references),
            "DatasetDOI": self.doi,
            "GeneratedBy": [dict(by) for by in self.generated_by],
            "SourceDatasets": [dict(source) for source in self.sources],
        }
        return pretty({key: value for key, value in told.items() if value})


def generated(version: str, steps: Sequence[str] = ()) -> dict[str, str]:
    """The entry of GeneratedBy for this software.

    Args:
        version: Of the package.
        steps: Names of the steps that made the images.
    """
    done = (
        f"Computed from original files on request, through: {', '.join(steps)}."
        if steps
        else ("Original files, shown under names of BIDS; their voxels are unchanged.")
    )
    return {"Name": "s3facade", "Version": version, "Description": done}


def readme(name: str, *, derivative: bool = False) -> bytes:
    """What stands in the README where the operator gives none: what is known for sure."""
    kind = "derivative" if derivative else "raw"
    return (
        f"# {name}\n\n"
        f"A {kind} data set of the Brain Imaging Data Structure (BIDS), version {BIDS_VERSION}: "
        "<https://bids.neuroimaging.io>.\n\n"
        "Its files are computed on request from original files that lie elsewhere, by a mapping of their names to "
        "those of BIDS; nothing was copied. Who is in it stands in `participants.tsv`, what is known of each image in "
        "the JSON files beside it and at the root.\n"
    ).encode()


def ignored(patterns: Iterable[str]) -> bytes:
    """``.bidsignore``. Patterns must not end in a slash: the validator would complain about the folder itself."""
    lines = sorted({pattern.rstrip("/") for pattern in patterns})
    return ("\n".join(lines) + "\n").encode()
