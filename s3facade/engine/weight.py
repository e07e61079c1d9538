"""About how much memory parsed structure takes: what decides how many files stay open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from types import FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from s3facade.core.protocols import Raster
from s3facade.core.spec import Spec

FEW = 8
"""Images or files."""
SMALL = 8 << 10
"""Bytes that every file is taken to need."""
SAMPLE = 64
"""Members of a long list that are looked at; the others are taken to be like them."""
MOST = 4096
"""Objects that are looked at."""
_SMALL = frozenset({int, float, complex, bool, type(None)})
_SKIPPED = (type, ModuleType, FunctionType, MethodType, Spec)
"""Descriptions stay in memory as long as the image is shown, whoever else holds them."""


def held(rasters: Sequence[Raster]) -> int:
    """Bytes that the parsed structure of a file takes, roughly.

    To look at all that ten thousand small files hold would take a fifth of the time that opening them takes: what has
    few chunks is small.
    """
    if len(rasters) <= FEW and all(len(raster.files) <= FEW for raster in rasters):
        levels = [level for raster in rasters for level in raster.spec.levels]
        chunks = sum(math.prod(-(-n // m) for n, m in zip(lv.shape, lv.block, strict=True)) for lv in levels)
        if chunks <= SMALL // 32:
            return SMALL
    return SMALL + weight(rasters)


def weight(thing: object) -> int:
    """Bytes of an object and all that it holds, roughly; descriptions and stores are left out. Some 20 µs."""
    total, seen = 0.0, set[int]()
    ahead: list[tuple[Any, float]] = [(thing, 1.0)]
    while ahead and len(seen) < MOST:
        found, times = ahead.pop()
        kind = type(found)
        if kind in _SMALL:
            total += 32 * times
            continue
        if id(found) in seen:
            continue
        seen.add(id(found))
        if kind is str or kind is bytes:
            total += times * (len(found) + 48)
        elif isinstance(found, np.ndarray):
            # What is mapped, or a view, is no memory of its own.
            total += times * (found.nbytes if found.base is None else 128)
            if found.base is not None and not isinstance(found, np.memmap):
                ahead.append((found.base, times))
        elif isinstance(found, list | tuple | set | frozenset | dict):
            total += times * (64 + 8 * len(found))
            times *= max(1.0, len(found) / SAMPLE)
            ahead.extend((item, times) for item in islice(found, SAMPLE))
            if isinstance(found, dict):
                ahead.extend((item, times) for item in islice(found.values(), SAMPLE))
        elif (names := _attributes(kind)) is not None:  # type: ignore[arg-type]
            total += 64 * times
            ahead.extend((getattr(found, name, None), times) for name in names)
            ahead.extend((item, times) for item in getattr(found, "__dict__", {}).values())
        elif isinstance(found, bytearray | memoryview):
            total += times * len(found)
    return int(total)


@lru_cache(1024)
def _attributes(kind: type[Any]) -> tuple[str, ...] | None:
    """Names of the slots of a class; None if its objects are not looked into."""
    if issubclass(kind, _SKIPPED) or kind.__module__.partition(".")[0] in {"builtins", "numpy", "_thread", "threading"}:
        return None
    if kind.__module__.startswith(("s3facade.stores", "s3facade.engine.isolated")):
        return None
    slots = [base.__dict__.get("__slots__", ()) for base in kind.__mro__]
    names = [name for found in slots for name in ((found,) if isinstance(found, str) else found)]
    return tuple(name for name in names if not name.startswith("__"))
