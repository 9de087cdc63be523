"""The simulator's side of :mod:`benchmarks.simulation`: cocotbext-axi's memory."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

from shiftbook.golden.isa.host_map import START, Host
from shiftbook.golden.program.host import DONE


@cocotb.test()
async def play(dut: Any) -> None:
    """Run the image once and write how long it took."""
    logging.getLogger("cocotb").setLevel(logging.WARNING)
    image = Path("image.bin").read_bytes()
    Clock(dut.clk, 2, "step", impl="gpi").start()
    dut.rst.value = 1
    host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
    memory = AxiRam(
        AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=1 << (len(image) - 1).bit_length()
    )
    memory.write(0, image)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    await host.write_dword(Host.PROGRAM, 0)
    await host.write_dword(Host.INTERRUPT_ENABLE, DONE)
    first, started = get_sim_time("step"), time.perf_counter()
    await host.write_dword(Host.CONTROL, START)
    await RisingEdge(dut.irq)
    result = {"seconds": time.perf_counter() - started, "cycles": (get_sim_time("step") - first) / 2}
    Path("result.json").write_text(json.dumps(result))
