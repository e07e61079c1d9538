"""Where the levels of an image in N5 lie, by whichever convention says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from s3facade.readers.folders.array import Placed
from s3facade.readers.folders.documents import Document, listed, mapping, numbers
from s3facade.readers.n5.groups import Multi
from s3facade.readers.zarr.ngff import LENGTHS, TIMES


@dataclass(frozen=True, slots=True)
class Base:
    """The finest level, dimensions in the order of N5: x first."""

    resolution: tuple[float, ...] | None
    units: tuple[str, ...]
    offset: tuple[float, ...] | None


def names(image: Multi, rank: int) -> tuple[object, ...]:
    """What the dimensions are called, slowest first, as far as anything says so."""
    first = image.levels[0][0].attributes
    transform = _transforms(image)[0]
    if len(listed(transform.get("axes"))) == rank:
        return tuple(transform["axes"])
    for about in (first, image.group.attributes, image.outer):
        if len(listed(about.get("axes"))) == rank:
            return tuple(reversed(about["axes"]))
    return ()


def placements(image: Multi, axes: Sequence[str]) -> tuple[list[Placed], frozenset[str]]:
    """Where the levels lie, and the axes with a unit.

    Args:
        image: The image.
        axes: Of the dimensions as N5 stores them, slowest first; without the time points of several datasets.
    """
    rank = len(axes)
    transforms = _transforms(image)
    told = [_told(t, rank) for t in transforms]
    if all(told):
        scales = [t[0] for t in told if t]
        shifts = [t[1] for t in told if t]
        units = [str(u) for u in listed(transforms[0].get("units"))] or [""] * rank
        return _placed(axes, scales, shifts, units if len(units) == rank else [""] * rank)
    base = _base(image, rank)
    factors = _factors(image, rank)
    if base.resolution is None and factors is None:
        return [Placed({}, {}) for _ in image.levels], frozenset()
    one = base.resolution or (1.0,) * rank
    steps = factors or [None] * len(image.levels)
    if factors is None:
        # What the shapes say about the other levels is worked out from the finest one.
        placed, physical = _placed(axes, [one[::-1]], [(base.offset or (0.0,) * rank)[::-1]], base.units[::-1])
        return [*placed, *(Placed({}, {}) for _ in steps[1:])], physical
    zero = base.offset or (0.0,) * rank
    scales = [tuple(r * f for r, f in zip(one, step or one, strict=True)) for step in steps]
    shifts = [tuple(z + r * (f - 1) / 2 for z, r, f in zip(zero, one, step or one, strict=True)) for step in steps]
    return _placed(axes, [s[::-1] for s in scales], [s[::-1] for s in shifts], base.units[::-1])


def _placed(
    axes: Sequence[str],
    scales: Sequence[tuple[float, ...]],
    shifts: Sequence[tuple[float, ...]],
    units: Sequence[str],
) -> tuple[list[Placed], frozenset[str]]:
    physical = set()
    found: list[tuple[dict[str, float], dict[str, float]]] = [({}, {}) for _ in scales]
    for k, (letter, unit) in enumerate(zip(axes, units, strict=True)):
        if not letter or letter == "c":
            continue
        factor = (TIMES if letter == "t" else LENGTHS).get(unit.lower())
        zero = 0.0
        if factor is None:
            factor, zero = 1 / scales[0][k], shifts[0][k]
        else:
            physical.add(letter)
        for (scale, origin), size, shift in zip(found, scales, shifts, strict=True):
            scale[letter] = size[k] * factor
            origin[letter] = (shift[k] - zero) * factor
    return [Placed(s, o) for s, o in found], frozenset(physical)


def _transforms(image: Multi) -> list[Document]:
    """Of each level, as COSEM writes them: dimensions slowest first."""
    entries = [mapping(d) for d in listed(image.multiscale.get("datasets"))]
    return [
        mapping(mapping(entries[n] if n < len(entries) else {}).get("transform"))
        or mapping(level[0].attributes.get("transform"))
        for n, level in enumerate(image.levels)
    ]


def _told(transform: Document, rank: int) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    scale = _positive(transform.get("scale"), rank)
    shift = numbers(transform.get("translate", [0.0] * rank), rank)
    return (scale, shift) if scale and shift else None


def _base(image: Multi, rank: int) -> Base:
    for about in (image.levels[0][0].attributes, image.group.attributes, image.outer):
        pixel = about.get("pixelResolution")
        found = _positive(mapping(pixel).get("dimensions") if isinstance(pixel, dict) else pixel, rank)
        unit = str(mapping(pixel).get("unit") or about.get("unit") or "")
        if found:
            return Base(found, (unit,) * rank, None)
        found = _positive(about.get("resolution"), rank)
        if found:
            units = listed(about.get("units"))
            same = tuple(map(str, units)) if len(units) == rank else (unit,) * rank
            return Base(found, same, numbers(about.get("offset"), rank))
    return Base(None, ("",) * rank, None)


def _factors(image: Multi, rank: int) -> list[tuple[float, ...] | None] | None:
    """Voxels of the finest level in one of each level; None where nothing says it."""
    own = [_positive(level[0].attributes.get("downsamplingFactors"), rank) for level in image.levels]
    if len(own) > 1 and all(own[1:]):
        return [own[0] or (1.0,) * rank, *own[1:]]
    for about in (image.group.attributes, image.outer):
        for key in ("downsamplingFactors", "scales"):
            found = [_positive(f, rank) for f in listed(about.get(key))]
            if len(found) == len(image.levels) and all(found):
                return list(found)
    return None


def _positive(values: object, rank: int) -> tuple[float, ...] | None:
    found = numbers(values, rank)
    return found if found and all(v > 0 for v in found) else None
