"""Runs a batch of images on the accelerator and compares every tensor of each with what it must be.

The test bench that `shiftbook build` writes next to the Verilog. It needs cocotb, cocotbext-axi, and the
files of this folder and of the one above; see the Makefile.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge, SimTimeoutError, with_timeout
from cocotbext.axi import AxiBus, AxiLiteBus, AxiLiteMaster, AxiRam

HERE = Path(__file__).parent

BASE = 0x10000
"""Where the image is put in memory; any multiple of 4096 will do."""

PERIOD = 10
"""Of the clock, in nanoseconds."""

WATCHDOG = 100_000
"""Cycles without any progress after which the accelerator gives up."""


def address(place: dict[str, Any], spec: dict[str, int], y: int, x: int, channel: int) -> int:
    """Bytes from the beginning of the image, or of the tensor buffer, to one value of a tensor.

    A tensor may be some channels of another, and every second row and column. That one is cut into blocks of
    as many pixels as there are lanes. A beat of the bus holds some rows of one channel of a block, and a row
    takes a power of two of bytes. Beats are ordered [block row][block column][beat of the block][channel].

    Parameters
    ----------
    place
        The tensor's entry in map.json.
    spec
        The entry ``spec`` there.
    y, x, channel
        Position in the tensor.
    """
    rows, cols, beat = spec["rows"], spec["cols"], spec["bus_bytes"]
    y, x = (place["pixel_step"] * n + first for n, first in zip((y, x), place["first_pixel"], strict=True))
    pitch = 1 << (cols - 1).bit_length()
    beat_rows = beat // pitch
    block_beats = -(-rows // beat_rows)
    block = y // rows * -(-place["width_in_memory"] // cols) + x // cols
    number = block * block_beats + y % rows // beat_rows
    number = number * place["channels_in_memory"] + place["first_channel"] + channel
    return place["offset"] + number * beat + y % rows % beat_rows * pitch + x % cols


def positions(place: dict[str, Any]) -> list[tuple[int, int, int]]:
    """All (y, x, channel) of a tensor, in the order of pixels.bin and expected.bin."""
    height, width, channels = place["height"], place["width"], place["channels"]
    return [(y, x, c) for y in range(height) for x in range(width) for c in range(channels)]


def places(name: str, described: dict[str, Any]) -> list[dict[str, Any]]:
    """The entries of a tensor for each image of the batch."""
    place = described["tensors"][name]
    return [{**place, **own} for own in place.get("images") or [{}]]


def filled(image: bytes, described: dict[str, Any], pixels: bytes) -> bytes:
    """The memory image with the pixels of all images in their places."""
    whole = bytearray(image)
    values = iter(pixels)
    for place in places(described["input"], described):
        for position in positions(place):
            whole[address(place, described["spec"], *position)] = next(values)
    assert next(values, None) is None, "FAIL: pixels.bin has more values than the images"
    return bytes(whole)


def difference(name: str, image: int, want: bytes, memory: bytes, described: dict[str, Any]) -> str | None:
    """Where a tensor differs first, and how often; None if it does not.

    Parameters
    ----------
    name, image
        The tensor's in map.json, and of which image of the batch.
    want
        Its values, in the order of `positions`.
    memory
        The image after the run, or the tensor buffer when the tensor was complete.
    described
        map.json.
    """
    place = places(name, described)[image]
    where = positions(place)
    got = [memory[address(place, described["spec"], *position)] for position in where]
    wrong = [each for each in zip(where, want, got, strict=True) if each[1] != each[2]]
    if not wrong:
        return None
    (y, x, channel), expected, found = wrong[0]
    which = f", image {image}" if "images" in place else ""
    return (
        f"tensor {name}{which}, y {y}, x {x}, channel {channel}: expected {expected}, found {found} "
        f"({len(wrong)} of {len(where)} values differ)"
    )


def defines(header: str) -> dict[str, int]:
    """The numbers that shiftbook.h defines, by their names without SHIFTBOOK_."""
    found = re.findall(r"^#define SHIFTBOOK_(\w+) (\w+)u\b", header, re.MULTILINE)
    return {name: int(number, 0) for name, number in found}


def accept_unknown(memory: AxiRam) -> None:
    """Take bits of written data that are unknown for random ones; anywhere else they are an error.

    Lanes beyond the edge of a tensor compute with what a memory holds that nobody has written. Their results
    are bytes of pixels that are not there.
    """
    channel = memory.write_if.w_channel
    receive = channel.recv

    async def receive_known() -> Any:
        beat = await receive()
        beat.wdata = beat.wdata.resolve("random")
        return beat

    channel.recv = receive_known


async def carry_out(dut: Any, host: AxiLiteMaster, numbers: dict[str, int], limit: int) -> None:
    """Start the program and wait for its end, for at most ``limit`` cycles.

    Raises
    ------
    AssertionError
        It does not end, or the accelerator gives it up.
    """
    done, error = (1 << numbers[f"INTERRUPT_{event}_SHIFT"] for event in ("DONE", "ERROR"))
    for register, word in (
        ("PROGRAM", BASE),
        ("WATCHDOG", WATCHDOG),
        ("INTERRUPT_ENABLE", done | error),
        ("CONTROL", 1 << numbers["CONTROL_START_SHIFT"]),
    ):
        await host.write_dword(numbers[register], word)
    try:
        await with_timeout(RisingEdge(dut.irq), limit * PERIOD, "ns")
    except SimTimeoutError:
        raise AssertionError(f"FAIL: no interrupt within {limit:,} cycles") from None
    if await host.read_dword(numbers["INTERRUPT"]) & error:
        status = await host.read_dword(numbers["STATUS"])
        number = status >> numbers["STATUS_FAULT_SHIFT"] & numbers["STATUS_FAULT_MASK"]
        faults = {value: name for name, value in numbers.items() if name.startswith("FAULT_")}
        raise AssertionError(f"FAIL: the accelerator gave up: {faults.get(number, number)}")


async def watch(dut: Any, described: dict[str, Any], kept: dict[int, bytes]) -> None:
    """Keep what the tensor buffer holds at the end of each layer that completes a tensor there, by number.

    A later layer may write over it. Bits that nobody has written are taken for zeros.
    """
    tensors = described["tensors"].values()
    memory, size = dut.tensor_buffer.memory, described["spec"]["bus_bytes"]
    words = (described["spec"]["tensor_kib"] << 10) // size
    layers = {tensor["on_chip_after"] for tensor in tensors if "on_chip_after" in tensor}
    while layers - kept.keys():
        await dut.host.layers.value_change
        layer = int(dut.host.layers.value) - 1
        if layer in layers:
            held = [memory[word].value.resolve("zeros") for word in range(words)]
            kept[layer] = b"".join(int(word).to_bytes(size, "little") for word in held)


@cocotb.test()
async def every_tensor(dut: Any) -> None:
    """Run the program once; PASS, or the first difference of each tensor that differs."""
    described = json.loads((HERE.parent / "map.json").read_text())
    expected = json.loads((HERE / "expected.json").read_text())
    numbers = defines((HERE.parent / "shiftbook.h").read_text())
    image = filled((HERE.parent / "image.bin").read_bytes(), described, (HERE / "pixels.bin").read_bytes())

    Clock(dut.clk, PERIOD, "ns").start()
    dut.rst.value = 1
    host = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)
    size = 1 << (BASE + len(image) - 1).bit_length()
    memory = AxiRam(AxiBus.from_prefix(dut, "m_axi"), dut.clk, dut.rst, size=size)
    accept_unknown(memory)
    memory.write(BASE, image)
    await ClockCycles(dut.clk, 4)
    dut.rst.value = 0
    kept: dict[int, bytes] = {}
    if described["tensor_buffer"]:
        cocotb.start_soon(watch(dut, described, kept))
    await carry_out(dut, host, numbers, expected["cycles_at_most"])

    after = memory.read(BASE, len(image))
    values = (HERE / "expected.bin").read_bytes()
    found, at = [], 0
    for name in expected["tensors"]:
        layer = described["tensors"][name].get("on_chip_after")
        for number, place in enumerate(places(name, described)):
            size = len(positions(place))
            held = after if layer is None else kept[layer]
            found.append(difference(name, number, values[at : at + size], held, described))
            at += size
    assert not any(found), "\n".join(["FAIL", *filter(None, found)])
    assert at == len(values), f"FAIL: expected.bin has {len(values)} values, the tensors have {at}"
    cocotb.log.info("PASS: %d tensors, %d values as expected", len(found), at)
