"""The first half of the loader: walks through the input of a layer and asks the bus for it.

The images of a batch are rows of tiles one after another. Each has padding of its own above and below.

The layer that writes this input may still run. What a column needs of it was written in the first so many
bursts: the program says how many.
"""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.enum import Enum
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.addresses import BURST_WIDTH, TILE_WIDTH, beat_address_width
from shiftbook.golden.isa.layer_registers import LayerRegister
from shiftbook.golden.spec import Spec
from shiftbook.hw.system.interfaces import read_request
from shiftbook.hw.system.layer_registers import settings
from shiftbook.hw.system.segments import Kind, segment


class State(Enum):
    """What the planner does."""

    IDLE = 0
    ROW = 1  # begin a row of tiles
    COLUMN = 2  # wait for room for a column
    BLOCK = 3  # begin a column of blocks
    SEGMENT = 4  # tell the other half
    ASK = 5  # ask for the pixels of all channels
    NEXT = 6  # go on to the next beat of the blocks


NEEDS = (
    LayerRegister.TILE_ROWS,
    LayerRegister.TILE_COLS,
    LayerRegister.LEFT,
    LayerRegister.RIGHT,
    LayerRegister.SOURCE,
    LayerRegister.SOURCE_ROW_STEP,
    LayerRegister.SOURCE_BLOCK_STEP,
    LayerRegister.SOURCE_BEAT_STEP,
    LayerRegister.SOURCE_SKIP,
    LayerRegister.CHANNELS,
    LayerRegister.FIRST_BLOCK,
    LayerRegister.FIRST_BEAT,
    LayerRegister.ROW_BEATS,
    LayerRegister.LAST_BLOCK,
    LayerRegister.BLOCK_ROWS,
    LayerRegister.BLOCK_COLS,
    LayerRegister.STRIDED,
    LayerRegister.AFTER,
    LayerRegister.AFTER_ROW_STEP,
    LayerRegister.AFTER_COLUMN_STEP,
    LayerRegister.IMAGE_ROWS,
    LayerRegister.SOURCE_IMAGE_STEP,
)
"""Registers of the layer that the planner needs."""


class Walk:
    """Where a planner is: in a row of tiles, a column of that, a column of blocks of that, a beat of that."""

    def __init__(self, planner: LoadPlanner) -> None:
        spec, place = planner.spec, planner.segments.payload
        wide = beat_address_width(spec)
        # Addresses, in beats: of the row of tiles, the column of blocks, what is asked for next.
        self.row, self.column, self.beat = (
            Signal(wide, name=f"{name}_address") for name in ("row", "column", "beat")
        )
        self.rows_left = Signal(TILE_WIDTH)
        self.image_rows_left = Signal(TILE_WIDTH)
        self.columns_left = Signal(TILE_WIDTH + 2)
        self.beats_left = Signal(len(planner.layer.row_beats))
        self.channels_left = Signal.like(planner.layer.channels)  # of the beat, not asked for
        self.first_row = Signal(signed(TILE_WIDTH + 2))  # row of blocks where this row of tiles begins
        self.block_row = Signal(signed(TILE_WIDTH + 2))
        self.block_column = Signal(signed(TILE_WIDTH + 2))
        self.number = Signal.like(place.column)  # of the column
        self.odd = Signal()  # the second column of blocks of two
        self.block = Signal.like(place.block)
        self.beat_of_block = Signal(range(spec.block_beats))
        self.last_beat, self.last_block = Signal(), Signal()
        self.in_rows, self.in_columns = Signal(), Signal()
        # Bursts that must be in memory: for the row of tiles, for the next column.
        self.row_needs, self.needs = Signal(BURST_WIDTH), Signal(BURST_WIDTH)


