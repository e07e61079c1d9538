"""The law of transforms, as a check: what is computed for a region is the same slice of the whole, for every region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
from hypothesis import strategies as st

from s3facade.core.image import Composite, Image, apply_step, combine
from s3facade.core.operators import Block, Combination, Transform
from s3facade.core.region import Region
from s3facade.testing.plain import read, whole
from s3facade.testing.specs import check_spec


def check_law(
    step: Transform | Combination | Composite,
    parents: Image | Sequence[Image],
    data: st.DataObject,
    *,
    tolerance: float = 0.0,
    regions: int = 3,
) -> Image:
    """Whether ``step`` keeps its promises on these images, at every level and on random regions.

    That is: a spec that holds together; boxes asked for that lie in their source; blocks of the promised shape and
    type, in C order; sources left as they were; the same answer twice; and the law.

    Args:
        step: A transform or composite, or a combination of as many images as there are ``parents``.
        parents: What it acts on: from `images`, `in_memory`, or computed ones.
        data: Of ``hypothesis.strategies.data()``; chooses the regions.
        tolerance: How far apart floats may be, relative to the largest magnitude of the whole; 0: bit for bit.
        regions: Random regions per level, beside one voxel in a corner.

    Returns:
        The image that ``step`` makes, for more checks.

    Raises:
        AssertionError: A promise is broken; says which.
        Unsupported: ``step`` cannot act on these images.
    """
    image = applied(step, parents)
    sources = list(parents) if isinstance(parents, Sequence) else [parents]
    check_spec(image.spec)
    assert image.spec.identity not in {s.spec.identity for s in sources}, "the identity is that of a source"
    assert image.spec == applied(step, parents).spec, "the same step gives another spec the second time"
    for number, level in enumerate(image.spec.levels):
        everything = whole(image, number)
        last = tuple(n - 1 for n in level.shape)
        boxes = [Region(last, level.shape), *(data.draw(_regions(level.shape)) for _ in range(regions))]
        for box in boxes:
            got, expected = read(image, number, box), everything[box.slices()]
            where = f"level {number}, {box}"
            assert _same(got, expected, tolerance * _magnitude(everything)), _told(where, got, expected)
            again = read(image, number, box)
            assert got.tobytes() == again.tobytes(), f"{where}: another result the second time"
    return image


def check_identities(steps: Sequence[Transform | Combination | Composite], parents: Image | Sequence[Image]) -> None:
    """Whether steps with different options have different identities: caches and ETags go by them.

    Args:
        steps: Pairwise different; best one for each option, changed alone.
        parents: What they act on.

    Raises:
        AssertionError: Two have the same one.
    """
    seen: dict[str, object] = {}
    for step in steps:
        identity = applied(step, parents).spec.identity
        assert identity, f"{step} has no identity"
        assert identity not in seen, f"{step} has the identity of {seen[identity]}"
        seen[identity] = step


def applied(step: Transform | Combination | Composite, parents: Image | Sequence[Image]) -> Image:
    """The image that ``step`` makes. Raises `Unsupported`."""
    images = list(parents) if isinstance(parents, Sequence) else [parents]
    if hasattr(step, "needs"):
        return combine(images, cast(Combination, step))
    (image,) = images
    return apply_step(image, step)


@st.composite
def _regions(draw: st.DrawFn, shape: tuple[int, ...]) -> Region:
    start = tuple(draw(st.integers(0, n - 1)) for n in shape)
    return Region(start, tuple(draw(st.integers(a + 1, n)) for a, n in zip(start, shape, strict=True)))


def _magnitude(block: Block) -> float:
    if block.dtype.kind not in "fc":
        return 0.0
    finite = np.abs(block[np.isfinite(block)])
    return float(finite.max()) if finite.size else 0.0


def _same(a: Block, b: Block, tolerance: float) -> bool:
    if tolerance == 0:
        return np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
    return np.allclose(a, b, rtol=0, atol=tolerance, equal_nan=True)


def _told(where: str, got: Block, expected: Block) -> str:
    wrong = np.argwhere(~((got == expected) | ((got != got) & (expected != expected))))  # noqa: PLR0124 - NaN
    at = tuple(int(i) for i in wrong[0])
    return f"{where}: voxel {at} of {len(wrong)} is {got[at]}, in the whole it is {expected[at]}"
