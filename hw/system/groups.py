"""Counting the output channels of all tiles by groups."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from golden.spec import Spec
from hw.system.interfaces import TILE_WIDTH


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
        Channels of a tile; not 0.
    tiles : In(16)
        Tiles; not 0.
    next : In(1)
        Strobe: go on to the next group.
    size : Out(range(group_channels + 1))
        Channels of this group.
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
        left = Signal(self.spec.channel_counter_width)  # channels of the tile
        tiles = Signal(TILE_WIDTH)  # tiles, this one included
        m.d.comb += [
            self.last_of_tile.eq(left <= most),
            self.size.eq(Mux(self.last_of_tile, left, most)),
            self.over.eq(tiles == 0),
        ]
        with m.If(self.begin):
            m.d.sync += [left.eq(self.channels), tiles.eq(self.tiles)]
        with m.Elif(self.next):
            m.d.sync += left.eq(Mux(self.last_of_tile, self.channels, left - most))
            m.d.sync += tiles.eq(tiles - self.last_of_tile)
        return m
