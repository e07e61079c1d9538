"""Single images, each by one layout at a prefix or key of its own."""

from __future__ import annotations

from s3facade import registry
from s3facade.catalog.arrange.about import Said
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.candidates import Candidate
from s3facade.catalog.recipe import Recipe
from s3facade.config.views.image import ImageView
from s3facade.core.protocols import Layout


def arrange(view: ImageView, desk: Desk) -> None:
    """Put every image of the view into the plan. Raises `ConfigError`."""
    layout: Layout = registry.layout(view.type)(**view.options)
    shown, said = desk.of(view.source), Said(view.about)
    for candidate in shown:
        labels = labels_of(view, candidate, desk, alike=len(shown) > 1)
        sampled = view.preview == "strided"
        prefix = _prefix(view, candidate, desk)
        about = said.of(candidate, desk)
        options = {"told": view.recipe, "sampled": sampled, "dtype": view.dtype}
        desk.show(prefix, candidate, layout, labels=labels, about=about, **options)


def labels_of(view: ImageView, candidate: Candidate, desk: Desk, *, alike: bool) -> dict[str, Recipe]:
    """Label images of an image by name; ``alike``: one that shares no capture with it must be called as it is."""
    labels: dict[str, Recipe] = {}
    for name, of in view.labels.items():
        found = desk.candidates.partners(of, candidate.captures).all(candidate.captures, alike=alike)
        if len(found) > 1:
            desk.broken(candidate.recipe.path, f"{len(found)} label files of {name!r} belong to it.")
        elif found:
            labels[name] = found[0].recipe
    return labels


def _prefix(view: ImageView, candidate: Candidate, desk: Desk) -> str:
    prefix = view.path.fill(candidate.captures)
    if prefix in desk.plan.mounts and "stem" in view.path.names:
        # a.tif and a.svs in one folder: the second keeps its extension in the key.
        return view.path.fill({**candidate.captures, "stem": candidate.captures["path"]})
    return prefix
