"""Folders whose sub-folders are made when a path leads into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from s3facade.core.keyspace import Dir, Node


class _Lazy(Mapping[str, Node]):
    """Children of which some are made when they are asked for, and kept."""

    def __init__(self, known: Mapping[str, Node], made: Mapping[str, Callable[[], Node]]) -> None:
        self._known = dict(known)
        self._made = made

    def __getitem__(self, name: str) -> Node:
        node = self._known.get(name)
        # Two threads may make the same one: the second is as good as the first.
        return self._known.setdefault(name, self._made[name]()) if node is None else node

    def __iter__(self) -> Iterator[str]:
        yield from {**self._known, **self._made}

    def __len__(self) -> int:
        return len({*self._known, *self._made})


def lazily(files: Mapping[str, Node], folders: Mapping[str, Callable[[], Node]]) -> Dir:
    """A folder of ``files``, and of ``folders`` that are made when a path leads into them."""
    order = sorted([*((name, name) for name in files), *((f"{name}/", name) for name in folders)])
    return Dir(_Lazy(files, folders), tuple(order))
