"""What ADMM gains over plain TT-SVD, at equal ratios and equal numbers of epochs.

For each ratio, with the same ranks: TT-SVD alone, TT-SVD and all epochs on the cores, ADMM for some of the
epochs and the cores for the others. Weights and MACs are of the whole network; accuracy is that of float
cores. With ``--searches``: what each search for ranks does without training.

    python -m benchmarks.tensor_train zoo:resnet20 --weights resnet20.safetensors --data cifar10 --keep cores

Training can be interrupted: the same command goes on where it was. Cores that ``--keep`` holds are not
trained again.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.command import start
from shiftbook.console import progress_bar
from shiftbook.frontend.calibration_data import CompressionData, gather
from shiftbook.frontend.data.batches import normalize
from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.fusing.fuse import fuse
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import GraphModel
from shiftbook.frontend.importing.load import Source, load_model
from shiftbook.frontend.importing.normalization import Normalization, normalization_for
from shiftbook.frontend.options.data import DataOptions
from shiftbook.frontend.post_training.batch_norm import refresh_statistics
from shiftbook.frontend.tensor_train.admm import Trains
from shiftbook.frontend.tensor_train.chain import chains
from shiftbook.frontend.tensor_train.choose import choose, counted
from shiftbook.frontend.tensor_train.decomposition import decompose_network
from shiftbook.frontend.tensor_train.network import assemble, turn_gains
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.frontend.tensor_train.saved_cores import Facts
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.frontend.training.train import accuracy
from shiftbook.frontend.training.training import Training
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, make_folder, write_json
from shiftbook.golden.progress import quiet

Json = dict[str, Any]

SEARCHES = ("energy", "measured", "largest")
METHODS = ("TT-SVD", "TT-SVD, cores", "ADMM, cores")


class Bench:
    """The network, its images, and what every row needs."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.arguments = arguments
        self.source: Source = load_model(arguments.source, arguments.weights)
        self.data: CompressionData = gather(self.source, DataOptions(images=arguments.data), 1, 0, quiet)
        channels = self.data.train.shape[2]
        self.normalization: Normalization = normalization_for(
            self.source, channels, None, None, self.data.scale
        )
        calibration = self.data.calibration(0).images
        self.inputs = normalize(calibration, self.normalization.mean, self.normalization.std)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        height, width, channels = self.data.train.shape
        return channels, height, width

    def model(self) -> tuple[GraphModel, LayerGraph]:
        """A fresh copy of the float network."""
        network = FloatNetwork.of(self.source.model, self.shape)
        return network.graph, network.layers

    def accuracy(self, model: torch.nn.Module) -> float:
        """On the test images."""
        test = self.data.test
        if test is None or test.labels is None:
            raise SystemExit("the data has no labelled test images")
        norm = self.normalization
        return accuracy(model, (test.images, test.labels), norm.mean, norm.std)

    def row(self, name: str, plan: Plan, seed: int) -> Json:
        """Decompose by a plan, and measure."""
        model, graph = self.model()
        norm, images, labels = self.normalization, self.data.train.images, self.data.train.labels
        label = f"{name}-{plan.ratio}" if seed == 0 else f"{name}-{plan.ratio}-seed{seed}"
        file = self.arguments.keep / f"{label}.safetensors"
        training = Training(
            data=None if labels is None else (images, labels),
            mean=norm.mean,
            std=norm.std,
            seed=seed,
            recipe=Recipe(rate=self.arguments.rate, batch=self.arguments.batch),
            state=file.with_suffix(".training"),
            log=file.with_suffix(".log"),
        )
        kept = replace(plan, keep_cores=file)
        scores = graph.run(self.inputs)
        with progress_bar() as progress:
            found = decompose_network(model, graph, kept, training, self.inputs, progress)
        check_kept(file, plan, found)
        after = fuse(model)
        if plan.epochs == 0:
            refresh_statistics(model, after, images, norm, self.inputs, scores, seed)
        before, now = counted(graph), counted(after)
        return {
            "method": name,
            "seed": seed,
            "admm_epochs": plan.admm_epochs,
            "core_epochs": plan.core_epochs,
            "weights": before["weights"] / now["weights"],
            "macs": before["macs"] / now["macs"],
            "layers": len(chains(model)),
            "accuracy": self.accuracy(model),
            "curve": curve(file.with_suffix(".log")),
        }

    def search(self, name: str, ratio: float) -> Json:
        """Decompose without training, by ranks that one search finds."""
        model, graph = self.model()
        wanted = graph.run(self.inputs)
        trains: Trains = choose(graph, Plan(ratio=ratio, search=name), self.inputs)  # type: ignore[arg-type]
        turn_gains(graph, list(trains))
        assemble(model, trains)
        after = fuse(model)
        norm, images = self.normalization, self.data.train.images
        apart = float((after.run(self.inputs) - wanted).square().mean())
        refresh_statistics(model, after, images, norm, self.inputs, wanted, 0)
        before, now = counted(graph), counted(after)
        return {
            "search": name,
            "weights": before["weights"] / now["weights"],
            "macs": before["macs"] / now["macs"],
            "error": apart / float(wanted.var()),
            "accuracy": self.accuracy(model),
        }


