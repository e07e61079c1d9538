"""The images that the XML of a Leica file describes: their dimensions and channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.trees import every, first, integer, number, text

DIMENSIONS: Mapping[int, tuple[str, str]] = {
    1: ("x", "X"), 2: ("y", "Y"), 3: ("z", "Z"), 4: ("t", "T"), 5: ("c", "emission wavelength"), 6: ("t", "rotation"),
    7: ("t", "XT slice"), 8: ("t", "T slice"), 9: ("c", "excitation wavelength"), 10: ("m", "mosaic tile"),
    11: ("t", "loop"),
}  # fmt: skip
"""By ``DimID``: the axis (``m``: an image for each index), and what it is in words."""
MAX_LENGTH = 1 << 31


@dataclass(frozen=True, slots=True)
class Dimension:
    """One dimension."""

    axis: str
    words: str
    size: int
    step: int
    """Bytes from one element to the next."""
    origin: float | None
    """Position of the first element, in ``unit``."""
    length: float | None
    """From the first to the last element, in ``unit``."""
    unit: str


@dataclass(frozen=True, slots=True)
class Band:
    """One channel."""

    number: np.dtype[Any]
    bits: int
    tag: int
    """0 is grey; 1 red, 2 green, 3 blue samples of a colour image."""
    offset: int
    """Bytes from the first channel."""
    lut: str | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Element:
    """One image."""

    path: str
    """Names of the folders around it and of itself, with ``/`` between."""
    node: Mapping[str, Any]
    dimensions: tuple[Dimension, ...]
    """Largest step first."""
    bands: tuple[Band, ...]


def elements(tree: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path and XML of every image, in the order of the document; needs no recursion."""
    waiting = [("", node) for node in _children(tree)][::-1]
    while waiting:
        above, node = waiting.pop()
        name = text(node, "@Name") or ""
        path = f"{above}/{name}" if above else name
        if first(node, "Data/Image") is not None:
            yield path, node
        waiting += [(path, child) for child in _children(first(node, "Children") or {})][::-1]


def _children(node: Any) -> list[Mapping[str, Any]]:
    found = every(node, "Element") or every(node, "ChildrenOf/Element")
    return [child for child in found if isinstance(child, Mapping)]


def described(path: str, node: Mapping[str, Any]) -> Element:
    """Dimensions and channels of an image. Raises `BadSource`, `Unsupported`."""
    about = first(node, "Data/Image/ImageDescription")
    dimensions = [_dimension(d) for d in every(about, "Dimensions/DimensionDescription")]
    bands = [_band(c) for c in every(about, "Channels/ChannelDescription")]
    if not dimensions or not bands:
        raise BadSource(f"The image {path!r} of the Leica file has no dimensions or no channels.")
    return Element(path, node, tuple(sorted(dimensions, key=lambda d: -d.step)), tuple(bands))


def _dimension(node: Any) -> Dimension:
    code = integer(text(node, "@DimID"))
    size, step = integer(text(node, "@NumberOfElements")), integer(text(node, "@BytesInc"))
    if code is None or code not in DIMENSIONS:
        raise Unsupported(f"An image of the Leica file has a dimension of the kind {code}, which is not known.")
    if size is None or step is None or not 1 <= size < MAX_LENGTH or step < 0 or (step == 0 and size > 1):
        raise BadSource(f"A dimension of the Leica file has {size} elements, {step} bytes apart.")
    axis, words = DIMENSIONS[code]
    origin, length = number(text(node, "@Origin")), number(text(node, "@Length"))
    return Dimension(axis, words, size, step, origin, length, text(node, "@Unit") or "")


def _band(node: Any) -> Band:
    kind, bits = integer(text(node, "@DataType")), integer(text(node, "@Resolution"))
    if kind not in (0, 1) or bits is None or not 1 <= bits <= 64 or (kind == 1 and bits <= 8):
        raise Unsupported(f"A channel of the Leica file has numbers of the kind {kind} of {bits} bits.")
    itemsize = next(n for n in (1, 2, 4, 8) if bits <= 8 * n)
    offset = integer(text(node, "@BytesInc")) or 0
    if offset < 0:
        raise BadSource(f"A channel of the Leica file lies {-offset} bytes before the first one.")
    properties = {text(p, "Key"): text(p, "Value") for p in every(node, "ChannelProperty")}
    return Band(
        np.dtype(f"<{'uf'[kind]}{itemsize}"),
        bits,
        integer(text(node, "@ChannelTag")) or 0,
        offset,
        text(node, "@LUTName"),
        properties.get("DyeName") or text(node, "@NameOfMeasuredQuantity"),
    )
