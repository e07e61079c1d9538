"""Label images that the file of an image brings along, without being named in the configuration.

Nobody asked for them: one that does not fit is left out, and said to be; the image is shown all the same.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from s3facade.catalog.images.placed import aligned, resized, shortened
from s3facade.catalog.images.recipe import FileRecipe, Pipeline, Recipe
from s3facade.core.errors import SourceChanged, SourceError, SourceUnavailable
from s3facade.core.image import Image, Opened, Source
from s3facade.engine.engine import Engine
from s3facade.stores import files


def inside(recipe: Recipe, images: Sequence[Image]) -> dict[str, FileRecipe]:
    """Recipes of the labels that an image brings along, by name; steps that may move voxels leave them behind."""
    base = _file(recipe)
    if base is None or len(images) != 1:
        return {}
    found = images[0].spec.attrs.get("labels")
    folder = os.path.dirname(base.path)
    return {
        str(name): replace(base, path=os.path.join(folder, str(path)), options={}, series=None, pixel_size={})
        for name, path in (found.items() if isinstance(found, Mapping) else ())
    }


def label(of: Recipe, recipe: FileRecipe, image: Image, engine: Engine) -> Image | str:
    """A label image as it belongs to its image, or a sentence on why it does not. Blocking.

    Args:
        of: Recipe of the image.
        recipe: Of the labels.
        image: What is shown.
        engine: Opens them.

    Raises:
        SourceUnavailable: It cannot be read now.
        SourceChanged: It is being written.
    """
    try:
        found = recipe.images(engine)
        if len(found) != 1:
            return f"They are {len(found)} images; one is needed."
        spec = found[0].spec
        if spec.dtype.kind not in "iu":
            return f"They hold {spec.dtype} voxels; labels are integers."
        for axis in spec.names:
            if axis not in image.spec.names:
                return f"They have an axis {axis}, which their image has not."
            n, m = spec.length(axis), image.spec.length(axis)
            if n not in {1, m}:
                return f"They have {n} voxels along {axis}, their image {m}; they have to be equal."
        known = aligned(_sized(of, found[0], engine), image)
        return shortened(known, len(image.spec.levels))
    except (SourceUnavailable, SourceChanged):
        raise
    except SourceError as error:
        return error.public


def watched(recipe: FileRecipe) -> list[Source]:
    """What changes if labels that did not fit are mended: their document, and its folder."""
    try:
        document = files.describe(recipe.path)
        return [document, files.file(document).folder().source]
    except SourceError:
        return []


def _file(recipe: Recipe) -> FileRecipe | None:
    if isinstance(recipe, Pipeline) and not recipe.name:
        # The cast of a view.
        recipe = recipe.parents[0]
    return recipe if isinstance(recipe, FileRecipe) else None


def _sized(of: Recipe, found: Image, engine: Engine) -> Image:
    """Labels of an image whose size the operator corrects are corrected as much."""
    base = _file(of)
    if base is None or not base.pixel_size or not isinstance(found, Opened):
        return found
    (stated,) = replace(base, pixel_size={}).images(engine)[:1]
    before = dict(zip(stated.spec.names, stated.spec.levels[0].scale, strict=True))
    own: dict[str, float] = {
        a.name: s for a, s in zip(found.spec.axes, found.spec.levels[0].scale, strict=True) if a.unit
    }
    sizes: dict[str, float] = {
        a: own[a] * size / before[a] for a, size in base.pixel_size.items() if a in own and a in before
    }
    return resized(found, sizes) if sizes else found
