"""ImageXpress: plates as MetaXpress exports them, an HTD file beside folders of time points and of slices."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, Literal
from xml.sax.saxutils import unescape

from s3facade.core.errors import BadSource, SourceNotFound
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Channel
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.plates.dataset import (
    FREEZING,
    About,
    Plane,
    images,
    options_of,
    plate_size,
    row_number,
    with_scale,
)
from s3facade.readers.plates.member import Member
from s3facade.readers.plates.text import content, number, words

_PLANE = re.compile(
    r"(?P<plate>.+?)_(?P<row>[A-Z]{1,2})(?P<column>\d\d)(?:_s(?P<site>\d+))?(?:_w(?P<wave>\d)(?!\d*_thumb))?"
    r"(?P<guid>[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12})?\.tiff?",
    re.IGNORECASE,
)
_FOLDERS = re.compile(r"(?:(?:TimePoint|ZStep)_\d+/)*", re.IGNORECASE)
_NUMBER = re.compile(r"(TimePoint|ZStep)_(\d+)/", re.IGNORECASE)
_PROPERTY = re.compile(r'<(?:custom-)?prop id="([^"]{1,80})" type="[^"]{1,40}" value="([^"]{0,4000})"')
_MAX_FOLDERS = 20_000


class ImageXpressReader:
    """Plates of ImageXpress microscopes."""

    name: ClassVar[str] = "imagexpress"
    version: ClassVar[int] = 2
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".htd"})
    markers: ClassVar[frozenset[str]] = frozenset({"*.htd"})
    loose: ClassVar[bool] = True

    def sniff(self, head: bytes, name: str) -> bool:
        """Whether this is the description of a plate, by its name and its first line."""
        return name.lower().endswith(".htd") and words(head).startswith('"HTSInfoFile"')

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The sites of all wells; projections, of which planes lie in ``ZStep_0``, are images behind them.

        Raises:
            BadSource: The description is damaged.
            Unsupported: An option, since there are none.
            SourceNotFound: No plane is there.
        """
        options_of("ImageXpress", options)
        stated = _stated(content(file))
        planes = _planes(file)
        if not planes:
            raise SourceNotFound(
                "No planes lie beside the HTD file, nor in folders called TimePoint_1, ZStep_1 and so on."
            )
        names = {n: v[0] for n in range(1, 64) if (v := stated.get(f"WaveName{n}"))}
        about = About(
            plate=file.source.path.rpartition("/")[2].rpartition(".")[0],
            channels={c: Channel(name or None) for c, name in names.items()},
            attrs={"original": {k: v[0] if len(v) == 1 else v for k, v in stated.items() if "Selection" not in k}},
            acquisition=(stated.get("UniquePlateIdentifier") or [""])[0],
            size=plate_size(*((stated.get(key) or [""])[0] for key in ("YWells", "XWells"))),
            exact=False,
        )
        return images(file, planes, about, lambda known, look: _refined(known, look, planes))

    freeze = staticmethod(FREEZING.freeze)
    thaw = staticmethod(FREEZING.thaw)


def _stated(data: bytes) -> dict[str, list[str]]:
    """Lines of a name and its values."""
    lines = words(data).splitlines()
    try:
        rows = [[v.strip() for v in row] for row in csv.reader(lines, skipinitialspace=True) if row]
    except csv.Error as error:
        raise BadSource("The HTD file is damaged.", private=f"{error}") from error
    return {row[0]: row[1:] for row in rows if len(row) > 1}


def _planes(file: SourceFile) -> list[Plane]:
    """Those of the plate that the file is called after, where planes of several lie together."""
    found = list(_named(file))
    own = file.source.path.rpartition("/")[2].rpartition(".")[0].lower()
    of_own = [plane for plate, plane in found if plate == own]
    return of_own or [plane for _, plane in found]


