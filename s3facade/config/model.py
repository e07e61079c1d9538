"""The shape of the configuration file, checked by pydantic; its JSON schema is published for editors.

Values arrive as strings, since YAML scalars are not typed on the way (see `s3facade.config.document`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from s3facade.config import units
from s3facade.config.document import Plain

SPACE = ("z", "y", "x")
AXES = ("t", "c", *SPACE)
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IPV4 = re.compile(r"[0-9]+(\.[0-9]+){3}")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_COUNT = {"type": "integer", "minimum": 1}


def bucket_name(name: str) -> str:
    """S3's rule for names of buckets."""
    if not _BUCKET.fullmatch(name) or ".." in name or _IPV4.fullmatch(name):
        raise ValueError("a bucket's name has 3 to 63 of a-z 0-9 . - and starts and ends with a letter or digit")
    return name


def _count(value: object) -> int:
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
        return {k: _count(v) for k, v in _axes(value, AXES).items()}
    return _count(value)


def _shards(value: object) -> int | dict[str, int] | Literal[False]:
    return False if value is False or str(value).lower() == "false" else _sizes(value)


def _pixel_size(value: object) -> dict[str, float]:
    if isinstance(value, Mapping):
        return {k: units.length(v) for k, v in _axes(value, SPACE).items()}
    pixel = units.length(value)
    return {"y": pixel, "x": pixel}


def _shape(value: object) -> dict[str, int]:
    shape = _axes(value, AXES)
    if not {"y", "x"} <= shape.keys():
        raise ValueError("needs the axes y and x")
    return {a: _count(shape[a]) for a in AXES if a in shape}


def _workers(value: object) -> int | None:
    return None if str(value) == "auto" else _count(value)


