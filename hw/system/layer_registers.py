"""What loads and stores a layer's tensors: registers that the program writes."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.layer_registers import layer_fields
from shiftbook.golden.isa.registers import INDEX_WIDTH, Region
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import config_word, shape


class LayerRegisters(wiring.Component):
    """The registers themselves.

    Parameters
    ----------
    spec
        Widths.

    Members
    -------
    config : In(StructLayout)
        See `hw.engine.layouts.config_word`; while ``configure``.
    configure : In(1)
        ``config`` is a write.
    tile_rows : Out(16)
        Register; so are all below, see `layer_fields`.
    tile_cols : Out(16)
        Register.
    tiles : Out(16)
        Register.
    left : Out(1)
        Register.
    right : Out(1)
        Register.
    source : Out(beat_address_width)
        Register.
    source_row_step : Out(beat_address_width)
        Register.
    source_block_step : Out(beat_address_width)
        Register.
    source_beat_step : Out(16)
        Register.
    source_skip : Out(beat_address_width)
        Register.
    channels : Out(channel_counter_width)
        Register.
    local_channels : Out(11)
        Register.
    first_block : Out(2)
        Register; signed.
    first_beat : Out(2)
        Register.
    row_beats : Out(8)
        Register.
    last_block : Out(4)
        Register; signed.
    first_banks : Out(rows)
        Register.
    last_banks : Out(rows)
        Register.
    block_rows : Out(16)
        Register.
    block_cols : Out(16)
        Register.
    last_rows : Out(4)
        Register.
    last_cols : Out(4)
        Register.
    strided : Out(1)
        Register.
    scattered : Out(1)
        Register.
    pad : Out(8)
        Register.
    destination : Out(beat_address_width)
        Register.
    destination_block_step : Out(beat_address_width)
        Register.
    destination_beat_step : Out(16)
        Register.
    residual : Out(1)
        Register.
    partial_in : Out(1)
        Register.
    residual_source : Out(beat_address_width)
        Register.
    residual_block_step : Out(beat_address_width)
        Register.
    residual_beat_step : Out(16)
        Register.

    Latency
    -------
    One cycle.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        fields = {field.name: Out(shape(field)) for field in layer_fields(spec).values()}
        super().__init__({"config": In(config_word()), "configure": In(1), **fields})

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        region, index = self.config.address[INDEX_WIDTH:], self.config.address[:INDEX_WIDTH]
        for register, field in layer_fields(self.spec).items():
            value = Signal(shape(field), name=f"{field.name}_value", reset_less=True)
            with m.If(self.configure & (region == Region.LAYER) & (index == register)):
                m.d.sync += value.eq(self.config.data)
            m.d.comb += getattr(self, field.name).eq(value)
        return m
