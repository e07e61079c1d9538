"""Netpbm's PGM, PPM, PAM and PFM, of which the binary forms are raw numbers behind a line of text."""

from __future__ import annotations

import re

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.arrays.raw import raw
from s3facade.readers.pictures.picture import Picture
from s3facade.readers.pictures.window import Window

_GAP = rb"(?:\s|#[^\n]*\n)+"
_PLAIN = re.compile(rb"P([56])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,5})\s")
_FLOAT = re.compile(rb"P([Ff])\s+(\d{1,9})\s+(\d{1,9})\s+(-?[0-9.]{1,20}(?:[eE][-+]?\d{1,3})?)\s")
_SNIFF = re.compile(rb"P[1-6Ff]" + _GAP + rb"[-+#0-9]")


def looks(head: bytes) -> bool:
    """Whether a file that begins with ``head`` is one of these."""
    return bool(_SNIFF.match(head)) or head.startswith(b"P7\n")


def pnm(window: Window) -> Picture:
    """The first picture of the file.

    Raises:
        BadSource: The header is damaged, or the file cut short.
        Unsupported: Text and bitmap forms.
    """
    head = window(0, min(window.size, 4096))
    found = _PLAIN.match(head)
    if found:
        return _integers(window, found.end(), int(found[2]), int(found[3]), {b"5": 1, b"6": 3}[found[1]], int(found[4]))
    if head.startswith(b"P7\n"):
        return _pam(window, head)
    found = _FLOAT.match(head)
    if found:
        return _floats(window, found)
    if head[1:2] in b"1234":
        raise Unsupported("The Netpbm file is of the text or bitmap kind (P1 to P4); only P5, P6, P7 and PFM are read.")
    raise BadSource("The Netpbm file's header is damaged.")


def _integers(window: Window, start: int, width: int, height: int, samples: int, most: int) -> Picture:
    if not 0 < most < 1 << 16 or not width or not height or not 1 <= samples <= 4:
        raise BadSource(f"The Netpbm file states {width} x {height} pixels of {samples} samples up to {most}.")
    number = np.dtype(">u2" if most > 255 else "u1")
    dims, sizes = (("y", "x", "c"), (height, width, samples)) if samples > 1 else (("y", "x"), (height, width))
    table = raw(dims, sizes, number, start, end=[window.size])
    return Picture(sizes, table.dtype, table=table, bits=most.bit_length())


def _pam(window: Window, head: bytes) -> Picture:
    text, mark, _ = head.partition(b"ENDHDR\n")
    values = dict(re.findall(rb"^(WIDTH|HEIGHT|DEPTH|MAXVAL) +(\d{1,9})\s*$", text, re.MULTILINE))
    if not mark or len(values) != 4:
        raise BadSource("The PAM file's header lacks a size, or its end.")
    width, height, depth, most = (int(values[k]) for k in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL"))
    return _integers(window, len(text) + len(mark), width, height, depth, most)


def _floats(window: Window, found: re.Match[bytes]) -> Picture:
    width, height, samples = int(found[2]), int(found[3]), 3 if found[1] == b"F" else 1
    try:
        order = "<" if float(found[4]) < 0 else ">"
    except ValueError as error:
        raise BadSource(f"The PFM file states the scale {found[4]!r}, which is no number.") from error
    if not width or not height:
        raise BadSource(f"The PFM file states {width} x {height} pixels.")
    row = width * samples * 4
    # rows are stored from the bottom up
    last = found.end() + (height - 1) * row
    dims, sizes = (("y", "x", "c"), (height, width, samples)) if samples > 1 else (("y", "x"), (height, width))
    strides = (-row, 4 * samples, 4) if samples > 1 else (-row, 4)
    table = raw(dims, sizes, np.dtype(f"{order}f4"), last, strides=strides, end=[window.size])
    return Picture(sizes, table.dtype, table=table)
