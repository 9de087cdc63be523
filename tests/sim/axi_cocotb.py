"""The accelerator between cocotbext-axi's host and memory: runs in the simulator, see test_axi.py."""

from __future__ import annotations

import itertools
import json
import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, First, RisingEdge, Timer
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam, AxiResp

from shiftbook.golden.isa.host_map import ABORT, CONTINUE, START, Host
from shiftbook.golden.program.host import DONE, ERROR, REFUSED, AcceleratorError, HostDriver

BASE = 0x10000
"""Where the image is in memory."""

PERIOD = 2
"""Of the clock, in steps of the simulator."""

BYSTANDER, BYSTANDER_SIZE = 0x80000, 0x40000
"""Where another image is, which nobody starts."""


def randomly(seed: int, share: float) -> Iterator[bool]:
    """Pauses of random length, ``share`` of all cycles."""
    generator = random.Random(seed)
    while True:
        pause = generator.random() < share
        for _ in range(generator.randint(1, 8)):
            yield pause


class Board:
    """Host port and memory, with every way to disturb them."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut
        self.host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
        self.ram = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=1 << 20)
        self.driver = HostDriver(resume(self._read), resume(self.host.write_dword), resume(self._wait))
        self.beats = 0
        self.wrong: dict[str, tuple[int, AxiResp]] = {}
        read, write = self.ram.read_if.r_channel, self.ram.write_if.b_channel
        read.send = self._answering("read", read.send, "rresp")
        write.send = self._answering("write", write.send, "bresp")

    async def _read(self, address: int) -> int:
        return int(await self.host.read_dword(address))

    async def _wait(self) -> None:
        if not int(self.dut.irq.value):
            await First(RisingEdge(self.dut.irq), Timer(4000, "step"))

    def _answering(self, what: str, send: Any, field: str) -> Any:
        counter = itertools.count()

        async def answer(transaction: Any) -> None:
            number = next(counter) - self.begun.get(what, 0)
            place, response = self.wrong.get(what, (-1, AxiResp.OKAY))
            if number == place:
                setattr(transaction, field, response)
            await send(transaction)

        self.begun: dict[str, int] = getattr(self, "begun", {})
        self.counters: dict[str, Any] = {**getattr(self, "counters", {}), what: counter}
        return answer

    def disturb(self, what: str, place: int, response: AxiResp) -> None:
        """Let the answer ``place`` from now be wrong."""
        self.wrong = {what: (place, response)}
        counter = self.counters[what]
        self.begun[what] = int(repr(counter)[len("count(") : -1])

    def channels(self) -> list[Any]:
        """All ten, as far as this side may hold them up."""
        ram, host = self.ram, self.host
        return [
            ram.read_if.ar_channel,
            ram.read_if.r_channel,
            ram.write_if.aw_channel,
            ram.write_if.w_channel,
            ram.write_if.b_channel,
            host.read_if.ar_channel,
            host.read_if.r_channel,
            host.write_if.aw_channel,
            host.write_if.w_channel,
            host.write_if.b_channel,
        ]

    def pause(self, share: float, seed: int) -> None:
        """Hold every channel up now and then."""
        for number, channel in enumerate(self.channels()):
            channel.set_pause_generator(randomly(seed + number, share) if share else None)
            channel.pause = False

    async def run(self, **options: Any) -> str:
        """Carry out the program; the fault, or "done"."""

        @bridge
        def play() -> str:
            try:
                self.driver.run(BASE, **options)
            except AcceleratorError as error:
                return error.fault.name
            return "done"

        return str(await play())


async def set_up(dut: Any) -> Board:
    """The board, after a reset."""
    logging.getLogger("cocotb").setLevel(logging.WARNING)
    Clock(dut.clk, PERIOD, "step", impl="gpi").start()
    dut.rst.value = 1
    board = Board(dut)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    return board


@cocotb.test()
async def scenarios(dut: Any) -> None:
    """Play what the test asks for, and leave what came out."""
    orders = json.loads(Path("orders.json").read_text())
    image = Path("image.bin").read_bytes()
    board = await set_up(dut)
    results = []
    for order in orders:
        board.ram.write(BASE, image)
        board.ram.write(BYSTANDER, image.ljust(BYSTANDER_SIZE, b"\0"))
        results.append(await play(board, order))
    Path("results.json").write_text(json.dumps(results))


async def play(board: Board, order: dict[str, Any]) -> dict[str, Any]:
    """One disturbed run, and after it one that nothing disturbs."""
    board.pause(order.get("pauses", 0.0), order.get("seed", 0))
    kind = order["kind"]
    if kind in ("read", "write"):
        board.disturb(kind, order["place"], AxiResp[order["response"]])
    aborting = cocotb.start_soon(abort(board, order["cycle"])) if kind == "abort" else None
    stalling = cocotb.start_soon(stall(board, order)) if kind == "stall" else None
    intruding = cocotb.start_soon(intrude(board, order["cycle"])) if kind == "intrude" else None
    fault = await board.run(watchdog=order.get("watchdog", 0))
    if aborting is not None:
        await aborting
    if stalling is not None:
        await stalling
    refused = await intruding if intruding is not None else None
    board.wrong = {}
    board.pause(0.0, 0)
    outputs = board.ram.read(BASE + order["offset"], order["size"]).hex()
    for _ in range(2000):
        if not await board._read(Host.STATUS) & 1:
            break
    blank = bytes(order["size"])
    board.ram.write(BASE + order["offset"], blank)
    again = await board.run()
    return {
        "fault": fault,
        "outputs": outputs,
        "again": again,
        "refused": refused,
        "bystander": board.ram.read(BYSTANDER, BYSTANDER_SIZE).hex(),
        "after": board.ram.read(BASE + order["offset"], order["size"]).hex(),
    }


async def intrude(board: Board, cycle: int) -> dict[str, int]:
    """Write every register that a run depends on, and START, some cycles after the start; what came of it.

    Whoever waits for the run sees no event before it is over.
    """
    await started(board)
    await ClockCycles(board.dut.clk, cycle)
    await board.host.write_dword(Host.INTERRUPT_ENABLE, DONE | ERROR)
    for register, word in ((Host.PROGRAM, BYSTANDER), (Host.WATCHDOG, 1), (Host.MODE, 1)):
        await board.host.write_dword(register, word)
    answers = [await board.host.write(Host.CONTROL, word.to_bytes(4, "little")) for word in (START, CONTINUE)]
    events = await board._read(Host.INTERRUPT)
    await board.host.write_dword(Host.INTERRUPT, REFUSED)
    return {"start": int(answers[0].resp), "continue": int(answers[1].resp), "events": events}


async def started(board: Board) -> None:
    """Until a program is carried out."""
    while not int(board.dut.s_axi_wvalid.value):
        await RisingEdge(board.dut.clk)
    while not await board._read(Host.STATUS) & 1:
        pass


async def abort(board: Board, cycle: int) -> None:
    """Abort some cycles after the start."""
    await started(board)
    await ClockCycles(board.dut.clk, cycle)
    await board.host.write_dword(Host.CONTROL, ABORT)


async def stall(board: Board, order: dict[str, Any]) -> None:
    """Hold one channel up for good, until the watchdog has bitten."""
    channel = board.channels()[order["channel"]]
    await ClockCycles(board.dut.clk, order["cycle"])
    channel.set_pause_generator(None)
    channel.pause = True
    await First(RisingEdge(board.dut.irq), Timer(40 * order["watchdog"], "step"))
    await ClockCycles(board.dut.clk, 50)
    channel.pause = False
