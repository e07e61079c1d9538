"""What models of the configuration file have in common: their base, types of values, and what views resolve with.

Values arrive as strings, since YAML scalars are not typed on the way (see `s3facade.config.document`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from s3facade.codecs.compress import LEVELS
from s3facade.config.document import Path_
from s3facade.config.scalars import free
from s3facade.config.template import Template
from s3facade.config.views.image import Preview as PreviewName
from s3facade.core import units

SPACE = ("z", "y", "x")
AXES = ("t", "c", *SPACE)
_COUNT = {"type": "integer", "minimum": 1}


def count(value: object) -> int:
    """A whole number of at least 1, as written. Raises `ValueError`."""
    text = str(value)
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise ValueError(f"must be a whole number of at least 1, not {text!r}")
    return int(text)


def _axes(value: object, axes: tuple[str, ...]) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise ValueError(f"must be a mapping of axes, as in {{y: …, x: …}}, not {value!r}")  # noqa: TRY004
    wrong = [k for k in value if k not in axes]
    if wrong or not value:
        raise ValueError(f"has the axis {wrong[0]!r}; use {', '.join(axes)}" if wrong else "names no axis")
    return value


def _sizes(value: object) -> int | dict[str, int]:
    if isinstance(value, Mapping):
        return {k: count(v) for k, v in _axes(value, AXES).items()}
    return count(value)


def _shards(value: object) -> int | dict[str, int] | Literal[False]:
    return False if value is False or str(value).lower() == "false" else _sizes(value)


def _codec(value: object) -> tuple[str, int | None] | None:
    if isinstance(value, Mapping):
        if "name" not in value or value.keys() - {"name", "level"}:
            raise ValueError(f"must be a codec, or as in {{name: zstd, level: 3}}, not {dict(value)!r}")
        name, level = str(value["name"]), count(value["level"]) if "level" in value else None
    else:
        name, level = str(value), None
    if name == "raw" and level is None:
        return None
    if name not in LEVELS:
        raise ValueError(f"must be raw, {', '.join(LEVELS)}, not {name!r}")
    if level is not None and level > LEVELS[name]:
        raise ValueError(f"has levels from 1 to {LEVELS[name]} for {name}, not {level}")
    return name, level


def _pixel_size(value: object) -> dict[str, float]:
    if isinstance(value, Mapping):
        return {k: units.length(v) for k, v in _axes(value, SPACE).items()}
    pixel = units.length(value)
    return {"y": pixel, "x": pixel}


def _shape(value: object) -> dict[str, int]:
    shape = _axes(value, AXES)
    if not {"y", "x"} <= shape.keys():
        raise ValueError("needs the axes y and x")
    return {a: count(shape[a]) for a in AXES if a in shape}


def _switched(value: object) -> object:
    return "off" if value is False or value == "false" else value


_SIZES = {"anyOf": [_COUNT, {"type": "object", "propertyNames": {"enum": [*AXES]}, "additionalProperties": _COUNT}]}
_LENGTH = {"type": "string", "examples": ["0.5 um"]}
_PIXELS = {"anyOf": [_LENGTH, {"type": "object", "propertyNames": {"enum": [*SPACE]}, "additionalProperties": _LENGTH}]}
_CODEC = {"enum": ["raw", *LEVELS]}
_LEVELLED = {
    "type": "object",
    "properties": {"name": {"enum": [*LEVELS]}, "level": _COUNT},
    "required": ["name"],
    "additionalProperties": False,
}

Chunks = Annotated[Any, BeforeValidator(_sizes), WithJsonSchema(_SIZES)]
Codec = Annotated[Any, BeforeValidator(_codec), WithJsonSchema({"anyOf": [_CODEC, _LEVELLED]})]
Shards = Annotated[Any, BeforeValidator(_shards), WithJsonSchema({"anyOf": [{"const": False}, *_SIZES["anyOf"]]})]
PixelSize = Annotated[Any, BeforeValidator(_pixel_size), WithJsonSchema(_PIXELS)]
Shape = Annotated[Any, BeforeValidator(_shape), WithJsonSchema(_SIZES["anyOf"][1])]
Options = Annotated[dict[str, Any], BeforeValidator(free)]
Preview = Annotated[Literal["off", "strided"], BeforeValidator(_switched)]
Dtype = Literal["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
Names = Annotated[
    list[str],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class Model(BaseModel):
    """Unknown keys are refused: a misspelled option must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


class Resolving(Protocol):
    """What models of views are resolved with. Whatever is wrong is collected, so that all of it is told at once."""

    preview: PreviewName
    """Of the bucket."""
    said: tuple[Path_, Any]
    """What the bucket says about its images (an `s3facade.config.models.about.AboutModel` or None), and where."""
    bucket: str
    """Name of the bucket."""
    public_url: str
    """Address of the server; empty if it is not known."""

    def problem(self, at: Path_, sentence: object) -> None:
        """Tell what is wrong with the value at ``at``."""
        ...

    def absolute(self, text: str) -> Path:
        """A path as written, seen from the folder of the configuration file."""
        ...

    def far(self, text: str) -> bool:
        """Whether a path as written lies in a store. Raises `ConfigError` if it names one that there is not."""
        ...

    def reference(self, at: Path_, name: str) -> frozenset[str] | None:
        """Captures of the source or image called ``name``; None, and a problem told, if there is none."""
        ...

    def template(self, at: Path_, text: str, source: str) -> Template:
        """A key template, whose names are captures of ``source``.

        Raises:
            ConfigError: It is no template; names that ``source`` lacks are told as problems instead.
        """
        ...

    def filled(self, at: Path_, text: str, source: str) -> Template:
        """As `template`, for text that is no key: a label, a column, a sentence."""
        ...

    def about(self, at: Path_, own: Any, source: str) -> Mapping[str, object]:
        """What is said of images of ``source`` in the view at ``at``: by the bucket, the source, and in the view.

        Args:
            at: Of the view.
            own: What the view says: an `s3facade.config.models.about.AboutModel`, or None.
            source: Name of a source or image.

        Returns:
            Templates at the leaves of mappings and tuples.
        """
        ...
