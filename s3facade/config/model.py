"""The shape of the configuration file, checked by pydantic; its JSON schema is published for editors.

Values arrive as strings, since YAML scalars are not typed on the way (see `s3facade.config.document`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from s3facade.codecs.compress import LEVELS
from s3facade.config.names import BUCKET, bucket_name
from s3facade.config.scalars import free
from s3facade.config.steps import StepSchema, split
from s3facade.core import units

SPACE = ("z", "y", "x")
AXES = ("t", "c", *SPACE)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9.*:\[\]_-]+")
_PLACE = re.compile(r"^(s3|https?)://[^/?#@\s]+(/[^?#\s]*)?$")
_SERVER = re.compile(r"^https?://[^/?#@\s]+/?$")
_SERVED = {"type": "string", "pattern": _SERVER.pattern}
_COUNT = {"type": "integer", "minimum": 1}


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


def _codec(value: object) -> tuple[str, int | None] | None:
    if isinstance(value, Mapping):
        if "name" not in value or value.keys() - {"name", "level"}:
            raise ValueError(f"must be a codec, or as in {{name: zstd, level: 3}}, not {dict(value)!r}")
        name, level = str(value["name"]), _count(value["level"]) if "level" in value else None
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
    return {a: _count(shape[a]) for a in AXES if a in shape}


def _origins(value: object) -> tuple[str, ...]:
    if value is False or str(value).lower() in ("off", "false"):
        return ()
    texts = value if isinstance(value, list) else [value]
    for text in map(str, texts):
        if text != "*" and (not _ORIGIN.fullmatch(text) or text.count("*") > 1):
            raise ValueError(f"must be '*', off, or origins as in 'https://viewer.example.org', not {text!r}")
    return tuple(map(str, texts))


def _enough(value: int) -> int:
    if value < 64 << 20:
        raise ValueError("must be at least 64 MiB: one chunk and what it is made from must fit")
    return value


def _room(value: object) -> int:
    return 0 if value is False or str(value).lower() in ("off", "false") else units.size(value)


def _switched(value: object) -> object:
    return "off" if value is False or value == "false" else value


def _some(value: float) -> float:
    if value <= 0:
        raise ValueError("must be longer than 0 s")
    return value


def _header(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("must be plain ASCII text on one line")
    return value


def _place(value: str) -> str:
    # What is not allowed is not repeated: it may be a secret.
    if not _PLACE.fullmatch(value):
        raise ValueError(
            "must be as in s3://bucket/prefix or https://host/path/, without user, password or query; there is `secret`"
        )
    return value


def _server(value: str) -> str:
    if not _SERVER.fullmatch(value):
        raise ValueError("must be as in https://s3.example.org, without user, password, path or query")
    return value


def _granted(value: str) -> str:
    name, slash, prefix = value.partition("/")
    if name != "*":
        bucket_name(name)
    if slash and (name == "*" or not prefix.endswith("*") or "*" in prefix[:-1]):
        raise ValueError(f"must be a bucket, '*', or as in 'bucket/prefix/*' with one star at the end, not {value!r}")
    return value


def _shelf(value: object) -> object:
    return {"root": value} if isinstance(value, str) else value


def _workers(value: object) -> int | None:
    return None if str(value) == "auto" else _count(value)


_SIZES = {"anyOf": [_COUNT, {"type": "object", "propertyNames": {"enum": [*AXES]}, "additionalProperties": _COUNT}]}
_LENGTH = {"type": "string", "examples": ["0.5 um"]}
_PIXELS = {"anyOf": [_LENGTH, {"type": "object", "propertyNames": {"enum": [*SPACE]}, "additionalProperties": _LENGTH}]}

_ORIGINS = {"anyOf": [{"const": "*"}, {"const": "off"}, {"type": "array", "items": {"type": "string"}}]}

BucketName = Annotated[str, AfterValidator(bucket_name), Field(pattern=BUCKET.pattern)]
Chunks = Annotated[Any, BeforeValidator(_sizes), WithJsonSchema(_SIZES)]
_CODEC = {"enum": ["raw", *LEVELS]}
_LEVELLED = {
    "type": "object",
    "properties": {"name": {"enum": [*LEVELS]}, "level": _COUNT},
    "required": ["name"],
    "additionalProperties": False,
}
Codec = Annotated[Any, BeforeValidator(_codec), WithJsonSchema({"anyOf": [_CODEC, _LEVELLED]})]
Shards = Annotated[Any, BeforeValidator(_shards), WithJsonSchema({"anyOf": [{"const": False}, *_SIZES["anyOf"]]})]
PixelSize = Annotated[Any, BeforeValidator(_pixel_size), WithJsonSchema(_PIXELS)]
Shape = Annotated[Any, BeforeValidator(_shape), WithJsonSchema(_SIZES["anyOf"][1])]
Options = Annotated[dict[str, Any], BeforeValidator(free)]
Bytes = Annotated[Any, BeforeValidator(units.size), WithJsonSchema({"type": "string", "examples": ["4 GiB"]})]
_ROOM = {"anyOf": [{"const": "off"}, {"type": "string", "examples": ["200 GiB"]}]}
Room = Annotated[Any, BeforeValidator(_room), WithJsonSchema(_ROOM)]
Seconds = Annotated[Any, BeforeValidator(units.duration), WithJsonSchema({"type": "string", "examples": ["10 s"]})]
Rate = Annotated[Any, BeforeValidator(units.rate), WithJsonSchema({"type": "string", "examples": ["100/s"]})]
Origins = Annotated[Any, BeforeValidator(_origins), WithJsonSchema(_ORIGINS)]
HeaderValue = Annotated[str, AfterValidator(_header)]
Granted = Annotated[str, AfterValidator(_granted)]
AccessName = Literal["public", "private", "key-only"]
Preview = Annotated[Literal["off", "strided"], BeforeValidator(_switched)]
Secret = Annotated[str, Field(min_length=8)]
Workers = Annotated[Any, BeforeValidator(_workers), WithJsonSchema({"anyOf": [{"const": "auto"}, _COUNT]})]
Dtype = Literal["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64"]
Step = Annotated[Any, BeforeValidator(split), StepSchema()]
Names = Annotated[
    list[str],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    Field(min_length=1),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}),
]


class Model(BaseModel):
    """Unknown keys are refused: a misspelled option must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, use_attribute_docstrings=True)


