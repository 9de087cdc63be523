"""Which networks of torchvision, timm and pytorchcv go in, which run, and what stands in the way.

    python -m benchmarks.census [PATTERN ...] [--networks FILE] [--json FILE]

Needs `pip install --no-deps torchvision timm pytorchcv`. A network *goes in* where its graph computes what
it computes, within 1e-4 of its largest score, and *runs* where the accelerator has a layer for each of its
operations. Where one does not, the first operation in the way is named.
"""

from __future__ import annotations

import argparse
import gc
import json
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.command import start
from shiftbook.frontend.fusing.fuse import fuse
from shiftbook.frontend.importing.recording.read import read_model
from shiftbook.frontend.rewriting.rewrite import rewrite
from shiftbook.golden.errors import ShiftbookError, first_line

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


def main() -> None:
    """Read the list, and print a line for each network and the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("patterns", nargs="*", metavar="PATTERN", help="part of PACKAGE/NAME")
    parser.add_argument("--networks", type=Path, default=NETWORKS, help="list to read")
    parser.add_argument("--json", type=Path, help="also write the findings here")
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    library = torch.library.Library("torchvision", "FRAGMENT")
    for schema in DETECTION:
        with suppress(RuntimeError):
            library.define(schema)
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
