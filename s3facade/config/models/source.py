"""What there is: files, what their names and tables say, and which of them form one image."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from s3facade.config.models.about import AboutModel
from s3facade.config.models.base import Dtype, Model, Options, PixelSize, Shape

STACKED = ("t", "c", "z")
_COLOR = re.compile(r"#?([0-9A-Fa-f]{6})")


def _stack(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or not value:
        raise ValueError("must be a mapping of axis to capture, as in {c: channel}")
    wrong = next((k for k in value if k not in STACKED), None)
    if wrong is not None:
        raise ValueError(f"has the axis {wrong!r}; use {', '.join(STACKED)}")
    if any(not isinstance(v, str) for v in value.values()):
        raise ValueError("must name one capture for each axis, as in {c: channel}")
    names = [str(v).removeprefix("{").removesuffix("}") for v in value.values()]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise ValueError(f"names the capture {twice!r} for two axes; files cannot differ in both by one number")
    return dict(zip(map(str, value), names, strict=True))


def _color(value: object) -> str:
    found = _COLOR.fullmatch(str(value))
    if found is None:
        raise ValueError(f"must be six hexadecimal digits, as in 00FF00, not {str(value)!r}")
    return found[1].upper()


def _channel(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


def _channels(value: object) -> object:
    """A list counts from 1."""
    return {str(n): one for n, one in enumerate(value, 1)} if isinstance(value, list) else value


def _labels(value: object) -> object:
    if isinstance(value, Mapping) and any(v is None or isinstance(v, Mapping | list) for v in value.values()):
        wrong = next(k for k, v in value.items() if v is None or isinstance(v, Mapping | list))
        raise ValueError(f"must give one text for {wrong!r}, as in {{raw: label}}")
    return value


_HEX = {"type": ["string", "integer"], "pattern": "^#?[0-9A-Fa-f]{6}$"}
_LABELS = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
"""Editors read plain scalars as numbers; here they are text."""
Color = Annotated[str, BeforeValidator(_color), WithJsonSchema(_HEX)]
_PLANES = {"type": "object", "propertyNames": {"enum": [*STACKED]}, "additionalProperties": {"type": "string"}}
Planes = Annotated[dict[str, str], BeforeValidator(_stack), WithJsonSchema(_PLANES)]
_CHANNEL = {
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"name": {"type": "string"}, "color": _HEX},
            "minProperties": 1,
            "additionalProperties": False,
        },
    ]
}
_CHANNELS = {"anyOf": [{"type": "object", "additionalProperties": _CHANNEL}, {"type": "array", "items": _CHANNEL}]}
Labels = Annotated[dict[str, str], BeforeValidator(_labels), WithJsonSchema(_LABELS)]


class SyntheticModel(Model):
    """A computed image, for trying things out."""

    shape: Shape
    """Voxels by axis; y and x at least."""
    dtype: Dtype = "uint16"
    """Type of the voxels."""


class JoinModel(Model):
    """A table that says more about files than their names do."""

    table: str
    """A .csv, .tsv or .xlsx file whose first row names the columns."""
    by: Annotated[dict[str, str], Field(min_length=1)]
    """Column by capture, as in `{animal: "Animal ID"}`: the row of a file is the one with its values."""
    missing: Literal["error", "skip", "keep"] = "error"
    """A file without a row: `error`, it is not shown and `check` fails; `skip`, it is left out; `keep`, it is shown and
    its columns are empty."""
    sheet: str | None = None
    """Sheet of an .xlsx file; default: the first one."""


class ChannelModel(Model):
    """How one channel is named and shown."""

    name: Annotated[str, Field(min_length=1)] | None = None
    """Its name; default: the value that files have for it, if that is no number."""
    color: Color | None = None
    """Six hexadecimal digits, RRGGBB."""


class SourceModel(Model):
    """Files that images are read from: exactly one of ``files``, ``file`` and ``synthetic``."""

    files: str | None = None
    """Path pattern, as in `/data/**/{name}.tif`, or in `lab:2026/{name}.tif` of the store called `lab`."""
    file: str | None = None
    """Path of one file, as `files`."""
    list_: Annotated[str | None, Field(alias="list")] = None
    """A text file of this machine that names the files of a store that cannot, one per line, as seen from the store."""
    synthetic: SyntheticModel | None = None
    """A computed image instead of files."""
    skip: list[str] = []
    """Path patterns to leave out, relative to the folder of `files`."""
    values: dict[str, Labels] = {}
    """What is shown for values of a capture or column, as in `{stain: {"cresyl violet": CV}}`; others stay."""
    join: list[JoinModel] = []
    """Tables whose columns may be used as captures are."""
    stack: Planes | None = None
    """Captures by axis (t, c, z), as in `{c: channel}`: files that differ in nothing else form one image."""
    channels: Annotated[
        dict[str, Annotated[ChannelModel, BeforeValidator(_channel)]],
        BeforeValidator(_channels),
        WithJsonSchema(_CHANNELS),
    ] = {}
    """Names and colours of channels: by value of the capture that is stacked along c, or a list of them in order."""
    pixel_size: PixelSize = {}
    """Pixel size, as in `0.5 um` (y and x) or `{z: 2 um, y: 0.5 um, x: 0.5 um}`; overrides the file."""
    series: Annotated[int, Field(ge=0)] | None = None
    """Only this image of each file, counted from 0."""
    reader: str | None = None
    """Name of the reader; default: the first that recognises the file."""
    options: Options = {}
    """Options of the reader."""
    isolate: bool = False
    """Read the files in processes of their own, which may crash: for files that nobody vouches for."""
    about: AboutModel | None = None
    """What no file says about these images, wherever they are shown."""

    @model_validator(mode="after")
    def _one_kind(self) -> SourceModel:
        if sum(v is not None for v in (self.files, self.file, self.synthetic)) != 1:
            raise ValueError("needs exactly one of `files`, `file` and `synthetic`")
        given: tuple[tuple[str, Any], ...] = (
            ("skip", self.skip),
            ("list", self.list_),
            ("values", self.values),
            ("join", self.join),
            ("stack", self.stack),
        )
        for key, value in given:
            if value and self.files is None:
                raise ValueError(f"`{key}` goes with `files` only; remove it")
        colored = sum(channel.color is not None for channel in self.channels.values())
        if colored not in (0, len(self.channels)):
            raise ValueError("`channels` gives some a color and others none; give it to all of them or to none")
        return self
