"""The front end of a slot: from gaps and codes to one codebook row a cycle, at a position."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.registers import ROW_COUNT_WIDTH, Register
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import code_symbol, gap_symbol, row_source_width


class Issuer(wiring.Component):
    """Knows where the next item of the slot lies and issues it once its output channel runs.

    An item is one or more codes at a target position, or an escape, which only moves on. After the last row
    of an item's last code the target is ``step`` positions further. The target is counted from
    the first position of the running output channel; at or beyond ``span`` the slot is over and
    waits. When all slots are over, ``advance`` takes the length of a channel off the target and an item
    that then lies in the channel issues in that same cycle.

    Parameters
    ----------
    spec
        Widths; a dense feed has no gaps and a row for each code.

    Members
    -------
    clear : In(1)
        Begin a layer: target 0, no item.
    span : In(position_width)
        What ``advance`` takes off the target: 0 before the first channel, else the positions of a channel.
    reach : In(position_width + 1)
        Where the next output channel ends, counted as the target is: ``span`` and the positions of a channel.
    gapless : In(1)
        There are no gaps: items follow one another. Not there with a dense feed.
    step : In(5)
        Positions from an item to the one that follows without a gap. Not there with a dense feed, which
        steps by 1.
    advance : In(1)
        Strobe: the next output channel runs, from this cycle on. Only while ``over``.
    gaps : In(stream)
        Decoded gaps, see `hw.engine.layouts.gap_symbol`. Not there with a dense feed.
    codes : In(stream)
        Decoded codes, see `hw.engine.layouts.code_symbol`.
    over : Out(1)
        The slot has nothing more in the running output channel.
    issue : Out(1)
        A row is issued in this cycle.
    row : Out(row_source_width)
        Its address, or with a dense feed the weight itself; while ``issue``.
    position : Out(position_width)
        Its position; while ``issue``.
    waiting : Out(1)
        The slot is not over but has nothing to issue: a stream is late.
    bad : Out(1)
        An item came from a word that no code has.

    Latency
    -------
    Nothing between a valid code and ``issue``; one cycle between a valid gap and ``issue``.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        members = {
            "clear": In(1),
            "span": In(spec.position_width),
            "reach": In(spec.position_width + 1),
            "advance": In(1),
            "codes": In(stream.Signature(code_symbol(spec))),
            "over": Out(1),
            "issue": Out(1),
            "row": Out(row_source_width(spec)),
            "position": Out(spec.position_width),
            "waiting": Out(1),
            "bad": Out(1),
        }
        if spec.feed == "coded":
            members |= {
                "gapless": In(1),
                "step": In(registers.register_fields(spec)[Register.STEP].width),
                "gaps": In(stream.Signature(gap_symbol(spec))),
            }
        super().__init__(members)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        target = Signal(self.spec.position_width)
        ahead = Signal(self.spec.position_width + 1)  # target in the next output channel
        active = Signal()  # the target lies in the running output channel
        last_row = Signal()
        m.d.comb += [
            ahead.eq(target - self.span),
            self.over.eq(~ahead[-1]),
            self.position.eq(Mux(self.advance, ahead, target)),
            active.eq(~self.over | (self.advance & (target < self.reach))),
        ]
        if self.spec.feed == "dense":
            m.d.sync += target.eq(Mux(self.clear, 0, self.position + self.issue))
            m.d.comb += [
                last_row.eq(1),
                self.row.eq(self.codes.payload),
                self.issue.eq(active & self.codes.valid),
                self.waiting.eq(active & ~self.codes.valid),
            ]
        else:
            move = Signal(range(self.spec.gap_symbols + self.spec.vector_size))
            load = self._items(m, active, last_row, move)
            # Whether the target moves is known last: until then both are ready.
            left = target - (self.span & self.advance.replicate(len(self.span)))
            following = (left + move)[: len(target)]
            m.d.sync += target.eq(Mux(self.clear, 0, Mux(load, following, self.position)))
            self._rows(m, last_row)
        m.d.comb += self.codes.ready.eq(self.issue & last_row)
        return m

    def _items(self, m: Module, active: Signal, last_row: Signal, move: Signal) -> Signal:
        """The item at the target; whether the next one comes, as when it retires. ``move``: how far."""
        gap = self.gaps.payload
        has_item = Signal()
        has_code = Signal(reset_less=True)
        has_bad = Signal(reset_less=True)
        retire = Signal()
        load = Signal()
        m.d.comb += [
            self.issue.eq(has_item & active & has_code & self.codes.valid),
            retire.eq(
                has_item & active & Mux(has_code, self.codes.valid & last_row & self.codes.payload.last, 1)
            ),
            load.eq(~has_item | retire),
            self.gaps.ready.eq(load & ~self.gapless),
            # a bad gap counts 0: it is seen where the next code should be, and not at all at the end
            move.eq(
                Mux(has_item & has_code, self.step, 0)
                + Mux(self.gaps.valid & ~self.gapless & ~gap.bad, gap.gap, 0)
            ),
            self.waiting.eq(active & ~(has_item & (~has_code | self.codes.valid))),
            self.bad.eq(
                active & has_item & (has_bad | (has_code & self.codes.valid & self.codes.payload.bad))
            ),
        ]
        with m.If(load):
            m.d.sync += [
                has_item.eq(self.gapless | self.gaps.valid),
                has_code.eq(self.gapless | (gap.gap != self.spec.escape_gap)),
                has_bad.eq(~self.gapless & gap.bad),
            ]
        with m.If(self.clear):
            m.d.sync += has_item.eq(0)
        return load

    def _rows(self, m: Module, last_row: Signal) -> None:
        """Rows of a code lie one after another."""
        count = Signal(ROW_COUNT_WIDTH)
        code = self.codes.payload
        m.d.comb += [self.row.eq(code.first_row + count), last_row.eq(count == code.more_rows)]
        with m.If(self.clear | (self.issue & last_row)):
            m.d.sync += count.eq(0)
        with m.Elif(self.issue):
            m.d.sync += count.eq(count + 1)
