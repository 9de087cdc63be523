"""What `shiftbook gates --fpga` writes."""

from __future__ import annotations

from shiftbook.results.base import Amount, Count, Record, Text
from shiftbook.results.gates import Grid


class Pins(Record):
    """Cells of the registers around an engine, which stand for its pins."""

    lut: Count
    """LUTs in all."""
    lut4: Count
    """LUTs of logic."""
    carry: Count
    """LUTs of carry chains."""
    lut_ram: Count | None = None
    """LUTs of small memories, where the chip has such."""
    flip_flop: Count
    """Flip-flops."""
    block_ram: Count
    """Block memories."""
    dsp: Count
    """Multipliers of the chip."""


class Placed(Pins):
    """An engine on a chip: its own cells."""

    pins: Pins
    """Of the registers around it."""
    used: dict[Text, list[Count]]
    """Cells of the chip, of both: used and available, by kind."""
    fmax: Amount
    """Megahertz after place and route."""
    verilog_sha256: Text
    """Of the Verilog that was synthesized, with the registers around it."""


class Engine(Record):
    """An engine, with multipliers made of LUTs or of the chip's own."""

    spec: Grid
    """Of what was synthesized."""
    lut: Placed
    """With multipliers of LUTs."""
    dsp: Placed | None = None
    """With the chip's multipliers, where it has some."""


class Ratio(Record):
    """An engine over the dense int8 engine."""

    lut: Amount
    """LUTs."""
    fmax: Amount
    """Megahertz."""


class ChipReport(Record):
    """Engines on a chip, placed and routed."""

    fpga: Text
    """Name of the chip's family, as the option has it."""
    device: Text
    """The chip."""
    package: Text
    """Its package."""
    seed: int
    """Of place and route."""
    engines: dict[Text, Engine]
    """By name."""
    ratios: dict[Text, dict[Text, Ratio]]
    """By engine, and by what its multipliers are made of; empty without the dense int8 engine."""
    versions: dict[Text, Text]
    """Of the tools that the figures depend on."""
