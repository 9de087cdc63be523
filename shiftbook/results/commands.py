"""Which record each command writes, and how a file is told apart from those of other commands."""

from __future__ import annotations

from dataclasses import dataclass

from shiftbook.results.base import Record
from shiftbook.results.chip import ChipReport
from shiftbook.results.compare import Comparison
from shiftbook.results.compress import Compression
from shiftbook.results.demo import Demo
from shiftbook.results.energy import Energy
from shiftbook.results.gates import GateReport
from shiftbook.results.image import AddressMap
from shiftbook.results.inspect import Inspection
from shiftbook.results.layer import PaperLayer, UnrolledLayer
from shiftbook.results.run import Run
from shiftbook.results.silicon import Silicon
from shiftbook.results.sweep import Sweep
from shiftbook.results.verilog import Verilog


@dataclass(frozen=True)
class Kind:
    """Files of one command.

    Attributes
    ----------
    record
        What they hold.
    marks
        Fields that no other command writes together.
    """

    record: type[Record]
    marks: frozenset[str]


COMMANDS = {
    "compare": Kind(Comparison, frozenset({"lanes", "rows"})),
    "gates": Kind(GateReport, frozenset({"engines", "one_slot_lanes"})),
    "run": Kind(Run, frozenset({"backend", "predictions"})),
    "inspect": Kind(Inspection, frozenset({"header_bytes", "layers"})),
    "compress": Kind(Compression, frozenset({"checkpoint", "source", "stored_bits"})),
    "sweep": Kind(Sweep, frozenset({"objectives", "points"})),
}
"""The commands whose results `shiftbook report` takes."""

RECORDS: dict[str, type[Record]] = {
    **{name: kind.record for name, kind in COMMANDS.items()},
    "gates --fpga": ChipReport,
    "gates --paper-layer": PaperLayer,
    "gates --unrolled": UnrolledLayer,
    "energy": Energy,
    "energy CKPT CKPT": Silicon,
    "build": AddressMap,
    "verilog": Verilog,
    "demo": Demo,
}
"""What every command writes; of build it is the file map.json."""
