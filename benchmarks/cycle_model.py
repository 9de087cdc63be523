"""How far the cycle model is from the machine: cycles of whole networks on the RTL and by the model.

    python -m benchmarks.cycle_model NET.ckpt ... [--preset NAME] [--lanes RxC] [--bus BYTES] [--json FILE]

Needs no images: cycles do not depend on pixels.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.command import start
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.spec import DEFAULT, PRESETS, Spec
from shiftbook.golden.storage import checkpoint
from shiftbook.sim.driver import run_rtl

Json = dict[str, Any]


def measured(path: Path, spec: Spec) -> Json:
    """One network on one engine: cycles on both, and layers of which the model says every cycle.

    Raises
    ------
    ShiftbookError
        The engine cannot run the network.
    """
    network = checkpoint.load(path)
    layers = run_rtl(network, np.zeros((1, *network.input.shape), np.uint8), spec).layers
    return {
        "checkpoint": path.name,
        "lanes": f"{spec.rows}x{spec.cols}",
        "bus_bytes": spec.bus_bytes,
        "cycles": sum(layer.counters.cycles for layer in layers),
        "modelled_cycles": sum(layer.model for layer in layers),
        "layers": len(layers),
        "exact_layers": sum(layer.model == layer.counters.cycles for layer in layers),
    }


def engine(preset: str, lanes: str, bus: int | None) -> Spec:
    """The engine of these options.

    Raises
    ------
    ShiftbookError
        There is no such preset or grid.
    """
    if preset not in PRESETS:
        raise ShiftbookError(f"--preset must be one of {', '.join(PRESETS)}, not {preset}")
    rows, x, cols = lanes.partition("x")
    if not (x and rows.isdecimal() and cols.isdecimal()):
        raise ShiftbookError(f"--lanes must be rows x columns, such as 8x8, not {lanes}")
    return PRESETS[preset].on_grid(int(rows), int(cols), bus)


def line(row: Json) -> str:
    """A row as text."""
    error = row["modelled_cycles"] / row["cycles"] - 1
    return (
        f"{row['checkpoint']:24} {row['lanes']:>6} {row['cycles']:11,} {row['modelled_cycles']:11,} "
        f"{100 * error:+.2f} %  exact layers {row['exact_layers']} of {row['layers']}"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("networks", nargs="+", type=Path, metavar="NET.ckpt")
    parser.add_argument("--preset", default="shift", help=f"one of {', '.join(PRESETS)}")
    parser.add_argument("--lanes", default=f"{DEFAULT.rows}x{DEFAULT.cols}", help="rows x columns")
    parser.add_argument("--bus", type=int, metavar="BYTES", help="bytes of a beat on the memory bus")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures")
    options = parser.parse_args(arguments)
    spec = engine(options.preset, options.lanes, options.bus)
    if options.json is not None:
        check_writable(options.json)
    rows = []
    for path in options.networks:
        rows.append({**measured(path, spec), "engine": options.preset})
        print(line(rows[-1]), flush=True)
    if options.json is not None:
        write_json(options.json, {"rows": rows})


if __name__ == "__main__":
    start(main)
