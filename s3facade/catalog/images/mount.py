"""A recipe and its labels, shown at a prefix of a bucket by a layout."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from s3facade.catalog.images.inside import inside, label, watched
from s3facade.catalog.images.placed import aligned
from s3facade.catalog.images.provenance import provenance
from s3facade.catalog.images.recipe import FaultyRecipe, Recipe, claimed, files, single
from s3facade.core.errors import BadSource, NoImage, SourceChanged, SourceError, SourceUnavailable, Unsupported
from s3facade.core.identity import digest
from s3facade.core.image import Dataset, Derived, Image, Opened, Source, derive, sources
from s3facade.core.keyspace import Deferred, Dir, File
from s3facade.core.keyspace import Opened as KeySpace
from s3facade.core.protocols import Layout
from s3facade.core.spec import Spec
from s3facade.engine.engine import Engine
from s3facade.engine.preview import strided
from s3facade.stores.files import describe, is_remote, unchanged
from s3facade.stores.local import young
from s3facade.transforms.pyramids.flat import flattened
from s3facade.transforms.pyramids.pyramid import Add, pyramid, pyramid_like

log = logging.getLogger("s3facade.catalog")
MANY = 4
"""Images of more files than this are checked for change once a second, not at each request."""
REST = 20
"""Looking at the files of a plate, tens of thousands, may take a twentieth of the time at most. So what is told of them
was true no longer ago than 21 times what a look takes, and than two seconds where that is less than 50 ms."""
GROWING = 0.05
"""Seconds after which a file that is being copied has grown."""
LONG = 64
"""A look at more files than this is left to the ``io`` pool: it must not hold up the event loop."""
_NEVER = (0.0, "")
AGAIN = 60.0
"""Seconds for which a file that does not open is refused from memory."""


def _tag(recipe: Recipe) -> str:
    """Changes when any file that may be opened for ``recipe`` does."""
    return digest([_etag(path) for path in files(recipe)])


def _etag(path: str) -> str:
    try:
        return describe(path).etag
    except SourceError:
        return ""


def _growing(recipe: Recipe) -> bool:
    """Whether a file that was written to a moment ago is being written to right now. Waits for that, shortly."""
    paths = [path for path in files(recipe) if not is_remote(path)]
    try:
        fresh = [source for source in map(describe, paths) if young(source.modified)]
    except SourceError:
        return False
    if not fresh:
        return False
    time.sleep(GROWING)
    return not all(map(unchanged, fresh))


def _members(images: Sequence[Image]) -> tuple[Source, ...]:
    """The files of the leaves that images start with, if there are several."""
    found: dict[str, Source] = {}
    for start in images:
        image = start
        while not isinstance(image, Opened):
            image = image.parent if isinstance(image, Derived) else image.parents[0]
        found.update((member.path, member) for member in image.members)
    return tuple(found.values()) if len(found) > 1 else ()


class _State:
    """What a mount knows since it was opened."""

    __slots__ = ("checked", "count", "lock", "looking", "named", "node", "shown", "sources", "spec", "took", "used")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.looking = threading.Lock()
        self.node: KeySpace | None = None
        self.sources: tuple[Source, ...] = ()
        self.count = 0
        self.spec: Spec | None = None
        self.shown: tuple[Image, ...] = ()
        self.checked = -math.inf
        """When its files are looked at again, monotonic."""
        self.took = 0.0
        """Seconds of the last look at them."""
        self.named: tuple[object, str] = (None, "")
        self.used = False
        """Whether it was asked for since somebody looked whether it was."""


class Kept:
    """Mounts that were opened lately: what others know is forgotten, and found out again when it is asked for.

    Args:
        limit: How many may stay open. One takes 5 to 25 kB, by how much its file tells.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._open: deque[Mount] = deque()
        self._lock = threading.Lock()

    def add(self, mount: Mount) -> None:
        """Note one that has just been opened; those that were not asked for since they were noted go first."""
        with self._lock:
            self._open.append(mount)
            while len(self._open) > self.limit:
                oldest = self._open.popleft()
                if oldest.used():
                    self._open.append(oldest)
                elif oldest is not mount:
                    oldest.forget()


KEPT = Kept(10_000)
"""The process's own, because its memory is."""
NOTHING: Mapping[str, Any] = MappingProxyType({})
_MAKING = threading.Lock()


class Judge(Protocol):
    """What knows more than that an image can be shown. Compared by value."""

    def remarks(self, dataset: Dataset) -> Iterable[str]:
        """Sentences on what is wrong with it, for whoever runs the server. Asked for again, it may give others."""
        ...


