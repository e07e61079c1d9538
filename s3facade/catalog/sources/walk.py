"""Files of sources: found by walking folders, matched by patterns, recognised by readers; what is as it was, once."""

from __future__ import annotations

import os
import sys
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import TypeAlias

from s3facade import registry
from s3facade.catalog.contents import Broken, Plan
from s3facade.catalog.sources import remote
from s3facade.catalog.sources.candidates import Item
from s3facade.catalog.sources.groups import document, mixed
from s3facade.catalog.sources.recognise import Recogniser
from s3facade.catalog.sources.snapshot import Listing, Snapshot
from s3facade.catalog.sources.watch import UNSURE
from s3facade.config.pattern import Pattern
from s3facade.config.settings import SourceConfig
from s3facade.core.errors import ConfigError, SourceUnavailable
from s3facade.engine.index import Index
from s3facade.stores.files import is_remote, store
from s3facade.stores.local import GONE, translated

FOLDERS = frozenset({".zarr", ".n5", ".ngff", ".precomputed"})
"""Extensions of folders that are one image."""
_intern = sys.intern
_ENDS = (".gz", ".bz2")
_INNER = (".ome", ".companion")
Sniff: TypeAlias = Callable[[str], str]
"""Of a path: the name of the reader that recognises the file; "" if there is none."""


class Met:
    """What a source has in one folder, or altogether if it is no folder that is walked.

    Args:
        items: Its files, in order of path.
        again: Finds them once more, the same ones; None: they are kept.
    """

    __slots__ = ("_again", "_items", "broken", "claimed", "image", "left", "listing")

    def __init__(
        self,
        listing: Listing | None,
        items: tuple[Item, ...],
        broken: tuple[Broken, ...] = (),
        *,
        image: bool = False,
        left: tuple[str, ...] = (),
        claimed: bool = False,
        again: Callable[[], Met] | None = None,
    ) -> None:
        self.listing = listing
        self.broken = broken
        self.image = image
        """Whether the folder as a whole is one image: nothing below it is looked at."""
        self.left = left
        """Paths, as patterns see them, of what does not belong to the source."""
        self.claimed = claimed
        """Whether there is something in it that may make it one: that depends on what lies deeper, too."""
        self._items: tuple[Item, ...] | None = items
        self._again = again

    @property
    def any(self) -> bool:
        """Whether there are files."""
        return self._items is None or bool(self._items)

    @property
    def items(self) -> tuple[Item, ...]:
        """Its files. Raises `SourceUnavailable`."""
        found = self._items
        if found is None and self._again is not None:
            found = self._items = self._again().items
        return found or ()

    def forget(self) -> None:
        """Let go of what can be found again: values of hundreds of thousands of names."""
        if self._again is not None and self._items:
            self._items = None


@dataclass(slots=True)
class Known:
    """What was found of one source, by folder."""

    source: SourceConfig
    folders: dict[str, Met] = field(default_factory=dict)


