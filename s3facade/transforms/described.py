"""What stays true of a source's own metadata when an image is made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from s3facade.core.spec import Spec

DOCUMENT = ("ome_xml", "ome_image", "codec", "axes")
"""About the image as it is stored."""
GEOMETRY = (*DOCUMENT, "positions", "affine")
"""About where it stands, too."""
PLANES = (*GEOMETRY, "times")
"""About which planes it has, too."""


def kept(source: Spec, dropped: tuple[str, ...]) -> Mapping[str, object]:
    """The source's metadata without what is ``dropped``."""
    return {key: value for key, value in source.attrs.items() if key not in dropped}


def followed(source: Spec, made: Spec, planes: Mapping[str, int] | None = None) -> Spec:
    """``made``, with the affine of ``source`` in voxels of its own finest level.

    Args:
        source: What it was made of.
        made: Other voxels of the same space: every position, by scale and origin, means what it meant.
        planes: Voxel of the source's finest level, by axis that ``made`` lacks.
    """
    given = source.attrs.get("affine")
    if given is None:
        return made
    rows = [list(map(float, row)) for row in cast(Sequence[Sequence[Any]], given)]
    first, finest = source.levels[0], made.levels[0]
    for column, name in enumerate("xyz"):
        i, k = source.axis(name), made.axis(name)
        if i is None:
            continue
        factor, offset = 1.0, float((planes or {}).get(name, 0))
        if k is not None:
            factor = finest.scale[k] / first.scale[i]
            # Voxels of pyramids and boxes start at halves and wholes of the source's; sums of origins nearly do.
            offset = round((finest.origin[k] - first.origin[i]) / first.scale[i], 9)
        for row in rows:
            row[3] += row[column] * offset
            row[column] *= factor
    about = {"affine": rows, **({"frame": source.attrs["frame"]} if "frame" in source.attrs else {})}
    return replace(made, attrs={**made.attrs, **about})
