"""Single images, each by one layout at a prefix or key of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from s3facade import registry
from s3facade.catalog.arrange.about import Said
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.contents import Plan
from s3facade.catalog.images.recipe import Recipe
from s3facade.catalog.sources.batch import Candidate
from s3facade.config.views.image import ImageView
from s3facade.core.protocols import Layout


def arrange(view: ImageView, desk: Desk) -> None:
    """Put every image of the view into the plan. Raises `ConfigError`."""
    layout: Layout = registry.layout(view.type)(**view.options)
    said = Said(view.about)
    if view.labels:
        # Which labels belong to an image depends on all images there are.
        shown = desk.of(view.source)
        _show(view, shown, layout, said, desk, alike=len(shown) > 1)
        return
    for batch in desk.batches(view.source):
        part = batch.part(view, "", None, partial(_apart, view, layout, said, desk))
        if desk.fits(part):
            desk.take(part)
        else:
            _show(view, batch.candidates, layout, said, desk)


def _apart(view: ImageView, layout: Layout, said: Said, desk: Desk, images: Sequence[Candidate]) -> Plan:
    """Some images, as if there were no others."""
    own = desk.apart()
    _show(view, images, layout, said, own)
    return own.plan


def _show(
    view: ImageView, images: Sequence[Candidate], layout: Layout, said: Said, desk: Desk, *, alike: bool = False
) -> None:
    for candidate in images:
        prefix = _prefix(view, candidate, desk)
        if prefix is None:
            continue
        desk.show(
            prefix,
            candidate,
            layout,
            labels=labels_of(view, candidate, desk, alike=alike),
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
