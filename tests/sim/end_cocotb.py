"""Faults and aborts in the last cycles of a run: runs in the simulator, see test_axi.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
from cocotb.task import bridge
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiResp

from shiftbook.golden.isa.host_map import Host
from shiftbook.golden.program.host import ABORT
from shiftbook.hw.system.sequencer import State
from tests.sim.abort_cocotb import aborted, started, states
from tests.sim.axi_cocotb import BASE, Board, set_up

BEFORE, AFTER = 6, 4
"""Cycles around the last one of a run in which an abort strikes."""

SLOW = 20
"""Cycles from a write to its acknowledgement: the program waits for the last one and for nothing else."""

LATE = 300
"""Cycles after which a first abort is sent, which shows how long it is on its way."""


def slow_down(board: Board) -> None:
    """Let every acknowledgement of a write come late."""
    channel = board.ram.write_if.b_channel
    send = channel.send

    async def answer(transaction: Any) -> None:
        await ClockCycles(board.dut.clk, SLOW)
        await send(transaction)

    channel.send = answer


async def run(board: Board) -> dict[str, int]:
    """Carry out the program; the events and the status when nothing is busy any more."""
    await bridge(board.driver.start)(BASE)
    if not int(board.dut.irq.value):
        await RisingEdge(board.dut.irq)
    while (status := await bridge(board.driver.status)())["busy"]:
        pass
    events = await board._read(Host.INTERRUPT)
    await board.host.write_dword(Host.INTERRUPT, events)
    return {"events": events, "done": status["done"], "fault": status["fault"]}


async def last_cycle(board: Board) -> int:
    """Of an undisturbed run, counted from its start."""

    async def watch() -> int:
        await started(board.dut)
        number = last = 0
        while not number or states(board.dut)["sequencer"] != State.IDLE.value:
            if states(board.dut)["sequencer"] == State.LAST.value:
                last = number
            await RisingEdge(board.dut.clk)
            number += 1
        return last

    watching = cocotb.start_soon(watch())
    await run(board)
    return await watching


async def abort(board: Board, cycle: int) -> dict[str, int]:
    """Send an abort so many cycles after the start; when it struck, and how the run ended."""

    async def send() -> None:
        await started(board.dut)
        await ClockCycles(board.dut.clk, cycle)
        await board.host.write_dword(Host.CONTROL, ABORT)

    sending, watching = cocotb.start_soon(send()), cocotb.start_soon(aborted(board.dut))
    ended = await run(board)
    await sending
    return {**ended, "cycle": await watching}


@cocotb.test(timeout_time=2_000_000, timeout_unit="step")
async def last_cycles(dut: Any) -> None:
    """Leave how runs ended whose last write failed, and runs with an abort in each of the last cycles."""
    board = await set_up(dut)
    board.ram.write(BASE, Path("image.bin").read_bytes())
    slow_down(board)
    board.disturb("write", -1, AxiResp.OKAY)
    plain = await run(board)
    count = int(repr(board.counters["write"])[len("count(") : -1]) - board.begun["write"]
    writes = {}
    for response in (AxiResp.SLVERR, AxiResp.DECERR):
        board.disturb("write", count - 1, response)
        writes[response.name] = await run(board)
    board.wrong = {}
    last = await last_cycle(board)
    delay = (await abort(board, LATE))["cycle"] - LATE
    aborts = [await abort(board, last + around - delay) for around in range(-BEFORE, AFTER)]
    results = {"plain": plain, "writes": writes, "last": last, "aborts": aborts, "again": await run(board)}
    Path("results.json").write_text(json.dumps(results))