def curve(log: Path) -> list[float]:
    """Share of right answers on the training images after each epoch; none where nothing was trained."""
    if not log.exists():
        return []
    return [json.loads(line)["accuracy"] for line in log.read_text(encoding="utf-8").splitlines()]


def check_kept(file: Path, plan: Plan, found: Facts) -> None:
    """Refuse kept cores that were found in another way than the row will say.

    Raises
    ------
    ShiftbookError
        Names what differs.
    """
    for key, wanted in plan.describe().items():
        if found.get(key) != wanted:
            raise ShiftbookError(
                f"{file} holds cores whose {key} is {found.get(key)}, not {wanted}: name another folder for "
                f"--keep, or remove it to train anew"
            )


def methods(arguments: argparse.Namespace, ratio: float) -> Iterator[tuple[str, Plan]]:
    """The plans to compare, of those asked for."""
    return ((name, plan) for name, plan in _plans(arguments, ratio) if name in arguments.methods)


def _plans(arguments: argparse.Namespace, ratio: float) -> Iterator[tuple[str, Plan]]:
    plan = Plan(ratio=ratio, rho=arguments.rho, updates=arguments.updates)
    total = arguments.admm_epochs + arguments.core_epochs
    yield METHODS[0], plan
    yield METHODS[1], replace(plan, core_epochs=total)
    yield (
        METHODS[2],
        replace(
            plan,
            admm_epochs=arguments.admm_epochs,
            core_epochs=arguments.core_epochs,
            core_rate=arguments.core_rate,
        ),
    )


def table(title: str, rows: list[Json]) -> Table:
    """Rows for people."""
    shown = Table(title=title)
    heads = [head for head in rows[0] if head != "curve"]
    for head in heads:
        shown.add_column(head.replace("_", " "), justify="left" if head in ("method", "search") else "right")
    for row in rows:
        cells = []
        for head in heads:
            value = row[head]
            form = {"accuracy": ".2%", "weights": ".2f", "macs": ".2f", "error": ".3f"}.get(head, "")
            cells.append(format(value, form))
        shown.add_row(*cells)
    return shown


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--data")
    parser.add_argument("--keep", type=Path, required=True, help="folder for trained cores and logs")
    parser.add_argument("--ratios", type=float, nargs="*", default=[2.3, 6.8])
    parser.add_argument("--admm-epochs", type=int, default=1)
    parser.add_argument("--core-epochs", type=int, default=2)
    parser.add_argument("--rate", type=float, default=0.03)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--core-rate", type=float, help="after ADMM; default: a sixth of the rate")
    parser.add_argument("--rho", type=float, default=None)
    parser.add_argument("--updates", type=int, default=8)
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS), metavar="NAME")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0], help="of everything random")
    parser.add_argument("--searches", action="store_true", help="compare the searches for ranks, untrained")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    check_writable(arguments.json)
    make_folder(arguments.keep)
    bench, console, report = Bench(arguments), Console(file=sys.stdout, width=120), {}
    for ratio in arguments.ratios:
        if arguments.searches:
            rows = [bench.search(name, ratio) for name in SEARCHES]
        else:
            plans = list(methods(arguments, ratio))
            rows = [bench.row(name, plan, seed) for name, plan in plans for seed in arguments.seeds]
        console.print(table(f"{ratio}x fewer weights", rows))
        report[str(ratio)] = rows
    print(f"float: {bench.accuracy(bench.source.model):.2%}")
    write_json(arguments.json, report)


if __name__ == "__main__":
    start(main)
