"""Whether an image that is asked for in some form is an original file of that form: then its own bytes are shown."""

from __future__ import annotations

from collections.abc import Mapping

from s3facade.catalog.images.recipe import FileRecipe, Recipe

READERS: Mapping[str, str] = {".nii": "nifti", ".nii.gz": "nifti"}
"""The reader that recognises files of each form that is passed on."""


def own_bytes(recipe: Recipe, extension: str) -> str | None:
    """Path of the file whose bytes are the image, or None where they have to be computed.

    Args:
        recipe: How the image is made. Steps, or sizes and series that the configuration states, make another image.
        extension: Form that is asked for, with its dot: ``.nii.gz``.
    """
    if not isinstance(recipe, FileRecipe) or recipe.reader != READERS.get(extension):
        return None
    if recipe.options or recipe.pixel_size or recipe.series is not None:
        return None
    return recipe.path if recipe.path.lower().endswith(extension) else None
