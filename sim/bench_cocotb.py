"""The simulator's side of :mod:`sim.bench`: plays a job file and writes what it saw."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, FallingEdge, RisingEdge, gather, with_timeout

from shiftbook.sim import streams

PERIOD = 10  # simulator steps


@cocotb.test()
async def play(dut: Any) -> None:
    """Reset, run all streams to their end, and see that no output gives more than was asked for."""
    path = Path(os.environ["SHIFTBOOK_JOB"])
    job = json.loads(path.read_text())
    for name, value in job["constants"].items():
        getattr(dut, name).value = value
    sources, sinks = _ends(dut, job)
    await reset(dut)
    try:
        await with_timeout(gather(*(end.run() for end in (*sources, *sinks))), job["limit"] * PERIOD, "step")
    except cocotb.triggers.SimTimeoutError:
        left = {s.name: f"{len(s.items)} of {s.count}" for s in sinks if not s.finished()}
        stuck = [s.name for s in sources if not s.finished()]
        raise AssertionError(
            f"hung: after {job['limit']} cycles outputs {left} are short and inputs {stuck} not taken"
        ) from None
    await _nothing_more(dut, sinks, job["settle"])
    path.with_suffix(".result").write_text(json.dumps({sink.name: sink.items for sink in sinks}))


async def reset(dut: Any) -> None:
    """Start the clock and hold the synchronous reset, where there is one, for two cycles.

    Returns just after the last edge under reset, with every stream still quiet.
    """
    Clock(dut.clk, PERIOD, "step", impl="gpi").start()
    wire = getattr(dut, "rst", None)
    if wire is None:
        await ClockCycles(dut.clk, 2)
        return
    wire.value = 1
    await ClockCycles(dut.clk, 2)
    wire.value = 0


def _ends(dut: Any, job: dict[str, Any]) -> tuple[list[streams.Source], list[streams.Sink]]:
    pauses = job["pauses"]
    seed = pauses["seed"] * 1000
    sources, sinks = [], []
    for number, (name, items) in enumerate(job["inputs"].items()):
        sources.append(streams.Source(dut, name, items, streams.randomly(pauses["idle"], seed + number)))
    for number, (name, count) in enumerate(job["outputs"].items()):
        pause = streams.randomly(pauses["backpressure"], seed + 500 + number)
        sinks.append(streams.Sink(dut, name, count, pause))
    return sources, sinks


async def _nothing_more(dut: Any, sinks: list[streams.Sink], cycles: int) -> None:
    for _ in range(cycles):
        await FallingEdge(dut.clk)
        for sink in sinks:
            if int(sink.valid.value):
                raise AssertionError(f"{sink.name} gives more than the {sink.count} payloads expected")
        await RisingEdge(dut.clk)
