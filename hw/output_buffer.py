"""The buffer between the drain and whoever takes the outputs."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from golden.spec import ACTIVATION_WIDTH, Spec


class OutputBuffer(wiring.Component):
    """A queue whose room is reserved a channel at a time, long before the beats come.

    Parameters
    ----------
    spec
        Beats of a channel and their width.

    Members
    -------
    clear : In(1)
        Forget everything.
    reserve : In(1)
        Strobe: the beats of one channel will be written. Only while ``room``.
    write : In(1)
        Strobe: ``data`` is the next beat.
    data : In(8 * requantizers)
        A beat.
    room : Out(1)
        A channel can be reserved.
    empty : Out(1)
        All reserved beats were taken.
    output : Out(stream)
        The beats.

    Latency
    -------
    A beat is on ``output`` two cycles after ``write``.
    """

    IN_FLIGHT = 8
    """Cycles from a reservation to its first beat on the output, rounded up: less room would stall it."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.depth = 1 << (2 * spec.drain_cycles + self.IN_FLIGHT - 1).bit_length()
        beat = ACTIVATION_WIDTH * spec.requantizers
        super().__init__(
            {
                "clear": In(1),
                "reserve": In(1),
                "write": In(1),
                "data": In(beat),
                "room": Out(1),
                "empty": Out(1),
                "output": Out(stream.Signature(beat)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        beats = self.spec.drain_cycles
        m.submodules.memory = memory = Memory(shape=len(self.data), depth=self.depth, init=[])
        write = memory.write_port()
        read = memory.read_port()
        write_index = Signal(range(self.depth))
        read_index = Signal(range(self.depth))
        stored = Signal(range(self.depth + 1))  # written, not yet taken
        owed = Signal(range(self.depth + 1))  # reserved, not yet taken
        taken = Signal()
        m.d.comb += [
            taken.eq(self.output.valid & self.output.ready),
            self.room.eq(owed <= self.depth - beats),
            self.empty.eq(owed == 0),
            write.en.eq(self.write),
            write.addr.eq(write_index),
            write.data.eq(self.data),
            read.addr.eq(read_index + taken),
            self.output.payload.eq(read.data),
        ]
        m.d.sync += [
            write_index.eq(write_index + self.write),
            read_index.eq(read.addr),
            stored.eq(stored + self.write - taken),
            owed.eq(owed + Mux(self.reserve, beats, 0) - taken),
            # what is written in this cycle can only be read in the next one
            self.output.valid.eq(stored != taken),
        ]
        with m.If(self.clear):
            m.d.sync += [s.eq(0) for s in (write_index, read_index, stored, owed, self.output.valid)]
        return m
