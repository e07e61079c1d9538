"""The crate of a dataset: a folder of images, what they are, who made them, and how (RO-Crate 1.2).

It is made from names, tables and the configuration alone: no image is opened. So that it stays small, images are
described one by one only up to `MOST`; of more, the folders that they lie in are told, and how many there are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from s3facade.layouts.ro_crate import actions, vocabulary
from s3facade.layouts.ro_crate.about import GROUPS, About
from s3facade.layouts.ro_crate.graph import (
    DESCRIPTOR,
    MEDIA_TYPE,
    MORE_TERMS,
    ROOT,
    TERMS,
    Graph,
    derived,
    reference,
    unpacked,
)
from s3facade.layouts.ro_crate.people import credits_of, method, properties_of, taxon

MOST = 2000
"""Images that are described one by one."""
FOLDERS = 1000
"""Folders that are told where there are more images."""
_ASCII = re.compile(r"[\x00-\x7f]+")
CRATE = "https://w3id.org/ro/crate"
"""What a part of a crate conforms to that has a crate of its own (1.2, "Referencing other RO-Crates")."""


@dataclass(frozen=True, slots=True)
class Part:
    """One image of the dataset."""

    key: str
    """Relative to the dataset, without a final slash."""
    folder: bool
    """Whether it is a prefix of keys, and not one key."""
    media_type: str = ""
    """Of a single key."""
    name: str = ""
    crate: bool = False
    """Whether it has a crate of its own."""
    files: tuple[actions.Original, ...] = ()
    """What it is made of."""
    steps: tuple[str, ...] = ()
    """Names of the transforms, in order."""
    told: bool = True
    """Whether it may be told what it is made of and how."""


@dataclass(frozen=True, slots=True)
class Folder:
    """The dataset as a whole."""

    name: str
    description: str
    date: str
    """A day, ISO 8601."""
    license: str
    """An address."""
    version: str
    """Of the software."""
    about: About = field(default_factory=dict)


def dataset_crate(dataset: Folder, parts: Sequence[Part]) -> bytes:
    """``ro-crate-metadata.json`` for ``dataset``, its images in order of key."""
    graph = Graph()
    about = dataset.about
    license_ = graph.add(
        dataset.license,
        "CreativeWork",
        name=vocabulary.license_name(dataset.license),
        description="The licence of these data",
    )
    root: dict[str, Any] = {
        "@id": ROOT,
        "@type": "Dataset",
        "name": dataset.name,
        "description": dataset.description,
        "datePublished": dataset.date,
        "license": license_,
        **credits_of(graph, about),
    }
    if "organism" in about:
        root["about"] = taxon(graph, about["organism"])
    if "modality" in about:
        root["measurementTechnique"] = method(graph, about["modality"])
    ordered = sorted(parts, key=lambda part: part.key)
    groups = [_group(graph, kind, about[kind]) for kind in _groups(about)]
    if len(ordered) <= MOST:
        root["hasPart"] = unpacked(_image(graph, part) for part in ordered)
        groups += [action for part in ordered if (action := _action(graph, part, dataset.version))]
    else:
        root["hasPart"] = unpacked(_folders(graph, ordered))
        root["size"] = graph.add(
            derived("size", len(ordered)), "QuantitativeValue", name="Number of images", value=len(ordered)
        )
        if told := [part for part in ordered if part.told]:
            steps = list(dict.fromkeys(step for part in told for step in part.steps))
            groups.append(actions.made(graph, ROOT, (), steps, dataset.version))
    if groups:
        root["mentions"] = unpacked(groups)
    root = {key: value for key, value in root.items() if value not in (None, "", [])}
    return graph.document("1.2", {**TERMS, **MORE_TERMS}, root)


def _groups(about: Mapping[str, Any]) -> Iterable[str]:
    return (kind for kind in GROUPS if kind in about)


def _group(graph: Graph, kind: str, given: Mapping[str, Any]) -> dict[str, str]:
    identifier = derived(kind, given)
    told = properties_of(graph, identifier, given)
    name = told.pop("name", kind.replace("_", " "))
    return graph.add(identifier, "CreativeWork", additionalType=kind, name=name, **told)


def _image(graph: Graph, part: Part) -> dict[str, str]:
    """An image: a folder, which may have a crate of its own, or a file."""
    name = part.name or part.key.rsplit("/", 1)[-1]
    files = f"Image made of {len(part.files)} original files" if len(part.files) > 1 else "Image"
    if not part.folder:
        return graph.add(_uri(part.key), "File", name=name, description=files, encodingFormat=part.media_type)
    identifier = _uri(part.key) + "/"
    if not part.crate:
        return graph.add(identifier, "Dataset", name=name, description=files)
    own = graph.add(identifier + DESCRIPTOR, "CreativeWork", name=f"Crate of {name}", encodingFormat=MEDIA_TYPE)
    about: dict[str, Any] = {"name": name, "description": files}
    return graph.add(identifier, "Dataset", **about, conformsTo=reference(CRATE), subjectOf=own)


def _action(graph: Graph, part: Part, version: str) -> dict[str, str] | None:
    """How an image was made; its files and steps alone, since its own document tells the options."""
    if not part.told or not part.files:
        return None
    result = _uri(part.key) + ("/" if part.folder else "")
    return actions.made(graph, result, part.files, part.steps, version)


def _folders(graph: Graph, parts: Sequence[Part]) -> list[dict[str, str]]:
    """Folders with images, as deep as there are few enough of them; the dataset itself is none."""
    depth, chosen = 1, _counted(parts, 1)
    while len(deeper := _counted(parts, depth + 1)) <= FOLDERS and deeper != chosen:
        depth, chosen = depth + 1, deeper
    if len(chosen) > FOLDERS:
        return []
    return [
        graph.add(_uri(folder) + "/", "Dataset", name=folder, description=f"{count} images")
        for folder, count in sorted(chosen.items())
    ]


def _counted(parts: Sequence[Part], depth: int) -> Counter[str]:
    """Images by the first folders of their keys."""
    heads = (part.key.split("/")[:-1][:depth] for part in parts)
    return Counter("/".join(head) for head in heads if head)


def _uri(key: str) -> str:
    """A key as a relative IRI (1.2, "Encoding file paths"): percent-encoded only where it must be."""
    return _ASCII.sub(lambda found: quote(found[0], safe="/!$&'()*+,;=:@~"), key)
