"""Tables of colours (PS3.3 C.7.9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.dicom.header import Header


@dataclass(frozen=True, slots=True, eq=False)
class Colours:
    """A table of colours."""

    first: int
    """Index of its first one."""
    table: npt.NDArray[Any]
    """(colours, 3), of 8 or 16 bits."""


def palette(header: Header) -> Colours:
    """The red, green and blue tables of a file. Raises `BadSource`, `Unsupported`."""
    if any(tag in header for tag in (0x00281221, 0x00281222, 0x00281223)):
        raise Unsupported("The DICOM file has a segmented palette, which is not read.")
    columns, first = [], 0
    for n in range(3):
        descriptor = header.numbers(0x00281101 + n)
        if len(descriptor) != 3:
            raise BadSource("The DICOM file is coloured by a palette that it does not describe.")
        count, start, bits = (int(v) & 0xFFFF for v in descriptor)
        first = start - 0x10000 if header.elements[0x00281101 + n][0] == "SS" and start > 0x7FFF else start
        columns.append(_column(header.raw(0x00281201 + n), count or 1 << 16, bits, little=header.little))
    if len({c.dtype for c in columns}) > 1 or len({len(c) for c in columns}) > 1:
        raise BadSource("The red, green and blue tables of the DICOM file are of different sizes.")
    return Colours(first, np.stack(columns, axis=1))


def _column(data: bytes, count: int, bits: int, *, little: bool) -> npt.NDArray[Any]:
    words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little else ">u2")
    if len(words) >= count:
        found = words[:count].astype(np.uint16)
        return (found & 0xFF).astype(np.uint8) if bits == 8 else found
    if bits == 8 and len(data) >= count:
        swapped = words.astype("<u2").tobytes()
        return np.frombuffer(swapped, np.uint8)[:count]
    raise BadSource(f"A colour table of the DICOM file holds {len(data)} bytes for {count} colours.")
