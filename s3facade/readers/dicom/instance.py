"""One DICOM file with pixels: its header, and how its pixels are stored."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.chunked import MAX_CELL, Filter
from s3facade.readers.arrays.raw import Ints
from s3facade.readers.dicom import codecs
from s3facade.readers.dicom.elements import BIG, DEFLATED, EXPLICIT, IMPLICIT, UNDEFINED, PixelData, parse
from s3facade.readers.dicom.fragments import spans
from s3facade.readers.dicom.header import Header, dictionary
from s3facade.readers.dicom.palette import palette

_NATIVE = frozenset({"", IMPLICIT, EXPLICIT, BIG, DEFLATED, "1.2.840.113619.5.2"})
_YCC = frozenset({"YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT"})
_COLOURS = frozenset({"RGB", *_YCC})
MAX_FRAMES = 4_000_000
SERIES_UID, SOP_CLASS, SOP_UID = 0x0020000E, 0x00080016, 0x00080018


@dataclass(frozen=True, slots=True)
class Instance:
    """A file, parsed up to its pixels."""

    file: SourceFile
    header: Header
    syntax: str
    pixels: PixelData | None
    start: int = 0
    """Where deflated data begin."""

    @property
    def frames(self) -> int:
        """Number of frames that are stated. Raises `BadSource`."""
        count = max(1, self.header.integer(0x00280008, 1))
        if count > MAX_FRAMES:
            raise BadSource(f"The DICOM file claims to have {count} frames.")
        return count


@dataclass(frozen=True, slots=True)
class Layout:
    """How the frames of a file are stored, and what comes out."""

    rows: int
    columns: int
    samples: int
    """That come out: 3 of a palette."""
    number: np.dtype[Any]
    """That come out of the filters, with byte order."""
    interleaved: bool
    """Whether the samples of a pixel lie together."""
    filters: tuple[Filter, ...]
    """Of every frame; those of single frames come before them."""
    stored: int
    """Bits that are used."""
    photometric: str
    encapsulated: bool
    frame: int
    """Bits of an uncompressed frame as stored."""


class _Known:
    """Headers read lately, so that opening each file of a folder need not read all the others again. Thread-safe."""

    def __init__(self, limit: int) -> None:
        self._found: OrderedDict[tuple[str, str], Instance] = OrderedDict()
        self._lock = threading.Lock()
        self._limit = limit
        self._held = 0

    def get(self, key: tuple[str, str]) -> Instance | None:
        """The instance, if it is known."""
        with self._lock:
            found = self._found.get(key)
            if found is not None:
                self._found.move_to_end(key)
            return found

    def put(self, key: tuple[str, str], instance: Instance) -> None:
        """Keep an instance, and forget those not asked for lately."""
        size = _size(instance)
        if size > self._limit // 4:
            return
        with self._lock:
            if key not in self._found:
                self._held += size
            self._found[key] = instance
            while self._held > self._limit:
                _, old = self._found.popitem(last=False)
                self._held -= _size(old)


def _size(instance: Instance) -> int:
    """About how many bytes a header holds; sequences by their length alone, since few are long."""
    values = (value for _, value in instance.header.elements.values())
    return sum(200 + len(v) * (1 if isinstance(v, bytes) else 2000) for v in values)


KNOWN = _Known(96 << 20)
"""The process's own. By path and etag, so that what is known stays true."""


def read(file: SourceFile) -> Instance:
    """The header of a file. Raises `BadSource`."""
    key = (file.source.path, file.source.etag)
    known = KNOWN.get(key)
    if known is None:
        parsed = parse(file, dictionary())
        header = Header.of(parsed.elements, little=parsed.little)
        known = Instance(file, header, parsed.syntax or ("" if parsed.little else BIG), parsed.pixels, parsed.start)
        KNOWN.put(key, known)
    return Instance(file, known.header, known.syntax, known.pixels, known.start)