class Files:
    """The files of all sources. Blocking; used by one thread at a time for each bucket.

    What is met in a folder that did not change is the same object at each call.

    Args:
        index: Where listings outlive the process.
        before: What an earlier configuration's files were found by: what is equal is taken over.
    """

    def __init__(self, index: Index | None, before: Files | None = None) -> None:
        readers = [(name, reader.version) for name, reader in registry.readers()]
        self.snapshot: Snapshot = before.snapshot if before else Snapshot(index, readers)
        self.recogniser: Recogniser = before.recogniser if before else Recogniser(index, readers)
        self.devices: dict[str, int] = before.devices if before else {}
        """Device that each root was on at first: another one means that a share is not mounted."""
        self.known: dict[str, Known] = dict(before.known) if before else {}
        """By name of the source."""

    def met(self, source: SourceConfig, plan: Plan, *, thorough: bool = False) -> Iterator[Met]:
        """Every file of a source, folder by folder; ``plan`` is told what cannot be shown, and what to watch.

        Args:
            source: The source.
            plan: What is being made.
            thorough: Whether each file is compared with what it was, and not the times of folders alone.

        Raises:
            SourceUnavailable: A folder cannot be looked at now: files that are not seen would be taken for deleted.
        """
        if source.synthetic is not None:
            yield Met(None, (Item("", "synthetic", {"stem": source.name, "path": source.name}),))
        elif source.file is not None:
            yield Met(None, (self._single(source, source.file),))
        elif source.files is None:
            raise ConfigError(f"sources.{source.name}: say what there is: `files`, `file` or `synthetic`.")
        elif is_remote(str(source.files.root)):
            plan.watch.trust(store(str(source.files.root)).address.refresh)
            yield Met(None, tuple(self._far(source, source.files, plan)))
        else:
            yield from self._walk(source, source.files, plan, thorough=thorough)

    def settled(self, sources: Iterable[SourceConfig]) -> bool:
        """Whether every file of some sources is what it was when they were walked; False where that takes a walk.

        Raises:
            OSError: A folder cannot be looked at now.
        """
        for source in sources:
            known = self.known.get(source.name)
            if source.files is None or known is None or known.source != source:
                return False
            real = os.path.realpath(source.files.root)
            for folder, met in known.folders.items():
                if met.claimed or self.snapshot.folder(real, folder, thorough=True) is not met.listing:
                    return False
        return True

    def _single(self, source: SourceConfig, file: Path) -> Item:
        path = str(file)
        if is_remote(path):
            found = remote.image(path, partial(marker, sniff=self.recogniser.name))
            folder = found is not None
        else:
            folder = os.path.isdir(path)
            found = marker(path, _names(path), sniff=self.recogniser.name) if folder else None
        reader = source.reader or self.recogniser.name(found or path)
        return Item(found or path, reader, {"stem": stem(file.name, folder=folder), "path": file.name})

    def _far(self, source: SourceConfig, pattern: Pattern, plan: Plan) -> Iterator[Item]:
        """Of files in a store."""
        root = str(pattern.root)
        left: list[str] = []
        plan.tally(source).left.append(left)

        def claimed(folder: str, names: Sequence[str]) -> str | None:
            asked = not source.reader and pattern.match(_relative(root, folder)) is not None
            return marker(folder, names, self.recogniser.name, asked=asked)

        for path, shown in remote.walk(source, pattern, claimed):
            item = _item(source, pattern, path, shown, self.recogniser.name)
            if item is not None:
                yield item
            else:
                left.append(_relative(root, shown))

    def _walk(self, source: SourceConfig, pattern: Pattern, plan: Plan, *, thorough: bool) -> Iterator[Met]:
        root = str(pattern.root)
        real = self._reached(root)
        known = self.known.get(source.name)
        if known is None or known.source != source:
            known = self.known[source.name] = Known(source)
        folders: dict[str, Met] = {}
        left = plan.tally(source).left
        self.snapshot.recall(real, [root])
        ahead = [(root, 0)]
        while ahead:
            folder, depth = ahead.pop()
            listing = self._listing(real, folder, root, plan, thorough=thorough)
            if listing is None:
                continue
            met = known.folders.get(folder)
            if met is None or met.listing is not listing or (thorough and met.claimed):
                met = self._meet(source, pattern, folder, listing)
            folders[folder] = met
            plan.broken += met.broken
            for n in listing.doubtful:
                plan.watch.doubt(f"{folder.rstrip('/')}/{listing.files[n]}", listing.fingerprint(n))
            if met.left:
                left.append(met.left)
            if met.any:
                yield met
            if not met.image:
                below = _below(pattern, root, folder, listing, depth + 1)
                if len(below) < len(listing.folders):
                    left.append(_not_entered(root, folder, listing, below))
                self.snapshot.recall(real, below)
                ahead += [(path, depth + 1) for path in reversed(below)]
        self.snapshot.forget(real, known.folders.keys() - folders.keys())
        known.folders = folders
        self.snapshot.keep(real, folders)

    def _reached(self, root: str) -> str:
        """The real path of a root. Raises `SourceUnavailable`, `SourceDenied`."""
        try:
            device = os.stat(root).st_dev
        except OSError as error:
            raise translated(root, error) from error
        if device != self.devices.setdefault(root, device):
            raise SourceUnavailable("A source folder is on another device than at first: is it mounted?", private=root)
        return os.path.realpath(root)

    def _listing(self, real: str, folder: str, root: str, plan: Plan, *, thorough: bool) -> Listing | None:
        """What a folder holds; None if it may not be read, which is told, or has just gone."""
        try:
            listing = self.snapshot.folder(real, folder, thorough=thorough)
        except OSError as error:
            plan.watch.note(folder, UNSURE)
            if isinstance(error, PermissionError) and folder != root:
                reason = "The folder may not be read by the server; check its permissions."
                plan.broken.append(Broken(folder, reason))
            elif not isinstance(error, GONE) or folder == root:
                raise translated(folder, error) from error
            return None
        plan.watch.note(folder, listing.stamp)
        return listing

    def _meet(self, source: SourceConfig, pattern: Pattern, folder: str, listing: Listing) -> Met:
        """What a source has in a folder. Raises `SourceUnavailable`."""
        root, base = str(pattern.root), folder.rstrip("/")

        def sniff(path: str) -> str:
            n = bisect_left(listing.files, path[len(base) + 1 :])
            known = listing.readers[n]
            if known is None:
                known = listing.readers[n] = sys.intern(self.recogniser.local(path))
                listing.kept = False
            return known

        claims = registry.marking(listing.files)
        if claims:
            asked = not source.reader and pattern.match(_relative(root, folder)) is not None
            image = marker(folder, claims, sniff, asked=asked, walked=not source.reader)
            if image is not None:
                unsaid = _unsayable(folder)
                item = None if unsaid else _item(source, pattern, image, folder, sniff)
                rest = () if unsaid or item else (_relative(root, folder),)
                return Met(listing, (item,) if item else (), unsaid, image=True, left=rest, claimed=True)
        items: list[Item] = []
        broken: list[Broken] = []
        left: list[str] = []
        for n, name in enumerate(listing.files):
            path = f"{base}/{name}"
            if unsaid := _unsayable(path):
                broken += unsaid
                continue
            item = _item(source, pattern, path, path, sniff)
            if item is None:
                left.append(_relative(root, path))
                continue
            items.append(item)
            if not item.reader:
                listing.doubt(n)
        again = partial(self._meet, source, pattern, folder, listing)
        return Met(listing, tuple(items), tuple(broken), left=tuple(left), claimed=bool(claims), again=again)


