"""Micro-Manager: folders of single planes with what was noted of each in ``metadata.txt``, versions 1.4 and 2.0."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from s3facade.core.errors import BadSource
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Channel
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.plates.dataset import FREEZING, About, Plane, images, options_of, with_scale
from s3facade.readers.plates.text import content, parsed, words

_FRAME = re.compile(r"FrameKey-(\d+)-(\d+)-(\d+)")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*(?: ?([+-]\d\d):?(\d\d))?")
_INDEX = "metadata.txt"
_OWNERS = frozenset({"UserName", "ComputerName", "Directory", "Computer", "User"})
"""Whose microscope it was; cameras and stages do not say."""
_NAMES = {"t": ("time", "frame"), "c": ("channel",), "z": ("z", "slice")}


class MicroManagerReader:
    """Folders of Micro-Manager."""

    name: ClassVar[str] = "micromanager"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset()
    markers: ClassVar[frozenset[str]] = frozenset({_INDEX})
    loose: ClassVar[bool] = True

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether this is what Micro-Manager notes in a folder of planes, by its name and by how it begins."""
        if name != _INDEX:
            return False
        text = words(head).lstrip()
        return text[:1] == "{" and any(k in text for k in ('"Summary"', '"FrameKey-', '"Coords-', '"Metadata-'))

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The image of the folder, a position of the stage.

        Raises:
            BadSource: The notes are damaged, or name no plane.
            Unsupported: An option, since there are none.
            SourceNotFound: No plane is there.
        """
        options_of("Micro-Manager", options)
        noted = parsed(content(file))
        if not isinstance(noted, dict):
            raise BadSource("The notes of Micro-Manager are no mapping.")
        planes, first = _planes(noted)
        if not planes:
            raise BadSource("The notes of Micro-Manager name no plane.")
        summary = noted.get("Summary")
        about = _about(summary if isinstance(summary, dict) else {}, first, planes)
        return images(file, planes, about)

    freeze = staticmethod(FREEZING.freeze)
    thaw = staticmethod(FREEZING.thaw)


def _value(value: Any) -> Any:
    """A property: plain in 1.4, with its type in 2.0."""
    return value.get("PropVal", value.get("scalar")) if isinstance(value, dict) else value


def _number(values: Mapping[str, Any], *names: str) -> float | None:
    for name in names:
        try:
            found = float(str(_value(values.get(name))).split()[0])
        except (ValueError, IndexError):
            continue
        if abs(found) < 1e300:
            return found
    return None


def _base(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _planes(noted: Mapping[str, Any]) -> tuple[list[Plane], Mapping[str, Any]]:
    """Planes, and what was noted of the first one."""
    found: list[Plane] = []
    first: Mapping[str, Any] = {}
    for key, values in noted.items():
        if not isinstance(values, dict):
            continue
        frame = _FRAME.fullmatch(key)
        if frame is not None:
            name = values.get("FileName")
            at = {"t": int(frame[1]), "c": int(frame[2]), "z": int(frame[3])}
            about = values
        elif key.startswith("Coords-"):
            name = _base(key.removeprefix("Coords-"))
            # sic: an axis of length 1 is not named
            at = {a: next((int(values[n]) for n in names if _whole(values.get(n))), 0) for a, names in _NAMES.items()}
            about = noted.get("Metadata-" + key.removeprefix("Coords-"), {})
        else:
            continue
        if not isinstance(name, str) or not name:
            raise BadSource(f"The notes of Micro-Manager name no file for {key!r:.80}.")
        about = about if isinstance(about, dict) else {}
        first = first or about
        x, y, z = (_number(about, f"{a}PositionUm") for a in "XYZ")
        elapsed = _number(about, "ElapsedTime-ms")
        found.append(
            Plane(
                *(_base(name), (0, 0, _position(values)), at["t"], at["c"], at["z"]),
                position=(x, y, z) if x is not None and y is not None and z is not None else None,
                seconds=None if elapsed is None else elapsed / 1000,
            )
        )
    return found, first


def _position(values: Mapping[str, Any]) -> int:
    """Number of the position; most folders hold one."""
    stated = values.get("position", values.get("PositionIndex"))
    return stated if isinstance(stated, int) else 0


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _about(summary: Mapping[str, Any], first: Mapping[str, Any], planes: Sequence[Plane]) -> About:
    dyes, colours = summary.get("ChNames"), summary.get("ChColors")
    channels = {}
    for c in {p.c for p in planes}:
        name = dyes[c] if isinstance(dyes, list) and c < len(dyes) else None
        colour = colours[c] if isinstance(colours, list) and c < len(colours) else None
        # -1 is what Micro-Manager writes for a colour that nobody chose
        hexed = f"{colour & 0xFFFFFF:06X}" if isinstance(colour, int) and colour not in (-1, 0) else None
        channels[c] = Channel(str(name) if name else None, hexed)
    told = {k: v for k, v in summary.items() if k not in _OWNERS}
    attrs: dict[str, object] = {"original": {"Summary": told, "FirstPlane": dict(first)}}
    when = first.get("ReceivedTime") or first.get("Time") or summary.get("StartTime") or ""
    match = re.match(
        r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)\d*(?: ?([+-]\d\d):?(\d\d))?", str(_value(when))
    )
    if match is not None:
        attrs["acquired"] = f"{match[1]}T{match[2]}" + (f"{match[3]}:{match[4]}" if match[3] else "")
    label = _value(first.get("PositionName"))
    places = {p.place for p in planes}
    names = {place: f"position {place[2]}" if len(places) > 1 else "Micro-Manager" for place in places}
    if len(places) == 1 and label and label not in ("null", "Default"):
        names = dict.fromkeys(places, str(label))
    about = About(
        wells=False,
        channels=channels,
        attrs=attrs,
        names=names,
    )
    size = _number(first, "PixelSizeUm") or _number(summary, "PixelSize_um")
    interval = _number(summary, "Interval_ms")
    about = with_scale(about, x=size, y=size, z=_number(summary, "z-step_um"))
    # the times of planes are truer than the one that was asked for
    known = all(p.seconds is not None for p in planes)
    return about if known or not interval else with_scale(about, t=interval / 1000)
