"""What batches gain: cycles of whole networks by the cycle model, for one image and for several at once.

    python -m benchmarks.batches NET.ckpt ... [--preset NAME] [--lanes RxC] [--bus BYTES] [--batch 1,4,8]
        [--rtl] [--json FILE]

With --rtl the networks also run on the simulated accelerator, each image of noise compared with the golden
model.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import start
from benchmarks.cycle_model import engine
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.mapping.spent import spent_together
from shiftbook.golden.model.network import Network
from shiftbook.golden.program.image import build
from shiftbook.golden.spec import DEFAULT, PRESETS, Spec
from shiftbook.golden.storage import checkpoint
from shiftbook.in_batches import MEGA
from shiftbook.sim.driver import run_rtl

Json = dict[str, Any]

SEED = 1
"""Of the noise."""


def measured(network: Network, spec: Spec, batch: int) -> Json:
    """A batch on an engine, by the model.

    Raises
    ------
    ShiftbookError
        The engine cannot run the network, or not so many images at once.
    """
    built = build(network, spec, batch)
    costs = built.costs()
    cycles = sum(cost.cycles for cost in costs)
    return {
        "batch": batch,
        "cycles": cycles,
        "cycles_per_image": cycles / batch,
        "images_per_megacycle": MEGA * batch / cycles,
        "spent": asdict(spent_together(cost.spent for cost in costs)),
        "beats": sum(cost.read_beats + cost.write_beats for cost in costs),
        "program_bytes": len(built.program),
        "image_bytes": built.size,
    }


def simulated(network: Network, spec: Spec, batch: int) -> Json:
    """The same batch on the RTL."""
    images = np.random.default_rng(SEED).integers(0, 256, (batch, *network.input.shape), np.uint8)
    found = run_rtl(network, images, spec, batch=batch)
    return {"rtl_cycles": found.cycles, "compared": found.integers}


def line(row: Json) -> str:
    """A row as text."""
    rtl = f"  RTL {row['rtl_cycles']:,}, {row['compared']:,} integers" if "rtl_cycles" in row else ""
    return (
        f"{row['checkpoint']:24} batch {row['batch']:3}: {row['cycles']:12,} cycles, "
        f"{row['cycles_per_image']:13,.1f} an image, {row['images_per_megacycle']:6.2f} images in "
        f"{MEGA:,}{rtl}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="+", type=Path, metavar="NET.ckpt")
    parser.add_argument("--preset", default="shift4", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--lanes", default=f"{DEFAULT.rows}x{DEFAULT.cols}", help="rows x columns")
    parser.add_argument("--bus", type=int, metavar="BYTES", help="bytes of a beat on the memory bus")
    parser.add_argument("--batch", default="1,4,8", metavar="N,...", help="images at once")
    parser.add_argument("--rtl", action="store_true", help="run them on the RTL, too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args(arguments)
    spec = engine(options.preset, options.lanes, options.bus)
    if not all(each.isdecimal() for each in options.batch.split(",")):
        raise ShiftbookError(f"--batch must be numbers of images, such as 1,4,8, not {options.batch}")
    if options.json is not None:
        check_writable(options.json)
    rows = []
    for path in options.networks:
        network = checkpoint.load(path)
        for batch in map(int, options.batch.split(",")):
            row = {"checkpoint": path.name, "engine": options.preset, "lanes": options.lanes}
            row |= measured(network, spec, batch)
            row |= simulated(network, spec, batch) if options.rtl else {}
            rows.append(row)
            print(line(row), flush=True)
    if options.json is not None:
        write_json(options.json, {"rows": rows})


if __name__ == "__main__":
    start(main)
