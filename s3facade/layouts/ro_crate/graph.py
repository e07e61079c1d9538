"""The graph of a crate in the making: entities by id, references, and bytes that are equal for equal contents.

RO-Crate 1.1 and 1.2, appendix "RO-Crate JSON-LD": flattened JSON-LD, one object per entity, lists of one unpacked.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from s3facade.core.identity import canonical

Entity: TypeAlias = dict[str, Any]
DESCRIPTOR = "ro-crate-metadata.json"
"""Key of a crate below its root, and its id."""
MEDIA_TYPE = "application/ld+json"
ROOT = "./"
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://w3id.org/ro/crate/s3facade")

TERMS: Mapping[str, Any] = {
    "organism_classification": "https://schema.org/taxonomicRange",
    "BioChemEntity": "https://schema.org/BioChemEntity",
    "channel": "https://www.openmicroscopy.org/Schemas/Documentation/Generated/OME-2016-06/ome_xsd.html#Channel",
    "obo": "http://purl.obolibrary.org/obo/",
    "FBcv": "http://ontobee.org/ontology/FBcv/",
    "acquisiton_method": {"@reverse": "https://schema.org/result", "@type": "@id"},
    "biological_entity": "https://schema.org/about",
    "biosample": "http://purl.obolibrary.org/obo/OBI_0002648",
    "preparation_method": "https://www.wikidata.org/wiki/Property:P1537",
    "specimen": "http://purl.obolibrary.org/obo/HSO_0000308",
}
"""What the NGFF challenge adds to the context, letter by letter ("acquisiton" is its spelling)."""
MORE_TERMS: Mapping[str, Any] = {
    "image_acquisition": "http://purl.obolibrary.org/obo/FBbi_00000222",
    "fbbi_id": {"@id": "http://schema.org/measurementTechnique", "@type": "@id"},
    "resultOf": {"@reverse": "http://schema.org/result", "@type": "@id"},
}
"""What its crates use and its context does not define: without a definition it is lost to whoever reads JSON-LD."""


def reference(identifier: str) -> dict[str, str]:
    """A link to an entity."""
    return {"@id": identifier}


def derived(kind: str, *contents: object) -> str:
    """An id of its own for an entity of these contents: the same for the same, on every machine (UUID version 5)."""
    return f"#{uuid.uuid5(_NAMESPACE, canonical([kind, *contents]))}"


def unpacked(values: Iterable[Any]) -> Any:
    """A list, but the value alone where there is one."""
    found = list(values)
    return found[0] if len(found) == 1 else found


class Graph:
    """Entities by id, in the order in which they came."""

    def __init__(self) -> None:
        self._entities: dict[str, Entity] = {}

    def add(self, at: str, kind: str | list[str], /, **properties: Any) -> dict[str, str]:
        """An entity, and the link to it; of a known id, only the link. Empty properties are left out."""
        kept = {key: value for key, value in properties.items() if value not in (None, "", [], {})}
        self._entities.setdefault(at, {"@id": at, "@type": kind, **kept})
        return reference(at)

    def document(self, version: str, terms: Mapping[str, Any], root: Entity) -> bytes:
        """The crate. ``root`` comes last: simple readers take the last name, licence and description that they meet."""
        descriptor = {
            "@id": DESCRIPTOR,
            "@type": "CreativeWork",
            "about": reference(root["@id"]),
            "conformsTo": reference(f"https://w3id.org/ro/crate/{version}"),
        }
        entities = [descriptor, *self._entities.values(), root]
        context = [f"https://w3id.org/ro/crate/{version}/context", dict(terms)]
        # One entity per line: to be read by people, and written by the quick half of Python's library.
        lines = ",\n  ".join(_ENCODER.encode(entity) for entity in entities)
        text = f'{{"@context": {_ENCODER.encode(context)},\n "@graph": [\n  {lines}\n ]}}\n'
        return text.encode("utf-8", "replace")
