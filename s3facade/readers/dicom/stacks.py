"""Frames in the order of an image: slices by place, and what is apart at one place as time or channels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from s3facade.readers.dicom.frames import (
    ACQUISITION,
    B_VALUE,
    CONTENT,
    ECHO,
    KIND,
    SEGMENT,
    TEMPORAL,
    TRIGGER,
    Frame,
)  # fmt: skip

_UNEVEN = 0.05
"""Of the distance of slices: by so much may single ones differ, since positions are rounded when they are stored."""
_TIMES = (TEMPORAL, TRIGGER, "time slice", "time slot", "phase", ACQUISITION, CONTENT)
_CHANNELS = (SEGMENT, B_VALUE, ECHO, KIND, "energy window", "detector", "R-R interval", "rotation", "angular view")
_SAME = 1e-3
"""mm: closer slices are at one place; of directions, the largest difference of a component."""


@dataclass(frozen=True, slots=True)
class Stack:
    """The frames of one image."""

    shape: tuple[int, int, int]
    """Along t, c and z."""
    frames: tuple[Frame, ...]
    """C order of t, c, z."""
    step: float | None = None
    """mm between slices; None where there is one, or where they are not equally far apart."""
    seconds: float | None = None
    """Between points of time."""
    labels: tuple[str, ...] = ()
    """Of the channels."""
    notes: tuple[str, ...] = ()
    sequence: bool = False
    """Whether frames follow each other along z for want of anything that is stated."""


def stacks(frames: Sequence[Frame], sizes: Mapping[int, object]) -> list[Stack]:
    """The images of a series, largest groups of frames that belong together; in the order of their first frames.

    Args:
        frames: Of all files.
        sizes: Per file, what must be equal within an image: size, type.
    """
    groups: dict[object, list[Frame]] = {}
    for frame in frames:
        placed = frame.orientation is not None and frame.position is not None
        direction = tuple(round(v / 0.002) for v in frame.orientation or ()) if placed else None
        # frames without a place belong together within one file only
        apart = None if placed or frame.depth is not None else frame.instance
        groups.setdefault((sizes[frame.instance], direction, apart, frame.keys.get("stack")), []).append(frame)
    merged = _close(groups)
    return [stack for group in merged for stack in _ordered(group)]


def _close(groups: Mapping[object, list[Frame]]) -> list[list[Frame]]:
    """Groups joined whose directions differ by less than can be told: rounding may have cut between them."""
    found: list[tuple[object, list[Frame]]] = []
    for key, group in groups.items():
        assert isinstance(key, tuple)  # noqa: S101 - made above
        rest = (key[0], key[2], key[3])
        like = next((g for r, g in found if r == rest and _alike(g[0], group[0])), None)
        if like is None:
            found.append((rest, group))
        else:
            like.extend(group)
    return [group for _, group in found]


def _alike(a: Frame, b: Frame) -> bool:
    if a.orientation is None or b.orientation is None:
        return a.orientation is b.orientation
    return max(abs(x - y) for x, y in zip(a.orientation, b.orientation, strict=True)) <= 2 * _SAME


def _ordered(group: list[Frame]) -> list[Stack]:
    if any(f.along is None for f in group):
        return _by_number(group)
    places = _places(group)
    counts = {len(p) for p in places}
    if counts == {1}:
        return [_stack((1, 1, len(places)), [p[0] for p in places])]
    if len(counts) == 1:
        return [_folded(places, counts.pop())]
    split = _split(group)
    if split is not None:
        return [stack for part in split for stack in _ordered(part)]
    rest = [[p[n] for p in places if n < len(p)] for n in range(max(counts))]
    note = "Several slices lie at one place, and nothing that is stated tells them apart; they are images of their own."
    return [_stack((1, 1, len(r)), r, notes=(note,)) for r in rest]


def _places(group: list[Frame]) -> list[list[Frame]]:
    """Frames by place along the normal."""
    # of microscopes and of micro-CT slices are closer than scanners can place theirs
    finest = min((min(f.spacing) for f in group if f.spacing is not None), default=1.0)
    same = min(_SAME, finest / 10)
    ordered = sorted(group, key=lambda f: (f.along or 0.0, f.instance, f.number))
    places: list[list[Frame]] = []
    for frame in ordered:
        if places and abs((frame.along or 0.0) - (places[-1][0].along or 0.0)) <= same:
            places[-1].append(frame)
        else:
            places.append([frame])
    for place in places:
        place.sort(key=lambda f: (f.order, f.instance, f.number))
    return places


def _apart(places: Sequence[Sequence[Frame]], name: str) -> list[object]:
    """The values of ``name``, sorted, if they are equally many and the same at every place; else none."""
    values = {frame.keys.get(name) for frame in places[0]}
    if None in values or len(values) < 2 or len({*map(type, values)}) > 1:
        return []
    each = len(places[0]) / len(values)
    for place in places:
        here = [frame.keys.get(name) for frame in place]
        if {*here} != values or any(here.count(v) != each for v in values):
            return []
    return sorted(values, key=lambda v: v)  # type: ignore[arg-type, return-value]


def _folded(places: list[list[Frame]], count: int) -> Stack:
    """Every place with equally many frames: along time, along channels, or both."""
    times = [(n, v) for n in _TIMES if (v := _apart(places, n))]
    channels = [(n, v) for n in _CHANNELS if (v := _apart(places, n))]
    for (t_name, t), (c_name, c) in [(a, b) for a in times for b in channels]:
        if len(t) * len(c) == count and len({(f.keys[t_name], f.keys[c_name]) for f in places[0]}) == count:
            return _filled(places, t_name, t, c_name, c)
    for name, values in channels:
        if len(values) == count:
            return _filled(places, "", [None], name, values)
    for name, values in times:
        if len(values) == count:
            return _filled(places, name, values, "", [None])
    note = (
        "Several slices lie at each place; nothing that is stated tells them apart: they are shown along t, by number."
    )
    ordered = [place[n] for n in range(count) for place in places]
    return _stack((count, 1, len(places)), ordered, notes=(note,))


def _filled(places: list[list[Frame]], t_name: str, t: Sequence[object], c_name: str, c: Sequence[object]) -> Stack:
    found = {
        (f.keys.get(t_name) if t_name else None, f.keys.get(c_name) if c_name else None, z): f
        for z, place in enumerate(places)
        for f in place
    }
    ordered = [found[a, b, z] for a in t for b in c for z in range(len(places))]
    notes = [f"Time is the {t_name}."] if t_name else []
    notes += [f"Channels are told apart by {c_name}."] if c_name else []
    seconds = None
    if t_name == TRIGGER and len(t) > 1:
        steps = np.diff(np.array(t, float)) / 1000
        seconds = float(steps.mean()) if np.ptp(steps) <= 0.01 * abs(steps.mean()) else None
    labels = tuple(_label(c_name, v) for v in c) if c_name else ()
    return _stack((len(t), len(c), len(places)), ordered, seconds=seconds, labels=labels, notes=tuple(notes))


def _label(name: str, value: object) -> str:
    number = f"{value:g}" if isinstance(value, float | int) else str(value)
    return {B_VALUE: f"b={number} s/mm²", ECHO: f"TE={number} ms"}.get(
        name, number if name == KIND else f"{name} {number}"
    )


def _split(group: list[Frame]) -> list[list[Frame]] | None:
    """Parts by the first thing that leaves each part with at most one frame, or equally many, at every place."""
    for name in (KIND, ACQUISITION, ECHO, B_VALUE, TEMPORAL, SEGMENT):
        parts: dict[object, list[Frame]] = {}
        for frame in group:
            parts.setdefault(frame.keys.get(name), []).append(frame)
        if 1 < len(parts) <= len(group) // 2 and all(len({*map(len, _places(p))}) == 1 for p in parts.values()):
            return [*parts.values()]
    return None


def _by_number(group: list[Frame]) -> list[Stack]:
    """Frames without a place: those of one file along time or in sequence, single ones as images of their own."""
    ordered = sorted(group, key=lambda f: (f.order, f.instance, f.number))
    if len(ordered) == 1:
        return [_stack((1, 1, 1), ordered)]
    if all(f.seconds is not None for f in ordered):
        steps = np.diff([f.seconds or 0.0 for f in ordered])
        regular = float(np.ptp(steps)) <= 0.01 * abs(float(steps.mean()))
        seconds = float(steps.mean()) if regular and steps.mean() > 0 else None
        notes = () if seconds else ("Frames do not follow each other at equal times; see `times`.",)
        return [Stack((len(ordered), 1, 1), tuple(ordered), seconds=seconds, notes=notes)]
    if ordered[0].keys:
        folded = _folded([ordered], len(ordered))
        if folded.labels or any(n.startswith("Time is") for n in folded.notes):
            return [folded]
    note = "Nothing is stated about the order of the frames; they are shown along z as they are stored."
    return [Stack((1, 1, len(ordered)), tuple(ordered), notes=(note,), sequence=True)]


def _stack(
    shape: tuple[int, int, int],
    frames: Sequence[Frame],
    *,
    seconds: float | None = None,
    labels: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Stack:
    depths = np.array([f.along for f in frames[: shape[2]] if f.along is not None])
    step, told = None, list(notes)
    if len(depths) == shape[2] > 1:
        gaps = np.diff(depths)
        even = float(depths[-1] - depths[0]) / len(gaps)
        off = float(np.abs(gaps - even).max())
        if off <= _UNEVEN * even:
            step = even
        else:
            told.append(_irregular(gaps, float(np.median(gaps))))
        if step is not None and off > 0.01 * even:
            told.append(f"Slices are {gaps.min():g} to {gaps.max():g} mm apart; the mean distance is stated.")
    return Stack(shape, tuple(frames), step, seconds, labels, tuple(told))


def _irregular(gaps: np.ndarray[tuple[int], np.dtype[np.float64]], usual: float) -> str:
    whole = np.rint(gaps / usual)
    if (np.abs(gaps - whole * usual) <= _UNEVEN * usual).all() and whole.min() >= 1 and whole.max() > 1:
        where = [int(i) for i in np.flatnonzero(whole > 1)]
        missing = int((whole - 1).sum())
        places = ", ".join(str(i) for i in where[:5])
        return (
            f"{missing} slices of the series are missing, behind slice {places}{', …' * (len(where) > 5)}: "
            f"no distance between slices is stated; see `positions`."
        )
    return (
        f"Slices are {gaps.min():g} to {gaps.max():g} mm apart: no distance between slices is stated; see `positions`."
    )
