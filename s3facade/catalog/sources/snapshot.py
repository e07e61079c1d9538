"""What folders held when they were last listed, in memory and in the index: only those that changed are listed again.

A folder's own time tells whether a name in it came or went; that is what a quick look asks. It does not tell whether a
file was written to: a thorough look compares every file, too, and is taken less often.
"""

from __future__ import annotations

import errno
import json
import os
import stat as modes
from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence

from s3facade.catalog.sources.watch import UNSURE, Stamp, stamped
from s3facade.engine.index import Index
from s3facade.stores.local import GONE, translated, young

FIELDS = 3
"""Numbers by which a file is recognised: size, time of modification, inode."""
_SIGNED = (1 << 63) - 1


class Listing:
    """What one folder holds: names of folders in it, and of plain files with what they are recognised by.

    Links to folders are left out; links to files are files if they stay inside the root that is walked.
    """

    __slots__ = ("doubtful", "files", "folders", "kept", "prints", "readers", "stamp")

    def __init__(self, stamp: Stamp, folders: tuple[str, ...], files: tuple[str, ...], prints: array[int]) -> None:
        self.stamp = stamp
        """Of the folder, taken before it was listed."""
        self.folders = folders
        """Sorted."""
        self.files = files
        """Sorted."""
        self.prints = prints
        """`FIELDS` numbers for each file."""
        self.readers: list[str | None] = [None] * len(files)
        """Name of the reader that recognises each file, "" if none does; None: nobody has asked."""
        self.doubtful: tuple[int, ...] = ()
        """Numbers of files that ought to be images and are none: half written perhaps. A quick look asks for them."""
        self.kept = False
        """Whether the index holds all this."""

    def print(self, number: int) -> array[int]:
        """What the file is recognised by: changes when its bytes could have."""
        return self.prints[number * FIELDS : number * FIELDS + FIELDS]

    def fingerprint(self, number: int) -> str:
        """The same as text: `stores.local.fingerprint`."""
        return "-".join(map(str, self.print(number)))

    def doubt(self, number: int) -> None:
        """Have a file asked for at each look."""
        if number not in self.doubtful:
            self.doubtful = (*self.doubtful, number)

    def alike(self, other: Listing) -> bool:
        """Whether the other one holds the same files in the same state."""
        return self.files == other.files and self.folders == other.folders and self.prints == other.prints

    def learn(self, before: Listing) -> None:
        """Take over which readers recognise the files that are what they were."""
        known = {name: n for n, name in enumerate(before.files)}
        for n, name in enumerate(self.files):
            at = known.get(name)
            if at is not None and before.print(at) == self.print(n):
                self.readers[n] = before.readers[at]


class Snapshot:
    """The folders below all roots. Blocking; used by one thread at a time for each root.

    Args:
        index: Where listings outlive the process.
        readers: Names and versions of those that recognise files.
    """

    def __init__(self, index: Index | None, readers: object = ()) -> None:
        self._index = index
        self._readers = readers
        self._known: dict[tuple[str, str], Listing] = {}
        self.listed = 0
        """Folders that were listed so far, not merely looked at."""

    def folder(self, root: str, path: str, *, thorough: bool = False) -> Listing:
        """What a folder holds now.

        Args:
            root: Real path of what is walked: links that lead out of it are no files of it.
            path: Of the folder.
            thorough: Compare every file, not the folder's own time alone.

        Raises:
            OSError: It cannot be listed.
        """
        key = (root, path)
        known = self._known.get(key)
        stamp = stamped(os.stat(path))
        if known is not None and not thorough and stamp != UNSURE and known.stamp == stamp and not _moved(known, path):
            return known
        found = self._list(root, path, stamp)
        if known is not None:
            if found.alike(known):
                known.kept = known.kept and known.stamp == stamp
                known.stamp = stamp
                return known
            found.learn(known)
        self._known[key] = found
        return found

    def recall(self, root: str, paths: Sequence[str]) -> None:
        """Take from the index what it knows about folders that were not looked at yet."""
        wanted = [path for path in paths if (root, path) not in self._known]
        if self._index is None or not wanted:
            return
        for path, data in zip(wanted, self._index.many([self._name(root, path) for path in wanted]), strict=True):
            if data is not None:
                self._known[root, path] = _thawed(data)

    def keep(self, root: str, paths: Iterable[str]) -> None:
        """Put into the index what it does not hold yet and what may outlive the process."""
        if self._index is None:
            return
        for path in paths:
            listing = self._known.get((root, path))
            if listing is not None and not listing.kept:
                self._index.put(self._name(root, path), _frozen(listing))
                listing.kept = True
        self._index.flush()

    def forget(self, root: str, paths: Iterable[str]) -> None:
        """Drop folders that a walk did not meet any more."""
        for path in paths:
            self._known.pop((root, path), None)

    def _name(self, root: str, path: str) -> object:
        return ("folder", root, path, self._readers)

    def _list(self, root: str, path: str, stamp: Stamp) -> Listing:
        self.listed += 1
        folders: list[str] = []
        files: list[tuple[str, tuple[int, int, int]]] = []
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                elif (about := _file(entry, root)) is not None:
                    files.append((entry.name, _print(about)))
        files.sort()
        prints = array("q", [number for _, numbers in files for number in numbers])
        return Listing(stamp, tuple(sorted(folders)), tuple(name for name, _ in files), prints)


def _file(entry: os.DirEntry[str], root: str) -> os.stat_result | None:
    """The plain file behind an entry; None if it is none, or lies outside ``root``. Raises `SourceUnavailable`."""
    try:
        if entry.is_symlink() and not os.path.realpath(entry.path).startswith(root.rstrip("/") + "/"):
            return None
        about = entry.stat()
    except (*GONE, PermissionError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None  # links that lead to each other lead nowhere
        raise translated(entry.path, error) from error
    return about if modes.S_ISREG(about.st_mode) else None


def _moved(listing: Listing, folder: str) -> bool:
    """Whether a doubtful file was written to since."""
    for n in listing.doubtful:
        try:
            about = os.stat(f"{folder.rstrip('/')}/{listing.files[n]}")
        except OSError:
            return True
        if listing.print(n).tolist() != [*_print(about)]:
            return True
    return False


def _print(about: os.stat_result) -> tuple[int, int, int]:
    return about.st_size, about.st_mtime_ns, about.st_ino & _SIGNED


def _frozen(listing: Listing) -> bytes:
    prints = listing.prints
    # What was modified a moment ago may be modified again without a new time: the next process asks again.
    told = [None if young(prints[n * FIELDS + 1]) else reader for n, reader in enumerate(listing.readers)]
    names = sorted({reader for reader in told if reader is not None})
    numbers = [-1 if reader is None else names.index(reader) for reader in told]
    document = (listing.stamp, listing.folders, listing.files, b64encode(prints.tobytes()).decode(), names, numbers)
    return json.dumps(document, separators=(",", ":")).encode()


def _thawed(data: bytes) -> Listing:
    (modified, inode), folders, files, prints, names, numbers = json.loads(data)
    listing = Listing((modified, inode), tuple(folders), tuple(files), array("q", b64decode(prints)))
    listing.readers = [None if n < 0 else names[n] for n in numbers]
    listing.kept = True
    return listing
