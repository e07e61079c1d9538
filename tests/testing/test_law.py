"""The checks for plug-ins: built-in transforms pass, and every kind of mistake is found."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st

from s3facade.core.errors import Unsupported
from s3facade.core.image import combine, derive
from s3facade.core.operators import Need
from s3facade.core.spec import Axis
from s3facade.testing import check_identities, check_law, images, in_memory, whole
from s3facade.testing.images import DTYPES
from s3facade.testing.law import check_spec
from s3facade.transforms.pyramids.downsample import AddLevel
from s3facade.transforms.values.cast import Cast


@pytest.mark.parametrize("target", ["float32", "float64", "int64"])
@given(st.data())
def test_cast(target, data):
    try:
        check_law(Cast(target), data.draw(images(dtypes=[d for d in DTYPES if d != "uint64"])), data)
    except Unsupported:
        reject()


@pytest.mark.parametrize("method", ["mean", "mode", "nearest"])
@given(st.data())
def test_added_levels(method, data):
    image = data.draw(images())
    factors = tuple(data.draw(st.integers(1, 3)) for _ in image.spec.axes)
    check_law(AddLevel(factors, method), image, data)


@given(images())
def test_drawn_images_are_whole(image):
    check_spec(image.spec)
    assert whole(image).dtype == image.spec.dtype


def test_identities_differ():
    image = in_memory(np.zeros((4, 4), np.uint8))
    check_identities([Cast("uint16"), Cast("float32")], image)
    with pytest.raises(AssertionError, match="has the identity of"):
        check_identities([Cast("uint16"), Cast("uint16")], image)


@dataclass(frozen=True, slots=True)
class Smooth:
    """The mean of three neighbours in x, with a switch for each mistake."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False
    mistake: str = ""

    def spec(self, source):
        levels = source.levels
        if self.mistake == "scale":
            levels = tuple(replace(level, scale=(0.0,) * len(level.scale)) for level in levels)
        if self.mistake == "channels":
            return replace(source, channels=())
        if self.mistake == "unit":
            return replace(source, axes=(*source.axes[:-1], Axis("x", "meter")))
        return replace(source, dtype=np.dtype("float32"), levels=levels)

    def need(self, source, level, region):
        halo = (0,) * (len(source.axes) - 1) + (0 if self.mistake == "halo" else 1,)
        grown = region.grow(halo)
        return Need(level, grown if self.mistake == "outside" else grown.clip(source.levels[level].shape))

    def apply(self, source, level, region, block):
        if self.mistake == "in place":
            block += 1
        need = self.need(source, level, region).region
        wide = np.pad(block.astype(np.float32), [(0, 0)] * (block.ndim - 1) + [(1, 1)], mode="edge")
        out = (wide[..., :-2] + wide[..., 1:-1] + wide[..., 2:]) / np.float32(3)
        out = out[tuple(slice(a - b, c - b) for a, c, b in zip(region.start, region.stop, need.start, strict=True))]
        if self.mistake == "order":
            return np.asfortranarray(out)
        if self.mistake == "dtype":
            return out.astype(np.float64)
        if self.mistake == "statistics":
            out = out - out.mean()
        if self.mistake == "random":
            out = out + np.random.default_rng().random(dtype=np.float32)
        return np.ascontiguousarray(out[..., :1] if self.mistake == "shape" else out)


# Voxels that are all different, and wide enough for every mistake to show.
WIDE = in_memory(np.random.default_rng(0).random((2, 5, 9), np.float32), axes="cyx")


@given(st.data())
def test_a_halo_is_enough(data):
    check_law(Smooth(), data.draw(images(dtypes=["uint8", "float32"])), data)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("halo", "in the whole it is"),
        ("statistics", "in the whole it is"),
        ("random", "in the whole it is"),
        ("outside", "leaves its level"),
        ("order", "C order"),
        ("dtype", "the spec says"),
        ("shape", "instead of"),
        ("scale", "scale"),
        ("channels", "0 channels"),
        ("unit", "meter"),
    ],
)
def test_mistakes_are_found(mistake, said):
    @settings(database=None, phases=[Phase.generate])
    @given(st.data())
    def run(data):
        check_law(Smooth(mistake), WIDE, data)

    with pytest.raises(AssertionError, match=said):
        run()


def test_a_source_cannot_be_written_to():
    with pytest.raises(ValueError, match="read-only"):
        whole(derive(WIDE, Smooth("in place")))


@given(st.data())
def test_tolerance_is_relative_to_the_largest_value(data):
    check_law(Noisy(), WIDE, data, tolerance=1e-3)


@dataclass(frozen=True, slots=True)
class Noisy:
    """Rounds by how wide the block is."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False

    def spec(self, source):
        return source

    def need(self, source, level, region):
        return Need(level, region)

    def apply(self, source, level, region, block):
        return block + np.float32(1e-5 * block.shape[-1])


@dataclass(frozen=True, slots=True)
class Difference:
    """The first image less the others."""

    version: ClassVar[int] = 1
    keep: ClassVar[bool] = False

    def spec(self, sources):
        return sources[0]

    def needs(self, sources, level, region):
        return [(i, Need(level, region)) for i in range(len(sources))]

    def apply(self, sources, level, region, blocks):
        out = next(blocks).copy()
        for block in blocks:
            out -= block
        return out


@given(st.data())
def test_combinations(data):
    image = data.draw(images(dtypes=["float32"]))
    check_law(Difference(), [image, derive(image, Smooth())], data)
    both = combine([image, image], Difference())
    assert not whole(both).any()