def _named(file: SourceFile) -> Iterator[tuple[str, Plane]]:
    for folder in _folders(file):
        told = {kind.lower(): int(n) for kind, n in _NUMBER.findall(folder)}
        step = told.get("zstep")
        for name in file.names(folder):
            found = _PLANE.fullmatch(name)
            if found is None or "_thumb" in name.lower():
                continue
            plane = Plane(
                folder + name,
                (row_number(found["row"]), int(found["column"]) - 1, int(found["site"] or 1)),
                told.get("timepoint", 1),
                int(found["wave"] or 1),
                step or 0,
                part="projection" if step == 0 else "",
            )
            yield found["plate"].lower(), plane


def _folders(file: SourceFile) -> list[str]:
    """Folders of planes, below each other in any order; ``""`` is that of the file."""
    found, ahead = [], [""]
    while ahead:
        folder = ahead.pop(0)
        found.append(folder)
        if len(found) > _MAX_FOLDERS:
            raise BadSource(f"More than {_MAX_FOLDERS} folders lie beside the HTD file.")
        ahead += [folder + n for n in file.names(folder) if n.endswith("/") and _FOLDERS.fullmatch(n)]
    return found


def _properties(member: Member) -> dict[str, str]:
    """What MetaXpress writes about a plane."""
    text = member.description[:200_000]
    return {name: unescape(value, {"&quot;": '"'}) for name, value in _PROPERTY.findall(text)}


def _refined(about: About, look: Callable[[Plane], Member], planes: Sequence[Plane]) -> About:
    """Sizes, wavelengths and the lens, of one plane per channel; the distance of slices, of two."""
    first: dict[int, Plane] = {}
    for plane in planes:
        first.setdefault(plane.c, plane)
    told = {c: _properties(look(p)) for c, p in sorted(first.items())}
    channels = {c: _channel(about.channels.get(c), values) for c, values in told.items()}
    values = next(iter(told.values()))
    micro = values.get("spatial-calibration-units") in ("um", "µm", "microns")
    known = micro and values.get("spatial-calibration-state") == "on"
    size = {a: number(values.get(f"spatial-calibration-{a}")) if known else None for a in "xy"}
    attrs: dict[str, object] = dict(about.attrs)
    lens = {
        "name": values.get("_MagSetting_"),
        "magnification": number(values.get("_MagNominal_")),
        "na": number(values.get("_MagNA_")),
    }
    if any(lens.values()):
        attrs["objective"] = {name: value for name, value in lens.items() if value}
    when = re.fullmatch(r"(\d{4})(\d\d)(\d\d) ([\d:.]{8,16})", values.get("acquisition-time-local", ""))
    if when is not None:
        attrs["acquired"] = f"{when[1]}-{when[2]}-{when[3]}T{when[4]}"
    about = with_scale(replace(about, channels=channels, attrs=attrs), x=size["x"], y=size["y"])
    return with_scale(about, z=_step(look, planes))


def _channel(known: Channel | None, values: Mapping[str, str]) -> Channel:
    name = (known.name if known else None) or values.get("image-name") or values.get("_IllumSetting_")
    return Channel(name, emission=number(values.get("wavelength")) or None)


def _step(look: Callable[[Plane], Member], planes: Sequence[Plane]) -> float | None:
    """µm between the first two slices of a channel whose places differ."""
    stacks: dict[tuple[object, ...], list[Plane]] = {}
    for plane in planes:
        if not plane.part and plane.place == planes[0].place and plane.t == planes[0].t:
            stacks.setdefault((plane.c,), []).append(plane)
    for stack in stacks.values():
        two = sorted(stack, key=lambda p: p.z)[:2]
        at = [number(_properties(look(p)).get("z-position")) for p in two]
        if len(at) == 2 and at[0] is not None and at[1] is not None and at[1] != at[0] and two[1].z > two[0].z:
            return round(abs(at[1] - at[0]) / (two[1].z - two[0].z), 4)
    return None
