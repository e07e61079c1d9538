"""MGH and MGZ of FreeSurfer: volumes behind a header of 284 bytes, plain or packed.

Source: the description of the format in FreeSurfer's wiki (big-endian throughout).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.raster import TableRaster
from s3facade.readers.arrays.raw import raw
from s3facade.readers.facts import Facts
from s3facade.readers.inflated import Inflated, unpacked
from s3facade.readers.volumes.common import (
    MM,
    Keeping,
    checked,
    content,
    finite,
    image,
    known_dims,
    peek,
    placed,
    plain,
    room,
)

_HEADER = np.dtype(
    [
        *[("version", ">i4"), ("dims", ">i4", 4), ("type", ">i4"), ("dof", ">i4"), ("good", ">i2")],
        *[("delta", ">f4", 3), ("directions", ">f4", (3, 3)), ("centre", ">f4", 3)],
    ]
)
_TYPES = {0: "u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}
_DATA = 284
_NAMES = (".mgh", ".mgz", ".mgh.gz")
_KEEPING = Keeping()


class MghReader:
    """MGH and MGZ. No options."""

    name: ClassVar[str] = "mgh"
    version: ClassVar[int] = 1
    lane: ClassVar[Literal["thread", "serial", "process"]] = "thread"
    suffixes: ClassVar[frozenset[str]] = frozenset({".mgh", ".mgz"})

    def sniff(self, head: bytes, name: str) -> bool:
        """By its name, and a version, a type and lengths that can be: there is no magic."""
        if not name.lower().endswith(_NAMES):
            return False
        data = unpacked(head, 512)
        if len(data) < _HEADER.itemsize:
            return False
        about = np.frombuffer(data, _HEADER, 1)[0]
        return int(about["version"]) == 1 and min(int(n) for n in about["dims"]) > 0

    def open(self, file: SourceFile, options: Mapping[str, object]) -> Sequence[TableRaster]:
        """The image of a file.

        Raises:
            BadSource: The header contradicts itself or the size of the file.
            Unsupported: Types that the format does not know.
        """
        checked(options, {})
        whole = content(file)
        head = peek(whole, _DATA)
        if len(head) < _DATA:
            raise BadSource("The MGH file is shorter than its header.")
        about = np.frombuffer(head, _HEADER, 1)[0]
        if int(about["version"]) != 1:
            raise BadSource(f"The MGH file is of version {int(about['version'])}; 1 is known.")
        kind = int(about["type"])
        if kind not in _TYPES:
            raise Unsupported(f"The field type of the MGH header is {kind}; 0, 1, 3, 4 and 10 are known.")
        sizes = [int(n) for n in about["dims"]]
        known_dims(sizes)
        dims = ["t" if sizes[3] > 1 else "", "z", "y", "x"]
        table = raw(dims, sizes[::-1], np.dtype(_TYPES[kind]), _DATA, end=[room(whole)])
        return [image(table, [whole], _facts(about, sizes, whole, _DATA + _bytes(sizes, kind)))]

    freeze = staticmethod(_KEEPING.freeze)
    thaw = staticmethod(_KEEPING.thaw)


def _bytes(sizes: Sequence[int], kind: int) -> int:
    return int(np.prod(sizes, dtype=np.int64)) * np.dtype(_TYPES[kind]).itemsize


def _facts(about: Any, sizes: Sequence[int], file: SourceFile, behind: int) -> Facts:
    original = {n: about[n] for n in _HEADER.names or ()}
    attrs: dict[str, Any] = {"original": plain(original)}
    scale: dict[str, float] = {}
    origin: dict[str, float] = {}
    delta = np.asarray(about["delta"], np.float64)
    good = int(about["good"]) > 0 and np.isfinite(delta).all() and (delta > 0).all()
    if good:
        scale = {a: float(d) * MM for a, d in zip("xyz", delta, strict=True)}
        matrix = np.eye(4)
        # Rows of the file are directions of the axes; the centre is that of the volume.
        matrix[:3, :3] = np.asarray(about["directions"], np.float64).T * delta
        matrix[:3, 3] = np.asarray(about["centre"], np.float64) - matrix[:3, :3] @ (np.array(sizes[:3]) / 2)
        matrix[:3] *= MM
        if np.isfinite(matrix).all():
            origin, attrs["affine"] = placed(matrix, scale)
            attrs["frame"] = "RAS, scanner"
    else:
        attrs["notes"] = ["The header says that its geometry is not known: voxels have no size."]
    # Behind the voxels; of a packed file it would have to be unpacked whole.
    tail = b"" if isinstance(file, Inflated) else peek(file, 4, behind)
    if len(tail) == 4 and sizes[3] > 1:
        repeat = float(np.frombuffer(tail, ">f4")[0])
        if finite(repeat) and repeat > 0:
            scale["t"] = repeat / 1000
    return Facts(scale, origin, attrs=attrs)
