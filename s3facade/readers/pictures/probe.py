"""Shape and type of pictures whose headers do not tell them plainly: decoded once when they are opened."""

from __future__ import annotations

from typing import Any

import imagecodecs
import numpy as np

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.protocols import SourceFile
from s3facade.readers.arrays.chunked import MAX_CELL
from s3facade.readers.pictures.whole import NAMES, still


def probe(file: SourceFile, codec: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape, without an axis of one frame, and type. The caller has bounded the size by the header.

    Raises:
        BadSource: The picture does not decode.
        Unsupported: The file is too large, or its samples are no real numbers.
    """
    size = file.source.size
    if size > MAX_CELL:
        raise Unsupported(
            f"The {NAMES[codec]} has {size} bytes and can be decoded whole only; more than {MAX_CELL >> 20} MiB "
            "cannot be."
        )
    options = {} if codec == "gif" else {"index": 0}
    data = bytes(file.pread(0, size))
    try:
        found = np.asarray(getattr(imagecodecs, f"{codec}_decode")(still(data) if codec == "avif" else data, **options))
    except (ValueError, RuntimeError, TypeError, IndexError, MemoryError, OverflowError) as error:
        raise BadSource(f"The {NAMES[codec]} does not decode; it is damaged.", private=f"{error!r:.200}") from error
    if (
        found.dtype.kind not in "buif"
        or not found.size
        or found.ndim not in (2, 3, 4)
        or found.ndim - (codec == "gif") > 3
    ):
        raise Unsupported(f"The {NAMES[codec]} holds an array of {found.dtype} of shape {found.shape}.")
    return found.shape, found.dtype
