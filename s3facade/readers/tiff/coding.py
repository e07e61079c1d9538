"""What tifffile makes decoders from, as plain data: so that they can be made again without the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from types import CellType, FunctionType, SimpleNamespace
from typing import Any

import numpy as np
import tifffile


@dataclass(frozen=True, slots=True)
class Coding:
    """How the segments of a page are stored; names as in `tifffile.TiffPage`."""

    shaped: tuple[int, ...]
    is_tiled: bool
    tiledepth: int
    tilelength: int
    tilewidth: int
    rowsperstrip: int
    imagewidth: int
    samplesperpixel: int
    planarconfig: int
    photometric: int | None
    compression: int
    predictor: int
    fillorder: int
    sampleformat: int
    bitspersample: int
    extrasamples: tuple[int, ...]
    is_jfif: bool
    is_subsampled: bool
    nodata: float
    dtype: str
    """Character of the type."""
    byteorder: str

    def function(self) -> Callable[..., Any]:
        """Tifffile's decode function for such segments. Raises what its making raises."""
        page = SimpleNamespace(**{f.name: getattr(self, f.name) for f in fields(self)})
        page.dtype = page._dtype = np.dtype(self.dtype)  # noqa: SLF001 - what tifffile reads
        page.hash, page.tags = 0, {}
        page.parent = SimpleNamespace(
            root=SimpleNamespace(_decoders={}), is_eer=False, byteorder=self.byteorder, filehandle=None
        )
        made: Callable[..., Any] = tifffile.TiffPage.decode.func(page)  # type: ignore[attr-defined]
        return made


class Late:
    """A decode function that is made when it is first called: most files of a folder are never looked into."""

    __slots__ = ("_made", "coding")

    def __init__(self, coding: Coding) -> None:
        self.coding = coding
        self._made: Callable[..., Any] | None = None

    def __call__(self, data: bytes, number: int, **options: Any) -> Any:
        """As tifffile's."""
        if self._made is None:
            self._made = self.coding.function()
        return self._made(data, number, **options)


def coding(page: Any, function: object) -> Coding | None:
    """The coding of a page whose decode function is ``function``; None if that cannot be made from it alone.

    Proven here and now: what is made from the coding must be the same code with the same values.
    """
    try:
        stated: dict[str, Any] = {name: int(getattr(page, name)) for name in _NUMBERS}
        stated |= {name: bool(getattr(page, name)) for name in ("is_tiled", "is_jfif", "is_subsampled")}
        stated |= {name: tuple(map(int, getattr(page, name))) for name in ("shaped", "extrasamples")}
        found = Coding(
            **stated,
            photometric=None if page.photometric is None else int(page.photometric),
            nodata=page.nodata,
            dtype=page._dtype.char,  # noqa: SLF001 - what tifffile reads
            byteorder=page.parent.byteorder,
        )
        return found if _same(found.function(), function) else None
    except (TypeError, ValueError, AttributeError, KeyError, NotImplementedError):
        return None


def _same(one: object, other: object) -> bool:
    """Whether two functions run the same code on the same values."""
    if not isinstance(one, FunctionType) or not isinstance(other, FunctionType):
        return one is other or (isinstance(one, _PLAIN) and one == other)
    if one.__code__ is not other.__code__ or not _alike(one.__kwdefaults__ or {}, other.__kwdefaults__ or {}):
        return False
    cells = zip(one.__closure__ or (), other.__closure__ or (), strict=True)
    return one.__defaults__ == other.__defaults__ and all(_same(_inside(a), _inside(b)) for a, b in cells)


_PLAIN = (int, float, str, tuple, bytes, np.dtype)
_NUMBERS = (
    *("tiledepth", "tilelength", "tilewidth", "rowsperstrip", "imagewidth", "samplesperpixel", "planarconfig"),
    *("compression", "predictor", "fillorder", "sampleformat", "bitspersample"),
)


def _alike(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(_same(value, other[name]) for name, value in one.items())


def _inside(cell: CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:
        return None
