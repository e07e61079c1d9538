"""Identifiers as they are written, and as crates hold them; what is wrong is refused with a sentence."""

from __future__ import annotations

import datetime as dt
import re

from s3facade.layouts.ro_crate import vocabulary

_ADDRESS = re.compile(r"https?://[^\s/?#@]+\.[^\s/?#@]+(/\S*)?")
_TAXON = re.compile(r"(?:NCBI:txid|NCBITaxon[_:]|obo:NCBITaxon_|http://purl\.obolibrary\.org/obo/NCBITaxon_)?(\d{1,8})")
_TERM = re.compile(r"(?:obo:|http://purl\.obolibrary\.org/obo/)?FBbi[_:](\d{8})")
_ORCID = re.compile(r"(?:https?://orcid\.org/)?(\d{4})-(\d{4})-(\d{4})-(\d{3}[\dX])")
_DOI = re.compile(r"(?:https?://(?:dx\.)?doi\.org/|doi:)?(10\.\d{4,9}/[^\s\"<>]+)", re.IGNORECASE)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def license_of(text: str) -> str:
    """The address of a licence, given as its SPDX id or as an address. Raises `ValueError`."""
    found = vocabulary.license_address(text)
    if found is None and _ADDRESS.fullmatch(text):
        found = text
    if found is None:
        raise ValueError(
            f"must be an SPDX id such as CC-BY-4.0 or CC0-1.0, or the licence's https address, not {text!r}"
        )
    return found


def organism_of(text: str) -> str:
    """``NCBI:txid<number>``, given so, or as a Latin name that is known here. Raises `ValueError`."""
    matched = _TAXON.fullmatch(text.strip())
    if matched is not None and (text.strip() != matched[1]) and int(matched[1]) > 0:
        return f"NCBI:txid{int(matched[1])}"
    found = vocabulary.taxon(text)
    if found is None:
        raise ValueError(
            f"must be an NCBI taxon such as NCBI:txid10090, or a common Latin name such as Mus musculus, not {text!r}"
        )
    return found


def modality_of(text: str) -> str:
    """``obo:FBbi_<8 digits>``, given so, or as a name or BIDS suffix that is known here. Raises `ValueError`."""
    matched = _TERM.fullmatch(text.strip())
    if matched is not None:
        return f"obo:FBbi_{matched[1]}"
    found = vocabulary.method(text)
    if found is None:
        raise ValueError(
            f"must be a term of FBbi such as obo:FBbi_00000369, or a common name such as SPIM, not {text!r}"
        )
    return found


def orcid_of(text: str) -> str:
    """``https://orcid.org/…``, its check digit (ISO 7064, MOD 11-2) verified. Raises `ValueError`."""
    matched = _ORCID.fullmatch(text.strip())
    if matched is None:
        raise ValueError(f"must be an ORCID such as 0000-0002-1825-0097, not {text!r}")
    digits = "".join(matched.groups())
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    check = (12 - total % 11) % 11
    if digits[-1] != ("X" if check == 10 else str(check)):
        raise ValueError(
            f"is no ORCID: the last character of {text!r} does not fit the others; look for a typing error"
        )
    return f"https://orcid.org/{'-'.join(matched.groups())}"


def doi_of(text: str) -> str:
    """``https://doi.org/…``. Raises `ValueError`."""
    matched = _DOI.fullmatch(text.strip())
    if matched is None:
        raise ValueError(f"must be a DOI such as 10.1038/s41592-021-01326-w, not {text!r}")
    return f"https://doi.org/{matched[1]}"


def day_of(text: str) -> str:
    """A day as ISO 8601 writes it. Raises `ValueError`."""
    try:
        if _DAY.fullmatch(text.strip()):
            return dt.date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        pass
    raise ValueError(f"must be a day such as 2024-05-31, not {text!r}")


def address_of(text: str) -> str:
    """A web address. Raises `ValueError`."""
    if not _ADDRESS.fullmatch(text):
        raise ValueError(f"must be a web address such as https://example.org/study, not {text!r}")
    return text
