"""Casts: same values or an error."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from s3facade.core.errors import BadSource, Unsupported
from s3facade.core.region import Region
from s3facade.core.spec import Axis, Level, Spec
from s3facade.transforms.pyramids.downsample import AddLevel
from s3facade.transforms.values.cast import Cast


def spec_of(dtype):
    level = Level((1, 3), (1.0, 1.0), (0.0, 0.0), (1, 3))
    return Spec((Axis("y"), Axis("x")), np.dtype(dtype), (level,))


def cast(values, dtype, target):
    transform, source, region = Cast(target), spec_of(dtype), Region((0, 0), (1, 3))
    assert transform.need(source, 0, region).region == region
    assert transform.spec(source).dtype == np.dtype(target)
    return transform.apply(source, 0, region, np.array([values], dtype))


@pytest.mark.parametrize(
    ("values", "dtype", "target"),
    [
        ([-1, 0, 2**31 - 1], "int64", "int32"),
        ([0, 255, 7], "uint64", "uint8"),
        ([True, False, True], "bool", "uint8"),
        ([0.5, np.nan, np.inf], "float64", "float32"),
        ([0.5, -1, 65504], "float16", "float32"),
        ([-1, 2, 3], "int16", "float32"),
    ],
)
def test_keeps_values(values, dtype, target):
    got = cast(values, dtype, target)
    assert got.dtype == np.dtype(target)
    np.testing.assert_array_equal(got[0], np.array(values, dtype).astype(np.float64))


@pytest.mark.parametrize(
    ("values", "dtype", "target", "named"),
    [
        ([0, 1, 2**31], "int64", "int32", "2147483648"),
        ([0, -1, 3], "int8", "uint64", "-1"),
        ([0, 2**64 - 1, 3], "uint64", "int64", "18446744073709551615"),
        ([0, 1e300, 3], "float64", "float32", "1e\\+300"),
        ([0, 70000, 3], "uint32", "float16", "70000"),
    ],
)
def test_never_wraps(values, dtype, target, named):
    with pytest.raises(BadSource, match=named):
        cast(values, dtype, target)


@pytest.mark.parametrize(("dtype", "target"), [("float32", "uint8"), ("complex64", "float32"), ("uint8", "bool")])
def test_refuses_to_change_meaning(dtype, target):
    with pytest.raises(Unsupported):
        Cast(target).spec(spec_of(dtype))


@pytest.mark.parametrize("name", ["unit16", "str", "O", "datetime64[s]"])
def test_refuses_other_types(name):
    with pytest.raises(Unsupported):
        Cast(name).spec(spec_of("uint8"))


def test_options_come_from_configuration():
    assert TypeAdapter(Cast).validate_python({"dtype": "float32"}) == Cast("float32")
    assert TypeAdapter(AddLevel).validate_python({"factors": ["1", "2"], "method": "mode"}) == AddLevel((1, 2), "mode")
    with pytest.raises(ValidationError):
        TypeAdapter(Cast).validate_python({"dtype": "float32", "speed": 3})
