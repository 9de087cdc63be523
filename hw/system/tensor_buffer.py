"""Tensors that stay on the chip: a memory that takes bursts of the store and answers bursts of the readers.

Both masters give it the bursts whose tensors lie in it, and memory all others. It never makes the store wait,
and it reads no further ahead than one beat.
"""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import Spec
from shiftbook.hw.system.burst_queue import burst_queue


class TensorBuffer(wiring.Component):
    """A word is a beat of the bus. One port is written, byte by byte where need be, and one is read.

    Bursts are answered in their order. None crosses a multiple of the longest one, nor so the last word.

    Parameters
    ----------
    spec
        Words, bytes of each, longest burst, bursts that may be under way.

    Members
    -------
    address : In(stream)
        {word, more_beats}: where a burst begins that is read, and its beats minus 1. Always ready: no more
        than ``spec.outstanding`` may be under way.
    read : Out(stream)
        {data, last}: its beats.
    write : In(1)
        ``data`` is written.
    word : In(range(tensor_words))
        Where the burst begins whose beat it is.
    data : In(8 * bus_bytes)
        The beat.
    strb : In(bus_bytes)
        Which of its bytes are written.
    last : In(1)
        It is the burst's last.

    Latency
    -------
    Two cycles from ``address`` to the first beat; then a beat a cycle, from burst to burst, too.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._burst = data.StructLayout(
            {"word": range(spec.tensor_words), "more_beats": (spec.burst_beats - 1).bit_length()}
        )
        beat = data.StructLayout({"data": 8 * spec.bus_bytes, "last": 1})
        super().__init__(
            {
                "address": In(stream.Signature(self._burst, always_ready=True)),
                "read": Out(stream.Signature(beat)),
                "write": In(1),
                "word": In(range(spec.tensor_words)),
                "data": In(8 * spec.bus_bytes),
                "strb": In(spec.bus_bytes),
                "last": In(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        m.submodules.memory = memory = Memory(shape=8 * spec.bus_bytes, depth=spec.tensor_words, init=[])
        self._write(m, memory)
        self._read(m, memory)
        return m

    def _write(self, m: Module, memory: Memory) -> None:
        port = memory.write_port(granularity=8)
        number = Signal(range(self.spec.burst_beats))
        m.d.comb += [
            port.addr.eq(self._within(self.word, number)),
            port.data.eq(self.data),
            port.en.eq(Mux(self.write, self.strb, 0)),
        ]
        with m.If(self.write):
            m.d.sync += number.eq(Mux(self.last, 0, number + 1))

    def _read(self, m: Module, memory: Memory) -> None:
        """Keep a beat in the memory's output until it is taken."""
        port = memory.read_port()
        entry, burst = Signal(self._burst), Signal(self._burst)
        number = Signal(range(self.spec.burst_beats))
        put, fetch, ends, got = Signal(), Signal(), Signal(), Signal()
        waiting = burst_queue(m, entry, burst, put, got, self.spec.outstanding)
        m.d.comb += [
            put.eq(self.address.valid),
            entry.eq(self.address.payload),
            got.eq(fetch & ends),
            fetch.eq((waiting != 0) & (~self.read.valid | self.read.ready)),
            ends.eq(number == burst.more_beats),
            port.en.eq(fetch),
            port.addr.eq(self._within(burst.word, number)),
            self.read.payload.data.eq(port.data),
        ]
        with m.If(self.read.ready | fetch):
            m.d.sync += self.read.valid.eq(fetch)
        with m.If(fetch):
            m.d.sync += [number.eq(Mux(ends, 0, number + 1)), self.read.payload.last.eq(ends)]

    def _within(self, word: Value, number: Value) -> Value:
        """A word of the burst that begins at ``word``."""
        bits = len(number)
        return Cat((word[:bits] + number)[:bits], word[bits:])
