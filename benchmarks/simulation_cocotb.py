"""The simulator's side of :mod:`benchmarks.simulation`."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge, Timer


@cocotb.test()
async def play(dut: Any) -> None:
    """Play one layer file and write how long it took."""
    way = os.environ["WAY"]
    Clock(dut.clk, 2, "step", impl="gpi").start()
    dut.limit.value = int(os.environ["LIMIT"])
    dut.go.value = 1
    await Timer(20, "step")
    first, started, used = int(dut.elapsed.value), time.perf_counter(), time.process_time()
    if way == "edge":
        await RisingEdge(dut.done)
    while not int(dut.done.value):
        await (RisingEdge(dut.clk) if way == "python" else Timer(20_000, "step"))
    result = {
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time() - used,
        "cycles": int(dut.elapsed.value) - first,
    }
    Path("result.json").write_text(json.dumps(result))
