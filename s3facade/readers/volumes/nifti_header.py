"""Headers of NIfTI-1, NIfTI-2 and Analyze 7.5, both byte orders.

Sources: nifti1.h and nifti2.h of the NIfTI Data Format Working Group; dbh.h of Analyze 7.5, with the scale factor that
SPM keeps in ``funused1``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.readers.volumes.common import LENGTHS, MM, Matrix, finite, known_dims, ordered, plain

Kind = Literal["nifti1", "nifti2", "analyze"]
_FORMS_1 = [("qform_code", "i2"), ("sform_code", "i2"), ("quatern", "f4", 3), ("qoffset", "f4", 3)]
_FORMS_2 = [("qform_code", "i4"), ("sform_code", "i4"), ("quatern", "f8", 3), ("qoffset", "f8", 3)]
_NIFTI_1 = [
    *[("sizeof_hdr", "i4"), ("unused", "S35"), ("dim_info", "u1"), ("dim", "i2", 8), ("intent_p", "f4", 3)],
    *[("intent_code", "i2"), ("datatype", "i2"), ("bitpix", "i2"), ("slice_start", "i2"), ("pixdim", "f4", 8)],
    *[("vox_offset", "f4"), ("scl_slope", "f4"), ("scl_inter", "f4"), ("slice_end", "i2"), ("slice_code", "u1")],
    *[("xyzt_units", "u1"), ("cal_max", "f4"), ("cal_min", "f4"), ("slice_duration", "f4"), ("toffset", "f4")],
    *[("glmax", "i4"), ("glmin", "i4"), ("descrip", "S80"), ("aux_file", "S24"), *_FORMS_1],
    *[("srow", "f4", (3, 4)), ("intent_name", "S16"), ("magic", "S4")],
]
_NIFTI_2 = [
    *[("sizeof_hdr", "i4"), ("magic", "S8"), ("datatype", "i2"), ("bitpix", "i2"), ("dim", "i8", 8)],
    *[("intent_p", "f8", 3), ("pixdim", "f8", 8), ("vox_offset", "i8"), ("scl_slope", "f8"), ("scl_inter", "f8")],
    *[("cal_max", "f8"), ("cal_min", "f8"), ("slice_duration", "f8"), ("toffset", "f8"), ("slice_start", "i8")],
    *[("slice_end", "i8"), ("descrip", "S80"), ("aux_file", "S24"), *_FORMS_2, ("srow", "f8", (3, 4))],
    *[("slice_code", "i4"), ("xyzt_units", "i4"), ("intent_code", "i4"), ("intent_name", "S16"), ("dim_info", "u1")],
    ("unused", "S15"),
]
_ANALYZE = [
    *[("sizeof_hdr", "i4"), ("data_type", "S10"), ("db_name", "S18"), ("unused", "S8"), ("dim", "i2", 8)],
    *[("vox_units", "S4"), ("cal_units", "S8"), ("unused1", "i2"), ("datatype", "i2"), ("bitpix", "i2")],
    *[("dim_un0", "i2"), ("pixdim", "f4", 8), ("vox_offset", "f4"), ("scl_slope", "f4"), ("scl_inter", "f4")],
    *[("funused3", "f4"), ("cal_max", "f4"), ("cal_min", "f4"), ("compressed", "i4"), ("verified", "i4")],
    *[("glmax", "i4"), ("glmin", "i4"), ("descrip", "S80"), ("aux_file", "S24"), ("orient", "u1"), ("rest", "S95")],
]
_LAYOUTS: Mapping[Kind, Any] = {"nifti1": _NIFTI_1, "nifti2": _NIFTI_2, "analyze": _ANALYZE}
TYPES = {2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8"}
"""Codes of types; beside them `COLOURS`."""
COLOURS = {128: 3, 2304: 4}
"""Codes of types that are samples of one byte, and how many."""
_REFUSED = {
    1: "bits packed into bytes",
    32: "complex numbers",
    1536: "floating-point numbers of 128 bits",
    1792: "complex numbers",
    2048: "complex numbers",
}
_UNITS = {1: 1e6, 2: MM, 3: 1.0}
_TIMES = {8: 1.0, 16: 1e-3, 24: 1e-6}
_FORMS = {1: "scanner", 2: "aligned", 3: "talairach", 4: "mni", 5: "template"}
LABELS = frozenset({1002, 1005})
"""Intents of labels: NIFTI_INTENT_LABEL and NIFTI_INTENT_NEURONAME."""
_CIFTI = range(3000, 3100)


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says about an image."""

    kind: Kind
    single: bool
    """Whether the voxels are in the file of the header."""
    number: np.dtype[Any]
    """Of a sample, with byte order."""
    samples: int
    """Of a voxel: 1, 3 or 4."""
    sizes: tuple[int, ...]
    """Fastest first: x, y, z, t, and up to three more."""
    offset: int
    """Of the first voxel."""
    slope: float
    intercept: float
    window: tuple[float, float] | None
    unit: float | None
    """µm; None if the header names none."""
    second: float | None
    """Of the fourth dimension, in s; None if it is no time or the header names no unit."""
    pixdim: tuple[float, ...]
    """Sizes of a voxel along ``sizes``, 0 where the header tells none; in its own units."""
    start: float
    """Time of the first volume, in its own unit."""
    intent: int
    affine: Matrix | None
    """4x4, in its own unit, RAS+; None if the header places the image nowhere."""
    frame: str
    original: Mapping[str, Any]


