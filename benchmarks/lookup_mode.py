"""Additive codes: issuing terms against looking dot products up, in gates x cycles.

Every output channel names codewords of the same input vectors, so that a vector's dot product with a codeword
can be computed once and looked up by all channels that name it. What that takes is weighed here against
issuing each codeword's terms: a lane with tables is synthesized in the place of the engine's lane, and cycles
are counted from codes. Codebooks are fitted to the weights of ResNet-20, whose codes are real; those of
ResNet-18 are drawn uniformly, as only its shapes are at hand. The first and the last layer are left out.

The count favours the look-up: its vectors' rows split evenly among the slots, only codewords that some
channel names are computed, and its control and its drain are free.

    python -m benchmarks.lookup_mode --weights resnet20.safetensors
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from benchmarks.additive import cut, sizes_of
from benchmarks.command import start
from benchmarks.lookup_lane import LookupLane
from shiftbook.frontend.codebooks import Codebooks, fit
from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.importing.load import load_model
from shiftbook.golden.coding.terms import codeword_work
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.mapping.cycles import busy_cycles
from shiftbook.golden.spec import PRESETS, Spec
from shiftbook.hw.engine.engine import Engine
from shiftbook.synth.flow.gates import lane_cost
from shiftbook.synth.flow.measure import Ruler, measure
from shiftbook.synth.flow.weights import load_weights

SETTINGS = (
    (8, 1, 256),
    (8, 2, 16),
    (8, 2, 64),
    (4, 1, 256),
    (8, 2, 256),
    (4, 2, 16),
    (2, 1, 256),
    (4, 2, 256),
)
"""d, M, K; a product code, M = 1 and K = 256, before the others of its size."""

RESNET18 = (
    (64, 64, 3, 56, 4),
    (128, 64, 3, 28, 1),
    (128, 128, 3, 28, 3),
    (128, 64, 1, 28, 1),
    (256, 128, 3, 14, 1),
    (256, 256, 3, 14, 3),
    (256, 128, 1, 14, 1),
    (512, 256, 3, 7, 1),
    (512, 512, 3, 7, 3),
    (512, 256, 1, 7, 1),
)
"""Output channels, input channels, kernel, output pixels a side, how often; arXiv 1512.03385, table 1."""

Ints = NDArray[np.int64]
Json = dict[str, Any]


@dataclass(frozen=True)
class Layer:
    """A convolution of ``count`` equal ones: its codes [O, V, M], and output pixels a side."""

    codes: Ints
    pixels: int
    count: int


def resnet20(weights: Path, sizes: tuple[int, int, int], terms: int) -> tuple[list[Layer], Codebooks, float]:
    """ResNet-20's inner layers with their codes, the codebooks that all share, and the relative error."""
    dim, books, codewords = sizes
    convs = list(FloatNetwork.of(load_model("zoo:resnet20", weights).model, (3, 32, 32)).layers.convs())[1:-1]
    vectors = [cut([conv.weight().detach()], dim) for conv in convs]
    found = fit(torch.cat(vectors), codebooks=books, codewords=codewords, terms=terms)
    wanted = torch.cat(vectors)
    error = float((found.decode() - wanted).square().sum() / wanted.square().sum())
    codes = np.split(found.codes.numpy().astype(np.int64), np.cumsum([len(part) for part in vectors])[:-1])
    layers = []
    for conv, own in zip(convs, codes, strict=True):
        pixels = conv.input_shape[1] // conv.stride[0]
        layers.append(Layer(own.reshape(conv.weight().shape[0], -1, books), pixels, 1))
    return layers, found, error


