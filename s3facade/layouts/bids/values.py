"""Values of metadata fields, as the schema wants them: numbers from text, lengths from ``20 um``, words from lists."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from s3facade.core import units
from s3facade.layouts.bids.schema import schema

PIXELS = "PixelSize"
UNITS = "PixelSizeUnits"
IN_MICROMETERS: Mapping[str, float] = {"mm": 1e3, "um": 1.0, "nm": 1e-3}
"""Units that `PixelSizeUnits` may have."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_SPLIT = re.compile(r"\s*([^\s]+)\s*(\S*)\s*")


def fields(stated: Mapping[str, Any]) -> dict[str, Any]:
    """All fields of a sidecar, typed; `PixelSize` with a unit gives `PixelSizeUnits` as well.

    Raises:
        ValueError: A value that the schema does not allow, in a sentence that begins with the name of its field.
    """
    made: dict[str, Any] = {}
    for name, value in stated.items():
        if name == PIXELS:
            made |= pixel_size(value, stated.get(UNITS))
        elif name != UNITS or PIXELS not in stated:
            made[name] = field(name, value)
    return made


def field(name: str, value: Any) -> Any:
    """One value, typed as the schema says; as it is where the schema does not know the field. Raises `ValueError`."""
    rule = schema().fields.get(name)
    if rule is None:
        near = difflib.get_close_matches(name, schema().fields, n=1, cutoff=0.88)
        if near:
            raise ValueError(f"{name}: BIDS has no such field; did you mean {near[0]}?")
        return value
    return _typed(name, value, rule)


def pixel_size(value: Any, unit: str | None) -> dict[str, Any]:
    """`PixelSize` and `PixelSizeUnits` of ``0.5 um``, of ``{x: …, y: …, z: …}``, or of numbers beside ``unit``.

    Raises:
        ValueError: No length, or a unit that BIDS lacks.
    """
    if isinstance(value, Mapping):
        if not {"x", "y"} <= value.keys() <= {"x", "y", "z"}:
            raise ValueError(f"{PIXELS}: needs the axes x and y, and may have z; not {', '.join(value) or 'nothing'}")
        value = [value[axis] for axis in ("x", "y", "z") if axis in value]
    elif isinstance(value, str):
        value = [value, value]
    if not isinstance(value, Sequence) or len(value) not in (2, 3):
        raise ValueError(f"{PIXELS}: has two or three numbers, of x, y and z; not {value!r}")
    found = [_SPLIT.fullmatch(str(each)) for each in value]
    written = {match[2] for match in found if match} - {""} or {unit}
    if None in found or None in written:
        raise ValueError(f"{PIXELS}: needs a unit; write it as in '0.5 um', or add {UNITS}: mm, um or nm")
    spelled = sorted(str(each) for each in written)
    common = spelled[0] if len(spelled) == 1 and spelled[0] in IN_MICROMETERS else "um"
    try:
        lengths = [units.length(f"{match[1]} {match[2] or spelled[0]}") for match in found if match]
    except ValueError as error:
        raise ValueError(f"{PIXELS}: {error}") from None
    return {PIXELS: [tidy(length / IN_MICROMETERS[common]) for length in lengths], UNITS: common}


def tidy(number: float) -> float | int:
    """Without the noise of conversions: nine digits are more than any stage is good for."""
    short = float(f"{number:.9g}")
    return int(short) if short.is_integer() and abs(short) < 2**53 else short


def _typed(name: str, value: Any, rule: Mapping[str, Any]) -> Any:
    options = rule.get("anyOf") or rule.get("oneOf")
    if options:
        return _either(name, value, options)
    kind = rule.get("type")
    made = _KINDS[kind](name, value, rule) if kind in _KINDS else value
    allowed = rule.get("enum")
    if allowed and made not in allowed:
        raise ValueError(f"{name}: is one of {', '.join(map(str, allowed))}, not {value!r}")
    return made


def _either(name: str, value: Any, rules: Sequence[Mapping[str, Any]]) -> Any:
    # Text stands for itself where it may: "20" of a field that may be either is what was written.
    ranked = sorted(rules, key=lambda rule: isinstance(value, str) and rule.get("type") != "string")
    first: ValueError | None = None
    for rule in ranked:
        try:
            return _typed(name, value, rule)
        except ValueError as error:
            first = first or error
    raise first or ValueError(f"{name}: has no allowed value")


def _number(name: str, value: Any, rule: Mapping[str, Any]) -> float | int:
    unit = rule.get("unit")
    text = str(value).strip()
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        if unit not in units.MICROMETERS or isinstance(value, bool):
            raise ValueError(f"{name}: must be a number{f' of {unit}' if unit else ''}, not {value!r}")
        try:
            number = tidy(units.length(text) / units.MICROMETERS[str(unit)])
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    else:
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
    if rule["type"] == "integer" and not isinstance(number, int):
        raise ValueError(f"{name}: must be a whole number, not {value!r}")
    least, above, most = rule.get("minimum"), rule.get("exclusiveMinimum"), rule.get("maximum")
    if (least is not None and number < least) or (most is not None and number > most):
        bounds = " and ".join(
            f"{word} {bound}" for word, bound in (("at least", least), ("at most", most)) if bound is not None
        )
        raise ValueError(f"{name}: must be {bounds}, not {value!r}")
    if above is not None and number <= above:
        raise ValueError(f"{name}: must be greater than {above}, not {value!r}")
    return number


def _boolean(name: str, value: Any, _: Mapping[str, Any]) -> bool:
    text = str(value).lower()
    if text not in ("true", "false"):
        raise ValueError(f"{name}: must be true or false, not {value!r}")
    return text == "true"


def _string(name: str, value: Any, _: Mapping[str, Any]) -> str:
    if isinstance(value, Mapping | list | tuple) or value is None:
        raise ValueError(f"{name}: must be text, not {value!r}")
    text = str(value).strip()
    if not text:
        raise ValueError(f"{name}: is empty; leave it out where nothing is known")
    return text


def _array(name: str, value: Any, rule: Mapping[str, Any]) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{name}: must be a list, not {value!r}")  # noqa: TRY004 - one kind of error for all
    least, most = rule.get("minItems", 0), rule.get("maxItems", len(value))
    if not least <= len(value) <= most:
        raise ValueError(f"{name}: has {least} to {most} values, not {len(value)}")
    return [_typed(name, each, rule.get("items", {})) for each in value]


def _object(name: str, value: Any, rule: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name}: must be a mapping, not {value!r}")  # noqa: TRY004
    known = rule.get("properties", {})
    return {key: _typed(f"{name}.{key}", each, known[key]) if key in known else each for key, each in value.items()}


_KINDS = {
    "number": _number,
    "integer": _number,
    "boolean": _boolean,
    "string": _string,
    "array": _array,
    "object": _object,
}
