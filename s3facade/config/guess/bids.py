"""What BIDS would call the files of a source: a proposal, since names alone do not tell how an image was taken."""

from __future__ import annotations

from dataclasses import dataclass

from s3facade.config.guess import words as w
from s3facade.config.guess.pieces import Hole
from s3facade.config.guess.sources import Found

ENTITIES = {
    "sub": ("sub", "animal", "brain", "subject", "patient", "donor", "mouse", "rat"),
    "ses": ("ses", "session", "date", "day"),
    "sample": ("sample", "section", "slide", "region", "block"),
    "stain": ("stain",),
    "run": ("run",),
    "chunk": ("field", "tile"),
}
"""Captures by the entity that they are likely to be."""
VOLUMES = (".nii", ".nii.gz", ".mgz", ".mgh")
SHEETS = (".ims", ".czi", ".h5")


@dataclass(frozen=True, slots=True)
class Rule:
    """Files of a BIDS view."""

    datatype: str
    suffix: str
    entities: dict[str, str]
    """Template by entity."""
    unused: tuple[str, ...]
    """Captures that stand in no entity."""
    doubt: str = ""
    """What a human has to decide."""


def rule(found: Found) -> Rule:
    """How the files of a source are likely to be called."""
    left = {hole.name: hole for hole in found.holes if hole.name not in found.stack.values()}
    entities: dict[str, str] = {}
    volume = found.extension.lower() in VOLUMES
    for entity, captures in ENTITIES.items():
        if volume and entity in ("sample", "stain", "chunk"):
            continue
        name = next((c for c in captures if c in left), None)
        if name is not None:
            entities[entity] = _value(entity, left.pop(name))
    if "sub" not in entities:
        # Scans lie in a folder for each person; folders of microscopes are days or batches.
        names = [n for n, hole in left.items() if not hole.type and (not hole.sure or (volume and "folder" in n))]
        name = names[0] if names else None
        entities["sub"] = _value("sub", left.pop(name)) if name else "{stem}" if found.wild else "01"
    if volume:
        datatype, suffix = next((w.MRI[t] for t in _fixed(found) if t in w.MRI), ("anat", "T1w"))
        doubt = "" if any(t in w.MRI for t in _fixed(found)) else "T1w, T2w, FLAIR, bold, dwi, …: what is it?"
        if datatype == "func":
            entities = _inserted(entities, "task", "rest")
            doubt = "task: what was done in the scanner?"
        return Rule(datatype, suffix, entities, tuple(left), doubt)
    # Microscopy must say which sample.
    entities.setdefault("sample", entities["sub"])
    channel = found.hole("channel") is not None
    entities = {name: entities[name] for name in ENTITIES if name in entities}
    suffix = "FLUO" if channel else "SPIM" if found.extension.lower() in SHEETS else "BF"
    doubt = "BF, FLUO, CONF, SPIM, TEM, …: how was it taken?"
    return Rule("micr", suffix, entities, tuple(left), doubt)


def _inserted(entities: dict[str, str], name: str, value: str) -> dict[str, str]:
    """Entities with one more, behind those that BIDS has in front of it."""
    before = {n: v for n, v in entities.items() if n in ("sub", "ses")}
    return {**before, name: value, **entities}


def _value(entity: str, hole: Hole) -> str:
    inner = f"{{{hole.name}:0{hole.width}}}" if hole.width else f"{{{hole.name}}}"
    letters = {"section": "s", "slide": "slide", "region": "roi"}.get(hole.name, "") if hole.type == "int" else ""
    return letters + inner if entity == "sample" else inner


def _fixed(found: Found) -> list[str]:
    every = [p.lower() for _, fields in found.parts for f in fields for p in f if isinstance(p, str)]
    return [word for text in every for word in (text, *w.words(text))]
