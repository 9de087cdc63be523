"""The second half of the loader: from beats of the bus to words of the activation banks."""

from __future__ import annotations

from typing import NamedTuple

from amaranth import Array, Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.layer_registers import LayerRegister, owner_width
from shiftbook.golden.isa.registers import DATA_WIDTH, INDEX_WIDTH, Region
from shiftbook.golden.mapping.tiles import half
from shiftbook.golden.spec import ACTIVATION_WIDTH, MAX_RING, Spec
from shiftbook.hw.engine.layouts import addressing, config_word, place_of_column, tile_write
from shiftbook.hw.system.layer_registers import settings
from shiftbook.hw.system.segments import Kind, segment

NEEDS = (
    LayerRegister.STRIDED,
    LayerRegister.SCATTERED,
    LayerRegister.CHANNELS,
    LayerRegister.LOCAL_CHANNELS,
    LayerRegister.LAST_ROWS,
    LayerRegister.LAST_COLS,
    LayerRegister.FIRST_BANKS,
    LayerRegister.LAST_BANKS,
    LayerRegister.PAD,
)
"""Registers of the layer that the writer needs."""


class Way(NamedTuple):
    """The pixel of a block that a bank of one axis takes, in one mode, and whether it is odd."""

    pixel: int
    parity: int


def ways(lanes: int) -> list[tuple[Way, Way, Way]]:
    """For each bank of an axis the pixels it takes: at stride 1; at stride 2 from even blocks; from odd ones.

    See `golden.mapping.tiles`: with stride 2 the pixels 2 k of an even block lie in the banks k, and the
    others in the banks from ``half(lanes)`` on. In odd blocks it is the other way round where the lanes are
    even in number.
    """
    result = []
    for bank in range(lanes):
        low, k = bank < half(lanes), bank % half(lanes)
        even = Way(2 * k if low else 2 * k + 1, int(not low))
        odd = Way(2 * k + 1 if low else 2 * k, int(low)) if lanes % 2 == 0 else even
        result.append((Way(bank, bank % 2), even, odd))
    return result


