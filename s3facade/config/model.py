"""The shape of the configuration file, checked by pydantic; its JSON schema is published for editors.

Values arrive as strings, since YAML scalars are not typed on the way (see `s3facade.config.document`).
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from s3facade.config.document import Path_
from s3facade.config.models.about import AboutModel
from s3facade.config.models.base import Model, Names, Preview, count
from s3facade.config.models.source import SourceModel
from s3facade.config.models.views import AnyView
from s3facade.config.names import BUCKET, bucket_name
from s3facade.config.steps import StepSchema, split
from s3facade.core import units

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[A-Za-z0-9.*:\[\]_-]+")
_PLACE = re.compile(r"^(s3|https?)://[^/?#@\s]+(/[^?#\s]*)?$")
_SERVER = re.compile(r"^https?://[^/?#@\s]+/?$")
_SERVED = {"type": "string", "pattern": _SERVER.pattern}


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
    return None if str(value) == "auto" else count(value)


_ORIGINS = {"anyOf": [{"const": "*"}, {"const": "off"}, {"type": "array", "items": {"type": "string"}}]}
_ROOM = {"anyOf": [{"const": "off"}, {"type": "string", "examples": ["200 GiB"]}]}
_WORKERS = {"anyOf": [{"const": "auto"}, {"type": "integer", "minimum": 1}]}

BucketName = Annotated[str, AfterValidator(bucket_name), Field(pattern=BUCKET.pattern)]
Bytes = Annotated[Any, BeforeValidator(units.size), WithJsonSchema({"type": "string", "examples": ["4 GiB"]})]
Room = Annotated[Any, BeforeValidator(_room), WithJsonSchema(_ROOM)]
Seconds = Annotated[Any, BeforeValidator(units.duration), WithJsonSchema({"type": "string", "examples": ["10 s"]})]
Rate = Annotated[Any, BeforeValidator(units.rate), WithJsonSchema({"type": "string", "examples": ["100/s"]})]
Origins = Annotated[Any, BeforeValidator(_origins), WithJsonSchema(_ORIGINS)]
HeaderValue = Annotated[str, AfterValidator(_header)]
Granted = Annotated[str, AfterValidator(_granted)]
AccessName = Literal["public", "private", "key-only"]
Secret = Annotated[str, Field(min_length=8)]
Workers = Annotated[Any, BeforeValidator(_workers), WithJsonSchema(_WORKERS)]
Step = Annotated[Any, BeforeValidator(split), StepSchema()]


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
    about: AboutModel | None = None
    """What no file says about all images of the bucket; sources and views may say otherwise."""
    unmatched: Annotated[str, Field(min_length=1)] | None = None
    """Key prefix, as in `sourcedata`, below which files in the folders of its sources that match no source are shown as
    they are; default: `s3facade check` and `/-/status` list them, and they are not shown."""
    views: Annotated[list[AnyView], Field(min_length=1)]
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
    public_url: Annotated[str, AfterValidator(_server), WithJsonSchema(_SERVED)] | None = None
    """Address that clients reach it by, as in `https://s3.example.org`: for documents that hold whole addresses."""

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
    bucket: BucketName | None = None
    """Name of the only bucket, which anyone may read: short for `buckets` with one entry; needs `views`."""
    views: list[AnyView] = []
    """What the only bucket shows."""
    about: AboutModel | None = None
    """What no file says about the images of the only bucket; needs `views`."""
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
        if self.buckets and (self.bucket is not None or self.views):
            raise ValueError("has `buckets` and `bucket` with `views`; write one bucket or several, not both")
        if self.about is not None and self.bucket is None:
            raise ValueError("has `about` without `bucket`; write it into each of the `buckets`")
        if (self.bucket is None) != (not self.views):
            lacking = "`views`, what it shows" if self.bucket is not None else "`bucket`, their name"
            raise ValueError(f"has {'a `bucket`' if self.bucket is not None else '`views`'} only; add {lacking}")
        if not self.buckets and self.bucket is None and self.buckets_from is None:
            raise ValueError("shows nothing: add `bucket:` and `views:`, `buckets:` or `buckets_from:`")
        return self

    def shown(self) -> dict[str, tuple[Path_, BucketModel]]:
        """Buckets by name, each with the place of the mapping that it is written in."""
        if self.bucket is not None:
            return {self.bucket: ((), BucketModel(views=self.views, about=self.about))}
        return {name: (("buckets", name), bucket) for name, bucket in self.buckets.items()}


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
