"""The course of a layer: when output channels begin and end, and what is counted."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.spec import Spec

COUNTER_WIDTH = 32


class Control(wiring.Component):
    """Commits an output channel when all slots are over, and begins the next in the same cycle.

    Parameters
    ----------
    spec
        Slots and widths.

    Members
    -------
    start : In(1)
        Strobe: begin a layer, also in the midst of one.
    output_channels : In(channel_counter_width)
        Output channels of the layer.
    positions : In(position_width)
        Positions of an output channel in one slot.
    over : In(slots)
        Slots with nothing more in the running output channel.
    issue : In(slots)
        Slots that issue a row.
    waiting : In(slots)
        Slots that a stream keeps waiting.
    bad : In(slots)
        Slots that met a word that no code has.
    ready : In(1)
        The channel parameters are there and the output buffer has room.
    empty : In(1)
        All outputs were taken.
    clear : Out(1)
        No layer runs, or one begins: forget what is left of the last one.
    span : Out(position_width)
        See `hw.issuer.Issuer`.
    advance : Out(1)
        Strobe: the next output channel runs from this cycle on.
    drain : Out(1)
        Strobe: a channel ends and will be drained.
    accumulate_start : Out(1)
        Strobe, ``spec.lookup_cycles`` cycles after ``advance`` or ``drain``: the lanes begin anew.
    drain_begin : Out(1)
        Strobe, ``spec.lookup_cycles`` cycles after ``drain``.
    busy : Out(1)
        A layer runs.
    done : Out(1)
        Strobe in its last cycle.
    cycles : Out(32)
        Busy cycles.
    terms : Out(32)
        Rows issued.
    stalls : Out(32)
        Cycles in which a stream, the parameters or the output kept a slot waiting.
    error : Out(2)
        1 after a bad code word, until the next start.

    Latency
    -------
    ``spec.start_cycles`` busy cycles pass before the first channel begins: in them the decoders get their
    first symbols. ``spec.tail_cycles`` pass from the end of the last one, that cycle included.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "start": In(1),
                "output_channels": In(spec.channel_counter_width),
                "positions": In(spec.position_width),
                "over": In(spec.slots),
                "issue": In(spec.slots),
                "waiting": In(spec.slots),
                "bad": In(spec.slots),
                "ready": In(1),
                "empty": In(1),
                "clear": Out(1),
                "span": Out(spec.position_width),
                "advance": Out(1),
                "drain": Out(1),
                "accumulate_start": Out(1),
                "drain_begin": Out(1),
                "busy": Out(1),
                "done": Out(1),
                "cycles": Out(COUNTER_WIDTH),
                "terms": Out(COUNTER_WIDTH),
                "stalls": Out(COUNTER_WIDTH),
                "error": Out(2),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        left = Signal(spec.channel_counter_width, reset_less=True)  # channels not yet begun
        first = Signal(reset_less=True)  # none has begun
        committed = Signal(reset_less=True)  # the last one has ended
        due = Signal()  # all slots are over and the last drain is out of the way
        commit = Signal()
        timer = Signal(range(max(spec.drain_cycles, spec.start_cycles + 1)), reset_less=True)
        m.d.comb += [
            self.clear.eq(self.start | ~self.busy),
            due.eq(self.busy & ~committed & self.over.all() & (timer == 0)),
            commit.eq(due & self.ready),
            self.advance.eq(commit & (left != 0)),
            self.drain.eq(commit & ~first),
            self.span.eq(Mux(first, 0, self.positions)),
            self.done.eq(committed & self.empty & self.busy & ~self.start),
        ]
        m.d.sync += self.busy.eq(self.start | (self.busy & ~self.done))
        with m.If(self.clear):
            m.d.sync += [
                left.eq(self.output_channels),
                first.eq(1),
                committed.eq(0),
                timer.eq(spec.start_cycles),
            ]
        with m.Elif(commit):
            m.d.sync += [
                left.eq(left - 1),
                first.eq(0),
                committed.eq(left == 0),
                timer.eq(spec.drain_cycles - 1),
            ]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        self._follow(m, commit)
        self._count(m, due & ~self.ready)
        return m

    def _follow(self, m: Module, commit: Signal) -> None:
        """Strobes for the lanes, which are ``spec.lookup_cycles`` behind."""
        cycles = self.spec.lookup_cycles
        for now, later in ((commit, self.accumulate_start), (self.drain, self.drain_begin)):
            passed = Signal(cycles)
            m.d.sync += passed.eq(Cat(now, passed)[:cycles] & ~self.clear.replicate(cycles))
            m.d.comb += later.eq(passed[-1])

    def _count(self, m: Module, blocked: Signal) -> None:
        """Count; while no layer runs nothing issues, waits, is blocked or bad."""
        m.d.sync += [
            self.cycles.eq(self.cycles + self.busy),
            self.terms.eq(self.terms + sum(self.issue)),
            self.stalls.eq(self.stalls + (blocked | self.waiting.any())),
            self.error.eq(self.error | self.bad.any()),
        ]
        with m.If(self.start):
            m.d.sync += [s.eq(0) for s in (self.cycles, self.terms, self.stalls, self.error)]
