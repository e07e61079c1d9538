"""NumPy's own files: ``.npy`` of format 1 to 3, and the arrays in ``.npz``.

Source: NEP 1 and the text of `numpy.lib.format`; ZIP of APPNOTE 6.3.
"""

from __future__ import annotations

import ast
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, SourceError, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import raw
from s3facade.readers.facts import Facts
from s3facade.readers.inflated import Inflated, Packing
from s3facade.readers.volumes.common import Keeping, axes_option, checked, image, known_dims, peek, room, samples

_MAGIC = b"\x93NUMPY"
_HEADER = 1 << 16
_MEMBERS = 1000
_DAMAGE = (
    zipfile.BadZipFile,
    OSError,
    ValueError,
    EOFError,
    NotImplementedError,
    IndexError,
    OverflowError,
    struct.error,
)
_KEEPING = Keeping()


class NpyReader:
    """Arrays of NumPy. Options: ``axes``, a letter of t, c, z, y, x for each dimension, in the order of ``shape``."""

    name: ClassVar[str] = "npy"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".npy", ".npz"})

    def sniff(self, head: bytes, name: str) -> bool:
        """By NumPy's magic; of a ZIP archive by the name, and the first member's."""
        zipped = head.startswith(b"PK\x03\x04") and name.lower().endswith(".npz")
        return head.startswith(_MAGIC) or zipped

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The array of a file; of an archive all arrays that are images, in the order in which they stand there.

        Raises:
            BadSource: The header contradicts itself or the size of the file.
            Unsupported: Structured arrays, objects, complex numbers, less than two dimensions.
        """
        axes = checked(options, {"axes": axes_option}).get("axes")
        if bytes(file.pread(0, min(6, file.source.size))) == _MAGIC:
            return [_array(file, 0, file.source.size, axes)]
        return _archive(file, axes)

    freeze = staticmethod(_KEEPING.freeze)
    thaw = staticmethod(_KEEPING.thaw)


def _archive(file: SourceFile, axes: str | None) -> list[TableRaster]:
    found, refused = [], []
    for about in _members(file):
        try:
            raster = _member(file, about, axes)
        except SourceError as error:
            refused.append(f"{about.filename}: {error.public}")
            continue
        name = about.filename.removesuffix(".npy")
        found.append(replace(raster, spec=replace(raster.spec, attrs={"name": name, **raster.spec.attrs})))
    if not found:
        raise Unsupported(f"The archive holds no array that is an image. {' '.join(refused[:3])}".strip())
    if refused:
        first = found[0].spec
        notes = [*first.attrs.get("notes", []), *(f"Not shown: {r}" for r in refused[:20])]  # type: ignore[misc]
        found[0] = replace(found[0], spec=replace(first, attrs={**first.attrs, "notes": notes}))
    return found


def _members(file: SourceFile) -> list[zipfile.ZipInfo]:
    try:
        with file.stream() as stream, zipfile.ZipFile(stream) as archive:
            found = [m for m in archive.infolist() if m.filename.endswith(".npy")]
    except _DAMAGE as error:
        raise BadSource("The archive of NumPy is damaged: its directory cannot be read.", private=str(error)) from error
    if len(found) > _MEMBERS:
        raise Unsupported(f"The archive holds {len(found)} arrays; up to {_MEMBERS} are shown.")
    return found


def _member(file: SourceFile, about: zipfile.ZipInfo, axes: str | None) -> TableRaster:
    head = bytes(file.pread(about.header_offset, 30)) if about.header_offset >= 0 else b""
    if head[:4] != b"PK\x03\x04":
        raise BadSource("The directory of the archive points to no member.")
    start = about.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    if about.flag_bits & 1:
        raise Unsupported("It is encrypted.")
    if about.compress_type == zipfile.ZIP_STORED:
        return _array(file, start, min(start + about.file_size, file.source.size), axes)
    if about.compress_type != zipfile.ZIP_DEFLATED:
        raise Unsupported("It is packed by something else than deflate.")
    inside = Inflated(file, Packing("deflate", start, about.compress_size))
    return _array(inside, 0, min(about.file_size, room(inside)), axes)


def _array(file: SourceFile, start: int, end: int, axes: str | None) -> TableRaster:
    head = peek(file, 12, start)
    if head[:6] != _MAGIC or len(head) < 12 or head[6] not in (1, 2, 3):
        raise BadSource("This is no file of NumPy, or one of a newer format than 3.")
    wide = 2 if head[6] == 1 else 4
    length = int.from_bytes(head[8 : 8 + wide], "little")
    if length > _HEADER:
        raise Unsupported(f"The header of the NumPy file has {length} bytes; that is no plain array.")
    text = peek(file, length, start + 8 + wide)
    number, shape, fortran = _header(text.decode("latin-1" if head[6] < 3 else "utf-8", "replace"))
    names, notes = _axes(shape, number, axes)
    dims = names[::-1] if fortran else names
    sizes = shape[::-1] if fortran else shape
    table = raw(dims, sizes, number, start + 8 + wide + length, end=[end])
    last = dims[-1] == "c" and names.count("c") == 1
    channels = samples(number, sizes[-1]) if last else ()
    attrs = {"axes": names.upper(), "notes": notes}
    return image(table, [file], Facts(attrs=attrs), channels)


def _header(text: str) -> tuple[np.dtype[Any], tuple[int, ...], bool]:
    """Type, shape and whether the first dimension is the fastest."""
    try:
        about = ast.literal_eval(text.strip())
        descr, fortran, shape = about["descr"], about["fortran_order"], about["shape"]
        shape = tuple(int(n) for n in shape)
        if not isinstance(descr, str):
            raise Unsupported("The NumPy file holds records of several fields; store each field as an array.")
        number = np.dtype(descr)
    except (ValueError, SyntaxError, TypeError, KeyError, RecursionError, MemoryError, OverflowError) as error:
        raise BadSource("The header of the NumPy file cannot be read.", private=f"{error!r:.200}") from error
    if number.kind == "c":
        raise Unsupported("The NumPy file holds complex numbers; store their magnitude, or two arrays.")
    if number.kind not in "biuf" or number.itemsize > 8:
        raise Unsupported(f"The NumPy file holds values of type {descr!r}; numbers and booleans can be shown.")
    if len(shape) < 2:
        raise Unsupported(f"The array has the shape {shape}; an image has two dimensions at least.")
    known_dims(shape)
    return number, shape, bool(fortran)


def _axes(shape: tuple[int, ...], number: np.dtype[Any], given: str | None) -> tuple[str, list[str]]:
    """The axis of each dimension, and what is noted where that is a guess."""
    if given is not None:
        if len(given) != len(shape):
            raise Unsupported(f"The option 'axes' is {given!r}; the array has {len(shape)} dimensions: {shape}.")
        return given, []
    if len(shape) > 5:
        raise Unsupported(f"The array has the shape {shape}; the option `axes` says which dimension is what.")
    colour = len(shape) > 2 and shape[-1] in (3, 4) and number.kind == "u" and number.itemsize <= 2
    names = "tzyx"[-len(shape) + 1 :] + "c" if colour else "tczyx"[-len(shape) :]
    return names, [f"NumPy files do not name their axes; they are taken as {names}. The option `axes` says otherwise."]
