"""Thousands of damaged files, several samples of every reader."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2] / "tests" / "readers"))

from fuzz_tools import run, samples, told

CASES = int(os.environ.get("S3FACADE_FUZZ_CASES", "150"))
"""Of each sample."""
SAMPLES = samples(3)


@pytest.mark.parametrize(("reader", "sample"), SAMPLES, ids=lambda v: getattr(v, "name", v))
def test_damaged_files_are_refused(reader, sample):
    outcome = run(reader, sample, seed=0, count=CASES, seconds=60)
    if outcome.skipped:
        pytest.skip(f"{sample.name}: {outcome.skipped}")
    assert not outcome.failures, told(reader, sample, outcome.failures)