def resnet18(sizes: tuple[int, int, int]) -> Iterator[Layer]:
    """ResNet-18's inner layers with random codes."""
    dim, books, codewords = sizes
    rng = np.random.default_rng(0)
    for outputs, inputs, kernel, pixels, count in RESNET18:
        vectors = -(-kernel * kernel * inputs // dim)
        yield Layer(rng.integers(0, codewords, (outputs, vectors, books)), pixels, count)


def direct_cycles(layer: Layer, rows: Ints, spec: Spec) -> int:
    """Issue the terms of every code; vectors are dealt to the slots, which wait for each other."""
    cost = rows[np.arange(layer.codes.shape[2]), layer.codes].sum(axis=2)
    slowest = np.max([cost[:, slot :: spec.slots].sum(axis=1) for slot in range(spec.slots)], axis=0)
    durations = np.maximum(slowest, spec.drain_cycles)
    return tiles(layer, spec) * busy_cycles(int(durations.sum()), spec)


def lookup_cycles(layer: Layer, rows: Ints, spec: Spec) -> int:
    """Compute what is named of W vectors; then every output channel looks up one word a table and cycle."""
    outputs, vectors, books = layer.codes.shape
    fill = 0
    for book in range(books):
        named = np.zeros((vectors, rows.shape[1]), bool)
        named[np.arange(vectors), layer.codes[:, :, book]] = True
        fill += int((named * np.maximum(1, -(-rows[book] // spec.slots))).sum())
    groups = -(-vectors // spec.slots)
    return tiles(layer, spec) * (fill + groups * outputs * books)


def tiles(layer: Layer, spec: Spec) -> int:
    """Tiles of a layer."""
    return -(-layer.pixels // spec.rows) * -(-layer.pixels // spec.cols)


def study(
    weights: Path, settings: Sequence[tuple[int, int, int]], terms: int, spec: Spec, console: Console
) -> list[Json]:
    """One row for each setting, network and number of output channels, and one for each whole network."""
    rows: list[Json] = []
    with console.status("") as status:
        status.update("gates")
        gates = engines({books * codewords for _, books, codewords in settings}, spec)
        for sizes in settings:
            status.update(f"d, M, K = {sizes}: codes")
            small, found, error = resnet20(weights, sizes, terms)
            each = codeword_work(found.integers.numpy(), spec)
            facts = gates[sizes[1] * sizes[2]] | {"terms": terms, "error": error, "bits": bits(sizes)}
            for network, layers in (("ResNet-20", small), ("ResNet-18", list(resnet18(sizes)))):
                widths = sorted({len(layer.codes) for layer in layers})
                for width in (*widths, None):
                    part = [layer for layer in layers if width in (None, len(layer.codes))]
                    rows.append({"network": network, "sizes": sizes, "outputs": width}
                                | weigh(part, each, spec) | facts)  # fmt: skip
    for row in rows:
        row["gain"] = row["direct_ge"] * row["direct_cycles"] / (row["lookup_ge"] * row["lookup_cycles"])
        product = product_of(row, rows)
        if product is not None:
            saved = product["direct_cycles"] / row["direct_cycles"]
            row["gain_over_product"] = row["gain"] * saved
    return rows


def bits(sizes: tuple[int, int, int]) -> float:
    """Bits of a weight, codebooks and entropy apart."""
    dim, books, codewords = sizes
    return books * (codewords.bit_length() - 1) / dim


def product_of(row: Json, rows: Sequence[Json]) -> Json | None:
    """The same layers with one code of 8 bits a vector and as many bits per weight, if it was weighed."""
    for other in rows:
        same = all(other[key] == row[key] for key in ("network", "outputs", "bits"))
        if same and tuple(other["sizes"][1:]) == (1, 256):
            return other
    return None


def weigh(layers: Sequence[Layer], rows: Ints, spec: Spec) -> Json:
    """Cycles of some layers in both ways."""
    return {
        "direct_cycles": sum(layer.count * direct_cycles(layer, rows, spec) for layer in layers),
        "lookup_cycles": sum(layer.count * lookup_cycles(layer, rows, spec) for layer in layers),
    }


def engines(words: Collection[int], spec: Spec) -> dict[int, Json]:
    """Gates and memory bits of the engine as it is, and with lanes whose tables have so many words."""
    ruler = Ruler(load_weights())
    channels = max(outputs for outputs, *_ in RESNET18)
    lanes = {f"lookup {count}": partial(LookupLane, spec, count, channels) for count in sorted(words)}
    measured = measure({"engine": partial(Engine, spec), **lanes}, ruler)
    engine = measured["engine"]
    total, memory = engine.gates.cost(ruler.weights), engine.gates.memory_bits()
    present = lane_cost(spec, engine.design.top, engine.gates, ruler.weights)
    found = {}
    for count in words:
        lookup = measured[f"lookup {count}"].gates
        found[count] = {
            "direct_ge": total,
            "lookup_ge": total + spec.lanes * (lookup.cost(ruler.weights) - present),
            "direct_memory_bits": memory,
            "lookup_memory_bits": memory + spec.lanes * lookup.memory_bits(),
        }
    return found


def table(rows: Sequence[Json]) -> Table:
    """Gain above 1: look-up is better, than issuing the same code and than issuing the product code."""
    shown = Table(title="Issuing terms against looking dot products up")
    for head in ("d, M, K", "network", "outputs"):
        shown.add_column(head, no_wrap=True)
    for head in (
        "error",
        "cycles",
        "with tables",
        "GE",
        "with tables",
        "Mbit",
        "with tables",
    ):
        shown.add_column(head, justify="right")
    for head in ("gain, GE x cycles", "over product"):
        shown.add_column(head, justify="right", no_wrap=True)
    sizes = None
    for row in rows:
        if row["sizes"] != sizes:
            sizes = row["sizes"]
            shown.add_section()
        shown.add_row(
            ", ".join(map(str, row["sizes"])),
            row["network"],
            "all" if row["outputs"] is None else str(row["outputs"]),
            f"{row['error']:.3f}",
            *(f"{row[f'{way}_cycles']:,}" for way in ("direct", "lookup")),
            *(f"{row[f'{way}_ge']:,.0f}" for way in ("direct", "lookup")),
            *(f"{row[f'{way}_memory_bits'] / 1e6:.2f}" for way in ("direct", "lookup")),
            f"{row['gain']:.2f}",
            f"{row['gain_over_product']:.2f}" if "gain_over_product" in row else "-",
        )
    return shown


def main() -> None:
    """Parse the command line, weigh, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--weights", type=Path, required=True, help="weights of ResNet-20")
    parser.add_argument("--sizes", type=sizes_of, nargs="+", default=SETTINGS, metavar="d,M,K")
    parser.add_argument(
        "--terms", type=int, default=1, metavar="T", help="signed powers of two a weight of a codeword"
    )
    parser.add_argument("--preset", choices=("shift", "two_term"), default="shift")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    check_writable(options.json)
    console = Console(width=None if sys.stdout.isatty() else 160)
    rows = study(options.weights, options.sizes, options.terms, PRESETS[options.preset], console)
    console.print(table(rows))
    write_json(options.json, rows)


if __name__ == "__main__":
    start(main)
