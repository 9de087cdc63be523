"""Queue, groups and supervisor, cycle by cycle."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from shiftbook.golden.isa.faults import Fault
from shiftbook.hw.system import supervisor
from shiftbook.hw.system.fifo import Fifo
from shiftbook.hw.system.groups import Groups
from shiftbook.hw.system.interfaces import Response
from shiftbook.hw.system.supervisor import Supervisor
from shiftbook.sim import bench
from tests.hw.benches import Paced
from tests.hw.small import SHIFT


@pytest.mark.parametrize("pauses", bench.PAUSES)
def test_fifo(pauses: bench.Pauses) -> None:
    items = np.random.default_rng(0).integers(0, 1 << 12, 300).tolist()
    observed = bench.observe(
        Fifo(12, 4), inputs={"input": items}, outputs={"output": len(items)}, pauses=pauses
    )
    assert observed["output"] == items


@pytest.mark.parametrize("pauses", bench.PAUSES[:2])
def test_fifo_full_empty_and_cleared(pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(1)
    queue: deque[int] = deque()
    stimulus, expected = [], []
    for number in range(400):
        filling = number // 40 % 2
        do = {
            "clear": int(rng.random() < 0.03),
            "input__payload": int(rng.integers(0, 1 << 12)),
            "input__valid": int(rng.random() < [0.3, 0.9][filling]),
            "output__ready": int(rng.random() < [0.9, 0.3][filling]),
        }
        stimulus.append(do)
        ready, valid = int(len(queue) < 4), int(len(queue) > 0)
        expected.append((ready, valid, queue[0] if queue else None))
        if valid and do["output__ready"]:
            queue.popleft()
        if ready and do["input__valid"]:
            queue.append(do["input__payload"])
        if do["clear"]:
            queue.clear()
    assert {ready for ready, _, _ in expected} == {valid for _, valid, _ in expected} == {0, 1}
    observed = bench.observe(
        Paced(Fifo(12, 4), dict.fromkeys(("input__ready", "output__valid", "output__payload"), 0)),
        inputs={"input": stimulus},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )["output"]
    found = [
        (
            item["input__ready"],
            item["output__valid"],
            item["output__payload"] if item["output__valid"] else None,
        )
        for item in observed
    ]
    assert found == expected


@pytest.mark.parametrize("pauses", bench.PAUSES[:2])
def test_groups(pauses: bench.Pauses) -> None:
    most = SHIFT.group_channels
    stimulus, expected = [], []
    for channels, tiles in ((1, 1), (most, 3), (most + 1, 2), (3 * most, 2), (11, 4), (6, 9)):
        sizes = [min(most, channels - first) for first in range(0, channels, most)]
        groups = [
            {"size": size, "last_of_tile": int(number == len(sizes) - 1), "over": 0}
            for _ in range(tiles)
            for number, size in enumerate(sizes)
        ]
        for number, group in enumerate(groups):
            stimulus.append(
                {"begin": int(not number), "channels": channels, "tiles": tiles, "next": int(number > 0)}
            )
            expected.append(group)
            if number % 3 == 1:  # nothing happens
                stimulus.append({"begin": 0, "channels": channels, "tiles": tiles, "next": 0})
                expected.append(group)
        stimulus.append({"begin": 0, "channels": channels, "tiles": tiles, "next": 1})
        expected.append(None)
    observed = bench.observe(
        Paced(Groups(SHIFT), dict.fromkeys(("size", "last_of_tile", "over"), 1)),
        inputs={"input": stimulus},
        outputs={"output": len(stimulus)},
        pauses=pauses,
    )["output"]
    assert [item["over"] for item in observed] == [int(want is None) for want in expected]
    assert [None if item["over"] else item for item in observed] == expected


CAUSES = (
    ("abort", 1, Fault.ABORTED),
    ("read_response", Response.SLVERR, Fault.READ_SLVERR),
    ("read_response", Response.DECERR, Fault.READ_DECERR),
    ("write_response", Response.SLVERR, Fault.WRITE_SLVERR),
    ("write_response", Response.DECERR, Fault.WRITE_DECERR),
    ("bad_parity", 1, Fault.BUS_PARITY),
    ("damaged", 1, Fault.STREAM_DAMAGED),
    ("bad_code", 1, Fault.BAD_CODE),
    ("stream_length", 1, Fault.STREAM_LENGTH),
    ("program_fault", Fault.UNKNOWN_ADDRESS, Fault.UNKNOWN_ADDRESS),
)
QUIET = {
    "running": 1,
    "paused": 0,
    **dict.fromkeys(("abort", "program_fault", "damaged", "bad_code", "stream_length"), 0),
    **dict.fromkeys(("read_response", "write_response", "bad_parity"), 0),
    "progress": 1,
    "step": 1,
    "patience": 6,
    "settled": 0,
}


def watch(stimulus: list[dict[str, int]]) -> list[tuple[int, int]]:
    """Fault and clear in the cycle after each of these."""
    observed = bench.observe(
        Paced(Supervisor(parity=True), {"fault": 1, "clear": 1}),
        inputs={"input": stimulus},
        outputs={"output": len(stimulus)},
    )["output"]
    return [(item["fault"], item["clear"]) for item in observed]


def test_every_cause_has_its_fault_once_until_all_is_settled() -> None:
    stimulus, expected = [], []
    for name, value, fault in CAUSES:
        stimulus += [
            QUIET,
            QUIET | {name: value},
            QUIET | {name: value},
            QUIET,
            QUIET | {"settled": 1},
            QUIET,
        ]
        expected += [(0, 0), (fault, 1), (0, 1), (0, 1), (0, 0), (0, 0)]
        # where nothing runs nothing is wrong, and a response that is no error is none
        stimulus += [QUIET | {"running": 0, name: value}, QUIET | {"read_response": 1, "write_response": 1}]
        expected += [(0, 0), (0, 0)]
    assert watch(stimulus) == expected


def test_of_several_causes_the_host_comes_first_and_the_program_last() -> None:
    every = {name: value for name, value, _ in reversed(CAUSES)}
    stimulus, expected = [], []
    order = (
        ("abort", Fault.ABORTED),
        ("read_response", Fault.READ_SLVERR),
        ("write_response", Fault.WRITE_SLVERR),
        ("bad_parity", Fault.BUS_PARITY),
        ("damaged", Fault.STREAM_DAMAGED),
        ("bad_code", Fault.BAD_CODE),
        ("stream_length", Fault.STREAM_LENGTH),
        ("program_fault", Fault.UNKNOWN_ADDRESS),
    )
    for name, fault in order:
        stimulus += [QUIET | every, QUIET | {"settled": 1}]
        expected += [(fault, 1), (0, 0)]
        every = every | {name: 0}
    assert watch(stimulus) == expected


def test_watchdog_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that takes `1 << STEP_SHIFT` times the patience is given up, though something always moves."""
    quiet = QUIET | {"patience": 2}
    moving = quiet | {"step": 0}
    monkeypatch.setattr(supervisor, "STEP_SHIFT", 3)
    most = 2 << 3
    cases = [
        ([moving] * (most - 1), 0),
        ([moving] * most, Fault.STALLED),
        ([*[moving] * (most - 1), moving | {"paused": 1}, *[moving] * (most - 1)], 0),
        ([moving | {"patience": 0}] * (most + 8), 0),
    ]
    stimulus, expected = [], []
    for cycles, fault in cases:
        stimulus += [quiet, *cycles, quiet, quiet | {"settled": 1}]
        expected += [(0, 0)] * (1 + len(cycles)) + [(int(fault), int(fault != 0)), (0, 0)]
    assert watch(stimulus) == expected


def test_watchdog() -> None:
    still = QUIET | {"progress": 0}
    cases = [
        ([still] * 5, 0),
        ([still] * 6, Fault.STALLED),
        ([*[still] * 4, QUIET, *[still] * 5], 0),
        ([*[still] * 4, QUIET, *[still] * 6], Fault.STALLED),
        ([*[still] * 5, still | {"paused": 1}, *[still] * 5], 0),
        ([*[still] * 5, still | {"running": 0}, *[still] * 5], 0),
        ([still | {"patience": 0}] * 40, 0),
        ([still] * 6, Fault.STALLED),
    ]
    stimulus, expected = [], []
    for cycles, fault in cases:
        stimulus += [QUIET, *cycles, QUIET, QUIET | {"settled": 1}]
        expected += [(0, 0)] * (1 + len(cycles)) + [(int(fault), int(fault != 0)), (0, 0)]
    assert watch(stimulus) == expected
