"""From a plan to a bucket's key space: which of its images are parts of others, what is listed, and what lies where."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    return _Level(_Keys(plan, shown, sorted(shown), all(listed for _, listed in shown.values())), "").dir()


@dataclass(frozen=True, slots=True)
class _Keys:
    """All keys that something stands at."""

    plan: Plan
    shown: Shape
    ordered: Sequence[str]
    listed: bool
    """Whether all of them are."""


class _Level(Mapping[str, Node]):
    """What is in one folder: found among the sorted keys when somebody asks for it, since hardly any folder is."""

    __slots__ = ("_below", "_dirs", "_first", "_last", "_of", "_prefix")

    def __init__(self, of: _Keys, prefix: str, first: int = 0, last: int | None = None) -> None:
        self._of = of
        self._prefix = prefix
        self._first = first
        self._last = len(of.ordered) if last is None else last
        self._below: Mapping[str, tuple[int, int]] | None = None
        self._dirs: dict[str, Dir] = {}

    def dir(self) -> Dir:
        """The folder."""
        return Dir(self, _Order(self))

    def __getitem__(self, name: str) -> Node:
        first, last = self._names()[name]
        of, key = self._of, self._prefix + name
        if last < 0:
            return _node(of.plan, key, of.shown[key][0])
        found = self._dirs.get(name)
        if found is None:
            found = self._dirs[name] = _Level(of, f"{key}/", first, last).dir()
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def tokens(self) -> list[tuple[str, str]]:
        """`Dir.order`."""
        out = []
        for name, (first, last) in self._names().items():
            if last >= 0:
                if self._any(first, last):
                    out.append((f"{name}/", name))
            elif self._of.listed or self._of.shown[self._prefix + name][1]:
                out.append((name if is_leaf(self[name]) else f"{name}/", name))
        return sorted(out)

    def _any(self, first: int, last: int) -> bool:
        """Whether one of some keys is listed."""
        of = self._of
        return of.listed or any(of.shown[key][1] for key in of.ordered[first:last])

    def _names(self) -> Mapping[str, tuple[int, int]]:
        """Where the keys of each folder begin and end; -1 as the end of what is no folder."""
        below = self._below
        if below is None:
            below = self._below = dict(self._found())
        return below

    def _found(self) -> Iterator[tuple[str, tuple[int, int]]]:
        # A folder comes behind what stands at its own name, and hides it.
        keys, at, cut = self._of.ordered, self._first, len(self._prefix)
        while at < self._last:
            name, slash, _ = keys[at][cut:].partition("/")
            end = bisect_left(keys, f"{self._prefix}{name}{_AFTER}", at, self._last) if slash else -1
            yield name, (at, end)
            at = end if slash else at + 1


_AFTER = chr(ord("/") + 1)


class _Order(Sequence[tuple[str, str]]):
    """What is listed of a level."""

    __slots__ = ("_found", "_level")

    def __init__(self, level: _Level) -> None:
        self._level = level
        self._found: list[tuple[str, str]] | None = None

    def _tokens(self) -> list[tuple[str, str]]:
        found = self._found
        if found is None:
            found = self._found = self._level.tokens()
        return found

    def __getitem__(self, at: Any) -> Any:
        return self._tokens()[at]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._tokens())

    def __len__(self) -> int:
        return len(self._tokens())


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
