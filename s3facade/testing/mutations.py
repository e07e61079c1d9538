"""Damaged files from whole ones: the same for the same seed, on every machine.

Most of the damage goes where formats keep their structure: to the first and the last bytes of a file.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Mapping

HEAD = 4096
"""Bytes at either end of a file that are hit most."""
ABSURD = (
    0,
    1,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**40,
    2**63 - 1,
    2**63,
    2**64 - 1,
)
"""Numbers that sizes and offsets should not be."""


def mutated(data: bytes, seed: int) -> tuple[str, bytes]:
    """One way to damage ``data``: what was done, and the bytes after it, never more than twice as many and 64 KiB.

    Args:
        data: A file that is whole.
        seed: Chooses what is done, and where.
    """
    rng = random.Random(seed)  # noqa: S311 - damage, not secrets
    kind = rng.choice(list(KINDS))
    found = KINDS[kind](data, rng)
    if rng.random() < 0.2:
        other = rng.choice(list(KINDS))
        kind, found = f"{kind}, {other}", KINDS[other](found, rng)
    return kind, found[: 2 * len(data) + (64 << 10)]


def place(size: int, rng: random.Random) -> int:
    """An offset below ``size`` (>= 1), most often near one of the ends."""
    where = rng.random()
    if where < 0.6:
        return rng.randrange(min(size, HEAD))
    if where < 0.75:
        return size - 1 - rng.randrange(min(size, HEAD))
    return rng.randrange(size)


def _cut(data: bytes, rng: random.Random) -> bytes:
    return data[: place(len(data) + 1, rng)]


def _flip(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if out:
            out[place(len(out), rng)] ^= 1 << rng.randrange(8)
    return bytes(out)


def _number(data: bytes, rng: random.Random) -> bytes:
    """A number of two, four or eight bytes in place of what is there."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 3))):
        form = rng.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
        size = struct.calcsize(form)
        if len(out) >= size:
            at = min(place(len(out), rng) // 2 * 2, len(out) - size)
            struct.pack_into(form, out, at, rng.choice(ABSURD) & ((1 << 8 * size) - 1))
    return bytes(out)


def _digits(data: bytes, rng: random.Random) -> bytes:
    """Another number where one is written in letters: headers that are text."""
    at = [i for i in range(min(len(data), HEAD)) if 48 <= data[i] <= 57]
    if not at:
        return _number(data, rng)
    first = rng.choice(at)
    last = first
    while last < len(data) and 48 <= data[last] <= 57:
        last += 1
    value = rng.choice((b"0", b"-1", b"99999999", b"9" * 20, b"1e308", b"nan", b"", b"x"))
    if rng.random() < 0.5:
        value = value[: last - first].ljust(last - first, b"0")
    return data[:first] + value + data[last:]


def _zeros(data: bytes, rng: random.Random) -> bytes:
    return _run(data, rng, b"\0")


def _ones(data: bytes, rng: random.Random) -> bytes:
    return _run(data, rng, b"\xff")


def _run(data: bytes, rng: random.Random, byte: bytes) -> bytes:
    if not data:
        return byte
    at = place(len(data), rng)
    size = min(rng.choice((1, 4, 16, 256, 4096)), len(data) - at)
    return data[:at] + byte * size + data[at + size :]


def _splice(data: bytes, rng: random.Random) -> bytes:
    """A piece of the file copied, moved or left out."""
    if not data:
        return data
    at, to = place(len(data), rng), place(len(data), rng)
    piece = data[at : at + rng.choice((1, 2, 8, 64, 1024))]
    return data[:to] + piece + data[to + rng.choice((0, len(piece))) :]


def _noise(data: bytes, rng: random.Random) -> bytes:
    """Random bytes behind the first few, by which formats are recognised."""
    keep = rng.choice((4, 8, 16, 128, 352, 512, 1024))
    return data[:keep] + rng.randbytes(min(max(len(data) - keep, 0), 64 << 10))


KINDS: Mapping[str, Callable[[bytes, random.Random], bytes]] = {
    "cut": _cut,
    "bits": _flip,
    "number": _number,
    "digits": _digits,
    "zeros": _zeros,
    "ones": _ones,
    "splice": _splice,
    "noise": _noise,
}
"""The ways of damage by name."""
