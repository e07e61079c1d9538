"""Single images, each by one layout at a prefix or key of its own."""

from __future__ import annotations

from s3facade import registry
from s3facade.catalog.arrange.about import Said
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.images.recipe import Recipe
from s3facade.catalog.sources.candidates import Candidate
from s3facade.config.views.image import ImageView
from s3facade.core.protocols import Layout


def arrange(view: ImageView, desk: Desk) -> None:
    """Put every image of the view into the plan. Raises `ConfigError`."""
    layout: Layout = registry.layout(view.type)(**view.options)
    shown, said = desk.of(view.source), Said(view.about)
    for candidate in shown:
        prefix = _prefix(view, candidate, desk)
        if prefix is None:
            continue
        desk.show(
            prefix,
            candidate,
            layout,
            labels=labels_of(view, candidate, desk, alike=len(shown) > 1),
            about=said.of(candidate, desk),
            told=view.recipe,
            sampled=view.preview == "strided",
            dtype=view.dtype,
        )


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


def _prefix(view: ImageView, candidate: Candidate, desk: Desk) -> str | None:
    """The image's key prefix; None, and told, where its values make none."""
    filled = desk.filled(candidate, view.path)
    if filled is None:
        return None
    prefix = filled[0]
    if prefix in desk.plan.mounts and "stem" in view.path.names:
        # a.tif and a.svs in one folder: the second keeps its extension in the key.
        return view.path.fill({**candidate.captures, "stem": candidate.captures["path"]})
    return prefix
