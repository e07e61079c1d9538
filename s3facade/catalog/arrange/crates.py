"""Crates of datasets: what a bucket shows below a prefix, told from names, files and the configuration alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, TypeAlias

from s3facade import __version__
from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.contents import Plan
from s3facade.catalog.images.mount import Mount
from s3facade.catalog.images.provenance import relative, steps
from s3facade.catalog.images.recipe import FileRecipe, Pipeline, Recipe, files
from s3facade.catalog.tree import hidden
from s3facade.config.views.bids import BidsView
from s3facade.config.views.collection import CrateView
from s3facade.core.errors import SourceError
from s3facade.core.identity import digest
from s3facade.core.image import Source
from s3facade.layouts.collection import zarr_of
from s3facade.layouts.ro_crate.about import from_bids, settled
from s3facade.layouts.ro_crate.actions import Original
from s3facade.layouts.ro_crate.dataset import MOST, Folder, Part, dataset_crate
from s3facade.layouts.ro_crate.graph import DESCRIPTOR, MEDIA_TYPE
from s3facade.layouts.ro_crate.image import Made, challenge_crate, day
from s3facade.stores.files import describe

Shown: TypeAlias = Sequence[tuple[str, Mount]]
"""Images by key."""
DOI = re.compile(r"^(https?://(dx\.)?doi\.org/|doi:)?10\.", re.IGNORECASE)


def arrange(view: CrateView, desk: Desk) -> None:
    """Put the crate into the plan, after all that it describes."""
    crate(desk, view.path, view.about)


def crate(desk: Desk, root: str, about: Mapping[str, Any], what: str = "") -> bool:
    """Show ``ro-crate-metadata.json`` about all images below a prefix.

    It is made when it is asked for, without opening an image, and made anew when an original file has changed.

    Args:
        desk: Whose plan holds the images already.
        root: The prefix, without a final slash.
        about: What is said about the whole, settled (`s3facade.layouts.ro_crate.about`); ``name`` and ``license`` are
            needed, and ``description`` is made of the number of images where it is lacking.
        what: Stands before that number.

    Returns:
        False where something is lacking: that is told among what is broken.
    """
    base = f"{root}/" if root else ""
    lacking = [key for key in ("name", "license") if not about.get(key)]
    if lacking:
        reason = f"The RO-Crate of {root or 'the bucket'} is left out: {' and '.join(lacking)} must be said of it."
        desk.broken("", reason)
        return False

    def write(shown: Shown, date: str) -> bytes:
        parts = [_part(key.removeprefix(base), mount, told=len(shown) <= MOST) for key, mount in shown]
        text = about.get("description") or f"{what}{_counted(len(parts))}"
        date = about.get("date_published") or date
        return dataset_crate(Folder(about["name"], text, date, about["license"], __version__, about), parts)

    return _later(desk, root, about, write)


def plate(desk: Desk, root: str, name: str, wells: int) -> bool:
    """Show the crate of a plate that is put together of single images, in the form of those of the images.

    Args:
        desk: Whose plan holds the images already.
        root: Of the plate, without a final slash.
        name: Of the plate, where all images do not have the same one.
        wells: How many have images.

    Returns:
        False where the licence of an image is not known, or they have different ones.
    """
    found = images(desk.plan, f"{root}/" if root else "")
    about = _common([mount.about for _, mount in found])
    if "license" not in about:
        return False

    def write(shown: Shown, date: str) -> bytes:
        many = f"{wells} well{'s' * (wells != 1)} and {len(shown)} image{'s' * (len(shown) != 1)}"
        made = None
        if shown and all(mount.told for _, mount in shown):
            files = sorted({file for _, mount in shown for file in _originals(mount.recipe)}, key=lambda o: o.path)
            made = Made(files, list(dict.fromkeys(s for _, mount in shown for s in steps(mount.recipe))), __version__)
        return challenge_crate(about, name, f"Plate of {many}.", date, made=made) or b""

    return _later(desk, root, about, write)


def _common(said: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What is said of all images alike."""
    first, *others = said or [{}]
    return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}


