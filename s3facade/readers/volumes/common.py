"""What readers of volumes share: options, units, packed files, affine maps, and keeping over a restart."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.operators import Buffer
from s3facade.core.portable import Portable
from s3facade.core.protocols import ChunkTable, SourceFile
from s3facade.core.spec import AXES, Channel
from s3facade.readers.arrays.chunked import ChunkedTable
from s3facade.readers.arrays.raster import Freezing, TableRaster
from s3facade.readers.arrays.raw import RawTable
from s3facade.readers.facts import Facts, Grid, colours, described
from s3facade.readers.inflated import Inflated, Packing, compression
from s3facade.readers.volumes.scaled import PackedTable, ScaledTable

Matrix = npt.NDArray[np.float64]
MM = 1000.0
"""µm."""
ANGSTROM = 1e-4
"""µm."""
LENGTHS: Mapping[str, float] = {
    **dict.fromkeys(("m", "meter", "metre", "meters", "metres"), 1e6),
    **dict.fromkeys(("cm", "centimeter", "centimetre"), 1e4),
    **dict.fromkeys(("mm", "millimeter", "millimetre", "millimeters"), MM),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns", "micrometer", "micrometre", "micrometers"), 1.0),
    **dict.fromkeys(("nm", "nanometer", "nanometre", "nanometers"), 1e-3),
    **dict.fromkeys(("a", "å", "angstrom", "ångström", "angstroms"), ANGSTROM),
    **dict.fromkeys(("pm", "picometer", "picometre"), 1e-6),
    **dict.fromkeys(("in", "inch"), 25400.0),
}
"""Units of length, lower case, in µm."""
TIMES: Mapping[str, float] = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 1e-3),
    **dict.fromkeys(("us", "µs", "μs", "usec", "microsecond", "microseconds"), 1e-6),
    **dict.fromkeys(("min", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
"""Units of time, lower case, in seconds."""
PARTS = (
    "The numbers are packed as one stream: the first read far into it unpacks what lies before, and later reads begin "
    "at kept states of the decompressor, up to some MiB before what is wanted."
)
WHOLE = (
    "The numbers are packed in a way that can only be unpacked whole; the content is kept while there is room for it."
)
ORIGINAL = 1 << 20
"""Characters of metadata that are kept as text."""
_DICOM = re.compile(r"\W*(?:dicom\W*_?)?\(?([0-9a-f]{4})[|,_:]([0-9a-f]{4})(?![0-9a-f]).*", re.IGNORECASE)
_SUBJECT = re.compile(
    r"patient|subject|birth|physician|operator|institution|hospital|exam(ination)?.?name", re.IGNORECASE
)


def checked(options: Mapping[str, object], known: Mapping[str, Callable[[Any], Any]]) -> dict[str, Any]:
    """Options by name, each through the function that checks it.

    Raises:
        Unsupported: An option that there is not, or a value that it cannot have; what checks raises `ValueError`.
    """
    unknown = [name for name in options if name not in known]
    if unknown:
        there = ", ".join(sorted(known)) or "none"
        raise Unsupported(f"Unknown option {unknown[0]!r} of this format; there are: {there}.")
    found = {}
    for name, value in options.items():
        try:
            found[name] = known[name](value)
        except (ValueError, TypeError) as error:
            raise Unsupported(f"The option {name!r} {error}.") from error
    return found


def unit_option(value: Any) -> float:
    """A unit of length, in µm. Raises `ValueError`."""
    factor = LENGTHS.get(str(value).lower())
    if factor is None:
        raise ValueError(f"is {value!r}; it is a unit of length, such as um, nm, mm or angstrom")
    return factor


def axes_option(value: Any) -> str:
    """Letters of axes. Raises `ValueError`."""
    text = str(value).lower()
    if not text or any(a not in AXES for a in text):
        raise ValueError(f"is {value!r}; it is one letter of t, c, z, y, x for each dimension of the file, e.g. tzyx")
    return text


def content(file: SourceFile) -> SourceFile:
    """The file, unpacked if it is packed as a whole by gzip, bzip2 or xz."""
    form = compression(bytes(file.pread(0, min(8, file.source.size))))
    return file if form is None else Inflated(file, Packing(form))


def peek(file: SourceFile, nbytes: int, offset: int = 0) -> bytes:
    """Up to ``nbytes`` bytes from ``offset``."""
    if isinstance(file, Inflated):
        return file.peek(nbytes, offset)
    return bytes(file.pread(offset, max(0, min(nbytes, file.source.size - offset))))


def room(file: SourceFile) -> int:
    """Bytes that a file has, or can have at most if it is packed."""
    return file.room if isinstance(file, Inflated) else file.source.size


def wide(number: np.dtype[Any]) -> np.dtype[Any]:
    """The type of scaled values: float32 where it holds every number exactly, else float64."""
    small = number.itemsize <= 2 or (number.kind == "f" and number.itemsize == 4)
    return np.dtype(np.float32 if small else np.float64)


def image(
    table: ChunkTable,
    files: Sequence[SourceFile],
    facts: Facts,
    channels: Sequence[Channel] = (),
) -> TableRaster:
    """An image of one level; packed files are told of in its attributes."""
    forms = [f.packing.form for f in files if isinstance(f, Inflated)]
    if forms:
        whole = forms[0] in ("bzip2", "xz")
        reason = WHOLE if whole else PARTS
        facts = replace(facts, attrs={**facts.attrs, "codec": forms[0], "reasons": [reason]})
    if not isinstance(table, RawTable | ChunkedTable | ScaledTable):
        raise TypeError(type(table).__name__)
    spec = described(table.stored.names, table.dtype, [Grid(table.stored.shape, table.block)], facts, tuple(channels))
    return TableRaster(spec, tuple(files), (PackedTable(table, forms[0]) if forms else table,))


def samples(number: np.dtype[Any], count: int, *, others: int = 1) -> tuple[Channel, ...]:
    """Channels of the samples of a pixel where they are colours: three or four of 8 or 16 bits."""
    if count in (3, 4) and others == 1 and number.kind == "u" and number.itemsize <= 2:
        return colours(number, count)
    return ()


def placed(matrix: Matrix, scale: Mapping[str, float]) -> tuple[dict[str, float], list[list[float]]]:
    """Where the image stands: the origin of axes, and the rows of ``attrs["affine"]``.

    Args:
        matrix: 4x4, voxel indices x, y, z to µm.
        scale: Voxel sizes, µm, by axis.

    Returns:
        The origin by axis, empty unless the axes of image and frame are parallel and run the same way, with the voxel
        sizes of ``scale``: a position along an axis means that of the frame only then.

    Raises:
        BadSource: Places or sizes that are no numbers; products of large ones, for instance.
    """
    if not (np.isfinite(matrix).all() and finite(*scale.values())):
        raise BadSource("The header gives voxels sizes or places that are no numbers.")
    rows = [[float(v) for v in row] for row in matrix[:3]]
    turn = matrix[:3, :3]
    sizes = np.array([scale.get(a, math.nan) for a in "xyz"])
    straight = np.allclose(turn, np.diag(sizes), rtol=1e-4, atol=1e-6 * float(np.abs(turn).max(initial=0.0)))
    return ({a: rows[i][3] for i, a in enumerate("xyz")} if straight else {}), rows


def ordered(number: np.dtype[Any], order: str) -> np.dtype[Any]:
    """``number`` with the byte order ``<`` or ``>``."""
    return number.newbyteorder(">" if order == ">" else "<")


def finite(*values: float) -> bool:
    """Whether all values are numbers that an image can have."""
    return all(math.isfinite(v) for v in values)


def plain(value: Any) -> Any:
    """``value`` as JSON: numbers that JSON lacks become text, bytes become text up to their first zero."""
    if isinstance(value, bytes):
        return value.partition(b"\0")[0].decode("latin-1").strip()
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(v) for v in value]
    return value


def kept(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata as JSON, at most `ORIGINAL` characters: what is longer than a tenth of that is left out."""
    found: dict[str, Any] = {}
    left = ORIGINAL
    for name, value in fields.items():
        told = plain(value)
        size = len(json.dumps(told))
        if size < ORIGINAL // 10 and size <= left:
            found[str(name)] = told
            left -= size
    return found


