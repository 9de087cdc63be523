"""The course of a layer: which tile runs, and when its input is there.

The input of a layer may be loaded while the layer before runs, whose input is complete by then: from
``load`` on columns are counted for the layer that is loaded, and the running one finds all that it needs.
"""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.addresses import TILE_WIDTH
from shiftbook.golden.isa.layer_registers import LayerRegister
from shiftbook.golden.spec import MAX_RING, Spec
from shiftbook.hw.system.layer_registers import settings

NEEDS = (
    LayerRegister.TILE_ROWS,
    LayerRegister.TILE_COLS,
    LayerRegister.LEFT,
    LayerRegister.RIGHT,
    LayerRegister.APART,
)
"""Registers of the layer that the course of its tiles needs."""


class TileControl(wiring.Component):
    """Starts the engine on one tile after another, and keeps account of the columns in the banks.

    Parameters
    ----------
    spec
        Latency of the lookup.

    Members
    -------
    clear : In(1)
        Forget everything.
    load : In(1)
        Strobe: the input of a layer is loaded from now on. All that of the one before is.
    run : In(1)
        Strobe: its tiles run, and those of the layer before have.
    ring : In(3)
        Of the layer that is loaded: ones in the bits that count the columns of the banks' ring.
    layer : In(Signature)
        Its settings, see `hw.system.layer_registers.settings`, those of `NEEDS`.
    claim : In(1)
        Strobe: a column will be loaded.
    loaded : In(1)
        Strobe: a column is complete.
    may_load : Out(1)
        The banks have room for another column.
    ahead : Out(1)
        The layer that is loaded does not run yet.
    ready : In(1)
        The streams are at their beginning.
    busy : In(1)
        The engine runs a tile.
    start : Out(1)
        Strobe: begin a tile.
    column : Out(3)
        See `hw.engine.engine.Engine`.
    waiting : Out(1)
        The engine could run a tile, but its input is not there.
    over : Out(1)
        All tiles were run; from the cycle after ``run`` on.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "clear": In(1),
                "load": In(1),
                "run": In(1),
                "ring": In(MAX_RING),
                "layer": In(settings(spec, NEEDS)),
                "claim": In(1),
                "loaded": In(1),
                "may_load": Out(1),
                "ahead": Out(1),
                "ready": In(1),
                "busy": In(1),
                "start": Out(1),
                "column": Out(MAX_RING),
                "waiting": Out(1),
                "over": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        columns = range(1 << MAX_RING | 1)
        claimed = Signal(columns)  # columns whose place in the banks is taken
        held = Signal(columns)  # columns that are there for this tile and those that follow
        rows_left = Signal(TILE_WIDTH)  # of the running layer, the running row included
        tiles_left = Signal(TILE_WIDTH)  # of the row, the running one included
        row_tiles = Signal(TILE_WIDTH)
        running = Signal()  # a tile was started and is not over
        comes = Signal(range(4))  # columns that a tile of the layer that is loaded needs
        needed = Signal(range(4))  # the same of the running layer
        released = Signal(range(4))
        found = Signal()  # the next tile's columns are there
        tile_over, last = Signal(), Signal()
        following = Signal(MAX_RING)  # of the tile that is started next
        m.d.comb += [
            comes.eq(1 + self.layer.left + self.layer.right),
            found.eq(held >= Mux(self.ahead, comes, needed)),
            self.waiting.eq(Mux(self.ahead, self.over, ~self.over & ~running) & ~found),
            self.start.eq(
                (rows_left != 0) & ~running & ~self.busy & (self.ahead | found) & self.ready & ~self.clear
            ),
            last.eq(tiles_left == 1),
            tile_over.eq(running & ~self.busy),
            self.over.eq((rows_left == 0) & ~running),
        ]
        # What the engine has issued reaches the banks some cycles later.
        late = Signal(self.spec.lookup_cycles)
        late_last = Signal(self.spec.lookup_cycles)
        used = ~self.over | late.any()  # the running layer reads its banks
        m.d.comb += [
            self.may_load.eq((claimed <= self.ring) & (self.layer.apart | ~(self.ahead & used))),
            released.eq(Mux(late[-1] & ~self.ahead, Mux(late_last[-1], needed, 1), 0)),
        ]
        m.d.sync += [
            late.eq(Cat(tile_over, late)),
            late_last.eq(Cat(last, late_last)),
            running.eq(self.start | (running & self.busy)),
            claimed.eq(claimed + self.claim - released),
            held.eq(held + self.loaded - Mux(tile_over & ~self.ahead, Mux(last, needed, 1), 0)),
        ]
        with m.If(self.start):
            m.d.sync += [self.column.eq(following), following.eq(following + Mux(last, needed, 1))]
        with m.If(tile_over):
            m.d.sync += tiles_left.eq(Mux(last, row_tiles, tiles_left - 1))
            with m.If(last):
                m.d.sync += rows_left.eq(rows_left - 1)
        with m.If(self.load):
            m.d.sync += [claimed.eq(0), held.eq(0), self.ahead.eq(1)]
        with m.If(self.run):
            m.d.sync += [
                self.ahead.eq(0),
                late.eq(0),
                rows_left.eq(self.layer.tile_rows),
                tiles_left.eq(self.layer.tile_cols),
                row_tiles.eq(self.layer.tile_cols),
                needed.eq(comes),
                following.eq(self.layer.left),
            ]
        with m.If(self.clear):
            m.d.sync += [signal.eq(0) for signal in (claimed, held, late, running, rows_left, self.ahead)]
        return m
