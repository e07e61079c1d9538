"""DeltaVision (.dv, .r3d): planes of a widefield microscope behind a header of 1,024 bytes.

Source: the IVE library's description of the Priism/DeltaVision image format (header words, image sequence, extended
header of integers and floats for each plane).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Channel
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import raw
from s3facade.readers.facts import Facts
from s3facade.readers.volumes.common import Keeping, checked, finite, image, known_dims, ordered, peek, plain

_HEADER = np.dtype(
    [
        *[("nx", "i4"), ("ny", "i4"), ("sections", "i4"), ("type", "i4"), ("start", "i4", 3), ("m", "i4", 3)],
        *[("size", "f4", 3), ("angles", "f4", 3), ("axes", "i4", 3), ("limits1", "f4", 2), ("mean", "f4")],
        *[("group", "i4"), ("next", "i4"), ("dvid", "i2"), ("blank", "i2"), ("t0", "i4"), ("unused", "V24")],
        *[("ints", "i2"), ("floats", "i2"), ("subresolutions", "i2"), ("zfactor", "i2"), ("limits2", "f4", 2)],
        *[("limits3", "f4", 2), ("limits4", "f4", 2), ("kind", "i2"), ("lens", "i2"), ("n1", "i2"), ("n2", "i2")],
        *[("v1", "i2"), ("v2", "i2"), ("limits5", "f4", 2), ("times", "i2"), ("sequence", "i2"), ("tilt", "f4", 3)],
        *[("waves", "i2"), ("wave", "i2", 5), ("z0", "f4"), ("x0", "f4"), ("y0", "f4"), ("titles", "i4")],
        ("title", "S80", 10),
    ]
)
_TYPES = {0: "u1", 1: "i2", 2: "f4", 6: "u2", 7: "i4"}
_SEQUENCES = {0: "ctz", 1: "tzc", 2: "tcz"}
"""Dimensions of planes, slowest first."""
_FLOATS = 14
_PLANES = 5_000
"""More are not told one by one."""
_KEEPING = Keeping()


def _order(head: bytes) -> str | None:
    return {b"\xa0\xc0": "<", b"\xc0\xa0": ">"}.get(head[96:98])


class DeltaVisionReader:
    """DeltaVision. No options."""

    name: ClassVar[str] = "deltavision"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".dv", ".r3d"})

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the header tells
        """By the number -16224 in word 25, and lengths and a type that can be."""
        order = _order(head)
        if order is None or len(head) < 1024:
            return False
        about = np.frombuffer(head[:1024], ordered(_HEADER, order))[0]
        kinds = {*_TYPES, 3, 4, 5}
        return int(about["type"]) in kinds and min(int(about[n]) for n in ("nx", "ny", "sections")) > 0

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The image of a file.

        Raises:
            BadSource: The header contradicts itself or the size of the file.
            Unsupported: Complex numbers.
        """
        checked(options, {})
        head = peek(file, 1024)
        order = _order(head)
        if order is None or len(head) < 1024:
            raise BadSource("This is no DeltaVision file: word 25 of the header is not -16224.")
        about = np.frombuffer(head, ordered(_HEADER, order))[0]
        kind = int(about["type"])
        if kind not in _TYPES:
            raise Unsupported(f"The DeltaVision file has pixels of type {kind}; complex numbers are not shown.")
        return [_raster(file, about, order)]

    freeze = staticmethod(_KEEPING.freeze)
    thaw = staticmethod(_KEEPING.thaw)


