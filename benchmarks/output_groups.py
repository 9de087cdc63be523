"""Groups of lanes that compute other output channels of the same tile: is that worth building?

An engine of E groups (`benchmarks.lane_groups`) has E grids of R x C lanes with W slots each: R C E W terms
in a cycle. Small grids fill small maps and fully connected layers; each group needs decoders of its own, and
rotators of small grids are smaller. Engines with narrow lanes (preset ``shift4``) run sparse networks that
are pruned for them (`benchmarks.redraw`), and dense int8 engines run the same layers with all their weights.

Cycles are those of the cycle model, with the bus. Gates are those of real netlists: an engine of E groups has
E times the modules of one with its grid, but one register file and one table of each code. What it needs
around the engine is estimated: E times what stores outputs, fetches residuals and buffers streams.

    python -m benchmarks.output_groups resnet20.ckpt resnet18.ckpt mobilenet_v2.ckpt ds_cnn.ckpt \
        --json groups.json

docs/engine-study.md says how the checkpoints are made.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.command import start
from benchmarks.engine_tables import design_of, means
from benchmarks.group_cycles import group_cycles
from benchmarks.lane_groups import Groups
from benchmarks.redraw import redrawn
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import check_writable, write_json
from shiftbook.golden.mapping.cycles import PassCycles
from shiftbook.golden.mapping.spent import spent_together
from shiftbook.golden.model.network import Network
from shiftbook.golden.program.image import Image, build
from shiftbook.golden.spec import PRESETS, Spec
from shiftbook.golden.storage import checkpoint
from shiftbook.hw.engine.engine import Engine
from shiftbook.hw.system.accelerator import Accelerator
from shiftbook.synth.flow.gates import describe, describe_all, versions
from shiftbook.synth.flow.measure import Measured, Ruler, measure
from shiftbook.synth.flow.weights import load_weights

KINDS: dict[str, Spec] = {
    "shift4": PRESETS["shift4"],
    "int8": replace(PRESETS["int8"], accumulator_width=23),
}
"""Engines; the accumulators of int8 have the bits that ResNet-20 needs."""

GRIDS = ((4, 4), (8, 4), (8, 8), (8, 16), (16, 16))
SLOTS = {"shift4": (2, 4, 8), "int8": (4, 8)}
TERMS = (256, 1024)
BUSES = (32, 64)
DRAINS = {"shift4": (8, 4), "int8": (16, 8)}
"""Cycles in which requantizers empty a grid; channels with all their weights last long, and need fewer."""

PIECE = 32
"""The most bytes of a piece of memory: two make a block of 8 x 8 pixels, and of all smaller grids."""

DENSITY = 0.2

WIDE = 24
"""Bits of accumulators that the random sums fit; no cycle depends on them."""

STREAM_WORDS = 4
"""Words of the program that say where a stream lies."""

SHARED = re.compile(r"(register_file|code_table|engine)(_v\d+)?")
"""Modules of an engine that all groups share."""

AROUND = re.compile(r"(stream_buffer|stream_fetcher|store|residual_reader|tile_control)(_v\d+)?")
"""Modules around the engine of which each group may need one."""

PLAIN_WIDTH = 140
"""Columns of the table where stdout is not a terminal."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Design:
    """An engine of E groups.

    Attributes
    ----------
    kind
        Of `KINDS`.
    spec
        Of one group.
    count
        Groups E.
    """

    kind: str
    spec: Spec
    count: int

    @property
    def terms(self) -> int:
        """Terms in a cycle."""
        return self.spec.lanes * self.spec.slots * self.count


