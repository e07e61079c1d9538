"""Several maps, one after the other, and one interpolation."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.image import Image, Source
from s3facade.core.options import ParameterFile
from s3facade.transforms.resampling.bend import bent
from s3facade.transforms.resampling.displacement import measured
from s3facade.transforms.resampling.maps import Map, Resolver, from_plain
from s3facade.transforms.resampling.matrices import Maps
from s3facade.transforms.resampling.onto import Onto, as_image, grid_onto
from s3facade.transforms.resampling.parameters.source import content, source_of
from s3facade.transforms.resampling.sampling import Method


@dataclass(frozen=True, slots=True)
class Chain:
    """The image through several maps: matrices, displacement fields, coordinate transformations of RFC-5.

    Values are interpolated once, at the places that the whole chain leads to.
    """

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    steps: tuple[Map, ...] | ParameterFile
    """The maps, the first one applied first; or a JSON file with a list of them, or one."""
    maps: Maps = "output-to-input"
    """Which way the chain leads; each matrix and field in it still says for itself which way it leads."""
    onto: Onto | None = None
    """The grid of the output; by default that of the source."""
    method: Method | None = None
    """nearest, linear or cubic; by default linear, and nearest for labels and masks."""
    outside: float = 0.0
    """The value where there is no source."""

    def build(self, image: Image, *others: Image) -> Image:
        """``image`` through the chain; files are read.

        Raises:
            SourceError: A file cannot be read, or the chain does not fit the image.
        """
        measured(image.spec, "chain")
        if isinstance(self.steps, str):
            source = source_of(self.steps)
            steps: Sequence[Map] = _read(source)
            files = [source]
        else:
            steps, files = self.steps, []
        onto, like = as_image(self.onto, others)
        if onto.fit:
            raise Unsupported("chain: `onto: {fit: true}` is for `affine`; write `spacing`, `shape` and `origin`.")
        found = Resolver(image.spec, grid_onto(image.spec, onto), files)
        resolved = found.steps(steps, onward=self.maps == "output-to-input")
        return bent(image, resolved, onto, self.method, self.outside, tuple(dict.fromkeys((*found.files, *like))))


def _read(source: Source) -> Sequence[Map]:
    try:
        value = json.loads(content(source))
    except ValueError as error:
        raise BadSource("The file of a chain is no JSON.", private=f"{source.path}: {error}") from error
    base = os.path.dirname(source.path)
    try:
        return [from_plain(item, base) for item in (value if isinstance(value, list) else [value])]
    except (BadSource, Unsupported) as error:
        error.at(source.path)
        raise
