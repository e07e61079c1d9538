"""Groups of alike names: files that one pattern can describe."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from s3facade.config.guess import words as w


@dataclass(frozen=True, slots=True)
class Name:
    """A path taken apart."""

    path: str
    """Relative to the folder, with ``/`` between components."""
    folders: tuple[str, ...]
    mark: str
    """What separates the fields of its last component."""
    fields: tuple[str, ...]
    extension: str
    more: bool = False
    """Whether something follows the fields that is no part of the form."""

    @classmethod
    def of(cls, path: str) -> Name:
        """The parts of ``path``."""
        *folders, last = path.split("/")
        extension = w.extension(last)
        base = last[: len(last) - len(extension)] if extension else last
        plain = _COPY.sub("", base)
        more = plain != base
        return cls(path, tuple(folders), w.separator(plain), w.fields(plain), extension, more)


_COPY = re.compile(r"(?<=\S) ?\([0-9]+\)$")
"""What systems add to a name that is there already: ``sec12 (2)``."""
_Form: TypeAlias = tuple[str, tuple[str, ...], str, int]
"""Extension, folders that say what their files are, what separates fields, and how many there are."""


@dataclass
class Cluster:
    """Names of one form: the kinds of fields at each place."""

    kinds: list[set[str]]
    names: list[Name]

    def near(self, other: Cluster) -> bool:
        """Whether the two differ at one place at most, and agree on something that is more than any word."""
        if len(self.kinds) != len(other.kinds):
            return False
        apart = [i for i, (a, b) in enumerate(zip(self.kinds, other.kinds, strict=True)) if not a & b]
        shared: set[str] = set().union(
            *(a & b for i, (a, b) in enumerate(zip(self.kinds, other.kinds, strict=True)) if i not in apart)
        )
        telling = any(k not in {"W", "X", "#", "a#"} and not k.startswith("=") for k in shared)
        known = any(k.startswith("=") for i in apart for k in self.kinds[i] | other.kinds[i])
        return len(apart) <= 1 and telling and not known


def clusters(paths: Iterable[str]) -> list[list[Name]]:
    """Paths in groups of alike names, the largest first; every path is in one of them."""
    forms: dict[_Form, dict[tuple[str, ...], Cluster]] = defaultdict(dict)
    for path in paths:
        name = Name.of(path)
        kinds = tuple(w.kind(f, name.extension) for f in name.fields)
        folders = tuple(f.lower() if set(w.words(f)) & w.KINDS else "" for f in name.folders)
        form = (name.extension, folders, name.mark, len(kinds))
        found = forms[form].setdefault(kinds, Cluster([{k} for k in kinds], []))
        found.names.append(name)
    merged = {form: _merged(list(same.values())) for form, same in forms.items()}
    for form in sorted(merged, key=lambda f: -f[3]):
        shorter = merged.get((*form[:3], form[3] - 1), [])
        merged[form] = [c if (short := _longer(c, shorter)) is None else _with(c, short) for c in merged[form]]
    out = [cluster.names for same in merged.values() for cluster in same if cluster.names]
    return sorted(out, key=lambda names: (-len(names), names[0].path))


def _longer(cluster: Cluster, shorter: Sequence[Cluster]) -> Cluster | None:
    """Names that lack the last field of a cluster alone, if that field tells nothing: a magnification, say."""
    *kinds, last = cluster.kinds
    if len({name.fields[-1] for name in cluster.names}) > 1 or any(k.startswith("=") for k in last):
        return None
    telling = any(k not in {"W", "X", "#", "a#"} for ks in kinds for k in ks)
    return next(
        (c for c in shorter if telling and c.names and len(c.names) <= len(cluster.names) and c.kinds == kinds), None
    )


def _with(cluster: Cluster, short: Cluster) -> Cluster:
    """Both as one, the last field being left to a star; the shorter one is emptied."""
    names = [replace(name, fields=name.fields[:-1], more=True) for name in cluster.names] + short.names
    short.names = []
    return Cluster(cluster.kinds[:-1], names)


MANY = 200
"""Kinds of names of equal length that are compared with each other; beyond, the rarest stay on their own."""


def _merged(found: Sequence[Cluster]) -> list[Cluster]:
    """Clusters that are near each other as one, until none are."""
    ordered = sorted(found, key=lambda c: -len(c.names))
    rest, left = ordered[:MANY], ordered[MANY:]
    done: list[Cluster] = []
    while rest:
        first = rest.pop(0)
        for index, other in enumerate(rest):
            if first.near(other):
                rest[index] = Cluster(
                    [a | b for a, b in zip(first.kinds, other.kinds, strict=True)], other.names + first.names
                )
                break
        else:
            done.append(first)
    return done + left
