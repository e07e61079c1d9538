"""What stays true of a source's own metadata when an image is made of it."""

from __future__ import annotations

from collections.abc import Mapping

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
