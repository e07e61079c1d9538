"""What an operator says about images, checked: text becomes identifiers, and what is wrong is left out with a sentence.

Groups and their names are those of REMBI (Sarkans et al., 2021): what is given in them is kept as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from s3facade.layouts.ro_crate import identifiers

About: TypeAlias = Mapping[str, Any]
"""JSON-compatible: ``name``, ``description``, ``license`` (an address), ``organism`` (``NCBI:txid…``), ``modality``
(``obo:FBbi_…``), ``authors`` (mappings of ``name``, ``orcid``, ``affiliation``, that one
being a mapping of ``name`` and ``url``), ``publication`` (addresses of DOIs),
``date_published`` (a day), ``keywords``, ``publisher`` (a mapping of ``name`` and ``url``), ``origin`` (an address),
and `GROUPS`; all optional."""

GROUPS = (
    "study",
    "study_component",
    "biosample",
    "specimen",
    "image_acquisition",
    "image_data",
    "image_correlation",
    "analyzed_data",
)
"""Groups of REMBI."""
_TEXTS: Mapping[str, Callable[[str], str]] = {
    "name": str,
    "description": str,
    "license": identifiers.license_of,
    "organism": identifiers.organism_of,
    "modality": identifiers.modality_of,
    "date_published": identifiers.day_of,
    "origin": identifiers.address_of,
}
KEYS = (*_TEXTS, "authors", "publication", "keywords", "publisher", *GROUPS)
"""All that may be said."""
MISSING = frozenset({"", "n/a", "na", "nan", "none", "null", "-"})
"""What tables hold where nothing is known."""


def settled(about: Mapping[str, object]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """What can be used of what was written, and (key, sentence) of what is wrong.

    Empty values, and what tables write for missing ones, are as good as not given. What is settled stays as it is when
    it is settled again.
    """
    found: dict[str, Any] = {}
    wrong: list[tuple[str, str]] = []
    for key, given in about.items():
        try:
            value = _value(key, given)
        except ValueError as error:
            wrong.append((key, str(error)))
            continue
        if value not in (None, "", [], {}):
            found[key] = value
    return found, wrong


def _value(key: str, given: object) -> Any:
    if key in _TEXTS:
        if not isinstance(given, str):
            raise ValueError("must be text")
        text = given.strip()
        return None if text.lower() in MISSING else _TEXTS[key](text)
    if key == "authors":
        return [author for item in _many(given) if (author := _author(item))]
    if key == "publication":
        return [identifiers.doi_of(str(item)) for item in _many(given) if str(item).lower() not in MISSING]
    if key == "keywords":
        return [str(item) for item in _many(given) if str(item)]
    if key == "publisher":
        return _organization(given)
    if key in GROUPS:
        return _group(given)
    raise ValueError(f"is not known; use {', '.join(KEYS)}")


def _many(given: object) -> Sequence[object]:
    return list(given) if isinstance(given, list | tuple) else [] if given is None else [given]


def _author(given: object) -> dict[str, Any] | None:
    """A person, given as a name, or as a mapping of ``name`` and perhaps ``orcid`` and ``affiliation``."""
    if not isinstance(given, Mapping):
        text = str(given).strip()
        return None if text.lower() in MISSING else {"name": text}
    _known(given, ("name", "orcid", "affiliation"), "an author")
    person: dict[str, Any] = {
        key: text for key in ("name", "orcid") if (text := str(given.get(key, "")).strip()).lower() not in MISSING
    }
    place = _organization(given.get("affiliation"))
    if not person and not place:
        return None
    if "name" not in person:
        raise ValueError("holds an author without a `name`; add it")
    if "orcid" in person:
        person["orcid"] = identifiers.orcid_of(person["orcid"])
    return person | ({"affiliation": place} if place else {})


def _organization(given: object) -> dict[str, str] | None:
    """An institution, given as a name, or as a mapping of ``name`` and perhaps ``url`` (best its ROR)."""
    if not isinstance(given, Mapping):
        text = str(given or "").strip()
        return None if text.lower() in MISSING else {"name": text}
    _known(given, ("name", "url"), "an institution")
    found = {key: str(value).strip() for key, value in given.items() if str(value).strip()}
    if "name" not in found:
        raise ValueError("holds an institution without a `name`; add it")
    if "url" in found:
        found["url"] = identifiers.address_of(found["url"])
    return found


def _known(given: Mapping[Any, object], keys: Sequence[str], what: str) -> None:
    other = next((key for key in given if key not in keys), None)
    if other is not None:
        raise ValueError(f"has {other!r}, which is nothing that is told of {what}; use {', '.join(keys)}")


def _group(given: object) -> dict[str, Any]:
    """What a group of REMBI holds: one sentence, or values by name; values that tables lack are left out."""
    if not isinstance(given, Mapping):
        given = {"description": given}
    found = {str(key): _plain(value) for key, value in given.items()}
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {str(k): kept for k, v in value.items() if (kept := _plain(v)) not in (None, "", [], {})}
    if isinstance(value, list | tuple):
        return [kept for v in value if (kept := _plain(v)) not in (None, "", [], {})]
    if isinstance(value, str):
        return None if value.strip().lower() in MISSING else value.strip()
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no such numbers; infinity is called as Zarr calls it.
        return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def merged(*layers: Mapping[str, object]) -> dict[str, object]:
    """What is said in several places: later ones override earlier ones, key by key; groups value by value."""
    found: dict[str, object] = {}
    for layer in layers:
        for key, value in layer.items():
            before = found.get(key)
            both = key in GROUPS and isinstance(before, Mapping) and isinstance(value, Mapping)
            found[key] = {**before, **value} if both else value  # type: ignore[dict-item]
    return found


def from_bids(
    *,
    name: str = "",
    license: str = "",  # noqa: A002 - as BIDS calls it
    authors: Sequence[str] = (),
    species: str = "",
    suffix: str = "",
) -> dict[str, Any]:
    """What a BIDS dataset says of its images, as far as it can be told exactly: BIDS takes any text, crates do not.

    Args:
        name: Of the dataset.
        license: As in ``dataset_description.json``.
        authors: Likewise.
        species: As in ``participants.tsv``: a Latin name, or an address of a taxon.
        suffix: Of the file, e.g. ``SPIM``.
    """
    given = {"name": name, "license": license, "authors": list(authors), "organism": species, "modality": suffix}
    found, _ = settled({key: value for key, value in given.items() if value})
    return found
