"""What stands around the loader."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.buffers import LOAD_SEGMENTS
from shiftbook.golden.isa.program_format import Command
from shiftbook.golden.isa.registers import Region
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import chosen, config_word, plane, tap_offset
from shiftbook.hw.engine.register_file import RegisterFile
from shiftbook.hw.engine.tile import Tile
from shiftbook.hw.system.fifo import Fifo
from shiftbook.hw.system.layer_registers import LayerRegisters, tell
from shiftbook.hw.system.load_planner import LoadPlanner
from shiftbook.hw.system.load_writer import LoadWriter
from shiftbook.hw.system.segments import segment
from shiftbook.hw.system.tile_control import TileControl
from tests.hw.benches import delayed
from tests.hw.system.benches.bus import Bus
from tests.hw.system.benches.parts import into


class LoaderBench(wiring.Component):
    """The loader's halves and tile control around the banks of all slots, with memory before it.

    ``config`` is what a program writes; its `Command.LOAD` loads a layer when that before is over. While
    a tile runs, each of ``reads`` looks into the banks of all slots, until the ``last`` of the tile. A
    beat of memory takes one of ``ticks``.
    """

    def __init__(self, spec: Spec, contents: bytes) -> None:
        self.spec = spec
        self.contents = contents
        super().__init__(
            {
                "config": In(stream.Signature(config_word())),
                "ticks": In(stream.Signature(1)),
                "reads": into(
                    {
                        "address": spec.address_width,
                        "offset": tap_offset(spec),
                        "far": 1,
                        "column": 2,
                        "last": 1,
                    }
                ),
                "pixels": Out(stream.Signature(data.ArrayLayout(plane(spec), spec.slots))),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        m.submodules.registers = registers_ = RegisterFile(spec)
        m.submodules.layer = layer = LayerRegisters(spec)
        m.submodules.tiles = tiles = TileControl(spec)
        m.submodules.planner = planner = LoadPlanner(spec)
        m.submodules.writer = writer = LoadWriter(spec)
        m.submodules.segments = segments = Fifo(segment(spec), LOAD_SEGMENTS)
        wiring.connect(m, planner.segments, segments.input)
        wiring.connect(m, segments.output, writer.segments)
        bus = Bus(m, spec, self.contents, planner.request)
        begin = self._configure(m, registers_, (layer, writer), tiles)
        for unit in (planner, writer, tiles):
            tell(m, layer.layer, unit.layer)
        for name in ("ring", "halo_rows", "phased", "half"):
            m.d.comb += getattr(writer.addressing, name).eq(getattr(registers_, name))
        m.d.comb += [
            planner.begin.eq(begin),
            planner.may_load.eq(tiles.may_load),
            planner.settled.eq(1),
            planner.written.eq(~0),
            planner.ahead.eq(tiles.ahead),
            tiles.load.eq(begin),
            tiles.run.eq(begin),
            tiles.ring.eq(registers_.ring >> registers_.half[1]),
            tiles.claim.eq(planner.claim),
            tiles.loaded.eq(writer.loaded),
            tiles.ready.eq(1),
            writer.beats.valid.eq(self.ticks.valid & (bus.left != 0)),
            writer.beats.payload.eq(bus.data),
            self.ticks.ready.eq(writer.beats.ready & (bus.left != 0)),
        ]
        bus.moved(m, writer.beats.valid & writer.beats.ready)
        self._read(m, tiles, writer)
        return m

    def _configure(
        self, m: Module, file: RegisterFile, units: tuple[wiring.Component, ...], tiles: TileControl
    ) -> Value:
        word, accept = self.config.payload, Signal()
        command = word.address[registers.INDEX_WIDTH :] == Region.COMMANDS
        load = command & (word.address[: registers.INDEX_WIDTH] == Command.LOAD)
        m.d.comb += [
            accept.eq(self.config.valid & tiles.over),
            self.config.ready.eq(tiles.over),
            file.config.valid.eq(accept),
            file.config.payload.eq(word),
        ]
        for unit in units:
            m.d.comb += [unit.configure.eq(accept), unit.config.eq(word)]
        begin = Signal()
        m.d.sync += begin.eq(accept & load)
        # nothing else is taken until `over` shows that the layer has begun
        with m.If(begin):
            m.d.comb += [self.config.ready.eq(0), accept.eq(0)]
        return begin

    def _read(self, m: Module, tiles: TileControl, writer: LoadWriter) -> None:
        spec, read = self.spec, self.reads.payload
        busy, taken = Signal(), Signal()
        m.submodules.fifo = fifo = SyncFIFOBuffered(width=8 * spec.lanes * spec.slots, depth=16)
        m.d.comb += [
            tiles.busy.eq(busy),
            self.reads.ready.eq(busy & (fifo.level < 12)),
            taken.eq(self.reads.valid & self.reads.ready),
            self.pixels.payload.eq(fifo.r_data),
            self.pixels.valid.eq(fifo.r_rdy),
            fifo.r_en.eq(self.pixels.ready),
            fifo.w_en.eq(delayed(m, taken, 1)),
        ]
        m.d.sync += busy.eq(tiles.start | (busy & ~(taken & read.last)))
        pixels = []
        for slot in range(spec.slots):
            m.submodules[f"tile_{slot}"] = tile = Tile(spec)
            m.d.comb += [
                tile.addressing.eq(writer.addressing),
                tile.write_addressing.eq(writer.addressing),
                tile.enable.eq(writer.write.slots[slot]),
                tile.write.eq(writer.write),
                tile.read.eq(1),
                tile.address.eq(read.address),
                tile.offset.eq(read.offset),
                tile.far.eq(read.far),
                tile.first_column.eq(tiles.column + read.column.as_signed()),
            ]
            pixels.extend(chosen(tile.words, spec))
        m.d.comb += fifo.w_data.eq(Cat(pixels))
