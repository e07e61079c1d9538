"""What an image was made of and how, as JSON: served beside the voxels, so that a copy of them says where it is from.

Files are named relative to the folder of their source, parameter files relative to the configuration file: where on
this machine they lie is nobody's business.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from s3facade import registry
from s3facade.catalog.images.recipe import FileRecipe, Pipeline, Recipe, Step
from s3facade.config.steps import parameter_files
from s3facade.core.identity import digest, plain
from s3facade.core.image import Combined, Derived, Image, Opened, Source, nodes, sources
from s3facade.transforms.pyramids.downsample import AddLevel
from s3facade.transforms.pyramids.sampled import SampleLevel

FORMAT = 1
"""Of the document; changes when what a key means changes."""
ORIGINAL = 64 << 10
"""Characters of a file's own metadata that are told; the rest is in the file."""


def provenance(recipe: Recipe, images: Sequence[Image], labels: Mapping[str, tuple[Recipe, Image]]) -> dict[str, Any]:
    """The document.

    Args:
        recipe: How ``images`` were made.
        images: The plans that came out, pyramids included.
        labels: Recipe and plan of each label image.
    """
    shown = [*images, *(image for _, image in labels.values())]
    opened: dict[tuple[str, int | None], Opened] = {}
    for image in shown:
        for leaf in _leaves(image):
            opened |= {(leaf.source.path, leaf.series): leaf, (leaf.source.path, None): leaf}
    files = {source.path: source for image in shown for source in sources(image)}
    told = _Told(opened, files)
    made: dict[str, Any] = {
        "images": [_result(image) for image in images],
        "recipe": told.node(recipe),
        "labels": {name: told.node(of) | _result(image) for name, (of, image) in labels.items()},
    }
    made = {key: value for key, value in made.items() if value}
    return {"format": FORMAT, "digest": digest(made), "software": software(), "steps": steps(recipe), **made}


def steps(recipe: Recipe) -> list[str]:
    """Names of the steps on the way to an image, by its first parents."""
    if not isinstance(recipe, Pipeline):
        return []
    return [*steps(recipe.parents[0]), *(step.config.name for step in recipe.steps)]


