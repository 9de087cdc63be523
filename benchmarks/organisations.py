"""Which organisation is cheapest in gates x cycles: the study behind the engine, repeatable.

Weight slots W = 1, 2, 4, 8 into one accumulator, with lanes of different exponent ranges and with the int8
multiplier, each as a complete engine of the real generator: its gates by Yosys, and the cycles that it takes
for one image of a network whose weights are really pruned, quantized and placed. Memories are apart, in bits;
the tile's are the same for W of 2, 4 and 8 (W times as many banks of 1 / W of the words) and half of that for
1, because a tap table entry addresses no more; the codebooks' are not.

    python -m benchmarks.organisations zoo:resnet20 --weights resnet20.safetensors --json organisations.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.command import start
from shiftbook.frontend import schemes
from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.training.prune import prune
from shiftbook.golden.coding import streams
from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.mapping.cycles import pass_cycles
from shiftbook.golden.mapping.passes import plan_layer
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.validate import shapes
from shiftbook.golden.model.weights import Requantize, Weights
from shiftbook.golden.spec import DEFAULT, PRESETS, Spec
from shiftbook.golden.storage import checkpoint
from shiftbook.hw.engine.engine import Engine
from shiftbook.synth.flow.gates import describe, versions
from shiftbook.synth.flow.measure import Ruler, measure
from shiftbook.synth.flow.weights import load_weights

SLOTS = (1, 2, 4, 8)
DENSITIES = (0.1, 0.2, 1.0)
TERMS = {
    "0..7": ((0, 7),),
    "0..7 and 0..7": ((0, 7), (0, 7)),
    "0..7 and 0..3": ((0, 7), (0, 3)),
    "4..7 and 0..3": ((4, 7), (0, 3)),
    "4 and 0..3": ((4, 4), (0, 3)),
}
"""Lanes, by the exponent ranges of the terms that they add in a cycle."""

MULTIPLIERS = {"int8 dense": PRESETS["int8"], "int8 sparse": PRESETS["int8_sparse"]}

TILE_WORDS = DEFAULT.slots * DEFAULT.tile_words
"""Words of all slots' banks together."""

MOST_WORDS = 2048
"""Of a bank; with more, a tap table entry would be too wide."""

IMAGE = (3, 32, 32)

PLAIN_WIDTH = 120
"""Columns of the table where stdout is not a terminal."""

Source = tuple[int, int, int]
Json = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """A network's layers as integers, with the shape (height, width, channels) of each one's input."""

    scheme: str
    density: float
    layers: tuple[tuple[Conv, Source], ...]


