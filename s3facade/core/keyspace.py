"""Key spaces: trees that describe every key of a bucket, and the two ways through them.

`find` says whether a key exists; `scan` lists keys from any point in UTF-8 byte order. Both are pure but for
``resolve``, which opens a `Deferred` node (a folder, an image file) when a path leads to or into it.

Why `scan` needs no state but the last key: each token is ordered *with the separator that follows it*
(``"0/" < "00"``, ``"a!" < "a/"``), so depth-first order is key order, and any key can be sought in one descent.
Python compares `str` by code point, which is UTF-8 byte order.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeAlias

from s3facade.core.named import NamedGrid, remainder
from s3facade.core.objects import Object


@dataclass(frozen=True, slots=True)
class File:
    """One object, described."""

    size: int | None
    """Bytes, exact; None where only computing tells, never a guess."""
    media_type: str
    identity: str
    """Digest of all that the bytes depend on, but the key."""
    modified: int
    """Nanoseconds since 1970, UTC."""
    body: Callable[[], Object]
    """Builds the object; cheap, no I/O."""

    def sized(self, size: int) -> File:
        """The same file, whose size was None, with the one that was found out."""
        body = self.body
        return replace(self, size=size, body=lambda: body().sized(size))


_ALL: Sequence[tuple[str, str]] = (("every", "child"),)


@dataclass(frozen=True)
class Dir:
    """Named children. A child directory ``d`` holds keys ``d/…``."""

    children: Mapping[str, Node]
    order: Sequence[tuple[str, str]] = field(default=_ALL, repr=False, compare=False)
    """(token with its separator, name) of the children that listings show, sorted; by default all of them.

    Given where making every child would cost, and to keep what is broken findable but unlisted.
    """

    def __post_init__(self) -> None:
        if self.order is _ALL:
            tokens = ((n if is_leaf(c) else n + "/", n) for n, c in self.children.items())
            object.__setattr__(self, "order", tuple(sorted(tokens)))


@dataclass(frozen=True, slots=True)
class Grid:
    """Keys ``i0 sep i1 sep … suffix`` for every index of a regular grid of ``shape``.

    Indices are decimal, without sign or leading zeros: each key has one spelling.
    ``separator`` and ``suffix`` must sort before the digits (``/``, ``.``, ``-``) or be empty.
    """

    shape: tuple[int, ...]
    leaf: Callable[[tuple[int, ...]], File]
    separator: str = "/"
    suffix: str = ""

    def __post_init__(self) -> None:
        for text in (self.separator, self.suffix[:1] or "."):
            if not "\x20" < text < "0":
                raise ValueError(f"{text!r} does not sort before the digits")

    def parse(self, key: str) -> tuple[int, ...] | None:
        """The index that ``key`` stands for; None if it is not one of the grid's keys."""
        if self.suffix:
            if not key.endswith(self.suffix):
                return None
            key = key[: -len(self.suffix)]
        tokens = key.split(self.separator)
        if len(tokens) != len(self.shape):
            return None
        index = []
        for token, n in zip(tokens, self.shape, strict=True):
            digits = token.isascii() and token.isdigit() and len(token) < 20
            if not digits or str(int(token)) != token or int(token) >= n:
                return None
            index.append(int(token))
        return tuple(index)

    def keys(self, base: str, bound: str) -> Iterator[tuple[tuple[int, ...], str]]:
        """Indices and whole keys ``>= bound``, in text order; all keys start with ``base``."""
        return _numbers(self, base, bound, ())


@dataclass(frozen=True, slots=True)
class Deferred:
    """A directory whose children need I/O, or a file that needs some to be described.

    ``token`` tells ``resolve`` what to open.
    """

    token: object
    leaf: bool = False
    """Whether it is a file."""


Opened: TypeAlias = File | Dir | Grid | NamedGrid
Node: TypeAlias = Opened | Deferred
Resolve: TypeAlias = Callable[[Deferred], Opened]
"""Gives a `File` for a leaf. What cannot be opened, and is to be left out of a listing, is an empty `Dir`."""


def is_leaf(node: Node) -> bool:
    """Whether it stands at a key, and not at the beginning of keys."""
    return isinstance(node, File) or (isinstance(node, Deferred) and node.leaf)


def find(node: Node, key: str, resolve: Resolve) -> File | None:
    """The object at ``key``, or None when the key is outside the key space."""
    while True:
        if isinstance(node, Deferred):
            node = resolve(node)
        if isinstance(node, Grid | NamedGrid):
            index = node.parse(key)
            return None if index is None else node.leaf(index)
        if isinstance(node, File):
            return None
        head, slash, rest = key.partition("/")
        child = node.children.get(head)
        if child is None or is_leaf(child) == bool(slash):
            return None
        if not slash:
            opened = resolve(child) if isinstance(child, Deferred) else child
            return opened if isinstance(opened, File) else None
        node, key = child, rest