class StoreModel(Model):
    """A place on the network that files are read from: S3-compatible storage, or a web server."""

    url: Annotated[str, AfterValidator(_place), WithJsonSchema({"type": "string", "pattern": _PLACE.pattern})]
    """`s3://bucket/prefix` or `https://host/path/`; nothing outside it is ever read."""
    endpoint: Annotated[str, AfterValidator(_server), WithJsonSchema(_SERVED)] | None = None
    """Address of the S3 server, as in `https://s3.example.org`; default: Amazon's."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] | None = None
    """Region of the bucket."""
    key: Annotated[str, Field(min_length=1)] | None = None
    """Access key id, or the user of a web server; may be `${VARIABLE}`. S3 without: what the AWS tools would use."""
    secret: Annotated[str, Field(min_length=1)] | None = None
    """Secret access key, or a password, or without `key` the token that a web server wants; best `${VARIABLE}`."""
    secret_file: str | None = None
    """A file that holds the secret instead, readable by its owner alone."""
    session_token: Annotated[str, Field(min_length=1)] | None = None
    """Session token that belongs to the key; may be `${VARIABLE}`."""
    anonymous: bool = False
    """Whether a bucket that everybody may read is read without a key."""
    connections: Annotated[int, Field(ge=1, le=256)] = 16
    """Requests at once, per worker."""
    timeout: Annotated[Seconds, AfterValidator(_some)] = "30 s"
    """How long one read may take, tries again included."""
    refresh: Annotated[Seconds, AfterValidator(_some)] = "60 s"
    """How long it is believed that a file is what it was, and a folder holds what it held."""
    redirects: list[Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]+$")]] = []
    """Other hosts that a web server may send to; without them such answers are refused."""

    model_config = ConfigDict(validate_default=True)

    @model_validator(mode="after")
    def _consistent(self) -> StoreModel:
        if self.secret is not None and self.secret_file is not None:
            raise ValueError("has `secret` and `secret_file`; leave out one of the two")
        given = self.secret is not None or self.secret_file is not None
        if self.key is not None and not given:
            raise ValueError("has a `key` and no secret; add `secret` or `secret_file`")
        if self.anonymous and (given or self.session_token is not None):
            raise ValueError("has a secret and is `anonymous`; leave out one of the two")
        if not self.url.startswith("s3:"):
            wrong = [n for n in ("endpoint", "region", "session_token") if getattr(self, n) is not None]
            if wrong:
                raise ValueError(f"`{wrong[0]}` goes with s3:// only; remove it")
        elif given and self.key is None:
            raise ValueError("has a secret and no `key`; add it")
        elif self.redirects:
            raise ValueError("`redirects` goes with web servers only; remove it")
        return self


class SyntheticModel(Model):
    """A computed image, for trying things out."""

    shape: Shape
    """Voxels by axis; y and x at least."""
    dtype: Dtype = "uint16"
    """Type of the voxels."""


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

    @model_validator(mode="after")
    def _one_kind(self) -> SourceModel:
        if sum(v is not None for v in (self.files, self.file, self.synthetic)) != 1:
            raise ValueError("needs exactly one of `files`, `file` and `synthetic`")
        if self.skip and self.files is None:
            raise ValueError("`skip` goes with `files` only; remove it")
        if self.list_ is not None and self.files is None:
            raise ValueError("`list` goes with `files` only; remove it")
        return self


class ImageModel(Model):
    """A named pipeline."""

    from_: Annotated[Names, Field(alias="from")]
    """Name of a source or of another image; or a list of them: their images are joined by equal captures, and the first
    step makes one image of them."""
    group: Names | None = None
    """A capture or a list of them: images that differ in nothing else become one, in the order of its values; the first
    step combines them."""
    tiamat: str | None = None
    """A pipeline of tiamat, JSON: its steps come before `steps`."""
    steps: list[Step] = []
    """Transforms, in order, each a mapping of one key: its name and its options."""


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
    codec: Codec = None
    """`raw` (default), or what each chunk is compressed with: `zstd`, `gzip` or `blosc`; with a level as in
    `{name: zstd, level: 3}`. There are no shards then, and sizes are known only once they were computed."""
    dtype: Dtype | None = None
    """Cast to this type, for viewers that cannot read the original one."""
    labels: dict[str, str] = {}
    """Label images by name: a source or image whose captures match."""
    recipe: bool = True
    """Whether `s3facade.json` beside the voxels says what files they were made of and how."""
    preview: Preview | None = None
    """As of the bucket, for this view alone."""

    @model_validator(mode="after")
    def _no_shards(self) -> OmeZarrView:
        if self.codec is not None and self.shards:
            raise ValueError(
                "has `shards` and a `codec`: chunks in a shard need sizes that are known beforehand, which compressed "
                "ones have not; leave out one of the two"
            )
        return self


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

    access: AccessName = "public"
    """`public`: anyone may read. `private`: only access keys and links that open it. `key-only`: anyone may read who
    knows the key; listing needs an access key or a link."""
    cache_control: HeaderValue | None = None
    """`Cache-Control` header of its objects, as in `max-age=3600`."""
    list_sizes: Literal["compute", "omit"] = "compute"
    """What listings do about compressed chunks whose size is not known yet: `compute` it, in pages that end early, or
    `omit` them."""
    cors: Origins = ("*",)
    """Web pages that may read it: `"*"` (default), a list of origins, or `off`."""
    warm: bool = False
    """Keep what is dear to compute on disk beforehand, while nobody asks for anything; needs `limits: disk`."""
    preview: Preview = "off"
    """Levels that would read more than `limits: read` at once: `off`, refused until they are kept; `strided`, shown
    from a part of the blocks of the original."""
    views: Annotated[list[Annotated[OmeZarrView | FilesViewModel, Field(discriminator="type")]], Field(min_length=1)]
    """What the bucket shows."""


class ShelfModel(Model):
    """A folder whose sub-folders are buckets of files as they are."""

    root: str
    """The folder."""
    names: dict[str, BucketName] = {}
    """Names of buckets by sub-folder, where a sub-folder's own name cannot be one."""
    access: AccessName = "public"
    """As of a bucket; the same for all."""
    cache_control: HeaderValue | None = None
    """As of a bucket."""
    cors: Origins = ("*",)
    """As of a bucket."""


