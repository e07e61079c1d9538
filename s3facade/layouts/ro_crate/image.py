"""The crate of one image, inside its OME-Zarr, in the form of the OME 2024 NGFF challenge (RO-Crate 1.1).

Its readers look for an entity of the type ``biosample`` with ``organism_classification``, for one of the type
``image_acquisition`` with ``fbbi_id``, and for name, description and licence of the root, the last being plain text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from s3facade.core.image import Image, sources
from s3facade.core.spec import Spec
from s3facade.layouts.ro_crate import actions
from s3facade.layouts.ro_crate.about import About, settled
from s3facade.layouts.ro_crate.graph import MORE_TERMS, ROOT, TERMS, Graph, derived, unpacked
from s3facade.layouts.ro_crate.people import credits_of, method, properties_of, taxon

NEEDED = ("license",)
"""What must be said of an image for it to have a crate."""


BESIDE = ("study", "study_component", "image_data", "image_correlation", "analyzed_data")
"""Groups of REMBI that describe more than how the image was recorded."""


def image_crate(
    about: Mapping[str, object],
    name: str,
    images: Sequence[Image],
    *,
    recipe: Mapping[str, Any] | None = None,
    told: tuple[str, int] | None = None,
    modified: int = 0,
) -> bytes | None:
    """``ro-crate-metadata.json``; None where what must be said is not: no licence, and no date that is true.

    Args:
        about: What the operator says: `about.About`, or as it was written.
        name: Of the image, where ``about`` gives none.
        images: What is shown.
        recipe: `Dataset.recipe`; empty: nothing is told of how it was made.
        told: Key of the document of the recipe, relative to the crate, and its bytes.
        modified: When the configuration changed, nanoseconds since 1970: the date of images that have no files.
    """
    if not images:
        return None
    made = None
    if recipe:
        version = str(recipe.get("software", {}).get("s3facade", ""))
        made = Made(actions.originals(recipe), list(recipe.get("steps", ())), version)
    sentence = sentence_of(images[0].spec, len(images))
    return challenge_crate(about, name, sentence, newest(images, modified), made=made, told=told)


@dataclass(frozen=True, slots=True)
class Made:
    """How something was made."""

    files: Sequence[actions.Original]
    steps: Sequence[str]
    """Names of the transforms, in order."""
    version: str
    """Of the software."""


def challenge_crate(
    about: Mapping[str, object],
    name: str,
    sentence: str,
    date: str,
    *,
    made: Made | None = None,
    told: tuple[str, int] | None = None,
) -> bytes | None:
    """As `image_crate`, of anything that is the root of an OME-Zarr.

    Args:
        about: What the operator says.
        name: Where ``about`` gives none.
        sentence: The description where ``about`` gives none.
        date: The day where ``about`` gives none; may be empty.
        made: How it was made; None: that is not told.
        told: As of `image_crate`.
    """
    known, _ = settled(about)
    date = known.get("date_published") or date
    if any(key not in known for key in NEEDED) or not date:
        return None
    graph = Graph()
    root: dict[str, Any] = {
        "@id": ROOT,
        "@type": "Dataset",
        "name": known.get("name") or name,
        "description": known.get("description") or sentence,
        "datePublished": date,
        "license": known["license"],
        **credits_of(graph, known),
    }
    acquired = _acquisition(graph, known)
    if acquired:
        root["resultOf"] = acquired
    others = [_group(graph, kind, known[kind]) for kind in BESIDE if kind in known]
    if told:
        key, size = told
        what = "What the image was made of and how"
        root["hasPart"] = graph.add(
            key, "File", name=key, description=what, encodingFormat="application/json", contentSize=str(size)
        )
    if made:
        document = told[0] if told else None
        others.append(actions.made(graph, ROOT, made.files, made.steps, made.version, told=document))
    if others:
        root["mentions"] = unpacked(others)
    return graph.document("1.1", {**TERMS, **MORE_TERMS}, root)


def _acquisition(graph: Graph, known: About) -> dict[str, str] | None:
    """How it was recorded, of which specimen, made from which biosample, of which organism: as far as it is known."""
    organism, modality = known.get("organism"), known.get("modality")
    biosample = specimen = None
    if organism or "biosample" in known:
        given = known.get("biosample", {})
        identifier = derived("biosample", organism, given)
        classified = taxon(graph, organism) if organism else None
        told = properties_of(graph, identifier, given)
        biosample = graph.add(identifier, "biosample", organism_classification=classified, **told)
    if biosample or "specimen" in known:
        given = known.get("specimen", {})
        identifier = derived("specimen", biosample, given)
        specimen = graph.add(identifier, "specimen", biosample=biosample, **properties_of(graph, identifier, given))
    if not (specimen or modality or "image_acquisition" in known):
        return None
    given = known.get("image_acquisition", {})
    identifier = derived("image_acquisition", specimen, modality, given)
    imaged = method(graph, modality) if modality else None
    told = properties_of(graph, identifier, given)
    return graph.add(identifier, "image_acquisition", specimen=specimen, fbbi_id=imaged, **told)


def _group(graph: Graph, kind: str, given: Mapping[str, Any]) -> dict[str, str]:
    """A group that is no link of the chain from image to organism: schema.org calls it a work."""
    identifier = derived(kind, given)
    return graph.add(identifier, "CreativeWork", additionalType=kind, **properties_of(graph, identifier, given))


def newest(images: Sequence[Image], modified: int) -> str:
    """Day (UTC) of the latest change of any original file; of the configuration where there are none."""
    when = max((s.modified for image in images for s in sources(image)), default=0) or modified
    return day(when)


def day(nanoseconds: int) -> str:
    """The day of a time since 1970, UTC; "" for none."""
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).strftime("%Y-%m-%d") if nanoseconds > 0 else ""


def sentence_of(spec: Spec, count: int) -> str:
    """What an image is, in numbers, where nobody says more: crates must have a description."""
    size = " x ".join(map(str, spec.levels[0].shape))
    several = f"{count} images; the first has " if count > 1 else "Image of "
    return f"{several}{size} voxels ({', '.join(spec.names)}) of type {spec.dtype.name}."
