"""The configuration as the rest of the package reads it: plain frozen data, checked and complete.

Every reference in here resolves: a view's ``source`` names a source or an image, a credential's buckets exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from s3facade.config.joins import JoinConfig
from s3facade.config.pattern import Pattern
from s3facade.config.template import Template
from s3facade.config.views.bids import BidsView
from s3facade.config.views.bids_existing import BidsExistingView
from s3facade.config.views.collection import CollectionView, CrateView
from s3facade.config.views.files import FilesView
from s3facade.config.views.image import ImageView
from s3facade.config.views.plate import PlateView

Access = Literal["public", "private", "key-only"]
ListSizes = Literal["compute", "omit"]
ALWAYS = ("stem", "path")
"""Captured for every file: its path below the pattern's fixed folder, without and with the image extension."""
Sizes = int | Mapping[str, int]
"""Voxels along every space axis, or per axis name."""


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """A place on the network that files are read from."""

    name: str
    url: str
    """``s3://bucket/prefix/`` or ``https://host/path/``, ending in ``/``; holds no secret."""
    endpoint: str | None = None
    region: str | None = None
    key: str | None = None
    secret: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    anonymous: bool = False
    connections: int = 16
    timeout: float = 30.0
    """Seconds that one read may take, tries again included."""
    refresh: float = 60.0
    """Seconds for which what was found out about a file is believed."""
    redirects: tuple[str, ...] = ()
    """Other hosts that it may send the server to."""


@dataclass(frozen=True, slots=True)
class StepConfig:
    """One step of a pipeline, checked."""

    name: str
    """Registered name of a transform or combination."""
    value: Mapping[str, object]
    """Options by field, as written."""
    where: str = field(compare=False)
    """File, line and key, for errors."""
    base: Path
    """The folder that relative paths of parameter files start at."""
    operator: Any = None
    """The transform or combination; None where parameter files belong to it, and it is made when it is needed."""
    others: tuple[str, ...] = ()
    """Names of the other images that it takes, in order of fields."""
    captures: frozenset[str] = frozenset()
    """Captures that paths of its parameter files use."""
    combines: bool = False
    """Whether it makes one image of several."""
    files: tuple[Template, ...] = ()
    """Paths of its parameter files."""


@dataclass(frozen=True, slots=True)
class ChannelConfig:
    """How one channel is named and shown."""

    name: str
    color: str | None = None
    """RRGGBB, upper case."""


@dataclass(frozen=True, slots=True)
class StackConfig:
    """An axis that files of one image are stacked along."""

    axis: Literal["t", "c", "z"]
    capture: str
    step: StepConfig
    """The combination that does it."""


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """What there is. Exactly one of ``files``, ``file`` and ``synthetic`` is given."""

    name: str
    files: Pattern | None = None
    """Files found by walking ``files.root``."""
    file: Path | None = None
    """One file; absolute, or ``store:/key``."""
    synthetic: Mapping[str, object] | None = None
    """Options of the synthetic reader: ``shape`` (voxels by axis name), ``dtype``."""
    skip: tuple[Pattern, ...] = ()
    """Matching files are left out. Matched against the absolute path: `Pattern.accepts`."""
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    """µm per pixel by axis (z, y, x), instead of what the file says."""
    series: int | None = None
    """Only this image of each file, counted from 0; None: every image."""
    reader: str | None = None
    """Name of the reader; None: the first that recognises the file."""
    options: Mapping[str, object] = field(default_factory=dict)
    """Handed to the reader."""
    isolate: bool = False
    """Whether the reader runs in a process of its own."""
    listed: Path | None = None
    """A file of this machine that names the files of a store."""
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """What is shown for values of captures and columns, by name and value; others stay."""
    joins: tuple[JoinConfig, ...] = ()
    """Tables that say more about its files, in order."""
    unclear: Mapping[str, str] = field(default_factory=dict)
    """Why some of their columns may not be used, by name: there are two of the same name."""
    stack: tuple[StackConfig, ...] = ()
    """Captures that tell the planes of one image apart, from the innermost axis to the outermost."""
    channels: Mapping[str, ChannelConfig] = field(default_factory=dict)
    """By value of the capture that is stacked along c; by number from 1 if there is none."""

    @property
    def columns(self) -> frozenset[str]:
        """Columns of its tables that may be used as captures are."""
        return frozenset(column for one in self.joins for column in one.columns)

    @property
    def captures(self) -> frozenset[str]:
        """Names that its files give values for: captures of their paths, and columns of tables.

        Those that are stacked tell planes apart, not images: they are none of them.
        """
        if self.files is None:
            return frozenset()
        return frozenset(self.files.captures).union(self.columns) - {one.capture for one in self.stack}


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """A named pipeline."""

    name: str
    sources: tuple[str, ...]
    """Names of sources or other pipelines. More than one: images of equal captures become one by the first step."""
    steps: tuple[StepConfig, ...]
    group: tuple[str, ...] = ()
    """Captures: images that differ in these alone become one by the first step, in the order of their values."""