@dataclass(frozen=True, slots=True)
class Entry:
    """A listed key, or (``file`` None) a common prefix."""

    key: str
    file: File | None


def scan(node: Node, *, prefix: str = "", bound: str = "", delimiter: str = "", resolve: Resolve) -> Iterator[Entry]:
    """Keys ``>= bound`` that start with ``prefix``, in UTF-8 byte order, rolled up at ``delimiter``.

    A rolled-up prefix is listed without opening what lies below it. Each item costs a step, each common prefix
    one descent; where the scan starts costs nothing.
    """
    bound = max(bound, prefix)

    def rolled(path: str) -> int:
        """End of the common prefix that a key starting with ``path`` falls into, or 0."""
        at = path.find(delimiter, len(prefix)) if delimiter and path.startswith(prefix) else -1
        return at + len(delimiter) if at >= 0 else 0

    def closed(path: str) -> bool:
        """Whether a folder need not be opened: it is rolled up, or it lies behind the prefix."""
        return path >= bound and bool(rolled(path) or not (path.startswith(prefix) or prefix.startswith(path)))

    while True:
        for key, file in _walk(node, "", bound, closed, resolve):
            if not key.startswith(prefix):
                return
            end = rolled(key)
            if end:
                yield Entry(key[:end], None)
                bound = successor(key[:end])
                break
            yield Entry(key, file)
        else:
            return


def successor(prefix: str) -> str:
    """The smallest string above every string that starts with ``prefix`` (non-empty)."""
    last = ord(prefix[-1])
    if last == 0x10FFFF:
        return prefix + chr(0x10FFFF)
    following = last + 1
    return prefix[:-1] + chr(0xE000 if following == 0xD800 else following)


def _walk(
    node: Node, base: str, bound: str, closed: Callable[[str], bool], resolve: Resolve
) -> Iterator[tuple[str, File | None]]:
    """Keys ``>= bound`` below ``node``, whose keys all start with ``base``; None stands for an unopened folder."""
    if isinstance(node, Deferred):
        if node.leaf and base < bound:
            return
        if closed(base):
            yield base, None
            return
        node = resolve(node)
    if isinstance(node, File):
        if base >= bound:
            yield base, node
    elif isinstance(node, Grid | NamedGrid):
        for index, key in node.keys(base, bound):
            yield key, node.leaf(index)
    elif (rest := remainder(base, bound)) is not None:
        start = bisect_left(node.order, (rest,))
        if start and rest.startswith(node.order[start - 1][0]):
            start -= 1
        for token, name in islice(node.order, start, None):
            if (child := node.children.get(name)) is not None:
                yield from _walk(child, base + token, bound, closed, resolve)


def _numbers(node: Grid, base: str, bound: str, outer: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], str]]:
    """Indices that start with ``outer``, and their whole keys ``>= bound``, in text order."""
    axis = len(outer)
    last = axis == len(node.shape) - 1
    tail = node.suffix if last else node.separator
    n = node.shape[axis]
    rest = remainder(base, bound)
    value = None if rest is None else seek(rest, tail, n, last=last)
    while value is not None:
        if last:
            yield (*outer, value), f"{base}{value}{tail}"
        else:
            yield from _numbers(node, f"{base}{value}{tail}", bound, (*outer, value))
        value = following(value, n)


def following(value: int, n: int) -> int | None:
    """The number after ``value`` among ``0 <= i < n`` in text order: the pre-order of the digit trie."""
    if value > 0 and value * 10 < n:
        return value * 10
    return _sibling(value, n)


def _sibling(value: int, n: int) -> int | None:
    """The first number in text order after every number that starts with the digits of ``value``."""
    while value % 10 == 9 or value + 1 >= n:
        value //= 10
        if value == 0:
            return None
    return value + 1


def seek(rest: str, tail: str, n: int, *, last: bool) -> int | None:
    """The first number, in text order, that has keys ``>= rest``; None if there is none.

    ``tail`` follows each number; unless it is the ``last`` axis, more text follows the tail.
    """
    digits = len(rest) - len(rest.lstrip("0123456789"))
    text, after = rest[:digits], rest[digits:]
    if not text:
        return 0 if after[:1] < "0" else None
    if text[0] == "0" and len(text) > 1:
        return following(0, n)
    if digits > len(str(n)) or int(text) >= n:
        text = text[: len(str(n))]
        while text and int(text) >= n:
            text = text[:-1]
        return _sibling(int(text), n) if text else None
    value = int(text)
    token = text + tail
    if token >= rest or (not last and rest.startswith(token)):
        return value
    return following(value, n) if after[:1] < "0" else _sibling(value, n)
