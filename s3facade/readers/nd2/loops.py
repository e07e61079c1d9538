"""How the frames of an ND2 file follow each other: loops over time, positions and depth, outermost first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from s3facade.core.errors import Unsupported
from s3facade.readers.nd2.variant import MAX_DEPTH, items
from s3facade.readers.trees import integer, number

_TIME, _POSITION, _DEPTH, _SPECTRUM, _PERIODS = 1, 2, 4, 6, 8


@dataclass(frozen=True, slots=True)
class Loop:
    """One loop."""

    axis: str
    """``t``, ``z``, or ``p`` for positions."""
    count: int
    step: float | None = None
    """µm or seconds, where it is stated."""
    points: Sequence[Mapping[str, Any]] = ()
    """Name and stage position in µm (``name``, ``x``, ``y``, ``z``) of each position."""


def loops(experiment: Any) -> list[Loop]:
    """The loops, outermost first. Raises `Unsupported` for a kind that is not known."""
    found: list[tuple[int, int, Loop]] = []
    _collect(experiment, 0, found, 0)
    return [loop for _, _, loop in found]


def _collect(node: Any, level: int, found: list[tuple[int, int, Loop]], depth: int) -> None:
    if not isinstance(node, Mapping) or depth > MAX_DEPTH:
        return
    kind = integer(node.get("eType")) or 0
    loop = _loop(kind, node)
    if kind == _SPECTRUM:
        # channels lie within a frame: the loop over them adds no frames
        level -= 1
    elif loop is None or loop.count < 1:
        return
    elif not found or found[-1][0] < level:
        found.append((level, kind, loop))
    elif found[-1][:2] == (level, kind) and found[-1][2].count < loop.count:
        # several branches of one level, of which the longest tells how many frames there are
        found[-1] = (level, kind, loop)
    for item in items(node.get("ppNextLevelEx")):
        _collect(item, level + 1, found, depth + 1)


def _loop(kind: int, node: Mapping[str, Any]) -> Loop | None:
    parameters = node.get("uLoopPars")
    if isinstance(parameters, list) and parameters:
        parameters = parameters[0]
    if not isinstance(parameters, Mapping) or not parameters:
        return None
    if len(parameters) == 1 and next(iter(parameters)).startswith("i0"):
        parameters = next(iter(parameters.values()))
    count = integer(parameters.get("uiCount")) or 0
    if kind == _TIME:
        period = number(parameters.get("dPeriod"))
        return Loop("t", count, period / 1000 if period and period > 0 else None)
    if kind == _POSITION:
        return _positions(node, parameters)
    if kind == _DEPTH:
        return Loop("z", count, _depth(parameters, count))
    if kind == _PERIODS:
        valid = items(parameters.get("pPeriodValid"))
        periods = items(parameters.get("pPeriod"))
        used = [p for p, v in zip(periods, valid, strict=False) if v and isinstance(p, Mapping)]
        return Loop("t", sum(integer(p.get("uiCount")) or 0 for p in used))
    if kind == _SPECTRUM:
        return None
    raise Unsupported(
        f"The ND2 file has a loop of the kind {kind}; known are 1 and 8 (time), 2 (positions), 4 (z), 6 (channels)."
    )


def _depth(parameters: Mapping[str, Any], count: int) -> float | None:
    step = number(parameters.get("dZStep"))
    low, high = number(parameters.get("dZLow")), number(parameters.get("dZHigh"))
    if not step and low is not None and high is not None and count > 1:
        step = (high - low) / (count - 1)
    return abs(step) if step else None


def _positions(node: Mapping[str, Any], parameters: Mapping[str, Any]) -> Loop:
    points = [p for p in items(parameters.get("Points")) if isinstance(p, Mapping)]
    if not points and "dPosX" in parameters:
        x, y, z = (items(parameters.get(f"dPos{a}")) for a in "XYZ")
        points = [
            {"dPosX": x[k], "dPosY": y[k] if k < len(y) else None, "dPosZ": z[k] if k < len(z) else None}
            for k in range(len(x))
        ]
    valid = items(node.get("pItemValid"))
    if valid:
        points = [p for p, v in zip(points, valid, strict=False) if v]
    relative = bool(parameters.get("bRelativeXY"))
    shift = [number(parameters.get(f"dReference{a}")) or 0.0 if relative else 0.0 for a in "XY"]
    return Loop("p", len(points), points=[_point(p, shift, bool(parameters.get("bUseZ"))) for p in points])


def _point(point: Mapping[str, Any], shift: Sequence[float], depth: bool) -> dict[str, Any]:  # noqa: FBT001
    out: dict[str, Any] = {}
    name = point.get("dPosName") or point.get("pPosName")
    if isinstance(name, str) and name.strip():
        out["name"] = name.strip()
    for axis, extra in (("x", shift[0]), ("y", shift[1]), ("z", 0.0)):
        value = number(point.get(f"dPos{axis.upper()}"))
        if value is not None and (axis != "z" or depth):
            out[axis] = value + extra
    return out
