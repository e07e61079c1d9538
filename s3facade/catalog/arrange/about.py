"""What is said about one image: the operator's words, with the image's captures put in and checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.candidates import Candidate
from s3facade.config.views.about import constant, filled
from s3facade.config.views.bids import BidsView
from s3facade.layouts.ro_crate.about import from_bids, settled


class Said:
    """What one view says about its images."""

    def __init__(self, about: Mapping[str, object]) -> None:
        self._about = about
        plain = constant(about)
        self.same = None if plain is None else settled(plain)[0]
        """Of all images, where no capture is used; wrong values were refused when the file was read."""

    def of(self, candidate: Candidate, desk: Desk) -> Mapping[str, Any]:
        """What is said of ``candidate``; a value that cannot be used is left out, and told among what is broken."""
        if self.same is not None:
            return self.same
        found, wrong = settled(filled(self._about, candidate.captures))
        for key, sentence in wrong:
            desk.broken(candidate.recipe.path, f"`{key}` of what is said about it {sentence}; it is left out.")
        return found


class Both:
    """What a BIDS view says about its images, in BIDS's own words and in those of crates: the latter win."""

    def __init__(self, view: BidsView, said: Said) -> None:
        self._view = view
        self._said = said
        species = next((column.value.names for column in view.participants if column.name == "species"), ())
        self._constant = said.same is not None and not species
        self._known: dict[str, Mapping[str, Any]] = {}
        """By suffix, where the same is said of all images of one."""

    def of(self, candidate: Candidate, suffix: str, desk: Desk) -> Mapping[str, Any]:
        """What is said of ``candidate``; the same mapping for images of which the same is said, as far as is known."""
        found = self._known.get(suffix)
        if found is None:
            own, said = of_bids(self._view, candidate, suffix), self._said.of(candidate, desk)
            found = {**own, **said} if said else own
            if self._constant:
                self._known[suffix] = found
        return found


def of_bids(view: BidsView, candidate: Candidate, suffix: str) -> Mapping[str, Any]:
    """What a BIDS view says of one of its images in BIDS's own words: licence, authors, species, and kind of image."""
    species = next((column.value for column in view.participants if column.name == "species"), None)
    known = species is not None and all(candidate.captures.get(name) is not None for name in species.names)
    text = species.fill(candidate.captures) if species is not None and known else ""
    return _in_bids(view.license, view.authors, text, suffix)


@lru_cache(maxsize=256)
def _in_bids(license_: str, authors: tuple[str, ...], species: str, suffix: str) -> Mapping[str, Any]:
    return from_bids(license=license_, authors=authors, species=species, suffix=suffix)
