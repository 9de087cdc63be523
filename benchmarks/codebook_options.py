"""What the options of shared codebooks do, without fine-tuning: bits, error, rows and accuracy.

python -m benchmarks.codebook_options zoo:resnet20 --weights resnet20.safetensors --data cifar10
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.command import start
from shiftbook.frontend.compression import ends
from shiftbook.frontend.data.batches import normalize
from shiftbook.frontend.data.dataset import Dataset, load
from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.importing.normalization import normalization_for
from shiftbook.frontend.schemes import make
from shiftbook.frontend.schemes.base import QuantizedLayer
from shiftbook.frontend.training.layer_context import layer_contexts
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.frontend.training.target import Target
from shiftbook.frontend.training.train import accuracy, quantize_weights, remeasure_batch_norm
from shiftbook.golden.coding.streams import statistics
from shiftbook.golden.coding.terms import codeword_work
from shiftbook.golden.coding.vectors import vector_weights
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.model.weights import Codebooks
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.storage.packing import pack_codebooks

SETTINGS: tuple[dict[str, Any], ...] = (
    {"dim": 4},
    {"dim": 4, "terms": 2},
    {"dim": 4, "importance": True},
    {"dim": 8},
    {"dim": 9},
    {"dim": 9, "terms": 2},
    {"dim": 9, "importance": True},
    {"dim": 9, "codebooks": 3, "codewords": 32, "per_layer": True},
)
"""Options of the scheme "additive"; two codebooks of 256 codewords, one term, no importance unless named."""

MEASURED = 4096
"""Training images on which batch norm is measured again."""

CALIBRATED = 1024
"""Training images on which the inputs' mean squares are measured."""

Json = dict[str, Any]


def weigh(
    options: Mapping[str, Any], source: str, weights: Path | None, train: Dataset, test: Dataset
) -> Json:
    """Quantize a fresh network with these options."""
    chosen = dict(options)
    importance = chosen.pop("importance", False)
    found = load_model(source, weights)
    height, width, channels = train.shape
    network = FloatNetwork.of(found.model, (channels, height, width))
    model, graph = network.graph, network.layers
    norm = normalization_for(found, channels, None, None)
    before = {path: _weight(model, path).clone() for path in graph.paths}
    inputs = normalize(train.images[:CALIBRATED], norm.mean, norm.std) if importance else None
    scheme = make("additive", DEFAULT, **chosen)
    layers = quantize_weights(
        model,
        graph.paths,
        Target(scheme=scheme, uniform=set(ends(graph)), layer_contexts=layer_contexts(graph, inputs)),
    )
    flip = Recipe().mirrors(train.images)
    remeasure_batch_norm(model, train.images[:MEASURED], norm.mean, norm.std, 0, flip)
    assert test.labels is not None
    return {
        "options": dict(options),
        **figures(layers, before),
        "accuracy": accuracy(model, (test.images, test.labels), norm.mean, norm.std),
    }


def _weight(model: nn.Module, path: str) -> Tensor:
    weight = model.get_submodule(path).weight
    assert isinstance(weight, Tensor)
    return weight.detach()


def figures(layers: Mapping[str, QuantizedLayer], before: Mapping[str, Tensor]) -> Json:
    """Bits, rows and error a weight, of layers with vectors; an error is relative to its output channel."""
    bits, rows, error, count = 0.0, 0, 0.0, 0
    sets: dict[Codebooks, None] = {}
    for path, layer in layers.items():
        if layer.vectors is None:
            continue
        weights = vector_weights(layer.vectors, layer.integers.shape, layer.scheme, DEFAULT.slots, DEFAULT)
        counted = statistics(weights, DEFAULT.slots, DEFAULT)
        bits += sum(counted.stream_bits(DEFAULT))
        rows += int((counted.code_counts * codeword_work(weights.codewords, DEFAULT)).sum())
        sets[layer.vectors.codebooks] = None
        wanted = before[path]
        error += float(
            ((layer.real() - wanted).square() / wanted.square().mean((1, 2, 3), keepdim=True)).sum()
        )
        count += wanted.numel()
    stored = sum(8 * len(data) for codebooks in sets for data in pack_codebooks(codebooks, DEFAULT))
    return {
        "code_bits": bits / count,
        "codebook_bits": stored / count,
        "rows": rows / count,
        "error": error / count,
    }


def table(rows: list[Json], images: int) -> Table:
    """A line for each setting."""
    shown = Table(title=f"Without fine-tuning; accuracy of {images:,} test images, float activations")
    shown.add_column("options", no_wrap=True)
    for head in ("codes, b/w", "codebooks, b/w", "rows/w", "error", "accuracy"):
        shown.add_column(head, justify="right", no_wrap=True)
    for row in rows:
        named = " ".join(_option(name, value) for name, value in row["options"].items())
        numbers = (f"{row[key]:.3f}" for key in ("code_bits", "codebook_bits", "rows", "error"))
        shown.add_row(named, *numbers, f"{100 * row['accuracy']:.2f} %")
    return shown


def _option(name: str, value: object) -> str:
    flag = f"--{name.replace('_', '-')}"
    return flag if value is True else f"{flag} {value}"


def main() -> None:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("source", help="zoo:NAME or file.py:factory")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--data", required=True, help="folder with train and test")
    parser.add_argument("--images", type=int, default=2000, help="test images")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    check_writable(options.json)
    console = Console(width=None if sys.stdout.isatty() else 120)
    torch.manual_seed(0)
    train = load(options.data, "train", limit=MEASURED)
    test = load(options.data, "test", limit=options.images)
    rows = []
    with console.status("") as status:
        for setting in SETTINGS:
            status.update(str(setting))
            rows.append(weigh(setting, options.source, options.weights, train, test))
    console.print(table(rows, len(test)))
    write_json(options.json, rows)


if __name__ == "__main__":
    start(main)
