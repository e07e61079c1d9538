"""What a DICOM file says about each of its frames: place, time, channel, values (PS3.3 C.7.6.2 and C.7.6.16)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from s3facade.readers.dicom.header import Header
from s3facade.readers.dicom.instance import Instance

Vector = tuple[float, ...]
ECHO, B_VALUE, TEMPORAL, TRIGGER = "echo time", "b-value", "temporal position", "trigger time"
ACQUISITION, KIND, SEGMENT, CONTENT = "acquisition", "kind of image", "segment", "time of content"
_STATED = {
    TEMPORAL: 0x00200100, TRIGGER: 0x00181060, B_VALUE: 0x00189087, ECHO: 0x00180081, ACQUISITION: 0x00200012,
}  # fmt: skip
_VECTORS = {
    0x00540010: "energy window", 0x00540020: "detector", 0x00540030: "phase", 0x00540050: "rotation",
    0x00540060: "R-R interval", 0x00540070: "time slot", 0x00540090: "angular view", 0x00540100: "time slice",
}  # fmt: skip
"""Numbers per frame of nuclear medicine, by tag (PS3.3 C.8.4.8)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One plane."""

    instance: int
    """Index into the files of the series."""
    number: int
    """In its file."""
    order: int = 0
    """InstanceNumber."""
    orientation: Vector | None = None
    """Directions along a row and along a column, patient coordinates (LPS)."""
    position: Vector | None = None
    """Centre of the first pixel, mm, LPS."""
    depth: float | None = None
    """mm along z where no position is stated."""
    spacing: tuple[float, float] | None = None
    """mm between rows and between columns."""
    thickness: float | None = None
    between: float | None = None
    """mm between slices, as stated."""
    slope: float = 1.0
    intercept: float = 0.0
    window: tuple[float, float] | None = None
    """Centre and width."""
    keys: Mapping[str, object] = field(default_factory=dict)
    """What tells frames of one place apart."""
    seconds: float | None = None
    """Since the first frame of the file."""

    @property
    def normal(self) -> Vector | None:
        """Direction perpendicular to the plane; None where no orientation is stated."""
        if self.orientation is None:
            return None
        a, b, c, d, e, f = self.orientation
        return (b * f - c * e, c * d - a * f, a * e - b * d)

    @property
    def along(self) -> float | None:
        """Place along the normal, mm, or what is stated in place of a position."""
        normal = self.normal
        if normal is None or self.position is None:
            return self.depth
        return sum(a * b for a, b in zip(normal, self.position, strict=True))


def frames(number: int, instance: Instance) -> Iterator[Frame]:
    """The frames of the ``number``-th file."""
    header, count = instance.header, instance.frames
    shared, own = header.item(0x52009229), header.items(0x52009230)
    if count == 1 and not own:
        yield _classic(number, header)
        return
    if own and len(own) >= count:
        for n in range(count):
            yield _enhanced(number, n, header, shared, own[n])
        return
    yield from _cine(number, header, shared, count)


def _vector(values: list[float], count: int) -> Vector | None:
    return tuple(values) if len(values) == count and all(map(math.isfinite, values)) else None


def _pair(values: list[float]) -> tuple[float, float] | None:
    if len(values) < 2 or not all(math.isfinite(v) and v > 0 for v in values[:2]):
        return None
    return values[0], values[1]


def _orientation(values: list[float]) -> Vector | None:
    found = _vector(values, 6)
    if found is None or not 0.9 < math.hypot(*found[:3]) < 1.1 or not 0.9 < math.hypot(*found[3:]) < 1.1:
        return None
    return found


def _positive(value: float | None) -> float | None:
    return value if value is not None and value > 0 else None


def _values(header: Header) -> tuple[float, float]:
    dose = header.number(0x3004000E)
    if dose is not None and header.text(0x00080060) == "RTDOSE":
        return dose, 0.0
    slope, intercept = header.number(0x00281053), header.number(0x00281052)
    if slope is None and intercept is None:
        return 1.0, 0.0
    return slope or 1.0, intercept or 0.0


def _window(header: Header) -> tuple[float, float] | None:
    centre, width = header.number(0x00281050), header.number(0x00281051)
    return None if centre is None or width is None or width < 1 else (centre, width)


def _spacing(header: Header) -> tuple[float, float] | None:
    return next((s for t in (0x00280030, 0x00181164, 0x00182010) if (s := _pair(header.numbers(t)))), None)


def _classic(number: int, header: Header, n: int = 0) -> Frame:
    keys: dict[str, object] = {name: v for name, tag in _STATED.items() if (v := header.number(tag)) is not None}
    kind = header.texts(0x00080008)
    if len(kind) > 2:
        keys[KIND] = "/".join(kind[2:])
    if header.text(0x00080033):
        keys[CONTENT] = header.text(0x00080033)
    slope, intercept = _values(header)
    return Frame(
        *(number, n, header.integer(0x00200013, 0)),
        orientation=_orientation(header.numbers(0x00200037)),
        position=_vector(header.numbers(0x00200032), 3),
        depth=header.number(0x00201041),
        spacing=_spacing(header),
        thickness=_positive(header.number(0x00180050)),
        between=_positive(header.number(0x00180088)),
        slope=slope,
        intercept=intercept,
        window=_window(header),
        keys=keys,
    )


def _group(shared: Header, own: Header, tag: int) -> Header:
    """A functional group: of the frame, else of all."""
    return (own if tag in own else shared).item(tag)


def _enhanced(number: int, n: int, header: Header, shared: Header, own: Header) -> Frame:
    content, measures = _group(shared, own, 0x00209111), _group(shared, own, 0x00289110)
    keys: dict[str, object] = {}
    stated = {
        TEMPORAL: content.number(0x00209128),
        B_VALUE: _group(shared, own, 0x00189117).number(0x00189087),
        ECHO: _group(shared, own, 0x00189114).number(0x00189082),
        TRIGGER: _group(shared, own, 0x00189118).number(0x00209153),
        SEGMENT: _group(shared, own, 0x0062000A).number(0x0062000B),
        "stack": content.text(0x00209056) or None,
    }
    keys.update({name: v for name, v in stated.items() if v is not None})
    for tag in (0x00189226, 0x00189329):
        kind = _group(shared, own, tag).texts(0x00089007)
        if len(kind) > 2:
            keys[KIND] = "/".join(kind[2:])
    slope, intercept = _values(_group(shared, own, 0x00289145))
    return Frame(
        *(number, n, n),
        orientation=_orientation(_group(shared, own, 0x00209116).numbers(0x00200037)),
        position=_vector(_group(shared, own, 0x00209113).numbers(0x00200032), 3),
        spacing=_pair(measures.numbers(0x00280030)) or _spacing(header),
        thickness=_positive(measures.number(0x00180050)),
        between=_positive(measures.number(0x00180088)),
        slope=slope,
        intercept=intercept,
        window=_window(_group(shared, own, 0x00289132)),
        keys=keys,
    )


def _cine(number: int, header: Header, shared: Header, count: int) -> Iterator[Frame]:
    """Frames of which only their order, or a table per frame, is told."""
    first = _classic(number, header)
    measures = shared.item(0x00289110)
    spacing = first.spacing or _pair(measures.numbers(0x00280030))
    pointers = _pointers(header)
    slices = header.numbers(0x00540080) if 0x00540080 in pointers else []
    offsets = header.numbers(0x3004000C) if 0x3004000C in pointers or 0x3004000C in header else []
    times = _times(header, count, pointers)
    vectors = {name: v for t, name in _VECTORS.items() if len(v := header.numbers(t)) == count and len({*v}) > 1}
    between = first.between or first.thickness
    for n in range(count):
        depth: float | None = None
        if len(offsets) == count:
            depth = offsets[n] - offsets[0]
        elif len(slices) == count and between is not None:
            depth = (slices[n] - 1) * between
        position = first.position
        if position is not None and depth is not None and first.normal is not None:
            position = tuple(p + depth * v for p, v in zip(position, first.normal, strict=True))
        yield Frame(
            *(number, n, n),
            orientation=first.orientation if depth is not None else None,
            position=position if depth is not None else None,
            depth=depth,
            spacing=spacing,
            thickness=first.thickness,
            between=between,
            slope=first.slope,
            intercept=first.intercept,
            window=first.window,
            keys={name: values[n] for name, values in vectors.items()},
            seconds=times[n] if times else None,
        )


def _pointers(header: Header) -> set[int]:
    """Tags that FrameIncrementPointer names."""
    parts = [int(v) for v in header.numbers(0x00280009)]
    return {group << 16 | element for group, element in zip(parts[::2], parts[1::2], strict=False)}


def _times(header: Header, count: int, pointers: set[int]) -> list[float]:
    """Seconds of each frame; none where the frames do not follow each other in time."""
    steps = header.numbers(0x00181065)
    if 0x00181065 in pointers and len(steps) == count:
        return [float(t) / 1000 for t in np.cumsum(steps)]
    step = _positive(header.number(0x00181063))
    if step is not None and (0x00181063 in pointers or not pointers):
        return [n * step / 1000 for n in range(count)]
    rate = _positive(header.number(0x00180040))
    if rate is not None and not pointers:
        return [n / rate for n in range(count)]
    return []