View = ImageView | FilesView | PlateView | BidsView | BidsExistingView | CrateView | CollectionView
"""Everything that a bucket can show; see `s3facade.config.views`."""


@dataclass(frozen=True, slots=True)
class BucketConfig:
    """One bucket."""

    name: str
    access: Access
    """``public``: anybody may read and list. ``private``: only who has a grant. ``key-only``: anybody may read who
    knows the key, only who has a grant may list."""
    views: tuple[View, ...]
    cache_control: str | None = None
    """Value of the Cache-Control header of its objects."""
    cors: tuple[str, ...] = ("*",)
    """Origins whose pages may read it; a star stands for any text. Empty: none."""
    warm: bool = False
    """Whether what is dear to compute is kept on disk beforehand."""
    list_sizes: ListSizes = "compute"
    """What listings do about objects whose size only computing tells: compute it, or leave them out until then."""
    unmatched: str | None = None
    """Key prefix, without a final slash, of files that match no source, as they are; None: they are not shown."""


@dataclass(frozen=True, slots=True)
class ShelfConfig:
    """A folder whose sub-folders are buckets."""

    root: Path
    """Absolute."""
    names: Mapping[str, str] = field(default_factory=dict)
    """Names of buckets by sub-folder, where the two differ."""
    access: Access = "public"
    cache_control: str | None = None
    cors: tuple[str, ...] = ("*",)


@dataclass(frozen=True, slots=True)
class Grant:
    """Keys that a credential opens."""

    bucket: str
    """Its name, or ``"*"``: every bucket."""
    prefix: str = ""
    """Text that the keys start with."""


@dataclass(frozen=True, slots=True)
class CredentialConfig:
    """One access key and what it opens."""

    key: str
    secret: str = field(repr=False)
    grants: tuple[Grant, ...]
    token: str | None = field(default=None, repr=False)
    """Session token that has to be sent with it."""
    max_requests: int | None = None
    """Requests in work at once, per worker."""
    rate: float | None = None
    """Requests per second, per worker."""


@dataclass(frozen=True, slots=True)
class LinksConfig:
    """How links to prefixes are signed."""

    secret: str = field(repr=False)
    revoked: tuple[str, ...] = ()
    """Ids of links that open nothing any more."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the server may use."""

    memory: int = 1 << 30
    """Bytes of pixels and encoded chunks held at once, over all worker processes."""
    workers: int | None = None
    """Worker processes; None: one per core, at most 8."""
    queue: int = 1024
    """Requests per worker that may wait for a thread before the answer is 503 SlowDown."""
    deadline: float = 60.0
    """Seconds that a request may wait for its next bytes, or for a file to be opened."""
    read: int = 16 << 30
    """Bytes of original voxels that one chunk may be computed from, beyond those that are kept already."""
    disk: int = 0
    """Bytes of computed blocks kept on disk, over all worker processes; 0: none."""
    index: int = 512 << 20
    """Bytes of what was found out about files, kept on disk; 0: none."""
    cache_dir: Path | None = None
    """Absolute; None: where the system keeps caches of this user."""
    spool: int = 20 << 30
    """Bytes of remote files that are kept whole on disk, for libraries that take nothing else."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how it listens."""

    host: str = "127.0.0.1"
    port: int = 9000
    region: str = "us-east-1"
    domains: tuple[str, ...] = ()
    """Host names below which ``bucket.domain`` addresses a bucket."""
    rescan: float = 10.0
    """Seconds until a folder is looked at again; 0 turns it off."""
    access_log: bool = False
    drain: float = 30.0
    """Seconds that running requests get to end after SIGTERM."""
    public_url: str = ""
    """Address that clients reach it by, without a final slash; empty: it is not known."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole configuration."""

    sources: Mapping[str, SourceConfig]
    images: Mapping[str, ImageConfig]
    buckets: tuple[BucketConfig, ...]
    access: tuple[CredentialConfig, ...] = ()
    links: LinksConfig | None = None
    shelf: ShelfConfig | None = None
    limits: Limits = field(default_factory=Limits)
    server: Server = field(default_factory=Server)
    path: Path | None = None
    """The configuration file; None without one."""
    modified: int = 0
    """Of the configuration file: nanoseconds since 1970, UTC; 0 without one."""
    stores: tuple[StoreConfig, ...] = ()
    """Places on the network that sources name."""
    reads: tuple[Path, ...] = ()
    """Other files that were read with the configuration file: secrets."""
