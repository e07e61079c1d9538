"""Codecs of Zarr by their names: ids of numcodecs in version 2, names of the registry in version 3."""

from __future__ import annotations

import lzma
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.readers.arrays.chunked import Filter
from s3facade.readers.arrays.filters import Blosc, Deflate, Fletcher32, Gzip, Lz4, Lzma, Shuffle, Zstd
from s3facade.readers.folders.documents import Document, listed
from s3facade.readers.folders.unpack import Bz2Streams, Crc32c, Delta, PackedBits, Retyped, Scaled, Xz

_PLAIN: Mapping[str, Callable[[], Filter]] = {
    "blosc": Blosc,
    "bz2": Bz2Streams,
    "gzip": Gzip,
    "lz4": Lz4,
    "zlib": Deflate,
    "zstd": Zstd,
    "packbits": PackedBits,
    "crc32c": Crc32c,
}


def number_type(value: object) -> np.dtype[Any]:
    """A type of numbers that images have, from its name in version 2, e.g. ``<u2``.

    Raises:
        Unsupported: A type of anything else.
    """
    try:
        found = np.dtype(value) if isinstance(value, str) else None
    except (TypeError, ValueError):
        found = None
    if found is None or found.kind not in "biuf" or found.itemsize > 8:
        raise Unsupported(f"The array holds values of type {value!r:.80}; images are of numbers of at most 64 bits.")
    return found


def codec(name: str, about: Document, number: np.dtype[Any]) -> tuple[tuple[Filter, ...], np.dtype[Any]]:
    """What undoes a codec, and what the next codec of the chain is given.

    Args:
        name: As numcodecs calls it.
        about: Its configuration.
        number: Type of the numbers that go into it when it encodes.

    Returns:
        Filters in the order of decoding, and the type of the numbers that come out of it when it encodes.

    Raises:
        Unsupported: It is unknown here.
    """
    if name in _PLAIN:
        return (_PLAIN[name](),), number
    if name == "shuffle":
        return (Shuffle(int(about.get("elementsize", 4))),), number
    if name == "fletcher32":
        return (Fletcher32(),), number
    if name == "bitround":
        return (), number
    if name == "lzma":
        kind, chain = int(about.get("format", 1)), listed(about.get("filters"))
        if not chain and kind != lzma.FORMAT_RAW:
            return (Lzma(),), number
        return (Xz(kind, tuple({str(k): int(v) for k, v in f.items()} for f in chain)),), number
    if name in {"delta", "fixedscaleoffset", "quantize", "astype"}:
        given = number_type(about["decode_dtype" if name == "astype" else "dtype"])
        stored = number_type(about.get("encode_dtype" if name == "astype" else "astype") or given.str)
        if name == "delta":
            return (Delta(given, stored),), stored
        if name == "fixedscaleoffset":
            return (Scaled(about["offset"], about["scale"], given, stored),), stored
        return (Retyped(given, stored, name),), stored
    raise Unsupported(
        f"Chunks of the array are encoded with {name!r}; the codecs that are known are {', '.join(known())}."
    )


def known() -> tuple[str, ...]:
    """Names of the codecs."""
    others = ("astype", "bitround", "delta", "fixedscaleoffset", "fletcher32", "lzma", "quantize", "shuffle")
    return tuple(sorted((*_PLAIN, *others)))
