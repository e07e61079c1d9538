"""The metadata of ND2 files as trees: the binary form of newer files, the XML of older ones.

In both, names begin with letters for a type (``dCalibration``, ``uiWidth``), which are kept. Lists are made of items
without names; in XML without values.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from s3facade.core.errors import BadSource
from s3facade.readers.trees import parsed

MAX_DEPTH = 40
MAX_INFLATED = 256 << 20
_NUMBERS: Mapping[int, str] = {1: "<?", 2: "<i", 3: "<I", 4: "<q", 5: "<Q", 6: "<d", 7: "<Q"}
_TEXT, _BYTES, _LEVEL, _COMPRESSED = 8, 9, 11, 76


def tree(data: bytes) -> Any:
    """The metadata in a chunk. Raises `BadSource`."""
    if data[:1] == b"<":
        return _from_xml(data)
    try:
        return _level(data, 0, 1, 0)[0]
    except (struct.error, IndexError, zlib.error, UnicodeDecodeError) as error:
        raise BadSource("Metadata of the ND2 file cannot be read; it is damaged.", private=repr(error)[:200]) from error


def _level(data: bytes, at: int, count: int, depth: int) -> tuple[Any, int]:
    """``count`` values from ``at`` on: a mapping, or a list where they have no names; and where they end."""
    if depth > MAX_DEPTH:
        raise BadSource("The metadata of the ND2 file are nested too deeply.")
    named: dict[str, Any] = {}
    items: list[Any] = []
    for _ in range(count):
        if at >= len(data):
            break
        begin, kind = at, data[at]
        if kind == _COMPRESSED:
            stream = zlib.decompressobj()
            plain = stream.decompress(data[at + 12 :], MAX_INFLATED)
            return _level(plain, 0, 1, depth + 1)[0], len(data)
        length = data[at + 1]
        name = data[at + 2 : at + 2 + 2 * length].decode("utf-16-le").rstrip("\0")
        at += 2 + 2 * length
        if kind == _LEVEL:
            inner, size = struct.unpack_from("<IQ", data, at)
            end = begin + size
            if not at + 12 <= end <= len(data):
                raise struct.error("a level ends outside its data")
            value, _ = _level(data[:end] if depth == 0 else data, at + 12, min(inner, size), depth + 1)
            # behind the values stand their places, eight bytes each
            at = end + 8 * inner
        else:
            value, at = _value(data, at, kind)
        if name:
            named[name] = value
        else:
            items.append(value)
    return (items if items and not named else named), at


def _value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in _NUMBERS:
        (value,) = struct.unpack_from(_NUMBERS[kind], data, at)
        if isinstance(value, float) and not math.isfinite(value):
            value = None
        return value, at + struct.calcsize(_NUMBERS[kind])
    if kind == _TEXT:
        end = at
        while data[end : end + 2] not in (b"\0\0", b""):
            end += 2
        return data[at:end].decode("utf-16-le", "replace"), end + 2
    if kind == _BYTES:
        (size,) = struct.unpack_from("<Q", data, at)
        if size > len(data) - at - 8:
            raise struct.error("bytes end outside their data")
        return list(data[at + 8 : at + 8 + size]), at + 8 + size
    raise struct.error(f"a value of the kind {kind}")


def _from_xml(data: bytes) -> Any:
    found = parsed(data) or parsed(data.decode("utf-8", "ignore"))
    if not found:
        raise BadSource("Metadata of the ND2 file are no XML; it is damaged.")
    value = _plain(next(iter(found.values())), 0)
    # one item without a name in a list of one
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _plain(node: Any, depth: int) -> Any:
    if not isinstance(node, Mapping):
        return node
    if depth > MAX_DEPTH:
        raise BadSource("The metadata of the ND2 file are nested too deeply.")
    if "@value" in node:
        return _typed(str(node.get("@runtype", "")), str(node["@value"]))
    named: dict[str, Any] = {}
    items: list[Any] = []
    for name, children in node.items():
        for child in children if isinstance(children, list) else [children]:
            if name.startswith(("@", "#")) or child is None:
                continue
            if name == "no_name" or isinstance(children, list):
                items.append(_plain(child, depth + 1))
            else:
                named[name] = _plain(child, depth + 1)
    return items if items and not named else named


def _typed(kind: str, text: str) -> Any:
    try:
        if kind == "bool":
            return text.lower() in ("true", "1")
        if kind in ("double", "float"):
            value = float(text)
            return value if math.isfinite(value) else None
        if kind.startswith("lx_"):
            return int(text)
    except ValueError:
        return None
    return text


def inside(node: Any, path: str) -> Any:
    """The value at ``path`` (names with ``/`` between), lists as they are; None if there is none."""
    for name in path.split("/"):
        node = node.get(name) if isinstance(node, Mapping) else None
    return node


def items(value: Any) -> list[Any]:
    """The items of a list, or the values of a mapping, whose names are numbers or ``i0000000000`` and the like."""
    if isinstance(value, list):
        return value
    return list(value.values()) if isinstance(value, Mapping) else []
