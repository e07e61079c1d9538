"""Grids whose cells are called by words, not by numbers: ``0-64_64-128_0-20`` instead of ``0/1/0``.

Words of an axis are few, since cells are as many as their product. So they are sorted once, and any key is sought by
one bisection per axis: nothing is enumerated but what is listed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3facade.core.keyspace import File

_UNSET: tuple[Sequence[tuple[str, int]], ...] = ()


@dataclass(frozen=True)
class NamedGrid:
    """Keys ``w0 separator w1 separator … suffix`` for every choice of one word per axis.

    Words of an axis differ, and none is empty or holds the separator: each key has one spelling, and no word with the
    separator behind it begins another one.
    """

    words: tuple[Sequence[str], ...]
    """Per axis, in the order of indices."""
    leaf: Callable[[tuple[int, ...]], File]
    """The object of a cell, by the positions of its words."""
    separator: str = "_"
    suffix: str = ""
    order: Sequence[Sequence[tuple[str, int]]] = field(default=_UNSET, init=False, repr=False, compare=False)
    """Per axis: (word with what follows it, its position), as listings have them."""
    places: Sequence[Mapping[str, int]] = field(default=(), init=False, repr=False, compare=False)
    """Per axis: position of each word."""

    def __post_init__(self) -> None:
        places = [{word: i for i, word in enumerate(words)} for words in self.words]
        if len(self.separator) != 1 or not self.words:
            raise ValueError("a grid needs a separator of one character, and at least one axis")
        for known, words in zip(places, self.words, strict=True):
            if len(known) != len(words) or any(not word or self.separator in word for word in words):
                raise ValueError("the words of an axis must differ, without being empty or holding the separator")
        tails = [self.separator] * (len(self.words) - 1) + [self.suffix]
        order = (
            sorted((word + tail, i) for i, word in enumerate(words))
            for words, tail in zip(self.words, tails, strict=True)
        )
        object.__setattr__(self, "order", tuple(order))
        object.__setattr__(self, "places", tuple(places))

    @property
    def size(self) -> int:
        """Number of keys."""
        return math.prod(map(len, self.words))

    def parse(self, key: str) -> tuple[int, ...] | None:
        """The index that ``key`` stands for; None if it is not one of the grid's keys."""
        if not key.endswith(self.suffix):
            return None
        words = key[: len(key) - len(self.suffix)].split(self.separator)
        if len(words) != len(self.words):
            return None
        found = [known.get(word) for word, known in zip(words, self.places, strict=True)]
        index = tuple(i for i in found if i is not None)
        return index if len(index) == len(found) else None

    def keys(self, base: str, bound: str) -> Iterator[tuple[tuple[int, ...], str]]:
        """Indices and whole keys ``>= bound``, in text order; all keys start with ``base``."""
        return self._below(base, bound, ())

    def _below(self, base: str, bound: str, outer: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], str]]:
        """Keys whose first words, those of ``outer``, are in ``base`` already."""
        rest = remainder(base, bound)
        if rest is None:
            return
        order = self.order[len(outer)]
        last = len(outer) == len(self.words) - 1
        start = bisect_left(order, (rest,))
        if not last and start and rest.startswith(order[start - 1][0]):
            start -= 1
        for token, i in islice(order, start, None):
            if last:
                yield (*outer, i), base + token
            else:
                yield from self._below(base + token, bound, (*outer, i))


def remainder(base: str, bound: str) -> str | None:
    """What ``bound`` demands of the keys below ``base``: "" for nothing, None if all of them lie before it."""
    if bound.startswith(base):
        return bound[len(base) :]
    return "" if base > bound else None