@cache
def software() -> Mapping[str, str]:
    """Versions of what computes."""
    found = {}
    for name in ("s3facade", "numpy", "scipy", "imagecodecs"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


class _Told:
    """Recipes as JSON, with what is known of files after they were opened."""

    def __init__(self, opened: Mapping[tuple[str, int | None], Opened], files: Mapping[str, Source]) -> None:
        self._opened = opened
        self._files = files

    def node(self, recipe: Recipe) -> dict[str, Any]:
        if isinstance(recipe, Pipeline):
            parents = [self.node(parent) for parent in recipe.parents]
            found: dict[str, Any] = {"image": recipe.name} if recipe.name else {}
            if recipe.index:
                found["index"] = list(recipe.index)
            return {**found, "from": parents, "steps": [self._step(recipe, step) for step in recipe.steps]}
        return self._file(recipe) if isinstance(recipe, FileRecipe) else {}

    def _file(self, recipe: FileRecipe) -> dict[str, Any]:
        leaf = self._opened.get((recipe.path, recipe.series)) or self._opened.get((recipe.path, None))
        members = (leaf.members or (leaf.source,)) if leaf and recipe.path else ()
        found = {
            "source": recipe.source,
            "files": [_described(source, recipe.root) for source in members],
            "reader": {"name": recipe.reader, "version": registry.reader(recipe.reader).version},
            "options": plain(recipe.options),
            "series": recipe.series,
            "pixel_size": dict(recipe.pixel_size),
            "original": original(leaf) if leaf else None,
        }
        return {key: value for key, value in found.items() if value not in (None, {}, [], "")}

    def _step(self, recipe: Pipeline, step: Step) -> dict[str, Any]:
        operator = recipe.operator(step)
        options = plain(operator)
        options.pop("", None)
        base = str(step.config.base)
        paths = parameter_files(step.config, recipe.captures)
        found = {
            "step": step.config.name,
            "version": getattr(operator, "version", None),
            "options": _hidden(_free(options, base), {path: relative(path, base) for path in paths}),
            "files": [_described(self._files[path], base) for path in paths if path in self._files],
            "with": [self.node(other) for other in step.others],
        }
        return {key: value for key, value in found.items() if value not in (None, [])}


def original(leaf: Opened) -> dict[str, Any] | None:
    """The file's own metadata, all of it or as many of its keys as fit; OME-XML as text."""
    about = leaf.spec.attrs.get("original")
    xml = leaf.spec.attrs.get("ome_xml")
    entries = dict(about) if isinstance(about, Mapping) else {} if about is None else {"metadata": about}
    if isinstance(xml, str):
        entries["OME-XML"] = xml
    told, room, left = {}, ORIGINAL, []
    for key, value in entries.items():
        shown = _hidden(value, {})
        size = len(key) + len(json.dumps(shown, default=str))
        if size > room:
            left.append(key)
            continue
        told[key] = json.loads(json.dumps(shown, default=str))
        room -= size
    if left:
        told["left out"] = f"{len(left)} entries that are too long to be told here: {', '.join(left[:20])}"[:1000]
    return told or None


def _hidden(value: Any, paths: Mapping[str, str]) -> Any:
    """``value`` with paths as they may be shown."""
    if isinstance(value, dict):
        return {key: _hidden(item, paths) for key, item in value.items() if not _is_source(item)}
    if isinstance(value, list):
        return [_hidden(item, paths) for item in value if not _is_source(item)]
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no such numbers; these are their names in Zarr.
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return paths.get(value, value) if isinstance(value, str) else value


def _free(options: Mapping[str, Any], base: str) -> dict[str, Any]:
    """A step's options; what its ``options`` hold for a function of the user's own may be paths, too."""

    def told(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: told(item) for key, item in value.items()}
        if isinstance(value, list):
            return [told(item) for item in value]
        return relative(value, base) if isinstance(value, str) and os.path.isabs(value) else value

    return {key: told(value) if key == "options" else value for key, value in options.items()}


def _is_source(value: Any) -> bool:
    """Whether it is a file as operators keep it: told under ``files``."""
    return isinstance(value, dict) and value.get("") == Source.__name__


def _described(source: Source, root: str) -> dict[str, Any]:
    when = datetime.fromtimestamp(source.modified // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    modified = f"{when}.{source.modified % 10**9:09}Z"
    return {"path": relative(source.path, root), "size": source.size, "modified": modified}


def relative(path: str, root: str) -> str:
    """``path`` seen from ``root``; the file name alone if it lies elsewhere."""
    relative = os.path.relpath(path, root) if root else ".."
    return os.path.basename(path) if relative.startswith("..") else relative.replace(os.sep, "/")


def _result(image: Image) -> dict[str, Any]:
    """The identity of what came out, where its voxels stand, what is to be known of them, where its levels are from."""
    about = image.spec.attrs
    known = {name: about[name] for name in ("affine", "frame", "notes") if about.get(name)}
    if "affine" not in known:
        known.pop("frame", None)
    computed, method = 0, ""
    sampled: list[dict[str, Any]] = []
    while True:
        if isinstance(image, Derived) and isinstance(image.transform, AddLevel):
            method = image.transform.method
            computed += 1
            image = image.parent
        elif isinstance(image, Combined) and isinstance(image.combination, SampleLevel):
            made = image.combination
            level = len(image.spec.levels) - 1
            sampled.insert(0, {"level": level, "of": made.base, "one_block_of": list(made.every)})
            image = image.parents[0]
        else:
            break
    levels: dict[str, Any] = {"given": len(image.spec.levels)}
    levels |= {"computed": computed, "method": method} if computed else {}
    levels |= {"sampled": sampled} if sampled else {}
    return {"identity": image.spec.identity, **known, "levels": levels}


def _leaves(image: Image) -> Iterator[Opened]:
    return (node for node in nodes(image) if isinstance(node, Opened))
