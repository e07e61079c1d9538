"""The files of an OIF: beside it in a folder, or as streams of an OIB."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from s3facade.core.errors import BadSource, SourceNotFound
from s3facade.core.protocols import SourceFile
from s3facade.readers.oif.compound import Extent, compound

MAX_TEXT = 16 << 20
"""Bytes of settings that are read."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file, as pieces of a file of the store."""

    name: str
    source: SourceFile
    index: int
    """Of the source among the files of the image."""
    extents: tuple[Extent, ...]

    @property
    def nbytes(self) -> int:
        """Length."""
        return sum(n for _, n in self.extents)

    def pieces(self, offset: int, nbytes: int) -> list[Extent]:
        """Where ``nbytes`` from ``offset`` on lie. Raises `BadSource`."""
        found, at = [], 0
        for start, size in self.extents:
            low, high = max(offset, at), min(offset + nbytes, at + size)
            if low < high:
                found.append((start + low - at, high - low))
            at += size
        if sum(n for _, n in found) != nbytes:
            raise BadSource(f"The file is incomplete: {self.name} is cut short.")
        return found

    def read(self, offset: int, nbytes: int) -> bytes:
        """Bytes of it. Raises `BadSource`."""
        return b"".join(bytes(self.source.pread(*p)) for p in self.pieces(offset, nbytes))

    def text(self) -> str:
        """All of it as text: UTF-16 where it begins with its mark, else Latin-1. Raises `BadSource`."""
        data = self.read(0, min(self.nbytes, MAX_TEXT))
        return data.decode("utf-16", "replace") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else data.decode("latin-1")


@dataclass(frozen=True, slots=True)
class Folder:
    """All files of an image."""

    main: Member
    names: frozenset[str]
    """Of the files beside the settings."""
    files: list[SourceFile]
    """What `Member.index` counts in; grows as members are asked for."""
    streams: Mapping[str, tuple[Extent, ...]]
    """By name, in an OIB; empty in an OIF."""
    folder: str = ""
    known: dict[str, Member] = field(default_factory=dict)

    def member(self, name: str) -> Member:
        """One of ``names``. Raises `SourceNotFound`."""
        if name not in self.known:
            if self.folder:
                source = self.files[0].sibling(f"{self.folder}/{name}")
                self.files.append(source)
                made = Member(name, source, len(self.files) - 1, ((0, source.source.size),))
            else:
                made = Member(name, self.files[0], 0, self.streams[name])
            self.known[name] = made
        return self.known[name]


def beside(file: SourceFile) -> Folder:
    """The files of an OIF. Raises `SourceNotFound`."""
    name = file.source.path.rpartition("/")[2]
    folder = f"{name}.files"
    if f"{folder}/" not in file.names():
        raise SourceNotFound(f"The planes of an OIF lie in a folder beside it, {folder!r}; it is missing.")
    names = frozenset(n for n in file.names(folder) if not n.endswith("/"))
    main = Member(name, file, 0, ((0, file.source.size),))
    return Folder(main, names, [file, file.folder(folder)], {}, folder)


def inside(file: SourceFile) -> Folder:
    """The files of an OIB, by the names that its table of contents gives the streams. Raises `BadSource`."""
    found = compound(file)
    contents = found.streams.get("OibInfo.txt")
    if contents is None:
        raise BadSource("The OIB file has no table of contents, OibInfo.txt.")
    table = settings(Member("OibInfo.txt", file, 0, contents).text()).get("OibSaveInfo", {})
    main = table.get("MainFileName", "")
    streams = {}
    for key, value in table.items():
        if key.startswith("Stream"):
            above, slash, name = value.rpartition("/")
            extents = found.streams.get(f"{above}{slash}{key}")
            if extents is not None:
                streams["" if key == main else name] = extents
    if "" not in streams:
        raise BadSource("The OIB file has no settings: the stream that its table of contents names is missing.")
    names = frozenset(n for n in streams if n)
    return Folder(Member("the settings", file, 0, streams[""]), names, [file], streams)


def settings(text: str) -> dict[str, dict[str, str]]:
    """Sections of names and values, quotes removed."""
    found: dict[str, dict[str, str]] = {}
    section: dict[str, str] = {}
    for line in text.lstrip("\ufeff").splitlines():
        words = line.strip().strip("\0")
        if words.startswith("[") and words.endswith("]"):
            section = found.setdefault(words[1:-1], {})
        elif "=" in words:
            name, _, value = words.partition("=")
            section[name.strip()] = value.strip().strip("\"'")
    return found
