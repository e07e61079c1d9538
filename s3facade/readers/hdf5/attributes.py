"""Attributes of HDF5 objects as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

MAX_VALUES = 4096
"""Values of one attribute; longer ones are left out."""
MAX_NUMBER = 256
"""Attributes of one object."""
MAX_TEXT = 1 << 16
"""Characters of one text."""


def attribute(item: Any, name: str) -> Any:
    """An attribute as a number, text or nested list of them; None if it is not there or is something else.

    Raises what h5py raises if it cannot be read: a damaged text is not tried again, since each try may take gigabytes.
    """
    try:
        if name not in item.attrs or math.prod(item.attrs.get_id(name).shape or ()) > MAX_VALUES:
            return None
        return plain(item.attrs[name])
    except TypeError:
        # References, foreign types: h5py has no value for them, and nothing depends on it.
        return None
    except OSError as error:
        if "conversion path" in str(error):
            return None
        raise


def attributes(item: Any) -> dict[str, Any]:
    """All attributes of an object that have a plain value."""
    found = {}
    for name in list(item.attrs)[:MAX_NUMBER]:
        value = attribute(item, name)
        if value is not None:
            found[name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else str(name)] = value
    return found


def text(item: Any, name: str) -> str | None:
    """An attribute that is text, or an array of single characters as Imaris writes them; None otherwise."""
    value = attribute(item, name)
    if isinstance(value, list) and all(isinstance(v, str) and len(v) <= 1 for v in value):
        return "".join(value)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else None


def numbers(item: Any, name: str) -> list[float] | None:
    """An attribute that is finite numbers, flat; None otherwise."""
    value = attribute(item, name)
    flat = np.ravel(np.array(value if value is not None else [], dtype=object)).tolist()
    fine = [float(v) for v in flat if isinstance(v, int | float) and math.isfinite(v)]
    return fine if fine and len(fine) == len(flat) else None


def plain(value: Any) -> Any:
    """A value of h5py or NumPy as numbers, texts, lists and mappings; None for what is none of these.

    Numbers that are not finite become texts, since JSON has none.
    """
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value]
    if isinstance(value, np.void):
        return {n: plain(value[n]) for n in value.dtype.names} if value.dtype.names else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")[:MAX_TEXT].rstrip("\0")
    if isinstance(value, str):
        return value[:MAX_TEXT]
    if isinstance(value, np.generic):
        single = value.item()
        return None if isinstance(single, np.generic) else plain(single)
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    return None
