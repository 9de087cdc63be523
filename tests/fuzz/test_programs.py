"""Mutants of host programs on the simulated accelerator: each ends in an event, and the next run is right."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from shiftbook.golden.program.host import AcceleratorError, HostDriver
from shiftbook.golden.program.image import build
from tests.faults.campaign import WATCHDOG, Player, Scenario, network, playing
from tests.fuzz.programs import mutant, sealed
from tests.sim.networks import SMALL

SHARE = 0.02
"""Of the mutants that are asked for: each is two runs of a simulator."""

LONG = 3
"""Waits of some thousand cycles after which a program is aborted: it may ask for millions of tiles."""


def end(player: Player, contents: np.ndarray) -> str:
    """Carry out a program; how it ends."""
    waits = 0

    def wait() -> None:
        nonlocal waits
        waits += 1
        assert waits < 2 * LONG, "an abort ended nothing"
        if waits == LONG:
            driver.abort()
        player.session.wait()

    driver = HostDriver(player.session.read, player.session.write, wait)
    player.session.fill(0, contents)
    player.session.disturb()
    try:
        driver.start(0, watchdog=WATCHDOG)
        driver.wait()
    except AcceleratorError as error:
        player.settle()
        return error.fault.name
    return "done"


@pytest.mark.fuzz
def test_a_program_ends_and_the_next_one_is_right(pytestconfig: pytest.Config) -> None:
    first = pytestconfig.getoption("fuzz_seed")
    count = max(1, round(SHARE * pytestconfig.getoption("mutants")))
    ends: Counter[str] = Counter()
    with playing(SMALL, 0.1, 1) as player:
        for seed in range(first, first + count):
            contents = player.contents.copy()
            spoiled = mutant(player.built, seed)
            program = slice(player.built.program_offset, None)
            contents[program] = spoiled[program]
            try:
                ends[end(player, contents)] += 1
                assert player.run(Scenario("", ())) == "done"
            except Exception as error:
                raise AssertionError(f"host program of seed {seed}: {error}") from error
    print(f"programs: {count} mutants, {dict(ends)}")
    # some write their outputs over the program
    assert ends["PROGRAM_DAMAGED"] <= 1 + count // 20, "the checksums of mutants are wrong"
    assert len(ends) > 2 or count < 20


def test_sealing_a_right_program_changes_nothing() -> None:
    built = build(network(SMALL), SMALL)
    words = built.program.view("<u4").tolist()
    assert sealed(words) == words
