"""A validated model to `Settings`: paths made absolute, patterns compiled, every reference checked."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from s3facade.config import model as m
from s3facade.config import places, secret
from s3facade.config.document import Document, Path_
from s3facade.config.models.about import AboutModel, about_of
from s3facade.config.pattern import absolute
from s3facade.config.pipelines import Pipelines
from s3facade.config.settings import (
    ALWAYS,
    BucketConfig,
    CredentialConfig,
    Grant,
    ImageConfig,
    Limits,
    LinksConfig,
    Server,
    Settings,
    ShelfConfig,
    SourceConfig,
    StoreConfig,
    View,
)
from s3facade.config.sources import Sources
from s3facade.config.template import Template, compile_template, unknown_name
from s3facade.config.views.bids import BidsView
from s3facade.config.views.files import FilesView
from s3facade.config.views.image import ImageView, Preview
from s3facade.core.errors import ConfigError


def resolve(config: m.ConfigModel, document: Document, modified: int) -> Settings:
    """Settings for a validated ``config``.

    Args:
        config: What `document` says, typed.
        document: Names lines in errors.
        modified: Of the file, nanoseconds since 1970, UTC.

    Raises:
        ConfigError: All references that lead nowhere, one per line, each with file, line and key.
    """
    resolver = _Resolver(document, config)
    stores = tuple(resolver.store(n, c) for n, c in config.stores.items())
    reader = Sources(document, config.stores, resolver.problem)
    sources = {n: reader.source(n, c) for n, c in config.sources.items()}
    pipelines = Pipelines(config, sources, document, resolver.problem, reader.vague)
    captures = pipelines.captures()
    resolver.sources, resolver.images, resolver.vague = pipelines.sources, pipelines.images, reader.vague
    shown = config.shown()
    buckets = tuple(resolver.bucket(n, c, captures, at) for n, (at, c) in shown.items())
    access = tuple(resolver.credential(i, c, config) for i, c in enumerate(config.access))
    links = resolver.links(config.links)
    shelf = resolver.shelf(config.buckets_from)
    resolver.doors(buckets, access, config)
    resolver.room(config)
    if resolver.problems:
        raise ConfigError("\n".join(dict.fromkeys(resolver.problems)))
    given = config.limits
    cache_dir = None if given.cache_dir is None else resolver.absolute(given.cache_dir)
    limits = Limits(
        *(given.memory, given.workers, given.queue, given.deadline, given.read),
        *(given.disk, given.index, cache_dir, given.spool),
    )
    net = config.server
    server = Server(
        net.host, net.port, net.region, tuple(net.domains), net.rescan, net.access_log, net.drain, resolver.public_url
    )
    return Settings(
        pipelines.sources, pipelines.images, buckets, access, links, shelf, limits, server,
        document.path, modified, stores, tuple(resolver.reads),
    )  # fmt: skip


@dataclass
class _Desk:
    """What the views of one bucket are resolved with: `s3facade.config.models.base.Resolving`."""

    resolver: _Resolver
    captures: Mapping[str, frozenset[str]]
    preview: Preview
    said: tuple[Path_, AboutModel | None] = ((), None)
    """What the bucket says about its images, and where."""
    bucket: str = ""
    public_url: str = ""

    def problem(self, at: Path_, sentence: object) -> None:
        self.resolver.problem(at, sentence)

    def absolute(self, text: str) -> Path:
        return self.resolver.absolute(text)

    def far(self, text: str) -> bool:
        return places.split(text, self.resolver.stores) is not None

    def reference(self, at: Path_, name: str) -> frozenset[str] | None:
        return self.resolver.reference(at, name, self.captures)

    def template(self, at: Path_, text: str, source: str) -> Template:
        return self._checked(at, compile_template(text), source)

    def filled(self, at: Path_, text: str, source: str) -> Template:
        return self._checked(at, compile_template(text, path=True), source)

    def about(self, at: Path_, own: AboutModel | None, source: str) -> Mapping[str, object]:
        first = self.resolver.origin(source)
        layers = (self.said, (("sources", first, "about"), self.resolver.said.get(first)), ((*at, "about"), own))
        return about_of(self, source, *layers)

    def _checked(self, at: Path_, template: Template, source: str) -> Template:
        known = self.reference((*at[:-1], "from"), source)
        for name in template.names:
            if known is not None and name not in known:
                self.problem(at, self.resolver.unknown(name, source, known))
        return template


class _Resolver:
    def __init__(self, document: Document, config: m.ConfigModel) -> None:
        self.document = document
        self.stores = config.stores
        self.base = document.path.parent
        self.problems: list[str] = []
        self.reads: list[Path] = []
        """Other files that were read."""
        self.public_url = (config.server.public_url or "").rstrip("/")
        self.said = {name: getattr(c, "about", None) for name, c in config.sources.items()}
        self.parents = {name: c.from_[0] for name, c in config.images.items()}
        self.sources: Mapping[str, SourceConfig] = {}
        self.images: Mapping[str, ImageConfig] = {}
        self.vague: Container[str] = ()
        """Sources of which not all columns are known."""

    def problem(self, at: Path_, sentence: object) -> None:
        if sentence:
            self.problems.append(f"{self.document.where(at)}: {sentence}" if at else str(sentence))

    def unknown(self, name: str, source: str, known: frozenset[str]) -> str:
        """A sentence on why a source or image gives no value for a name; empty where a broken table may be why."""
        for config in _behind(source, self.sources, self.images):
            if config.name in self.vague:
                return ""
            if name in config.unclear:
                return f"{name!r} {config.unclear[name]}"
            for one in config.stack:
                if one.capture == name:
                    return f"{name!r} tells no images of {source!r} apart: its files are stacked along {one.axis}"
        names = [*sorted(known - {*ALWAYS}), *(a for a in ALWAYS if a in known)]
        return unknown_name(name, f"capture of {source!r}", names)

    def origin(self, name: str) -> str:
        """The source that an image is made of, the first one of several."""
        seen = {name}
        while (parent := self.parents.get(name)) is not None and parent not in seen:
            seen.add(name := parent)
        return name

    def absolute(self, text: str) -> Path:
        """A path of the file's own folder; ``..`` is collapsed as in patterns."""
        return absolute(text, self.base)

    def store(self, name: str, c: m.StoreModel) -> StoreConfig:
        url = c.url.rstrip("/") + "/"
        given = self.secret(("stores", name), c.secret, c.secret_file) or None
        login = (c.key, given, c.session_token, c.anonymous)
        endpoint = None if c.endpoint is None else c.endpoint.rstrip("/")
        return StoreConfig(
            name, url, endpoint, c.region, *login, c.connections, c.timeout, c.refresh, tuple(c.redirects)
        )

    def bucket(self, name: str, c: m.BucketModel, captures: Mapping[str, frozenset[str]], above: Path_) -> BucketConfig:
        views: list[View] = []
        desk = _Desk(self, captures, c.preview, ((*above, "about"), c.about), name, self.public_url)
        for i, view in enumerate(c.views):
            at: Path_ = (*above, "views", i)
            try:
                views.append(view.resolve(at, desk))
            except ConfigError as error:
                self.problem((*at, "path"), error)
        self.overlaps(above, views)
        doors = (c.access, tuple(views), c.cache_control, c.cors)
        unmatched = self.plain((*above, "unmatched"), c.unmatched)
        return BucketConfig(name, *doors, warm=c.warm, list_sizes=c.list_sizes, unmatched=unmatched)

    def plain(self, at: Path_, text: str | None) -> str | None:
        """A key prefix without captures."""
        try:
            names = () if text is None else compile_template(text).names
        except ConfigError as error:
            self.problem(at, error)
            return None
        if names:
            self.problem(at, "has no captures; write a plain prefix, as in sourcedata")
        if text is not None and text.lower() in ("true", "false", "yes", "no", "on", "off"):
            self.problem(
                at, f"is the prefix of the files that match nothing, not {text!r}; write sourcedata, or remove it"
            )
        return text

    def overlaps(self, above: Path_, views: list[View]) -> None:
        """Two views must not claim the same keys, as far as their paths tell before any file is seen.

        Views of files and of single images have all that lies below their path to themselves.
        """
        paths = [(v, _prefix(v)) for v in views]
        for i, (one, outer) in enumerate(paths):
            for k, (other, inner) in enumerate(paths):
                alone = isinstance(one, ImageView | FilesView)
                same = inner == outer and i < k and "{" not in outer and (alone or type(one) is type(other))
                if same or (alone and _covers(outer, inner)):
                    at: Path_ = (*above, "views", k, "path")
                    self.problem(at, f"its keys lie among those of the view with the path {outer!r}; keep them apart")

    def reference(self, at: Path_, name: str, captures: Mapping[str, frozenset[str]]) -> frozenset[str] | None:
        if name not in captures:
            self.problem(at, unknown_name(name, "source or image", list(captures)))
        return captures.get(name)

    def credential(self, i: int, c: m.CredentialModel, config: m.ConfigModel) -> CredentialConfig:
        at: Path_ = ("access", i)
        grants = []
        for k, text in enumerate(c.buckets):
            name, slash, prefix = text.partition("/")
            if name != "*" and name not in config.shown() and config.buckets_from is None:
                self.problem((*at, "buckets", k), unknown_name(name, "bucket", list(config.shown())))
            grants.append(Grant(name, prefix[:-1] if slash else ""))
        if c.key in [other.key for other in config.access[:i]]:
            self.problem((*at, "key"), "this access key is given twice; list its buckets in one place")
        secret = self.secret(at, c.secret, c.secret_file)
        return CredentialConfig(c.key, secret, tuple(grants), c.session_token, c.max_requests, c.rate)

    def links(self, c: m.LinksModel | None) -> LinksConfig | None:
        return None if c is None else LinksConfig(self.secret(("links",), c.secret, c.secret_file), tuple(c.revoked))

    def secret(self, at: Path_, given: str | None, file: str | None) -> str:
        """The secret itself, or what the file holds."""
        if file is not None:
            try:
                self.reads.append(self.absolute(file))
                return secret.read(self.absolute(file))
            except ValueError as error:
                self.problem((*at, "secret_file"), error)
        return given or ""

    def shelf(self, c: m.ShelfModel | None) -> ShelfConfig | None:
        if c is None:
            return None
        root = self.absolute(c.root)
        if not root.is_dir():
            self.problem(("buckets_from",), f"{root} is not a folder")
        return ShelfConfig(root, dict(c.names), c.access, c.cache_control, c.cors)

    def room(self, config: m.ConfigModel) -> None:
        for name, bucket in config.buckets.items():
            if bucket.warm and not config.limits.disk:
                self.problem(("buckets", name, "warm"), "there is no place for it; set `disk` under `limits:`")

    def doors(
        self, buckets: tuple[BucketConfig, ...], access: tuple[CredentialConfig, ...], config: m.ConfigModel
    ) -> None:
        opened = {grant.bucket for c in access for grant in c.grants}
        for bucket in buckets:
            if bucket.access == "private" and not {bucket.name, "*"} & opened and config.links is None:
                at: Path_ = ("buckets", bucket.name, "access")
                self.problem(at, "no access key opens this bucket; add one under `access:`, or make it public")


def _behind(
    name: str, sources: Mapping[str, SourceConfig], images: Mapping[str, ImageConfig]
) -> Iterator[SourceConfig]:
    """The sources that an image is made of."""
    met, ahead = set(), [name]
    while ahead:
        here = ahead.pop()
        if here in sources:
            yield sources[here]
        elif here in images and here not in met:
            met.add(here)
            ahead += images[here].sources


def _prefix(view: View) -> str:
    """Where its keys lie; of a data set that is an assay of an ARC, below that."""
    if isinstance(view, BidsView):
        return view.root
    return view.path if isinstance(view.path, str) else view.path.text


def _covers(outer: str, inner: str) -> bool:
    """Whether every key of ``inner`` lies below the folder ``outer``; unknown, so False, where that has captures."""
    return "{" not in outer and inner != outer and (outer == "" or inner.startswith(outer + "/"))
