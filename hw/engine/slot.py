"""One weight slot: from its streams and its tile to pixels and a codebook row for all lanes."""

from __future__ import annotations

from amaranth import Elaboratable, Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.registers import Region, Register
from shiftbook.golden.spec import MAX_RING, Spec
from shiftbook.hw.engine.huffman import HuffmanDecoder, limits_layout, offsets_layout
from shiftbook.hw.engine.issuer import Issuer
from shiftbook.hw.engine.layouts import addressing, memory_write, plane, row, tile_write
from shiftbook.hw.engine.lookup import Lookup
from shiftbook.hw.engine.rotator import Rotator
from shiftbook.hw.engine.tile import Tile
from shiftbook.hw.engine.unpacker import Unpacker


class Slot(wiring.Component):
    """Decoders, issuer, lookup, tile and rotator of one slot, joined.

    Parameters
    ----------
    spec
        Feed, grid and widths.

    Members
    -------
    clear : In(1)
        Forget everything but the memories.
    span : In(position_width)
        See `Issuer`.
    reach : In(position_width + 1)
        See `Issuer`.
    advance : In(1)
        See `Issuer`.
    channel_bits : In(4)
        See `Lookup`.
    channel_mask : In(address_width)
        See `Lookup`.
    group : In(address_width)
        See `Lookup`.
    column : In(3)
        See `Lookup`.
    write_taps : In(Signature)
        See `Lookup`.
    addressing : In(StructLayout)
        See `Tile`.
    write_addressing : In(StructLayout)
        See `Tile`.
    enable : In(1)
        See `Tile`.
    write : In(StructLayout)
        See `Tile`.
    codes : In(stream)
        Words of the code stream.
    over : Out(1)
        See `Issuer`.
    issue : Out(1)
        See `Issuer`.
    waiting : Out(1)
        See `Issuer`.
    bad : Out(1)
        See `Issuer`.
    pixels : Out(ArrayLayout)
        One activation for each lane, ``spec.lookup_cycles`` after ``issue``.
    row : Out(StructLayout)
        What the lanes do with it, at the same time.
    gaps : In(stream)
        Words of the gap stream. This and all below are not there with a dense feed.
    gapless : In(1)
        See `Issuer`.
    step : In(5)
        See `Issuer`.
    books : In(2)
        See `HuffmanDecoder`.
    offset_shift : In(4)
        See `Lookup`.
    gap_limits : In(StructLayout)
        Gap code table.
    gap_offsets : In(ArrayLayout)
        Gap code table.
    code_limits : In(StructLayout)
        Code table.
    code_offsets : In(ArrayLayout)
        Code table.
    write_gap_symbols : In(Signature)
        See `HuffmanDecoder`.
    write_code_symbols : In(Signature)
        See `HuffmanDecoder`.
    write_rows : In(Signature)
        See `Lookup`.

    Latency
    -------
    ``spec.lookup_cycles`` from ``issue`` to ``pixels`` and ``row``.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        word = stream.Signature(spec.word_width)
        fields = registers.register_fields(spec)
        members = {
            "clear": In(1),
            "span": In(spec.position_width),
            "reach": In(spec.position_width + 1),
            "advance": In(1),
            "channel_bits": In(fields[Register.CHANNEL_BITS].width),
            "channel_mask": In(spec.address_width),
            "group": In(spec.address_width),
            "column": In(MAX_RING),
            "write_taps": In(memory_write(spec, Region.TAPS)),
            "addressing": In(addressing()),
            "write_addressing": In(addressing()),
            "enable": In(1),
            "write": In(tile_write(spec)),
            "codes": In(word),
            "over": Out(1),
            "issue": Out(1),
            "waiting": Out(1),
            "bad": Out(1),
            "pixels": Out(plane(spec)),
            "row": Out(row(spec)),
        }
        if spec.feed == "coded":
            members |= {
                "gaps": In(word),
                "gapless": In(1),
                "step": In(fields[Register.STEP].width),
                "books": In(fields[Register.BOOKS].width),
                "offset_shift": In(fields[Register.OFFSET_SHIFT].width),
                "gap_limits": In(limits_layout(spec)),
                "gap_offsets": In(offsets_layout(spec, Region.GAP_CODE)),
                "code_limits": In(limits_layout(spec)),
                "code_offsets": In(offsets_layout(spec, Region.CODE_CODE)),
                "write_gap_symbols": In(memory_write(spec, Region.GAP_SYMBOLS)),
                "write_code_symbols": In(memory_write(spec, Region.CODE_SYMBOLS)),
                "write_rows": In(memory_write(spec, Region.ROWS)),
            }
        super().__init__(members)

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.issuer = issuer = Issuer(self.spec)
        names = ["clear", "span", "reach", "advance", "over", "issue", "waiting", "bad"]
        self._feed(m, issuer)
        if self.spec.feed == "coded":
            names += ["gapless", "step"]
        self._pass(m, issuer, names)

        m.submodules.lookup = lookup = Lookup(self.spec)
        names = ["channel_bits", "channel_mask", "group", "column", "row"]
        writes = ["write_taps"]
        if self.spec.feed == "coded":
            names.append("offset_shift")
            writes.append("write_rows")
        self._pass(m, lookup, names)
        for name in writes:
            wiring.connect(m, wiring.flipped(getattr(self, name)), getattr(lookup, name))
        m.submodules.tile = tile = Tile(self.spec)
        self._pass(m, tile, ["addressing", "write_addressing", "enable", "write"])
        m.submodules.rotator = rotator = Rotator(self.spec)
        m.d.comb += [
            lookup.issue.eq(issuer.issue),
            lookup.source.eq(issuer.row),
            lookup.position.eq(issuer.position),
            tile.read.eq(lookup.read),
            tile.address.eq(lookup.address),
            tile.offset.eq(lookup.offset),
            tile.far.eq(lookup.far),
            tile.first_column.eq(lookup.first_column),
            rotator.banks.eq(tile.words),
            rotator.offset.eq(lookup.rotation),
            self.pixels.eq(rotator.lanes),
        ]
        return m

    def _feed(self, m: Module, issuer: Issuer) -> None:
        """Decoders, or with a dense feed the unpacker, in front of the issuer."""
        if self.spec.feed == "dense":
            m.submodules.codes = unpacker = Unpacker(self.spec)
            m.d.comb += unpacker.clear.eq(self.clear)
            wiring.connect(m, wiring.flipped(self.codes), unpacker.words)
            wiring.connect(m, unpacker.symbols, issuer.codes)
            return
        for name, code in (("gap", Region.GAP_CODE), ("code", Region.CODE_CODE)):
            m.submodules[f"{name}s"] = decoder = HuffmanDecoder(self.spec, code)
            m.d.comb += [
                decoder.clear.eq(self.clear),
                decoder.limits.eq(getattr(self, f"{name}_limits")),
                decoder.offsets.eq(getattr(self, f"{name}_offsets")),
            ]
            if code == Region.CODE_CODE:
                m.d.comb += decoder.books.eq(self.books)
            wiring.connect(m, wiring.flipped(getattr(self, f"{name}s")), decoder.words)
            wiring.connect(m, wiring.flipped(getattr(self, f"write_{name}_symbols")), decoder.write)
            wiring.connect(m, decoder.symbols, getattr(issuer, f"{name}s"))

    def _pass(self, m: Module, component: wiring.Component, names: list[str]) -> None:
        """Join ports of the same name."""
        for name in names:
            inner, outer = getattr(component, name), getattr(self, name)
            inward = component.signature.members[name].flow == In
            m.d.comb += inner.eq(outer) if inward else outer.eq(inner)
