"""Entities that both forms of crates share: authors, publishers, publications, terms, and groups of REMBI."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from s3facade.layouts.ro_crate import vocabulary
from s3facade.layouts.ro_crate.about import About
from s3facade.layouts.ro_crate.graph import Graph, derived, unpacked


def credits_of(graph: Graph, about: About) -> dict[str, Any]:
    """Properties of the root: who made it, who publishes it, and what was written about it."""
    people = [_person(graph, author) for author in about.get("authors", ())]
    works = [
        graph.add(address, "ScholarlyArticle", name=address.removeprefix("https://doi.org/"), identifier=address)
        for address in about.get("publication", ())
    ]
    publisher = about.get("publisher")
    found = {
        "author": unpacked(people),
        "publisher": _organization(graph, publisher) if publisher else None,
        "citation": unpacked(works),
        "keywords": ", ".join(about.get("keywords", ())),
        "isBasedOn": about.get("origin"),
    }
    return {key: value for key, value in found.items() if value}


def _person(graph: Graph, author: Mapping[str, Any]) -> dict[str, str]:
    affiliation = author.get("affiliation")
    belongs = _organization(graph, affiliation) if affiliation else None
    identifier = author.get("orcid") or derived("person", author["name"], affiliation)
    return graph.add(identifier, "Person", name=author["name"], affiliation=belongs)


def _organization(graph: Graph, place: Mapping[str, str]) -> dict[str, str]:
    name, url = place["name"], place.get("url")
    return graph.add(url or derived("organization", name), "Organization", name=name, url=url)


def taxon(graph: Graph, identifier: str) -> dict[str, str]:
    """A link to a taxon, which is described by its name."""
    name = vocabulary.taxon_name(identifier)
    return graph.add(identifier, "DefinedTerm", name=name, termCode=identifier)


def method(graph: Graph, identifier: str) -> dict[str, str]:
    """A link to an imaging method, which is described by its label."""
    name = vocabulary.method_name(identifier)
    return graph.add(identifier, "DefinedTerm", name=name, termCode=identifier.removeprefix("obo:"))


def properties_of(graph: Graph, owner: str, group: Mapping[str, Any]) -> dict[str, Any]:
    """What a group of REMBI says, as name and value: it has no terms in any context of RO-Crate."""
    given = dict(group)
    told = {key: given.pop(key) for key in ("name", "description") if isinstance(given.get(key), str)}
    values = [
        graph.add(derived("property", owner, name, value), "PropertyValue", name=name, value=value)
        for name, value in _flat(given, "")
    ]
    return {**told, "additionalProperty": unpacked(values)}


def _flat(group: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in group.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and any(isinstance(v, list | Mapping) for v in value):
            yield f"{prefix}{key}", json.dumps(value, ensure_ascii=False)
        else:
            yield f"{prefix}{key}", unpacked(value) if isinstance(value, list) else value
