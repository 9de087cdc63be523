"""CRC-32C of several bytes a cycle."""

from __future__ import annotations

from functools import cache

import numpy as np
from amaranth import Cat, Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.checksum import POLYNOMIAL
from shiftbook.hw.system.xor_network import XorNetwork, share

WIDTH = 32
"""Bits of the register. It begins with ones, and its complement is the checksum."""


class Crc(wiring.Component):
    """The register after some more bytes; see `golden.isa.checksum`.

    Parameters
    ----------
    size
        Bytes a cycle, at least those of the register.

    Members
    -------
    register : In(32)
        After all bytes before.
    data : In(8 * size)
        The first byte is the least significant one.
    following : Out(32)
        After these bytes too.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__({"register": In(WIDTH), "data": In(8 * size), "following": Out(WIDTH)})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        network = crc_network(self.size)
        entering = Signal.like(self.data)
        m.d.comb += entering.eq(self.data ^ self.register)
        nodes = list(entering)
        for number, (first, second) in enumerate(network.pairs):
            node = Signal(name=f"shared_{number}")
            m.d.comb += node.eq(nodes[first] ^ nodes[second])
            nodes.append(node)
        for bit, taken in zip(self.following, network.outputs, strict=True):
            m.d.comb += bit.eq(Cat(nodes[node] for node in taken).xor())
        return m


@cache
def crc_network(size: int) -> XorNetwork:
    """The register after ``size`` bytes, as a function of these bytes; the register before is added to the
    first four.
    """
    register = 1
    columns = []  # what a bit makes of the register after it and so many more
    for _ in range(8 * size):
        register = register >> 1 ^ (POLYNOMIAL if register & 1 else 0)
        columns.append(register)
    return share(np.array(columns[::-1], np.uint32))
