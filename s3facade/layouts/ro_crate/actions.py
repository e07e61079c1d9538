"""How images were made, as actions: original files, what the software did to them, and what came out.

RO-Crate 1.1 and 1.2, "Provenance of entities": a CreateAction with object, instrument and result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from s3facade.layouts.ro_crate.graph import Graph, derived, reference, unpacked

MOST_FILES = 1000
"""Original files that one action names; of more, it says how many there are."""
PACKAGE = "pkg:generic/s3facade"
"""The software's package URL (purl), which claims no place where it can be had: RO-Crate 1.2 requires a URL of each
application."""


@dataclass(frozen=True, slots=True, order=True)
class Original:
    """One original file, as it may be told: no path of the machine that it lies on."""

    path: str
    """Relative to the folder of its source."""
    size: int | None = None
    """Bytes."""
    modified: str = ""
    """ISO 8601, UTC."""


def originals(recipe: Mapping[str, Any]) -> list[Original]:
    """Files that a recipe (`s3facade.json`) names, each once, sorted."""
    found = {Original(f["path"], f.get("size"), f.get("modified", "")) for f in _files(recipe)}
    return sorted(found, key=lambda o: (o.path, o.size or 0, o.modified))


def _files(node: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "files" and isinstance(value, list):
                yield from value
            elif key in ("recipe", "from", "steps", "with", "labels") or isinstance(value, Mapping):
                yield from _files(value)
    elif isinstance(node, list):
        for item in node:
            yield from _files(item)


def software(graph: Graph, version: str) -> dict[str, str]:
    """A link to what computed."""
    identifier = derived("software", f"s3facade {version}".strip())
    url = f"{PACKAGE}@{quote(version, safe='')}" if version else PACKAGE
    about = {"name": "s3facade", "version": version, "softwareVersion": version, "url": url}
    return graph.add(identifier, "SoftwareApplication", **about)


def made(
    graph: Graph,
    result: str,
    files: Sequence[Original],
    steps: Sequence[str],
    version: str,
    *,
    told: str | None = None,
) -> dict[str, str]:
    """A link to the action that made ``result``.

    Args:
        graph: Where it goes.
        result: Id of what came out.
        files: What it was made of.
        steps: Names of the transforms, in order.
        version: Of the software.
        told: Id of the document with all options; None: there is none.
    """
    named = [_file(graph, file) for file in files[:MOST_FILES]]
    sentences = [f"Steps: {', '.join(steps)}." if steps else "Pixel values are those of the original files."]
    if len(files) > MOST_FILES:
        sentences.append(f"Made of {len(files)} files, of which the first {MOST_FILES} are named.")
    if told:
        sentences.append(f"All options are in {told.rsplit('/', 1)[-1]}.")
    return graph.add(
        derived("action", result, [file.path for file in files], list(steps), version),
        "CreateAction",
        name="Computed view of original files",
        description=" ".join(sentences),
        instrument=software(graph, version),
        object=unpacked(named),
        result=reference(result),
        subjectOf=reference(told) if told else None,
    )


def _file(graph: Graph, file: Original) -> dict[str, str]:
    """An original file. It is no part of the crate, so it is a work, and not a File."""
    size = None if file.size is None else str(file.size)
    identifier = derived("original", file.path, file.size, file.modified)
    return graph.add(identifier, "CreativeWork", name=file.path, contentSize=size, dateModified=file.modified)
