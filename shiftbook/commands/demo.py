"""`shiftbook demo`: the whole path on a small network, in a few minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shiftbook.commands.inspect import inspect_report, size_table
from shiftbook.commands.run import run_report, run_table
from shiftbook.compressed import summary
from shiftbook.console import Progress, progress_bar, say, table
from shiftbook.golden.errors import ShiftbookError, one_line
from shiftbook.golden.files import check_writable, make_folder
from shiftbook.golden.spec import Spec
from shiftbook.options import Json, Lanes, Seed, make_spec, named

if TYPE_CHECKING:
    from shiftbook.frontend.compress import Report
    from shiftbook.golden.model.network import Network

SOURCE = "zoo:digits"
DATA = "digits"
SCHEME = "focused"
BITS = 5
DENSITY = 0.2
EPOCHS = 20
BASELINE = "int8"

FILES = ("digits.ckpt", "compress.json", "inspect.json", "run.json", "gates.json", "demo.json")
"""What FOLDER gets."""

Row = dict[str, Any]
"""An engine with this network on it, as JSON values."""


def demo(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FOLDER", parser=named, help="Where the checkpoint and reports go."
        ),
    ] = Path("demo-out"),
    images: Annotated[int, typer.Option(metavar="N", help="Test images to run on the RTL.")] = 64,
    lanes: Lanes = "8x8",
    seed: Seed = 0,
    json_file: Json = None,
) -> None:
    """Train, compress, simulate and measure a small CNN.

    Trains a CNN on scikit-learn's digits, prunes four weights of five and quantizes the others to 5-bit
    focused codes, runs images on the simulated RTL with every integer of every layer compared with the
    golden model, and counts the gates of this engine and of its rivals. FOLDER gets what the single
    commands would write: digits.ckpt, compress.json, inspect.json, run.json, gates.json; and demo.json, the
    summary.

    \b
    Example:
      shiftbook demo --output demo-out
    """
    from shiftbook.results.demo import Demo
    from shiftbook.results.writing import write_result

    if images < 1:
        raise ShiftbookError(f"the number of images must be at least 1, not {images}")
    spec = make_spec("shift", lanes)
    check_writable(json_file)
    make_folder(output)
    check_writable(json_file, *(output / name for name in FILES))
    started = time.perf_counter()

    compressed = _compress(output / "digits.ckpt", seed, spec, output / "compress.json")
    say(summary(compressed))

    network = _inspect(compressed, output / "inspect.json")
    say(size_table(compressed.sizes))
    rtl = _simulate(network, images, spec, str(compressed.path), output / "run.json")
    say(run_table(rtl))
    gates = _count_gates(spec, output / "gates.json")
    with _step("5/5 this network on each of them"):
        engines = [_engine(name, network, gates, lanes) for name in gates["engines"]]
    say(_engine_table(engines))
    seconds = time.perf_counter() - started
    report = _summary(compressed, rtl, engines, gates["versions"], seconds)
    write_result(output / "demo.json", Demo, report)
    write_result(json_file, Demo, report)
    say(f"all of it in {seconds:.0f} s; files in {one_line(str(output))}/")


def _summary(
    compressed: Report, rtl: dict[str, Any], engines: list[Row], versions: dict[str, str], seconds: float
) -> dict[str, Any]:
    """What the demo writes of all of it."""
    return {
        "float_accuracy": compressed.float_accuracy,
        "accuracy": compressed.accuracy,
        "ratio": compressed.sizes.ratio,
        **{key: rtl[key] for key in ("images", "mismatches", "compared", "cycles", "layers")},
        "engines": engines,
        "versions": versions,
        "seconds": round(seconds, 1),
    }


@contextmanager
def _step(title: str) -> Iterator[Progress]:
    """Say what is done and how long it took."""
    started = time.perf_counter()
    typer.secho(f"\n{title}", bold=True)
    with progress_bar() as progress:
        yield progress
    say(f"({time.perf_counter() - started:.1f} s)")


def _compress(path: Path, seed: int, spec: Spec, json_file: Path) -> Report:
    from shiftbook.results.compress import Compression
    from shiftbook.results.writing import write_result

    with _step(
        f"1/5 train {SOURCE}, compress it to {BITS}-bit {SCHEME} at {100 * DENSITY:.0f} %"
    ) as progress:
        from shiftbook.frontend.compress import compress
        from shiftbook.frontend.options.compression import CompressionOptions
        from shiftbook.frontend.options.training import TrainingOptions

        report = compress(
            SOURCE,
            path,
            compression=CompressionOptions(
                scheme=SCHEME, options={"bits": BITS}, density=DENSITY, seed=seed, spec=spec
            ),
            training=TrainingOptions(epochs=EPOCHS),
            progress=progress,
        )
    write_result(json_file, Compression, report.as_json())
    return report


def _inspect(compressed: Report, json_file: Path) -> Network:
    """The network that the checkpoint holds."""
    from shiftbook.golden.storage.checkpoint import load
    from shiftbook.results.inspect import Inspection
    from shiftbook.results.writing import write_result

    with _step("2/5 what the checkpoint stores"):
        network = load(compressed.path)
        stored = inspect_report(compressed.path, network, compressed.sizes)
        write_result(json_file, Inspection, stored)
    return network


def _simulate(network: Network, images: int, spec: Spec, checkpoint: str, json_file: Path) -> dict[str, Any]:
    from shiftbook.frontend.data.dataset import load
    from shiftbook.results.run import Run
    from shiftbook.results.writing import write_result

    title = f"3/5 {images} images on simulated RTL, every integer compared with the golden model"
    with _step(title) as progress:
        dataset = load(DATA, "test", limit=images, progress=progress)
        report = run_report(network, dataset, spec, "rtl", wave=None, progress=progress)
        arguments = {"checkpoint": checkpoint, "data": DATA, "preset": "shift"}
        write_result(json_file, Run, {**arguments, **report})
    return report


def _count_gates(spec: Spec, json_file: Path) -> dict[str, Any]:
    from shiftbook.results.gates import GateReport
    from shiftbook.results.writing import write_result

    with _step("4/5 gates of this engine and of its rivals") as progress:
        from shiftbook.synth.flow.gates import gate_report

        found = gate_report(
            (spec.rows, spec.cols),
            progress=lambda done, total, what: progress("synthesis", done, total),
        )
    write_result(json_file, GateReport, found)
    return found


def _engine(name: str, network: Network, gates: dict[str, Any], lanes: str) -> Row:
    """What this network takes on one engine of the gate report."""
    from shiftbook.api.cycles import cycles_of

    try:
        cycles = cycles_of(network, make_spec(name, lanes, network.slots))
    except ShiftbookError:  # it cannot run it
        cycles = None
    found = gates["engines"][name]
    return {
        "engine": name,
        "lane_ge": found["lane_ge"],
        "total_ge": found["total_ge"],
        "memory_bits": found["memory_bits"],
        "cycles": None if cycles is None else cycles.total,
        "utilization": None if cycles is None else cycles.utilization,
        "gate_cycles": None if cycles is None else found["total_ge"] * cycles.total,
    }


def _engine_table(engines: list[Row]) -> str:
    base = next(row["gate_cycles"] for row in engines if row["engine"] == BASELINE)
    rows = [
        (
            row["engine"],
            round(row["lane_ge"]),
            round(row["total_ge"]),
            row["memory_bits"],
            row["cycles"],
            row["utilization"],
            None if row["gate_cycles"] is None else row["gate_cycles"] / 1e9,
            None if row["gate_cycles"] is None else row["gate_cycles"] / base,
        )
        for row in engines
    ]
    header = (
        "engine",
        "lane GE",
        "engine GE",
        "memory bits",
        "cycles",
        "utilization",
        "1e9 GE x cycles",
        "x int8",
    )
    note = "GE: NAND2 equivalents, memories apart; cycles per image; an engine without cycles cannot run it"
    return f"{table(header, rows)}\n{note}"
