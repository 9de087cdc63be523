"""The function of an activation, looked up behind a requantizer."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.registers import Region
from shiftbook.golden.spec import ACTIVATION_WIDTH, Spec
from shiftbook.hw.engine.layouts import memory_write, struct


class FunctionTable(wiring.Component):
    """A memory of a byte for each activation, and the way around it.

    Layers without a function go around it, so that their outputs come no later than without the table.

    Parameters
    ----------
    spec
        With ``function_tables``.

    Members
    -------
    write : In(Signature)
        An entry; while nothing is looked up.
    enable : In(1)
        Look up; a constant of the layer.
    activation : In(8)
        What the requantizer makes.
    result : Out(8)
        ``activation``, or while ``enable`` the entry of that of the last cycle with ``enable``.

    Latency
    -------
    One cycle while ``enable``, else none.

    Source
    ------
    `golden.model.function_table.FunctionTable`.
    """

    def __init__(self, spec: Spec) -> None:
        super().__init__(
            {
                "write": In(memory_write(spec, Region.FUNCTION)),
                "enable": In(1),
                "activation": In(ACTIVATION_WIDTH),
                "result": Out(ACTIVATION_WIDTH),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        layout = struct(registers.function_entry())
        m.submodules.table = table = Memory(shape=layout, depth=1 << ACTIVATION_WIDTH, init=[])
        write = table.write_port()
        read = table.read_port()
        m.d.comb += [
            write.en.eq(self.write.enable),
            write.addr.eq(self.write.index),
            write.data.eq(self.write.data),
            read.en.eq(self.enable),
            read.addr.eq(self.activation),
            self.result.eq(Mux(self.enable, read.data.value, self.activation)),
        ]
        return m