class LoadPlanner(wiring.Component):
    """Rows of tiles, columns of each (those beside the tiles too), with stride 2 two columns of blocks in
    each, and the beats of these that a tile needs: a segment each.

    Parameters
    ----------
    spec
        Grid, bus.

    Members
    -------
    clear : In(1)
        Forget everything.
    begin : In(1)
        Strobe: a layer begins.
    base : In(beat_address_width)
        What the input's address is from, in beats: the program's, or 0 in the tensor buffer.
    may_load : In(1)
        The banks have room for another column.
    settled : In(1)
        Memory has all outputs of the layers before the one that runs.
    ahead : In(1)
        The layer that runs is the one before this.
    written : In(BURST_WIDTH)
        Bursts of that one's outputs that memory has.
    complete : In(1)
        It has all of them.
    claim : Out(1)
        Strobe: a column will be loaded.
    busy : Out(1)
        Not all was asked for.
    request : Out(Signature)
        To the bus.
    segments : Out(stream)
        See `hw.system.segments.segment`, in the order of the answers.
    layer : In(Signature)
        See `hw.system.layer_registers.settings`, those of `NEEDS`.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "clear": In(1),
                "begin": In(1),
                "base": In(beat_address_width(spec)),
                "may_load": In(1),
                "settled": In(1),
                "ahead": In(1),
                "written": In(BURST_WIDTH),
                "complete": In(1),
                "claim": Out(1),
                "busy": Out(1),
                "request": Out(read_request(spec)),
                "segments": Out(stream.Signature(segment(spec))),
                "layer": In(settings(spec, NEEDS)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        at = Walk(self)
        self._look(m, at)
        if self.spec.tensor_kib:
            m.d.comb += self.request.local.eq(self.layer.source[-1])
        state = Signal(State)
        m.d.comb += self.busy.eq(state != State.IDLE)
        with m.Switch(state):
            with m.Case(State.ROW):
                m.d.sync += [
                    at.column.eq(at.row),
                    at.columns_left.eq(self.layer.tile_cols + self.layer.left + self.layer.right),
                    at.block_column.eq(-(self.layer.left << self.layer.strided)),
                    at.needs.eq(at.row_needs),
                    state.eq(State.COLUMN),
                ]
            with m.Case(State.COLUMN):
                self._begin_column(m, at, state)
            with m.Case(State.BLOCK):
                m.d.sync += [
                    at.beat.eq(at.column),
                    at.block.eq(self.layer.first_block),
                    at.beat_of_block.eq(self.layer.first_beat),
                    at.beats_left.eq(self.layer.row_beats),
                    state.eq(State.SEGMENT),
                ]
            with m.Case(State.SEGMENT):
                m.d.comb += self.segments.valid.eq(1)
                m.d.sync += at.channels_left.eq(self.layer.channels)
                with m.If(self.segments.ready):
                    m.d.sync += state.eq(Mux(at.in_rows & at.in_columns, State.ASK, State.NEXT))
            with m.Case(State.ASK):
                self._ask(m, at, state)
            with m.Case(State.NEXT):
                self._go_on(m, at, state)
        with m.If(self.begin):
            m.d.sync += [
                at.row.eq(self.base + self.layer.source),
                at.rows_left.eq(self.layer.tile_rows),
                at.image_rows_left.eq(self.layer.image_rows),
                at.row_needs.eq(self.layer.after),
                at.first_row.eq(0),
                at.number.eq(0),
                at.odd.eq(0),
                state.eq(State.ROW),
            ]
        with m.If(self.clear):
            m.d.sync += state.eq(State.IDLE)
        return m

    def _look(self, m: Module, at: Walk) -> None:
        """What is at this place, for the bus and for the other half."""
        place = self.segments.payload
        m.d.comb += [
            at.block_row.eq(at.first_row + at.block),
            at.in_rows.eq((at.block_row >= 0) & (at.block_row < self.layer.block_rows)),
            at.in_columns.eq((at.block_column >= 0) & (at.block_column < self.layer.block_cols)),
            at.last_beat.eq((at.beats_left == 1) | ~at.in_columns),
            at.last_block.eq(at.odd | ~self.layer.strided),
            self.request.address.eq(at.beat),
            self.request.beats.eq(at.channels_left),
            place.kind.eq(Mux(at.in_columns, Mux(at.in_rows, Kind.PIXELS, Kind.ROWS), Kind.COLUMN)),
            place.column.eq(at.number),
            place.odd.eq(at.odd),
            place.block.eq(at.block),
            place.beat.eq(at.beat_of_block),
            place.first.eq(at.block == self.layer.first_block),
            place.last.eq(at.block == self.layer.last_block),
            place.last_row.eq(at.block_row == self.layer.block_rows - 1),
            place.last_column.eq(at.block_column == self.layer.block_cols - 1),
            place.ends.eq(at.last_beat & at.last_block),
        ]

    def _begin_column(self, m: Module, at: Walk, state: Signal) -> None:
        """Claim room for a column that is in memory, or go on to the next row of tiles."""
        there = self.settled & (~self.ahead | self.complete | (self.written >= at.needs))
        ends = at.image_rows_left == 1  # the last row of an image; never where 0 says that there is one
        step = Mux(ends, self.layer.source_image_step, self.layer.source_row_step)
        with m.If(at.columns_left == 0):
            m.d.sync += [
                at.rows_left.eq(at.rows_left - 1),
                at.image_rows_left.eq(Mux(ends, self.layer.image_rows, at.image_rows_left - 1)),
                at.row.eq(at.row + step),
                at.row_needs.eq(at.row_needs + self.layer.after_row_step),
                at.first_row.eq(Mux(ends, 0, at.first_row + 1 + self.layer.strided)),
                state.eq(Mux(at.rows_left == 1, State.IDLE, State.ROW)),
            ]
        with m.Elif(self.may_load & there):
            m.d.comb += self.claim.eq(1)
            m.d.sync += [
                at.columns_left.eq(at.columns_left - 1),
                at.needs.eq(at.needs + self.layer.after_column_step),
                state.eq(State.BLOCK),
            ]

    def _ask(self, m: Module, at: Walk, state: Signal) -> None:
        """Ask for the pixels of all channels, a burst at a time."""
        granted = self.request.granted
        m.d.comb += self.request.valid.eq(1)
        with m.If(self.request.grant):
            m.d.sync += [at.beat.eq(at.beat + granted), at.channels_left.eq(at.channels_left - granted)]
            with m.If(granted == at.channels_left):
                # the steps are counted from the first channel
                m.d.sync += [at.beat.eq(at.beat + granted - self.layer.channels), state.eq(State.NEXT)]

    def _go_on(self, m: Module, at: Walk, state: Signal) -> None:
        """To the next beat of this column of blocks, to the next column of blocks, or of tiles."""
        with m.If(at.last_beat):
            m.d.sync += [
                at.odd.eq(~at.last_block),
                at.number.eq(at.number + at.last_block),
                at.block_column.eq(at.block_column + 1),
                at.column.eq(at.column + self.layer.source_block_step),
                state.eq(Mux(at.last_block, State.COLUMN, State.BLOCK)),
            ]
        with m.Else():
            m.d.sync += [at.beats_left.eq(at.beats_left - 1), state.eq(State.SEGMENT)]
            with m.If(at.beat_of_block == self.spec.block_beats - 1):
                m.d.sync += [
                    at.beat_of_block.eq(0),
                    at.block.eq(at.block + 1),
                    at.beat.eq(at.beat + self.layer.source_skip),
                ]
            with m.Else():
                m.d.sync += [
                    at.beat_of_block.eq(at.beat_of_block + 1),
                    at.beat.eq(at.beat + self.layer.source_beat_step),
                ]
