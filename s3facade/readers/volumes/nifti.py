"""NIfTI-1, NIfTI-2 and Analyze 7.5: one file, pairs of header and voxels, plain or packed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, SourceNotFound, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.core.spec import Channel
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import Linear, raw
from s3facade.readers.facts import Facts
from s3facade.readers.inflated import unpacked
from s3facade.readers.volumes.common import (
    MM,
    ORIGINAL,
    Keeping,
    checked,
    content,
    image,
    peek,
    placed,
    room,
    samples,
    unit_option,
    wide,
)
from s3facade.readers.volumes.nifti_header import LABELS, Header, extensions, parse, recognised

_NAMES = "xyztccc"
_KEEPING = Keeping()


class NiftiReader:
    """NIfTI and Analyze. Options: ``unit``, of length, in place of what the header says."""

    name: ClassVar[str] = "nifti"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".nii", ".nii.gz", ".nii.bz2", ".nii.xz"})

    def sniff(self, head: bytes, name: str) -> bool:
        """By size and magic of the header; Analyze has none, and is told by name and plausible fields."""
        if name.lower().endswith((".nii.bz2", ".nii.xz")):
            return head.startswith((b"BZh", b"\xfd7zXZ\0"))
        return recognised(unpacked(head, 1024), pair=_is_header(name)) is not None

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The image of a file, or of the pair whose header it is.

        Raises:
            BadSource: The header contradicts itself or the size of the file.
            Unsupported: CIFTI-2, complex numbers, single bits, floats of 128 bits.
            SourceNotFound: The file of voxels that belongs to a header is missing.
        """
        known = checked(options, {"unit": unit_option})
        name = file.source.path.rpartition("/")[2]
        whole = content(file)
        head = peek(whole, 1024)
        found = recognised(head, pair=_is_header(name))
        if not head:
            raise BadSource("The file is empty: a placeholder, or a copy that was interrupted; put the image there.")
        if found is None:
            raise BadSource("This is no NIfTI or Analyze file: the header has no known size and magic.")
        about = parse(head, *found)
        files, own = [whole], 348 if found[0] != "nifti2" else 540
        if not about.single:
            files.append(content(_voxels(file, name)))
        behind = peek(whole, max(0, min(about.offset - own if about.single else ORIGINAL, ORIGINAL)), own)
        told = extensions(behind, found[1]) if found[0] != "analyze" else []
        if any(item["code"] == 32 for item in told):
            raise Unsupported("This is a CIFTI-2 file: its rows are vertices and voxels in a list, not an image.")
        return [_raster(about, files, told, known.get("unit"))]

    freeze = staticmethod(_KEEPING.freeze)
    thaw = staticmethod(_KEEPING.thaw)


def _is_header(name: str) -> bool:
    return name.lower().endswith((".hdr", ".hdr.gz"))


def _voxels(file: SourceFile, name: str) -> SourceFile:
    """The file of voxels that belongs to a header: of the same name, in the same folder, in capitals or not."""
    stem = name[:-3] if name.lower().endswith(".gz") else name
    stem, dot, end = stem.rpartition(".")
    endings = ("IMG", "img") if end.isupper() else ("img", "IMG")
    for candidate in (f"{stem}{dot}{own}{packed}" for packed in ("", ".gz") for own in endings):
        try:
            return file.sibling(candidate)
        except SourceNotFound:
            continue
    raise SourceNotFound(f"The header belongs to {stem}.{endings[0]}, which is missing beside it.", private=name)


def _raster(about: Header, files: Sequence[SourceFile], told: Sequence[object], unit: float | None) -> TableRaster:
    sizes = about.sizes
    names = [_NAMES[k] if n > 1 or k < 3 else "" for k, n in enumerate(sizes)]
    dims, lengths = names[::-1], list(sizes[::-1])
    if about.samples > 1:
        dims, lengths = [*dims, "c"], [*lengths, about.samples]
    values = None
    if (about.slope, about.intercept) != (1.0, 0.0):
        values = Linear(about.slope, about.intercept, wide(about.number))
    which = np.array([len(files) - 1], np.uint32)
    table = raw(dims, lengths, about.number, about.offset, end=[room(f) for f in files], files=which, values=values)
    others = 1 if names.count("c") == 0 else 2
    channels = samples(about.number, about.samples, others=others)
    if not channels and about.window and "c" not in dims:
        channels = (Channel(window=about.window),)
    return image(table, files, _facts(about, told, unit), channels)


def _facts(about: Header, told: Sequence[object], unit: float | None) -> Facts:
    notes = []
    length = unit or about.unit
    if length is None:
        length = MM
        notes.append(
            "The header names no unit of length; millimetres are taken, as by the programs of the field. "
            "The option `unit` says otherwise."
        )
    if about.kind == "analyze":
        notes.append("Analyze files do not say which side is left: the image is shown as it is stored.")
    if sum(n > 1 for n in about.sizes[4:]) > 1:
        notes.append("The fifth and later dimensions are shown as one axis c, the last one outermost.")
    scale = {a: p * length for a, p in zip("xyz", about.pixdim, strict=False) if p > 0}
    origin: dict[str, float] = {}
    attrs: dict[str, Any] = {"original": {**about.original, **({"extensions": told} if told else {})}, "notes": notes}
    if len(about.sizes) > 3 and about.sizes[3] > 1:
        if about.second and about.pixdim[3] > 0:
            scale["t"] = about.pixdim[3] * about.second
            origin["t"] = about.start * about.second
        else:
            notes.append("The fourth dimension is shown as t, without a scale: the header names no unit of time.")
    if about.affine is not None:
        matrix = about.affine.copy()
        matrix[:3] *= length
        found, attrs["affine"] = placed(matrix, scale)
        attrs["frame"] = about.frame
        origin |= found
    if about.intent in LABELS:
        attrs["categorical"] = True
    return Facts(scale, origin, attrs=attrs)
