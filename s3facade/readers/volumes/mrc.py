"""MRC and CCP4: maps, tilt series, tomograms and stacks of particles (.mrc, .map, .st, .rec, .mrcs).

Sources: the MRC2014 description of CCP-EM (header words, modes, machine stamps, volume stacks), and IMOD's page on its
own fields (stamp and flags in words 39 and 40, mode 16).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Buffer
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.core.spec import Channel
from s3facade.readers.arrays.chunked import chunked
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import raw
from s3facade.readers.arrays.stored import Stored
from s3facade.readers.facts import Facts
from s3facade.readers.inflated import unpacked
from s3facade.readers.volumes.common import (
    ANGSTROM,
    Keeping,
    checked,
    content,
    finite,
    image,
    known_dims,
    ordered,
    peek,
    plain,
    room,
    samples,
)

_HEADER = np.dtype(
    [
        *[("nx", "i4"), ("ny", "i4"), ("nz", "i4"), ("mode", "i4"), ("nstart", "i4", 3), ("m", "i4", 3)],
        *[("cella", "f4", 3), ("cellb", "f4", 3), ("map", "i4", 3), ("dmin", "f4"), ("dmax", "f4"), ("dmean", "f4")],
        *[("ispg", "i4"), ("nsymbt", "i4"), ("extra1", "V8"), ("exttyp", "S4"), ("nversion", "i4"), ("extra2", "V40")],
        *[("imod_stamp", "i4"), ("imod_flags", "i4"), ("extra3", "V36"), ("origin", "f4", 3), ("magic", "S4")],
        *[("machst", "u1", 4), ("rms", "f4"), ("nlabl", "i4"), ("label", "S80", 10)],
    ]
)
_TYPES = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2", 16: "u1", 101: "u1"}
_IMOD = 1146047817
_NAMES = (".mrc", ".mrcs", ".map", ".ccp4", ".st", ".rec", ".ali", ".preali")
_DELTAVISION = (b"\xa0\xc0", b"\xc0\xa0")


@dataclass(frozen=True, slots=True)
class Nibbles:
    """Two numbers of four bits in a byte, each row in whole bytes."""

    width: int
    """Numbers in a row."""
    high: bool
    """Whether the first one is in the upper half of its byte."""

    @property
    def name(self) -> str:
        """``4 bit``."""
        return "4 bit"

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The numbers, a byte each. Raises `ValueError` if rows are not whole."""
        rows = np.frombuffer(data, np.uint8).reshape(nbytes // self.width, -1)
        pair = (rows >> 4, rows & 15) if self.high else (rows & 15, rows >> 4)
        return np.stack(pair, -1).reshape(len(rows), -1)[:, : self.width].tobytes()


_KEEPING = Keeping([Nibbles])


def _order(head: bytes) -> str | None:
    """The byte order in which mode, lengths and axes make sense; None if there is none."""
    if len(head) < 1024 or head[96:98] in _DELTAVISION:
        return None
    stamp = "<" if head[212] == 0x44 else ">" if head[212] == 0x11 else ""
    for order in (stamp,) if stamp else ("<", ">"):
        about = np.frombuffer(head[:1024], ordered(_HEADER, order))[0]
        lengths = [int(about[n]) for n in ("nx", "ny", "nz")]
        if int(about["mode"]) in {*_TYPES, 3, 4} and min(lengths) > 0 and max(lengths) < 1 << 24:
            axes = sorted(int(a) for a in about["map"])
            # Files of other programs with the same ending may begin with many zeros.
            blank = axes == [0, 0, 0] and head[208:211] == b"MAP"
            if (axes == [1, 2, 3] or blank) and 0 <= int(about["nsymbt"]) < 1 << 31:
                return order
    return None


class MrcReader:
    """MRC and CCP4. No options."""

    name: ClassVar[str] = "mrc"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".mrc", ".mrcs", ".mrc.gz", ".mrc.bz2"})

    def sniff(self, head: bytes, name: str) -> bool:
        """By ``MAP`` in word 53; older files have none, and are told by their name and plausible fields."""
        lower = name.lower()
        if lower.endswith((".mrc.bz2", ".map.bz2")):
            return head.startswith(b"BZh")
        data = unpacked(head, 2048)
        stem = lower.removesuffix(".gz")
        known = data[208:211] == b"MAP" or stem.endswith(_NAMES)
        return known and _order(data) is not None

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The image of a file.

        Raises:
            BadSource: The header contradicts itself or the size of the file.
            Unsupported: Transforms: complex numbers (modes 3 and 4).
        """
        checked(options, {})
        whole = content(file)
        head = peek(whole, 1024)
        order = _order(head)
        if order is None:
            raise BadSource("This is no MRC file: no byte order gives a known mode, lengths and axes.")
        about = np.frombuffer(head[:1024], ordered(_HEADER, order))[0]
        if int(about["mode"]) in (3, 4):
            raise Unsupported(f"The file holds complex numbers (mode {int(about['mode'])}): a transform, not an image.")
        return [_raster(about, order, whole)]

    freeze = staticmethod(_KEEPING.freeze)
    thaw = staticmethod(_KEEPING.thaw)


def _raster(about: Any, order: str, file: SourceFile) -> TableRaster:
    mode, notes = int(about["mode"]), []
    number = np.dtype(order + _TYPES[mode])
    imod = int(about["imod_stamp"]) == _IMOD
    flags = int(about["imod_flags"]) if imod else 0
    if mode == 0:
        number = np.dtype("u1" if imod and not flags & 1 else "i1")
        if not imod:
            notes.append("Bytes are taken as signed, as MRC2014 has it; some older programs wrote unsigned ones.")
    axes = [int(a) for a in about["map"]]
    axes = axes if sorted(axes) == [1, 2, 3] else [1, 2, 3]
    names = ["xyz"[a - 1] for a in axes]
    sizes = [int(about[n]) for n in ("nx", "ny", "nz")]
    volumes = _volumes(about, sizes[2], names)
    dims, lengths = names[::-1], sizes[::-1]
    if volumes > 1:
        dims, lengths = ["t", *dims], [volumes, lengths[0] // volumes, *lengths[1:]]
        notes.append(f"The file is a stack of {volumes} volumes; they are shown along t.")
    if mode == 16:
        dims, lengths = [*dims, "c"], [*lengths, 3]
    known_dims(lengths)
    offset = 1024 + int(about["nsymbt"])
    table: ChunkTable
    if mode == 101:
        table = _packed(dims, lengths, offset, file, high=bool(flags & 16))
    else:
        table = raw(dims, lengths, number, offset, end=[room(file)])
    channels = samples(number, 3) if mode == 16 else _window(about)
    return image(table, [file], _facts(about, names, notes, imod=imod), channels)


def _volumes(about: Any, sections: int, names: Sequence[str]) -> int:
    """How many volumes lie one behind the other: space groups from 401 on, of ``mz`` sections each."""
    each = int(about["m"][2])
    if int(about["ispg"]) < 401 or each < 1 or each >= sections or names[2] != "z":
        return 1
    if sections % each:
        raise BadSource(f"The file is a stack of volumes of {each} sections, but has {sections} sections.")
    return sections // each


def _packed(dims: Sequence[str], sizes: Sequence[int], offset: int, file: SourceFile, *, high: bool) -> ChunkTable:
    """Four bits: cells of whole rows of a section."""
    *outer, rows, width = sizes
    step = (width + 1) // 2
    n = max(1, min(rows, (1 << 20) // width))
    stored = Stored(tuple(dims), tuple(sizes), (*(1 for _ in outer), n, width))
    first = np.arange(0, rows, n, dtype=np.int64)
    sections = np.arange(int(np.prod(outer, dtype=np.int64)) if len(first) < 1 << 24 else 0, dtype=np.int64)
    if len(sections) * rows * step > room(file) or len(sections) * len(first) > 1 << 26:
        raise BadSource("The image is incomplete: its numbers lie behind the end of the file.")
    offsets = (offset + sections[:, None] * rows * step + first * step).ravel()
    counts = np.tile(np.minimum(n, rows - first) * step, len(sections))
    filters = [Nibbles(width, high)]
    return chunked(stored, np.dtype("u1"), offsets, counts, filters, end=[room(file)], cut=True)


def _window(about: Any) -> tuple[Channel, ...]:
    low, high = float(about["dmin"]), float(about["dmax"])
    return (Channel(window=(low, high)),) if finite(low, high) and low < high else ()


def _facts(about: Any, names: Sequence[str], notes: list[str], *, imod: bool) -> Facts:
    scale, origin = {}, {}
    single = int(about["m"][2]) == 1 and int(about["nz"]) > 1
    for i, axis in enumerate("xyz"):
        intervals, length = int(about["m"][i]), float(about["cella"][i])
        # Of a stack of images the cell has one section: nothing is said about what lies between two of them.
        if intervals > 0 and finite(length) and length > 0 and not (single and axis == "z"):
            scale[axis] = length / intervals * ANGSTROM
    if single:
        notes.append("The file is a stack of images; they are shown along z, without a scale.")
    start = [float(v) for v in about["origin"]]
    if imod:
        # IMOD's sign depends on a flag, and its programs use the origin for other things, too.
        start = [0.0, 0.0, 0.0]
    if finite(*start) and any(start):
        origin = {a: v * ANGSTROM for a, v in zip("xyz", start, strict=True) if a in scale}
    elif not imod:
        # In pixels along columns, rows, sections.
        first = {a: int(v) for a, v in zip(names, about["nstart"], strict=True)}
        origin = {a: first[a] * s for a, s in scale.items()}
    angles = [float(v) for v in about["cellb"]]
    if any(a not in (0.0, 90.0) for a in angles):
        notes.append(f"The cell has the angles {angles}; voxels are shown as if they were right ones.")
    fields = {n: about[n] for n in _HEADER.names or () if not n.startswith("extra")}
    return Facts(scale, origin, attrs={"original": plain(fields), "notes": notes})
