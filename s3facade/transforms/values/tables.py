"""Colour tables: 256 colours for values from black to white, by name or from files."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Block

_STOPS: Mapping[str, str] = {
    "gray": "000000 FFFFFF",
    "red": "000000 FF0000",
    "green": "000000 00FF00",
    "blue": "000000 0000FF",
    "cyan": "000000 00FFFF",
    "magenta": "000000 FF00FF",
    "yellow": "000000 FFFF00",
    "orange": "000000 FF8000",
    "fire": "000000 3C0078 A0148C F03C28 FFA000 FFF050 FFFFFF",
    "ice": "000000 002060 0060B0 30A8E0 A0E0F8 FFFFFF",
    "spectrum": "FF0000 FFFF00 00FF00 00FFFF 0000FF FF00FF FF0000",
    # viridis, inferno and magma are by S. van der Walt and N. Smith, given to the public domain (CC0). Every sixteenth
    # of their colours, straight lines between: within 7 of 255 of the originals.
    "viridis": (
        "440154 48186A 472D7B 424086 3B528B 33638D 2C728E 26828E 21918C 1F9F88 27AD81 3DBC74 5CC863 81D34D AADC32 "
        "D5E21A FDE725"
    ),
    "inferno": (
        "000004 0B0724 210C4A 3D0965 57106E 71196E 8A226A A32C61 BC3754 D04545 E35933 F1711F F98C0A FCAA0F F9C932 "
        "F2E865 FCFFA4"
    ),
    "magma": (
        "000004 0A0822 1D1147 36106B 51127C 6A1C81 832681 9C2E7F B73779 CF4070 E55064 F4695C FB8761 FEA571 FEC287 "
        "FDE0A1 FCFDBF"
    ),
}
"""Colours at equal distances, RRGGBB, from black to white."""
NAMES = tuple(sorted(_STOPS))


def named(name: str) -> Block:
    """The table called ``name``: (256, 3), uint8.

    Raises:
        Unsupported: There is none; names those that there are.
    """
    if name not in _STOPS:
        raise Unsupported(f"There is no colour table called {name!r}; use {', '.join(NAMES)}, or `file`.")
    stops = np.array([list(bytes.fromhex(stop)) for stop in _STOPS[name].split()], np.float64)
    at = np.linspace(0, len(stops) - 1, 256)
    parts = [np.interp(at, np.arange(len(stops)), stops[:, i]) for i in range(3)]
    table: Block = np.rint(np.stack(parts, 1))
    return table.astype(np.uint8)


def parsed(data: bytes) -> Block:
    """The table of an ImageJ ``.lut`` file: binary, with or without NIH Image's header, or lines of numbers.

    Raises:
        BadSource: Not 256 colours of three numbers from 0 to 255.
    """
    body = data[32:] if data[:4] == b"ICOL" else data
    if len(body) == 768:
        return np.frombuffer(body, np.uint8).reshape(3, 256).T.copy()
    try:
        lines = [line.replace(",", " ").split() for line in data.decode("ascii").splitlines()]
        rows = [[int(word) for word in line] for line in lines if line and line[0].isdigit()]
        table = np.array([row[-3:] for row in rows if len(row) in {3, 4}])
    except ValueError as error:
        raise BadSource("The colour table is neither 768 bytes nor lines of whole numbers.") from error
    if table.shape != (256, 3) or table.min() < 0 or table.max() > 255:
        raise BadSource("The colour table does not hold 256 colours of red, green and blue from 0 to 255.")
    return table.astype(np.uint8)
