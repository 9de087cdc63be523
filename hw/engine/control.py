"""The course of a layer: when output channels begin and end, and what is counted."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import PARTIAL_BYTES, Spec

COUNTER_WIDTH = 32


class Control(wiring.Component):
    """Commits an output channel when all slots are over, and begins the next in the same cycle.

    A tile is over when its last output channel is committed. The next one can be started then, while that
    channel is drained.

    Parameters
    ----------
    spec
        Slots and widths.

    Members
    -------
    clear : In(1)
        Forget everything: a layer begins, or one is abandoned.
    clear_counters : In(1)
        Strobe: counters become 0.
    start : In(1)
        Strobe: begin a tile. Only while not ``busy``.
    output_channels : In(channel_counter_width)
        Output channels of the layer.
    group_outputs : In(channel_counter_width)
        Output channels of a group, minus 1.
    group_step : In(address_width)
        From the channels of a group to those of the next.
    partial_out : In(1)
        Constant of the layer: drains take as many rounds as a partial sum has bytes.
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
        The channel parameters are there, there is room for the outputs, and their residuals are there.
    halt : Out(1)
        No tile runs, or one begins: streams are to be forgotten.
    span : Out(position_width)
        See `hw.engine.issuer.Issuer`.
    reach : Out(position_width + 1)
        See `hw.engine.issuer.Issuer`.
    advance : Out(1)
        Strobe: the next output channel runs from this cycle on.
    drain : Out(1)
        Strobe: a channel ends and will be drained.
    group : Out(address_width)
        Where the channels of the running group begin, for `hw.engine.lookup.Lookup`.
    accumulate_start : Out(1)
        Strobe, ``spec.accumulate_cycles`` cycles after ``advance`` or ``drain``: the lanes begin anew.
    drain_begin : Out(1)
        Strobe, ``spec.accumulate_cycles`` cycles after ``drain``.
    busy : Out(1)
        A tile runs.
    counters : Out(StructLayout)
        See `hw.engine.control.counters`.
    bad_code : Out(1)
        A slot needed a word that no code has.

    Latency
    -------
    ``spec.start_cycles`` busy cycles pass before the first channel begins: in them the decoders get their
    first symbols.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "clear": In(1),
                "clear_counters": In(1),
                "start": In(1),
                "output_channels": In(spec.channel_counter_width),
                "group_outputs": In(spec.channel_counter_width),
                "group_step": In(spec.address_width),
                "partial_out": In(1),
                "positions": In(spec.position_width),
                "over": In(spec.slots),
                "issue": In(spec.slots),
                "waiting": In(spec.slots),
                "bad": In(spec.slots),
                "ready": In(1),
                "halt": Out(1),
                "span": Out(spec.position_width),
                "reach": Out(spec.position_width + 1),
                "advance": Out(1),
                "drain": Out(1),
                "group": Out(spec.address_width),
                "accumulate_start": Out(1),
                "drain_begin": Out(1),
                "busy": Out(1),
                "counters": Out(counters()),
                "bad_code": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        left = Signal(spec.channel_counter_width, reset_less=True)  # channels not yet begun
        first = Signal(reset_less=True)  # none has begun
        due = Signal()  # all slots are over and the last drain is out of the way
        commit = Signal()
        last = Signal()
        longest = PARTIAL_BYTES * spec.drain_cycles
        timer = Signal(range(max(longest, spec.start_cycles + 1)), reset_less=True)
        drain_cycles = Mux(self.partial_out, longest, spec.drain_cycles)
        m.d.comb += [
            self.halt.eq(self.start | ~self.busy),
            due.eq(self.busy & self.over.all() & (timer == 0)),
            commit.eq(due & (self.ready | first)),
            last.eq(left == 0),
            self.advance.eq(commit & ~last),
            self.drain.eq(commit & ~first),
            self.span.eq(Mux(first, 0, self.positions)),
            self.reach.eq(Mux(first, self.positions, self.positions << 1)),
        ]
        m.d.sync += self.busy.eq(~self.clear & (self.start | (self.busy & ~(commit & last))))
        with m.If(self.start):
            m.d.sync += [left.eq(self.output_channels), first.eq(1)]
            # the tile before may still be draining
            m.d.sync += timer.eq(Mux(timer > spec.start_cycles, timer - 1, spec.start_cycles))
        with m.Elif(commit):
            m.d.sync += [left.eq(left - 1), first.eq(0), timer.eq(drain_cycles - 1)]
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        self._groups(m, first)
        self._follow(m, commit)
        self._count(m, due & ~(self.ready | first))
        return m

    def _groups(self, m: Module, first: Signal) -> None:
        """Which group's channels the running output channel reads."""
        left = Signal(self.spec.channel_counter_width, reset_less=True)  # of the group, after the running one
        group = Signal(self.spec.address_width, reset_less=True)
        with m.If(self.advance):
            m.d.sync += left.eq(left - 1)
            with m.If(first | (left == 0)):
                m.d.sync += left.eq(self.group_outputs)
            with m.If(first):
                m.d.sync += group.eq(0)
            with m.Elif(left == 0):
                m.d.sync += group.eq(group + self.group_step)
        for _ in range(self.spec.lookup_cycles - 2):
            later = Signal(self.spec.address_width, reset_less=True)
            m.d.sync += later.eq(group)
            group = later
        m.d.comb += self.group.eq(group)

    def _follow(self, m: Module, commit: Signal) -> None:
        """Strobes for the lanes, which are ``spec.accumulate_cycles`` behind."""
        cycles = self.spec.accumulate_cycles
        for now, later in ((commit, self.accumulate_start), (self.drain, self.drain_begin)):
            passed = Signal(cycles)
            m.d.sync += passed.eq(Cat(now, passed)[:cycles] & ~self.clear.replicate(cycles))
            m.d.comb += later.eq(passed[-1])

    def _count(self, m: Module, blocked: Signal) -> None:
        """Count; while no tile runs nothing issues, waits, is blocked or bad."""
        now = self.counters
        waiting = self.busy & self.waiting.any()
        m.d.sync += [
            now.busy.eq(now.busy + self.busy),
            now.rows.eq(now.rows + sum(self.issue)),
            now.issue.eq(now.issue + self.issue.any()),
            now.stream_wait.eq(now.stream_wait + (waiting & ~self.issue.any())),
            now.output_wait.eq(now.output_wait + blocked),
        ]
        m.d.comb += self.bad_code.eq(self.bad.any())
        with m.If(self.clear_counters):
            m.d.sync += now.eq(0)


def counters() -> data.StructLayout:
    """Cycles in which a tile ran; rows issued on all slots; cycles in which some slot issued one, in
    which some slot waited for its streams and none issued, and in which an output channel was over and
    could not be drained.
    """
    names = ("busy", "rows", "issue", "stream_wait", "output_wait")
    return data.StructLayout(dict.fromkeys(names, COUNTER_WIDTH))