class LinksModel(Model):
    """Links that open a prefix without an access key."""

    secret: Secret | None = None
    """What links are signed with, at least 8 characters; best `${VARIABLE}`."""
    secret_file: str | None = None
    """A file that holds the secret instead, readable by its owner alone."""
    revoked: list[str] = []
    """Ids of links that open nothing any more: the text between `~` and the first dot."""

    @model_validator(mode="after")
    def _one_secret(self) -> LinksModel:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("needs one of `secret` and `secret_file`")
        return self


class CredentialModel(Model):
    """One access key."""

    key: Annotated[str, Field(min_length=1, pattern=r"^[^\s/,]+$")]
    """Access key id; may be `${VARIABLE}`."""
    secret: Secret | None = None
    """Secret access key of at least 8 characters; best `${VARIABLE}`."""
    secret_file: str | None = None
    """A file that holds the secret instead, readable by its owner alone."""
    session_token: Annotated[str, Field(min_length=1)] | None = None
    """Session token that has to be sent with the key; may be `${VARIABLE}`."""
    buckets: Annotated[list[Granted], Field(min_length=1)]
    """What it opens: `bucket`, `bucket/prefix/*`, or `"*"` for every bucket."""
    max_requests: Annotated[int, Field(ge=1)] | None = None
    """Requests in work at once, per worker; beyond it 503 SlowDown."""
    rate: Rate | None = None
    """Requests per time and worker, as in `100/s`; beyond it 503 SlowDown."""

    @model_validator(mode="after")
    def _one_secret(self) -> CredentialModel:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError("needs one of `secret` and `secret_file`")
        return self


