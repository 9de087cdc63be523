"""The registers that the host sees on the AXI4-Lite bus, as plain data.

The hardware decodes addresses from it, the driver names them, the documentation and the C header print it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from shiftbook.golden.isa.bit_fields import Field, pack, unpack
from shiftbook.golden.spec import FRACTION, Spec

IDENTITY = 0x5348424B
"""What the first register reads: "SHBK"."""

VERSION = 3
"""Version of the register map and of the program format."""

ADDRESS_WIDTH = 8
"""Bits of a byte address of the map."""

ALIGNMENT = 4096
"""Of an image in memory, in bytes."""


STEP_SHIFT = 12
"""A step of the program may take the cycles of WATCHDOG shifted left by this."""

START, ABORT, CONTINUE = 1, 2, 4
"""Words that CONTROL takes; no other bit may be set."""


class Host(IntEnum):
    """Byte addresses."""

    IDENTITY = 0x00
    VERSION = 0x04
    FINGERPRINT = 0x08
    GRID = 0x0C
    LANE = 0x10
    MEMORY = 0x14
    BUS = 0x18
    CONTROL = 0x20
    STATUS = 0x24
    INTERRUPT_ENABLE = 0x28
    INTERRUPT = 0x2C
    PROGRAM = 0x30
    WATCHDOG = 0x34
    MODE = 0x38
    CYCLES = 0x40
    BUSY = 0x44
    ROWS = 0x48
    ISSUE = 0x4C
    STREAM_WAIT = 0x50
    OUTPUT_WAIT = 0x54
    LOAD_WAIT = 0x58
    READ_BEATS = 0x5C
    WRITE_BEATS = 0x60


Access = Literal["read", "write", "read and write", "read, write 1 to clear"]


@dataclass(frozen=True)
class HostRegister:
    """A word of 32 bits; what its fields leave over reads 0."""

    access: Access
    fields: tuple[Field, ...]
    text: str
    when: str = "at any time"
    """When it may be written, if at all."""


AT_START = "at any time; a program keeps what was there at its START"


EVENTS = (
    Field("done", 1, "a program came to its end"),
    Field("error", 1, "a program was given up; STATUS says why"),
    Field("paused", 1, "a layer was run, and MODE says to wait for CONTROL.continue"),
    Field("refused", 1, "a write of CONTROL was refused; nothing was done"),
)


def _word(name: str, text: str) -> tuple[Field, ...]:
    return (Field(name, 32, text),)


def _counter(text: str) -> HostRegister:
    return HostRegister("read", _word("count", text), "Since the last start")


REGISTERS: dict[Host, HostRegister] = {
    Host.IDENTITY: HostRegister("read", _word("identity", f"{IDENTITY:#010x}"), "What this is"),
    Host.VERSION: HostRegister("read", _word("version", str(VERSION)), "Version of map and program"),
    Host.FINGERPRINT: HostRegister(
        "read", _word("fingerprint", "of the spec; a program carries the same"), "Which accelerator this is"
    ),
    Host.GRID: HostRegister(
        "read",
        (
            Field("rows", 8, "rows of lanes"),
            Field("cols", 8, "columns of lanes"),
            Field("slots", 8, "weight slots"),
            Field("requantizers", 8, "requantizers"),
        ),
        "The lanes",
    ),
    Host.LANE: HostRegister(
        "read",
        (
            Field("multiplies", 1, "lanes multiply instead of shifting and adding"),
            Field("dense", 1, "weights are sent one by one instead of coded"),
            Field("terms", 6, "terms of a codebook row"),
            Field("accumulator_width", 8, "bits of an accumulator"),
            Field("multiplier_width", 8, "bits of the requantizer's multiplier"),
            Field("fraction", 8, f"bits below its point: {FRACTION}"),
        ),
        "What a lane does",
    ),
    Host.MEMORY: HostRegister(
        "read",
        (
            Field("tile_words", 16, "words of an activation bank"),
            Field("codebook_rows", 16, "rows of the codebook"),
        ),
        "Memories",
    ),
    Host.BUS: HostRegister(
        "read",
        (
            Field("bytes", 8, "of a beat"),
            Field("burst_beats", 8, "of the longest burst"),
            Field("outstanding", 8, "read bursts under way at most"),
            Field("parity", 1, "each byte that is read is checked by a bit of odd parity"),
            Field("tensor_buffer", 4, "tensors stay on the chip in 2^(n - 1) KiB; 0: none do"),
        ),
        "The memory bus",
    ),
    Host.CONTROL: HostRegister(
        "write",
        (
            Field("start", 1, "carry out the program at PROGRAM; only while STATUS.busy is 0"),
            Field("abort", 1, "give up; where nothing runs, nothing happens"),
            Field("continue", 1, "go on after a pause; only while STATUS.paused is 1"),
        ),
        "What to do",
        "one bit and no other, and as the bit says; all else is refused: SLVERR, and the event `refused`",
    ),
    Host.STATUS: HostRegister(
        "read",
        (
            Field(
                "busy",
                1,
                "a program is carried out, or the bus still owes something to one that was given up",
            ),
            Field("done", 1, "the last program came to its end"),
            Field("paused", 1, "waiting for CONTROL.continue"),
            Field("reserved", 5, "0"),
            Field("fault", 8, "why the last program was given up; 0 if it was not"),
            Field("layers", 16, "layers that were run"),
        ),
        "What is going on",
    ),
    Host.INTERRUPT_ENABLE: HostRegister("read and write", EVENTS, "Which events raise the interrupt"),
    Host.INTERRUPT: HostRegister("read, write 1 to clear", EVENTS, "Events that were not cleared"),
    Host.PROGRAM: HostRegister(
        "read and write",
        _word("address", f"byte address, a multiple of {ALIGNMENT}"),
        "Where the image begins",
        f"{AT_START}. What is no multiple is refused: SLVERR",
    ),
    Host.WATCHDOG: HostRegister(
        "read and write",
        _word(
            "cycles",
            "a program is given up after so many cycles in which nothing moves, and after "
            f"{1 << STEP_SHIFT} times as many in one step, such as a layer. 0: never",
        ),
        "Patience",
        AT_START,
    ),
    Host.MODE: HostRegister(
        "read and write", (Field("pause", 1, "pause after each layer"),), "Single steps", AT_START
    ),
    Host.CYCLES: _counter("cycles in which a program was carried out, without pauses"),
    Host.BUSY: _counter("cycles in which a tile ran"),
    Host.ROWS: _counter("codebook rows that were issued, on all slots"),
    Host.ISSUE: _counter("cycles in which some slot issued a row"),
    Host.STREAM_WAIT: _counter("cycles in which a slot waited for its streams and none issued"),
    Host.OUTPUT_WAIT: _counter(
        "cycles in which a finished output channel waited for its parameters, room or residuals"
    ),
    Host.LOAD_WAIT: _counter("cycles in which the next tile waited for its input"),
    Host.READ_BEATS: _counter("beats read"),
    Host.WRITE_BEATS: _counter("beats written"),
}


def constants(spec: Spec, fingerprint: int) -> dict[Host, int]:
    """Values of the registers that never change."""
    values = {
        Host.IDENTITY: {"identity": IDENTITY},
        Host.VERSION: {"version": VERSION},
        Host.FINGERPRINT: {"fingerprint": fingerprint},
        Host.GRID: {
            "rows": spec.rows,
            "cols": spec.cols,
            "slots": spec.slots,
            "requantizers": spec.requantizers,
        },
        Host.LANE: {
            "multiplies": int(spec.lane == "multiply"),
            "dense": int(spec.feed == "dense"),
            "terms": len(spec.terms),
            "accumulator_width": spec.accumulator_width,
            "multiplier_width": spec.multiplier_width,
            "fraction": FRACTION,
        },
        Host.MEMORY: {"tile_words": spec.tile_words, "codebook_rows": spec.codebook_rows},
        Host.BUS: {
            "bytes": spec.bus_bytes,
            "burst_beats": spec.burst_beats,
            "outstanding": spec.outstanding,
            "parity": int(spec.bus_parity),
            "tensor_buffer": spec.tensor_kib.bit_length(),
        },
    }
    return {register: packed(register, fields) for register, fields in values.items()}


def packed(register: Host, values: dict[str, int]) -> int:
    """The word of a register from its fields."""
    layout = REGISTERS[register].fields
    return int(pack(layout, **{field.name: values.get(field.name, 0) for field in layout}))


def unpacked(register: Host, word: int) -> dict[str, int]:
    """The fields of a register from its word."""
    return unpack(REGISTERS[register].fields, word)
