"""What a tensor buffer spares: bytes on the memory bus and cycles, by the cycle model.

    python -m benchmarks.tensor_buffer NET.ckpt ... [--preset NAME] [--lanes RxC] [--bus BYTES]
        [--kib 0,16,32] [--tile-words N] [--batch N] [--rtl] [--json FILE]

With --rtl the networks also run on the simulated accelerator, images of noise compared with the golden model.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import start
from benchmarks.cycle_model import engine
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.model.network import Network
from shiftbook.golden.program.image import build
from shiftbook.golden.spec import DEFAULT, PRESETS, Spec
from shiftbook.golden.storage import checkpoint
from shiftbook.sim.driver import run_rtl

Json = dict[str, Any]

SEED = 1
"""Of the noise."""


def measured(network: Network, spec: Spec, batch: int) -> Json:
    """A batch on an accelerator, by the model.

    Raises
    ------
    ShiftbookError
        It cannot run the network, or not so many images at once.
    """
    built = build(network, spec, batch)
    costs = built.costs()
    beats = sum(cost.read_beats + cost.write_beats for cost in costs)
    return {
        "kib": spec.tensor_kib,
        "stays": len(built.stays),
        "tensors": len(built.places),
        "moved_bytes": beats * spec.bus_bytes + len(built.program),
        "local_bytes": sum(cost.local_beats for cost in costs) * spec.bus_bytes,
        "weight_bytes": len(built.constants),
        "program_bytes": len(built.program),
        "cycles": sum(cost.cycles for cost in costs),
    }


def simulated(network: Network, spec: Spec, batch: int) -> Json:
    """The same on the RTL."""
    images = np.random.default_rng(SEED).integers(0, 256, (batch, *network.input.shape), np.uint8)
    found = run_rtl(network, images, spec, batch=batch)
    counters = [layer.counters for layer in found.layers]
    beats = sum(each.read_beats + each.write_beats for each in counters)
    return {
        "rtl_cycles": found.cycles,
        "rtl_moved_bytes": beats * spec.bus_bytes,
        "compared": found.integers,
    }


def line(row: Json) -> str:
    """A row as text."""
    rtl = (
        f"; RTL {row['rtl_cycles']:,} cycles, {row['rtl_moved_bytes']:,} bytes, {row['compared']:,} integers"
        if "rtl_cycles" in row
        else ""
    )
    return (
        f"{row['checkpoint']:24} {row['kib']:5} KiB: {row['stays']:3} of {row['tensors']:3} tensors, "
        f"{row['moved_bytes']:12,} bytes moved, {row['cycles']:10,} cycles{rtl}"
    )


def numbers(option: str, text: str) -> list[int]:
    """The numbers of an option.

    Raises
    ------
    ShiftbookError
        They are none.
    """
    if not all(each.isdecimal() for each in text.split(",")):
        raise ShiftbookError(f"{option} must be numbers such as 0,16,32, not {text}")
    return [int(each) for each in text.split(",")]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="+", type=Path, metavar="NET.ckpt")
    parser.add_argument("--preset", default="shift4", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--lanes", default=f"{DEFAULT.rows}x{DEFAULT.cols}", help="rows x columns")
    parser.add_argument("--bus", type=int, metavar="BYTES", help="bytes of a beat on the memory bus")
    parser.add_argument("--kib", default="0,16,32,64,128", metavar="N,...", help="sizes of the tensor buffer")
    parser.add_argument("--tile-words", type=int, metavar="N", help="words of an activation bank")
    parser.add_argument("--batch", type=int, default=1, metavar="N", help="images at once")
    parser.add_argument("--rtl", action="store_true", help="run them on the RTL, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args(arguments)
    spec = engine(options.preset, options.lanes, options.bus).given(tile_words=options.tile_words)
    specs = [replace(spec, tensor_kib=kib) for kib in numbers("--kib", options.kib)]
    if options.json is not None:
        check_writable(options.json)
    rows = []
    for path in options.networks:
        network = checkpoint.load(path)
        for each in specs:
            row = {"checkpoint": path.name, "engine": options.preset, "batch": options.batch}
            row |= measured(network, replace(each, slots=network.slots), options.batch)
            row |= (
                simulated(network, replace(each, slots=network.slots), options.batch) if options.rtl else {}
            )
            rows.append(row)
            print(line(row), flush=True)
    if options.json is not None:
        write_json(options.json, {"rows": rows})


if __name__ == "__main__":
    start(main)
