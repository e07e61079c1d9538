"""A whole BIDS data set that exists already: what `root` of a view of type `bids` means."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from s3facade.config.document import Path_
from s3facade.config.models.about import whole
from s3facade.config.models.base import Resolving
from s3facade.config.template import compile_template
from s3facade.config.views.bids_existing import BidsExistingView
from s3facade.core.errors import ConfigError

Form: TypeAlias = Literal["ome.zarr", "nii.gz", "nii"]
LAYOUTS = {
    "ome.zarr": ("ome-zarr", {}),
    "nii.gz": ("nifti", {"gzip": True}),
    "nii": ("nifti", {"gzip": False}),
}
CONVERTED = (".nii.gz", ".nii", ".ome.tif", ".ome.btf", ".tif", ".png")
Ending: TypeAlias = Annotated[str, Field(pattern=r"^\.?[A-Za-z0-9]+(\.[A-Za-z0-9]+)*$")]
KEYS = frozenset({"type", "path", "root", "as_", "convert", "recipe", "preview"})
"""Keys that go with ``root``; the others describe a data set that is made."""


def existing(
    at: Path_,
    desk: Resolving,
    *,
    root: str,
    path: str,
    form: Form,
    convert: list[str] | None,
    recipe: bool,
    preview: Literal["off", "strided"],
) -> BidsExistingView:
    """The view. Raises `ConfigError`."""
    if compile_template(path).names:
        desk.problem((*at, "path"), "a data set has one path, without captures; write a plain prefix")
    folder = desk.absolute(root)
    if not _far((*at, "root"), desk, root) and not folder.is_dir():
        desk.problem((*at, "root"), f"{folder} is no folder; name the one with dataset_description.json")
    given = CONVERTED if convert is None else [f".{ending.lstrip('.')}" for ending in convert]
    extension = f".{form}"
    if convert is not None and extension in given:
        desk.problem((*at, "convert"), f"{extension} is what images are shown as already; remove it")
    layout, options = LAYOUTS[form]
    endings = tuple(dict.fromkeys(ending for ending in given if ending != extension))
    about = whole(desk, desk.said, ((), None))
    return BidsExistingView(folder, path, endings, extension, layout, options, recipe, preview, about)


def _far(at: Path_, desk: Resolving, text: str) -> bool:
    try:
        far = desk.far(text)
    except ConfigError as error:
        desk.problem(at, error)
        return True
    if far:
        sentence = (
            "a data set in a store cannot be shown whole; name its images under `sources` and map them with `files`"
        )
        desk.problem(at, sentence)
    return far
