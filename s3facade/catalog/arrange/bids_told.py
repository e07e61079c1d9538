"""What a BIDS view says about the data set as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from s3facade.catalog.arrange.bids_kind import Kind
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.images.provenance import software
from s3facade.config.views.bids import BidsView, derived
from s3facade.layouts.bids import documents

RAW = "../.."
"""Where the raw data set lies, seen from ``derivatives/NAME``."""
CRATE = "ro-crate-metadata.json"


def describe(view: BidsView, made: Kind, desk: Desk) -> None:
    """Put ``dataset_description.json``, ``README.md``, ``CHANGES`` and ``.bidsignore`` into the plan."""
    own = documents.generated(software().get("s3facade", ""), made.steps)
    sources = view.source_datasets
    if not sources and made.derivative and derived(view.path):
        sources = ({"URL": RAW},)
    told = documents.Description(
        view.name,
        made.derivative,
        view.license,
        view.authors,
        view.acknowledgements,
        view.how_to_acknowledge,
        view.funding,
        view.ethics,
        view.references,
        view.keywords,
        view.doi,
        generated_by=(*view.generated_by, own),
        sources=sources,
        links=view.links,
    )
    desk.write(_key(view, documents.DESCRIPTION), told.document(), "application/json")
    _text(view, desk, documents.README, view.readme or documents.readme(view.name, derivative=made.derivative).decode())
    if view.changes:
        _text(view, desk, "CHANGES", view.changes)
    unknown = [*view.bidsignore, *_unknown(view, desk)]
    if unknown:
        desk.write(_key(view, documents.IGNORE), documents.ignored(unknown), "text/plain")


def _text(view: BidsView, desk: Desk, name: str, text: str | Path) -> None:
    if isinstance(text, Path):
        desk.copy(_key(view, name), text)
    else:
        media_type = "text/markdown" if name.endswith(".md") else "text/plain"
        desk.write(_key(view, name), (text.rstrip() + "\n").encode(), media_type)


def _unknown(view: BidsView, desk: Desk) -> Iterator[str]:
    """Patterns of what lies at the root of the data set and is none of BIDS: other views, and crates."""
    if "ro-crate" in view.also:
        yield f"/{CRATE}"
    bucket = next((b for b in desk.settings.buckets if any(v is view for v in b.views)), None)
    above = f"{view.root}/" if view.root else ""
    for other in bucket.views if bucket else ():
        if other is view:
            continue
        path = other.root if isinstance(other, BidsView) else other.path
        text = path if isinstance(path, str) else getattr(path, "text", str(path))
        first = text.removeprefix(above).partition("/")[0] if text.startswith(above) else ""
        if first and first not in documents.KNOWN and not first.startswith("sub-"):
            # A place in braces stands for names that are not known here.
            yield "/" + _starred(first)


def _starred(template: str) -> str:
    out, depth = "", 0
    for letter in template:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "}" and depth == 0:
            out += "*"
        elif depth == 0:
            out += letter
    return out


def _key(view: BidsView, path: str) -> str:
    return f"{view.root}/{path}" if view.root else path
