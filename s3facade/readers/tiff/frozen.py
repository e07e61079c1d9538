"""Parsed TIFF images as bytes and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from s3facade.core.portable import Portable
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Axis, Channel, Level, Spec
from s3facade.readers.tiff.coding import Coding, Late
from s3facade.readers.tiff.geometry import Dim, Geometry
from s3facade.readers.tiff.table import Decoder, RawTable, SegmentTable

_PORTABLE = Portable([Spec, Axis, Channel, Level, Geometry, Dim, Coding, RawTable])
Parts = tuple[Spec, Sequence[SourceFile], Sequence[RawTable | SegmentTable]]
"""Description, files and the table of each level of one image."""


def freeze(images: Sequence[Parts]) -> bytes | None:
    """The images as bytes, with the paths of their files; None if a decoder has to be made from the file itself."""
    frozen = []
    for spec, files, tables in images:
        kept = [table if isinstance(table, RawTable) else _segments(table) for table in tables]
        if None in [k for k in kept if not isinstance(k, RawTable)]:
            return None
        # As JSON, so that lists stay lists.
        attrs = json.dumps(dict(spec.attrs))
        frozen.append((replace(spec, attrs={}), attrs, [f.source.path for f in files], kept))
    return _PORTABLE.dump(frozen)


def thaw(data: bytes, files: Mapping[str, SourceFile]) -> list[Parts]:
    """The images again. Raises `ValueError` if the data are of another version."""
    images: list[Parts] = []
    for spec, attrs, paths, kept in _PORTABLE.load(data):
        tables = tuple(k if isinstance(k, RawTable) else _table(k) for k in kept)
        images.append((replace(spec, attrs=json.loads(attrs)), tuple(files[p] for p in paths), tables))
    return images


def _segments(table: SegmentTable) -> dict[str, object] | None:
    decoders = []
    for decoder in table.decoders:
        if decoder.coding is None:
            return None
        decoders.append((decoder.coding, decoder.tables, decoder.header, decoder.jpeg))
    plain = ("geometry", "dtype", "codec", "offsets", "counts", "files", "decoder", "fill", "group")
    return {"decoders": decoders, **{name: getattr(table, name) for name in plain}}


def _table(kept: dict[str, Any]) -> SegmentTable:
    decoders = tuple(
        Decoder(Late(coding), tables, header, jpeg, coding) for coding, tables, header, jpeg in kept["decoders"]
    )
    return SegmentTable(**{**kept, "decoders": decoders})
