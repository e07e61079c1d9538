"""Frozen data as bytes and back, for files and other processes: reading it runs no code but the classes that are named.

A form of three parts: eight bytes with the length of a JSON tree, the tree, and the arrays that it refers to, each at a
multiple of eight bytes.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_ALIGN = 8
_SCALAR = frozenset({type(None), str, bool, int, float})


class _Arrays:
    """Bytes of arrays, one behind the other."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        # counted along: there may be tens of thousands, and a sum for each of them is most of the time
        self._size = 0

    def put(self, array: np.ndarray[Any, Any]) -> list[int]:
        """Offset and size of what is added."""
        data = np.ascontiguousarray(array).tobytes()
        offset = self._size
        self.parts += [data, _padding(len(data))]
        self._size += _aligned(len(data))
        return [offset, len(data)]


class Portable:
    """Writes and reads values made of plain types, tuples, mappings, arrays, dtypes and some dataclasses.

    Lists come back as tuples, mappings as dictionaries.

    Args:
        classes: The dataclasses that may occur; told apart by name.
    """

    def __init__(self, classes: Iterable[type[Any]]) -> None:
        self._classes = {c.__qualname__: c for c in classes}
        self._fields = {c: [f.name for f in dataclasses.fields(c)] for c in self._classes.values()}

    def dump(self, value: object) -> bytes:
        """``value`` as bytes. Raises `TypeError` on what has no such form."""
        arrays = _Arrays()
        tree = json.dumps(self._tree(value, arrays), separators=(",", ":")).encode()
        return b"".join([len(tree).to_bytes(8, "little"), tree, _padding(len(tree)), *arrays.parts])

    def load(self, data: bytes | memoryview) -> Any:
        """The value. Raises `ValueError` on anything that `dump` has not written."""
        view = memoryview(data)
        size = int.from_bytes(view[:8], "little")
        if len(view) < 8 + size:
            raise ValueError("portable data are cut short")
        try:
            tree = json.loads(str(view[8 : 8 + size], "utf-8"))
            return self._value(tree, view[_aligned(8 + size) :])
        except (TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
            raise ValueError(f"not portable data: {error}") from error

    def _tree(self, value: object, arrays: _Arrays) -> object:
        if value is None or isinstance(value, str | bool | int | float):
            return value
        if isinstance(value, tuple | list):
            return [self._tree(v, arrays) for v in value]
        if isinstance(value, Mapping):
            return {"m": [[self._tree(k, arrays), self._tree(v, arrays)] for k, v in value.items()]}
        if isinstance(value, bytes):
            return {"b": arrays.put(np.frombuffer(value, np.uint8))}
        if isinstance(value, np.dtype):
            return {"d": _dtype_name(value)}
        if isinstance(value, np.ndarray):
            return {"a": arrays.put(value), "d": _dtype_name(value.dtype), "s": list(value.shape)}
        if isinstance(value, np.generic):
            return self._tree(value.item(), arrays)
        names = self._fields.get(type(value))
        if names is None:
            raise TypeError(f"{type(value).__qualname__} is not portable")
        return {"c": type(value).__qualname__, "f": [self._tree(getattr(value, n), arrays) for n in names]}

    def _value(self, tree: Any, arrays: memoryview) -> Any:
        # Most leaves are numbers and words, and a call for each of them would be most of the time.
        value = self._value
        if type(tree) is list:
            return tuple([v if type(v) in _SCALAR else value(v, arrays) for v in tree])
        if type(tree) in _SCALAR:
            return tree
        if "c" in tree:
            kind = self._classes[tree["c"]]
            values = [v if type(v) in _SCALAR else value(v, arrays) for v in tree["f"]]
            if len(values) != len(self._fields[kind]):
                raise ValueError(f"{tree['c']} has other fields")
            return kind(*values)
        if "m" in tree:
            return {
                (k if type(k) in _SCALAR else value(k, arrays)): v if type(v) in _SCALAR else value(v, arrays)
                for k, v in tree["m"]
            }
        if "a" in tree:
            dtype, shape = np.dtype(tree["d"]), tuple(tree["s"])
            data = _taken(arrays, *tree["a"])
            if len(data) != math.prod(shape) * dtype.itemsize or min(shape, default=0) < 0:
                raise ValueError("an array is not as long as its shape")
            return np.frombuffer(data, dtype).reshape(shape)
        if "b" in tree:
            return bytes(_taken(arrays, *tree["b"]))
        return np.dtype(tree["d"])


def _aligned(size: int) -> int:
    return -(-size // _ALIGN) * _ALIGN


def _padding(size: int) -> bytes:
    return bytes(_aligned(size) - size)


def _taken(view: memoryview, offset: int, size: int) -> memoryview:
    if offset < 0 or size < 0 or offset + size > len(view):
        raise ValueError("portable data are cut short")
    return view[offset : offset + size]


def _dtype_name(dtype: np.dtype[Any]) -> str:
    if dtype.hasobject or dtype.fields is not None or dtype.subdtype is not None:
        raise TypeError(f"arrays of {dtype} are not portable")
    return dtype.str
