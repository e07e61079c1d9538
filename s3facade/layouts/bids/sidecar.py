"""The JSON file beside an image: what the image and the operator say about it, and no file above it says already."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from s3facade.core.image import Dataset, sources
from s3facade.core.keyspace import Dir, File
from s3facade.layouts.bids.measured import MEASURED, pixels
from s3facade.layouts.bids.tables import pretty
from s3facade.layouts.bids.values import IN_MICROMETERS, PIXELS, UNITS
from s3facade.layouts.documents import literal_file

SIDECAR = "sidecar"
"""Key of `Dataset.about` under which fields that the operator states for this image alone stand."""
_UNKNOWN = (
    f"BIDS needs {PIXELS}, and the image does not say how large its pixels are: add `{PIXELS}: 0.5 um` to `sidecar`, "
    "or `pixel_size` to the source."
)
_FLAT = (
    f"`sidecar` says {PIXELS} along x and y, and the image has {{depth}} planes along z: write all three, as in "
    f"`{PIXELS}: {{{{x: 0.5 um, y: 0.5 um, z: 2 um}}}}`, or leave it out where the image says it."
)
CLOSE = 1e-3
"""Relative difference of lengths that are meant to be the same."""


@dataclass(frozen=True, slots=True)
class Sidecar:
    """A sidecar file (BIDS, common principles: inheritance principle). Nothing to say: there is no such key."""

    version: ClassVar[int] = 2
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

    def _measured(self, dataset: Dataset) -> dict[str, Any]:
        ask = MEASURED.get(self.datatype)
        image = next(iter(dataset.images.values()), None)
        return {} if ask is None or image is None else ask(image.spec)


@dataclass(frozen=True, slots=True)
class PixelsStated:
    """What the operator says about the pixels of a microscopy image, to be compared with what the image says."""

    stated: tuple[tuple[float, ...], str] | None = None
    """`PixelSize` and `PixelSizeUnits`; None: he says nothing."""

    def remarks(self, dataset: Dataset) -> Sequence[str]:
        """Sentences on what is wrong: what is stated is not what the image says, or nobody says it."""
        found = [pixels(image.spec) for image in dataset.images.values()]
        if self.stated is None:
            return () if found and found[0] else (_UNKNOWN,)
        unit = IN_MICROMETERS.get(self.stated[1])
        depth = max((image.spec.length("z") for image in dataset.images.values()), default=1)
        flat = (_FLAT.format(depth=depth),) if depth > 1 and len(self.stated[0]) < 3 else ()
        if unit is None or not found or not found[0]:
            return flat
        stated, measured = [size * unit for size in self.stated[0]], found[0][PIXELS]
        if all(math.isclose(a, b, rel_tol=CLOSE) for a, b in zip(stated, measured, strict=False)):
            return flat
        said, other = (" x ".join(f"{size:g}" for size in sizes) for sizes in (stated, measured))
        sentence = (
            f"`sidecar` says that {PIXELS} is {said} um, and the image says {other} um: one of the two is wrong. "
            f"Leave {PIXELS} out, or give the source the right `pixel_size`."
        )
        return (sentence,)


def pixels_stated(fields: Mapping[str, Any]) -> PixelsStated:
    """What the fields of a sidecar say about pixels."""
    sizes, unit = fields.get(PIXELS), fields.get(UNITS)
    return PixelsStated() if sizes is None or unit is None else PixelsStated((tuple(sizes), unit))


def _stated(dataset: Dataset) -> Mapping[str, Any]:
    stated = dataset.about.get(SIDECAR)
    return stated if isinstance(stated, Mapping) else {}
