"""LZW streams that imagecodecs must not see."""

from __future__ import annotations

import numpy as np

_MAX_CLEARED = 1 << 16


def check(data: bytes) -> None:
    """Refuse a stream whose first code behind a cleared table is none of a byte.

    Imagecodecs 2026.3.6 looks such a code up in its table all the same: where nothing has been put yet, that is
    whatever was in memory before, which crashes it or becomes pixels. A code of 9 bits cannot mean such a place once
    so many codes have followed each other without clearing, so that only the beginning is looked at. All other wrong
    codes it recognises itself.

    Raises:
        ValueError: It is.
    """
    # As libtiff tells streams of old programs, whose bits begin with the lowest and whose codes grow one later.
    old = data[:1] == b"\0" and bool(data[1] & 1) if len(data) > 1 else False
    # Codes of 9 bits behind one that clears the table (TIFF 6.0, section 13); the next one has 10.
    short = 255 if old else 254
    # nearly always: the first code clears, the second is a byte
    at = 9 if data[:1] == b"\x80" and data[1:2] < b"\x80" else 0
    for _ in range(_MAX_CLEARED):
        piece = np.frombuffer(data, np.uint8, min(len(data) - (at >> 3), 290), at >> 3)
        bits = np.unpackbits(piece, bitorder="little" if old else "big")[at & 7 :]
        codes = bits[: min(short, len(bits) // 9) * 9].reshape(-1, 9)[:, :: -1 if old else 1]
        # 256 clears the table, 257 ends the stream
        special = codes[:, 0] > codes[:, 1:8].any(1)
        if not len(codes) or (codes[0, 0] and not special[0]):
            break
        k = int(special.argmax())
        if special[k]:
            if codes[k, 8]:
                return
            at += 9 * (k + 1)
            continue
        following = bits[short * 9 : short * 9 + 10][:: -1 if old else 1].tolist()
        if following != [0, 1, *[0] * 8]:
            return
        at += short * 9 + 10
    else:
        raise ValueError("an LZW stream that does nothing but clear its table")
    if len(codes):
        raise ValueError("an LZW stream whose first code is no byte")
