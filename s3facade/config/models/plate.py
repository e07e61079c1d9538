"""Plates of wells as OME-Zarr."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from s3facade.codecs.compress import compressed
from s3facade.config.document import Path_
from s3facade.config.models.base import Chunks, Codec, Model, Resolving, Shards, count
from s3facade.config.models.image import ImagesModel
from s3facade.config.template import Template
from s3facade.config.views.plate import PlateView
from s3facade.core.errors import ConfigError
from s3facade.layouts import wells
from s3facade.layouts.plate import Acquisition

_MOST = 9999
"""Columns of a plate."""
_FORMATS = ", ".join(map(str, wells.STANDARD))


def _side(value: object, what: str) -> tuple[str, ...]:
    """Names of rows or columns: a list of them, or how many there are."""
    most = wells.MOST if what == "rows" else _MOST
    if isinstance(value, list):
        names = tuple(map(str, value))
        wrong = [n for n in names if not wells.NAME.fullmatch(n)]
        if wrong or not names:
            raise ValueError(f"`{what}` must be names of letters and digits, not {wrong[0] if wrong else names!r}")
        seen: dict[str, str] = {}
        for name in names:
            other = seen.setdefault(wells.canonical(name).lower(), name)
            if other is not name:
                raise ValueError(f"`{what}` names {other!r} and {name!r}, which mean the same")
        return names
    number = count(value)
    if number > most:
        raise ValueError(f"`{what}` must be at most {most}, not {number}")
    return wells.rows(number) if what == "rows" else wells.columns(number)


def _plate(value: object) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if isinstance(value, Mapping):
        if set(value) != {"rows", "columns"}:
            raise ValueError("needs `rows` and `columns`, each a number or a list of names, and nothing else")
        return _side(value["rows"], "rows"), _side(value["columns"], "columns")
    text = str(value).strip()
    if text.isascii() and text.isdigit():
        if int(text) not in wells.STANDARD:
            raise ValueError(f"has no format of {text} wells; write {_FORMATS}, or rows and columns as in 8x12")
        rows, columns = wells.STANDARD[int(text)]
        return wells.rows(rows), wells.columns(columns)
    found = re.fullmatch(r"([0-9]{1,4})\s*[x\u00d7]\s*([0-9]{1,4})", text)
    if found is None:
        raise ValueError(f"must be rows and columns as in 8x12, or {_FORMATS}, not {text!r}")
    return _side(found[1], "rows"), _side(found[2], "columns")


def _moment(value: object) -> int:
    text = str(value).strip()
    if text.isascii() and text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"must be a time as in 2026-03-01T10:30:00+01:00, or seconds since 1970, not {text!r}"
        ) from None
    if moment.tzinfo is None:
        raise ValueError(f"has no time zone: write {text}Z, or {text}+01:00")
    return int(moment.timestamp())


_COUNTED = {"type": "integer", "minimum": 1}
_NAMES = {"type": "array", "items": {"type": "string", "pattern": f"^{wells.NAME.pattern}$"}, "minItems": 1}
_SIDE = {"anyOf": [_COUNTED, _NAMES]}
_SIZE = {
    "anyOf": [
        {"enum": [*wells.STANDARD]},
        {"type": "string", "pattern": "^[0-9]+ *[x\u00d7] *[0-9]+$"},
        {
            "type": "object",
            "properties": {"rows": _SIDE, "columns": _SIDE},
            "required": ["rows", "columns"],
            "additionalProperties": False,
        },
    ]
}
PlateSize = Annotated[Any, BeforeValidator(_plate), WithJsonSchema(_SIZE)]
_WHEN = {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "format": "date-time"}]}
Moment = Annotated[Any, BeforeValidator(_moment), WithJsonSchema(_WHEN)]


class AcquisitionModel(Model):
    """What is known about one run over a plate."""

    name: str | None = None
    """What it is called; default: the value of `acquisition`."""
    description: str | None = None
    """A text about it."""
    starttime: Moment | None = None
    """When it began, as in `2026-03-01T10:30:00Z`."""
    endtime: Moment | None = None
    """When it ended."""
    maximumfieldcount: Annotated[int, Field(ge=1)] | None = None
    """Most fields of a well; default: counted."""

    def of(self, label: str) -> Acquisition:
        """The run of that label; its id is given when all runs are known."""
        name = self.name or label
        return Acquisition(0, name, self.description, self.starttime, self.endtime, self.maximumfieldcount)


class OmeZarrPlateView(ImagesModel):
    """Plates of wells as OME-Zarr 0.5, one for each path: the images lie at `path/row/column/field`."""

    type: Literal["ome-zarr-plate"]
    """The layout."""
    plate: PlateSize | None = None
    """Rows and columns of the plate, as in `8x12`; its number of wells, as in `384`; or `{rows: [A, B], columns: 3}`;
    default: what the files say, else the rows and columns that occur."""
    well: str | None = None
    """Row and column of an image, as in `{row}/{column}`, or as in `{well}` for values such as `A01`; default: what the
    files say themselves of their images."""
    field: str | None = None
    """What tells the images of a well apart, as in `{field}`; they are numbered from 0 in the order of its values."""
    acquisition: str | None = None
    """Which run over the plate an image belongs to, as in `{run}`."""
    acquisitions: dict[str, AcquisitionModel] = {}
    """What is known about runs, by the values of `acquisition`."""
    name: str | None = None
    """Name of a plate, as in `Screen {plate}`; default: the end of `path`, or what the files say."""
    chunks: Chunks | None = None
    """As of `ome-zarr`."""
    shards: Shards | None = None
    """As of `ome-zarr`."""
    codec: Codec = None
    """As of `ome-zarr`."""
    labels: dict[str, str] = {}
    """Label images of the fields by name: a source or image whose captures match."""

    @model_validator(mode="after")
    def _consistent(self) -> OmeZarrPlateView:
        if self.codec is not None and self.shards:
            raise ValueError("has `shards` and a `codec`; leave out one of the two")
        wrong = [key for key in ("field", "acquisition") if self.well is None and getattr(self, key) is not None]
        if wrong:
            raise ValueError(f"has `{wrong[0]}` and no `well`; add it as in {{row}}/{{column}}")
        if self.acquisitions and self.acquisition is None:
            raise ValueError("has `acquisitions` and no `acquisition` that gives their values; add it")
        return self

    def resolve(self, at: Path_, desk: Resolving) -> PlateView:
        """The view. Raises `ConfigError`."""
        codec = None if self.codec is None else compressed(*self.codec)
        options = {"chunks": self.chunks, "shards": self.shards, "codec": codec}
        images = self.shown(at, desk, "ome-zarr", options, self.labels)
        rows, columns = self.plate or (None, None)
        filled = [self._filled(at, key, desk) for key in ("well", "field", "acquisition", "name")]
        well, field, acquisition, name = filled
        if well is not None and (well.text.count("/") > 1 or not all(well.text.split("/"))):
            desk.problem((*at, "well"), f"must be a row and a column as in {{row}}/{{column}}, not {well.text!r}")
        runs = {wells.canonical(label): run.of(label) for label, run in self.acquisitions.items()}
        return PlateView(images, well, field, acquisition, rows, columns, name, runs)

    def _filled(self, at: Path_, key: str, desk: Resolving) -> Template | None:
        text = getattr(self, key)
        try:
            return None if text is None else desk.filled((*at, key), text, self.from_)
        except ConfigError as error:
            desk.problem((*at, key), error)
            return None
