"""Philips PAR/REC: a text of slices (.PAR) and their numbers (.REC), each slice with a scale of its own.

The table of slices differs between versions of the scanner's software, and slices may be left out or mixed; nibabel
knows how, and orders them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, SourceNotFound
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import raw
from s3facade.readers.facts import Facts
from s3facade.readers.volumes.common import (
    MM,
    Keeping,
    anonymous,
    checked,
    decoded,
    image,
    known_dims,
    peek,
    placed,
    plain,
)
from s3facade.readers.volumes.scaled import scaled

_HEAD = 32 << 20
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, Warning, RecursionError)
_KEEPING = Keeping()


class ParRecReader:
    """PAR/REC. No options."""

    name: ClassVar[str] = "parrec"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".par"})
    needs: ClassVar[tuple[str, ...]] = ("nibabel",)
    extra: ClassVar[str] = "neuro"

    def sniff(self, head: bytes, name: str) -> bool:
        """By its name and its first words."""
        return name.lower().endswith(".par") and b"DATA DESCRIPTION FILE" in head[:200]

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The volumes whose header it is.

        Raises:
            BadSource: The text is damaged, volumes lack slices, or the numbers are cut short.
            SourceNotFound: There is no .REC beside the .PAR.
        """
        checked(options, {})
        if file.source.size > _HEAD:
            raise BadSource(f"The .PAR file has {file.source.size} bytes, far more than a text of slices needs.")
        about = _header(decoded(peek(file, _HEAD)))
        numbers = _numbers(file)
        try:
            sizes, order, number, slopes, intercepts = _slices(about)
            facts = _facts(about, sizes)
        except _DAMAGE as error:
            raise _damaged(error) from error
        known_dims(sizes)
        each = sizes[0] * sizes[1] * number.itemsize
        dims = ["t" if sizes[3] > 1 else "", "z", "y", "x"]
        end = [file.source.size, numbers.source.size]
        which = np.ones(len(order), np.uint32)
        table: ChunkTable = scaled(
            raw(dims, sizes[::-1], number, order * each, end=end, outer=2, files=which),
            slopes.reshape(sizes[3], sizes[2]),
            intercepts.reshape(sizes[3], sizes[2]),
            np.dtype(np.float32),
        )
        return [image(table, [file, numbers], facts)]

    freeze = staticmethod(_KEEPING.freeze)
    thaw = staticmethod(_KEEPING.thaw)


def _damaged(error: BaseException) -> BadSource:
    return BadSource(
        f"The .PAR file cannot be used: {error!s:.150}".rstrip(".") + ".", private=f"{type(error).__name__}"
    )


def _header(text: str) -> Any:
    from nibabel.parrec import PARRECError, PARRECHeader

    header: Any = PARRECHeader
    try:
        return header.from_fileobj(io.StringIO(text), permit_truncated=False)
    except (PARRECError, *_DAMAGE) as error:
        raise _damaged(error) from error


def _numbers(file: SourceFile) -> SourceFile:
    stem = file.source.path.rpartition("/")[2][:-4]
    for end in (".REC", ".rec"):
        try:
            return file.sibling(stem + end)
        except SourceNotFound:
            continue
    raise SourceNotFound(f"The header belongs to {stem}.REC, which is missing beside it.", private=file.source.path)


def _slices(about: Any) -> tuple[list[int], Any, np.dtype[Any], Any, Any]:
    """Lengths of x, y, z, t; position of each slice in the .REC file, t outermost; type; slopes; intercepts."""
    shape = [int(n) for n in about.get_data_shape()]
    sizes = [*shape, *([1] * (4 - len(shape)))]
    order = np.asarray(about.get_sorted_slice_indices(), np.int64).ravel()
    slopes, intercepts = (np.asarray(v, np.float64).ravel("F") for v in about.get_data_scaling())
    number = np.dtype(about.get_data_dtype())
    if len(order) != sizes[2] * sizes[3] or not len(order) == len(slopes) == len(intercepts):
        raise ValueError("its slices do not make whole volumes")
    if not (np.isfinite(slopes).all() and np.isfinite(intercepts).all()) or number.kind not in "iu":
        raise ValueError("its scales are no numbers")
    return sizes, order, number, slopes, intercepts


def _facts(about: Any, sizes: Sequence[int]) -> Facts:
    zooms = [float(v) for v in about.get_zooms()]
    scale = {a: z * MM for a, z in zip("xyz", zooms, strict=False) if z > 0}
    matrix = np.array(about.get_affine(), np.float64)
    matrix[:3] *= MM
    origin, rows = placed(matrix, scale)
    notes = []
    dynamics = int(about.general_info.get("max_dynamics", 0))
    if sizes[3] > 1 and dynamics == sizes[3] and len(zooms) > 3 and zooms[3] > 0:
        scale["t"] = zooms[3]
    elif sizes[3] > 1:
        notes.append("Volumes of several echoes, types or directions are shown along t, in the order of the file.")
    attrs = {"original": plain(anonymous(about.general_info)), "affine": rows, "frame": "RAS, scanner", "notes": notes}
    return Facts(scale, origin, attrs=attrs)
