"""Whole slides through OpenSlide: MIRAX (.mrxs), Hamamatsu VMS and VMU, Sakura (.svslide)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, SourceDenied, SourceNotFound, Unsupported
from s3facade.core.operators import Block
from s3facade.core.protocols import SourceFile
from s3facade.core.region import Region
from s3facade.core.spec import Spec
from s3facade.readers.facts import Facts, Grid, colours, described

_BLOCK = 512
_MAX_LEVELS = 64
_MAX_MEMBERS = 10_000
_MAX_PROPERTIES = 1000


@dataclass(frozen=True, slots=True)
class SlideRaster:
    """One open slide; OpenSlide's handle is closed with the last reference to it."""

    spec: Spec
    files: tuple[SourceFile, ...]
    slide: Any
    """`openslide.OpenSlide`."""
    downsamples: tuple[float, ...]
    background: tuple[int, int, int]
    """What is shown where nothing was scanned: red, green, blue."""

    def chunks(self, level: int) -> None:  # noqa: ARG002 - the seam
        """None: where tiles lie is OpenSlide's knowledge."""
        return

    def read(self, level: int, region: Region) -> Block:
        """Red, green and blue of ``region`` (c, y, x), over the background.

        Raises:
            BadSource: OpenSlide cannot read it.
        """
        import openslide

        (_, top, left), (_, bottom, right) = region.start, region.stop
        factor = self.downsamples[level]
        try:
            # OpenSlide counts places in pixels of the finest level
            image = self.slide.read_region(
                (round(left * factor), round(top * factor)), level, (right - left, bottom - top)
            )
        except (openslide.OpenSlideError, ValueError, MemoryError) as error:
            raise BadSource(
                "A part of the slide does not decode; a file of it is damaged or missing.",
                private=f"level {level}, {region}: {error!r:.200}",
            ) from error
        pixels = np.asarray(image)
        alpha = pixels[..., 3:]
        shown = pixels[..., :3]
        if not (alpha == 255).all():
            paper = np.array(self.background, np.uint16)
            wide = shown * alpha.astype(np.uint16) + paper * (255 - alpha.astype(np.uint16))
            shown = ((wide + 127) // 255).astype(np.uint8)
        return np.ascontiguousarray(shown.transpose(2, 0, 1)[slice(region.start[0], region.stop[0])])


class OpenSlideReader:
    """No options."""

    name: ClassVar[str] = "openslide"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "process"
    suffixes: ClassVar[frozenset[str]] = frozenset({".mrxs", ".vms", ".vmu", ".svslide"})
    rank: ClassVar[int] = -1
    """By name only, and before others: a MIRAX slide begins like a JPEG, which is its thumbnail."""
    needs: ClassVar[tuple[str, ...]] = ("openslide",)
    extra: ClassVar[str] = "slides"

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - the name tells
        """Whether the name is one of a slide that nothing else reads."""
        return name.lower().endswith(tuple(self.suffixes))

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[SlideRaster]:
        """The slide as one image of all levels; associated pictures (label, macro) are not shown.

        Raises:
            BadSource: OpenSlide cannot read it.
            Unsupported: It is no slide that OpenSlide knows; or an option, since there are none.
        """
        if options:
            raise Unsupported(f"The OpenSlide reader has no option {next(iter(options))!r}; it takes none.")
        import openslide

        try:
            slide = openslide.OpenSlide(file.path())
        except openslide.OpenSlideUnsupportedFormatError as error:
            raise Unsupported("OpenSlide does not know this kind of slide.", private=f"{error!r:.200}") from error
        except (openslide.OpenSlideError, OSError, ValueError) as error:
            raise BadSource(
                "OpenSlide cannot read the slide: a file of it is damaged or missing.", private=f"{error!r:.200}"
            ) from error
        return [_raster(file, slide)]


def _raster(file: SourceFile, slide: Any) -> SlideRaster:
    values = {str(k): str(v) for k, v in slide.properties.items()}
    sizes = [(int(h), int(w)) for w, h in slide.level_dimensions]
    if not 1 <= len(sizes) <= _MAX_LEVELS or min(min(s) for s in sizes) < 1:
        raise BadSource(f"The slide states levels of sizes {sizes[:3]}.")
    grids = [Grid((3, *size), (3, *_block(values, level, size))) for level, size in enumerate(sizes)]
    dtype = np.dtype("u1")
    spec = described(("c", "y", "x"), dtype, grids, _facts(values), colours(dtype, 3))
    found = re.fullmatch(r"([0-9A-Fa-f]{2})([0-9A-Fa-f]{2})([0-9A-Fa-f]{2})", values.get(_PAPER, ""))
    paper = (int(found[1], 16), int(found[2], 16), int(found[3], 16)) if found else (255, 255, 255)
    return SlideRaster(spec, (file, *_members(file)), slide, tuple(map(float, slide.level_downsamples)), paper)


_PAPER = "openslide.background-color"


def _block(values: Mapping[str, str], level: int, size: tuple[int, int]) -> tuple[int, int]:
    """The tiles of a level where they are of a good size, else 512."""
    tiles = [values.get(f"openslide.level[{level}].tile-{name}", "") for name in ("height", "width")]
    sides = [int(t) if t.isdecimal() and 256 <= int(t) <= 1024 else _BLOCK for t in tiles]
    return min(sides[0], size[0]), min(sides[1], size[1])


def _facts(values: Mapping[str, str]) -> Facts:
    scale = {axis: n for axis in "xy" if (n := _number(values.get(f"openslide.mpp-{axis}"))) is not None}
    power = _number(values.get("openslide.objective-power"))
    attrs: dict[str, object] = {
        "codec": f"OpenSlide ({values.get('openslide.vendor', 'unknown')})",
        "notes": ["What was not scanned is shown in the slide's background colour; white where it states none."],
        "reasons": ["Read by OpenSlide in a process of its own."],
        "original": {k: v[:1000] for k, v in list(values.items())[:_MAX_PROPERTIES]},
    }
    if power is not None:
        attrs["objective"] = {"magnification": power}
    return Facts(scale if len(scale) == 2 else {}, attrs=attrs)


def _number(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if 0 < found < 1e6 else None


def _members(file: SourceFile) -> Iterator[SourceFile]:
    """The other files of a slide: they tell whether it has changed."""
    name = file.source.path.replace("\\", "/").rpartition("/")[2]
    stem, _, end = name.rpartition(".")
    if end.lower() == "mrxs":
        try:
            yield file.folder(stem)
            found = [f"{stem}/{n}" for n in file.names(stem) if not n.endswith("/")]
        except (SourceNotFound, SourceDenied):
            return
    elif end.lower() in ("vms", "vmu") and file.source.size <= 1 << 20:
        text = bytes(file.pread(0, file.source.size)).decode("latin-1")
        found = re.findall(r"^(?:ImageFile|MapFile|OptimisationFile|MacroImage)[^=\n]*=([^\r\n]+)", text, re.MULTILINE)
    else:
        return
    for one in found[:_MAX_MEMBERS]:
        try:
            yield file.sibling(one.strip())
        except (SourceNotFound, SourceDenied):
            continue
