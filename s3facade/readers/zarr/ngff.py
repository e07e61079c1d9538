"""What OME-Zarr says about axes, sizes and channels (versions 0.1 to 0.5 of its specification)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.spec import Channel
from s3facade.readers.folders.array import Placed
from s3facade.readers.folders.documents import Document, listed, mapping, numbers
from s3facade.readers.folders.image import known_axis

LENGTHS: Mapping[str, float] = {
    "angstrom": 1e-4, "attometer": 1e-12, "centimeter": 1e4, "decimeter": 1e5, "exameter": 1e24, "femtometer": 1e-9,
    "foot": 304800.0, "gigameter": 1e15, "hectometer": 1e8, "inch": 25400.0, "kilometer": 1e9, "megameter": 1e12,
    "meter": 1e6, "micrometer": 1.0, "mile": 1609344000.0, "millimeter": 1e3, "nanometer": 1e-3, "picometer": 1e-6,
    "yard": 914400.0, "micron": 1.0, "microns": 1.0, "um": 1.0, "µm": 1.0, "μm": 1.0, "nm": 1e-3, "mm": 1e3,
    "cm": 1e4, "m": 1e6, "pm": 1e-6, "å": 1e-4,
}  # fmt: skip
"""µm, by lower-case name: those of OME-Zarr, and common abbreviations."""
TIMES: Mapping[str, float] = {
    "attosecond": 1e-18, "centisecond": 1e-2, "day": 86400.0, "decisecond": 1e-1, "femtosecond": 1e-15,
    "hour": 3600.0, "kilosecond": 1e3, "microsecond": 1e-6, "millisecond": 1e-3, "minute": 60.0, "nanosecond": 1e-9,
    "picosecond": 1e-12, "second": 1.0, "seconds": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "min": 60.0,
    "h": 3600.0,
}  # fmt: skip
"""Seconds, likewise."""


@dataclass(frozen=True, slots=True)
class Dimensions:
    """What is known about the dimensions of an image."""

    axes: tuple[str, ...]
    """t, c, z, y, x, or ``""``."""
    factors: tuple[float | None, ...]
    """µm or seconds in one unit of the file; None where it states no unit."""
    names: str
    """As the file calls them."""


def dimensions(multiscale: Document, rank: int) -> Dimensions:
    """Axes of a multiscale image.

    Args:
        multiscale: One of ``multiscales``.
        rank: Dimensions of its arrays.

    Raises:
        BadSource: There are not as many as dimensions.
        Unsupported: An axis that images do not have here.
    """
    axes = multiscale.get("axes")
    if axes is None and rank == 5:
        axes = list("tczyx")
    items = [{"name": a} if isinstance(a, str) else mapping(a) for a in listed(axes)]
    if len(items) != rank:
        raise BadSource(f"The image names {len(items)} axes; its arrays have {rank} dimensions.")
    found = [_letter(item) for item in items]
    rest = [k for k, (letter, item) in enumerate(zip(found, items, strict=True)) if not letter and _spatial(item)]
    free = [a for a in "xyz" if a not in found]
    # Axes of space with names of their own, e.g. those of an atlas: the last one is fastest, as x is.
    for k, letter in zip(reversed(rest), free, strict=False):
        found[k] = letter
    for k, letter in enumerate(found):
        if letter and found.index(letter) != k:
            raise BadSource(f"The image names the axis {letter!r} twice.")
    factors = [_factor(letter, item) for letter, item in zip(found, items, strict=True)]
    return Dimensions(tuple(found), tuple(factors), ",".join(str(i.get("name", "?")) for i in items))


def check_lengths(about: Dimensions, shape: Sequence[int]) -> None:
    """Raise `Unsupported` if an axis of more than one index is none of ours."""
    for letter, size, name in zip(about.axes, shape, about.names.split(","), strict=False):
        if not letter and size > 1:
            raise Unsupported(
                f"The image has an axis {name!r} of length {size}; only time, channel, z, y and x are shown. "
                "The option `axes` can say which of them it stands for."
            )


def _spatial(item: Document) -> bool:
    return item.get("type") == "space"


def _letter(item: Document) -> str:
    kind, name = item.get("type"), str(item.get("name", ""))
    if kind == "time":
        return "t"
    if kind == "channel":
        return "c"
    letter = known_axis(name) or ""
    return "" if kind == "space" and letter not in "zyx" else letter


def _factor(letter: str, item: Document) -> float | None:
    unit = str(item.get("unit") or "").lower()
    return TIMES.get(unit) if letter == "t" else LENGTHS.get(unit) if letter and letter in "zyx" else None


def placements(
    multiscale: Document, about: Dimensions, shapes: Sequence[Sequence[int]]
) -> tuple[list[Placed], frozenset[str], list[str]]:
    """Where the levels lie, the axes with a unit, and notes.

    Args:
        multiscale: One of ``multiscales``.
        about: Its dimensions.
        shapes: Of the arrays, in the order of ``datasets``.
    """
    rank, notes = len(about.axes), []
    outer = listed(multiscale.get("coordinateTransformations"))
    steps = [(*listed(mapping(d).get("coordinateTransformations")), *outer) for d in listed(multiscale.get("datasets"))]
    found = [_affine(s, rank) for s in steps]
    if not all(found) or len(found) != len(shapes):
        if any(steps):
            notes.append("The sizes of voxels are not given as scales and translations; they are not used.")
        return [Placed({}, {}) for _ in shapes], frozenset(), notes
    levels = [pair for pair in found if pair is not None]
    physical, first = set(), levels[0]
    scales: list[dict[str, float]] = [{} for _ in shapes]
    origins: list[dict[str, float]] = [{} for _ in shapes]
    for k, (letter, factor) in enumerate(zip(about.axes, about.factors, strict=True)):
        if not letter or letter == "c":
            continue
        if factor is None:
            # Without a unit only the levels' relation to each other means something.
            unit, zero = 1 / first[0][k], first[1][k]
            if letter != "t" and first[0][k] != 1:
                notes.append(f"A voxel measures {first[0][k]:g} along {letter}, in a unit that is not stated.")
        else:
            unit, zero = factor, 0.0
            physical.add(letter)
        for level, scale, origin in zip(levels, scales, origins, strict=True):
            scale[letter] = level[0][k] * unit
            origin[letter] = (level[1][k] - zero) * unit
    return [Placed(s, o) for s, o in zip(scales, origins, strict=True)], frozenset(physical), notes


def _affine(steps: Sequence[object], rank: int) -> tuple[list[float], list[float]] | None:
    """Scale and translation of all steps, one after the other; None if there are others, or none."""
    scale, shift = [1.0] * rank, [0.0] * rank
    scaled = False
    for step in map(mapping, steps):
        kind = step.get("type")
        if kind == "identity":
            continue
        values = numbers(step.get(kind), rank) if kind in {"scale", "translation"} else None
        if values is None:
            return None
        if kind == "scale":
            scale = [a * b for a, b in zip(scale, values, strict=True)]
            shift = [a * b for a, b in zip(shift, values, strict=True)]
            scaled = True
        else:
            shift = [a + b for a, b in zip(shift, values, strict=True)]
    return (scale, shift) if scaled and all(s > 0 for s in scale) else None


def channels(omero: Document) -> list[Channel]:
    """Channels as ``omero`` describes them."""
    return [_channel(mapping(c)) for c in listed(omero.get("channels"))]


def _channel(about: Document) -> Channel:
    name, color = about.get("label"), str(about.get("color") or "").removeprefix("#").upper()
    window = mapping(about.get("window"))
    bounds = numbers([window.get("start"), window.get("end")], 2)
    return Channel(
        name if isinstance(name, str) and name else None,
        color if len(color) == 6 and all(d in "0123456789ABCDEF" for d in color) else None,
        (bounds[0], bounds[1]) if bounds and bounds[0] < bounds[1] else None,
        active=about.get("active") is not False,
    )
