"""Previews from a part of the blocks: the law, true places, and what is read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3facade.core.errors import Unsupported
from s3facade.core.image import Opened, combine
from s3facade.testing.images import images, in_memory
from s3facade.testing.law import check_identities, check_law
from s3facade.testing.plain import whole
from s3facade.transforms.pyramids.sampled import SampleLevel


@st.composite
def samples(draw: st.DrawFn) -> tuple[Opened, SampleLevel]:
    image = draw(images())
    base = draw(st.integers(0, len(image.spec.levels) - 1))
    shape = image.spec.levels[base].shape
    factors = tuple(draw(st.integers(1, min(6, n, image.spec.levels[-1].shape[i]))) for i, n in enumerate(shape))
    # A level is never longer than the one before it.
    last = image.spec.levels[-1].shape
    factors = tuple(max(f, -(-n // m)) for f, n, m in zip(factors, shape, last, strict=True))
    factors = tuple(min(f, n) for f, n in zip(factors, shape, strict=True))
    return image, SampleLevel(base, factors, tuple(draw(st.integers(1, 4)) for _ in shape))


@settings(max_examples=60, deadline=None)
@given(samples(), st.data())
def test_law(drawn: tuple[Opened, SampleLevel], data: st.DataObject) -> None:
    image, step = drawn
    made = check_law(step, [image], data)
    assert made.spec.levels[:-1] == image.spec.levels


def test_identities() -> None:
    image = in_memory(np.zeros((40, 40), np.uint8), block=(4, 4))
    steps = [SampleLevel(0, f, e) for f in ((4, 4), (4, 2)) for e in ((1, 1), (2, 2), (2, 1))]
    check_identities(steps, [image])


@settings(max_examples=60, deadline=None)
@given(size=st.integers(20, 300), block=st.integers(1, 40), factor=st.integers(1, 20), every=st.integers(1, 5))
def test_every_voxel_is_the_nearest_that_is_read(size: int, block: int, factor: int, every: int) -> None:
    # Values are positions: along a line the nearest of all voxels in the blocks that are read is found by brute force.
    line = np.arange(size, dtype=np.int32)
    image = in_memory(np.stack([line, line]), block=(2, block), scale=(1, 0.5), origin=(0, 7.0), units=True)
    step = SampleLevel(0, (1, factor), (1, every))
    made = combine([image], step)
    shown = whole(made, 1)[0]
    count = math.ceil(size / block)
    for i, value in enumerate(shown):
        wanted = i * factor + factor // 2
        group = wanted // block // every
        read = min(group * every + every // 2, count - 1)
        inside = np.arange(read * block, min(read * block + block, size))
        assert abs(value - wanted) == np.abs(inside - wanted).min()
        # Where its own block is read, it is the very voxel that stands there.
        if wanted // block == read:
            level = made.spec.levels[1]
            assert level.origin[1] + i * level.scale[1] == pytest.approx(7.0 + 0.5 * value)


def test_only_every_nth_block_is_asked_for() -> None:
    image = in_memory(np.zeros((400, 400), np.uint8), block=(20, 20))
    made = combine([image], SampleLevel(0, (10, 10), (4, 4)))
    box = made.spec.levels[1]
    from s3facade.core.region import Region

    needs = made.combination.needs([image.spec], 1, Region.whole(box.shape))
    asked = {tuple(a // 20 for a in need.region.start) for _, need in needs}
    assert len(needs) == len(asked) == 25
    assert {y for y, _ in asked} == {2, 6, 10, 14, 18}
    assert all(need.region.start[0] // 20 == (need.region.stop[0] - 1) // 20 for _, need in needs)


@pytest.mark.parametrize(
    "step",
    [
        SampleLevel(0, (2,), (1, 1)),
        SampleLevel(1, (2, 2), (1, 1)),
        SampleLevel(0, (2, 0), (1, 1)),
        SampleLevel(0, (50, 2), (1, 1)),
    ],
)
def test_numbers_that_do_not_fit(step: SampleLevel) -> None:
    image = in_memory(np.zeros((40, 40), np.uint8))
    with pytest.raises(Unsupported):
        combine([image], step)
    with pytest.raises(Unsupported):
        combine([image, image], SampleLevel(0, (2, 2), (1, 1)))
