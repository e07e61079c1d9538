"""The keys of a bucket as a tree, collapsed: of folders that are alike, one is opened up."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from s3facade.catalog.contents import Plan
from s3facade.core.spec import Spec


@dataclass
class Branch:
    """A folder of keys, or what is shown as one line."""

    below: dict[str, Branch] = field(default_factory=dict)
    told: str | None = None
    """What stands at the end of its line; None for a folder of which nothing but its keys is known."""
    keys: int = 0
    """Lines below it, itself included if it is one."""


def tree(plan: Plan, members: frozenset[str] = frozenset()) -> Branch:
    """Everything that a bucket shows.

    Args:
        plan: What it holds.
        members: Keys of images that are shown as part of others.
    """
    root = Branch()
    for key, told in leaves(plan, members):
        here = root
        here.keys += 1
        parts = key.split("/")
        for number, part in enumerate(parts):
            here = here.below.setdefault(part + "/" * (number < len(parts) - 1), Branch())
            here.keys += 1
        here.told = told
    return root


def leaves(plan: Plan, members: frozenset[str]) -> Iterator[tuple[str, str]]:
    """Every key or prefix that stands for one thing, and what it is."""
    for key, mount in plan.mounts.items():
        if key not in members:
            yield key, "does not open" if mount.error is not None else image(mount.spec, mount.count)
    yield from ((key, "text") for key in (*plan.documents, *plan.late))
    yield from ((key, "the file itself") for key in plan.files)
    yield from ((key, "the folder itself") for key in plan.folders)


def image(spec: Spec | None, count: int) -> str:
    """An image in a few words; of a file of several, the first one."""
    if spec is None:
        return "image"
    shape = ", ".join(f"{name} {n}" for name, n in zip(spec.names, spec.levels[0].shape, strict=True))
    return f"{shape}, {spec.dtype}" + (f" and {count - 1} more" if count > 1 else "")


def lines(branch: Branch, limit: int, lead: str = "") -> Iterator[str]:
    """The tree as text.

    Args:
        branch: A folder.
        limit: Entries of it that are shown, at most.
        lead: What stands in front of its lines.
    """
    # In the order of listings: by UTF-8, with the slash behind a folder's name.
    names = sorted(branch.below)
    shown = _chosen(names, limit)
    opened: set[str] = set()
    for number, name in enumerate(shown):
        child = branch.below[name]
        last = number == len(shown) - 1 and len(shown) == len(names)
        kind = _kind(name)
        told = f"  {child.told}" if child.told is not None else ""
        if child.below and kind in opened:
            many = child.keys
            told += f"  … {many:,} key{'s' if many != 1 else ''}"
        yield f"{lead}{'└─ ' if last else '├─ '}{name}{told}"
        if child.below and kind not in opened:
            opened.add(kind)
            yield from lines(child, limit, lead + ("   " if last else "│  "))
    if len(shown) < len(names):
        yield f"{lead}└─ … {len(names) - len(shown):,} more"


def _chosen(names: list[str], limit: int) -> list[str]:
    """The first of each kind, folders before files, then more of them; in order."""
    firsts: dict[str, str] = {}
    for name in sorted(names, key=lambda n: not n.endswith("/")):
        firsts.setdefault(_kind(name), name)
    chosen = set(list(firsts.values())[:limit])
    for name in names:
        if len(chosen) >= limit:
            break
        chosen.add(name)
    return [name for name in names if name in chosen]


def _kind(name: str) -> str:
    """What alike names share: ``sub-`` of ``sub-m12``, the ends of names, no numbers; single letters are alike."""
    if len(name.rstrip("/")) == 1:
        return "#/" if name.endswith("/") else "#"
    head, dash, _ = name.partition("-")
    if dash and head.isalpha():
        return head + dash + ("/" if name.endswith("/") else "." + name.partition(".")[2])
    return re.sub(r"[0-9]+", "#", name)


def as_json(branch: Branch) -> Mapping[str, object]:
    """All of the tree, not collapsed."""
    return {name: as_json(child) if child.below else child.told for name, child in sorted(branch.below.items())}
