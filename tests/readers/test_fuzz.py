"""Damaged files of every reader: an error with a sentence, in bounded time and memory, or voxels; nothing else.

A few hundred cases here; `conformance/formats/test_fuzz_long.py` runs thousands.
"""

import pytest
from fuzz_tools import run, samples, told

from s3facade import registry
from s3facade.testing.mutations import KINDS, mutated

CASES = 24
"""Of each sample."""
SAMPLES = samples(1)


@pytest.mark.parametrize(("reader", "sample"), SAMPLES, ids=lambda v: getattr(v, "name", v))
def test_damaged_files_are_refused(reader, sample):
    outcome = run(reader, sample, seed=1000, count=CASES, seconds=6)
    if outcome.skipped:
        pytest.skip(f"{sample.name}: {outcome.skipped}")
    assert not outcome.failures, told(reader, sample, outcome.failures)
    assert sum(outcome.counts.values()) > 0


def test_damage_is_the_same_for_the_same_seed():
    data = bytes(range(256)) * 40
    kinds = {mutated(data, seed)[0] for seed in range(300)}
    assert kinds >= set(KINDS)
    for seed in range(50):
        assert mutated(data, seed) == mutated(data, seed)
        assert mutated(b"", seed)[1] is not None
        assert len(mutated(data, seed)[1]) <= 2 * len(data) + (64 << 10)


def test_every_reader_of_files_is_recognised_by_name():
    assert {name for name, _ in SAMPLES} <= {name for name, _ in registry.readers()}
