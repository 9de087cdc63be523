"""Counting the output channels of all tiles by groups."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.addresses import TILE_WIDTH
from shiftbook.golden.spec import PARTIAL_BYTES, Spec


class Groups(wiring.Component):
    """The groups in which the channels of one tile after another are moved.

    Parameters
    ----------
    spec
        Size of a group.

    Members
    -------
    begin : In(1)
        Strobe: start with the first group of the first tile.
    channels : In(channel_counter_width)
        Output channels of a tile; not 0.
    partial : In(1)
        Each is a partial sum, of `golden.spec.PARTIAL_BYTES` channels in memory.
    tiles : In(16)
        Tiles; not 0.
    next : In(1)
        Strobe: go on to the next group.
    size : Out(range(group_channels + 1))
        Channels in memory of this group.
    last_of_tile : Out(1)
        It is the last one of its tile.
    over : Out(1)
        There is no group left.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "begin": In(1),
                "channels": In(spec.channel_counter_width),
                "partial": In(1),
                "tiles": In(TILE_WIDTH),
                "next": In(1),
                "size": Out(range(spec.group_channels + 1)),
                "last_of_tile": Out(1),
                "over": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        most = self.spec.group_channels
        whole = Mux(self.partial, self.channels * PARTIAL_BYTES, self.channels)
        left = Signal.like(whole)  # channels of the tile
        tiles = Signal(TILE_WIDTH)  # tiles, this one included
        m.d.comb += [
            self.last_of_tile.eq(left <= most),
            self.size.eq(Mux(self.last_of_tile, left, most)),
            self.over.eq(tiles == 0),
        ]
        with m.If(self.begin):
            m.d.sync += [left.eq(whole), tiles.eq(self.tiles)]
        with m.Elif(self.next):
            m.d.sync += left.eq(Mux(self.last_of_tile, whole, left - most))
            m.d.sync += tiles.eq(tiles - self.last_of_tile)
        return m