def group_specs(kind: str) -> Iterator[Spec]:
    """One group of each grid, slots and cycles of a drain."""
    for rows, cols in GRIDS:
        for slots in SLOTS[kind]:
            for drain in DRAINS[kind]:
                piece = min(PIECE, rows * cols // 2)
                try:
                    yield replace(
                        KINDS[kind],
                        rows=rows,
                        cols=cols,
                        slots=slots,
                        bus_bytes=piece,
                        requantizers=rows * cols // drain,
                    )
                except ShiftbookError:  # more would leave in a cycle than a piece takes
                    continue


def designs(kind: str, terms: Sequence[int]) -> list[Design]:
    """Every engine of the study with so many terms in a cycle."""
    found = [
        Design(kind, spec, total // (spec.lanes * spec.slots))
        for spec in group_specs(kind)
        for total in terms
        if total % (spec.lanes * spec.slots) == 0
    ]
    return [design for design in found if design.count]


def cost_of(image: Image, design: Design, bus: int) -> list[PassCycles]:
    """What each pass costs with a bus of so many bytes; the program names the streams of every group."""
    spec, groups = image.spec, Groups(design.count, bus // image.spec.bus_bytes)
    words = [(told.words[0], sum(told.words[1:])) for told in image.told]
    more = STREAM_WORDS * (1 + 2 * spec.slots) * (design.count - 1)
    return [
        group_cycles(step, spec, words=(before, after + more), groups=groups)
        for step, (before, after) in zip(image.plan.passes, words, strict=True)
    ]


def engine_gates(described: Json, count: int) -> float:
    """Gates of an engine of E groups from the modules of an engine that is one group."""
    shared = sum(m["total_ge"] for name, m in described["modules"].items() if SHARED.fullmatch(name))
    gates: float = shared + count * (described["total_ge"] - shared)
    return gates


def around_gates(described: Json, count: int) -> float:
    """Gates around an engine of E groups, at most, from those around an engine of 8 x 8 lanes."""
    modules = described["system_modules"]
    each = sum(m["total_ge"] for name, m in modules.items() if AROUND.fullmatch(name))
    whole = described["accelerator_ge"] - described["total_ge"]
    gates: float = whole + (count - 1) * each
    return gates


def study(networks: Mapping[str, Network], terms: Sequence[int], console: Console) -> Json:
    """Gates of all designs, and cycles and gates x cycles of each network on each."""
    every = [design for kind in KINDS for design in designs(kind, terms)]
    ruler = Ruler(load_weights())
    with console.status("") as status:

        def tell(done: int, total: int, what: str) -> None:
            status.update(f"{done} of {total}: {what}")

        specs = {name_of(design): design.spec for design in every}
        engines = described_engines(specs, ruler, tell)
        measured = measure(
            {f"bus {bus}": partial(Accelerator, replace(KINDS["shift4"], bus_bytes=bus)) for bus in BUSES},
            ruler,
            progress=tell,
        )
        around = {
            bus: describe_all(replace(KINDS["shift4"], bus_bytes=bus), measured[f"bus {bus}"], ruler)
            for bus in BUSES
        }
        rows = []
        for name, network in networks.items():
            for design, image in images(network, every):
                status.update(f"{name}: {name_of(design)}, {design.count} groups")
                for bus in BUSES:
                    rows.append(row(name, design, cost_of(image, design, bus), bus, engines, around))
    yosys = next(iter(measured.values())).gates.yosys
    return {"versions": versions(yosys), "density": DENSITY, "rows": rows}


def name_of(design: Design) -> str:
    """Names what one group is."""
    spec = design.spec
    return f"{design.kind} {spec.rows}x{spec.cols}, W = {spec.slots}, Q = {spec.requantizers}"


def described_engines(specs: Mapping[str, Spec], ruler: Ruler, tell: Any) -> dict[str, Json]:
    """Gate reports of engines; those of as many slots share most modules."""
    found: dict[str, Json] = {}
    for slots in sorted({spec.slots for spec in specs.values()}):
        part = {name: spec for name, spec in specs.items() if spec.slots == slots}
        makers = {name: partial(Engine, spec) for name, spec in part.items()}
        measured: dict[str, Measured] = measure(makers, ruler, progress=tell)
        found |= {name: describe(spec, measured[name], ruler) for name, spec in part.items()}
    return found


def images(network: Network, every: Sequence[Design]) -> Iterator[tuple[Design, Image]]:
    """Each design with the image of one of its groups: what is pruned for it, placed on it.

    Nothing is yielded for a design whose grid cannot run the network.
    """
    pruned: dict[tuple[int, int], Network] = {}  # by what pruning is for: a dense feed takes zeros, too
    built: dict[Spec, Image | None] = {}
    for design in every:
        spec = replace(design.spec, accumulator_width=WIDE)
        need = spec.slots, spec.drain_cycles if spec.feed == "coded" else 0
        if need not in pruned:
            pruned[need] = redrawn(network, spec, DENSITY)
        if spec not in built:
            try:
                built[spec] = build(pruned[need], spec)
            except ShiftbookError:
                built[spec] = None
        image = built[spec]
        if image is not None:
            yield design, image


def row(
    network: str,
    design: Design,
    costs: Sequence[PassCycles],
    bus: int,
    engines: Mapping[str, Json],
    around: Mapping[int, Json],
) -> Json:
    """A network on a design with a bus."""
    spec, described = design.spec, engines[name_of(design)]
    cycles, gates = sum(cost.cycles for cost in costs), engine_gates(described, design.count)
    return {
        "network": network,
        "kind": design.kind,
        "terms": design.terms,
        "rows": spec.rows,
        "cols": spec.cols,
        "groups": design.count,
        "slots": spec.slots,
        "requantizers": spec.requantizers * design.count,
        "drain": spec.drain_cycles,
        "bus": bus,
        "cycles": cycles,
        "ge": round(gates),
        "accelerator_ge": round(gates + around_gates(around[bus], design.count)),
        "product": gates * cycles,
        "spent": asdict(spent_together(cost.spent for cost in costs)),
    }


def table(rows: Sequence[Json]) -> Table:
    """Designs that run all networks, the lowest mean of gates x cycles of as many terms and kind first."""
    found = means(rows)
    networks = list(dict.fromkeys(row["network"] for row in rows))
    cells = {(design_of(row), row["network"]): row for row in rows}
    shown = Table(title="Gates x cycles in 10^9, and cycles in thousands")
    for head in ("kind", "terms", "lanes", "groups", "W", "Q", "bus", "GE", *networks, "mean"):
        shown.add_column(head)
    for key in sorted(found, key=lambda key: (key[0], key[1], found[key])):
        of_networks = [cells[key, network] for network in networks]
        first = of_networks[0]
        shown.add_row(
            first["kind"],
            str(first["terms"]),
            f"{first['rows']}x{first['cols']}",
            *(str(first[name]) for name in ("groups", "slots", "requantizers", "bus")),
            f"{first['ge']:,}",
            *(f"{each['product'] / 1e9:.1f} ({each['cycles'] / 1e3:.0f}k)" for each in of_networks),
            f"{found[key] / 1e9:.1f}",
        )
    return shown


def main() -> None:
    """Parse the command line, run the study, print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("checkpoints", type=Path, nargs="+", help="pruned networks")
    parser.add_argument("--terms", type=int, nargs="+", choices=TERMS, default=TERMS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    check_writable(options.json, inputs=options.checkpoints)
    networks = {path.stem: checkpoint.load(path) for path in options.checkpoints}
    console = Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)
    result = study(networks, options.terms, console)
    console.print(table(result["rows"]))
    write_json(options.json, result)


if __name__ == "__main__":
    start(main)
