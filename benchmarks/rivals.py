"""Which multiplier engine is the best: dense and sparse, 8 and 4 bits, at 256 terms a cycle.

Slots W of 2, 4 and 8, with 256 / W lanes in a grid that is square or twice as high as wide, and with every
number of requantizers that can drain it. Accumulators have just the bits that the checkpoint needs, and the
sparse engines no memories for codebooks of vectors: so has the shift engine that they are compared with. Each
is a complete engine of the generator: its gates by Yosys, and the cycles of one image with its bus by the
cycle model. Sparse weights are drawn and pruned anew for each engine, as `benchmarks.redraw` says. Presets of
the same kind are measured as they are.

ResNet-20 without training; no cycle depends on the images or on what the weights mean, only on the zeros:

    set -- compress zoo:resnet20 --weights resnet20.safetensors --calibration noise.npz --scheme int8
    shiftbook "$@" -o int8.ckpt --density 1
    shiftbook "$@" -o int8_sparse.ckpt --density 0.2 --balance
    shiftbook "$@" -o int4.ckpt --bits 4 --end-bits 4 --density 1
    shiftbook "$@" -o int4_sparse.ckpt --bits 4 --end-bits 4 --density 0.2 --balance
    python -m benchmarks.rivals int8.ckpt int8_sparse.ckpt int4.ckpt int4_sparse.ckpt --json rivals.json

A checkpoint runs on the engine that it is named after. ``noise.npz`` holds 8 images of noise:
``np.savez("noise.npz", x=images)`` with ``images`` from
``np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), np.uint8)``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.command import start
from benchmarks.redraw import redrawn
from shiftbook.api.cycles import cycles_of
from shiftbook.golden.coding.recode import for_slots
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.model.accumulator import accumulator_bits
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import PRESETS, RANGES, Spec
from shiftbook.golden.storage import checkpoint
from shiftbook.hw.engine.engine import Engine
from shiftbook.synth.flow.gates import describe, versions
from shiftbook.synth.flow.measure import Measured, Ruler, measure
from shiftbook.synth.flow.weights import load_weights

TERMS = 256
"""Weights times pixels in a cycle, of every engine."""

LEAN = replace(PRESETS["int8_sparse"], codebooks=1, vector_size=1, codebook_rows=256)
"""The sparse engine with what plain weights need of its decoders."""

RIVALS: dict[str, Spec] = {
    "int8": PRESETS["int8"],
    "int8_sparse": LEAN,
    "int4": replace(PRESETS["int8"], weight_width=4),
    "int4_sparse": replace(LEAN, weight_width=4, code_symbols=16, code_length=8),
}
"""Engines by name; `narrowed` gives them a network's accumulators."""

SLOTS = (2, 4, 8)
"""One slot would take 256 lanes, more than most maps of a small network have pixels."""

REQUANTIZERS = (2, 4, 8, 16)
LONGEST = 2
"""Rows of a grid over its columns; a grid on its side takes about as long."""

DENSITY = 0.2
"""Of sparse weights."""

WIDE = 24
"""Bits of accumulators that the drawn sums fit; no cycle depends on them."""

PLAIN_WIDTH = 120
"""Columns of the table where stdout is not a terminal."""

Json = dict[str, Any]


def settings(base: Spec, slots: Sequence[int], requantizers: Sequence[int]) -> Iterator[Spec]:
    """A spec with every grid and number of requantizers that go with `TERMS`."""
    for w in slots:
        lanes = TERMS // w
        for rows in (1 << bit for bit in range(lanes.bit_length())):
            cols = lanes // rows
            if not cols <= rows <= LONGEST * cols:
                continue
            for q in requantizers:
                try:
                    yield replace(base, slots=w, rows=rows, cols=cols, requantizers=q)
                except ShiftbookError:  # they cannot drain this grid
                    continue


def narrowed(base: Spec, network: Network) -> Spec:
    """The spec with the narrowest accumulators that every layer fits."""
    convs = [node for node in network.nodes if isinstance(node, Conv)]
    low, _ = RANGES["accumulator_width"]
    bits = max(accumulator_bits(conv) for conv in convs)
    return replace(base, accumulator_width=max(low, bits))


def engines_of(
    networks: Mapping[str, Network], slots: Sequence[int], requantizers: Sequence[int]
) -> dict[str, tuple[str, Spec]]:
    """Rival and spec of every engine, by a name for progress and gates."""
    found = {}
    for rival, network in networks.items():
        base = narrowed(RIVALS[rival], network)
        presets = [spec for name, spec in PRESETS.items() if name == rival and spec.slots in slots]
        for spec in dict.fromkeys([*settings(base, slots, requantizers), *presets]):
            grid = f"{spec.rows}x{spec.cols}, W = {spec.slots}, Q = {spec.requantizers}"
            found[f"{rival} {grid}" + ", preset" * (spec in presets)] = rival, spec
    return found


