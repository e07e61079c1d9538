"""Images of the files that a source has in one folder, and what was arranged of them: the same until one changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from s3facade.catalog.images.recipe import Recipe

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One image, or the images of one file, by name."""

    captures: Mapping[str, object]
    recipe: Recipe


class Batch:
    """Images that are arranged together.

    Args:
        make: Gives them, the same ones at each call.
        kept: Whether what is arranged of them is asked for again at the next look.
    """

    __slots__ = ("_candidates", "_make", "_parts", "kept")

    def __init__(self, make: Callable[[], Sequence[Candidate]], *, kept: bool) -> None:
        self._make = make
        self._candidates: Sequence[Candidate] | None = None
        self._parts: dict[tuple[int, object], tuple[object, object, Any]] = {}
        self.kept = kept

    @property
    def candidates(self) -> Sequence[Candidate]:
        """In order of path."""
        found = self._candidates
        if found is None:
            found = self._candidates = self._make()
        return found

    def part(self, view: object, place: object, state: object, make: Callable[[Sequence[Candidate]], T]) -> T:
        """What a view makes of them, made once for each state.

        Args:
            view: What it is made for; told by its identity.
            place: Tells parts of one view apart.
            state: All that the part depends on besides the images and the view; compared by value.
            make: Makes it of the images.
        """
        key = (id(view), place)
        known = self._parts.get(key)
        # The view is held, so that no other one has its identity.
        if known is None or known[0] is not view or known[1] != state:
            known = (view, state, make(self.candidates))
            if self.kept:
                self._parts[key] = known
                # Nobody needs them until something changes: they are half of what a plan takes.
                self._candidates = None
        found: T = known[2]
        return found
