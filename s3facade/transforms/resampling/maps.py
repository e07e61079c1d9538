"""Steps of a chain of maps, as a user or OME-Zarr's RFC-5 writes them, and what they come to for an image."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.image import Source
from s3facade.core.options import Length, ParameterFile
from s3facade.core.spec import Spec
from s3facade.transforms.resampling.bend import Step
from s3facade.transforms.resampling.displacement import Displacement
from s3facade.transforms.resampling.mapping import Matrix, identity, inverse
from s3facade.transforms.resampling.matrices import Conventions, Flipped, Given, Maps, Order, Unit, matrix_for
from s3facade.transforms.resampling.onto import Grid, Lengths, Positions, space_names
from s3facade.transforms.resampling.parameters.fields import Components
from s3facade.transforms.resampling.parameters.files import read_linear
from s3facade.transforms.resampling.parameters.flirt import Flirt
from s3facade.transforms.resampling.parameters.ngff import ngff_field
from s3facade.transforms.resampling.parameters.vectors import Field

Kind = Literal[
    "identity",
    "scale",
    "translation",
    "rotation",
    "affine",
    "mapAxis",
    "sequence",
    "inverseOf",
    "bijection",
    "displacements",
    "coordinates",
]
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Map:
    """One step of a chain: a ``matrix``, a ``field``, or a ``type`` of RFC-5 with what belongs to it."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    matrix: Given | ParameterFile | None = None
    """As in `affine`."""
    field: ParameterFile | None = None
    """As in `displacement`."""
    maps: Maps | None = None
    order: Order | None = None
    unit: Unit | None = None
    center: Positions | None = None
    flipped: Flipped = ()
    fsl: Flirt | None = None
    dataset: str = ""
    spacing: Length | Lengths | None = None
    origin: Positions | None = None
    components: Components | None = None
    absolute: bool = False
    type: Kind | None = None
    """A coordinate transformation of RFC-5; numbers in the order of the image's axes, micrometres."""
    scale: tuple[float, ...] | None = None
    translation: tuple[float, ...] | None = None
    rotation: tuple[tuple[float, ...], ...] | None = None
    affine: tuple[tuple[float, ...], ...] | None = None
    mapAxis: Mapping[str, str] | tuple[int, ...] | None = None  # noqa: N815 - the name in RFC-5
    transformations: tuple[Map, ...] | None = None
    """Of a sequence."""
    transformation: Map | None = None
    """What inverseOf inverts."""
    forward: Map | None = None
    inverse: Map | None = None
    """The two directions of a bijection."""
    path: ParameterFile | None = None
    """Of displacements or coordinates: the Zarr array or multiscale image."""
    interpolation: Literal["linear"] | None = None
    input: Any = None
    output: Any = None
    name: str | None = None
    """These three are names for people."""


_DEPTHS = {"scale": 1, "translation": 1, "rotation": 2, "affine": 2, "matrix": 2}
_INNER = ("transformation", "forward", "inverse")
_PLAIN = (*_DEPTHS, *_INNER, "transformations", "mapAxis", "path", "field", "type", "maps", "order", "interpolation")
_NAMES = ("input", "output", "name")


def from_plain(value: object, base: str, depth: int = 0) -> Map:
    """A step from JSON; paths in it are relative to the folder ``base``.

    Raises:
        BadSource: It is not written as it should be.
        Unsupported: A kind of step that is not known.
    """
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        raise BadSource("A step of a chain is no mapping with a `type`, or too deep inside of others.")
    wrong = sorted(set(value) - {*_PLAIN, *_NAMES})
    if wrong:
        raise Unsupported(f"A step of a chain in JSON has {wrong[0]!r}, which is not known there.")
    for key, known in (("type", get_args(Kind)), ("maps", get_args(Maps)), ("order", get_args(Order))):
        if key in value and value[key] not in known:
            raise Unsupported(f"A step of a chain has the {key} {value[key]!r}; use {', '.join(known)}.")
    if value.get("interpolation", "linear") != "linear":
        raise Unsupported("Fields are interpolated linearly; other kinds of interpolation are not known.")
    return Map(**{key: _item(key, item, base, depth) for key, item in value.items() if key not in _NAMES})


def _item(key: str, item: Any, base: str, depth: int) -> Any:
    if key in _INNER:
        return from_plain(item, base, depth + 1)
    if key == "transformations" and isinstance(item, list):
        return tuple(from_plain(one, base, depth + 1) for one in item)
    if key in {"path", "field", "matrix"} and isinstance(item, str):
        return os.path.join(base, item)
    if key in _DEPTHS and _numbers(item, _DEPTHS[key]):
        return tuple(tuple(map(float, one)) if isinstance(one, list) else float(one) for one in item)
    if key == "mapAxis" and (isinstance(item, Mapping) or _numbers(item, 1)):
        return item if isinstance(item, Mapping) else tuple(item)
    if key in {"type", "maps", "order", "interpolation"}:
        return item
    raise BadSource(f"`{key}` of a step of a chain is not written as it should be.")


def _numbers(value: Any, depth: int) -> bool:
    if not isinstance(value, list) or not value:
        return False
    if depth > 1:
        return all(_numbers(item, depth - 1) for item in value) and len({len(item) for item in value}) == 1
    return all(isinstance(item, int | float) and not isinstance(item, bool) for item in value)


