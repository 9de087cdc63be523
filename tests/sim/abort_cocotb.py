"""Aborts that strike in each state of each state machine: runs in the simulator, see test_axi.py."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cocotb
from cocotb.task import bridge
from cocotb.triggers import ClockCycles, RisingEdge
from cocotb.utils import get_sim_time

from shiftbook.golden.isa.host_map import Host
from shiftbook.golden.program.host import ABORT, AcceleratorError
from shiftbook.hw.system.sequencer import State
from tests.sim.axi_cocotb import BASE, PERIOD, Board, set_up

MACHINES = {"sequencer": "state", "planner": "state", "store": "fsm_state", "residual_reader": "fsm_state"}
"""Units of the accelerator, and the signals that hold their states."""

PATIENCE = 2000
"""Cycles or looks after which a run hangs."""

States = dict[str, int]


def states(dut: Any) -> States:
    """The state of every machine now."""
    return {unit: int(getattr(getattr(dut, unit), name).value) for unit, name in MACHINES.items()}


async def started(dut: Any) -> None:
    """Until the cycle in which a program starts."""
    while not int(dut.sequencer.start.value):
        await RisingEdge(dut.clk)


async def aborted(dut: Any) -> int:
    """Until an abort strikes; in which cycle after the start of a program."""
    await started(dut)
    begin = get_sim_time("step")
    if int(dut.supervisor.abort.value):
        return 0
    await RisingEdge(dut.supervisor.abort)
    await RisingEdge(dut.clk)
    return int(get_sim_time("step") - begin) // PERIOD


async def run(board: Board, *, pause: bool) -> str:
    """Carry out the program, with a pause after each layer or none; the fault, or "done"."""

    @bridge
    def play() -> str:
        try:
            board.driver.start(BASE, pause=pause, watchdog=PATIENCE)
            while not board.driver.wait():
                board.driver.go_on()
        except AcceleratorError as error:
            return error.fault.name
        return "done"

    return str(await play())


async def trace(board: Board, *, pause: bool) -> list[States]:
    """The states in each cycle of an undisturbed run."""
    found: list[States] = []

    async def watch() -> None:
        await started(board.dut)
        while True:
            found.append(states(board.dut))
            await RisingEdge(board.dut.clk)

    watching = cocotb.start_soon(watch())
    assert await run(board, pause=pause) == "done"
    watching.cancel()
    return found


async def strike(board: Board, cycle: int, *, pause: bool) -> dict[str, Any]:
    """Send an abort so many cycles after the start; when it struck, in which states, and the end."""
    struck: dict[str, Any] = {}

    async def send() -> None:
        await started(board.dut)
        await ClockCycles(board.dut.clk, cycle)
        await board.host.write_dword(Host.CONTROL, ABORT)

    async def watch() -> None:
        number = await aborted(board.dut)
        struck.update(cycle=number, states=states(board.dut))

    tasks = [cocotb.start_soon(send()), cocotb.start_soon(watch())]
    struck["fault"] = await run(board, pause=pause)
    for task in tasks:
        await task
    for _ in range(PATIENCE):
        if not await board._read(Host.STATUS) & 1:
            return struck
    raise AssertionError(f"busy for good after {struck}")


@cocotb.test(timeout_time=4_000_000, timeout_unit="step")  # three times what it takes
async def every_state(dut: Any) -> None:
    """Leave, for each state of each machine, how an abort ended that was aimed at it."""
    order = json.loads(Path("order.json").read_text())
    image = Path("image.bin").read_bytes()
    board = await set_up(dut)
    board.ram.write(BASE, image)
    results = []
    for pause in (True, False):
        results += await of_all_states(board, order, pause=pause)
    Path("results.json").write_text(json.dumps(results))


async def of_all_states(board: Board, order: dict[str, Any], *, pause: bool) -> list[dict[str, Any]]:
    """How an abort ends that is aimed at a state, for all states of all machines."""
    course = await trace(board, pause=pause)
    running = [number for number, at in enumerate(course) if at["sequencer"] != State.IDLE.value]
    delay = (await strike(board, 300, pause=pause))["cycle"] - 300
    results = []
    for unit in MACHINES:
        for state in sorted({course[number][unit] for number in running}):
            cycles = [number for number in running if course[number][unit] == state and number > delay]
            # Near a pause the abort's own write may delay the host, and so miss the state.
            for part in (2, 3, 5, 7):
                struck = await strike(board, cycles[len(cycles) // part] - delay, pause=pause)
                board.ram.write(BASE + order["offset"], bytes(order["size"]))
                again = await run(board, pause=pause)
                after = board.ram.read(BASE + order["offset"], order["size"]).hex()
                told = {"pause": pause, "again": again, "after": after}
                results.append({"unit": unit, "state": state, **struck, **told})
                if struck["states"][unit] == state:
                    break
    return results
