"""OME-XML of every image of every file of the corpus, as it is served: valid, and true about what is served."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "tests" / "layouts"))

from ome_schema import NS, check, parsed

from conformance.formats.corpus import root
from conformance.formats.examine import files, recognised
from s3facade import registry
from s3facade.core.errors import SourceError, Unsupported
from s3facade.core.image import Dataset, derive
from s3facade.core.spec import AXES
from s3facade.engine.engine import Engine
from s3facade.layouts.ome_zarr import OmeZarr
from s3facade.transforms.geometry.axes import Flip
from s3facade.transforms.geometry.crop import Crop
from s3facade.transforms.geometry.places import Place
from s3facade.transforms.pyramids.pyramid import pyramid

KINDS = {"float": ("float32", "float16"), "double": ("float64", "int64", "uint64"), "bit": ("bool",)}


@pytest.fixture(scope="module")
def described():
    """The images of every file that opens, each file of a series once."""
    if root() is None:
        if os.environ.get("CI"):
            pytest.fail("no corpus: set S3FACADE_CORPUS to a folder of real images")
        pytest.skip("no corpus")
    engine = Engine(registry.reader)
    found, seen = {}, set()
    try:
        for path in files():
            reader = recognised(path)
            if not reader or str(path) in seen:
                continue
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    images = engine.rasters.describe(str(path), reader, {})
            except SourceError:
                continue
            seen |= {member.path for image in images for member in image.members}
            found[path] = images
        yield found
    finally:
        engine.close()


def document(images) -> bytes:
    """As the layout gives it."""
    named = {"": images[0]} if len(images) == 1 else {str(n): image for n, image in enumerate(images)}
    tree = OmeZarr().build(Dataset(named))
    file = tree.children["OME"].children["METADATA.ome.xml"]
    return b"".join(bytes(part.data) for part in file.body().parts)


def agrees(images) -> None:
    text = document(images)
    found = check(text).findall(f"{NS}Image/{NS}Pixels")
    assert len(found) == len(images)
    for pixels, image in zip(found, images, strict=True):
        spec = image.spec
        assert {a: int(pixels.get(f"Size{a.upper()}")) for a in AXES} == {a: spec.length(a) for a in AXES}
        assert spec.dtype.name in KINDS.get(pixels.get("Type"), (pixels.get("Type"),))
        assert [c.get("Name") for c in pixels.findall(f"{NS}Channel")] == [
            c.name or None for c in spec.channels[: spec.length("c")]
        ]
    assert len(text) < 400_000 * len(images)


def test_every_image_has_valid_metadata(described):
    assert len(described) > 200
    for path, images in described.items():
        shown = [pyramid(image) for image in images]
        try:
            agrees(shown)
        except Unsupported:
            continue
        except AssertionError as error:
            raise AssertionError(f"{path.name}: {error}") from error


def test_ome_types_reads_it(described):
    for images in list(described.values())[::5]:
        try:
            assert len(parsed(document(images)).images) == len(images)
        except Unsupported:
            continue


def test_what_is_made_of_images_is_described_as_it_is(described):
    for images in described.values():
        made = []
        for image in images:
            made.append(derive(image, Flip(("x",))))
            if image.spec.length("x") > 4:
                made.append(derive(image, Crop(x=(Place(1), Place(4)))))
        for image in made[:8]:
            agrees([image])
