"""HDF5's own packing of numbers into few bits: its filter 6, scale-offset."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import imagecodecs
import numpy as np
import numpy.typing as npt

from s3facade.core.operators import Buffer
from s3facade.readers.arrays.filters import SLACK

_HEAD = struct.Struct("<IB8s")
_START = 21
"""Bytes before the packed bits; what follows the minimum is reserved."""
_AT_ONCE = 1 << 16
"""Numbers unpacked bit by bit at a time."""


@dataclass(frozen=True, slots=True)
class ScaleOffset:
    """Differences from a minimum, of as few bits as the largest one needs. Made by `scale_offset`.

    Of floating-point numbers, differences are whole numbers of a decimal place.
    """

    name: ClassVar[str] = "scale-offset"
    number: np.dtype[Any]
    """Of the numbers, with their byte order."""
    count: int
    """Numbers of a chunk."""
    factor: int
    """Of floating-point numbers: decimal places. Of integers: bits, where they were chosen."""
    fill: float | None = None
    """What the largest packed number stands for; None where it stands for itself."""

    def decode(self, data: Buffer, nbytes: int) -> Buffer:
        """The numbers."""
        number, size = self.number.newbyteorder("="), self.number.itemsize
        if self.count * size > nbytes + SLACK:
            raise ValueError(f"{self.count} numbers do not fit in a chunk of {nbytes} bytes")
        if number.kind != "f" and self.factor == 8 * size:
            return data
        if len(data) < _START:
            raise ValueError("shorter than its header")
        bits, width, least = _HEAD.unpack_from(data)
        body = memoryview(data)[_START:]
        if bits > 8 * size or len(body) < (self.count * bits + 7) // 8 or not 1 <= width <= 8:
            raise ValueError(f"{len(body)} bytes do not hold {self.count} numbers of {bits} bits")
        if bits == 8 * size:
            plain = np.frombuffer(body, number.newbyteorder("<"), self.count)
            return plain.astype(self.number, copy=False).tobytes()
        packed = _unpacked(body, bits, self.count, size)
        return self._values(packed, bits, least[:width].ljust(8, b"\0")).astype(self.number, copy=False).tobytes()

    def _values(self, packed: npt.NDArray[Any], bits: int, least: bytes) -> npt.NDArray[Any]:
        number = self.number.newbyteorder("=")
        values: npt.NDArray[Any]
        if number.kind == "f":
            low = np.frombuffer(least, f"<f{number.itemsize}", 1)[0]
            values = packed.astype(number) / number.type(10.0) ** self.factor + number.type(low)
        else:
            low = np.frombuffer(least, "<u8", 1).astype(packed.dtype)[0]
            values = np.asarray(packed + low).view(number)
        if self.fill is not None:
            values[packed == (1 << bits) - 1] = self.fill
        return values


def scale_offset(values: Sequence[int], number: np.dtype[Any], fill: float | None) -> ScaleOffset | None:
    """The filter from its client data; None for a variant that HDF5 does not write.

    Args:
        values: Kind of scaling, factor, count, class, bytes, sign and order of the numbers, whether there is a fill
            value, and that value.
        number: Type of the stored numbers.
        fill: The fill value of the dataset, as a number.
    """
    if len(values) < 8 or values[4] != number.itemsize or (values[0], number.kind) not in {
        (0, "f"), (2, "u"), (2, "i"), (2, "b"),
    }:  # fmt: skip
        return None
    factor = values[1] - (1 << 32) if values[1] >= 1 << 31 else values[1]
    plain = np.dtype(f"{number.byteorder}i1") if number.kind == "b" else number
    return ScaleOffset(plain, values[2], factor, fill if values[7] else None)


def _unpacked(data: memoryview, bits: int, count: int, size: int) -> npt.NDArray[Any]:
    """Unsigned numbers of ``size`` bytes from ``bits`` each, highest bit first and without gaps."""
    if not bits:
        return np.zeros(count, f"u{size}")
    if bits in (8, 16, 32):
        return np.frombuffer(data, f">u{bits // 8}", count).astype(f"u{size}")
    if bits > 32:
        return _bit_by_bit(data, bits, count)
    width = 1 if bits <= 8 else 2 if bits <= 16 else 4
    unpack: Any = imagecodecs.packints_decode
    found: npt.NDArray[Any] = unpack(bytes(data), f"u{width}", bits)[:count]
    return found.astype(f"u{size}")


def _bit_by_bit(data: memoryview, bits: int, count: int) -> npt.NDArray[np.uint64]:
    out = np.empty(count, np.uint64)
    weights = np.left_shift(np.uint64(1), np.arange(bits - 1, -1, -1, dtype=np.uint64))
    for start in range(0, count, _AT_ONCE):
        part = min(_AT_ONCE, count - start)
        # The bits of `_AT_ONCE` numbers fill whole bytes.
        taken = np.frombuffer(data, np.uint8)[start * bits // 8 : ((start + part) * bits + 7) // 8]
        digits = np.unpackbits(taken, count=part * bits).reshape(part, bits)
        out[start : start + part] = (digits * weights).sum(1, dtype=np.uint64)
    return out
