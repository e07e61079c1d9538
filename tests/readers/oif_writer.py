"""Minimal writers of OIF folders and of OIB files, which are compound files."""

from __future__ import annotations

import io
import itertools
import struct
from pathlib import Path

import numpy as np
import tifffile

FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD
NAMES = {"X": "X", "Y": "Y", "C": "Ch", "Z": "Z", "T": "T"}


def members(array, dims, *, order=None, rows=8, thumbs=True, **tiff):
    """Names and bytes of all files: settings under the empty name. ``dims`` ends in rows and columns."""
    order = order or dims[::-1]
    files = {}
    outer, shape = dims[:-2], array.shape[:-2]
    for at in itertools.product(*(range(n) for n in shape)):
        name = "s_" + "".join(f"{a}{i + 1:03d}" for a, i in zip(outer, at, strict=True))
        out = io.BytesIO()
        tifffile.imwrite(out, array[at], rowsperstrip=rows, metadata=None, **tiff)
        files[f"{name}.tif"] = out.getvalue()
        files[f"{name}.pty"] = _text(
            {"Acquisition Parameters Common": {"Magnification": 60.0, "ObjectiveLens Name": '"PLAPON 60X"'}}
        )
    if thumbs:
        files["s_Thumb.bmp"] = b"BM" + bytes(60)
    sizes = dict(zip(dims, array.shape, strict=True))
    settings = {
        "Axis Parameter Common": {"AxisCount": len(dims), "AxisOrder": f'"{order}"'},
        "Reference Image Parameter": {
            "WidthConvertValue": 0.25,
            "WidthUnit": '"um"',
            "HeightConvertValue": 0.5,
            "HeightUnit": '"um"',
            "ValidBitCounts": 8 * array.itemsize,
        },
        "Acquisition Parameters Common": {"ImageCaputreDate": "'2012-07-26 15:13:35'"},
        "Channel 1 Parameters": {"DyeName": '"DAPI"', "EmissionWavelength": 461, "ExcitationWavelength": 405},
        "Channel 2 Parameters": {"DyeName": '"None"', "CH Name": '"TD1"', "EmissionWavelength": 0},
        "ProfileSaveInfo": {"Name": '"COFAImages"', "Version": '"2.0.0.0"'},
    }
    for k, letter in enumerate("XYCZTALPQ"):
        unit, start, end = {"Z": ("nm", 1000.0, -3000.0), "T": ("ms", 0.0, 6000.0)}.get(letter, ("um", 0.0, 1.0))
        settings[f"Axis {k} Parameters Common"] = {
            "AxisCode": f'"{letter}"',
            "MaxSize": sizes.get(letter, 0),
            "UnitName": f'"{unit}"',
            "StartPosition": start,
            "EndPosition": end,
            "Interval": 0,
        }
    files[""] = _text(settings)
    return files


def _text(sections):
    lines = []
    for name, values in sections.items():
        lines += [f"[{name}]", *(f"{k}={v}" for k, v in values.items())]
    return "\ufeff".encode("utf-16-le") + "\r\n".join([*lines, ""]).encode("utf-16-le")


def oif(path, files):
    path = Path(path)
    path.write_bytes(files[""])
    folder = path.parent / f"{path.name}.files"
    folder.mkdir()
    for name, data in files.items():
        if name:
            (folder / name).write_bytes(data)
    return path


def oib(path, files, **how):
    table = {"Version": "2.0.0.0", "Name": "COFAImages", "MainFileName": "Stream00000"}
    streams = {}
    for k, (name, data) in enumerate(files.items()):
        key = f"Stream{k if name else 0:05d}" if name else "Stream00000"
        key = f"Stream{k + 1:05d}" if name else key
        table[key] = f"Storage00001/{name}" if name else "a.oif"
        streams[f"Storage00001/{key}" if name else key] = data
    table["Storage00001"] = "a.oif.files"
    streams["OibInfo.txt"] = _text({"OibSaveInfo": table})
    return compound(path, streams, **how)


def compound(path, streams, *, shift=9, scattered=False):
    """A compound file of one storage; ``scattered``: neighbouring sectors of a stream lie apart."""
    size = 1 << shift
    small, small_fat, starts = bytearray(), [], {}
    long = {}
    for name, data in streams.items():
        if len(data) < 4096:
            first, count = len(small) // 64, -(-len(data) // 64)
            starts[name] = first if count else END
            small += data.ljust(64 * count, b"\0")
            small_fat += [first + k + 1 for k in range(count - 1)] + [END] * (count > 0)
        else:
            long[name] = data
    names = ["Root Entry", "Storage00001", *streams]
    chains = {**long, "\0small": bytes(small), "\0fat": struct.pack(f"<{len(small_fat)}I", *small_fat)}
    directory = bytes(128 * (-(-len(names) // (size // 128)) * (size // 128)))
    chains["\0dir"] = directory
    pieces = [(name, k) for name, data in chains.items() for k in range(-(-len(data) // size))]
    if scattered:
        pieces = pieces[::2] + pieces[1::2]
    tables = 1
    while (len(pieces) + tables) > tables * size // 4:
        tables += 1
    assert tables <= 109
    place = {piece: tables + k for k, piece in enumerate(pieces)}
    fat = np.full(tables * size // 4, FREE, "<u4")
    fat[:tables] = FAT
    sectors = [b""] * len(pieces)

    def begin(name):
        return place.get((name, 0), END)

    entries = b""
    inner = [k for k, name in enumerate(names) if "/" in name]
    outer = [1, *(k for k, name in enumerate(names) if k > 1 and "/" not in name)]
    for k, name in enumerate(names):
        kind = 5 if k == 0 else 1 if k == 1 else 2
        # siblings hang on each other to the right: a tree that is a list
        group = inner if k in inner else outer
        right = group[group.index(k) + 1] if k in group and group[-1] != k else FREE
        child = (outer[0] if k == 0 else inner[0]) if k < 2 and (k == 0 or inner) else FREE
        first, nbytes = (begin("\0small"), len(small)) if k == 0 else (0, 0)
        if kind == 2:
            first, nbytes = starts.get(name, begin(name)), len(streams[name])
        encoded = (name.rpartition("/")[2] + "\0").encode("utf-16-le")
        entries += encoded.ljust(64, b"\0") + struct.pack("<HBBIII", len(encoded), kind, 1, FREE, right, child)
        entries += bytes(36) + struct.pack("<IQ", first, nbytes)
    chains["\0dir"] = entries.ljust(len(directory), b"\0")
    for (name, k), at in place.items():
        fat[at] = place.get((name, k + 1), END)
        sectors[at - tables] = chains[name][k * size : (k + 1) * size].ljust(size, b"\0")
    lists = [*range(tables), *[FREE] * (109 - tables)]
    head = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, shift // 3, 0xFFFE, shift, 6)
    count = -(-len(directory) // size) if shift == 12 else 0
    head += struct.pack("<IIIII", count, tables, begin("\0dir"), 0, 4096)
    head += struct.pack("<IIII", begin("\0fat"), -(-len(chains["\0fat"]) // size), END, 0)
    head += struct.pack("<109I", *lists)
    Path(path).write_bytes(head.ljust(size, b"\0") + fat.tobytes() + b"".join(sectors))
    return Path(path)
