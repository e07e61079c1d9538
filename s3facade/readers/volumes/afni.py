"""AFNI datasets: a header (.HEAD) and a file of voxels (.BRIK, .BRIK.gz).

Source: README.attributes of AFNI.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.core.spec import Channel
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import raw
from s3facade.readers.facts import Facts
from s3facade.readers.volumes.common import (
    MM,
    Keeping,
    checked,
    content,
    decoded,
    finite,
    image,
    kept,
    known_dims,
    peek,
    placed,
    room,
    wide,
)
from s3facade.readers.volumes.scaled import scaled

_ATTRIBUTE = re.compile(
    r"type\s*=\s*(integer|float|string)-attribute\s+name\s*=\s*(\w+)\s+count\s*=\s*(\d+)\s+", re.ASCII
)
_TYPES = {0: "u1", 1: "i2", 3: "f4"}
_HEAD = 8 << 20
_SECONDS = {77001: 1e-3, 77002: 1.0}
_KEEPING = Keeping()


class AfniReader:
    """AFNI. No options."""

    name: ClassVar[str] = "afni"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".head"})

    def sniff(self, head: bytes, name: str) -> bool:
        """By its name and its first attribute."""
        return name.lower().endswith(".head") and _ATTRIBUTE.match(head.lstrip()[:400].decode("latin-1")) is not None

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The dataset whose header it is.

        Raises:
            BadSource: The header contradicts itself or the size of the voxels.
            Unsupported: Complex numbers, colours, bricks of different types.
            SourceNotFound: There is no .BRIK beside the header.
        """
        checked(options, {})
        if file.source.size > _HEAD:
            raise BadSource(f"The AFNI header has {file.source.size} bytes, far more than attributes need.")
        about = attributes(decoded(peek(file, _HEAD)))
        voxels = content(_brick(file))
        sizes = [*_whole(about, "DATASET_DIMENSIONS", 3), max(1, _whole(about, "DATASET_RANK", 2)[1])]
        known_dims(sizes)
        kinds = set(_whole(about, "BRICK_TYPES", 1))
        if len(kinds) > 1 or not kinds <= set(_TYPES):
            raise Unsupported(f"The attribute BRICK_TYPES is {sorted(kinds)}; one of 0, 1 and 3 for all can be shown.")
        order = ">" if "MSB" in str(about.get("BYTEORDER_STRING", "")) else "<"
        number = np.dtype(order + _TYPES[kinds.pop()])
        timed = "TAXIS_NUMS" in about
        last = ("t" if timed else "c") if sizes[3] > 1 else ""
        plain_table = raw([last, "z", "y", "x"], sizes[::-1], number, 0, end=_end(file, voxels), files=_second())
        table: ChunkTable = plain_table
        factors = _factors(about, sizes[3])
        if (factors != 1).any():
            table = scaled(plain_table, factors, np.zeros_like(factors), wide(number))
        return [image(table, [file, voxels], _facts(about), _channels(about, sizes[3], timed=timed))]

    freeze = staticmethod(_KEEPING.freeze)
    thaw = staticmethod(_KEEPING.thaw)


def _second() -> Any:
    return np.ones(1, np.uint32)


def _end(file: SourceFile, voxels: SourceFile) -> list[int]:
    return [file.source.size, room(voxels)]


def attributes(text: str) -> dict[str, Any]:
    """Attributes by name: numbers as lists, text without its quote and its end. Raises `BadSource`."""
    found: dict[str, Any] = {}
    starts = list(_ATTRIBUTE.finditer(text))
    for this, after in zip(starts, [*starts[1:], None], strict=False):
        kind, name, count = this[1], this[2], int(this[3])
        value = text[this.end() : after.start() if after else len(text)]
        if kind == "string":
            found[name] = value.lstrip("'")[:count].rstrip("~\n")
            continue
        try:
            found[name] = [(int if kind == "integer" else float)(w) for w in value.split()]
        except ValueError as error:
            raise BadSource(f"The attribute {name} of the AFNI header is no list of numbers.") from error
    return found


def _brick(file: SourceFile) -> SourceFile:
    stem = file.source.path.rpartition("/")[2][:-5]
    for end in (".BRIK", ".BRIK.gz", ".BRIK.bz2", ".brik"):
        try:
            return file.sibling(stem + end)
        except SourceNotFound:
            continue
    raise SourceNotFound(f"The header belongs to {stem}.BRIK, which is missing beside it.", private=file.source.path)


def _whole(about: Mapping[str, Any], name: str, least: int) -> list[int]:
    found = about.get(name)
    if not isinstance(found, list) or len(found) < least or not all(isinstance(v, int) for v in found):
        raise BadSource(f"The attribute {name} of the AFNI header is missing, or is not {least} whole numbers.")
    return found[:least] if name != "BRICK_TYPES" else found


def _factors(about: Mapping[str, Any], count: int) -> Any:
    given = about.get("BRICK_FLOAT_FACS")
    values = [float(v) for v in given] if isinstance(given, list) else []
    if values and (len(values) < count or not finite(*values)):
        raise BadSource(f"The attribute BRICK_FLOAT_FACS of the AFNI header has no factor for each of {count} bricks.")
    return np.array([v or 1.0 for v in values[:count]] or [1.0] * count, np.float64)


def _channels(about: Mapping[str, Any], count: int, *, timed: bool) -> list[Channel]:
    labels = str(about.get("BRICK_LABS", "")).split("~")
    stats = about.get("BRICK_STATS")
    stats = [float(v) for v in stats] if isinstance(stats, list) else []
    found = []
    for k in range(1 if timed else count):
        low, high = stats[2 * k : 2 * k + 2] if len(stats) >= 2 * k + 2 and not timed else (0.0, 0.0)
        window = (low, high) if finite(low, high) and low < high else None
        found.append(Channel(labels[k] if k < len(labels) and labels[k] and not timed else None, window=window))
    return found


def _facts(about: Mapping[str, Any]) -> Facts:
    scale: dict[str, float] = {}
    origin: dict[str, float] = {}
    attrs: dict[str, Any] = {"original": kept(about)}
    delta = about.get("DELTA")
    if isinstance(delta, list) and len(delta) == 3 and finite(*delta):
        scale = {a: abs(float(d)) * MM for a, d in zip("xyz", delta, strict=True) if d}
    rows = about.get("IJK_TO_DICOM_REAL")
    if isinstance(rows, list) and len(rows) >= 12 and finite(*rows[:12]):
        matrix = np.eye(4)
        matrix[:3] = np.array(rows[:12], np.float64).reshape(3, 4) * MM
        found, attrs["affine"] = placed(matrix, scale)
        attrs["frame"] = "LPS" if "TLRC" not in str(about.get("TEMPLATE_SPACE", "")) else "LPS, talairach"
        origin |= found
    times, units = about.get("TAXIS_FLOATS"), about.get("TAXIS_NUMS")
    if isinstance(times, list) and isinstance(units, list) and len(times) > 1 and len(units) > 2:
        factor = _SECONDS.get(units[2])
        if factor and finite(times[1]) and times[1] > 0:
            scale["t"] = float(times[1]) * factor
    return Facts(scale, origin, attrs=attrs)
