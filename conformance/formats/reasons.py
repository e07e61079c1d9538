# ruff: noqa: RUF001 -- sizes are set with multiplication signs
"""Files that are no images, and refusals that a user would accept. Each was looked at."""

from __future__ import annotations

import re
from fnmatch import fnmatch

COMPANIONS: dict[str, str] = {
    "*/.DS_Store": "left behind by a desktop",
    "*.txt": "text",
    "*.dzi": "a Deep Zoom description whose tiles are not here",
    "ome-xml/MMStack.ome.xml": "OME-XML about TIFFs that are not here",
    "ome-xml/tubhiswt.ome.xml": "OME-XML about TIFFs that are not here",
    "ome-tiff/*/metadata/*.ome.xml": "what Leica says about a field; its images are OME-TIFFs beside it",
}
"""By pattern: what a file is that is no image."""

_IN_TEXT = "OME-XML with its pixels in the text (BinData), which no reader here takes: {}; save it as OME-TIFF"
UNREAD: dict[str, str] = {
    "ome-xml/multi-channel-z-series-time-series.ome.xml": _IN_TEXT.format("50 planes of 24 × 18"),
    "ome-xml/spim.ome.xml": _IN_TEXT.format("4 images, 32 times the same plane of 4 × 6"),
    "ome-xml/two-screens-two-plates-four-wells.ome.xml": _IN_TEXT.format("22 images, each the same plane of 4 × 6"),
}
"""By path: images of which no reader knows."""

REFUSED: dict[str, str] = {
    "neuroglancer-testdata/zarr/zarr_v2/*/.zarray": "values of type '([<>|][SU]\\d+|\\|O)'",
}
"""By pattern of the path: part of the sentence of the refusal."""


def companion(path: str, sentence: str) -> str:
    """Why the file is no image; empty if it should be one."""
    return next(
        (why for pattern, why in COMPANIONS.items() if fnmatch(f"/{path}", f"*/{pattern.removeprefix('*/')}")), ""
    )


def acceptable(path: str, sentence: str) -> bool:
    """Whether the refusal was looked at."""
    return path in UNREAD or any(
        fnmatch(path, pattern) and re.search(part, sentence) for pattern, part in REFUSED.items()
    )
