"""The simulator's side of :mod:`sim.session`: starts the harness on each layer and waits for its end."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import First, RisingEdge, Timer

from sim.session import SOCKET

WAKE = 10_000
"""Cycles between looks at the harness: all that Python does while it plays."""


@cocotb.test()
async def serve(dut: Any) -> None:
    """Play layers until the other side hangs up."""
    Clock(dut.clk, 2, "step", impl="gpi").start()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(SOCKET)
        stream = connection.makefile("rw", encoding="utf-8")
        for line in stream:
            order = json.loads(line)
            started = time.perf_counter()
            await _begin(dut, order)
            while not int(dut.done.value):
                _say(stream, {"tiles": int(dut.tiles_done.value)})
                await First(RisingEdge(dut.done), Timer(2 * WAKE, "step"))
            seconds = time.perf_counter() - started
            _say(stream, {"hung": int(dut.hung.value), "cycles": int(dut.elapsed.value), "seconds": seconds})


async def _begin(dut: Any, order: dict[str, Any]) -> None:
    dut.limit.value = order["limit"]
    dut.idle.value = round(order["idle"] * 256)
    dut.backpressure.value = round(order["backpressure"] * 256)
    dut.random.value = order["seed"]
    dut.go.value = 1
    await Timer(20, "step")


def _say(stream: Any, message: dict[str, Any]) -> None:
    stream.write(json.dumps(message) + "\n")
    stream.flush()
