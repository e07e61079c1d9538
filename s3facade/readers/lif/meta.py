"""What the XML of a Leica file says about an image beside its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from s3facade.core.spec import Channel
from s3facade.readers.facts import colours
from s3facade.readers.lif.elements import Band, Dimension, Element
from s3facade.readers.ome_xml import duration, length
from s3facade.readers.trees import every, first, integer, number, positive, text, walk

_COLOURS: Mapping[str, str] = {
    "red": "FF0000", "green": "00FF00", "blue": "0000FF", "cyan": "00FFFF", "magenta": "FF00FF", "yellow": "FFFF00",
    "gray": "FFFFFF", "grey": "FFFFFF",
}  # fmt: skip
_EPOCH = 116_444_736_000_000_000
"""1970-01-01 in the time of Windows files, in units of 100 ns since 1601."""


def is_colour(bands: Sequence[Band]) -> bool:
    """Whether the channels are red, green and blue samples of one picture."""
    return sorted(b.tag for b in bands) == [1, 2, 3]


def channels(bands: Sequence[Band]) -> tuple[Channel, ...]:
    """One per channel, in the same order."""
    if is_colour(bands):
        return colours(bands[0].number.newbyteorder("="), 3, bands[0].bits)
    return tuple(Channel(b.name, _COLOURS.get((b.lut or "").lower())) for b in bands)


def wavelengths(dimensions: Sequence[Dimension]) -> tuple[Channel, ...]:
    """One channel per wavelength of a scan over wavelengths; none where they are not stated."""
    along = [d for d in dimensions if d.axis == "c" and d.size > 1]
    if len(along) != 1 or along[0].unit != "m" or not along[0].origin or along[0].length is None:
        return ()
    first, step = along[0].origin * 1e9, along[0].length / (along[0].size - 1) * 1e9
    values = [round(first + k * step, 3) for k in range(along[0].size)]
    if along[0].words.startswith("emission"):
        return tuple(Channel(emission=v) for v in values)
    return tuple(Channel(excitation=v) for v in values)


def scale(dimensions: Sequence[Dimension]) -> dict[str, float]:
    """µm or seconds per voxel. A length reaches from the centre of the first to that of the last element."""
    found = {}
    for axis in "tzyx":
        along = [d for d in dimensions if d.axis == axis and d.size > 1]
        if len(along) == 1 and along[0].length and (axis != "t" or along[0].words == "T"):
            whole = abs(along[0].length)
            step = (duration if axis == "t" else length)(whole / (along[0].size - 1), along[0].unit)
            if step is not None and step > 0:
                found[axis] = step
    return found


def stamps(node: Mapping[str, Any]) -> list[float]:
    """Seconds since 1970, UTC, of each frame; empty where they are not known."""
    listed = first(node, "Data/Image/TimeStampList")
    found: list[int | None] = []
    if every(listed, "TimeStamp"):
        for item in every(listed, "TimeStamp"):
            high, low = integer(text(item, "@HighInteger")), integer(text(item, "@LowInteger"))
            found.append(None if high is None or low is None else (high << 32) + low)
    else:
        words = listed if isinstance(listed, str) else text(listed, "")
        if isinstance(listed, Mapping):
            words = listed.get("#text")
        for word in str(words or "").split():
            try:
                found.append(int(word, 16))
            except ValueError:
                return []
    known = [(f - _EPOCH) / 1e7 for f in found if f is not None]
    return known if len(known) == len(found) and all(0 < s < 1e10 for s in known) else []


def attributes(element: Element, dimensions: Sequence[Dimension], seconds: Sequence[float]) -> dict[str, object]:
    """Entries of `Spec.attrs` but for notes and codec."""
    out: dict[str, object] = {"name": element.path}
    if seconds:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds[0])
        out["acquired"] = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    out.update(_objective(element.node))
    # Frames are stamped in the order in which they lie in the memory.
    outer = next((d for d in dimensions if d.size > 1), None)
    if outer is not None and outer.words == "T" and seconds and len(seconds) % outer.size == 0:
        each = len(seconds) // outer.size
        out["times"] = [{"t": k, "seconds": seconds[k * each] - seconds[0]} for k in range(outer.size)]
    return out


def _objective(node: Mapping[str, Any]) -> dict[str, object]:
    settings = every(node, "Data/Image/Attachment")
    for _, value in walk(settings):
        for item in value if isinstance(value, list) else [value]:
            name = text(item, "@ObjectiveName") if isinstance(item, Mapping) else None
            if name:
                lens = {
                    "name": name,
                    "magnification": positive(text(item, "@Magnification")),
                    "na": positive(text(item, "@NumericalAperture")),
                    "immersion": text(item, "@Immersion"),
                }
                return {"objective": {k: v for k, v in lens.items() if v is not None}}
    return {}


def tile(node: Mapping[str, Any], index: int) -> dict[str, float]:
    """Stage position of a tile of a mosaic, in µm, as far as known."""
    for attached in every(node, "Data/Image/Attachment"):
        if text(attached, "@Name") == "TileScanInfo":
            tiles = every(attached, "Tile")
            if index < len(tiles):
                found = {a: number(text(tiles[index], f"@Pos{a.upper()}")) for a in "xyz"}
                known = {a: v * 1e6 for a, v in found.items() if v is not None}
                return {("z_position" if a == "z" else a): v for a, v in known.items()}
    return {}
