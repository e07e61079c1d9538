"""What the dimensions of a dataset are: as the operator says, as the file says, or as everybody has it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.readers.hdf5.attributes import attribute, numbers, text

_NAMES = {
    **{n: n for n in "tczyx"}, "time": "t", "frame": "t", "channel": "c", "width": "x", "height": "y", "depth": "z",
}  # fmt: skip
LEAST = 16
"""Voxels along the two longest dimensions of what is taken for an image where nothing says that it is one."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a dataset shows."""

    dims: tuple[str, ...]
    """The axis of each dimension, or ``""`` for one of length 1."""
    scale: Mapping[str, float] = field(default_factory=dict)
    """µm by axis."""
    notes: tuple[str, ...] = ()
    colour: bool = False
    """Whether the channels are red, green and blue samples."""
    stated: bool = False
    """Whether the file or the operator says so."""


def given(axes: str, dataset: Any) -> Meaning:
    """The dimensions as the option ``axes`` names them.

    Raises:
        Unsupported: It names another number of dimensions, or other axes.
    """
    letters = axes.lower()
    if not re.fullmatch("[tczyx.]+", letters) or len(letters) != len(dataset.shape):
        raise Unsupported(
            f"The option `axes` is {axes!r}, but {dataset.name!r} has the shape {tuple(dataset.shape)}: write one "
            "letter of t, c, z, y, x for each dimension, and a dot for one of length 1 that is to be left out."
        )
    return Meaning(tuple("" if a == "." else a for a in letters), _sizes(dataset, letters), stated=True)


def told(dataset: Any) -> Meaning | None:
    """The dimensions as attributes of the dataset name them; None if they do not."""
    found = _axistags(dataset) or _labels(dataset) or _image(dataset)
    if found is None and numbers(dataset, "element_size_um") and len(dataset.shape) == 3:
        found = Meaning(("z", "y", "x"), stated=True)
    if found is None:
        return None
    return Meaning(found.dims, _sizes(dataset, found.dims), found.notes, found.colour, stated=True)


def usual(shape: Sequence[int], kind: str) -> Meaning | None:
    """The dimensions of an array of which nothing is said: yx, zyx, or yxc for bytes of three or four samples.

    Of four and more dimensions, those of length 1 in front are left out. None if more than three are left.
    """
    ahead = 0
    while len(shape) - ahead > 3 and shape[ahead] == 1:
        ahead += 1
    names: tuple[str, ...] | None = {2: ("y", "x"), 3: ("z", "y", "x")}.get(len(shape) - ahead)
    if names is None:
        return None
    colour = len(names) == 3 and shape[-1] in (3, 4) and kind == "u1" and min(shape[-3:-1]) >= LEAST
    names = ("y", "x", "c") if colour else names
    said = "the last one is taken for colours" if colour else "they are taken for " + "".join(names)
    note = f"The file does not name its dimensions {tuple(shape)}; {said}. The option `axes` changes that."
    return Meaning((*([""] * ahead), *names), notes=(note,), colour=colour)


def matlab(dataset: Any) -> Meaning | None:
    """The dimensions of a matrix of MATLAB 7.3, which is stored column by column; None if it is none."""
    shape = tuple(dataset.shape)
    if text(dataset, "MATLAB_class") is None or len(shape) not in (2, 3):
        return None
    colour = len(shape) == 3 and shape[0] in (3, 4) and np.dtype(dataset.dtype).str[1:] == "u1"
    names = ("c" if colour else "z", "x", "y")[-len(shape) :]
    note = f"A matrix of MATLAB, stored in the order {''.join(names)}. The option `axes` changes that."
    return Meaning(names, notes=(note,), colour=colour)


def is_picture(shape: Sequence[int]) -> bool:
    """Whether an array may be an image where nothing says so: a table of a few columns is none."""
    return len(shape) >= 2 and sorted(shape)[-2] >= LEAST


def unknown(name: str, shape: Sequence[int]) -> str:
    """The sentence on a dataset whose dimensions nobody names."""
    example = "tczyx"[-len(shape) :] if len(shape) <= 5 else "..."
    return (
        f"{name!r} has the shape {tuple(shape)}, and the file does not say what its dimensions are; write the options "
        f"`dataset: {name}` and `axes`, e.g. `axes: {example}`."
    )


def _axistags(dataset: Any) -> Meaning | None:
    """As vigra and ilastik write them."""
    written = text(dataset, "axistags")
    try:
        entries = json.loads(written)["axes"] if written else None
        keys = [str(e["key"]).lower() for e in entries] if entries else []
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return _named(keys, dataset.shape)


def _labels(dataset: Any) -> Meaning | None:
    """Labels of dimensions, as h5py's ``dims`` and the HDF5 Dimension Scale Specification have them."""
    labels = attribute(dataset, "DIMENSION_LABELS")
    return _named([str(v or "").lower() for v in labels], dataset.shape) if isinstance(labels, list) else None


def _named(names: Sequence[str], shape: Sequence[int]) -> Meaning | None:
    dims = tuple(_NAMES.get(n, "" if size == 1 else "?") for n, size in zip(names, shape, strict=False))
    if len(names) != len(shape) or "?" in dims or not {"y", "x"} <= set(dims) or len(set(dims) - {""}) != len(
        [d for d in dims if d]
    ):  # fmt: skip
        return None
    return Meaning(dims)


def _image(dataset: Any) -> Meaning | None:
    """HDF5 Image and Palette Specification 1.2."""
    if text(dataset, "CLASS") != "IMAGE":
        return None
    kind, order, rank = text(dataset, "IMAGE_SUBCLASS"), text(dataset, "INTERLACE_MODE"), len(dataset.shape)
    if kind == "IMAGE_TRUECOLOR" and rank == 3:
        layouts = {"INTERLACE_PIXEL": "yxc", "INTERLACE_LINE": "ycx", "INTERLACE_PLANE": "cyx"}
        dims = layouts.get(order or "INTERLACE_PIXEL", "yxc")
        return Meaning(tuple(dims), colour=dataset.shape[dims.index("c")] in (3, 4))
    return Meaning(("y", "x")) if rank == 2 else None


def _sizes(dataset: Any, dims: Sequence[str]) -> dict[str, float]:
    """Voxel sizes as ``element_size_um`` states them: of z, y and x, in µm."""
    sizes = numbers(dataset, "element_size_um") or []
    if len(sizes) != 3 or min(sizes) <= 0:
        return {}
    return {a: s for a, s in zip("zyx", sizes, strict=True) if a in dims}