def recognised(head: bytes, *, pair: bool) -> tuple[Kind, str] | None:
    """The kind of header that ``head`` is, and its byte order, ``<`` or ``>``; None if it is none.

    Args:
        head: At least the first 540 bytes, if there are so many.
        pair: Whether the file is called ``.hdr``: only then is an Analyze header believed, since it has no magic.
    """
    for order in "<>":
        size = int(np.frombuffer(head, order + "i4", 1)[0]) if len(head) >= 348 else 0
        if size == 348 and head[344:348] in (b"n+1\0", b"ni1\0"):
            return "nifti1", order
        if size == 540 and len(head) >= 540 and head[4:8] in (b"n+2\0", b"ni2\0"):
            return "nifti2", order
        if size == 348 and pair:
            about = np.frombuffer(head[:348], _dtype("analyze", order))[0]
            known = int(about["datatype"]) in {*TYPES, *COLOURS, *_REFUSED}
            if known and 1 <= int(about["dim"][0]) <= 7:
                return "analyze", order
    return None


def _dtype(kind: Kind, order: str) -> np.dtype[Any]:
    return ordered(np.dtype(_LAYOUTS[kind]), order)


def parse(head: bytes, kind: Kind, order: str) -> Header:
    """The header at the start of ``head``.

    Raises:
        BadSource: Lengths or places that cannot be.
        Unsupported: Kinds of voxels that are not shown.
    """
    layout = _dtype(kind, order)
    about = np.frombuffer(head[: layout.itemsize], layout)[0]
    fields = {name: about[name] for name in layout.names or () if not name.startswith(("unused", "rest"))}
    count = int(about["dim"][0])
    if not 1 <= count <= 7:
        raise BadSource(f"The field dim[0] of the header is {count}; it counts the dimensions, 1 to 7.")
    sizes = tuple(int(n) for n in about["dim"][1 : count + 1])
    known_dims(sizes)
    intent = 0 if kind == "analyze" else int(about["intent_code"])
    if intent in _CIFTI:
        raise Unsupported(
            "This is a CIFTI-2 file: its rows are vertices of surfaces and voxels in a list, not an image. Convert it "
            "to a volume, for instance by `wb_command -cifti-separate`."
        )
    code = int(about["datatype"])
    number, samples = _number(code, order)
    slope, intercept = float(about["scl_slope"]), float(about["scl_inter"])
    if kind == "analyze" or not finite(slope) or slope == 0:
        intercept = 0.0
    if not finite(slope) or slope == 0 or samples > 1:
        slope, intercept = 1.0, 0.0
    if not finite(intercept):
        raise BadSource(f"The field scl_inter of the header is {intercept}, which is no number.")
    low, high = float(about["cal_min"]), float(about["cal_max"])
    single = kind != "analyze" and fields["magic"][:2] == b"n+"
    unit, second, start = _units(kind, about)
    pixdim = tuple(abs(float(p)) if finite(float(p)) else 0.0 for p in about["pixdim"][1 : count + 1])
    affine, frame = (None, "") if kind == "analyze" else _affine(about)
    return Header(
        *(kind, single, number, samples, sizes, _offset(kind, about, single=single), slope, intercept),
        *((low, high) if finite(low, high) and low < high else None, unit, second, pixdim, start, intent),
        *(affine, frame, plain(fields)),
    )


