"""From a plan to a bucket's key space: which of its images are parts of others, what is listed, and what lies where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from s3facade.catalog.contents import Late, Plan
from s3facade.catalog.folder import Copy, Folder
from s3facade.catalog.images.mount import Mount
from s3facade.catalog.images.recipe import files, single
from s3facade.core.errors import SourceDenied
from s3facade.core.keyspace import Deferred, Dir, Node, is_leaf
from s3facade.stores.files import is_remote

Shape = Mapping[str, tuple[object, bool]]
"""What stands at each key, and whether it is listed: equal where two plans show the same."""


def hidden(plan: Plan) -> frozenset[str]:
    """Prefixes of files that are shown as part of another file's images already."""
    found: set[str] = set()
    owner: dict[str, str] = {}
    several = [(prefix, mount) for prefix, mount in plan.mounts.items() if mount.members]
    for prefix, mount in sorted(several, key=lambda item: (-len(item[1].members), item[1].recipe.path)):
        if not single(mount.recipe):
            continue
        own = mount.recipe.path
        if owner.get(own, own) != own:
            found.add(prefix)
            continue
        for source in mount.members:
            owner.setdefault(source.path, own)
    if owner:
        for prefix, mount in plan.mounts.items():
            own = mount.recipe.path
            if owner.get(own, own) != own and single(mount.recipe):
                found.add(prefix)
    return frozenset(found)


def shape(plan: Plan, without: frozenset[str]) -> Shape:
    """What makes two plans alike.

    Args:
        plan: The plan.
        without: Prefixes that are neither listed nor found.
    """
    found: dict[str, tuple[object, bool]] = {}
    found.update((prefix, (("folder", folder.path), True)) for prefix, folder in plan.folders.items())
    found.update((key, (("file", path), True)) for key, path in plan.files.items())
    found.update((key, (("text", file.identity), True)) for key, file in plan.documents.items())
    found.update((key, (late, True)) for key, late in plan.late.items())
    for prefix, mount in plan.mounts.items():
        if prefix not in without:
            found[prefix] = (mount, mount.error is None or withheld(mount))
    return found


def withheld(mount: Mount) -> bool:
    """Whether the store of an image refuses it now, though it has been open: most likely it refuses everything."""
    refused = mount.opened and isinstance(mount.error, SourceDenied)
    return refused and any(map(is_remote, files(mount.recipe)))


def tree(plan: Plan, shown: Shape) -> Node:
    """The bucket's key space. Broken images can be found, so that their keys say why, but are not listed.

    Args:
        plan: The plan.
        shown: Its shape.
    """
    if set(shown) == {""}:
        return _node(plan, "", shown[""][0])
    folders: dict[str | None, dict[str, tuple[Node, bool]]] = {None: {}}
    for key, (what, listed) in shown.items():
        above, slash, name = key.rpartition("/")
        folders.setdefault(above if slash else None, {})[name] = (_node(plan, key, what), listed)
    for path in [path for path in folders if path is not None]:
        for up, _ in _above(path):
            folders.setdefault(up, {})
    deepest = sorted((path for path in folders if path is not None), key=lambda path: -path.count("/"))
    for path in deepest:
        up, name = next(_above(path))
        inside = _dir(folders[path])
        folders[up][name] = (inside, bool(inside.order))
    return _dir(folders[None])


def _above(path: str) -> Iterator[tuple[str | None, str]]:
    """The folders above a folder, from the nearest to the root, None, each with the name in it that leads to it."""
    at: str | None = path
    while at is not None:
        above, slash, name = at.rpartition("/")
        at = above if slash else None
        yield at, name


def _dir(inside: Mapping[str, tuple[Node, bool]]) -> Dir:
    order = sorted((n if is_leaf(c) else f"{n}/", n) for n, (c, listed) in inside.items() if listed)
    return Dir({name: node for name, (node, _) in inside.items()}, tuple(order))


def _node(plan: Plan, key: str, what: object) -> Node:
    if isinstance(what, Mount):
        return Deferred(what, leaf=what.leaf)
    if isinstance(what, Late):
        return Deferred(what, leaf=True)
    if (path := plan.files.get(key)) is not None and what == ("file", path):
        return Deferred(Copy(path), leaf=True)
    if (text := plan.documents.get(key)) is not None:
        return text
    return Deferred(plan.folders[key])


def folder(path: str) -> tuple[Plan, Node]:
    """The plan and the key space of a folder as it is."""
    plan = Plan(folders={"": Folder(path, path)})
    return plan, tree(plan, shape(plan, frozenset()))
