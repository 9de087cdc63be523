"""What every bench needs: logs of what happened, and how its ports are declared."""

from __future__ import annotations

from amaranth import Module, Signal, Value
from amaranth.hdl import ShapeLike
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.addresses import beat_address_width
from shiftbook.golden.spec import Spec

COUNT = 16
"""Bits of what benches count."""


def log(m: Module, name: str, port: stream.Interface, item: Value, strobe: Value, depth: int = 4096) -> None:
    """Give an item to an output stream each time that ``strobe`` is 1."""
    m.submodules[f"log_{name}"] = fifo = SyncFIFOBuffered(width=len(Value.cast(item)), depth=depth)
    m.d.comb += [
        fifo.w_en.eq(strobe),
        fifo.w_data.eq(item),
        port.payload.eq(fifo.r_data),
        port.valid.eq(fifo.r_rdy),
        fifo.r_en.eq(port.ready),
    ]


def unsteady(m: Module, port: stream.Interface) -> Signal:
    """Whether what was offered and not taken was ever withdrawn or changed."""
    wrong, waited = Signal(), Signal()
    before = Signal(len(Value.cast(port.payload)))
    m.d.sync += [
        waited.eq(port.valid & ~port.ready),
        before.eq(port.payload),
        wrong.eq(wrong | (waited & (~port.valid | (Value.cast(port.payload) != before)))),
    ]
    return wrong


def out(layout: dict[str, ShapeLike]) -> wiring.Member:
    """An output stream of a struct."""
    return Out(stream.Signature(data.StructLayout(layout)))


def into(layout: dict[str, ShapeLike]) -> wiring.Member:
    """An input stream of a struct."""
    return In(stream.Signature(data.StructLayout(layout)))


def walk(spec: Spec) -> dict[str, ShapeLike]:
    """How a layer's tensor lies in memory: channels, tiles, and the steps between them in beats."""
    address = beat_address_width(spec)
    return {
        "channels": spec.channel_counter_width,
        "tiles": COUNT,
        "address": address,
        "block_step": address,
        "beat_step": COUNT,
    }