@dataclass(frozen=True, slots=True)
class Resolver:
    """What steps come to for one image and grid."""

    source: Spec
    output: Grid
    files: list[Source]
    """Grows by every file that is read."""

    def steps(self, maps: Sequence[Map], *, onward: bool) -> tuple[Step, ...]:
        """All of ``maps``, one after the other; the way back, unless ``onward``.

        Raises:
            SourceError: A file cannot be read, or the way back leads through a field.
        """
        each = [self._one(step, onward=onward) for step in (maps if onward else reversed(maps))]
        return tuple(step for steps in each for step in steps)

    def _one(self, step: Map, *, onward: bool) -> tuple[Step, ...]:
        given = [name for name in ("matrix", "field", "type") if getattr(step, name) is not None]
        if len(given) != 1:
            raise Unsupported("chain: a step is a `matrix`, a `field` or a `type` of RFC-5, one of them.")
        if step.matrix is not None:
            return _way((self._matrix(step),), onward=onward)
        if step.field is not None:
            return _way(self._field(step), onward=onward)
        if step.type == "sequence":
            return self.steps(_got(step, "transformations"), onward=onward)
        if step.type == "inverseOf":
            return self._one(_got(step, "transformation"), onward=not onward)
        if step.type == "bijection":
            return self._one(_got(step, "forward" if onward else "inverse"), onward=True)
        if step.type in ("displacements", "coordinates"):
            field = ngff_field(_got(step, "path"), space_names(self.source), absolute=step.type == "coordinates")
            self.files.append(field.source)
            return _way((field,), onward=onward)
        return _way((self._linear(step),), onward=onward)

    def _matrix(self, step: Map) -> Matrix:
        if step.unit == "voxel":
            raise Unsupported("chain: a matrix that counts voxels (`unit: voxel`) is for `affine`; give it in lengths.")
        given = read_linear(step.matrix) if isinstance(step.matrix, str) else step.matrix
        assert given is not None  # noqa: S101 - the caller looked
        if not isinstance(given, tuple):
            self.files.extend(given.sources)
        how = Conventions(step.maps, step.order or "xyz", step.unit, step.flipped, step.center, step.fsl)
        return matrix_for(given, how, self.source, self.output)

    def _field(self, step: Map) -> tuple[Step, ...]:
        if step.maps is not None or step.center is not None or step.fsl is not None or step.unit == "voxel":
            raise Unsupported("chain: `maps`, `center`, `fsl` and `unit: voxel` are for matrices; leave them out.")
        found = Displacement(
            step.field or "",
            dataset=step.dataset,
            spacing=step.spacing,
            origin=step.origin,
            unit=step.unit or "um",
            order=step.order or "xyz",
            components=step.components,
            absolute=step.absolute,
            flipped=step.flipped,
        ).steps(self.source)
        self.files.extend(s.source for s in found if isinstance(s, Field))
        return found

    def _linear(self, step: Map) -> Matrix:
        names = space_names(self.source)
        matrix = _LINEAR[step.type or "identity"](step, names)
        if matrix.shape != (len(names), len(names) + 1) or not np.isfinite(matrix).all():
            axes = ", ".join(names)
            raise Unsupported(f"chain: {step.type} needs numbers for the axes {axes} of the image, in this order.")
        return tuple(tuple(float(v) for v in row) for row in matrix)


def _got(step: Map, key: str) -> Any:
    value = getattr(step, key)
    if value is None:
        raise Unsupported(f"chain: a step of type {step.type} needs `{key}`.")
    return value


def _way(steps: tuple[Step, ...], *, onward: bool) -> tuple[Step, ...]:
    if onward:
        return steps
    if any(isinstance(step, Field) for step in steps):
        raise Unsupported(
            "chain: the way leads backwards through a displacement field, which has no known inverse; put the field of"
            " the other direction into `inverseOf`, or check `maps`."
        )
    return tuple(inverse(step) for step in reversed(steps) if not isinstance(step, Field))


def _shifted(linear: Any, shift: Any) -> Any:
    linear = np.atleast_2d(np.asarray(linear, np.float64))
    return np.hstack([linear, np.reshape(np.asarray(shift, np.float64), (-1, 1))])


def _mapped(step: Map, names: Sequence[str]) -> Any:
    given = _got(step, "mapAxis")
    if isinstance(given, Mapping):
        try:
            given = tuple(names.index(given[name]) for name in names)
        except (KeyError, ValueError) as error:
            raise Unsupported(f"chain: mapAxis must name all of {', '.join(names)}.") from error
    if sorted(given) != list(range(len(names))):
        raise Unsupported(f"chain: mapAxis must put each of {', '.join(names)} in one place.")
    return _shifted(np.eye(len(names))[list(given)], np.zeros(len(names)))


_LINEAR: Mapping[str, Callable[[Map, Sequence[str]], Any]] = {
    "identity": lambda _, names: np.array(identity(len(names))),
    "scale": lambda step, _: _shifted(np.diag(_got(step, "scale")), np.zeros(len(_got(step, "scale")))),
    "translation": lambda step, _: _shifted(np.eye(len(_got(step, "translation"))), _got(step, "translation")),
    "rotation": lambda step, _: _shifted(_got(step, "rotation"), np.zeros(len(_got(step, "rotation")))),
    "affine": lambda step, _: np.atleast_2d(np.asarray(_got(step, "affine"), np.float64)),
    "mapAxis": _mapped,
}