def study(
    networks: Mapping[str, Network], slots: Sequence[int], requantizers: Sequence[int], console: Console
) -> Json:
    """Gates and cycles of every setting, the best of each rival first; ``networks`` are by rival."""
    engines = engines_of(networks, slots, requantizers)
    ruler = Ruler(load_weights())
    measured: dict[str, Measured] = {}
    with console.status("") as status:
        for w in slots:  # engines of as many slots share most of their modules
            measured |= measure(
                {name: partial(Engine, spec) for name, (_, spec) in engines.items() if spec.slots == w},
                ruler,
                progress=lambda done, total, what: status.update(f"{done} of {total}: {what}"),
            )
        rows = []
        for name, (rival, spec) in engines.items():
            status.update(f"cycles: {name}")
            described = describe(spec, measured[name], ruler)
            rows.append(row(rival, spec, described, networks[rival]))
    order = list(networks)
    rows.sort(key=lambda entry: (order.index(entry["engine"]), entry["product"]))
    yosys = next(iter(measured.values())).gates.yosys
    return {"versions": versions(yosys), "terms": TERMS, "rows": related(rows)}


def cycles_on(network: Network, spec: Spec) -> int:
    """Cycles of the network as an engine takes it fastest: with all weights, or pruned for it."""
    if spec.feed == "dense":
        return cycles_of(for_slots(network, spec), spec).total
    wide = replace(spec, accumulator_width=WIDE)
    return cycles_of(redrawn(network, wide, DENSITY, spec.weight_width), wide).total


def row(rival: str, spec: Spec, described: Json, network: Network) -> Json:
    """One engine."""
    cycles = cycles_on(network, spec)
    return {
        "engine": rival,
        "rows": spec.rows,
        "cols": spec.cols,
        "slots": spec.slots,
        "requantizers": spec.requantizers,
        "accumulator_width": spec.accumulator_width,
        "preset": spec == PRESETS.get(rival),
        "ge": described["total_ge"],
        "lane_ge": described["lane_ge"],
        "memory_bits": described["memory_bits"],
        "cycles": cycles,
        "product": described["total_ge"] * cycles,
    }


def related(rows: Sequence[Json]) -> list[Json]:
    """The rows with ``relative``: gates x cycles over those of the best row of the same engine."""
    best: dict[str, float] = {}
    for entry in rows:
        best[entry["engine"]] = min(entry["product"], best.get(entry["engine"], entry["product"]))
    return [{**entry, "relative": entry["product"] / best[entry["engine"]]} for entry in rows]


def table(rows: Sequence[Json]) -> Table:
    """The rows as they are; a star marks the preset."""
    shown = Table(title=f"Multiplier engines of {TERMS} terms a cycle, one image")
    for head in ("engine", "lanes", "W", "Q"):
        shown.add_column(head)
    for head in ("engine, GE", "memory bits", "cycles", "GE x cycles", "relative"):
        shown.add_column(head, justify="right")
    for entry in rows:
        shown.add_row(
            entry["engine"] + (" *" if entry["preset"] else ""),
            f"{entry['rows']}x{entry['cols']}",
            str(entry["slots"]),
            str(entry["requantizers"]),
            f"{entry['ge']:,.0f}",
            f"{entry['memory_bits']:,}",
            f"{entry['cycles']:,}",
            f"{entry['product']:.4g}",
            f"{entry['relative']:.3f}",
        )
    return shown


def loaded(checkpoints: Sequence[Path]) -> dict[str, Network]:
    """Networks by the rival that they are named after.

    Raises
    ------
    ShiftbookError
        A file is named otherwise, or cannot be read.
    """
    for path in checkpoints:
        if path.stem not in RIVALS:
            raise ShiftbookError(
                f"{path}: a checkpoint must be named after its engine, {', '.join(RIVALS)}, not {path.stem}"
            )
    return {path.stem: checkpoint.load(path) for path in checkpoints}


def main() -> None:
    """Parse the command line, run the study, print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "checkpoints", type=Path, nargs="+", help=f"named after their engines: {', '.join(RIVALS)}"
    )
    parser.add_argument("--slots", type=int, nargs="+", choices=SLOTS, default=SLOTS)
    parser.add_argument("--requantizers", type=int, nargs="+", choices=REQUANTIZERS, default=REQUANTIZERS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    check_writable(options.json, inputs=options.checkpoints)
    networks = loaded(options.checkpoints)
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    result = study(networks, options.slots, options.requantizers, console)
    console.print(table(result["rows"]))
    write_json(options.json, result)


if __name__ == "__main__":
    start(main)
