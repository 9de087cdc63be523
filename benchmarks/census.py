"""Which networks of torchvision, timm and pytorchcv go in, which run, and what stands in the way.

    python -m benchmarks.census [PATTERN ...] [--networks FILE] [--json FILE]
    python -m benchmarks.census [PATTERN ...] [--networks FILE] --run FOLDER [--size PIXELS] [--limit SECONDS]

Needs `pip install --no-deps torchvision timm pytorchcv`. A network *goes in* where its graph computes what
it computes, within 1e-4 of its largest score, and *runs* where the accelerator has a layer for each of its
operations. Where one does not, the first operation in the way is named.

With `--run` each is compressed to int8 with random weights and compared with the float network
(`benchmarks/census_run.py`), in a process of its own. FOLDER gets a file for each; those that have one are
not run again.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import multiprocessing
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.census_run import Measured, measured, summary
from benchmarks.command import start
from shiftbook.console import progress_bar
from shiftbook.frontend.fusing.fuse import fuse
from shiftbook.frontend.importing.recording.read import read_model
from shiftbook.frontend.rewriting.rewrite import rewrite
from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.files import write_text

NETWORKS = Path(__file__).with_name("census.txt")

DETECTION = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
"""Operators that torchvision's usual wheel expects, and a torch without CUDA does not have."""


@dataclass(frozen=True)
class Line:
    """A network of the list."""

    package: str
    name: str
    shape: tuple[int, int, int]


@dataclass
class Finding:
    """What became of one network.

    Attributes
    ----------
    enters, runs
        Whether its graph was made, and layers of it.
    why
        The first operation in the way, or "".
    operations
        How often the graph has each.
    seconds
        To read it, run it twice and compare.
    """

    network: str
    enters: bool = False
    runs: bool = False
    why: str = ""
    operations: dict[str, int] | None = None
    seconds: float = 0.0


def networks(path: Path, patterns: list[str]) -> Iterator[Line]:
    """The networks of a list whose names have one of the patterns in them; all where there are none."""
    for text in path.read_text().splitlines():
        if not text.strip() or text.startswith("#"):
            continue
        package, name, channels, height, width = text.split()
        if not patterns or any(pattern in f"{package}/{name}" for pattern in patterns):
            yield Line(package, name, (int(channels), int(height), int(width)))


def built(line: Line) -> nn.Module:
    """The network with random weights."""
    torch.manual_seed(0)
    if line.package == "torchvision":
        import torchvision

        options = {"init_weights": False} if line.name in ("googlenet", "inception_v3") else {}
        model: nn.Module = torchvision.models.get_model(line.name, weights=None, **options)
    elif line.package == "timm":
        import timm

        model = timm.create_model(line.name)
    else:
        from pytorchcv.model_provider import get_model

        try:
            model = get_model(line.name, in_size=line.shape[1:])
        except TypeError:  # some take no size
            model = get_model(line.name)
    return model.eval()


def judged(line: Line) -> Finding:
    """Read one network."""
    found = Finding(f"{line.package}/{line.name}")
    began = time.monotonic()
    try:
        graph = read_model(built(line), line.shape)
        found.enters = True
        found.operations = dict(Counter(type(graph.of(node)).__name__ for node in graph.nodes))
        rewrite(graph)
        fuse(graph)
        found.runs = True
    except ShiftbookError as error:
        found.why = first_line(error)
    except Exception as error:  # the package's own code, before it is read
        found.why = f"cannot be made: {type(error).__name__}: {first_line(error)}"
    found.seconds = round(time.monotonic() - began, 1)
    return found


def in_the_way(why: str) -> str:
    """The operation that a refusal names, without its place."""
    operation, unsupported, _ = why.removeprefix("unsupported operation ").partition(" at '")
    return operation if unsupported and why.startswith("unsupported") else why.partition(":")[0][:60]


def table(findings: list[Finding]) -> str:
    """Counts, and what stands in the way."""
    enters, runs = sum(f.enters for f in findings), sum(f.runs for f in findings)
    total = max(len(findings), 1)
    lines = [
        f"{len(findings)} networks: {enters} go in ({enters / total:.0%}), {runs} run ({runs / total:.0%})",
        "",
        f"{'in the way':40} {'goes not in':>12} {'does not run':>13}",
    ]
    ways = Counter((in_the_way(f.why), f.enters) for f in findings if f.why)
    for what in sorted({name for name, _ in ways}, key=lambda name: -ways[name, False] - ways[name, True]):
        lines.append(f"{what:40} {ways[what, False]:12} {ways[what, True]:13}")
    return "\n".join(lines)


def run_all(lines: list[Line], folder: Path, side: int | None, limit: float) -> list[Measured]:
    """Run each network that the folder has no file of, and return what is known of all.

    Networks that take longer than ``limit`` seconds are ended and get no file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for package in {line.package for line in lines}:
        importlib.import_module(package)  # once: the processes below are copies of this one
    found = []
    with progress_bar() as progress:
        for number, line in enumerate(lines):
            file = folder / f"{line.package}-{line.name}.json"
            if not file.exists():
                progress(f"{line.package}/{line.name}", number, len(lines))
                _in_a_process(line, file, side, limit)
            known = json.loads(file.read_text()) if file.exists() else _ended(line, limit)
            found.append(Measured(**known))
            print(found[-1].line(), flush=True)
    return found


def _ended(line: Line, limit: float) -> dict[str, Any]:
    """What is known of a network whose process left no file."""
    return {"network": f"{line.package}/{line.name}", "why": f"no result within {limit:g} s, or no memory"}


def _in_a_process(line: Line, file: Path, side: int | None, limit: float) -> None:
    process = multiprocessing.get_context("fork").Process(target=_write, args=(line, file, side))
    process.start()
    process.join(limit)
    if process.is_alive():
        process.kill()
    process.join()


def _write(line: Line, file: Path, side: int | None) -> None:
    """Measure a network and write its file."""
    torch.set_num_threads(1)  # threads do not outlive the copying of a process

    def build(shape: tuple[int, int, int]) -> nn.Module:
        return built(replace(line, shape=shape))

    found = measured(f"{line.package}/{line.name}", build, line.shape, side)
    write_text(file, json.dumps(asdict(found), indent=1) + "\n")


def main() -> None:
    """Read the list, and print a line for each network and the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="part of PACKAGE/NAME")
    parser.add_argument("--networks", type=Path, default=NETWORKS, help="list to read")
    parser.add_argument("--json", type=Path, help="also write the findings here")
    parser.add_argument("--run", type=Path, metavar="FOLDER", help="compress and run each; results go here")
    parser.add_argument("--size", type=int, metavar="PIXELS", help="shorter side of images, where it will do")
    parser.add_argument("--limit", type=float, metavar="SECONDS", default=3600, help="for each network")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in DETECTION:
        with suppress(RuntimeError):
            library.define(schema)
    if given.run is not None:
        lines = list(networks(given.networks, given.patterns))
        print(f"\n{summary(run_all(lines, given.run, given.size, given.limit))}")
        return
    findings: list[Finding] = []
    for line in networks(given.networks, given.patterns):
        finding = judged(line)
        findings.append(finding)
        state = "runs" if finding.runs else "goes in" if finding.enters else "refused"
        print(f"{state:8} {finding.network:45} {finding.seconds:6.1f} s  {finding.why[:150]}", flush=True)
        gc.collect()
    print(f"\n{table(findings)}")
    if given.json is not None:
        rows: list[dict[str, Any]] = [asdict(finding) for finding in findings]
        given.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    start(main)
