"""What the document of a Zarr array says, in version 2 and 3 alike.

Sources: "Zarr storage specification version 2", "Zarr core specification version 3.1", and the specifications of the
codecs ``bytes``, ``transpose``, ``gzip``, ``zstd``, ``blosc``, ``crc32c`` and ``sharding_indexed``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.arrays.chunked import Filter
from s3facade.readers.folders.array import Places
from s3facade.readers.folders.documents import Document, listed, mapping, reading, whole
from s3facade.readers.folders.places import Keys
from s3facade.readers.folders.unpack import Numbers
from s3facade.readers.zarr.codecs import codec, number_type
from s3facade.readers.zarr.shards import MAX_ENTRIES, Shard, Shards

_TYPES: Mapping[str, str] = {
    "bool": "?",
    **{f"{sign}int{8 * n}": f"{kind}{n}" for sign, kind in (("", "i"), ("u", "u")) for n in (1, 2, 4, 8)},
    **{f"float{8 * n}": f"f{n}" for n in (2, 4, 8)},
}
_SPECIAL: Mapping[str, float] = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


@dataclass(frozen=True, slots=True)
class ArrayMeta:
    """One array."""

    shape: tuple[int, ...]
    chunk: tuple[int, ...]
    """What is read at once: of sharded arrays the innermost chunk."""
    number: np.dtype[Any]
    """With byte order."""
    unpack: Numbers
    places: Places
    fill: bytes
    """One number, native byte order."""
    depth: int
    """Folders between the array's own and the files of chunks."""
    names: tuple[object, ...] = ()
    """What the dimensions are called."""
    attributes: Document = field(default_factory=dict)


def version2(document: Document, attributes: Document, prefix: str, *, nested: bool | None) -> ArrayMeta:
    """The content of ``.zarray`` and ``.zattrs``.

    Args:
        document: Of the array.
        attributes: Of the array.
        prefix: Its folder, with a final slash.
        nested: Whether chunks lie in folders, where the document does not say so.

    Raises:
        BadSource: It contradicts itself.
        Unsupported: Types, codecs.
    """
    with reading("Zarr array"):
        shape, chunk = whole(document["shape"], "shape"), whole(document["chunks"], "chunks", 1)
        _same_length(shape, chunk)
        number = number_type(document["dtype"])
        order = document.get("order", "C")
        if order not in {"C", "F"}:
            raise BadSource(f"The array has the order {order!r}; C and F are known.")
        filters: list[Filter] = []
        current = number
        for about in (*(document.get("filters") or ()), *filter(None, [document.get("compressor")])):
            undo, current = codec(str(about["id"]), about, current)
            filters[:0] = undo
        separator = document.get("dimension_separator") or ("/" if nested else ".")
        if separator not in {".", "/"}:
            raise BadSource(f"The array has the dimension_separator {separator!r}; it may be . or /")
        backwards = tuple(reversed(range(len(shape)))) if order == "F" and len(shape) > 1 else ()
        return ArrayMeta(
            shape,
            chunk,
            number,
            Numbers(tuple(filters), backwards),
            Keys(prefix, separator) if shape else Keys(prefix + "0"),
            _fill(document.get("fill_value"), number.newbyteorder("=")),
            len(shape) - 1 if separator == "/" else 0,
            tuple(listed(attributes.get("_ARRAY_DIMENSIONS"))),
            attributes,
        )


def version3(document: Document, prefix: str) -> ArrayMeta:
    """The content of ``zarr.json``. Raises as `version2`."""
    with reading("Zarr array"):
        if document.get("storage_transformers"):
            raise Unsupported("The array has storage transformers, which are unknown here.")
        shape = whole(document["shape"], "shape")
        grid, how = document["chunk_grid"], document["data_type"]
        if grid["name"] != "regular":
            raise Unsupported(
                f"The array has chunks on a grid called {grid['name']!r:.40}; only regular ones are read."
            )
        if not isinstance(how, str) or how not in _TYPES:
            raise Unsupported(f"The array holds values of type {how!r:.80}; images are of numbers of at most 64 bits.")
        chunk = whole(grid["configuration"]["chunk_shape"], "chunk_shape", 1)
        _same_length(shape, chunk)
        chain = _Chain(np.dtype(_TYPES[how]), chunk)
        chain.read(document["codecs"])
        keys, depth = _keys(document["chunk_key_encoding"], prefix, len(shape))
        attributes = mapping(document.get("attributes"))
        names = listed(document.get("dimension_names")) or listed(attributes.get("_ARRAY_DIMENSIONS"))
        return ArrayMeta(
            shape,
            chain.chunk,
            chain.number,
            Numbers(tuple(chain.filters), chain.order),
            Shards(keys, tuple(chain.shards)) if chain.shards else keys,
            _fill(document.get("fill_value"), chain.number.newbyteorder("=")),
            depth,
            tuple(names),
            attributes,
        )