def anonymous(fields: Mapping[str, Any]) -> dict[str, Any]:
    """``fields`` without those whose names are of a person or of an element of DICOM.

    ITK copies all elements of a DICOM file to MetaImage and NRRD, by their numbers: ``0010|0010`` is the name of the
    patient. What describes pixels, the modality and group 0028, stays.
    """
    return {name: value for name, value in fields.items() if not _identifies(name)}


def _identifies(name: str) -> bool:
    found = _DICOM.fullmatch(name)
    if found is None:
        return _SUBJECT.search(name) is not None
    group, element = found[1], found[2]
    return (group, element) != ("0008", "0060") and (group != "0028" or element[0] == "4")


def decoded(data: Buffer) -> str:
    """Text of a header, UTF-8 or Latin-1."""
    try:
        return bytes(data).decode("utf-8")
    except UnicodeDecodeError:
        return bytes(data).decode("latin-1")


def known_dims(sizes: Sequence[int], what: str = "header") -> None:
    """Raise `BadSource` on lengths that no image has: none below 1, and not more voxels than could be addressed."""
    if not sizes or min(sizes) < 1 or math.prod(sizes) > 1 << 60:
        raise BadSource(f"The {what} tells of an image of {tuple(sizes)} voxels; that cannot be.")


class Keeping:
    """`Freezing` for rasters some of whose files are packed."""

    def __init__(self, classes: Sequence[type[Any]] = ()) -> None:
        self._freezing = Freezing([*classes, ScaledTable, PackedTable])
        self._portable = Portable([Packing])

    def freeze(self, rasters: Sequence[TableRaster]) -> bytes | None:
        """The rasters as bytes."""
        packed = [[f.packing if isinstance(f, Inflated) else None for f in r.files] for r in rasters]
        return self._portable.dump((packed, self._freezing.freeze(rasters)))

    def thaw(self, data: bytes, files: Mapping[str, SourceFile]) -> list[TableRaster]:
        """The rasters again. Raises `ValueError` if the data are of another version."""
        packed, frozen = self._portable.load(data)
        return [
            TableRaster(raster.spec, tuple(map(_wrapped, raster.files, kinds)), raster.tables)
            for raster, kinds in zip(self._freezing.thaw(frozen, files), packed, strict=True)
        ]


def _wrapped(file: SourceFile, packing: Packing | None) -> SourceFile:
    return file if packing is None or isinstance(file, Inflated) else Inflated(file, packing)
