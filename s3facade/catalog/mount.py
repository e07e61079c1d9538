"""One image file, or a set of label files with it, shown at a prefix of a bucket."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from s3facade.core.errors import BadSource, SourceChanged, SourceError, SourceUnavailable, Unsupported
from s3facade.core.identity import digest
from s3facade.core.image import Dataset, Image, Opened, Source, derive, sources
from s3facade.core.keyspace import Dir, Grid
from s3facade.core.operators import Transform
from s3facade.core.protocols import Layout
from s3facade.core.spec import Level, Spec
from s3facade.engine.engine import Engine
from s3facade.stores.local import LocalFile, describe, unchanged
from s3facade.transforms.pyramid import pyramid, pyramid_like

MANY = 4
"""Images of more files than this are checked for change once a second, not at each request."""
AGAIN = 60.0
"""Seconds for which a file that does not open is refused from memory."""


def _tag(path: str) -> str:
    try:
        return describe(path).etag if path else ""
    except SourceError:
        return ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the images of one file are made."""

    path: str
    """Absolute; empty for images that need no file."""
    reader: str
    """Empty for a file that claims to be an image but that no reader recognises: its keys say so."""
    options: Mapping[str, object] = field(default_factory=dict)
    series: int | None = None
    pixel_size: Mapping[str, float] = field(default_factory=dict)
    """µm, by axis name."""
    steps: tuple[Transform, ...] = ()

    def images(self, engine: Engine) -> list[Image]:
        """Plans, with the levels that the file brings. Blocking; raises `SourceError`."""
        opened = engine.rasters.describe(self.path, self.reader, self.options)
        if self.series is not None:
            if self.series >= len(opened):
                raise Unsupported(f"There is no series {self.series}; the file holds {len(opened)}.", private=self.path)
            opened = [opened[self.series]]
        return [self._finished(image) for image in opened]

    def _finished(self, image: Image) -> Image:
        if self.pixel_size and isinstance(image, Opened):
            image = _resized(image, self.pixel_size)
        for step in self.steps:
            image = derive(image, step)
        return image


def _resized(image: Opened, size: Mapping[str, float]) -> Image:
    """The image with pixel sizes that the operator states, instead of the file's."""
    spec = image.spec
    base = dict(zip(spec.names, spec.levels[0].scale, strict=True))
    factor = {name: n / base[name] for name, n in size.items() if name in base}

    def sized(level: Level) -> Level:
        factors = [factor.get(name, 1.0) for name in spec.names]
        scale = tuple(s * f for s, f in zip(level.scale, factors, strict=True))
        origin = tuple(o * f for o, f in zip(level.origin, factors, strict=True))
        return replace(level, scale=scale, origin=origin)

    axes = tuple(replace(a, unit="micrometer") if a.name in factor else a for a in spec.axes)
    return _placed(image, replace(spec, axes=axes, levels=tuple(sized(level) for level in spec.levels)))


def _aligned(label: Image, image: Image) -> Image:
    """A label image that states no size of its own, where its image is: it counts the same voxels."""
    spec, like = label.spec, image.spec
    if any(axis.unit for axis in spec.axes) or len(spec.levels) > 1:
        return label
    known = {a.name: (a, s, o) for a, s, o in zip(like.axes, like.levels[0].scale, like.levels[0].origin, strict=True)}
    level = spec.levels[0]
    taken = [known.get(a.name, (a, s, o)) for a, s, o in zip(spec.axes, level.scale, level.origin, strict=True)]
    level = replace(level, scale=tuple(s for _, s, _ in taken), origin=tuple(o for _, _, o in taken))
    return _placed(label, replace(spec, axes=tuple(a for a, _, _ in taken), levels=(level,)))


def _placed(image: Image, spec: Spec) -> Image:
    identity = digest(image.spec.identity, "placed", [a.unit for a in spec.axes], spec.levels)
    return replace(image, spec=replace(spec, identity=identity))


