"""A minimal writer of ND2 files, since no library writes them: chunks, their map, metadata in both forms."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

TIME, POSITION, DEPTH = 1, 2, 4


def lite(name, value):
    """One value of the binary form of metadata."""
    encoded = (name + "\0").encode("utf-16-le") if name else b""
    head = lambda kind: bytes([kind, len(encoded) // 2]) + encoded  # noqa: E731
    if isinstance(value, bool):
        return head(1) + bytes([value])
    if isinstance(value, int):
        return head(3) + struct.pack("<I", value)
    if isinstance(value, float):
        return head(6) + struct.pack("<d", value)
    if isinstance(value, str):
        return head(8) + (value + "\0").encode("utf-16-le")
    if isinstance(value, bytes):
        return head(9) + struct.pack("<Q", len(value)) + value
    inner = value.items() if isinstance(value, dict) else [("", v) for v in value]
    body = b"".join(lite(k, v) for k, v in inner)
    start = head(11)
    return start + struct.pack("<IQ", len(value), len(start) + 12 + len(body)) + body + bytes(8 * len(value))


def xml(name, value):
    kinds = {bool: "bool", int: "lx_uint32", float: "double", str: "CLxStringW"}
    if type(value) in kinds:
        shown = str(value).lower() if isinstance(value, bool) else value
        return f'<{name} runtype="{kinds[type(value)]}" value="{shown}"/>'
    inner = value.items() if isinstance(value, dict) else [("no_name", v) for v in value]
    return f'<{name} runtype="CLxListVariant">' + "".join(xml(k, v) for k, v in inner) + f"</{name}>"


def loop(kind, count, below=None, **parameters):
    if kind == TIME:
        parameters = {"uiCount": count, "dStart": 0.0, "dPeriod": 2000.0, "dDuration": 0.0, **parameters}
    elif kind == DEPTH:
        parameters = {"uiCount": count, "dZLow": 0.0, "dZHigh": count * 0.5, "dZStep": 0.5, "dZHome": 0.0, **parameters}
    else:
        points = {f"p{k}": {"dPosX": 10.0 * k, "dPosY": 5.0, "dPosZ": 1.0, "dPosName": f"#{k}"} for k in range(count)}
        parameters = {"uiCount": count, "bUseZ": True, "Points": points, **parameters}
    node = {"eType": kind, "uLoopPars": parameters}
    if below:
        node["ppNextLevelEx"] = {"i0000000000": below}
    return node


def write(path, frames, *, channels=1, samples=1, experiment=None, pad=0, compressed=False, times=None, old=False):
    """``frames``: arrays of rows, columns, values; None for one that is missing."""
    first = next(f for f in frames if f is not None)
    height, width, components = first.shape
    row = width * components * first.itemsize + pad
    attributes = {
        "uiWidth": width,
        "uiWidthBytes": row,
        "uiHeight": height,
        "uiComp": components,
        "uiBpcInMemory": 8 * first.itemsize,
        "uiBpcSignificant": 8 * first.itemsize,
        "uiSequenceCount": len(frames),
        "uiTileWidth": width,
        "uiTileHeight": height,
        "eCompression": 0 if compressed else 2,
        "dCompressionParam": 0.0,
    }
    spectrum = {"uiCount": 1, "pPoint": {"Point0": {"eType": 4, "dWavelength": 510.0, "dTValue": 1.0}}}
    empty = {"uiCount": 0}
    planes = {
        f"a{k}": {
            "uiCompCount": samples,
            "uiSampleIndex": k,
            "sDescription": f"Dye {k}",
            "uiColor": (0x00FF07, 0x0000FF, 0xFF0000)[k % 3],
            "pFluorescentProbe": {"m_ExcitationSpectrum": empty, "m_EmissionSpectrum": spectrum},
        }
        for k in range(channels)
    }
    picture = {
        "dTimeMSec": 0.0,
        "dTimeAbsolute": 2460000.5,
        "bCalibrated": True,
        "dCalibration": 0.25,
        "dObjectiveMag": -1.0,
        "dObjectiveNA": 0.75,
        "wsObjectiveName": "Plan Fluor 20x DIC",
        "sPicturePlanes": {"uiCount": channels, "uiCompCount": components, "sPlaneNew": planes},
    }
    chunks = []
    for k, frame in enumerate(frames):
        if frame is not None:
            rows = b"".join(r.tobytes() + b"\xee" * pad for r in frame)
            chunks.append((f"ImageDataSeq|{k}!", struct.pack("<d", k) + (zlib.compress(rows) if compressed else rows)))

    def metadata(name, root, value, number=""):
        if old:
            data = (
                '<?xml version="1.0" encoding="UTF-8"?>' + f'<variant version="1.0">{xml("no_name", value)}</variant>'
            ).encode()
            chunks.append((f"{name}{number}!", data))
        else:
            chunks.append((f"{name}LV{number}!", lite(root, value)))

    metadata("ImageAttributes", "SLxImageAttributes", attributes)
    metadata("ImageMetadataSeq", "SLxPictureMetadata", picture, "|0")
    if experiment:
        metadata("ImageMetadata", "SLxExperiment", experiment)
    if times is not None:
        chunks.append(("CustomData|AcqTimesCache!", struct.pack(f"<{len(times)}d", *times)))
    version = b"Ver2.1" if old else b"Ver3.0"
    out = bytearray(_chunk("ND2 FILE SIGNATURE CHUNK NAME01!", version.ljust(64, b"\0"), 32))
    out = out.ljust(4096, b"\0")
    places = b""
    for name, data in chunks:
        places += name.encode() + struct.pack("<QQ", len(out), len(data))
        out += _chunk(name, data, 4072)
        out = out.ljust(-(-len(out) // 4096) * 4096, b"\0")
    at = len(out)
    places += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", at)
    out += _chunk("ND2 FILEMAP SIGNATURE NAME 0001!", places.ljust(len(places) + 8, b"\0"), 48)
    out += b"ND2 CHUNK MAP SIGNATURE 0000001!" + struct.pack("<Q", at)
    Path(path).write_bytes(out)
    return path


def _chunk(name, data, reserved):
    return struct.pack("<IIQ", 0x0ABECEDA, reserved, len(data)) + name.encode().ljust(reserved, b"\0") + data
