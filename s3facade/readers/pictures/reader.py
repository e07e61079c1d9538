"""PNG, JPEG, JPEG 2000, WebP, AVIF, BMP, GIF, JPEG XL, JPEG XR, QOI, Netpbm: pictures of everyday formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal

from s3facade.core.errors import Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raster import Freezing, TableRaster
from s3facade.readers.pictures import jp2, modern, pnm
from s3facade.readers.pictures.bmp import HEADERS, Indexed, bmp
from s3facade.readers.pictures.gif import gif
from s3facade.readers.pictures.jp2_tiles import Tile
from s3facade.readers.pictures.jpeg import jpeg
from s3facade.readers.pictures.picture import Picture, raster
from s3facade.readers.pictures.png import SIGNATURE, png
from s3facade.readers.pictures.whole import Whole
from s3facade.readers.pictures.window import Window

_FREEZING = Freezing([Whole, Tile, Indexed])
_CHOICES: Mapping[str, tuple[str, str]] = {"palette": ("colours", "index"), "orientation": ("stored", "upright")}


def kind(head: bytes) -> str:
    """Name of the format of a file that begins with ``head``; "" if it is none of these."""
    found = ""
    if head.startswith(SIGNATURE):
        found = "png"
    elif head.startswith(b"\xff\xd8\xff"):
        found = "jpeg"
    elif head.startswith((jp2.BOX, jp2.STREAM)):
        found = "jp2"
    elif head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        found = "webp"
    elif head[4:8] == b"ftyp" and (head[8:12] in (b"avif", b"avis")):
        found = "avif"
    elif head.startswith((b"GIF87a", b"GIF89a")):
        found = "gif"
    elif head.startswith(modern.JXL):
        found = "jxl"
    elif head.startswith(b"II\xbc\x01"):
        found = "jxr"
    elif head.startswith(b"qoif") and head[12:13] in (b"\x03", b"\x04"):
        found = "qoi"
    elif head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in HEADERS and head[26:28] == b"\x01\0":
        found = "bmp"
    elif pnm.looks(head):
        found = "pnm"
    return found


class PictureReader:
    """Options: ``palette``, ``colours`` or ``index``; ``orientation``, ``stored`` or ``upright``."""

    name: ClassVar[str] = "pictures"
    version: ClassVar[int] = 2
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset(
        {".png", ".jpg", ".jpeg", ".jp2", ".j2k", ".jph", ".webp", ".avif", ".gif", ".bmp", ".jxl", ".jxr", ".qoi"}
        | {".pgm", ".ppm", ".pfm", ".pam"}
    )

    def sniff(self, head: bytes, name: str) -> bool:  # noqa: ARG002 - what they begin with is plain
        """Whether this is one of these formats, by its first bytes."""
        return bool(kind(head))

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The image of a picture; axes y and x, c of colours, t of a GIF's frames.

        Raises:
            BadSource: The file is damaged or cut short.
            Unsupported: An option that there is not, pixels that are not decoded, or too many of them at once.
        """
        for key, value in options.items():
            if key not in _CHOICES:
                raise Unsupported(f"Pictures have no option {key!r}; there are {' and '.join(_CHOICES)}.")
            if value not in _CHOICES[key]:
                raise Unsupported(f"{key} is {value!r}; it must be {' or '.join(_CHOICES[key])}.")
        window = Window(file)
        return [raster(file, _picture(file, window, options))]

    freeze = staticmethod(_FREEZING.freeze)
    thaw = staticmethod(_FREEZING.thaw)


def _picture(file: SourceFile, window: Window, options: Mapping[str, object]) -> Picture:
    ways: Mapping[str, Callable[[], Picture]] = {
        "png": lambda: png(window, indices=options.get("palette") == "index"),
        "jpeg": lambda: jpeg(window, turn=options.get("orientation") == "upright"),
        "jp2": lambda: jp2.jp2(window),
        "webp": lambda: modern.webp(window),
        "avif": lambda: modern.avif(file, window),
        "gif": lambda: gif(file, window),
        "jxl": lambda: modern.jxl(file, window),
        "jxr": lambda: modern.jxr(window),
        "qoi": lambda: modern.qoi(window),
        "bmp": lambda: bmp(window),
        "pnm": lambda: pnm.pnm(window),
    }
    found = kind(window(0, min(64, window.size)))
    if not found:
        raise Unsupported("The file is no picture of a known format; its first bytes belong to none.")
    return ways[found]()
