"""Files that are planes of one image, put together by what their names say: channels, slices, time points.

An image whose planes are not all there is an error that names them: nothing is ever filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, product
from math import gcd
from pathlib import Path
from typing import Any

from s3facade import registry
from s3facade.catalog.images.recipe import FaultyRecipe, Pipeline, Recipe, Step
from s3facade.catalog.sources.report import Tally
from s3facade.config.settings import ALWAYS, ChannelConfig, SourceConfig, StackConfig, StepConfig

Captures = Mapping[str, object]
_TOLD = 8
"""Missing planes that a sentence names."""


@dataclass(frozen=True, slots=True)
class Plane:
    """A file of a source that is stacked."""

    captures: Captures
    """With labels and columns."""
    raw: Captures
    """As its path says."""
    recipe: Recipe


def stacked(source: SourceConfig, planes: Iterable[Plane], tally: Tally) -> list[tuple[Captures, Recipe]]:
    """Images of planes that differ in the stacked captures alone, in order of their first planes.

    Args:
        source: Has a stack.
        planes: Its files.
        tally: Is told about planes that are missing, and values of `channels` that no file has.
    """
    own = list(source.files.captures) if source.files else []
    rest = [name for name in own if name not in {one.capture for one in source.stack}]
    groups: dict[tuple[object, ...], list[Plane]] = {}
    for plane in planes:
        groups.setdefault(tuple([plane.raw[name] for name in rest]), []).append(plane)
    if not groups:
        return []
    steps = _steps(source, groups.values())
    images = [_image(source, members, steps, rest, tally) for members in groups.values()]
    _uneven(source, images, tally)
    seen = {
        str(plane.raw[one.capture]) for one in source.stack if one.axis == "c" for g in groups.values() for plane in g
    }
    for value in source.channels if any(one.axis == "c" for one in source.stack) else ():
        if value not in seen:
            tally.values.add("channels", f"no file has {value!r}")
    return [(image.captures, image.recipe) for image in images]


@dataclass(frozen=True, slots=True)
class _Image:
    captures: Captures
    recipe: Recipe
    about: str
    """What it is called in notes."""
    counts: tuple[int, ...]
    """Planes along each axis."""


def _steps(source: SourceConfig, groups: Iterable[Sequence[Plane]]) -> dict[str, int]:
    """By how much the numbers along z and t grow, over all images: 10 for 0, 10, 20."""
    found: dict[str, int] = {}
    for one in source.stack:
        if one.axis != "c":
            step = 0
            for members in groups:
                values = {plane.raw[one.capture] for plane in members}
                numbers = sorted(value for value in values if isinstance(value, int))
                for a, b in pairwise(numbers):
                    step = gcd(step, b - a)
            found[one.axis] = step or 1
    return found


def _image(
    source: SourceConfig, members: list[Plane], steps: Mapping[str, int], rest: Sequence[str], tally: Tally
) -> _Image:
    first = members[0]
    captures = {name: first.captures[name] for name in rest}
    for name in first.captures:
        # Columns that are one for all planes; of others none is that of the image.
        if name not in first.raw and all(plane.captures.get(name) == first.captures[name] for plane in members):
            captures[name] = first.captures[name]
    about = ", ".join(f"{name}={first.raw[name]}" for name in rest) or source.name
    captures |= {name: value for name, value in _first(source, first).items() if name not in captures}
    values: dict[str, Sequence[object]] = {one.axis: _values(source, one, members, steps) for one in source.stack}
    counts = tuple(len(values[one.axis]) for one in source.stack)
    axes = list(source.stack)
    found: dict[tuple[object, ...], Plane] = {}
    for plane in members:
        key = tuple(plane.raw[one.capture] for one in axes)
        before = found.setdefault(key, plane)
        if before is not plane:
            told = _told(axes, key)
            reason = f"Several files are the plane {told}: {_name(before)} and {_name(plane)}."
            return _Image(captures, _faulty(source, first, reason, tally, about), about, counts)
    if sentence := _unlisted(source, values.get("c", ())):
        return _Image(captures, _faulty(source, first, sentence, tally, about), about, counts)
    places = product(*(values[one.axis] for one in axes))
    missing = [key for key in places if key not in found]
    if missing:
        told = "; ".join(_told(axes, key) for key in missing[:_TOLD])
        more = f" and {len(missing) - _TOLD} more" if len(missing) > _TOLD else ""
        plural = "planes are" if len(missing) > 1 else "plane is"
        reason = f"{len(missing)} {plural} missing: {told}{more}."
        return _Image(captures, _faulty(source, first, reason, tally, about), about, counts)
    recipe = _nested(source, axes, values, steps, {key: plane.recipe for key, plane in found.items()})
    return _Image(captures, recipe, about, counts)


def _first(source: SourceConfig, first: Plane) -> dict[str, object]:
    """``stem`` and ``path`` of an image are those of its first plane."""
    return {name: first.captures[name] for name in ALWAYS if name in first.captures} if source.files else {}


def _nested(
    source: SourceConfig,
    axes: Sequence[StackConfig],
    values: Mapping[str, Sequence[object]],
    steps: Mapping[str, int],
    found: Mapping[tuple[object, ...], Recipe],
) -> Recipe:
    """A pipeline for each axis, each around those of the axes before it."""
    *inner, last = axes
    parents = []
    for value in values[last.axis]:
        if inner:
            below = {key[:-1]: recipe for key, recipe in found.items() if key[-1] == value}
            parents.append(_nested(source, inner, values, steps, below))
        else:
            parents.append(found[value,])
    step, index = last.step, tuple(values[last.axis])
    if last.axis == "c" or not all(isinstance(value, int) for value in index):
        # Numbers of channels may be wavelengths, and texts are no places: nothing is between two of them.
        index = ()
    elif steps[last.axis] != 1:
        value = {**step.value, "step": steps[last.axis]}
        step = replace(step, value=value, operator=replace(step.operator, step=float(steps[last.axis])))
    more = (_channels(source, last, values["c"]),) if last.axis == "c" else ()
    whole = source.name if len(axes) == len(source.stack) else ""
    return Pipeline(whole, tuple(parents), (Step(step), *(Step(m) for m in more if m)), together=True, index=index)


def _channels(source: SourceConfig, one: StackConfig, values: Sequence[object]) -> StepConfig | None:
    """The step that names stacked channels; None where nothing says what they are called."""
    if source.channels:
        return _naming([source.channels[str(value)] for value in values], one.step.where)
    labels = source.values.get(one.capture, {})
    names = [_labelled(labels, value) for value in values]
    if all(name.isdigit() for name in names):
        return None
    return _naming([ChannelConfig(name) for name in names], one.step.where)


def named(source: SourceConfig, recipe: Recipe) -> Recipe:
    """An image whose channels lie in its files, called as the source says."""
    if not source.channels or any(one.axis == "c" for one in source.stack) or isinstance(recipe, FaultyRecipe):
        return recipe
    step = _naming(list(source.channels.values()), f"sources.{source.name}.channels")
    return Pipeline("", (recipe,), (Step(step),))


def _naming(channels: Sequence[ChannelConfig], where: str) -> StepConfig:
    options: dict[str, Any] = {"channel_names": [c.name for c in channels]}
    if all(c.color for c in channels):
        options["channel_colors"] = [c.color for c in channels]
    made = registry.transform("metadata")(**{name: tuple(given) for name, given in options.items()})
    return StepConfig("metadata", options, where, Path(), made)


def _labelled(labels: Mapping[str, str], value: object) -> str:
    if isinstance(value, int):
        return next((label for raw, label in labels.items() if raw.isdigit() and int(raw) == value), str(value))
    return labels.get(str(value), str(value))


def _values(
    source: SourceConfig, one: StackConfig, members: Sequence[Plane], steps: Mapping[str, int]
) -> Sequence[object]:
    """Values that an image should have along an axis, in order: those of `channels`; else whole rows of numbers."""
    met = {plane.raw[one.capture] for plane in members}
    if one.axis == "c":
        if source.channels:
            typed = {str(value): value for value in met}
            whole = any(isinstance(value, int) for value in met)
            listed = [typed.get(key, int(key) if whole else key) for key in source.channels]
            return [*listed, *sorted(met - set(listed), key=_order)]
        return sorted(met, key=_order)
    if not all(isinstance(value, int) for value in met):
        return sorted(met, key=_order)
    numbers = sorted(value for value in met if isinstance(value, int))
    count = (numbers[-1] - numbers[0]) // steps[one.axis] + 1
    if count > 1000 * len(numbers):
        return numbers  # a typing error in a number must not take all memory; the stack refuses it
    return list(range(numbers[0], numbers[-1] + 1, steps[one.axis]))


def _unlisted(source: SourceConfig, values: Iterable[object]) -> str:
    """A sentence on channels that `channels` does not name."""
    others = [str(v) for v in values if source.channels and str(v) not in source.channels]
    if not others:
        return ""
    return f"Files have the channel {', '.join(others)}, which `channels` does not name; add it there, or skip them."


def _uneven(source: SourceConfig, images: Sequence[_Image], tally: Tally) -> None:
    """Images that have fewer planes than the others: not wrong, but worth a look."""
    for n, one in enumerate(source.stack):
        most = max(image.counts[n] for image in images)
        for image in images:
            if image.counts[n] < most and not isinstance(image.recipe, FaultyRecipe):
                tally.uneven.add(image.about, f"{image.counts[n]} planes along {one.axis}; others have up to {most}")


def _faulty(source: SourceConfig, first: Plane, reason: str, tally: Tally, about: str) -> FaultyRecipe:
    tally.stacks.add(about, reason.rstrip("."))
    return FaultyRecipe(first.recipe.path, reason, f"sources.{source.name}.stack")


def _told(axes: Sequence[StackConfig], key: Sequence[object]) -> str:
    pairs = zip(axes, key, strict=True)
    return ", ".join(f"{one.capture}={value}" for one, value in pairs)


def _name(plane: Plane) -> str:
    return str(plane.raw.get("path", plane.recipe.path))


def _number(value: object) -> int | None:
    if isinstance(value, int):
        return value
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None


def _order(value: object) -> tuple[int, int, str]:
    """Numbers first, by size; then texts."""
    number = _number(value)
    return (0, number, str(value)) if number is not None else (1, 0, str(value))
