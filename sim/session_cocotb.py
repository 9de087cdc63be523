"""The simulator's side of :mod:`sim.session`: plays what it is asked for.

It imports nothing of this package: that would be a quarter of the time in which it starts.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections.abc import Awaitable, Callable
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import First, RisingEdge, Timer
from cocotbext.axi import AxiLiteBus, AxiLiteMaster


@cocotb.test()
async def serve(dut: Any) -> None:
    """Answer until the other side hangs up."""
    logging.getLogger("cocotb").setLevel(logging.WARNING)
    for name in ("load", "save", "tell", "arm"):
        getattr(dut, name).value = 0
    Clock(dut.clk, 2, "step", impl="gpi").start()
    dut.rst.value = 1
    host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
    await Timer(10, "step")
    dut.rst.value = 0
    await Timer(10, "step")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(os.environ["SHIFTBOOK_SOCKET"])
        stream = connection.makefile("rw", encoding="utf-8")
        for line in stream:
            order = json.loads(line)
            started = time.perf_counter()
            answer = await ANSWERS[order.pop("what")](dut, host, **order)
            seconds = time.perf_counter() - started
            told = {"cycles": int(dut.elapsed.value), "seconds": seconds, **(answer or {})}
            stream.write(json.dumps(told) + "\n")
            stream.flush()


async def _begin(dut: Any, host: AxiLiteMaster, latency: int, pauses: int, seed: int) -> None:
    dut.latency.value = latency
    dut.pauses.value = pauses
    dut.random.value = seed
    await Timer(4, "step")


async def _read(dut: Any, host: AxiLiteMaster, address: int) -> dict[str, int]:
    return {"word": await host.read_dword(address)}


async def _write(dut: Any, host: AxiLiteMaster, address: int, word: int) -> dict[str, int]:
    answer = await host.write(address, word.to_bytes(4, "little"))
    return {"response": int(answer.resp)}


async def _wait(dut: Any, host: AxiLiteMaster, cycles: int) -> None:
    if not int(dut.irq.value):
        await First(RisingEdge(dut.irq), Timer(2 * cycles, "step"))


async def _disturb(dut: Any, host: AxiLiteMaster, **values: int) -> None:
    for name, value in values.items():
        getattr(dut, name).value = value
    await Timer(4, "step")
    dut.arm.value = 1
    await Timer(8, "step")


async def _moved(dut: Any, host: AxiLiteMaster) -> dict[str, int]:
    return {"beats": int(dut.beats.value), "acks": int(dut.acks.value)}


async def _load(dut: Any, host: AxiLiteMaster, first: int, count: int) -> None:
    await _move(dut, "load", first, count)


async def _save(dut: Any, host: AxiLiteMaster, first: int, count: int) -> None:
    await _move(dut, "save", first, count)


async def _tell(dut: Any, host: AxiLiteMaster, first: int, count: int) -> None:
    await _move(dut, "tell", first, count)


async def _move(dut: Any, strobe: str, first: int, count: int) -> None:
    dut.first.value = first
    dut.count.value = count
    await Timer(4, "step")
    getattr(dut, strobe).value = 1
    await Timer(8, "step")


ANSWERS: dict[str, Callable[..., Awaitable[dict[str, int] | None]]] = {
    "begin": _begin,
    "read": _read,
    "write": _write,
    "wait": _wait,
    "disturb": _disturb,
    "moved": _moved,
    "load": _load,
    "save": _save,
    "tell": _tell,
}