def _number(code: int, order: str) -> tuple[np.dtype[Any], int]:
    if code in COLOURS:
        return np.dtype("u1"), COLOURS[code]
    if code not in TYPES:
        what = _REFUSED.get(code, "of a type that the format does not know")
        raise Unsupported(f"The field datatype of the header is {code}: {what}. Store integers, float32 or float64.")
    return np.dtype(order + TYPES[code]), 1


def _offset(kind: Kind, about: Any, *, single: bool) -> int:
    given = float(about["vox_offset"])
    least = {"nifti1": 352, "nifti2": 544, "analyze": 0}[kind] if single else 0
    if not finite(given) or given < 0 or given > 1 << 62 or 0 < given < least - 4:
        raise BadSource(f"The field vox_offset of the header is {given}; voxels cannot begin there.")
    return int(given) or least


def _units(kind: Kind, about: Any) -> tuple[float | None, float | None, float]:
    if kind == "analyze":
        return LENGTHS.get(plain(about["vox_units"]).lower()), None, 0.0
    code, start = int(about["xyzt_units"]), float(about["toffset"])
    return _UNITS.get(code & 7), _TIMES.get(code & 0x38), start if finite(start) else 0.0


def _affine(about: Any) -> tuple[Matrix | None, str]:
    """The first that is stated of sform and qform, and in which frame."""
    matrix = np.eye(4)
    if int(about["sform_code"]) > 0:
        code = int(about["sform_code"])
        matrix[:3] = about["srow"]
    elif int(about["qform_code"]) > 0:
        code = int(about["qform_code"])
        sizes = np.abs(np.asarray(about["pixdim"][1:4], np.float64))
        sizes[2] *= -1 if float(about["pixdim"][0]) < 0 else 1
        matrix[:3, :3] = _turned(*(float(q) for q in about["quatern"])) * sizes
        matrix[:3, 3] = about["qoffset"]
    else:
        return None, ""
    if not np.isfinite(matrix).all():
        raise BadSource("The header places the image at a position that is no number.")
    return matrix, f"RAS, {_FORMS.get(code, str(code))}"


def _turned(b: float, c: float, d: float) -> Matrix:
    """The rotation of a unit quaternion whose first part is left out."""
    square = b * b + c * c + d * d
    if square > 1:
        b, c, d = (v / math.sqrt(square) for v in (b, c, d))
    a = math.sqrt(max(0.0, 1 - square))
    return np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )


def extensions(data: bytes, order: str) -> list[dict[str, Any]]:
    """What stands between header and voxels: code, size, and the text where it is one.

    Args:
        data: All bytes behind the header, the four of the extender first.
        order: Byte order of the header.
    """
    found: list[dict[str, Any]] = []
    at = 4
    while data[:1].strip(b"\0") and at + 8 <= len(data) and len(found) < 1000:
        size, code = (int(v) for v in np.frombuffer(data, order + "i4", 2, at))
        if size < 8 or at + size > len(data):
            break
        item: dict[str, Any] = {"code": code, "size": size}
        if code in (4, 6, 18, 30, 32, 44):
            item["text"] = data[at + 8 : at + size].rstrip(b"\0").decode("utf-8", "replace")
        found.append(item)
        at += size
    return found