class LimitsModel(Model):
    """What the server may use."""

    memory: Annotated[Bytes, AfterValidator(_enough)] = "1 GiB"
    """Memory for pixels and encoded chunks, over all worker processes."""
    workers: Workers = "auto"
    """Worker processes; `auto`: one per core, at most 8."""
    queue: Annotated[int, Field(ge=1)] = 1024
    """Requests per worker that may wait before the answer is 503 SlowDown."""
    deadline: Annotated[Seconds, AfterValidator(_some)] = "60 s"
    """How long a request may wait for its next bytes, or for a file to be opened, before the answer is 503."""
    read: Bytes = "16 GiB"
    """Original voxels that one chunk may be computed from before the answer is 503: `s3facade warm` is the way then."""
    disk: Room = "off"
    """Disk space for computed blocks, shared by all workers and kept over restarts, as in `200 GiB`."""
    index: Room = "512 MiB"
    """Disk space for what was found out about files, so that a restart need not open them all again; or `off`."""
    cache_dir: str | None = None
    """Folder for all of these; default: where the system keeps caches of this user."""
    spool: Bytes = "20 GiB"
    """Disk space for whole files of stores: some libraries take nothing else."""

    model_config = ConfigDict(validate_default=True)


class ServerModel(Model):
    """Where and how it listens."""

    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` is every network."""
    port: Annotated[int, Field(ge=0, le=65535)] = 9000
    """TCP port; 0: any free one."""
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")] = "us-east-1"
    """Region name that clients are told."""
    domains: list[str] = []
    """Host names for virtual-host addresses: `bucket.<domain>`."""
    rescan: Seconds = "10 s"
    """How long a folder's listing is trusted; `0 s`: never look again."""
    drain: Seconds = "30 s"
    """How long running downloads may go on after SIGTERM."""
    access_log: bool = False
    """One log line per request."""

    model_config = ConfigDict(validate_default=True)


class ConfigModel(Model):
    """s3facade configuration."""

    stores: dict[Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")], StoreModel] = {}
    """Places on the network that sources name, by name."""
    sources: dict[str, SourceModel] = {}
    """What there is, by name."""
    images: dict[str, ImageModel] = {}
    """Named pipelines, by name."""
    buckets: dict[BucketName, BucketModel] = {}
    """Buckets, by name."""
    buckets_from: Annotated[ShelfModel | None, BeforeValidator(_shelf)] = None
    """A folder: each of its sub-folders is a bucket."""
    access: list[CredentialModel] = []
    """Who may read what is not public."""
    links: LinksModel | None = None
    """Links that open a prefix without an access key."""
    limits: LimitsModel = LimitsModel()
    """What the server may use."""
    server: ServerModel = ServerModel()
    """Where and how it listens."""

    @model_validator(mode="after")
    def _something(self) -> ConfigModel:
        if not self.buckets and self.buckets_from is None:
            raise ValueError("shows nothing: add `buckets:` or `buckets_from:`")
        return self


def schema() -> dict[str, Any]:
    """JSON schema of the configuration file."""
    tree = {"$schema": "https://json-schema.org/draft/2020-12/schema", **ConfigModel.model_json_schema()}
    made: dict[str, Any] = _steady(tree)
    return made


def _steady(tree: Any) -> Any:
    """The schema without what depends on pydantic's version, or on what was loaded first.

    0 for 0.0, which are one value in JSON; and no descriptions of options that are dataclasses: newer versions alone
    take them from the class.
    """
    if isinstance(tree, dict):
        ours = "properties" not in tree or str(tree.get("title", "")).endswith(("Model", "View"))
        return {key: _steady(value) for key, value in tree.items() if ours or key != "description"}
    if isinstance(tree, list):
        return [_steady(value) for value in tree]
    return int(tree) if isinstance(tree, float) and tree.is_integer() else tree
