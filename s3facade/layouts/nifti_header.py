"""Headers of NIfTI-1 and NIfTI-2 files: what an image's description says, and nothing else.

Written after nifti1.h and nifti2.h of the NIfTI Data Format Working Group.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from s3facade.core.errors import Unsupported
from s3facade.core.spec import Spec
from s3facade.layouts.nifti_place import place

Edition = Literal[1, 2]
SHORT = 32767
"""Voxels along an axis of NIfTI-1, at most: its lengths are 16-bit."""
LENGTH = {1: 352, 2: 544}
"""Bytes before the voxels: header and the four of the extender."""
CODES: Mapping[str, int] = {
    "uint8": 2, "int16": 4, "int32": 8, "float32": 16, "complex64": 32, "float64": 64, "int8": 256,
    "uint16": 512, "uint32": 768, "int64": 1024, "uint64": 1280, "complex128": 1792,
}  # fmt: skip
STORED_AS = {"bool": "uint8", "float16": "float32"}
"""Types that the format lacks, and those that hold all of their values."""
COLOURS = {3: 128, 4: 2304}
"""Codes of RGB24 and RGBA32, by samples."""
LABEL = 1002
"""NIFTI_INTENT_LABEL."""
_MM, _SECOND = 2, 8
_RGB = ("FF0000", "00FF00", "0000FF")


def stored_as(dtype: np.dtype[Any]) -> str:
    """The type that voxels are stored as. Raises `Unsupported`."""
    name = STORED_AS.get(dtype.name, dtype.name)
    if name not in CODES:
        raise Unsupported(f"NIfTI cannot hold voxels of type {dtype}; add the step `type: float32` for instance.")
    return name


def coloured(spec: Spec) -> bool:
    """Whether channels are the samples of RGB24 or RGBA32: bytes of red, green, blue and perhaps alpha."""
    if spec.dtype != np.uint8 or spec.length("c") not in COLOURS or len(spec.channels) != spec.length("c"):
        return False
    named = tuple(channel.color for channel in spec.channels[:3]) == _RGB
    return named and (len(spec.channels) == 3 or spec.channels[3].name == "Alpha")


def lengths(spec: Spec) -> tuple[int, ...]:
    """Sizes along x, y, z, t and c, as many as there are: a lone channel and a colour are no dimension."""
    channels = 1 if coloured(spec) else spec.length("c")
    count = 5 if channels > 1 else 4 if spec.axis("t") is not None else 3 if spec.axis("z") is not None else 2
    return tuple(spec.length(a) if a != "c" else channels for a in "xyztc"[:count])


def edition(spec: Spec, wanted: Edition | None) -> Edition:
    """NIfTI-1 where it can hold the image. Raises `Unsupported` if it is ``wanted`` and cannot."""
    longest = max(lengths(spec))
    if wanted == 1 and longest > SHORT:
        raise Unsupported(f"NIfTI-1 counts to {SHORT} voxels along an axis, and there are {longest}; use `edition: 2`.")
    return wanted or (2 if longest > SHORT else 1)


def header(spec: Spec, number: Edition, description: str = "") -> bytes:
    """The bytes before the voxels of the finest level.

    Sizes and places are in mm and s. ``pixdim`` is 1 along axes without a size, and the unit of length is "unknown" (0)
    if one of several voxels is among them. The voxels stand as `s3facade.layouts.nifti_place` says, in
    ``sform``; ``qform`` says the same where axes are at right angles, and is unset else.

    Args:
        spec: The image.
        number: 1 or 2.
        description: As much of it as 79 bytes of UTF-8 hold is told.

    Raises:
        Unsupported: Voxels of a type that the format lacks.
    """
    sizes = lengths(spec)
    where = place(spec)
    dtype = np.dtype(stored_as(spec.dtype))
    samples = spec.length("c") if coloured(spec) else 1
    time = spec.axis("t")
    timed = time is not None and spec.axes[time].unit is not None
    first = spec.levels[0]
    window = spec.channels[0].window if len(spec.channels) == 1 else None
    fields: dict[str, Any] = {
        "sizeof_hdr": LENGTH[number] - 4,
        "dim": [len(sizes), *sizes, *[1] * (7 - len(sizes))],
        "intent_code": LABEL if spec.attrs.get("categorical") else 0,
        "datatype": COLOURS[samples] if samples > 1 else CODES[dtype.name],
        "bitpix": 8 * samples * dtype.itemsize,
        "pixdim": [where.handed, *where.steps, first.scale[time] if timed and time is not None else 1, 1, 0, 0],
        "vox_offset": LENGTH[number],
        "scl_slope": 1,
        "xyzt_units": (_MM if where.known else 0) | (_SECOND if timed else 0),
        "toffset": first.origin[time] if timed and time is not None else 0,
        "cal_min": window[0] if window else 0,
        "cal_max": window[1] if window else 0,
        "descrip": description.encode()[:79].decode(errors="ignore").encode(),
        "qform_code": where.code if where.square else 0,
        "sform_code": where.code,
        "quatern": where.quaternion,
        "qoffset": where.matrix[:, 3] if where.square else 0,
        "srow": where.matrix,
        "magic": b"n+1" if number == 1 else b"n+2\0\r\n\x1a\n",
    }
    return _filled(number, fields)


def _filled(number: Edition, fields: Mapping[str, Any]) -> bytes:
    layout = np.dtype(_FIRST if number == 1 else _SECOND_EDITION)
    record = np.zeros((), layout)
    for name, value in fields.items():
        record[name] = value
    return record.tobytes() + bytes(4)


def _layout(short: str, real: str) -> list[Sequence[Any]]:
    """The fields of orientation, which the two editions share but for their widths."""
    codes = [("qform_code", short), ("sform_code", short)]
    return [*codes, ("quatern", real, 3), ("qoffset", real, 3), ("srow", real, (3, 4))]


_FIRST: Any = [
    *[("sizeof_hdr", "<i4"), ("unused", "S35"), ("dim_info", "u1"), ("dim", "<i2", 8), ("intent_p", "<f4", 3)],
    *[("intent_code", "<i2"), ("datatype", "<i2"), ("bitpix", "<i2"), ("slice_start", "<i2"), ("pixdim", "<f4", 8)],
    *[("vox_offset", "<f4"), ("scl_slope", "<f4"), ("scl_inter", "<f4"), ("slice_end", "<i2"), ("slice_code", "u1")],
    *[("xyzt_units", "u1"), ("cal_max", "<f4"), ("cal_min", "<f4"), ("slice_duration", "<f4"), ("toffset", "<f4")],
    *[("glmax", "<i4"), ("glmin", "<i4"), ("descrip", "S80"), ("aux_file", "S24"), *_layout("<i2", "<f4")],
    *[("intent_name", "S16"), ("magic", "S4")],
]
_SECOND_EDITION: Any = [
    *[("sizeof_hdr", "<i4"), ("magic", "S8"), ("datatype", "<i2"), ("bitpix", "<i2"), ("dim", "<i8", 8)],
    *[("intent_p", "<f8", 3), ("pixdim", "<f8", 8), ("vox_offset", "<i8"), ("scl_slope", "<f8"), ("scl_inter", "<f8")],
    *[("cal_max", "<f8"), ("cal_min", "<f8"), ("slice_duration", "<f8"), ("toffset", "<f8"), ("slice_start", "<i8")],
    *[("slice_end", "<i8"), ("descrip", "S80"), ("aux_file", "S24"), *_layout("<i4", "<f8"), ("slice_code", "<i4")],
    *[("xyzt_units", "<i4"), ("intent_code", "<i4"), ("intent_name", "S16"), ("dim_info", "u1"), ("unused", "S15")],
]
