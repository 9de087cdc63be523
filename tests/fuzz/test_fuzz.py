"""Mutants of everything that a user hands in: each is refused in one line, or gives the right answer.

`pytest -m fuzz --mutants 100000` asks for more of them, `--fuzz-seed N` for others. A mutant that fails is
kept under build/fuzz, and the message says how to make it again.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.fuzz import driver
from tests.fuzz.bad_targets import FAULTS, mutate

SHARES = {"checkpoints": 0.4, "data": 0.24, "weights": 0.16, "onnx_files": 0.2}
"""Of the mutants that are asked for, by target."""

KEEP = Path(__file__).parents[2] / "build" / "fuzz"


@pytest.mark.fuzz
@pytest.mark.parametrize("target", SHARES)
def test_mutants_are_refused_or_right(target, pytestconfig):
    first = pytestconfig.getoption("fuzz_seed")
    count = round(SHARES[target] * pytestconfig.getoption("mutants"))
    workers = 1 if count <= 1000 else os.cpu_count() or 1
    tally = driver.run(f"tests.fuzz.{target}", range(first, first + count), KEEP, workers=workers)
    print(f"{target}: {count} mutants, {tally.refused} refused, {tally.accepted} right")
    told = "\n".join(f"{f.target} seed {f.seed}, kept in {f.saved}:\n{f.error}" for f in tally.failures[:5])
    assert not tally.failures, f"{len(tally.failures)} of {count} mutants failed\n{told}"
    assert tally.refused + tally.accepted == count
    assert min(tally.refused, tally.accepted) > count // 50, "nearly all are of one kind: mutate otherwise"


def test_the_driver_sees_every_fault(tmp_path):
    seeds = range(60)
    tally = driver.run("tests.fuzz.bad_targets", seeds, tmp_path, seconds=1, patience=3)
    expected = {}
    for seed in seeds:
        path = mutate(random.Random(f"tests.fuzz.bad_targets {seed}"), tmp_path)
        expected[seed] = path.read_text()
    assert set(expected.values()) == set(FAULTS)
    good = ("none", "refused")
    assert {f.seed: f.saved.read_text() for f in tally.failures} == {
        seed: fault for seed, fault in expected.items() if fault not in good
    }
    assert (tally.accepted, tally.refused) == tuple(list(expected.values()).count(fault) for fault in good)


def test_a_worker_that_dies_is_a_failure(tmp_path):
    tally = driver.run("tests.fuzz.dying_target", range(3), tmp_path)
    assert [f.error for f in tally.failures] == ["a worker died in range(0, 3)"]
