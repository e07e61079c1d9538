"""Frozen data to bytes and back; damaged bytes are an error and nothing else."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from s3facade.core.portable import Portable
from s3facade.core.spec import Axis, Channel, Level, Spec


@dataclass(frozen=True)
class Pair:
    a: object
    b: object


PORTABLE = Portable([Pair, Spec, Axis, Channel, Level])
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
arrays = hnp.arrays(st.sampled_from(["u1", "<i4", ">f8", "?", "c8"]), hnp.array_shapes(min_side=0), elements={}).filter(
    lambda a: not np.isnan(a).any()
)
values = st.recursive(
    plain | arrays,
    lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner) | st.builds(Pair, inner, inner),
)


def equal(a, b):
    if isinstance(a, np.ndarray):
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    if isinstance(a, Pair):
        return isinstance(b, Pair) and equal(a.a, b.a) and equal(a.b, b.b)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(equal(a[k], b[k]) for k in a)
    return type(a) is type(b) and a == b


@given(values)
def test_what_is_written_is_read(value):
    assert equal(value, PORTABLE.load(PORTABLE.dump(value)))


def test_a_spec_survives():
    level = Level((3, 4), (0.5, 0.5), (0.0, 0.25), (3, 4))
    channels = (Channel("a", "FF0000", (0.0, 4095.0)),)
    spec = Spec((Axis("y", "micrometer"), Axis("x")), np.dtype("u2"), (level,), channels, "x", {"name": "n"})
    assert PORTABLE.load(PORTABLE.dump(spec)) == spec


@given(values, st.data())
def test_damaged_bytes_are_a_value_error_or_another_value(value, data):
    raw = bytearray(PORTABLE.dump(value))
    if data.draw(st.booleans()):
        raw = raw[: data.draw(st.integers(0, len(raw)))]
    for _ in range(data.draw(st.integers(1, 3)) if raw else 0):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ValueError):
        PORTABLE.load(bytes(raw))


def test_what_has_no_form_is_refused():
    for value in (object(), {1, 2}, np.array([object()]), Axis):
        with pytest.raises(TypeError, match="portable"):
            PORTABLE.dump(value)
    with pytest.raises(ValueError, match="portable"):
        Portable([]).load(PORTABLE.dump(Axis("y")))
