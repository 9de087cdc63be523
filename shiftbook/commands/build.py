"""`shiftbook build`: everything that runs a checkpoint on hardware."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shiftbook.console import progress_bar, say, table
from shiftbook.golden.errors import ShiftbookError, one_line
from shiftbook.golden.files import check_folder_writable, write_files
from shiftbook.options import Checkpoint, named
from shiftbook.options.batch import Batch, check_batch
from shiftbook.options.engine import EngineGroup
from shiftbook.options.groups import grouped

if TYPE_CHECKING:
    from shiftbook.golden.program.image import Image
    from shiftbook.golden.spec import Spec

IMAGE, MAP, HEADER, VERILOG = "image.bin", "map.json", "shiftbook.h", "accelerator.v"
FILE_LIST, CONSTRAINTS, CORE, BENCH = "accelerator.f", "accelerator.sdc", "accelerator.core", "bench"

PERIOD = 10.0
"""Of the clock in nanoseconds: 100 MHz, a beginning for FPGAs of today."""


@grouped
def build(
    checkpoint: Checkpoint,
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", metavar="DIR", parser=named, help="Folder to write to; it is made if need be."
        ),
    ],
    engine: EngineGroup,
    batch: Batch = 1,
    period: Annotated[
        float,
        typer.Option(metavar="NS", help="Period of the clock in the timing constraints, in nanoseconds."),
    ] = PERIOD,
) -> None:
    """Build the files to run a checkpoint on an FPGA.

    The accelerator is an AXI4-Lite slave and an AXI4 master. The host copies image.bin to an address that
    is a multiple of 4096, puts the pixels to their place in it (see map.json), writes that address to
    PROGRAM and 1 to CONTROL, and waits for the interrupt. golden/program/host.py is such a host;
    docs/accelerator.md and docs/register-map.md say the rest.

    The folder has what other tools want to know of accelerator.v, too: a file list, timing constraints, a
    FuseSoC core description, and in bench/ a cocotb test bench that checks every tensor of the network in
    a simulator of your own.

    With --batch N the program takes N images at once: each has a place for its pixels and its results.

    \b
    Example:
      shiftbook build digits.ckpt -o board
      shiftbook build digits.ckpt -o board --batch 4
      shiftbook build net.ckpt -o board --lanes 7x7 --preset two_term --period 5
      make -C board/bench SIM=verilator
    """
    if not (math.isfinite(period) and period > 0):
        raise ShiftbookError(f"--period must be a number of nanoseconds above 0, such as 10, not {period:g}")
    check_batch(batch)
    from shiftbook.golden.program import image
    from shiftbook.golden.storage.checkpoint import load
    from shiftbook.sim import board
    from shiftbook.sim.testbench.expected import FILES, bench_files

    network = load(checkpoint)
    spec = engine.spec_for(network, batch)
    names = (IMAGE, MAP, HEADER, VERILOG, FILE_LIST, CONSTRAINTS, CORE)
    check_folder_writable(output, (*names, *(f"{BENCH}/{name}" for name in FILES)), inputs=[checkpoint])
    with progress_bar() as progress:
        progress("building the image", 0, 3)
        built = image.build(network, spec, batch)
        progress("building the test bench", 1, 3)
        bench = bench_files(network, built)
        progress("building the Verilog", 2, 3)
        verilog = board.verilog(spec)
        progress("building", 3, 3)
    write_files(output, _contents(built, verilog, bench, period))
    say(_file_table(built, verilog, period))
    images = f" for {batch} images at once" if batch > 1 else ""
    if built.stays:
        say(_buffer_table(built))
    say(f"{len(built.plan.passes)} layers{images}; all in {one_line(str(output))}/")


def _contents(built: Image, verilog: str, bench: Mapping[str, bytes], period: float) -> dict[str, bytes]:
    """Every file by its name."""
    from shiftbook.golden.program.header import address_map, c_header
    from shiftbook.results.image import AddressMap
    from shiftbook.results.writing import result_text
    from shiftbook.sim.testbench import project

    return {
        IMAGE: built.contents().tobytes(),
        MAP: result_text(AddressMap, address_map(built)).encode(),
        HEADER: c_header(built).encode(),
        VERILOG: verilog.encode(),
        FILE_LIST: project.file_list(VERILOG).encode(),
        CONSTRAINTS: project.constraints(period).encode(),
        CORE: project.core_description(VERILOG, CONSTRAINTS).encode(),
        **{f"{BENCH}/{name}": content for name, content in bench.items()},
    }


def _file_table(built: Image, verilog: str, period: float) -> str:
    """What each file holds, for people."""
    rows = [
        (IMAGE, f"{built.size:,} bytes, {len(built.constants):,} of them weights and parameters"),
        (MAP, f"{len(built.plan.views)} tensors"),
        (HEADER, "registers and addresses"),
        (VERILOG, f"top module accelerator, {verilog.count(chr(10)):,} lines; {_banks(built.spec)}"),
        (FILE_LIST, "file list for -f"),
        (CONSTRAINTS, f"clock of {period:g} ns"),
        (CORE, "core description for FuseSoC"),
        (f"{BENCH}/", "cocotb test bench: make -C bench"),
    ]
    return table(("file", "what it holds"), rows)


def _buffer_table(built: Image) -> str:
    """What stays on the chip, in the order of layers, and what that spares."""
    beat = built.spec.bus_bytes
    layers = [step.node for step in built.plan.passes]
    rows = [
        (
            name,
            f"{stay.word:,}",
            f"{stay.size:,}",
            layers[stay.first],
            layers[stay.last],
            f"{stay.beats * beat:,}",
        )
        for name, stay in sorted(built.stays.items(), key=lambda item: item[1].first)
    ]
    spared = sum(stay.beats for stay in built.stays.values()) * beat
    return (
        table(("on the chip", "word", "words", "from layer", "to layer", "bytes not moved"), rows)
        + f"\ntensor buffer of {built.spec.tensor_kib} KiB: {len(built.stays)} of {len(built.places)} "
        f"tensors stay, {spared:,} bytes are not moved"
    )


def _banks(spec: Spec) -> str:
    """The engine's largest memories."""
    return f"activation banks of {spec.tile_words:,} words, {spec.tile_bits:,} bits"
