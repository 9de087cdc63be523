"""What an issued row means: codebook row, tile address and tap offset."""

from __future__ import annotations

from amaranth import Cat, Const, Elaboratable, Module, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import bit_fields, registers
from shiftbook.golden.isa.registers import Region, Register
from shiftbook.golden.spec import MAX_RING, Spec
from shiftbook.hw.engine.layouts import memory_write, row, row_source_width, struct, tap_offset


class Lookup(wiring.Component):
    """Codebook memory and tap table of one slot.

    Parameters
    ----------
    spec
        Memory sizes and the row layout.

    Members
    -------
    issue : In(1)
        A row is issued.
    source : In(row_source_width)
        Address of the row, or with a dense feed the weight.
    position : In(position_width)
        Local position of its activation, or with a coded feed that of its codeword's first weight.
    offset_shift : In(4)
        Left shift of the row's offset, which is then added to the position; the sum must be below
        ``2**position_width``. Not there with a dense feed.
    channel_bits : In(4)
        Low bits of a position that count local channels; the bits above are the tap table entry.
    channel_mask : In(address_width)
        Ones in these low bits.
    group : In(address_width)
        What is added to the tap's address, in the same cycle: where the channels of the row's group begin.
    column : In(3)
        Number of the tile's own column of blocks, modulo the largest ring.
    write_rows : In(Signature)
        Codebook memory. Not there with a dense feed.
    write_taps : In(Signature)
        Tap table.
    read : Out(1)
        The row adds something: its word is wanted; one cycle before ``row``.
    address : Out(address_width)
        Channel and phase of the word to read, one cycle before ``row``.
    offset : Out(StructLayout)
        Tap offset {oy, ox}, one cycle before ``row``.
    far : Out(1)
        Lane 0 looks into another block than the tile's own in the vertical direction; one cycle before
        ``row``.
    first_column : Out(3)
        Number of the column of blocks that lane 0 looks into; one cycle before ``row``.
    rotation : Out(StructLayout)
        The same, with ``row``.
    row : Out(StructLayout)
        What the lanes do; nothing where nothing was issued or, with a coded feed, where the tap table entry
        has no such local channel.

    Latency
    -------
    ``spec.lookup_cycles`` from ``issue`` to ``row``. A coded feed has the row before it looks up the tap.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.offset_layout = tap_offset(spec)
        members = {
            "issue": In(1),
            "source": In(row_source_width(spec)),
            "position": In(spec.position_width),
            "channel_bits": In(registers.register_fields(spec)[Register.CHANNEL_BITS].width),
            "channel_mask": In(spec.address_width),
            "group": In(spec.address_width),
            "column": In(MAX_RING),
            "write_taps": In(memory_write(spec, Region.TAPS)),
            "read": Out(1),
            "address": Out(spec.address_width),
            "offset": Out(self.offset_layout),
            "far": Out(1),
            "first_column": Out(MAX_RING),
            "rotation": Out(self.offset_layout),
            "row": Out(row(spec)),
        }
        if spec.feed == "coded":
            members["write_rows"] = In(memory_write(spec, Region.ROWS))
            members["offset_shift"] = In(registers.register_fields(spec)[Register.OFFSET_SHIFT].width)
        super().__init__(members)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        if self.spec.feed == "dense":
            issue, source, position = self.issue, self.source, self.position
        else:
            issue, source, position = self._fetch(m)
        issued = Signal()
        found = Signal(row(self.spec), reset_less=True)
        m.d.sync += [issued.eq(issue), found.eq(source)]
        exists = self._taps(m, position, issue)
        m.d.comb += self.read.eq(issued & exists)
        self._mask_row(m, found, self.read)
        return m

    def _fetch(self, m: Module) -> tuple[Value, Value, Value]:
        """A cycle after a row was issued: that it was, what the lanes get of it, and its own position."""
        layout = struct(registers.codebook_row(self.spec))
        m.submodules.rows = rows = Memory(shape=layout, depth=self.spec.codebook_rows, init=[])
        fetched = _read(m, rows, self.issue, self.source, self.write_rows)
        issued = Signal()
        position = Signal(self.spec.position_width, reset_less=True)
        m.d.sync += [issued.eq(self.issue), position.eq(self.position)]
        word = fetched.as_value()
        width = bit_fields.width(registers.row(self.spec))
        return issued, word[:width], (position + (word[width:] << self.offset_shift))[: len(position)]

    def _taps(self, m: Module, position: Value, enable: Value) -> Value:
        """Split the position, read the tap, add the local channel to its base; return whether it exists."""
        layout = struct(registers.tap(self.spec))
        m.submodules.taps = taps = Memory(shape=layout, depth=self.spec.table_entries, init=[])
        entry = (position >> self.channel_bits)[: self.write_taps.index.shape().width]
        tap = _read(m, taps, enable, entry, self.write_taps)
        channel = Signal(self.spec.address_width, reset_less=True)
        m.d.sync += channel.eq(position & self.channel_mask)
        m.d.comb += [
            self.address.eq(tap.base + channel + self.group),
            self.far.eq(tap.far),
            self.first_column.eq(self.column + tap.column),
            self.offset.oy.eq(tap.oy),
            self.offset.ox.eq(tap.ox),
        ]
        rotation = Signal(self.offset_layout, reset_less=True)
        m.d.sync += rotation.eq(self.offset)
        m.d.comb += self.rotation.eq(rotation)
        return Const(1) if self.spec.feed == "dense" else channel < tap.channels

    def _mask_row(self, m: Module, found: data.View, adds: Value) -> None:
        """A row that adds nothing has no weight, or no enabled and no negative term."""
        masked = Signal(row(self.spec), reset_less=True)
        if self.spec.lane == "multiply":
            m.d.sync += masked.eq(Cat(found.as_value() & adds.replicate(len(found.as_value()))))
        else:
            for field in registers.row(self.spec):
                kind = field.name.rstrip("0123456789")
                number = field.name.removeprefix(kind)
                enable = adds & found[f"enable{number}"]
                gate = {"enable": enable, "negative": enable & found[field.name]}
                m.d.sync += masked[field.name].eq(gate.get(kind, found[field.name]))
        m.d.comb += self.row.eq(masked)


def _read(m: Module, memory: Memory, enable: Value, address: object, source: wiring.PureInterface) -> Signal:
    """Join a memory to its write port; return what it read at ``address`` when ``enable`` was 1 last."""
    write = memory.write_port()
    read = memory.read_port()
    m.d.comb += [
        write.en.eq(source.enable),
        write.addr.eq(source.index),
        write.data.eq(source.data),
        read.en.eq(enable),
        read.addr.eq(address),
    ]
    return read.data
