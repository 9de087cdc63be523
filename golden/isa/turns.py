"""Before which command of the program each address is written, so that no write reaches a running layer."""

from __future__ import annotations

from collections.abc import Set

from shiftbook.golden.isa import registers
from shiftbook.golden.isa.layer_registers import FETCHED_BY, LOADED_BY, layer_fields, owner_width
from shiftbook.golden.isa.program_format import Command
from shiftbook.golden.isa.registers import ADDRESSING, Region, register_fields
from shiftbook.golden.spec import Spec

Indices = Set[int] | None
"""Within a region; None: all."""


def turns(spec: Spec) -> dict[Command, dict[Region, Indices]]:
    """What is written before each command and before no other; whatever is not here is nowhere.

    Each command waits until nobody reads what may be written behind it, see `Command`. A write out of turn
    would change a layer that runs before the program's checksum is known, so the accelerator refuses it.
    """
    own, layer = register_fields(spec).keys(), layer_fields(spec).keys()
    found: dict[Command, dict[Region, Indices]] = {
        Command.LOAD: {Region.REGISTERS: ADDRESSING, Region.LAYER: LOADED_BY},
        Command.FETCH: {Region.LAYER: FETCHED_BY, Region.STREAMS: None},
        Command.SETTLE: dict.fromkeys(registers.layouts(spec)),
        Command.RUN: {Region.REGISTERS: own - ADDRESSING, Region.LAYER: layer - LOADED_BY - FETCHED_BY},
    }
    if owner_width(spec):
        found[Command.LOAD][Region.OWNERS] = None
    return found
