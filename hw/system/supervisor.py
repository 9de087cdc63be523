"""Whether all is well: faults, the watchdog, and coming to rest after either."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.faults import Fault
from shiftbook.golden.isa.host_map import STEP_SHIFT
from shiftbook.hw.system.interfaces import Response


class Supervisor(wiring.Component):
    """Gives a program up at the first fault, and lets nothing begin until the bus has finished what it
    was asked for.

    Parameters
    ----------
    parity
        Whether the bus has parity.

    Members
    -------
    running : In(1)
        A program is carried out.
    paused : In(1)
        It waits for the host.
    abort : In(1)
        Strobe: the host wants it given up.
    program_fault : In(4)
        See `hw.system.sequencer.Sequencer`.
    damaged : In(1)
        Strobe: a stream's checksum is wrong.
    bad_code : In(1)
        A slot met a word that no code has.
    stream_length : In(1)
        Strobe: a stream is longer than what its layer takes, or than the buffer that keeps it.
    read_response : In(2)
        Of the beat that was read in this cycle; 0 where none was.
    bad_parity : In(1)
        With parity only: the beat that was read in this cycle is not what was sent.
    write_response : In(2)
        Of the burst that was acknowledged in this cycle; 0 where none was.
    progress : In(1)
        Something moved.
    step : In(1)
        The program has got a step further: a word was taken, or a command is over.
    patience : In(32)
        Cycles without progress after which the program is given up, and as many, times
        ``1 << STEP_SHIFT``, that a step may take, whatever moves; 0: any number.
    settled : In(1)
        The bus owes nothing.
    fault : Out(Fault)
        For one cycle, why the program is given up; else `Fault.NONE`.
    failing : Out(1)
        In the cycle of the cause and in that of ``fault``: a program that would end now is given up.
    clear : Out(1)
        Everything is to forget what it does: from the cycle of ``fault`` until the bus is settled.

    Latency
    -------
    One cycle from a cause to its fault.
    """

    def __init__(self, parity: bool = False) -> None:
        self.parity = parity
        super().__init__(
            {
                "running": In(1),
                "paused": In(1),
                "abort": In(1),
                "program_fault": In(range(max(Fault) + 1)),
                "damaged": In(1),
                "bad_code": In(1),
                "stream_length": In(1),
                "read_response": In(2),
                **({"bad_parity": In(1)} if parity else {}),
                "write_response": In(2),
                "progress": In(1),
                "step": In(1),
                "patience": In(32),
                "settled": In(1),
                "fault": Out(range(max(Fault) + 1)),
                "failing": Out(1),
                "clear": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        stopping = Signal()
        rests = Signal()
        idle = Signal(32)  # cycles since anything moved
        age = Signal(32 + STEP_SHIFT)  # cycles of the running step
        stalled = Signal()
        m.d.sync += [
            idle.eq(Mux(self.progress | rests, 0, idle + 1)),
            age.eq(Mux(self.step | rests, 0, age + 1)),
        ]
        m.d.comb += [
            rests.eq(self.paused | ~self.running),
            stalled.eq(
                (self.patience != 0) & ((idle == self.patience) | (age[STEP_SHIFT:] == self.patience))
            ),
            self.clear.eq(stopping),
        ]
        causes = (
            (self.abort, Fault.ABORTED),
            (self.read_response == Response.SLVERR, Fault.READ_SLVERR),
            (self.read_response == Response.DECERR, Fault.READ_DECERR),
            (self.write_response == Response.SLVERR, Fault.WRITE_SLVERR),
            (self.write_response == Response.DECERR, Fault.WRITE_DECERR),
            *([(self.bad_parity, Fault.BUS_PARITY)] if self.parity else []),
            (self.damaged, Fault.STREAM_DAMAGED),
            (self.bad_code, Fault.BAD_CODE),
            (self.stream_length, Fault.STREAM_LENGTH),
            (stalled, Fault.STALLED),
        )
        found = self.program_fault
        for cause, fault in reversed(causes):
            found = Mux(cause, fault, found)
        begins = Signal()
        m.d.comb += [
            begins.eq(self.running & ~stopping & found.any()),
            self.failing.eq(begins | self.fault.any()),
        ]
        m.d.sync += [
            self.fault.eq(Mux(begins, found, Fault.NONE)),
            stopping.eq(begins | (stopping & ~self.settled)),
        ]
        return m
