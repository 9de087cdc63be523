"""The first half of the loader: walks through the input of a layer and asks the bus for it."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal, signed
from amaranth.lib import stream, wiring
from amaranth.lib.enum import Enum
from amaranth.lib.wiring import In, Out

from golden.spec import Spec
from hw.layouts import shape
from hw.system.interfaces import TILE_WIDTH, beat_address_width, read_request
from hw.system.layer_registers import LayerRegister, layer_fields
from hw.system.segments import Kind, segment


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
)


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
        Address of the program, in beats.
    may_load : In(1)
        The banks have room for another column.
    claim : Out(1)
        Strobe: a column will be loaded.
    request : Out(Signature)
        To the bus.
    segments : Out(stream)
        See `hw.system.segments.segment`, in the order of the answers.
    tile_rows : In(16)
        Register, see `hw.system.layer_registers`; so are all below.
    tile_cols : In(16)
        Register.
    left : In(1)
        Register.
    right : In(1)
        Register.
    source : In(beat_address_width)
        Register.
    source_row_step : In(beat_address_width)
        Register.
    source_block_step : In(beat_address_width)
        Register.
    source_beat_step : In(16)
        Register.
    source_skip : In(beat_address_width)
        Register.
    channels : In(channel_counter_width)
        Register.
    first_block : In(2)
        Register; signed.
    first_beat : In(2)
        Register.
    row_beats : In(8)
        Register.
    last_block : In(4)
        Register; signed.
    block_rows : In(16)
        Register.
    block_cols : In(16)
        Register.
    strided : In(1)
        Register.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        fields = layer_fields(spec)
        super().__init__(
            {
                "clear": In(1),
                "begin": In(1),
                "base": In(beat_address_width(spec)),
                "may_load": In(1),
                "claim": Out(1),
                "request": Out(read_request(spec)),
                "segments": Out(stream.Signature(segment(spec))),
                **{fields[register].name: In(shape(fields[register])) for register in NEEDS},
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        wide = beat_address_width(self.spec)
        row, column, beat = (Signal(wide, name=f"{name}_address") for name in ("row", "column", "beat"))
        rows_left = Signal(TILE_WIDTH)
        columns_left = Signal(TILE_WIDTH + 2)
        beats_left = Signal(len(self.row_beats))
        first_row = Signal(signed(TILE_WIDTH + 2))  # row of blocks where this row of tiles begins
        block_row = Signal(signed(TILE_WIDTH + 2))
        block_column = Signal(signed(TILE_WIDTH + 2))
        place = self.segments.payload
        number = Signal.like(place.column)
        odd = Signal()
        block = Signal.like(place.block)
        beat_of_block = Signal(range(self.spec.block_beats))
        last_beat, last_block, in_rows, in_columns = Signal(), Signal(), Signal(), Signal()
        left = Signal.like(self.channels)  # channels of the beat that were not asked for
        m.d.comb += [
            block_row.eq(first_row + block),
            in_rows.eq((block_row >= 0) & (block_row < self.block_rows)),
            in_columns.eq((block_column >= 0) & (block_column < self.block_cols)),
            last_beat.eq((beats_left == 1) | ~in_columns),
            last_block.eq(odd | ~self.strided),
            self.request.address.eq(beat),
            self.request.beats.eq(left),
            place.kind.eq(Mux(in_columns, Mux(in_rows, Kind.PIXELS, Kind.ROWS), Kind.COLUMN)),
            place.column.eq(number),
            place.odd.eq(odd),
            place.block.eq(block),
            place.beat.eq(beat_of_block),
            place.first.eq(block == self.first_block),
            place.last.eq(block == self.last_block),
            place.last_row.eq(block_row == self.block_rows - 1),
            place.last_column.eq(block_column == self.block_cols - 1),
            place.ends.eq(last_beat & last_block),
        ]
        state = Signal(State)
        with m.Switch(state):
            with m.Case(State.ROW):
                m.d.sync += [
                    column.eq(row),
                    columns_left.eq(self.tile_cols + self.left + self.right),
                    block_column.eq(-(self.left << self.strided)),
                    state.eq(State.COLUMN),
                ]
            with m.Case(State.COLUMN):
                with m.If(columns_left == 0):
                    m.d.sync += [
                        rows_left.eq(rows_left - 1),
                        row.eq(row + self.source_row_step),
                        first_row.eq(first_row + 1 + self.strided),
                        state.eq(Mux(rows_left == 1, State.IDLE, State.ROW)),
                    ]
                with m.Elif(self.may_load):
                    m.d.comb += self.claim.eq(1)
                    m.d.sync += [columns_left.eq(columns_left - 1), state.eq(State.BLOCK)]
            with m.Case(State.BLOCK):
                m.d.sync += [
                    beat.eq(column),
                    block.eq(self.first_block),
                    beat_of_block.eq(self.first_beat),
                    beats_left.eq(self.row_beats),
                    state.eq(State.SEGMENT),
                ]
            with m.Case(State.SEGMENT):
                m.d.comb += self.segments.valid.eq(1)
                m.d.sync += left.eq(self.channels)
                with m.If(self.segments.ready):
                    m.d.sync += state.eq(Mux(in_rows & in_columns, State.ASK, State.NEXT))
            with m.Case(State.ASK):
                m.d.comb += self.request.valid.eq(1)
                with m.If(self.request.grant):
                    m.d.sync += [beat.eq(beat + self.request.granted), left.eq(left - self.request.granted)]
                    with m.If(self.request.granted == left):
                        # the steps are counted from the first channel
                        m.d.sync += [
                            beat.eq(beat + self.request.granted - self.channels),
                            state.eq(State.NEXT),
                        ]
            with m.Case(State.NEXT):
                with m.If(last_beat):
                    m.d.sync += [
                        odd.eq(~last_block),
                        number.eq(number + last_block),
                        block_column.eq(block_column + 1),
                        column.eq(column + self.source_block_step),
                        state.eq(Mux(last_block, State.COLUMN, State.BLOCK)),
                    ]
                with m.Else():
                    m.d.sync += [beats_left.eq(beats_left - 1), state.eq(State.SEGMENT)]
                    with m.If(beat_of_block == self.spec.block_beats - 1):
                        m.d.sync += [
                            beat_of_block.eq(0),
                            block.eq(block + 1),
                            beat.eq(beat + self.source_skip),
                        ]
                    with m.Else():
                        m.d.sync += [
                            beat_of_block.eq(beat_of_block + 1),
                            beat.eq(beat + self.source_beat_step),
                        ]
        with m.If(self.begin):
            m.d.sync += [
                row.eq(self.base + self.source),
                rows_left.eq(self.tile_rows),
                first_row.eq(0),
                number.eq(0),
                odd.eq(0),
                state.eq(State.ROW),
            ]
        with m.If(self.clear):
            m.d.sync += state.eq(State.IDLE)
        return m
