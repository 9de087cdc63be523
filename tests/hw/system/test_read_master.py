from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.isa.addresses import stream_count
from shiftbook.golden.isa.buffers import BURSTS_IN_FLIGHT
from shiftbook.golden.spec import Spec
from shiftbook.hw.system.interfaces import Reader, Response
from shiftbook.sim import bench
from tests.hw.small import PACES, SHIFT
from tests.hw.system.benches.read_master import ReadBench

Ask = dict[str, int]


def parts(ask: Ask, spec: Spec) -> list[int]:
    """Beats of the bursts of a request, none of which crosses a multiple of the longest one."""
    address, left = ask["address"], ask["beats"]
    found = []
    while left:
        found.append(min(left, spec.burst_beats - address % spec.burst_beats))
        address, left = address + found[-1], left - found[-1]
    return found


def answers(reader: int, asks: list[Ask], spec: Spec) -> list[dict[str, object]]:
    return [
        {
            "reader": [int(reader == each) for each in Reader],
            "index": ask["index"],
            "last": int(ask["last"] and number == ask["beats"] - 1),
            "data": ask["address"] + number,
        }
        for ask in asks
        for number in range(ask["beats"])
    ]


@pytest.mark.parametrize("pauses", PACES)
@pytest.mark.parametrize(
    "spec", [SHIFT, replace(SHIFT, burst_beats=2, outstanding=3, group_channels=2)], ids=["beats", "bursts"]
)
def test_requests(spec: Spec, pauses: bench.Pauses) -> None:
    """The first spec is bound by the beats in flight, the second by its few bursts."""
    rng = np.random.default_rng(0)
    asks = [
        [
            {
                "address": int(rng.integers(0, 1 << 20)),
                "beats": int(rng.choice([1, 2, spec.burst_beats, 5 * spec.burst_beats, rng.integers(1, 40)])),
                "index": int(rng.integers(0, stream_count(spec))),
                "last": int(rng.integers(0, 2)),
            }
            for _ in range(count)
        ]
        for count in (5, 30, 20, 40)
    ]
    beats = sum(ask["beats"] for each in asks for ask in each)
    grants = sum(len(parts(ask, spec)) for each in asks for ask in each)
    responses = rng.choice([0, 0, 0, Response.SLVERR, Response.DECERR], beats).tolist()
    observed = bench.observe(
        ReadBench(spec),
        inputs={
            **{f"asks__{reader}": each for reader, each in enumerate(asks)},
            "ticks": [{"resp": response, "flips": 0} for response in responses],
            "halts": [0] * (200 if pauses.idle else 0),
        },
        outputs={"grants": grants, "bursts": grants, "answers": beats},
        pauses=pauses,
    )
    check_grants(observed["grants"], asks, spec)
    # what the bus is asked for is what was granted, in the same order
    given = iter_bursts(observed["grants"], asks)
    assert [(item["address"], item["more_beats"] + 1) for item in observed["bursts"]] == given
    for reader in Reader:
        mine = [item["answer"] for item in observed["answers"] if item["answer"]["reader"][reader]]
        assert mine == answers(reader, asks[reader], spec)
    assert [item["resp"] for item in observed["answers"]] == responses
    assert not any(item["wrong"] for item in observed["answers"])
    assert [item["answer"]["data"] for item in observed["answers"]] == [
        start + number for start, length in given for number in range(length)
    ]


def test_parity_sees_every_bit_that_changes_for_every_reader() -> None:
    """A beat has one bit that changed, of data or parity, or none; each is another one."""
    spec = replace(SHIFT, bus_parity=True)
    bits = 9 * spec.bus_bytes
    rng = np.random.default_rng(1)
    beats = 2 * bits
    asks = [
        [{"address": int(rng.integers(0, 1 << 28)), "beats": beats, "index": 0, "last": 0}] for _ in Reader
    ]
    grants = sum(len(parts(ask, spec)) for each in asks for ask in each)
    flips = np.tile([*(1 << bit for bit in range(bits)), *[0] * bits], len(Reader)).tolist()
    observed = bench.observe(
        ReadBench(spec),
        inputs={
            **{f"asks__{reader}": each for reader, each in enumerate(asks)},
            "ticks": [{"resp": 0, "flips": flip} for flip in flips],
            "halts": [],
        },
        outputs={"grants": grants, "bursts": grants, "answers": len(flips)},
    )["answers"]
    assert [item["bad_parity"] for item in observed] == [int(flip != 0) for flip in flips]
    for reader in Reader:
        mine = [item["bad_parity"] for item in observed if item["answer"]["reader"][reader]]
        assert (len(mine), sum(mine)) == (beats, bits)


def check_grants(grants: list[dict[str, int]], asks: list[list[Ask]], spec: Spec) -> None:
    """The most urgent gets all up to the boundary, unless too much is on its way."""
    assert all(item["chosen"] == item["wanted"] & -item["wanted"] for item in grants)
    assert not any(item["halted"] for item in grants)
    assert max(item["in_flight"] for item in grants) < BURSTS_IN_FLIGHT * spec.burst_beats
    assert max(item["bursts"] for item in grants) < spec.outstanding
    lengths = [[part for ask in each for part in parts(ask, spec)] for each in asks]
    for reader in Reader:
        assert [item["beats"] for item in grants if item["chosen"] >> reader & 1] == lengths[reader]


def iter_bursts(grants: list[dict[str, int]], asks: list[list[Ask]]) -> list[tuple[int, int]]:
    """Address and beats of each grant."""
    addresses = [iter([ask["address"] + n for ask in each for n in range(ask["beats"])]) for each in asks]
    found = []
    for item in grants:
        taken = [next(addresses[item["chosen"].bit_length() - 1]) for _ in range(item["beats"])]
        found.append((taken[0], len(taken)))
    return found
