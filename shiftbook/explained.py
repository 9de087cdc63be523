"""What `run --explain` says: where all lane-slot-cycles of a network go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from shiftbook.console import table

if TYPE_CHECKING:
    from shiftbook.api.explain import Explanation

TOLD = {
    "useful": "a row is added in a lane that holds an output pixel",
    "idle": "lanes without an output pixel, slots without a weight; a grid that fits the maps helps",
    "skips": "a slot skips more zeros than one gap says; it happens at very low densities",
    "slot_wait": "slots wait for the slowest one; compress --balance helps",
    "drain": "all slots wait until the requantizers have emptied the lanes; channels of few rows suffer",
    "bus": "tiles wait for their input, streams, residuals or the store; a wider bus (--bus) helps",
    "fill": "program, first input, starts of tiles, last outputs; small layers suffer",
}
"""Each part, and what it depends on."""

ALL = "all layers"


def without_images(explanation: Explanation) -> dict[str, Any]:
    """The report of `shiftbook run` where no images run, less its arguments; see `with_spent`."""
    return {
        "backend": "golden",
        "lanes": explanation.lanes,
        "images": 0,
        "accuracy": None,
        "mismatches": None,
        "cycles": explanation.cycles,
        "utilization": explanation.spent.share("useful"),
        "layers": [
            {"name": each.name, "cycles": each.cycles, "utilization": each.spent.share("useful")}
            for each in explanation.layers
        ],
        "predictions": [],
    }


def with_spent(report: Mapping[str, Any], explanation: Explanation) -> dict[str, Any]:
    """A report of `shiftbook run` that also says where lane-slot-cycles go, of each layer and of all."""
    of_layer = {each.name: asdict(each.spent) for each in explanation.layers}
    layers = [{**layer, "spent": of_layer[layer["name"]]} for layer in report["layers"]]
    return {**report, "slots": explanation.slots, "spent": asdict(explanation.spent), "layers": layers}


def spent_table(explanation: Explanation) -> str:
    """The explanation for people."""
    layers = [(each.name, each.cycles, each.spent) for each in explanation.layers]
    rows = [
        (name, cycles, *(f"{100 * spent.share(part):.1f}" for part in TOLD))
        for name, cycles, spent in (*layers, (ALL, explanation.cycles, explanation.spent))
    ]
    names = [part.replace("_", " ") for part in TOLD]
    each = "an image" if explanation.batch == 1 else f"a batch of {explanation.batch}"
    lines = [table(("layer", f"cycles/{'image' if explanation.batch == 1 else 'batch'}", *names), rows)]
    lines.append(
        f"in percent of {explanation.spent.total:,} lane-slot-cycles {each} ({explanation.lanes} lanes, "
        f"{explanation.slots} slots), by the cycle model:"
    )
    width = max(map(len, names))
    lines += [f"  {name.ljust(width)}  {what}" for name, what in zip(names, TOLD.values(), strict=True)]
    return "\n".join(lines)
