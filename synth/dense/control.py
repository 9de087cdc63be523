"""When positions are read, and when a step ends and its outputs drain."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.hw.engine.control import COUNTER_WIDTH
from shiftbook.synth.dense.layer import STEP, SWEEP, Loop
from shiftbook.synth.dense.shape import SETS, Dense


class Control(wiring.Component):
    """Reads a position a cycle; begins a step only when the outputs of the one before the last have left.

    Parameters
    ----------
    dense
        Widths.

    Members
    -------
    clear : In(1)
        Forget everything but the counters.
    clear_counters : In(1)
        Strobe: counters become 0.
    begin : In(1)
        Strobe: begin a tile. Only while not ``busy``.
    last : In(7)
        See `synth.dense.walk.Walk`.
    beats : In(ceil(log2(lanes / requantizers)))
        Of a step's outputs, minus 1; a constant of the layer.
    there : In(1)
        The words that the next position reads are in their memories.
    ready : In(1)
        There are the parameters and residuals of the outputs of a step, and there is room for them.
    go : Out(1)
        A position is read.
    sweep_over : Out(1)
        It is the last one that reads the weights of its set of output channels.
    start : Out(1)
        Strobe, with the data of a step's first position, and after the last: the lanes begin anew.
    drain : Out(1)
        Strobe, with ``start``: they held a step, which drains from the cycle after the next one on.
    set : Out(range(SETS))
        Whose parameters it takes; while ``drain``.
    busy : Out(1)
        A tile runs.
    counters : Out(StructLayout)
        See `counters`.

    Latency
    -------
    One cycle from ``go`` to the data.
    """

    def __init__(self, dense: Dense) -> None:
        self.dense = dense
        super().__init__(
            {
                "clear": In(1),
                "clear_counters": In(1),
                "begin": In(1),
                "last": In(len(Loop)),
                "beats": In((dense.beats(dense.outputs) - 1).bit_length()),
                "there": In(1),
                "ready": In(1),
                "go": Out(1),
                "sweep_over": Out(1),
                "start": Out(1),
                "drain": Out(1),
                "set": Out(range(SETS)),
                "busy": Out(1),
                "counters": Out(counters()),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        first = Signal(reset_less=True)  # the lanes hold no step
        opening = Signal(reset_less=True)  # the next position is the first of its step
        closing = Signal(reset_less=True)  # all positions were read, and the lanes hold the last step
        timer = Signal(len(self.beats))
        may, commit = Signal(), Signal()
        m.d.comb += [
            may.eq(~(opening | closing) | ((timer == 0) & (self.ready | first))),
            self.go.eq(self.busy & ~closing & self.there & may),
            self.sweep_over.eq(self.go & self.last[SWEEP]),
            commit.eq((self.go & opening) | (self.busy & closing & may)),
        ]
        m.d.sync += [
            self.busy.eq(~self.clear & (self.begin | (self.busy & ~(commit & closing)))),
            self.start.eq(commit & ~self.clear),
            self.drain.eq(commit & ~first & ~self.clear),
        ]
        with m.If(self.begin):
            m.d.sync += [first.eq(1), opening.eq(1), closing.eq(0)]
        with m.Elif(self.go):
            m.d.sync += [first.eq(0), opening.eq(self.last[STEP]), closing.eq(self.last[Loop.GROUP])]
        with m.If(self.clear):
            m.d.sync += timer.eq(0)
        with m.Elif(commit & ~first):
            m.d.sync += timer.eq(self.beats)
        with m.Elif(timer != 0):
            m.d.sync += timer.eq(timer - 1)
        self._sets(m, commit & ~first)
        self._count(m, self.busy & ~may)
        return m

    def _sets(self, m: Module, drains: Signal) -> None:
        """Which set of output channels the step belongs to that the lanes hold."""
        running = Signal(range(SETS), reset_less=True)
        over = Signal(reset_less=True)  # it is the last step of its set
        with m.If(self.go & self.last[STEP]):
            m.d.sync += over.eq(self.last[SWEEP])
        with m.If(self.begin):
            m.d.sync += running.eq(0)
        with m.Elif(drains):
            m.d.sync += [self.set.eq(running), running.eq(running + over)]

    def _count(self, m: Module, blocked: Signal) -> None:
        now = self.counters
        m.d.sync += [
            now.busy.eq(now.busy + self.busy),
            now.positions.eq(now.positions + self.go),
            now.input_wait.eq(now.input_wait + (self.busy & ~self.there)),
            now.output_wait.eq(now.output_wait + blocked),
        ]
        with m.If(self.clear_counters):
            m.d.sync += now.eq(0)


def counters() -> data.StructLayout:
    """Cycles in which a tile ran, positions that were read, and cycles in which words or outputs were waited
    for.
    """
    return data.StructLayout(dict.fromkeys(("busy", "positions", "input_wait", "output_wait"), COUNTER_WIDTH))