class LoadWriter(wiring.Component):
    """Writes a beat a cycle; padding is written to all slots at once.

    Parameters
    ----------
    spec
        Grid, banks, bus.

    Members
    -------
    config : In(StructLayout)
        See `hw.engine.layouts.config_word`; while ``configure``. ``Region.OWNERS`` says which slot holds
        a channel.
    configure : In(1)
        ``config`` is a write.
    clear : In(1)
        Forget everything.
    addressing : In(StructLayout)
        See `hw.engine.layouts.addressing`.
    layer : In(Signature)
        See `hw.system.layer_registers.settings`, those of `NEEDS`.
    segments : In(stream)
        See `hw.system.segments.segment`.
    beats : In(stream)
        Their pixels, in order.
    write : Out(StructLayout)
        See `hw.engine.layouts.tile_write`.
    loaded : Out(1)
        Strobe: a column is complete, from the next cycle on.
    busy : Out(1)
        Something is written, or was in this cycle.

    Latency
    -------
    One cycle.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "config": In(config_word()),
                "configure": In(1),
                "clear": In(1),
                "addressing": In(addressing()),
                "layer": In(settings(spec, NEEDS)),
                "segments": In(stream.Signature(segment(spec))),
                "beats": In(stream.Signature(8 * spec.bus_bytes)),
                "write": Out(tile_write(spec)),
                "loaded": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        now = Signal(segment(self.spec))
        running = Signal()
        pixels = Signal()  # of the segment, not padding
        step, last = Signal(), Signal()
        m.d.comb += [
            pixels.eq(now.kind == Kind.PIXELS),
            step.eq(running & (self.beats.valid | ~pixels)),
            self.beats.ready.eq(running & pixels),
            self.segments.ready.eq(~running | (step & last)),
            self.busy.eq(running | self.loaded | self.write.slots.any()),
        ]
        m.d.sync += self.loaded.eq(step & last & now.ends & ~self.clear)
        with m.If(self.segments.ready):
            m.d.sync += [running.eq(self.segments.valid), now.eq(self.segments.payload)]
        with m.If(self.clear):
            m.d.sync += running.eq(0)
        write = Signal(tile_write(self.spec))
        far, phase = self._count(m, write, now, pixels, step, last)
        self._rows(m, write, now, far, phase)
        self._columns(m, write, now)
        self._plane(m, write, now, pixels)
        m.d.sync += self.write.eq(write)
        return m

    def _count(
        self, m: Module, write: data.View, now: data.View, pixels: Signal, step: Signal, last: Signal
    ) -> tuple[Signal, Signal]:
        """Channels of the segment, and of a padded column all kinds of rows; slots and address of each."""
        spec = self.spec
        owner = self._owner(m, step, last)
        channel = Signal(spec.channel_counter_width)  # of the input, or while padding, of a slot
        counts = [Signal(spec.address_width, name=f"count_{slot}") for slot in range(spec.slots)]
        far, phase = Signal(), Signal()  # while a whole column is padded
        last_channel = Signal()
        every = ~pixels | self.layer.scattered
        m.d.comb += [
            last_channel.eq(channel == Mux(pixels, self.layer.channels, self.layer.local_channels) - 1),
            last.eq(
                last_channel
                & (
                    (now.kind != Kind.COLUMN)
                    | ((far | ~self.addressing.halo_rows) & (phase | ~self.addressing.phased))
                )
            ),
            write.slots.eq(Mux(step, Mux(every, (1 << spec.slots) - 1, 1 << owner), 0)),
            write.channel.eq(Mux(every, channel, Array(counts)[owner])),
        ]
        with m.If(step):
            m.d.sync += channel.eq(Mux(last_channel, 0, channel + 1))
            for slot, count in enumerate(counts):
                m.d.sync += count.eq(Mux(last_channel, 0, count + (pixels & (owner == slot))))
            with m.If(last_channel):
                m.d.sync += far.eq(~far & self.addressing.halo_rows & ~last)
                with m.If(far | ~self.addressing.halo_rows):
                    m.d.sync += phase.eq(~phase & self.addressing.phased & ~last)
        with m.If(self.clear):
            m.d.sync += [channel.eq(0), far.eq(0), phase.eq(0), *(count.eq(0) for count in counts)]
        return far, phase

    def _owner(self, m: Module, step: Signal, last: Signal) -> Value:
        """The slot that holds the channel that is written, from a memory of several channels a word."""
        spec = self.spec
        width = owner_width(spec)
        if not width:
            return Const(0)
        each = DATA_WIDTH // width
        depth = (1 << spec.channel_counter_width) // each
        m.submodules.owners = memory = Memory(shape=DATA_WIDTH, depth=depth, init=[])
        write, read = memory.write_port(), memory.read_port()
        region, index = self.config.address[INDEX_WIDTH:], self.config.address[:INDEX_WIDTH]
        channel = Signal(spec.channel_counter_width)
        following = Signal.like(channel)
        bits = each.bit_length() - 1
        m.d.comb += [
            following.eq(channel),
            write.en.eq(self.configure & (region == Region.OWNERS)),
            write.addr.eq(index),
            write.data.eq(self.config.data),
            read.addr.eq(following >> bits),
        ]
        with m.If(step & self.beats.ready):
            m.d.comb += following.eq(Mux(last, 0, channel + 1))
        with m.If(self.clear):
            m.d.comb += following.eq(0)
        m.d.sync += channel.eq(following)
        return read.data.word_select(channel[:bits], width)

    def _rows(self, m: Module, write: data.View, now: data.View, far: Signal, phase: Signal) -> None:
        """Which rows of banks are written, and what that says of the address."""
        spec, layer = self.spec, self.layer
        lower, upper = now.block >> 1, (now.block + 1) >> 1  # blocks of the tile, of even and of odd pixels
        if spec.rows % 2:
            lower, upper = upper, lower
        fars = [
            Mux(layer.strided, lower != 0, now.block != 0),
            Mux(layer.strided, upper != 0, now.block != 0),
        ]
        turned = now.block[0] if spec.rows % 2 else 0
        phases = [
            layer.strided & turned,
            layer.strided & ~turned if spec.rows % 2 else layer.strided,
        ]
        for bank, modes in enumerate(ways(spec.rows)):
            target = write.rows[bank]
            takes = [now.beat == way.pixel // spec.beat_rows for way in modes]
            needed = (~now.first | layer.first_banks[bank]) & (~now.last | layer.last_banks[bank])
            chosen = needed & Mux(layer.strided, Mux(now.block[0], takes[2], takes[1]), takes[0])
            is_odd = Mux(now.block[0], modes[2].parity, modes[1].parity)
            found_phase = Mux(is_odd, phases[1], phases[0])
            found_far = Mux(layer.strided, Mux(is_odd, fars[1], fars[0]), fars[0])
            m.d.comb += [
                target.far.eq(Mux(now.kind == Kind.COLUMN, far, found_far)),
                target.phase.eq(Mux(now.kind == Kind.COLUMN, phase, found_phase)),
                target.enable.eq(
                    (now.kind == Kind.COLUMN) | (chosen & (self.addressing.phased | ~found_phase))
                ),
            ]

    def _columns(self, m: Module, write: data.View, now: data.View) -> None:
        """Which halves of the columns of banks are written, and what that says of the address."""
        spec, layer = self.spec, self.layer
        following = now.column + 1
        modes = ways(spec.cols)
        for target, (_, even, odd) in zip(write.halves, (modes[0], modes[half(spec.cols)]), strict=True):
            is_odd = Mux(now.odd, odd.parity, even.parity)
            if spec.cols % 2:
                moves, phase = now.odd & ~is_odd, is_odd ^ now.odd
            else:
                moves, phase = now.odd & is_odd, is_odd
            m.d.comb += [
                target.column.eq(
                    place_of_column(
                        Mux(layer.strided & moves, following, now.column)[:MAX_RING], self.addressing.half
                    )
                ),
                target.phase.eq(layer.strided & phase),
                target.enable.eq(~layer.strided | self.addressing.phased | ~phase),
            ]

    def _plane(self, m: Module, write: data.View, now: data.View, pixels: Signal) -> None:
        """The pixel of each bank: moved to its place, and padding beyond the end of the input."""
        spec, layer = self.spec, self.layer
        row_width = ACTIVATION_WIDTH * spec.cols
        padding = layer.pad.replicate(spec.cols)
        lines = [self._line(m, now, row) for row in range(spec.beat_rows)]
        for bank, modes in enumerate(ways(spec.rows)):
            line, there = Signal(row_width, name=f"line_{bank}"), Signal(name=f"there_{bank}")
            choices = [lines[way.pixel % spec.beat_rows] for way in modes]
            numbers = [way.pixel for way in modes]
            m.d.comb += [
                line.eq(Mux(layer.strided, Mux(now.block[0], choices[2], choices[1]), choices[0])),
                there.eq(
                    pixels
                    & (
                        ~now.last_row
                        | (
                            Mux(layer.strided, Mux(now.block[0], numbers[2], numbers[1]), numbers[0])
                            < layer.last_rows
                        )
                    )
                ),
                Cat(write.plane[bank * spec.cols + column] for column in range(spec.cols)).eq(
                    Mux(there, line, padding)
                ),
            ]

    def _line(self, m: Module, now: data.View, row: int) -> Signal:
        """A row of the beat, each pixel in its column of banks."""
        spec, layer = self.spec, self.layer
        pitch = ACTIVATION_WIDTH * spec.pitch
        pixels = []
        for column in range(spec.cols):
            pixel = Signal(ACTIVATION_WIDTH, name=f"pixel_{row}_{column}")
            place = row * pitch + column * ACTIVATION_WIDTH
            there = ~now.last_column | (column < layer.last_cols)
            m.d.comb += pixel.eq(Mux(there, self.beats.payload[place : place + ACTIVATION_WIDTH], layer.pad))
            pixels.append(pixel)
        line = Signal(ACTIVATION_WIDTH * spec.cols, name=f"row_{row}")
        moved = [[pixels[modes[mode].pixel] for modes in ways(spec.cols)] for mode in range(3)]
        m.d.comb += line.eq(Mux(layer.strided, Mux(now.odd, Cat(moved[2]), Cat(moved[1])), Cat(moved[0])))
        return line
