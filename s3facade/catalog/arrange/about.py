"""What is said about one image: the operator's words, with the image's captures put in and checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from s3facade.catalog.arrange.desk import Desk
from s3facade.catalog.sources.batch import Candidate
from s3facade.config.views.about import constant, filled
from s3facade.config.views.bids import BidsView
from s3facade.core.errors import ConfigError
from s3facade.layouts.ro_crate.about import from_bids, settled

SHARED = 10_000
"""Values that are remembered."""


class Said:
    """What one view says about its images. Quick: there may be hundreds of thousands of them."""

    def __init__(self, about: Mapping[str, object]) -> None:
        plain = {key: value for key, given in about.items() if (value := constant(given)) is not None}
        self._same = settled(plain)[0]
        """Of all images; wrong values were refused when the file was read."""
        self._varying = {key: given for key, given in about.items() if key not in plain}
        self._known: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {}

    def of(self, candidate: Candidate, desk: Desk) -> Mapping[str, Any]:
        """What is said of ``candidate``; a value that cannot be used is left out, and told among what is broken."""
        if not self._varying:
            return self._same
        found = dict(self._same)
        for key, given in self._varying.items():
            try:
                value = filled(given, candidate.captures)
            except ConfigError as error:
                sentence = f"`{key}` of what is said about it is left out: {error}."
                desk.broken(candidate.recipe.path, sentence, error.private)
                continue
            known, wrong = self._settled(key, value)
            found |= known
            for _, sentence in wrong:
                desk.broken(candidate.recipe.path, f"`{key}` of what is said about it {sentence}; it is left out.")
        return found

    def _settled(self, key: str, value: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
        """`settled` of one value, once for each of those that many images share."""
        if key in ("name", "description") or not isinstance(value, str):
            return settled({key: value})
        name = f"{key}:{value}"
        known = self._known.get(name)
        if known is None:
            known = settled({key: value})
            if len(self._known) < SHARED:
                self._known[name] = known
        return known


def of_bids(view: BidsView, candidate: Candidate, suffix: str) -> Mapping[str, Any]:
    """What a BIDS view says of one of its images in BIDS's own words: licence, authors, species, and kind of image."""
    species = next((column.value for column in view.participants if column.name == "species"), None)
    known = species is not None and all(candidate.captures.get(name) is not None for name in species.names)
    try:
        text = species.fill(candidate.captures) if species is not None and known else ""
    except ConfigError:
        text = ""  # told where the table of participants is made
    return in_bids(view.license, view.authors, text, suffix)


@lru_cache(maxsize=256)
def in_bids(license_: str, authors: tuple[str, ...], species: str, suffix: str) -> Mapping[str, Any]:
    """`from_bids`, made once for all images of which the same is said."""
    return from_bids(license=license_, authors=authors, species=species, suffix=suffix)