def layout(instance: Instance) -> Layout:
    """How the pixels are stored (PS3.3 C.7.6.3).

    Raises:
        BadSource: The description contradicts itself.
        Unsupported: A way of storing that cannot be read; names field and value.
    """
    header, pixels, syntax = instance.header, instance.pixels, instance.syntax
    if pixels is None:
        raise Unsupported("The DICOM file holds no pixels, e.g. a report, a plan or a waveform.")
    encapsulated = pixels.nbytes == UNDEFINED
    if syntax not in _NATIVE and syntax not in codecs.SYNTAXES:
        raise Unsupported(f"The DICOM file has the transfer syntax {syntax}, which cannot be decoded.")
    codec = codecs.SYNTAXES.get(syntax, "native") if encapsulated else "native"
    rows, columns = header.integer(0x00280010), header.integer(0x00280011)
    samples = header.integer(0x00280002, 1)
    allocated = header.integer(0x00280100)
    bits = header.integer(0x00280101, allocated)
    high = header.integer(0x00280102, bits - 1)
    signed = header.integer(0x00280103, 0) == 1
    photometric = header.text(0x00280004) or ("RGB" if samples == 3 else "MONOCHROME2")
    planar = header.integer(0x00280006, 0) == 1
    _check(rows, columns, samples, allocated, bits, high, photometric)
    number = _number(pixels.tag, allocated, "<" if header.little else ">", signed=signed)
    halved = photometric == "YBR_FULL_422" and codec == "native"
    frame = rows * columns * (2 if halved else samples) * allocated
    if frame // 8 > MAX_CELL:
        raise Unsupported(
            f"One frame of the DICOM file holds {frame >> 23} MiB; that is more than can be read at once."
        )
    filters: list[Filter] = [codecs.Fragments()] if encapsulated else []
    interleaved = not planar
    if codec != "native":
        filters.append(codecs.Picture(codec, rows, columns, samples, number.newbyteorder("="), photometric))
        number, interleaved, planar = number.newbyteorder("="), True, False
    elif allocated == 8 and not header.little and pixels.vr == "OW":
        filters.append(codecs.Swapped())
    if bits < allocated and allocated >= 8 and number.kind in "iu":
        filters.append(codecs.Masked(number, bits, high))
    if photometric == "PALETTE COLOR" and header.text(0x00620001) != "LABELMAP":
        colours = palette(header)
        filters.append(codecs.Palette(number, colours.first, colours.table))
        samples, number, interleaved = 3, colours.table.dtype, True
    elif photometric in {"YBR_FULL", "YBR_FULL_422"} and codec != "jpeg" and samples == 3:
        if number.itemsize != 1:
            raise Unsupported(f"The DICOM file has {photometric} colours of {allocated} bits; 8 are read.")
        filters.append(codecs.FromYbr(planar, halved))
        interleaved = True
    return Layout(
        *(rows, columns, samples, number, interleaved, tuple(filters), bits, photometric, encapsulated, frame)
    )


def _check(rows: int, columns: int, samples: int, allocated: int, bits: int, high: int, photometric: str) -> None:
    if rows < 1 or columns < 1:
        raise BadSource(f"The DICOM file states {rows} rows and {columns} columns.")
    if allocated not in (1, 8, 16, 32, 64):
        raise Unsupported(f"The DICOM file has BitsAllocated (0028,0100) = {allocated}; 1, 8, 16, 32 and 64 are read.")
    if not 1 <= bits <= allocated or not bits - 1 <= high < allocated:
        raise BadSource(f"The DICOM file states {bits} bits up to bit {high} of {allocated}.")
    if photometric not in _COLOURS | {"MONOCHROME1", "MONOCHROME2", "PALETTE COLOR"}:
        raise Unsupported(f"The DICOM file has PhotometricInterpretation (0028,0004) = {photometric!r:.40}.")
    if samples != (3 if photometric in _COLOURS else 1) or (samples == 3 and allocated == 1):
        raise BadSource(f"The DICOM file states {samples} samples of {photometric}, {allocated} bits each.")


def _number(tag: int, allocated: int, order: str, *, signed: bool) -> np.dtype[Any]:
    if tag != 0x7FE00010:
        return np.dtype(order + ("f4" if tag == 0x7FE00008 else "f8"))
    return np.dtype(f"{order}{'i' if signed and allocated > 1 else 'u'}{max(1, allocated // 8)}")


def places(instance: Instance, how: Layout) -> tuple[Ints, Ints, list[Filter | None]]:
    """First byte and number of bytes of each frame in the file, and a filter of the frame's own.

    Raises:
        BadSource: The pixel data are incomplete.
    """
    pixels, frames = instance.pixels, instance.frames
    assert pixels is not None  # noqa: S101 - `layout` has refused such files
    if how.encapsulated:
        if instance.start:
            raise Unsupported("The DICOM file has compressed frames in a deflated data set.")
        return (*spans(instance.file, instance.header, pixels, frames), [None] * frames)
    if -(-how.frame * frames // 8) > pixels.nbytes:
        raise BadSource(
            f"The pixel data hold {pixels.nbytes} bytes; {frames} frames need {-(-how.frame * frames // 8)}."
        )
    starts = np.arange(frames, dtype=np.int64) * how.frame
    firsts, lasts = starts // 8, -(-(starts + how.frame) // 8)
    if any(isinstance(f, codecs.Swapped) for f in how.filters):
        if (firsts % 2).any():
            raise Unsupported("The DICOM file has frames of an odd number of bytes in words of a big-endian file.")
        lasts = np.minimum(lasts + lasts % 2, pixels.nbytes)
    if instance.start:
        end = instance.file.source.size - instance.start
        total = pixels.offset + pixels.nbytes
        own: list[Filter | None] = [
            codecs.Deflated(pixels.offset + int(a), int(b - a), total) for a, b in zip(firsts, lasts, strict=True)
        ]
        return np.full(frames, instance.start, np.int64), np.full(frames, end, np.int64), own
    own = [None] * frames
    if how.frame == how.rows * how.columns:
        own = [codecs.Bits(how.frame, int(s % 8)) for s in starts]
    return firsts + pixels.offset, lasts - firsts, own