class Mount:
    """A recipe and a layout; opens itself when a path leads into it, and again when its files change.

    Light until then: a bucket may have hundreds of thousands.
    """

    __slots__ = (
        "_engine",
        "_failed",
        "_state",
        "about",
        "beside",
        "error",
        "judge",
        "labels",
        "layout",
        "leaf",
        "members",
        "modified",
        "opened",
        "recipe",
        "remarks",
        "sampled",
        "told",
    )

    def __init__(
        self,
        engine: Engine,
        recipe: Recipe,
        layout: Layout,
        labels: Mapping[str, Recipe],
        modified: int = 0,
        *,
        told: bool = True,
        sampled: bool = False,
        about: Mapping[str, object] | None = None,
        beside: bool = False,
        judge: Judge | None = None,
    ) -> None:
        self.recipe = recipe
        self.modified = modified
        self.told = told
        """Whether it shows how it was made."""
        self.sampled = sampled
        """Whether levels that would read too much show samples."""
        self.about: Mapping[str, object] = about or NOTHING
        """What the operator says about it."""
        self.beside = beside
        """Whether it is a document about an image, and no image."""
        self.judge = judge
        """Says what is wrong with an image that can be shown all the same."""
        self.remarks: Iterable[str] = ()
        """What it says of the image as it was opened the last time."""
        self.layout = layout
        self.leaf = bool(getattr(layout, "leaf", False))
        """Whether it is shown as a single file."""
        self.labels: Mapping[str, Recipe] = labels or NOTHING
        self.error: SourceError | None = recipe.error() if isinstance(recipe, FaultyRecipe) else None
        """Why it could not be opened the last time."""
        self.opened = False
        """Whether it has ever been open."""
        self.members: tuple[Source, ...] = ()
        """Files that its own file says it is made of, if there are several; known once it has been open."""
        self._failed = _NEVER
        self._engine = engine
        self._state: _State | None = None

    @property
    def sources(self) -> tuple[Source, ...]:
        """Every file behind it; known while it is open."""
        state = self._state
        return () if state is None else state.sources

    @property
    def count(self) -> int:
        """Images in it; known while it is open."""
        state = self._state
        return 0 if state is None else state.count

    @property
    def spec(self) -> Spec | None:
        """Of the first image; known while it is open."""
        state = self._state
        return None if state is None else state.spec

    @property
    def shown(self) -> tuple[Image, ...]:
        """All images, labels included; known while it is open."""
        state = self._state
        return () if state is None else state.shown

    @property
    def newest(self) -> str:
        """The digest of what it shows now; see `pin`."""
        state = self._state
        return "" if state is None else state.named[1]

    def used(self) -> bool:
        """Whether it was asked for since this was called the last time."""
        state = self._state
        if state is None or not state.used:
            return False
        state.used = False
        return True

    def forget(self) -> None:
        """Let go of what opening it found out; who asks next opens it again, and finds the same."""
        self._state = None

    def pin(self, node: KeySpace) -> str:
        """The digest of all that the bytes below ``node`` depend on; empty if ``node`` is not the newest one."""
        state = self._state
        newest, name = (None, "") if state is None else state.named
        return name if newest is node else ""

    def shows(
        self,
        recipe: Recipe,
        layout: Layout,
        labels: Mapping[str, Recipe],
        *,
        told: bool,
        sampled: bool,
        about: Mapping[str, object],
        beside: bool,
        judge: Judge | None,
    ) -> bool:
        """Whether one made of these would show the same, so that what this one knows stays true.

        Not asked is when the configuration was written: another one may show the same as ever.
        """
        return (
            (self.recipe is recipe or self.recipe == recipe)
            and (self.layout is layout or self.layout == layout)
            and (self.told, self.sampled, self.beside) == (told, sampled, beside)
            and self.labels == labels
            and self.about == about
            and self.judge == judge
        )

    def fresh(self, now: float, *, wait: bool = False) -> bool:
        """Whether it is open and its files are what they were. ``now`` is a monotonic time in seconds.

        Args:
            now: The time.
            wait: Whether a look at thousands of files may be waited for. If not, False says that one is due.
        """
        state = self._state
        if state is None or state.node is None:
            return False
        state.used = True
        node, sources = state.node, state.sources
        if len(sources) <= MANY:
            return self._look(state, node, sources)
        if now < state.checked:
            return True
        if state.looking.locked() and now < state.checked + max(1.0, state.took):
            # Somebody is at it: others need not wait, as long as what they are told was true a moment ago.
            return True
        if not wait and len(sources) > LONG:
            return False
        with state.looking:
            begun = time.monotonic()
            if begun < state.checked:
                return state.node is node
            true = self._look(state, node, sources)
            state.took = time.monotonic() - begun
            state.checked = begun + max(1.0, REST * state.took)
            return true

    @staticmethod
    def _look(state: _State, node: KeySpace, sources: Sequence[Source]) -> bool:
        """Whether files are what they were. If not, that is forgotten at once: nobody must be told that all is well."""
        if all(map(unchanged, sources)):
            return True
        if state.node is node:
            state.node = None
        return False

    def peek(self, now: float, *, wait: bool = False) -> KeySpace | None:
        """The key space, if it is known and true; ``wait`` as of `fresh`."""
        state = self._state
        return state.node if state is not None and self.fresh(now, wait=wait) else None

    def open(self, now: float) -> KeySpace:
        """The key space. Blocking. Raises `SourceError`, and remembers it in `error`."""
        state = self._stated()
        with state.lock:
            node = self.peek(now, wait=True)
            if node is None:
                self._refuse_again(now)
                begun = time.monotonic()
                try:
                    node = self._build(state)
                except (SourceUnavailable, SourceChanged) as error:
                    # It passes: the file is not broken, and the next request may be luckier.
                    error.at(self.recipe.path)
                    raise
                except SourceError as error:
                    error.at(self.recipe.path)
                    if _growing(self.recipe):
                        sentence = "The source file is being written; ask again when it is whole."
                        raise SourceChanged(sentence, private=error.explain()) from error
                    self.error = error
                    self._failed = (now, _tag(self.recipe))
                    raise
                self.error = None
                # Its files were described no earlier.
                state.checked = begun + 1.0
                state.node = node
                state.used = True
                self.opened = True
                KEPT.add(self)
            return node

    def _stated(self) -> _State:
        state = self._state
        if state is None:
            with _MAKING:
                state = self._state = self._state or _State()
        return state

    @property
    def silent(self) -> bool:
        """Whether it does not open because the file holds no image, which nobody has said that it does."""
        return isinstance(self.error, NoImage) and not claimed(self.recipe)

    def retry(self, now: float) -> bool:
        """Whether opening is worth a try: it never failed, the file has changed since, or a while has passed."""
        when, tag = self._failed
        return self.error is None or now - when > AGAIN or tag != _tag(self.recipe)

    def _refuse_again(self, now: float) -> None:
        if self.error is not None and not self.retry(now):
            raise self.error.with_traceback(None)

    def _build(self, state: _State) -> KeySpace:
        images = [self._levels(image) for image in self.recipe.images(self._engine)]
        labels: dict[str, Image] = {}
        brought = {name: r for name, r in inside(self.recipe, images).items() if name not in self.labels}
        left, watch = {}, []
        for name, of in brought.items():
            known = label(self.recipe, of, images[0], self._engine)
            if isinstance(known, str):
                log.warning("labels %r of %s are left out: %s", name, self.recipe.path, known)
                left[name] = known
                watch += watched(of)
            else:
                labels[name] = pyramid_like(known, images[0].spec, add=self._adding(known))
        for name, recipe in self.labels.items():
            found = recipe.images(self._engine)
            if len(found) != 1:
                raise BadSource(f"The label file of {name!r} holds {len(found)} images; one is needed.")
            stated = aligned(found[0], images[0])
            labels[name] = pyramid_like(stated, images[0].spec, add=self._adding(stated))
        belonging: dict[str, Recipe] = {**brought, **self.labels}
        state.count, state.spec = len(images), images[0].spec
        state.shown = (*images, *labels.values())
        named = {str(i): image for i, image in enumerate(images)} if len(images) > 1 else {"": images[0]}
        beside = {name: (belonging[name], image) for name, image in labels.items()}
        told = provenance(self.recipe, images, beside) if self.told else {}
        if told and left:
            told["labels_left_out"] = left
        dataset = Dataset(named, labels, self.modified, told, self.about)
        node = self.layout.build(dataset)
        # A document that would say nothing is an empty folder: there is no such key.
        nothing = self.leaf and isinstance(node, Dir) and not node.children
        if (isinstance(node, File) != self.leaf and not nothing) or isinstance(node, Deferred):
            raise Unsupported(f"The layout did not describe a {'file' if self.leaf else 'folder'}.")
        every = {s.path: s for image in (*images, *labels.values()) for s in sources(image) if s.path}
        every.update((s.path, s) for s in watch)
        state.sources = tuple(every.values())
        self.members = _members(images) if single(self.recipe) else ()
        shown = {
            name: image.spec.identity for name, image in (*named.items(), *((f"/{n}", i) for n, i in labels.items()))
        }
        how = (type(self.layout).__name__, self.layout.version, self.layout, self.about)
        state.named = (node, digest("mount", *how, shown))
        self.remarks = self.judge.remarks(dataset) if self.judge is not None else ()
        return node

    def _levels(self, image: Image) -> Image:
        """An image with the levels that the layout shows."""
        planes = bool(getattr(self.layout, "flat", False))
        given = flattened(image) if planes else image
        return pyramid(given, add=self._adding(given), planes=planes)

    def _adding(self, image: Image) -> Add:
        """How levels are added to an image."""
        return strided(image, self._engine.limits.read) if self.sampled else derive