class _Chain:
    """The codecs of an array of version 3, read from outside to inside."""

    def __init__(self, number: np.dtype[Any], chunk: tuple[int, ...]) -> None:
        self.number = number
        self.chunk = chunk
        self.order: tuple[int, ...] = ()
        self.filters: list[Filter] = []
        self.shards: list[Shard] = []

    def read(self, codecs: Any) -> None:
        current, serial = self.number, False
        for n, item in enumerate(codecs):
            about: Document = {"name": item} if isinstance(item, str) else item
            name, how = str(about["name"]), mapping(about.get("configuration"))
            if name == "sharding_indexed":
                if serial or self.order or n + 1 < len(codecs):
                    raise Unsupported("The array has codecs beside sharding_indexed; only shards alone can be read.")
                self._shard(how)
                return
            if name == "transpose" and not serial:
                self._transpose(how["order"])
            elif name == "bytes" and not serial:
                serial = True
                order = how.get("endian", "little")
                if order not in {"little", "big"}:
                    raise BadSource(f"The array has the byte order {order!r:.20}; it may be little or big.")
                current = current.newbyteorder("<" if order == "little" else ">")
                # Filters between the numbers and the bytes: what the innermost one gave has the byte order then.
                self.filters[:1] = [_ordered(f, order) for f in self.filters[:1]]
                self.number = current if not self.filters else self.number
            else:
                undo, current = codec(name.removeprefix("numcodecs."), how, current)
                self.filters[:0] = undo
        if not serial:
            raise BadSource("The array has no codec that makes bytes of its numbers.")

    def _transpose(self, order: Any) -> None:
        rank = len(self.chunk)
        if order in {"C", "F"} if isinstance(order, str) else False:
            order = list(range(rank)) if order == "C" else list(reversed(range(rank)))
        found = whole(order, "order")
        if sorted(found) != list(range(rank)):
            raise BadSource(f"The array is transposed to {found}; these are not its dimensions.")
        self.order = tuple(self.order[k] for k in found) if self.order else found

    def _shard(self, how: Document) -> None:
        inner = whole(how["chunk_shape"], "chunk_shape", 1)
        _same_length(self.chunk, inner)
        if any(n % m for n, m in zip(self.chunk, inner, strict=True)):
            raise BadSource(f"Shards of {self.chunk} are not made of whole chunks of {inner}.")
        counts = tuple(n // m for n, m in zip(self.chunk, inner, strict=True))
        if math.prod(counts) > MAX_ENTRIES:
            raise Unsupported(f"A shard holds {math.prod(counts)} chunks; at most {MAX_ENTRIES} can be read.")
        names = [str(c if isinstance(c, str) else c["name"]) for c in how["index_codecs"]]
        if names not in (["bytes"], ["bytes", "crc32c"]):
            raise Unsupported(f"Indexes of shards are encoded with {', '.join(names)}; bytes and crc32c can be read.")
        place = how.get("index_location", "end")
        if place not in {"start", "end"}:
            raise BadSource(f"Indexes of shards are said to be at {place!r:.20}; it may be start or end.")
        first = how["index_codecs"][0]
        big = not isinstance(first, str) and mapping(first.get("configuration")).get("endian") == "big"
        self.shards.append(Shard(counts, place == "start", len(names) > 1, big))
        self.chunk = inner
        if len(self.shards) > 4:
            raise Unsupported("The array has shards in shards in shards; four levels can be read.")
        self.read(how["codecs"])


def _ordered(step: Filter, order: str) -> Filter:
    """The filter with its stored numbers in a byte order."""
    stored = getattr(step, "stored", None)
    if stored is None:
        return step
    return replace(step, stored=stored.newbyteorder("<" if order == "little" else ">"))  # type: ignore[type-var]


def _keys(about: Document, prefix: str, rank: int) -> tuple[Keys, int]:
    name, how = str(about["name"]), mapping(about.get("configuration"))
    if name not in {"default", "v2"}:
        raise Unsupported(f"Chunks are named by the encoding {name!r:.40}; default and v2 are known.")
    separator = how.get("separator", "/" if name == "default" else ".")
    if separator not in {".", "/"}:
        raise BadSource(f"Names of chunks are separated by {separator!r:.20}; it may be . or /")
    if not rank:
        return Keys(prefix + ("c" if name == "default" else "0")), 0
    nested = separator == "/"
    if name == "v2":
        return Keys(prefix, separator), rank - 1 if nested else 0
    return Keys(f"{prefix}c{separator}", separator), rank if nested else 0


def _same_length(shape: Sequence[int], chunk: Sequence[int]) -> None:
    if len(shape) != len(chunk):
        raise BadSource(f"The array has {len(shape)} dimensions and its chunks have {len(chunk)}.")


def _fill(value: Any, number: np.dtype[Any]) -> bytes:
    """A fill value as a number's bytes; 0 where there is none."""
    if value is None:
        return bytes(number.itemsize)
    if isinstance(value, str) and value in _SPECIAL and number.kind == "f":
        value = _SPECIAL[value]
    elif isinstance(value, str) and value.startswith("0x"):
        data = int(value, 16).to_bytes(number.itemsize, "little")
        return np.frombuffer(data, number.newbyteorder("<")).astype(number).tobytes()
    elif isinstance(value, str):
        raise BadSource(f"The array has the fill_value {value!r:.40}, which is no {number.name}.")
    with np.errstate(all="raise"):
        try:
            found = np.array(value, number) if number.kind != "b" else np.array(bool(value))
        except FloatingPointError as error:
            raise BadSource(f"The array has the fill_value {value!r:.40}, which is no {number.name}.") from error
    if found.shape:
        raise BadSource(f"The array has the fill_value {value!r:.40}, which is no number.")
    return found.tobytes()
