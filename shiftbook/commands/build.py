"""`shiftbook build`: everything that runs a checkpoint on hardware."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from golden.files import check_writable, make_folder, write_bytes, write_json, write_text
from shiftbook.console import progress_bar, table
from shiftbook.options import Bus, Checkpoint, Lanes, Preset, make_spec

IMAGE, MAP, HEADER, VERILOG = "image.bin", "map.json", "shiftbook.h", "accelerator.v"


def build(
    checkpoint: Checkpoint,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Folder to write to; it is made if need be.")
    ],
    lanes: Lanes = "8x8",
    preset: Preset = "default",
    bus: Bus = None,
) -> None:
    """Build the files to run a checkpoint on an FPGA.

    The accelerator is an AXI4-Lite slave and an AXI4 master. The host copies image.bin to an address that
    is a multiple of 4096, puts the pixels to their place in it (see map.json), writes that address to
    PROGRAM and 1 to CONTROL, and waits for the interrupt. sim/host.py is such a host; docs/accelerator.md
    and docs/register-map.md say the rest.

    \b
    Example:
      shiftbook build digits.ckpt -o board
      shiftbook build net.ckpt -o board --lanes 7x7 --preset pair
    """
    from golden.checkpoint import load
    from golden.support import check_runnable
    from sim import board, image
    from sim.header import address_map, c_header

    network = load(checkpoint)
    spec = make_spec(preset, lanes, network.slots, bus)
    check_runnable(network, spec)
    make_folder(output)
    check_writable(*(output / name for name in (IMAGE, MAP, HEADER, VERILOG)))
    with progress_bar() as progress:
        progress("building", 0, 2)
        built = image.build(network, spec)
        progress("building", 1, 2)
        verilog = board.verilog(spec)
        progress("building", 2, 2)
    write_bytes(output / IMAGE, built.contents().tobytes())
    write_json(output / MAP, address_map(built))
    write_text(output / HEADER, c_header(built))
    write_text(output / VERILOG, verilog)
    rows = [
        (IMAGE, f"{built.size:,} bytes, {len(built.constants):,} of them weights and parameters"),
        (MAP, f"{len(built.plan.views)} tensors"),
        (HEADER, "registers and addresses"),
        (VERILOG, f"top module accelerator, {verilog.count(chr(10)):,} lines"),
    ]
    typer.echo(table(("file", "what it holds"), rows))
    typer.echo(f"{len(built.plan.passes)} layers; all in {output}/")