def _free(value: Any) -> Any:
    """Free values by the core schema of YAML 1.2: unquoted numbers and booleans get types."""
    if isinstance(value, Mapping):
        return {k: _free(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_free(v) for v in value]
    if not isinstance(value, Plain):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    if _NUMBER.fullmatch(value):
        return int(value) if value.lstrip("+-").isdigit() else float(value)
    return str(value)


_SIZES = {"anyOf": [_COUNT, {"type": "object", "propertyNames": {"enum": [*AXES]}, "additionalProperties": _COUNT}]}
_LENGTH = {"type": "string", "examples": ["0.5 um"]}
_PIXELS = {"anyOf": [_LENGTH, {"type": "object", "propertyNames": {"enum": [*SPACE]}, "additionalProperties": _LENGTH}]}

BucketName = Annotated[str, AfterValidator(bucket_name), Field(pattern=_BUCKET.pattern)]
Chunks = Annotated[Any, BeforeValidator(_sizes), WithJsonSchema(_SIZES)]
Shards = Annotated[Any, BeforeValidator(_shards), WithJsonSchema({"anyOf": [{"const": False}, *_SIZES["anyOf"]]})]
PixelSize = Annotated[Any, BeforeValidator(_pixel_size), WithJsonSchema(_PIXELS)]
Shape = Annotated[Any, BeforeValidator(_shape), WithJsonSchema(_SIZES["anyOf"][1])]
Options = Annotated[dict[str, Any], BeforeValidator(_free)]
Bytes = Annotated[Any, BeforeValidator(units.size), WithJsonSchema({"type": "string", "examples": ["4 GiB"]})]
Seconds = Annotated[Any, BeforeValidator(units.duration), WithJsonSchema({"type": "string", "examples": ["10 s"]})]
Workers = Annotated[Any, BeforeValidator(_workers), WithJsonSchema({"anyOf": [{"const": "auto"}, _COUNT]})]
Dtype = Literal["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
Step = Annotated[dict[Literal["cast"], Dtype], Field(min_length=1, max_length=1)]


class Model(BaseModel):
    """Unknown keys are refused: a misspelled option must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


class SyntheticModel(Model):
    """A computed image, for trying things out."""

    shape: Shape
    """Voxels by axis; y and x at least."""
    dtype: Dtype = "uint16"
    """Type of the voxels."""


class SourceModel(Model):
    """Files that images are read from: exactly one of ``files``, ``file`` and ``synthetic``."""

    files: str | None = None
    """Path pattern, as in `/data/**/{name}.tif`."""
    file: str | None = None
    """Path of one file."""
    synthetic: SyntheticModel | None = None
    """A computed image instead of files."""
    skip: list[str] = []
    """Path patterns to leave out, relative to the folder of `files`."""
    pixel_size: PixelSize = {}
    """Pixel size, as in `0.5 um` (y and x) or `{z: 2 um, y: 0.5 um, x: 0.5 um}`; overrides the file."""
    series: Annotated[int, Field(ge=0)] | None = None
    """Only this image of each file, counted from 0."""
    reader: str | None = None
    """Name of the reader; default: the first that recognises the file."""
    options: Options = {}
    """Options of the reader."""

    @model_validator(mode="after")
    def _one_kind(self) -> SourceModel:
        if sum(v is not None for v in (self.files, self.file, self.synthetic)) != 1:
            raise ValueError("needs exactly one of `files`, `file` and `synthetic`")
        if self.skip and self.files is None:
            raise ValueError("`skip` goes with `files` only; remove it")
        return self


class ImageModel(Model):
    """A named pipeline."""

    from_: Annotated[str, Field(alias="from")]
    """Name of a source or of another image."""
    steps: list[Step] = []
    """Transforms, in order; `cast: <dtype>` is the only one so far."""


class OmeZarrView(Model):
    """Every image of a source as OME-Zarr 0.5."""

    type: Literal["ome-zarr"]
    """The layout."""
    from_: Annotated[str, Field(alias="from")]
    """Name of a source or image."""
    path: str
    """Key prefix, as in `{name}.ome.zarr`."""
    chunks: Chunks | None = None
    """Voxels per chunk: one number for every space axis, or by axis; default: chosen per image."""
    shards: Shards | None = None
    """Voxels per shard, as `chunks`; `false`: no sharding; default: chosen per image."""
    dtype: Dtype | None = None
    """Cast to this type, for viewers that cannot read the original one."""
    labels: dict[str, str] = {}
    """Label images by name: a source or image whose captures match."""


class FilesViewModel(Model):
    """Files as they are."""

    type: Literal["files"]
    """The layout."""
    root: str
    """A folder, or one file."""
    path: str = ""
    """Key prefix; empty: the root of the bucket."""


class BucketModel(Model):
    """One bucket."""

    access: Literal["public", "private"] = "public"
    """`public`: anyone may read. `private`: only the access keys that name the bucket."""
    views: Annotated[list[Annotated[OmeZarrView | FilesViewModel, Field(discriminator="type")]], Field(min_length=1)]
    """What the bucket shows."""


class CredentialModel(Model):
    """One access key."""

    key: Annotated[str, Field(min_length=1, pattern=r"^[^\s/,]+$")]
    """Access key id; may be `${VARIABLE}`."""
    secret: Annotated[str, Field(min_length=8)]
    """Secret access key of at least 8 characters; best `${VARIABLE}`."""
    buckets: Annotated[list[str], Field(min_length=1)]
    """Buckets it opens; `"*"`: every bucket."""


class LimitsModel(Model):
    """What the server may use."""

    memory: Bytes = "1 GiB"
    """Memory for pixels and encoded chunks, over all worker processes."""
    workers: Workers = "auto"
    """Worker processes; `auto`: one per core, at most 8."""
    queue: Annotated[int, Field(ge=1)] = 1024
    """Requests per worker that may wait before the answer is 503 SlowDown."""

    model_config = ConfigDict(validate_default=True)


class ServerModel(Model):
    """Where and how it listens."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` is every network."""
    port: Annotated[int, Field(ge=0, le=65535)] = 9000
    """TCP port; 0: any free one."""
    region: Annotated[str, Field(min_length=1)] = "us-east-1"
    """Region name that clients are told."""
    domains: list[str] = []
    """Host names for virtual-host addresses: `bucket.<domain>`."""
    rescan: Seconds = "10 s"
    """How long a folder's listing is trusted; `0 s`: never look again."""
    access_log: bool = False
    """One log line per request."""

    model_config = ConfigDict(validate_default=True)


class ConfigModel(Model):
    """s3facade configuration."""

    sources: dict[str, SourceModel] = {}
    """What there is, by name."""
    images: dict[str, ImageModel] = {}
    """Named pipelines, by name."""
    buckets: Annotated[dict[BucketName, BucketModel], Field(min_length=1)]
    """Buckets, by name."""
    access: list[CredentialModel] = []
    """Who may read private buckets."""
    limits: LimitsModel = LimitsModel()
    """What the server may use."""
    server: ServerModel = ServerModel()
    """Where and how it listens."""


def schema() -> dict[str, Any]:
    """JSON schema of the configuration file."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ConfigModel.model_json_schema()}
