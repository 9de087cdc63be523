"""The lane of the other way to run codebooks: dot products in tables, looked up by every output channel."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import ACTIVATION_WIDTH, Spec
from shiftbook.hw.engine.lane import add_up, shifted
from shiftbook.hw.engine.layouts import row

TABLE_WIDTH = 20
"""Bits of a dot product as a shift lane sums it: at most 16 terms of 255 << 7."""


class LookupLane(wiring.Component):
    """A shift lane that keeps sums of rows in tables, one a slot, and adds what it finds there.

    First all slots together sum the rows of one codeword of one input vector, which goes into one of the
    tables; so on for every codeword and for W vectors. Then every output channel adds the words that its
    codes name, one from each table, to its sum, which is kept in a memory until the next W vectors. Adders
    and accumulator are shared between the two.

    Parameters
    ----------
    spec
        Slots, terms, widths.
    entries
        Words of each table: codewords of all codebooks.
    channels
        Output channels whose sums are kept.

    Members
    -------
    pixels, rows : In(ArrayLayout)
        See `hw.engine.lane.Lane`; they count while ``filling``.
    filling : In(1)
        Rows are summed; otherwise the words named in the cycle before are added.
    start : In(1)
        The sum begins anew.
    resume : In(1)
        It begins with the channel's kept sum; while ``start``.
    write : In(slots)
        The finished sum goes into these tables.
    entry : In(ArrayLayout)
        For each table the word that is written, or added in the next cycle.
    channel : In(range(channels))
        Whose kept sum is fetched for the next cycle.
    keep : In(1)
        The finished sum is kept for ``kept_channel``.
    kept_channel : In(range(channels))
        See ``keep``.
    sum : Out(accumulator_width)
        The accumulator.

    Latency
    -------
    Rows and words are in the accumulator one cycle after they are added.

    Numeric range
    -------------
    Negative terms leave ``255 << e`` too much, as in `hw.engine.lane.ShiftLane`, in tables and sums.
    """

    def __init__(self, spec: Spec, entries: int, channels: int) -> None:
        self.spec = spec
        self.entries = entries
        self.channels = channels
        super().__init__(
            {
                "pixels": In(data.ArrayLayout(ACTIVATION_WIDTH, spec.slots)),
                "rows": In(data.ArrayLayout(row(spec), spec.slots)),
                "filling": In(1),
                "start": In(1),
                "resume": In(1),
                "write": In(spec.slots),
                "entry": In(data.ArrayLayout(range(entries), spec.slots)),
                "channel": In(range(channels)),
                "keep": In(1),
                "kept_channel": In(range(channels)),
                "sum": Out(spec.accumulator_width),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        accumulator = Signal(self.spec.accumulator_width, reset_less=True)
        before = Signal(self.spec.accumulator_width)
        words = [
            _memory(
                m,
                f"table_{slot}",
                TABLE_WIDTH,
                self.entries,
                entry,
                write=(self.write[slot], entry, accumulator),
            )
            for slot, entry in enumerate(self.entry)
        ]
        kept = _memory(
            m,
            "sums",
            len(accumulator),
            self.channels,
            self.channel,
            write=(self.keep, self.kept_channel, accumulator),
        )
        with m.If(~self.start):
            m.d.comb += before.eq(accumulator)
        with m.Elif(self.resume):
            m.d.comb += before.eq(kept)
        addends = [Mux(self.filling, rows, word) for rows, word in zip(self._sums(), words, strict=True)]
        m.d.sync += accumulator.eq(add_up(addends) + before)
        m.d.comb += self.sum.eq(accumulator)
        return m

    def _sums(self) -> list[Value]:
        """What each slot's row adds."""
        return [
            add_up(
                [
                    shifted(self.pixels[slot], self.rows[slot], number, *limits)
                    for number, limits in enumerate(self.spec.terms)
                ]
            )
            for slot in range(self.spec.slots)
        ]


def _memory(
    m: Module, name: str, width: int, depth: int, address: Value, write: tuple[Value, Value, Value]
) -> Value:
    """A memory written by (enable, address, value); what it holds at ``address``, one cycle later."""
    m.submodules[name] = memory = Memory(shape=width, depth=depth, init=[])
    port, read = memory.write_port(), memory.read_port()
    m.d.comb += [port.en.eq(write[0]), port.addr.eq(write[1]), port.data.eq(write[2]), read.addr.eq(address)]
    return read.data