def _item(source: SourceConfig, pattern: Pattern, path: str, shown: str, sniff: Sniff) -> Item | None:
    """The item of a file that is shown by a path; None if it does not belong to the source."""
    folder = path is not shown
    relative = _relative(str(pattern.root), shown)
    read = pattern.read(relative)
    if read is None or any(p.accepts(shown) for p in source.skip):
        return None
    values, twice = read
    reader = source.reader or sniff(path)
    if not folder and not source.reader and _bare(reader) and document(reader, path):
        return None
    # A folder with a damaged marker is an image that cannot be shown, whatever it is called.
    if not (reader or pattern.captures or folder or shown.lower().endswith(tuple(registry.suffixes()))):
        return None
    told: dict[str, object] = {"stem": stem(relative, folder=folder), "path": relative}
    for name, value in values.items():
        # Thousands of files have the same: one copy is enough.
        told[name] = _intern(value) if type(value) is str else value
    return Item(path, reader, told, twice)


@cache
def _bare(reader: str) -> bool:
    """Whether files that a reader recognises, or that none does, may be documents of a folder's format."""
    return not reader or hasattr(registry.reader(reader), "bare")


def _relative(root: str, path: str) -> str:
    """``path`` as patterns see it; the folder that a pattern starts in may be the image itself, with all its files."""
    return path[len(root.rstrip("/")) + 1 :] or os.path.basename(root)


def _below(pattern: Pattern, root: str, folder: str, listing: Listing, depth: int) -> list[str]:
    """Sub-folders that may hold what matches, or be an image that does; ``depth`` is theirs, counted from the root."""
    paths = [f"{folder.rstrip('/')}/{name}" for name in listing.folders]
    if pattern.depth is None or depth < pattern.depth:
        return paths
    return [path for path in paths if depth == pattern.depth and pattern.match(_relative(root, path)) is not None]


def _not_entered(root: str, folder: str, listing: Listing, below: Sequence[str]) -> list[str]:
    """Folders that are deeper than the pattern goes, with a slash at the end; hidden ones are nobody's images."""
    paths = {f"{folder.rstrip('/')}/{name}" for name in listing.folders if not name.startswith(".")}
    return sorted(f"{_relative(root, path)}/" for path in paths.difference(below))


def _unsayable(path: str) -> tuple[Broken, ...]:
    """That no key can be made of a path, if so."""
    if path.isascii():
        return ()
    try:
        path.encode()
    except UnicodeEncodeError:
        return (Broken(ascii(path), "Its name is not UTF-8; rename it: S3 keys are."),)
    return ()


def marker(folder: str, names: Sequence[str], sniff: Sniff, *, asked: bool = True, walked: bool = False) -> str | None:
    """The file that makes its folder one image, if there is one: of several, the one whose reader is sure.

    Args:
        folder: Its path.
        names: What is in it.
        sniff: Recognises files.
        asked: Whether the folder itself is asked for; where files in it are, an index of these does not stand for them.
        walked: Whether it was met on the way, so that a mere group in which other images lie stays a folder.

    Raises:
        SourceUnavailable: It cannot be looked at now.
    """
    claimed, claiming = None, tuple(registry.suffixes())
    for name in registry.marking(names):
        path = os.path.join(folder, name)
        found = sniff(path)
        if found and registry.marks(found, name):
            if walked and mixed(folder, found):
                continue
            if asked or not getattr(registry.reader(found), "loose", False):
                return path
            continue
        # A damaged one must not make images, or broken ones, of all that lies below it.
        if not found and (folder.lower().endswith(claiming) or name.lower().endswith(claiming)):
            claimed = claimed or path
    return claimed


def _names(folder: str) -> list[str]:
    """What is in a folder. Raises `SourceUnavailable`."""
    try:
        return os.listdir(folder)
    except PermissionError:
        return []
    except OSError as error:
        raise translated(folder, error) from error


def stem(path: str, *, folder: bool = False) -> str:
    """A path without its image extension: ``a/b.ome.tif``, ``a/b.nii.gz`` and ``a/b.ome.zarr`` are ``a/b``.

    Args:
        path: Of a file, or of a folder that is one image.
        folder: Whether it is one: their names may have dots that begin no extension.
    """
    base, extension = os.path.splitext(path)
    if folder and extension.lower() not in FOLDERS:
        return path
    if extension.lower() in _ENDS:
        base, _ = os.path.splitext(base)
    if base.endswith(_INNER):
        for inner in _INNER:
            base = base.removesuffix(inner) or base
    return base
