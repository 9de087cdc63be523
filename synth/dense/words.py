"""A memory with one port that writes and one that reads."""

from __future__ import annotations

from amaranth import Elaboratable, Module
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out


class Words(wiring.Component):
    """A memory.

    Parameters
    ----------
    width
        Bits of a word.
    depth
        Words.

    Members
    -------
    write : In(1)
        Strobe: write ``data``.
    write_address : In(ceil(log2(depth)))
        Where.
    data : In(width)
        What.
    address : In(ceil(log2(depth)))
        Of the word to read.
    word : Out(width)
        It, one cycle later.

    Latency
    -------
    One cycle.
    """

    def __init__(self, width: int, depth: int) -> None:
        self.width = width
        self.depth = depth
        address = (depth - 1).bit_length()
        super().__init__(
            {
                "write": In(1),
                "write_address": In(address),
                "data": In(width),
                "address": In(address),
                "word": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_address),
            write.data.eq(self.data),
            read.addr.eq(self.address),
            self.word.eq(read.data),
        ]
        return m