def _later(desk: Desk, root: str, about: Mapping[str, Any], write: Callable[[Shown, str], bytes]) -> bool:
    """A crate about all images below a prefix, made of them, and of the day when the newest file was changed."""
    plan, modified = desk.plan, desk.settings.modified
    base = f"{root}/" if root else ""

    def shown() -> Shown:
        """Images, but for those that are known to be broken."""
        return [(key, mount) for key, mount in images(plan, base) if mount.error is None and key != root]

    newest = 0

    def state() -> tuple[str, int]:
        nonlocal newest
        found = shown()
        each = {path: _described(path) for _, mount in found for path in files(mount.recipe)}
        newest = max((s.modified for s in each.values() if s is not None), default=0)
        if len(found) > MOST:
            # Files are not told one by one: the date alone depends on them.
            return digest(newest, len(found)), newest
        return digest([(path, s.etag if s else "") for path, s in each.items()]), newest

    def make() -> bytes:
        # Right after `state`, which has found out when a file was changed last.
        return write(shown(), day(newest or modified))

    tag = digest("crate", root, about, modified, made_of(shown()))
    return desk.later(f"{base}{DESCRIPTOR}", make, MEDIA_TYPE, tag, state=state)


def images(plan: Plan, base: str) -> list[tuple[str, Mount]]:
    """Images whose keys start with ``base``, but for files that are shown as part of another image."""
    parts = hidden(plan)
    return [
        (key, mount)
        for key, mount in plan.mounts.items()
        if f"{key}/".startswith(base) and not mount.beside and key not in parts
    ]


def made_of(shown: Iterable[tuple[str, Mount]]) -> str:
    """A digest of what is shown where, and of the paths of its files."""
    found = blake2b(digest_size=16)
    for key, mount in shown:
        found.update("\0".join((key, *files(mount.recipe), "\n")).encode("utf-8", "surrogatepass"))
    return found.hexdigest()


def _counted(count: int) -> str:
    return "One image, computed on request from original files." if count == 1 else (
        f"{count} images, computed on request from original files."
    )  # fmt: skip


def _part(key: str, mount: Mount, *, told: bool) -> Part:
    layout, about = mount.layout, mount.about
    own = zarr_of(layout) is not None and "license" in about
    made = tuple(dict.fromkeys(_originals(mount.recipe))) if told and mount.told else ()
    media = str(getattr(layout, "media_type", "application/octet-stream"))
    return Part(
        key,
        not mount.leaf,
        media_type=media,
        name=str(about.get("name") or getattr(zarr_of(layout), "name", None) or ""),
        crate=own,
        files=made,
        steps=tuple(steps(mount.recipe)) if mount.told else (),
        told=mount.told,
    )


def _originals(recipe: Recipe) -> Iterator[Original]:
    """The files of a recipe, called as they are seen from the folders of their sources."""
    if isinstance(recipe, Pipeline):
        for parent in recipe.parents:
            yield from _originals(parent)
        for step in recipe.steps:
            for other in step.others:
                yield from _originals(other)
    elif isinstance(recipe, FileRecipe) and recipe.path:
        name, source = relative(recipe.path, recipe.root), _described(recipe.path)
        if source is None:
            yield Original(name)
        else:
            when = datetime.fromtimestamp(source.modified // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            yield Original(name, source.size, when)


def _described(path: str) -> Source | None:
    """The file as it is now; None where that cannot be told."""
    try:
        return describe(path)
    except SourceError:
        return None


def bids(view: BidsView, desk: Desk) -> None:
    """The crate of a BIDS data set, from what it says in BIDS's own words; after all images, derivatives included."""
    about = from_bids(name=view.name, license=view.license, authors=view.authors)
    said = [mount.about for _, mount in images(desk.plan, f"{view.root}/" if view.root else "")]
    for key in ("organism", "modality", "license"):
        values = {found.get(key) for found in said}
        if len(values) == 1 and None not in values:
            about.setdefault(key, values.pop())
    more = {
        "publication": list(filter(DOI.search, view.references)),
        "keywords": list(view.keywords),
    }
    found, _ = settled(more)
    crate(desk, view.root, {**found, **about}, "BIDS data set: ")
