"""Files opened with h5py: links followed under our own rules, what the library raises put in our words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from s3facade.core.errors import BadSource, SourceDenied, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.hdf5.guard import Guarded

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MAX_HOPS = 16
"""Links that are followed to reach one object."""
MAX_OBJECTS = 50_000
"""Objects that are looked at when images are searched for; more is refused."""
MAX_FILES = 4096
"""Files that one file may link to."""
_RAISED = (
    OSError, KeyError, RuntimeError, ValueError, TypeError, IndexError, AttributeError, ArithmeticError, MemoryError,
)  # fmt: skip
"""What h5py raises for damaged files."""


def is_hdf5(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is HDF5, perhaps behind a user block of a power of two bytes."""
    return any(head[at : at + 8] == SIGNATURE for at in (0, 512, 1024, 2048))


@dataclass(frozen=True, slots=True)
class Found:
    """An object of one of the files of a `Tree`."""

    item: Any
    """A group or dataset of h5py."""
    file: int
    """Index into `Tree.files`."""

    @property
    def name(self) -> str:
        """Path in its file."""
        name = self.item.name or "/"
        return name if isinstance(name, str) else bytes(name).decode("utf-8", "backslashreplace")

    @property
    def is_dataset(self) -> bool:
        """Whether it is a dataset, not a group."""
        return hasattr(self.item, "chunks")


class Tree:
    """An open file, and those that its external links lead to. Made by `opened`."""

    def __init__(self, file: SourceFile, stack: ExitStack) -> None:
        self._stack = stack
        self._open: list[Any] = []
        self.files: list[SourceFile] = []
        """The opened file, then the linked ones."""
        self._add(file)

    @property
    def root(self) -> Found:
        """The root group."""
        return Found(self._open[0]["/"], 0)

    def find(self, path: str, start: Found | None = None) -> Found | None:
        """The object at ``path`` below ``start`` (default: the root); None if there is none.

        External links are followed to files of the same folder or below it.

        Raises:
            BadSource: Links run in a circle.
            Unsupported, SourceNotFound, SourceDenied: A link to a file that is not or must not be there.
        """
        here = start or self.root
        steps = [s for s in reversed(path.split("/")) if s not in ("", ".")]
        hops = 0
        while steps:
            if here.is_dataset:
                return None
            name = steps.pop()
            target, other = _link(here.item, name)
            if target is None:
                item = _member(here.item, name)
                if not (hasattr(item, "keys") or hasattr(item, "chunks")):
                    return None
                here = Found(item, here.file)
                continue
            hops += 1
            if hops > MAX_HOPS:
                raise BadSource("Links in the HDF5 file run in a circle.", private=f"{here.name}: {name}")
            number = here.file if other is None else self._linked(other, here.file)
            if other is not None or target.startswith("/"):
                here = Found(self._open[number]["/"], number)
            steps += [s for s in reversed(target.split("/")) if s not in ("", ".")]
        return here

    def group(self, path: str, start: Found | None = None) -> Found | None:
        """The group at ``path``; None if there is none. Raises as `find`."""
        found = self.find(path, start)
        return None if found is None or found.is_dataset else found

    def dataset(self, path: str, start: Found | None = None) -> Found | None:
        """The dataset at ``path``; None if there is none. Raises as `find`."""
        found = self.find(path, start)
        return found if found is not None and found.is_dataset else None

    def walk(self) -> Iterator[Found]:
        """Every dataset and group of the opened file once, by path; links to other places are not followed.

        Raises:
            Unsupported: There are more than `MAX_OBJECTS`.
        """
        seen: set[Any] = set()
        ahead = [self.root]
        while ahead:
            here = ahead.pop()
            if here.item.id in seen:
                continue
            seen.add(here.item.id)
            if len(seen) > MAX_OBJECTS:
                raise Unsupported(
                    f"The HDF5 file has more than {MAX_OBJECTS} objects; write which one is the image as the option "
                    "`dataset`."
                )
            yield here
            if not here.is_dataset:
                below = []
                for name in reversed(names(here.item)):
                    if _link(here.item, name)[0] is None:
                        item = _member(here.item, name)
                        if hasattr(item, "keys") or hasattr(item, "chunks"):
                            below.append(Found(item, here.file))
                ahead += below

    def _linked(self, name: str, base: int) -> int:
        if name.startswith("/") or "\\" in name or ":" in name:
            raise SourceDenied(f"The HDF5 file links to {name!r}; only files beside it are read.")
        other = self.files[base].sibling(name)
        for number, file in enumerate(self.files):
            if file.source.path == other.source.path:
                return number
        if len(self.files) >= MAX_FILES:
            raise Unsupported(f"The HDF5 file links to more than {MAX_FILES} files.")
        return self._add(other)

    def _add(self, file: SourceFile) -> int:
        import h5py

        stream = self._stack.enter_context(file.stream())
        if not is_hdf5(stream.read(4096)):
            raise BadSource("The file does not begin like HDF5.", private=file.source.path)
        stream.seek(0)
        # A file that is being written carries a lock or a mark; it is only read here, as it is now.
        opened = h5py.File(Guarded(stream, file.source.size), "r", locking=False)
        self._stack.callback(opened.close)
        self._open.append(opened)
        self.files.append(file)
        return len(self.files) - 1


def names(group: Any) -> list[str]:
    """The members of a group, sorted; bytes that are no UTF-8, as older programs wrote them, are escaped."""
    return sorted(n if isinstance(n, str) else n.decode("utf-8", "surrogateescape") for n in group)


def _member(group: Any, name: str) -> Any:
    return group.get(name.encode("utf-8", "surrogateescape"))


def own_group(group: Any, name: str) -> Any:
    """A group that is a member of ``group``, not linked from elsewhere; None if there is none of that name."""
    item = None if _link(group, name)[0] is not None else _member(group, name)
    return item if hasattr(item, "keys") else None


def _link(group: Any, name: str) -> tuple[str | None, str | None]:
    """Where a soft or external link leads, and to which file; nothing for members of the group itself."""
    import h5py

    links, key = group.id.links, name.encode("utf-8", "surrogateescape")
    kind = links.get_info(key).type if links.exists(key) else h5py.h5l.TYPE_HARD
    if kind == h5py.h5l.TYPE_SOFT:
        return links.get_val(key).decode("utf-8", "replace"), None
    if kind == h5py.h5l.TYPE_EXTERNAL:
        other, target = links.get_val(key)
        return target.decode("utf-8", "replace"), other.decode("utf-8", "replace")
    return None, None


@contextmanager
def opened(file: SourceFile) -> Iterator[Tree]:
    """The open file, closed again behind the ``with``.

    Raises:
        BadSource: Whatever h5py finds wrong, inside the ``with``, too.
        Unsupported: It is larger than this version reads, or of a future version.
    """
    with ExitStack() as stack, _whole(file), translated(file.source.path):
        yield Tree(file, stack)


@contextmanager
def _whole(file: SourceFile) -> Iterator[None]:
    """What is read while it is written may make no sense: then it is no damage. Raises `SourceChanged` instead."""
    try:
        yield
    except BadSource:
        file.pread(0, min(1, file.source.size))
        raise


@contextmanager
def translated(where: str) -> Iterator[None]:
    """What h5py raises, as `BadSource`."""
    try:
        yield
    except ModuleNotFoundError:
        raise
    except _RAISED as error:
        raise BadSource(
            "The HDF5 file is damaged or incomplete: its structure cannot be read.",
            private=f"{where}: {type(error).__name__}: {error!s:.300}",
        ) from error
