"""The classic rival: a dense int8 array, parallel over pixels, output channels and input channels.

`synth.dense` is the array: P pixels x O output channels x I input channels, 256 products in a cycle. Weights
are recoded once for all pixels, as in the other multiplier engines; lanes and requantizers are theirs, too.
No pixel needs a rotator, because every bank holds a part of the map with its halo, and all read at one
address. Tests run it against the golden model, integer for integer.

Its gates are those of Yosys, as for all engines, with memories of as many bits. Its cycles are a closed form
that decides every doubt in favour of the array (`benchmarks.array_cycles`); tests hold it to the busy cycles
of the simulated array.

    python -m benchmarks.dense_arrays resnet20.ckpt resnet18.ckpt mobilenet_v2.ckpt ds_cnn.ckpt \
        --json dense_arrays.json

Only shapes count, so that any checkpoints of these networks will do; docs/engine-study.md says how these are
made. With ``--tech`` the arrays are mapped to the technology's cells, too; with ``--fitted`` each has the
smallest memories that cost the network less than 1 % of its cycles, as ``--tile-words auto`` gives engines.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.array_cycles import Layer, layer_cycles, layers_of
from benchmarks.command import start
from shiftbook.golden.coding.recode import for_slots
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.mapping.passes import plan
from shiftbook.golden.model.network import Network
from shiftbook.golden.program.tile_memory import COST
from shiftbook.golden.spec import ACTIVATION_WIDTH, PRESETS
from shiftbook.golden.storage import checkpoint
from shiftbook.synth.dense.drain import parameters
from shiftbook.synth.dense.engine import DenseEngine
from shiftbook.synth.dense.shape import Dense
from shiftbook.synth.flow.gates import LANE, short_name, versions
from shiftbook.synth.flow.liberty import load_liberty
from shiftbook.synth.flow.measure import Measured, Ruler, measure
from shiftbook.synth.flow.weights import load_weights
from shiftbook.synth.technologies.memory import Memory
from shiftbook.synth.technologies.technology import names, technology

TERMS = 256
"""Products in a cycle."""

SHAPES = {
    f"{p}x{o}x{i}": (p, o, i)
    for p, o, i in ((16, 4, 4), (8, 8, 4), (4, 16, 4), (8, 4, 8), (4, 8, 8), (4, 4, 16))
}
"""Pixels, output channels and input channels, by name."""

REQUANTIZERS = (2, 4, 8, 16)

ACCUMULATOR = 23
"""Bits that ResNet-20 needs, as in the other studies of int8 engines."""

BUS = PRESETS["int8"].bus_bytes

PLAIN_WIDTH = 120
"""Columns of the table where stdout is not a terminal."""

Json = dict[str, Any]


def arrays(
    shapes: Sequence[str] = tuple(SHAPES), requantizers: Sequence[int] = REQUANTIZERS
) -> dict[str, Dense]:
    """Every array of the study, by a name for progress and gates."""
    return {
        f"{shape}, Q = {q}": Dense(*SHAPES[shape], q, accumulator_width=ACCUMULATOR)
        for shape in shapes
        for q in requantizers
    }


def layers(network: Network) -> list[Layer]:
    """What the array runs: the layers that the dense int8 engine has passes for."""
    spec = PRESETS["int8"]
    return layers_of(plan(for_slots(network, spec), spec).passes)


def cycles_of(of_network: Sequence[Layer], dense: Dense) -> int:
    """Of a network's layers."""
    return sum(layer_cycles(layer, dense, BUS) for layer in of_network)


