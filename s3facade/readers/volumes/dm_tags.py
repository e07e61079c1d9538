"""The tree of tags that a file of DigitalMicrograph is.

Source: what is publicly known of the format, which its maker does not describe: headers and tags are big-endian,
values in the byte order that the header states; DM4 widens lengths to 64 bits and puts the length of a tag before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource
from s3facade.core.protocols import SourceFile
from s3facade.readers.volumes.common import peek

_VALUES = {
    2: "i2",
    3: "i4",
    4: "u2",
    5: "u4",
    6: "f4",
    7: "f8",
    8: "u1",
    9: "i1",
    10: "u1",
    11: "i8",
    12: "u8",
}
_STRUCT, _STRING, _ARRAY = 15, 18, 20
_GROUP, _DATA = 20, 21
_DEPTH = 64
_TAGS = 300_000
_INLINE = 1024
_WINDOW = 1 << 16


@dataclass(frozen=True, slots=True)
class Array:
    """Numbers in the file, not read."""

    offset: int
    nbytes: int


def version(head: bytes) -> int:
    """3 or 4; 0 if the file is neither."""
    if len(head) < 24 or head[:3] != b"\0\0\0" or head[3] not in (3, 4):
        return 0
    at = 8 if head[3] == 3 else 12
    order = int.from_bytes(head[at : at + 4], "big")
    plausible = head[at + 4] in (0, 1) and head[at + 5] in (0, 1)
    return head[3] if order in (0, 1) and plausible else 0


class Tags:
    """Reads the tags of one file.

    Args:
        file: The file.

    Raises:
        BadSource: It is none of DigitalMicrograph.
    """

    def __init__(self, file: SourceFile) -> None:
        self._file = file
        self._size = file.source.size
        self._window, self._start = b"", 0
        self._at = 0
        self._left = _TAGS
        found = version(self._take(24))
        if not found:
            raise BadSource("This is no file of DigitalMicrograph of version 3 or 4.")
        self._wide = found == 4
        self._at = 8 if found == 3 else 12
        self.order = "<" if self._number(4) else ">"

    def root(self) -> Any:
        """All tags: mappings by name, lists where tags have none; `Array` for long runs of numbers.

        Raises:
            BadSource: The tree is damaged, or larger than can be.
        """
        return self._group(0)

    def _take(self, n: int) -> bytes:
        if not (self._start <= self._at and self._at + n <= self._start + len(self._window)):
            if self._at + n > self._size:
                raise BadSource("The tags of the file end behind its end: it is cut short.", private=f"at {self._at}")
            self._window, self._start = peek(self._file, max(n, _WINDOW), self._at), self._at
        first = self._at - self._start
        self._at += n
        return self._window[first : first + n]

    def _number(self, n: int) -> int:
        return int.from_bytes(self._take(n), "big")

    def _length(self) -> int:
        return self._number(8 if self._wide else 4)

    def _group(self, depth: int) -> Any:
        if depth > _DEPTH:
            raise BadSource("The tags of the file are nested without end.")
        self._take(2)
        count = self._length()
        named: dict[str, Any] = {}
        listed: list[Any] = []
        for _ in range(count):
            self._left -= 1
            if self._left < 0:
                raise BadSource(f"The file has more than {_TAGS} tags.")
            kind = self._number(1)
            if kind == 0:
                break
            name = self._take(self._number(2)).decode("latin-1")
            if self._wide:
                self._take(8)
            if kind == _GROUP:
                value = self._group(depth + 1)
            elif kind == _DATA:
                value = self._value()
            else:
                raise BadSource(f"The file has a tag of kind {kind}, which is none.", private=f"at {self._at}")
            if name:
                named[name] = value
            else:
                listed.append(value)
        return named or listed

    def _value(self) -> Any:
        if self._take(4) != b"%%%%":
            raise BadSource("A tag of the file does not begin as tags do: it is damaged.", private=f"at {self._at}")
        count = self._length()
        if not 1 <= count <= 1 << 12:
            raise BadSource(f"A tag of the file is described by {count} numbers.")
        about = [self._length() for _ in range(count)]
        if about[0] in _VALUES:
            return self._numbers(about[0], 1)[0]
        if about[0] == _STRUCT:
            return [self._numbers(kind, 1)[0] for kind in self._fields(about[1:])]
        if about[0] == _STRING and count > 1:
            return self._run("u2", about[1], text=True)
        if about[0] == _ARRAY and count > 2:
            if about[1] == _STRUCT:
                size = sum(np.dtype(_VALUES[k]).itemsize for k in self._fields(about[2:-1]))
                return self._skip(size * about[-1])
            if about[1] in _VALUES:
                return self._run(_VALUES[about[1]], about[2], text=about[1] == 4)
        raise BadSource(f"The file has a tag of type {about[0]}, which is not known.", private=f"at {self._at}")

    def _fields(self, about: list[int]) -> list[int]:
        kinds = about[3::2] if len(about) > 1 else []
        kinds = kinds[: about[1]] if len(about) > 1 else []
        if any(k not in _VALUES for k in kinds):
            raise BadSource("The file has a structure of types that are not known.", private=f"at {self._at}")
        return kinds

    def _numbers(self, kind: int, count: int) -> list[Any]:
        number = np.dtype(self.order + _VALUES[kind])
        found: list[Any] = np.frombuffer(self._take(number.itemsize * count), number).tolist()
        return found

    def _run(self, number: str, count: int, *, text: bool) -> Any:
        dtype = np.dtype(self.order + number)
        if count > _INLINE:
            return self._skip(count * dtype.itemsize)
        at = self._at
        data = self._take(count * dtype.itemsize)
        if not text:
            # Short images are as short as this; whoever wants numbers reads them.
            return Array(at, len(data))
        words = data.decode("utf-16-le" if self.order == "<" else "utf-16-be", "replace")
        return Text(words.rstrip("\0"), at, len(data))

    def _skip(self, nbytes: int) -> Array:
        if nbytes > self._size - self._at:
            raise BadSource("The tags of the file end behind its end: it is cut short.", private=f"at {self._at}")
        found = Array(self._at, nbytes)
        self._at += nbytes
        return found


@dataclass(frozen=True, slots=True)
class Text:
    """Numbers of 16 bits that are mostly text; a very small image may be stored so, too."""

    words: str
    offset: int
    nbytes: int
