"""The JSON file beside an image: what the image and the operator say about it, and no file above it says already."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from s3facade.core.image import Dataset, sources
from s3facade.core.keyspace import Dir, File
from s3facade.layouts.bids.measured import MEASURED
from s3facade.layouts.bids.tables import pretty
from s3facade.layouts.bids.values import IN_MICROMETERS, PIXELS, UNITS
from s3facade.layouts.documents import literal_file

SIDECAR = "sidecar"
"""Key of `Dataset.about` under which fields that the operator states for this image alone stand."""
_UNKNOWN = (
    f"BIDS needs {PIXELS}, and the image does not say how large its pixels are: add `{PIXELS}: 0.5 um` to `sidecar`, "
    "or `pixel_size` to the source."
)
CLOSE = 1e-3
"""Relative difference of lengths that are meant to be the same."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A sidecar file (BIDS, common principles: inheritance principle). Nothing to say: there is no such key."""

    version: ClassVar[int] = 1
    leaf: ClassVar[bool] = True

    datatype: str = "micr"
    """Says which fields an image is asked for."""
    inherited: Mapping[str, Any] = field(default_factory=dict)
    """What a file at the root says about all images of the suffix."""

    def build(self, dataset: Dataset) -> File | Dir:
        """The file; an empty folder where it would say nothing."""
        told = self.fields(dataset)
        if not told:
            return Dir({})
        modified = max((s.modified for image in dataset.images.values() for s in sources(image)), default=0)
        return literal_file(pretty(told), "application/json", max(modified, dataset.modified))

    def fields(self, dataset: Dataset) -> dict[str, Any]:
        """What it says, sorted by name: what is stated wins over what the image says."""
        stated = _stated(dataset)
        measured = self._measured(dataset)
        if PIXELS in stated or PIXELS in self.inherited:
            measured.pop(PIXELS, None)
            measured.pop(UNITS, None)
        measured = {name: value for name, value in measured.items() if name not in self.inherited}
        return dict(sorted({**measured, **stated}.items()))

    def remarks(self, dataset: Dataset) -> Sequence[str]:
        """Sentences on what is wrong with the metadata: what is stated is not what the image says, or is missing."""
        stated = {**self.inherited, **_stated(dataset)}
        measured = self._measured(dataset)
        if self.datatype != "micr":
            return ()
        if PIXELS not in stated:
            if PIXELS in measured:
                return ()
            return (_UNKNOWN,)
        return _compared(stated, measured)

    def _measured(self, dataset: Dataset) -> dict[str, Any]:
        ask = MEASURED.get(self.datatype)
        image = next(iter(dataset.images.values()), None)
        return {} if ask is None or image is None else ask(image.spec)


def _stated(dataset: Dataset) -> Mapping[str, Any]:
    stated = dataset.about.get(SIDECAR)
    return stated if isinstance(stated, Mapping) else {}


def _compared(stated: Mapping[str, Any], measured: Mapping[str, Any]) -> Sequence[str]:
    """Whether stated pixels are those of the image, as far as both say."""
    if PIXELS not in measured:
        return ()
    one, other = (
        [size * IN_MICROMETERS[said[UNITS]] for size in said[PIXELS]] if said.get(UNITS) in IN_MICROMETERS else []
        for said in (stated, measured)
    )
    if all(math.isclose(a, b, rel_tol=CLOSE) for a, b in zip(one, other, strict=False)):
        return ()
    said, found = (" x ".join(f"{size:g}" for size in sizes) for sizes in (one, other))
    sentence = (
        f"`sidecar` says that {PIXELS} is {said} um, and the image says {found} um: one of the two is wrong. "
        f"Leave {PIXELS} out, or give the source the right `pixel_size`."
    )
    return (sentence,)
