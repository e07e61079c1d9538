"""Where the frames of encapsulated pixel data lie (PS3.5 A.4 and 7.5)."""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np

from s3facade.core.errors import BadSource
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raw import Ints
from s3facade.readers.dicom.elements import ITEM, SEQUENCE_END, PixelData
from s3facade.readers.dicom.header import Header

_ITEM = struct.pack("<HH", ITEM >> 16, ITEM & 0xFFFF)
_END = struct.pack("<HH", SEQUENCE_END >> 16, SEQUENCE_END & 0xFFFF)
_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")
_MANY = 4_000_000


def spans(file: SourceFile, header: Header, pixels: PixelData, frames: int) -> tuple[Ints, Ints]:
    """First byte and number of bytes of each frame: its fragments with their item headers.

    The extended or the basic offset table says where frames begin; without one the items are walked.

    Raises:
        BadSource: The tables or the fragments contradict the number of frames.
    """
    with file.stream() as stream:
        stream.seek(pixels.offset)
        head = stream.read(8)
        if len(head) < 8 or head[:4] != _ITEM:
            raise BadSource("The compressed pixel data lack their table of offsets.")
        (length,) = struct.unpack("<I", head[4:])
        base = pixels.offset + 8 + length
        if base > file.source.size:
            raise BadSource("The file ends inside the table of offsets of its pixel data; it is cut short.")
        extended = header.raw(0x7FE00001), header.raw(0x7FE00002)
        if frames > 1 and len(extended[0]) == len(extended[1]) == 8 * frames:
            offsets = np.frombuffer(extended[0], "<u8").astype(np.int64) + base
            counts = np.frombuffer(extended[1], "<u8").astype(np.int64) + 8
            return offsets, counts + counts % 2
        if length == 4 * frames and frames > 1:
            table = np.frombuffer(stream.read(length), "<u4").astype(np.int64)
            if table[0] == 0 and (np.diff(table) > 0).all():
                starts = table + base
                # only the fragments of the last frame have to be walked
                last = _walk(stream, int(starts[-1]), file.source.size)
                ends = np.append(starts[1:], last[-1][0] + last[-1][1])
                return starts, ends - starts
        return _grouped(_walk(stream, base, file.source.size), frames)


def _walk(stream: BinaryIO, at: int, size: int) -> list[tuple[int, int, bool]]:
    """Fragments from ``at``: first byte of the item header, bytes with it, and whether an image starts there."""
    found: list[tuple[int, int, bool]] = []
    while at + 8 <= size:
        stream.seek(at)
        head = stream.read(11)
        if head[:4] == _END:
            break
        if head[:4] != _ITEM:
            raise BadSource("The compressed pixel data are damaged: a fragment is missing.", private=f"at {at}")
        length = 8 + int(struct.unpack("<I", head[4:8])[0])
        if at + length > size:
            raise BadSource("The compressed pixel data are incomplete: the file ends inside a fragment.")
        found.append((at, length, head[8:11] in _STARTS or head[8:11] == _STARTS[1][:3]))
        if len(found) > _MANY:
            raise BadSource(f"The compressed pixel data have more than {_MANY} fragments.")
        at += length
    if not found:
        raise BadSource("The compressed pixel data hold no fragment.")
    return found


def _grouped(found: list[tuple[int, int, bool]], frames: int) -> tuple[Ints, Ints]:
    if len(found) == frames:
        firsts = list(range(frames))
    elif frames == 1:
        firsts = [0]
    else:
        firsts = [i for i, (_, _, starts) in enumerate(found) if starts]
        if len(firsts) != frames or firsts[0]:
            raise BadSource(
                f"The file has {len(found)} fragments for {frames} frames, and does not say which belong together."
            )
    starts = np.array([found[i][0] for i in firsts], np.int64)
    ends = np.array([sum(found[i - 1][:2]) for i in (*firsts[1:], len(found))], np.int64)
    return starts, ends - starts
