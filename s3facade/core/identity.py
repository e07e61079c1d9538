"""Digests: the names that versions of things go by.

An identity is computed from descriptions alone, so it is the same in every worker and after a restart.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any


def plain(value: Any) -> Any:
    """JSON-compatible form of what frozen dataclasses hold; the name of a dataclass stands under ``""``."""
    if value is None or isinstance(value, str | int | float):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [plain(v) for v in value]
    return str(value)


# What JSON knows itself is not gone through in Python first: identities are made for each of thousands of files.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=plain)


def canonical(value: object) -> str:
    """One spelling for equal values: JSON with sorted keys; dataclasses by class name and fields."""
    try:
        return _ENCODER.encode(value)
    except TypeError:
        # Keys of several types have no order, and some have no form.
        return _ENCODER.encode(plain(value))


def digest(*parts: object) -> str:
    """128-bit digest of ``parts`` as 32 hex digits."""
    return blake2b(canonical(parts).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def etag(identity: str, key: str) -> str:
    """The ETag of ``key``, unquoted: decimal digits and a hyphen.

    The one form that every client accepts and none takes for an MD5. Keys go in, so that no two objects
    share a tag: s3cmd copies locally between keys of equal tags.
    """
    raw = blake2b(f"{identity}\n{key}".encode("utf-8", "surrogatepass"), digest_size=16).digest()
    return f"{int.from_bytes(raw, 'big')}-"
