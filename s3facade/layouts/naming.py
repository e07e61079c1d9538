"""What images are called in the documents of a layout."""

from __future__ import annotations

import os

from s3facade.core.image import Dataset, Image, sources


def image_name(image: Image, key: str) -> str:
    """What the source calls the image, else its key in the view, else the name of its file without extensions."""
    stated = image.spec.attrs.get("name")
    if isinstance(stated, str) and stated:
        return stated
    if key:
        return key
    return file_name(image)


def file_name(image: Image) -> str:
    """The name of an image's first file without extensions; ``image`` where there is none."""
    source = next(sources(image), None)
    stem = os.path.splitext(os.path.basename(source.path))[0] if source else ""
    return stem.removesuffix(".ome") or "image"


def modified(dataset: Dataset) -> int:
    """When anything that a view shows last changed, in nanoseconds since 1970."""
    images = [*dataset.images.values(), *dataset.labels.values()]
    newest = max((source.modified for image in images for source in sources(image)), default=0)
    return max(newest, dataset.modified)
