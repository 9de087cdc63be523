"""From 256 to 1,024 terms in a cycle: more lanes or more slots, wider buses, more requantizers.

Each engine runs what was pruned for it (`benchmarks.redraw`): 20 % of random weights, equally many in each
slot. Cycles are those of the cycle model, with the bus, for one image; gates are those of the netlists.
Dense int8 engines of as many terms run the same layers with all their weights, and the best of them, by
gates x cycles on each network, is the rival.

    python -m benchmarks.scaling resnet20.ckpt resnet18.ckpt resnet50.ckpt mobilenet_v1.ckpt \
        mobilenet_v2.ckpt efficientnet_lite0.ckpt ds_cnn.ckpt --json scaling.json

docs/engine-study.md says how the checkpoints are made.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.command import start
from benchmarks.output_groups import DENSITY, KINDS, PLAIN_WIDTH, WIDE, Design
from benchmarks.redraw import redrawn
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.mapping.spent import spent_together
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.validate import shapes
from shiftbook.golden.program.image import Image, build
from shiftbook.golden.storage import checkpoint
from shiftbook.hw.engine.engine import Engine
from shiftbook.synth.flow.gates import versions
from shiftbook.synth.flow.measure import Ruler, measure
from shiftbook.synth.flow.weights import load_weights

Json = dict[str, Any]


def _designs(kind: str, *engines: tuple[int, int, int, int, int]) -> tuple[Design, ...]:
    """Of rows, columns, slots, requantizers and bytes of a beat."""
    return tuple(
        Design(
            kind,
            replace(KINDS[kind], rows=rows, cols=cols, slots=slots, requantizers=each, bus_bytes=bus),
            1,
        )
        for rows, cols, slots, each, bus in engines
    )


DESIGNS = (
    *_designs(
        "shift4",
        (8, 8, 4, 8, 32),
        (8, 8, 4, 16, 32),
        (8, 8, 4, 16, 64),
        (8, 4, 8, 8, 32),
        (8, 4, 8, 16, 32),
        (16, 16, 4, 32, 32),
        (16, 16, 4, 32, 64),
        (8, 8, 16, 16, 32),
        (8, 8, 16, 16, 64),
        (8, 8, 16, 32, 64),
    ),
    *_designs(
        "int8",
        (8, 8, 4, 8, 32),
        (8, 4, 8, 4, 32),
        (8, 4, 8, 8, 32),
        (8, 16, 8, 16, 32),
        (8, 8, 16, 8, 32),
        (8, 8, 16, 16, 32),
    ),
)
"""The first of each number of terms is the preset, or the preset on a larger grid."""


def study(networks: Mapping[str, Network], gates: Json, console: Console) -> Json:
    """Cycles and losses of each network on each design, with the gates that `count` found."""
    rows = []
    with console.status("") as status:
        for name, network in networks.items():
            for design in DESIGNS:
                status.update(f"{name} on {name_of(design)}")
                rows.append(row(name, network, design, gates["ge"][name_of(design)]))
    return {**gates, "density": DENSITY, "rows": [each for each in rows if each]}


def count(console: Console) -> Json:
    """Gates of all designs by name, and what counted them."""
    ruler = Ruler(load_weights())
    makers = {name_of(design): partial(Engine, design.spec) for design in DESIGNS}
    with console.status("") as status:
        measured = measure(
            makers, ruler, progress=lambda done, total, what: status.update(f"{done} of {total}: {what}")
        )
    found = {name: each.gates.cost(ruler.weights) for name, each in measured.items()}
    return {"versions": versions(next(iter(measured.values())).gates.yosys), "ge": found}


def name_of(design: Design) -> str:
    """Names an engine."""
    spec = design.spec
    return (
        f"{design.kind} {spec.rows}x{spec.cols}, W = {spec.slots}, Q = {spec.requantizers}, {spec.bus_bytes}"
    )


def row(name: str, network: Network, design: Design, gates: float) -> Json | None:
    """A network on a design; None where the engine cannot run it."""
    spec = replace(design.spec, accumulator_width=WIDE)
    try:
        image = build(redrawn(network, spec, DENSITY), spec)
    except ShiftbookError:
        return None
    costs = image.costs()
    cycles = sum(cost.cycles for cost in costs)
    return {
        "network": name,
        "kind": design.kind,
        "terms": design.terms,
        "rows": spec.rows,
        "cols": spec.cols,
        "slots": spec.slots,
        "requantizers": spec.requantizers,
        "bus": spec.bus_bytes,
        "ge": round(gates),
        "cycles": cycles,
        "product": gates * cycles,
        "single_pixel": single_pixel_cycles(network, image) / cycles,
        "spent": asdict(spent_together(cost.spent for cost in costs)),
    }


def single_pixel_cycles(network: Network, image: Image) -> int:
    """Cycles of nodes whose outputs have one pixel: fully connected layers, and gates."""
    found = shapes(network)
    return sum(
        sum(cost.cycles for cost in costs)
        for node, costs in image.layer_costs().items()
        if found[node][:2] == (1, 1)
    )


def table(rows: Sequence[Json]) -> Table:
    """Networks on engines."""
    shown = Table(title="Cycles by the model, and where lane-slot-cycles go")
    for head in ("network", "kind", "terms", "lanes", "W", "Q", "bus", "GE", "cycles", "10^9 product"):
        shown.add_column(head)
    for head in ("useful", "idle", "drain + wait", "bus", "fill", "one pixel"):
        shown.add_column(head, justify="right")
    for each in rows:
        spent = each["spent"]
        total = sum(spent.values())
        parts = [
            spent["useful"],
            spent["idle"],
            spent["drain"] + spent["slot_wait"],
            spent["bus"],
            spent["fill"],
        ]
        shown.add_row(
            each["network"],
            each["kind"],
            str(each["terms"]),
            f"{each['rows']}x{each['cols']}",
            *(str(each[key]) for key in ("slots", "requantizers", "bus")),
            *(f"{each[key]:,}" for key in ("ge", "cycles")),
            f"{each['product'] / 1e9:.1f}",
            *(f"{100 * part / total:.1f} %" for part in parts),
            f"{100 * each['single_pixel']:.1f} %",
        )
    return shown


def earlier(path: Path) -> Json:
    """Gates that an earlier run counted.

    Raises
    ------
    ShiftbookError
        The file has not the gates of all designs.
    """
    found = json.loads(path.read_text())
    if not set(map(name_of, DESIGNS)) <= set(found.get("ge", {})):
        raise ShiftbookError(f"{path} has not the gates of all engines: leave --gates out to count them")
    return {"versions": found["versions"], "ge": found["ge"]}


def main() -> None:
    """Parse the command line, run the study, print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", type=Path, nargs="*", help="pruned networks")
    parser.add_argument("--gates", type=Path, metavar="FILE", help="take the gates from an earlier --json")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    check_writable(options.json, inputs=options.checkpoints)
    networks = {path.stem: checkpoint.load(path) for path in options.checkpoints}
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH + 40)
    gates = count(console) if options.gates is None else earlier(options.gates)
    result = study(networks, gates, console)
    console.print(table(result["rows"]))
    write_json(options.json, result)


if __name__ == "__main__":
    start(main)