class Mount:
    """A recipe and a layout; opens itself when a path leads into it, and again when its files change."""

    def __init__(
        self, engine: Engine, recipe: Recipe, layout: Layout, labels: Mapping[str, Recipe], modified: int = 0
    ) -> None:
        self.recipe = recipe
        self.modified = modified
        self.layout = layout
        self.labels = labels
        self.error: SourceError | None = None
        """Why it could not be opened the last time."""
        self._failed = (0.0, "")
        self._engine = engine
        self._lock = threading.Lock()
        self._node: Dir | Grid | None = None
        self.sources: tuple[Source, ...] = ()
        """Every file behind it; known once it has been open."""
        self.count = 0
        """Images in it; known once it has been open."""
        self.spec: Spec | None = None
        """Of the first one."""
        self._checked = 0.0
        self._named: tuple[object, str] = (None, "")

    @property
    def newest(self) -> str:
        """The digest of what it shows now; see `pin`."""
        return self._named[1]

    def pin(self, node: Dir | Grid) -> str:
        """The digest of all that the bytes below ``node`` depend on; empty if ``node`` is not the newest one."""
        newest, name = self._named
        return name if newest is node else ""

    def same(self, other: Mount) -> bool:
        """Whether the other one shows the same, so that what this one knows stays true."""
        mine = (self.recipe, self.layout, self.labels, self.modified)
        return mine == (other.recipe, other.layout, other.labels, other.modified)

    def fresh(self, now: float) -> bool:
        """Whether it is open and its files are what they were. ``now`` is a monotonic time in seconds."""
        if self._node is None:
            return False
        if len(self.sources) > MANY:
            if now - self._checked < 1.0:
                return True
            self._checked = now
        if all(unchanged(source) for source in self.sources):
            return True
        # Forgotten at once: whoever asks within the second must not be told that all is well.
        self._node = None
        return False

    def peek(self, now: float) -> Dir | Grid | None:
        """The key space, if it is known and true."""
        return self._node if self.fresh(now) else None

    def open(self, now: float) -> Dir | Grid:
        """The key space. Blocking. Raises `SourceError`, and remembers it in `error`."""
        with self._lock:
            node = self.peek(now)
            if node is None:
                self._refuse_again(now)
                try:
                    node = self._build()
                except (SourceUnavailable, SourceChanged) as error:
                    # It passes: the file is not broken, and the next request may be luckier.
                    error.at(self.recipe.path)
                    raise
                except SourceError as error:
                    error.at(self.recipe.path)
                    self.error = error
                    self._failed = (now, _tag(self.recipe.path))
                    raise
                self.error = None
                self._node = node
            return node

    def retry(self, now: float) -> bool:
        """Whether opening is worth a try: it never failed, the file has changed since, or a while has passed."""
        when, tag = self._failed
        return self.error is None or now - when > AGAIN or tag != _tag(self.recipe.path)

    def _refuse_again(self, now: float) -> None:
        if self.error is not None and not self.retry(now):
            raise self.error.with_traceback(None)

    def _build(self) -> Dir | Grid:
        if self.recipe.path and not self.recipe.reader:
            LocalFile.open(self.recipe.path).stream().close()
            raise BadSource("No reader recognises the file: it is empty, damaged or of another format.")
        images = [pyramid(image) for image in self.recipe.images(self._engine)]
        labels: dict[str, Image] = {}
        for name, recipe in self.labels.items():
            found = recipe.images(self._engine)
            if len(found) != 1:
                raise BadSource(f"The label file of {name!r} holds {len(found)} images; one is needed.")
            labels[name] = pyramid_like(_aligned(found[0], images[0]), images[0].spec)
        self.count, self.spec = len(images), images[0].spec
        named = {str(i): image for i, image in enumerate(images)} if len(images) > 1 else {"": images[0]}
        dataset = Dataset(named, labels, self.modified)
        node = self.layout.build(dataset)
        if not isinstance(node, Dir | Grid):
            raise Unsupported("The layout did not describe a folder.")
        every = {s.path: s for image in (*images, *labels.values()) for s in sources(image) if s.path}
        self.sources = tuple(every.values())
        shown = {
            name: image.spec.identity for name, image in (*named.items(), *((f"/{n}", i) for n, i in labels.items()))
        }
        self._named = (node, digest("mount", type(self.layout).__name__, self.layout.version, self.layout, shown))
        return node
