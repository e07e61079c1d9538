"""What a comparison would notice: values at other places, axes of other names, images in another order."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from conformance.formats.examine import _compared
from conformance.formats.told import Otherwise, Told, ordered, stored
from s3facade.core.spec import Spec
from s3facade.readers.facts import Facts, Grid, described

SHAPE = (2, 3, 3, 4, 4)
DATA = np.arange(np.prod(SHAPE), dtype="u2").reshape(SHAPE)


class Shown:
    """A raster of t, c, z, y, x."""

    files, chunks = (), staticmethod(lambda level: None)

    def __init__(self, data: np.ndarray = DATA, names: str = "tczyx") -> None:
        self.data = np.ascontiguousarray(data)
        self.spec: Spec = described(tuple(names), data.dtype, [Grid(data.shape, data.shape)], Facts())

    def read(self, level, region):
        return self.data[region.slices()]


def says(array: np.ndarray, axes: str) -> Told:
    return Told("another", lambda image, level, raster: ordered(array, axes, raster, level))


@pytest.mark.parametrize("axes", ["tczyx", "xyzct", "zxtcy"])
def test_named_axes_in_any_order_are_the_same_image(axes):
    array = DATA.transpose(["tczyx".index(a) for a in axes])
    assert _compared(Shown(), 0, says(array, axes)) == "equal"


def test_channels_and_planes_that_are_exchanged_are_noticed():
    """Both have a length of 3: only the names tell them apart."""
    assert _compared(Shown(DATA.swapaxes(1, 2)), 0, says(DATA, "tczyx")).startswith("differ")
    assert _compared(Shown(DATA.swapaxes(3, 4)), 0, says(DATA, "tczyx")).startswith("differ")
    assert _compared(Shown(DATA[:, ::-1]), 0, says(DATA, "tczyx")).startswith("differ")
    assert _compared(Shown(DATA[::-1]), 0, says(DATA, "tczyx")).startswith("differ")


def test_an_axis_of_another_name_is_noticed():
    found = _compared(Shown(DATA[:, 0], "tzyx"), 0, says(DATA[:, 0], "tcyx"))
    assert found == "differ: level 0 has c 3, not 1; z 1, not 3"


def test_samples_lie_inside_of_channels():
    array = np.moveaxis(DATA.reshape(2, 3, 3, 4, 4), 1, -1)
    assert _compared(Shown(), 0, says(array, "tzyxs")) == "equal"


def test_dimensions_without_names_stand_as_stored():
    raster = SimpleNamespace(spec=Shown().spec)
    assert stored(DATA[None], raster).shape == SHAPE
    with pytest.raises(Otherwise):
        stored(DATA.swapaxes(0, 1), raster)