def fitted(of_network: Sequence[Layer], dense: Dense) -> Dense:
    """The array with the smallest memories that cost the network less than `COST` of its cycles."""
    most = (1 + COST) * cycles_of(of_network, dense)
    while True:
        smaller = replace(dense, memory_bytes=dense.memory_bytes // 2)
        try:
            if cycles_of(of_network, smaller) >= most:
                return dense
        except ShiftbookError:  # too small for a layer
            return dense
        dense = smaller


def figures(dense: Dense, measured: Measured, ruler: Ruler) -> Json:
    """Shape and gates of one array; with a cell library its area and longest path, too."""
    gates, top = measured.gates, measured.design.top
    (lane,) = (name for name in gates.instances() if LANE.fullmatch(short_name(name, top)))
    held = ruler.memories.total(memories(dense))
    found = {
        "engine": "int8_array",
        "pixels": dense.pixels,
        "outputs": dense.outputs,
        "inputs": dense.inputs,
        "requantizers": dense.requantizers,
        "accumulator_width": dense.accumulator_width,
        "memory_bytes": dense.memory_bytes,
        "ge": round(gates.cost(ruler.weights), 2),
        "lane_ge": round(gates.cost(ruler.weights, lane), 2),
        "memory_bits": gates.memory_bits(),
        "whole_ge": round(gates.cost(ruler.weights) + held, 2),
    }
    library, cells = ruler.liberty, measured.cells
    if library is not None and cells is not None and library.technology is not None:
        logic, memory = cells.cost(library), held * library.technology.gate
        slowest = cells.modules[cells.slowest()]
        found |= {
            "total_area": round(logic, 2),
            "memory_area": round(memory, 2),
            "whole_area": round(logic + memory, 2),
            "delay": slowest.delay,
        }
    return found


def memories(dense: Dense) -> dict[Memory, int]:
    """Banks, weights and parameters of an array."""
    word = ACTIVATION_WIDTH * dense.inputs
    return {
        Memory(dense.activation_words, word): dense.pixels,
        Memory(dense.weight_words, word * dense.outputs): 1,
        Memory(dense.parameter_words, parameters(dense).size): 1,
    }


def study(
    networks: Mapping[str, Network],
    found: Mapping[str, Dense],
    console: Console,
    ruler: Ruler,
    fit: bool = False,
) -> Json:
    """Gates of arrays by name, and cycles of every network on each; the best array of each network first.

    With ``fit`` each network's arrays have memories as small as it allows.
    """
    shapes = {name: layers(network) for name, network in networks.items()}
    own = {
        (network, name): fitted(of_network, dense) if fit else dense
        for network, of_network in shapes.items()
        for name, dense in found.items()
    }
    measured = _measured(own.values(), console, ruler)
    rows = []
    for network, of_network in shapes.items():
        entries = []
        for dense in (dense for (other, _), dense in own.items() if other == network):
            entry, cycles = figures(dense, measured[dense], ruler), cycles_of(of_network, dense)
            entries.append({"network": network, **entry, "cycles": cycles, "product": entry["ge"] * cycles})
        best = min(entry["product"] for entry in entries)
        entries = [{**entry, "relative": entry["product"] / best} for entry in entries]
        rows += sorted(entries, key=lambda entry: entry["product"])
    yosys = next(iter(measured.values())).gates.yosys
    return {"versions": versions(yosys), "terms": TERMS, "bus": BUS, "rows": rows}


def _measured(arrays: Iterable[Dense], console: Console, ruler: Ruler) -> dict[Dense, Measured]:
    """Every array, synthesized once."""
    named = {str(dense): dense for dense in arrays}
    with console.status("") as status:
        found = measure(
            {name: partial(DenseEngine, dense) for name, dense in named.items()},
            ruler,
            progress=lambda done, total, what: status.update(f"{done} of {total}: {what}"),
        )
    return {dense: found[name] for name, dense in named.items()}


def table(rows: Sequence[Json]) -> Table:
    """The rows as they are."""
    shown = Table(title=f"Dense int8 arrays of {TERMS} products a cycle, one image")
    for head in ("network", "P x O x I"):
        shown.add_column(head)
    for head in ("Q", "GE", "memory bits", "total, GE", "cycles", "GE x cycles", "relative"):
        shown.add_column(head, justify="right")
    for entry in rows:
        shown.add_row(
            entry["network"],
            f"{entry['pixels']}x{entry['outputs']}x{entry['inputs']}",
            str(entry["requantizers"]),
            f"{entry['ge']:,.0f}",
            f"{entry['memory_bits']:,}",
            f"{entry['whole_ge']:,.0f}",
            f"{entry['cycles']:,}",
            f"{entry['product']:.4g}",
            f"{entry['relative']:.3f}",
        )
    return shown


def main() -> None:
    """Parse the command line, run the study, print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", type=Path, nargs="+", help="one for each network")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--requantizers", type=int, nargs="+", choices=REQUANTIZERS, default=REQUANTIZERS)
    parser.add_argument("--tech", choices=names(), help="map to the cells of this technology, too")
    parser.add_argument("--fitted", action="store_true", help="memories as small as each network allows")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    check_writable(options.json, inputs=options.checkpoints)
    library = load_liberty(technology(options.tech).library()) if options.tech else None
    ruler = Ruler(load_weights(), library)
    networks = {path.stem: checkpoint.load(path) for path in options.checkpoints}
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    found = arrays(options.shapes, options.requantizers)
    result = study(networks, found, console, ruler, options.fitted)
    console.print(table(result["rows"]))
    write_json(options.json, result)


if __name__ == "__main__":
    start(main)
