"""Descriptions that hold together."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence

from s3facade.core.spec import AXES, Spec

UNITS: Mapping[str, Sequence[str | None]] = {"t": (None, "second"), "c": (None,), "z": (None, "micrometer")}


def check_spec(spec: Spec) -> None:
    """Whether a description holds together.

    Raises:
        AssertionError: It does not; says where.
    """
    names = spec.names
    assert names[-2:] == ("y", "x") and list(names) == [n for n in AXES if n in names], f"axes {names}"
    for axis in spec.axes:
        assert axis.unit in UNITS.get(axis.name, UNITS["z"]), f"axis {axis.name} has the unit {axis.unit}"
    assert spec.dtype.isnative and spec.dtype.kind in "biufc", f"voxels of type {spec.dtype}"
    assert len(spec.channels) == spec.length("c"), f"{len(spec.channels)} channels for {spec.length('c')}"
    for channel in spec.channels:
        assert channel.color is None or re.fullmatch("[0-9A-F]{6}", channel.color), f"colour {channel.color}"
        assert channel.window is None or all(map(math.isfinite, channel.window)), f"window {channel.window}"
    json.dumps(dict(spec.attrs))
    assert spec.levels, "no level"
    for k, level in enumerate(spec.levels):
        for told in (level.shape, level.scale, level.origin, level.block):
            assert len(told) == len(names), f"level {k}: {told} for the axes {names}"
        assert all(isinstance(n, int) and n >= 1 for n in (*level.shape, *level.block)), f"level {k}: {level}"
        assert all(math.isfinite(s) and s > 0 for s in level.scale), f"level {k}: scale {level.scale}"
        assert all(map(math.isfinite, level.origin)), f"level {k}: origin {level.origin}"
        above = spec.levels[max(k - 1, 0)].shape
        assert all(a >= b for a, b in zip(above, level.shape, strict=True)), f"level {k} is longer than the one below"