def _raster(file: SourceFile, about: Any, order: str) -> TableRaster:
    sections, notes = int(about["sections"]), []
    counts = {"t": max(1, int(about["times"])), "c": max(1, int(about["waves"]))}
    if sections % (counts["t"] * counts["c"]):
        raise BadSource(
            f"The header tells of {sections} planes for {counts['t']} times and {counts['c']} wavelengths; that does "
            "not share out."
        )
    counts["z"] = sections // (counts["t"] * counts["c"])
    sequence = int(about["sequence"])
    if sequence not in _SEQUENCES:
        raise BadSource(f"The header tells of image sequence {sequence}; 0, 1 and 2 are known.")
    names = _SEQUENCES[sequence]
    dims = [*(a if counts[a] > 1 else "" for a in names), "y", "x"]
    sizes = [*(counts[a] for a in names), int(about["ny"]), int(about["nx"])]
    known_dims(sizes)
    offset = 1024 + int(about["next"])
    if int(about["next"]) < 0:
        raise BadSource(f"The header tells of an extended header of {int(about['next'])} bytes.")
    number = np.dtype(order + _TYPES[int(about["type"])])
    table = raw(dims, sizes, number, offset, end=[file.source.size])
    if int(about["kind"]) == 20:
        notes.append("The file holds several positions of the stage; they are shown along t.")
    planes = _planes(file, about, order, sizes[:3], names)
    waves = [float(w) for w in about["wave"]]
    channels = [_channel(about, k, waves, planes) for k in range(counts["c"])]
    return image(table, [file], _facts(about, planes, counts, notes), channels)


def _planes(file: SourceFile, about: Any, order: str, sizes: Sequence[int], names: str) -> list[dict[str, float]]:
    """What the extended header says of each plane, in order; empty if there is none, or too much of it."""
    ints, floats = int(about["ints"]), int(about["floats"])
    count, each = math.prod(sizes), 4 * (ints + floats)
    if ints < 0 or floats < _FLOATS or count > _PLANES or count * each > int(about["next"]):
        return []
    data = np.frombuffer(peek(file, count * each, 1024), order + "f4").reshape(count, -1)[:, ints : ints + _FLOATS]
    found = []
    for k, values in enumerate(data):
        at = dict(zip(names, (int(i) for i in np.unravel_index(k, sizes)), strict=True))
        told = dict(zip(("seconds", "x", "y", "z_position"), (float(v) for v in values[1:5]), strict=True))
        more = {"exposure": float(values[8]), "excitation": float(values[10]), "emission": float(values[11])}
        found.append({**at, **{n: v for n, v in {**told, **more}.items() if finite(v)}})
    return found


def _channel(about: Any, k: int, waves: Sequence[float], planes: Sequence[Mapping[str, float]]) -> Channel:
    own = next((p for p in planes if p["c"] == k), {})
    emission = waves[k] if k < len(waves) and waves[k] > 0 else own.get("emission", 0.0)
    excitation = own.get("excitation", 0.0)
    window = None
    if k < 5:
        low, high = (float(v) for v in about[f"limits{k + 1}"])
        window = (low, high) if finite(low, high) and low < high else None
    return Channel(
        name=f"{emission:g} nm" if emission > 0 else None,
        window=window,
        emission=emission if emission > 0 else None,
        excitation=excitation if excitation > 0 else None,
    )


def _facts(about: Any, planes: list[dict[str, float]], counts: Mapping[str, int], notes: list[str]) -> Facts:
    scale = {a: float(s) for a, s in zip("xyz", about["size"], strict=True) if finite(float(s)) and s > 0}
    fields = {n: about[n] for n in _HEADER.names or () if n not in ("unused", "blank")}
    attrs: dict[str, Any] = {"notes": notes}
    if planes:
        index = ("t", "c", "z")
        seconds = [{k: p[k] for k in (*index, "seconds") if k in p} for p in planes]
        places = [{k: p[k] for k in (*index, "x", "y", "z_position") if k in p} for p in planes]
        if any(p.get("seconds") for p in seconds):
            attrs["times"] = seconds
            step = _step(planes, counts)
            if step:
                scale["t"] = step
        if any(p.get("x") or p.get("y") or p.get("z_position") for p in places):
            attrs["positions"] = places
    attrs["original"] = plain(fields)
    return Facts(scale, attrs=attrs)


def _step(planes: Sequence[Mapping[str, float]], counts: Mapping[str, int]) -> float | None:
    """Seconds from one time to the next, if they are the same throughout, to a hundredth."""
    first = [p["seconds"] for p in planes if p["c"] == 0 and p["z"] == 0 and "seconds" in p]
    if counts["t"] < 2 or len(first) != counts["t"]:
        return None
    steps = np.diff(sorted(first))
    mean = float(steps.mean())
    return mean if mean > 0 and np.allclose(steps, mean, rtol=0.01) else None
