"""What the transformers of tiamat's pipelines are called here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Steps = Iterator[tuple[str, object]]
REQUESTS = ("FractionTransformer", "SpacingToScaleTransformer")
"""They say how clients of tiamat write their requests; images stay as they are."""
_FIELDS = frozenset({"shape", "dtype", "dimensions", "scales"})
"""Of tiamat's metadata, that cannot be stated against the file."""


class NoCounterpart(Exception):
    """A part that cannot be translated; the text says which, and why."""


@dataclass(slots=True)
class State:
    """What is known about an image on its way through a pipeline, without any file."""

    base: Path
    """Folder of the pipeline."""
    name: str
    """Of the image."""
    range: tuple[float, float] | None = None
    """tiamat's value range."""
    unit: bool = False
    """Whether values are floats from 0 to 1."""
    bytes: bool = False
    """Whether they are colours of one byte."""
    masks: dict[str, Path] = field(default_factory=dict)
    """Files of masks, by the names that steps call them."""


def stated(state: State, key: str, value: Any) -> Steps:
    """Steps for what a pipeline states against its file. Raises `NoCounterpart`."""
    if key == "spacing":
        sizes = value if isinstance(value, Sequence) else (value, value)
        yield "metadata", {"pixel_size": {a: f"{float(s)!r} um" for a, s in zip("xyz", sizes, strict=False)}}
    elif key == "value_range":
        low, high = value
        state.range = (float(low), float(high))
    elif key == "image_type":
        if value not in ("image", "segmentation"):
            raise NoCounterpart(f"the image type {value} has no counterpart")
        yield "metadata", {"categorical": value == "segmentation"}
    elif key in _FIELDS:
        raise NoCounterpart("stating it against the file has no counterpart")


def step(state: State, item: object) -> Steps:
    """Steps for one transformer. Raises `NoCounterpart`."""
    kind, options = entry(item)
    if kind in REQUESTS:
        return
    translate = _STEPS.get(kind)
    if translate is None:
        raise NoCounterpart(f"{kind} has no counterpart")
    yield from translate(state, options)


def _mirror(_: State, options: Mapping[str, Any]) -> Steps:
    axes = [axis for axis in "zyx" if options.get(f"mirror_{axis}", False)]
    if axes:
        yield "flip", {"axes": axes}


def _reorder_coordinates(_: State, options: Mapping[str, Any]) -> Steps:
    axes = [str(a).lower() for a in options.get("axes", ("x", "y", "z"))]
    yield "permute", dict(zip("zyx"[-len(axes) :], axes, strict=True))


def _image_to_volume(_: State, options: Mapping[str, Any]) -> Steps:
    spacing = options.get("z_spacing")
    yield "stack", {"along": "z", **({} if spacing is None else {"spacing": f"{float(spacing)!r} um"})}


def _bounding_box(_: State, options: Mapping[str, Any]) -> Steps:
    box = {axis: options[f"bounds_{axis}"] for axis in "zyx" if options.get(f"bounds_{axis}") is not None}
    crop = {}
    for axis, bounds in box.items():
        if not isinstance(bounds, Sequence) or len(bounds) != 2:
            raise NoCounterpart("a bound that is not [from, to] has no counterpart")
        if any(b is not None and (b != int(b) or b < 0) for b in bounds):
            raise NoCounterpart("bounds that are not whole numbers of pixels have no counterpart")
        start, stop = bounds
        crop[axis] = [int(start or 0), "100%" if stop is None else int(stop)]
    if crop:
        yield "crop", crop


def _affine(_: State, options: Mapping[str, Any]) -> Steps:
    matrix = [[float(v) for v in row] for row in options["affine_matrix"]]
    yield "tiamat_affine", {"matrix": matrix, "outside": float(options.get("fill_value") or 0)}


def _min_max_normalization(state: State, options: Mapping[str, Any]) -> Steps:
    _check_float32(options)
    yield "tiamat_min_max", {} if state.range is None else {"range": list(state.range)}
    state.range, state.unit = (0.0, 1.0), True


def _gamma(state: State, options: Mapping[str, Any]) -> Steps:
    if not state.unit:
        raise NoCounterpart("GammaIntensityMappingTransformer needs values from 0 to 1 before it here")
    _check_float32(options)
    yield "gamma", {"gamma": float(options["gamma"]), "range": [0, 1]}


def _clip(state: State, options: Mapping[str, Any]) -> Steps:
    _check_float32(options)
    low, high = float(options["vmin"]), float(options["vmax"])
    yield "cast", {"dtype": "float32"}
    yield "clip", {"range": [low, high]}
    if state.range is not None:
        first, last = (min(max(value, low), high) for value in state.range)
        state.range = (first, last)


def _grayscale(_: State, __: Mapping[str, Any]) -> Steps:
    yield "grey", {"weights": "rec601"}


def _lut(state: State, options: Mapping[str, Any]) -> Steps:
    table = options["color_map"]
    if not isinstance(table, str):
        raise NoCounterpart("LUTTransformer with a list of colours has no counterpart; use a .lut file")
    yield "lut", {"name": table, **({} if state.range is None else {"window": list(state.range)})}
    state.bytes, state.unit, state.range = True, False, (0.0, 255.0)


def _float_to_byte(state: State, _: Mapping[str, Any]) -> Steps:
    if state.bytes:
        return
    if not state.unit:
        raise NoCounterpart("FloatToByteTransformer needs values from 0 to 1 before it here")
    yield "rescale", {"window": [0, 1], "range": [0, 255], "dtype": "uint8"}
    state.bytes, state.unit, state.range = True, False, (0.0, 255.0)


def _apply_mask(state: State, options: Mapping[str, Any]) -> Steps:
    if options.get("reader_factory") is not None:
        raise NoCounterpart("a reader_factory of ApplyMaskTransformer has no counterpart")
    path = state.base / Path(str(options["mask_file"])).expanduser()
    name = f"{state.name}: {options['mask_file']}"
    state.masks[name] = path
    yield "mask", {"image": name, "value": options.get("mask_value", 0)}


def entry(item: object) -> tuple[str, Mapping[str, Any]]:
    """Name and options of one class. Raises `NoCounterpart`."""
    if isinstance(item, str):
        return item, {}
    if not isinstance(item, Mapping) or not isinstance(item.get("class"), str):
        raise NoCounterpart("an entry needs a `class`")
    options = item.get("args") or {}
    if not isinstance(options, Mapping):
        raise NoCounterpart("`args` must be an object")
    return item["class"], options


def _check_float32(options: Mapping[str, Any]) -> None:
    if options.get("target_dtype", "float32") not in ("float32", None):
        raise NoCounterpart("another target_dtype than float32 has no counterpart; add a step `cast`")


_STEPS: Mapping[str, Callable[[State, Mapping[str, Any]], Steps]] = {
    "MirrorTransformer": _mirror,
    "ReorderCoordinatesTransformer": _reorder_coordinates,
    "ImageToVolumeTransformer": _image_to_volume,
    "BoundingBoxTransformer": _bounding_box,
    "AffineTransformer": _affine,
    "MinMaxNormalizationTransformer": _min_max_normalization,
    "GammaIntensityMappingTransformer": _gamma,
    "ClipIntensityMappingTransformer": _clip,
    "GrayscaleTransformer": _grayscale,
    "LUTTransformer": _lut,
    "FloatToByteTransformer": _float_to_byte,
    "ApplyMaskTransformer": _apply_mask,
}