def organisations(slots: Sequence[int]) -> dict[tuple[str, int], Spec]:
    """Every engine of the study, by lane and slots."""
    lanes = {name: replace(DEFAULT, terms=terms) for name, terms in TERMS.items()} | MULTIPLIERS
    return {
        (name, w): replace(spec, slots=w, tile_words=min(TILE_WORDS // w, MOST_WORDS))
        for name, spec in lanes.items()
        for w in slots
    }


def pruned(source: str, weights: Path | None, densities: Sequence[float]) -> Iterator[Workload]:
    """A model pruned by magnitude to each density and quantized by each scheme, without fine-tuning."""
    graph = FloatNetwork.of(load_model(source, weights).model, IMAGE).layers
    layers = list(graph.convs())
    real = {layer.path: layer.weight().detach() for layer in layers}
    for density in densities:
        masks = prune(real, density)
        for name in ("shift", "focused", "int8"):
            scheme = schemes.get(name)(8) if name == "int8" else schemes.get(name)()
            coded = []
            for layer in layers:
                grid = scheme.fit(real[layer.path], masks[layer.path], torch.Generator().manual_seed(0))
                integers = grid.layer(real[layer.path]).integers
                coded.append(as_conv(layer, integers, name))
            yield Workload(name, density, tuple(coded))


def as_conv(
    layer: ConvLayer, integers: np.ndarray[Any, np.dtype[np.int16]], scheme: str
) -> tuple[Conv, Source]:
    """One layer; its requantizer says nothing, as no cycle depends on it."""
    channels, height, width = layer.input_shape
    nothing = np.zeros(len(integers), np.int64)
    conv = Conv(
        name=layer.name,
        source=layer.source,
        weights=Weights(integers, np.unique(integers), scheme, gapless=False),
        requantize=Requantize(nothing, nothing, nothing),
        stride=layer.stride,
        padding=layer.padding,
        groups=layer.groups,
    )
    return conv, (height, width, channels)


def stored(path: Path) -> Workload:
    """The layers of a checkpoint."""
    network = checkpoint.load(path)
    tensors = shapes(network)
    layers = [(node, tensors[node.source]) for node in network.nodes if isinstance(node, Conv)]
    total = sum(conv.weights.integers.size for conv, _ in layers)
    kept = sum(np.count_nonzero(conv.weights.integers) for conv, _ in layers)
    return Workload(str(network.facts.get("scheme", path.name)), round(kept / total, 3), tuple(layers))


def cycles(workload: Workload, spec: Spec, balanced: bool) -> int:
    """Busy cycles of one image, placed for this spec; channel slots balanced or interleaved (c mod W).

    Raises
    ------
    ShiftbookError
        The lane cannot represent one of the weights.
    """
    return sum(
        pass_cycles(step, spec).busy
        for conv, source in workload.layers
        for step in plan_layer(replace(conv, weights=placed(conv.weights, spec, balanced)), source, spec)
    )


def placed(weights: Weights, spec: Spec, balanced: bool) -> Weights:
    """The weights with gaps or without, whichever is shorter, and channels assigned to slots."""
    if balanced:
        return code_weights(weights.integers, weights.scheme, spec)
    return streams.choose_gapless(replace(weights, slot_of_channel=None), spec.slots, spec)


def runs_on(workload: Workload, lane: str) -> bool:
    """Multiplier lanes run int8 weights, shift lanes all others."""
    return (workload.scheme == "int8") == (lane in MULTIPLIERS)


def study(workloads: Sequence[Workload], slots: Sequence[int], console: Console) -> Json:
    """Gates of every organisation, cycles of every workload on each, and their product."""
    specs = organisations(slots)
    ruler = Ruler(load_weights())
    names = {f"{lane}, W = {w}": (lane, w) for lane, w in specs}
    with console.status("") as status:
        measured = measure(
            {name: partial(Engine, specs[key]) for name, key in names.items()},
            ruler,
            progress=lambda done, total, what: status.update(f"{done} of {total}: {what}"),
        )
        engines = {key: describe(specs[key], measured[name], ruler) for name, key in names.items()}
        rows = []
        for workload in workloads:
            for (lane, w), spec in specs.items():
                if runs_on(workload, lane):
                    status.update(f"{workload.scheme} at {workload.density:.0%}: {lane}, W = {w}")
                    rows.append(row(workload, lane, w, spec, engines[lane, w]))
    yosys = next(iter(measured.values())).gates.yosys
    return {"versions": versions(yosys), "rows": rows}


def row(workload: Workload, lane: str, slots: int, spec: Spec, engine: Json) -> Json:
    """One line of the study; cycles are None where the lane cannot represent the weights."""
    result: Json = {
        "scheme": workload.scheme,
        "density": workload.density,
        "lane": lane,
        "slots": slots,
        "ge": engine["total_ge"],
        "lane_ge": engine["lane_ge"],
        "memory_bits": engine["memory_bits"],
    }
    try:
        result["interleaved_cycles"] = cycles(workload, spec, balanced=False)
        result["cycles"] = cycles(workload, spec, balanced=True)
        result["product"] = engine["total_ge"] * result["cycles"]
    except ShiftbookError as error:
        result |= {"interleaved_cycles": None, "cycles": None, "product": None, "refused": str(error)}
    return result


def table(rows: Sequence[Json]) -> Table:
    """Rows grouped by scheme and density; products over that of the same group's first row."""
    shown = Table(title="Gates x cycles of one image")
    for head in ("scheme", "density", "lane", "W"):
        shown.add_column(head)
    for head in ("engine, GE", "memory bits", "cycles", "interleaved", "GE x cycles", "relative"):
        shown.add_column(head, justify="right")
    group, base = None, None
    for entry in rows:
        if (entry["scheme"], entry["density"]) != group:
            group, base = (entry["scheme"], entry["density"]), None
            shown.add_section()
        base = base or entry["product"]
        shown.add_row(
            entry["scheme"],
            f"{entry['density']:.0%}",
            entry["lane"],
            str(entry["slots"]),
            f"{entry['ge']:,.0f}",
            f"{entry['memory_bits']:,}",
            *(
                ("refused", "", "", "")
                if entry["cycles"] is None
                else (
                    f"{entry['cycles']:,}",
                    f"{entry['interleaved_cycles']:,}",
                    f"{entry['product']:.3g}",
                    f"{entry['product'] / base:.3f}",
                )
            ),
        )
    return shown


def main() -> None:
    """Parse the command line, run the study, print it."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", help="zoo:NAME, file.py:factory, or a checkpoint")
    parser.add_argument("--weights", type=Path, help="weights of the model")
    parser.add_argument("--slots", type=int, nargs="+", default=SLOTS)
    parser.add_argument("--density", type=float, nargs="+", default=DENSITIES)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    check_writable(options.json)
    if ":" in options.source:
        workloads = list(pruned(options.source, options.weights, options.density))
    else:
        workloads = [stored(Path(options.source))]
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    result = study(workloads, options.slots, console)
    console.print(table(result["rows"]))
    write_json(options.json, result)


if __name__ == "__main__":
    start(main)
