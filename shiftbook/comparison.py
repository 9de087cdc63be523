"""Checkpoints side by side: what each stores, moves, takes and answers, and what its engine costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shiftbook.api.cycles import cycles_of
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import Spec
from shiftbook.golden.statistics.decomposed import FACT, macs_of
from shiftbook.golden.statistics.sizes import Sizes

Json = dict[str, Any]


@dataclass(frozen=True)
class Load:
    """A network on an engine.

    Attributes
    ----------
    engine
        Its name in `golden.spec.PRESETS`.
    cycles
        Of an image, by the cycle model with its bus.
    moved
        Bytes on the memory bus for an image: program, streams, tensors.
    """

    engine: str
    cycles: int
    moved: int


def loads(network: Network, spec_of: Mapping[str, Spec]) -> list[Load]:
    """What the network takes on each engine that runs it.

    Parameters
    ----------
    spec_of
        By engine.

    Raises
    ------
    ShiftbookError
        None of them runs it; the reason is that of the first.
    """
    found, refusals = [], []
    for engine, any_slots in spec_of.items():
        spec = replace(any_slots, slots=network.slots)
        try:
            cycles = cycles_of(network, spec)
        except ShiftbookError as error:
            refusals.append(f"{engine}: {error}")
            continue
        found.append(Load(engine, cycles.total, cycles.moved_bytes))
    if not found:
        raise ShiftbookError(f"no engine runs it: {refusals[0]}")
    return found


def stored(network: Network, sizes: Sizes) -> Json:
    """What a checkpoint's file holds, and the products of an image, those with zeros included."""
    nonzero = sum(layer.nonzero for layer in sizes.layers)
    return {
        "scheme": scheme_of(network),
        "weights": sizes.weights,
        "density": nonzero / sizes.weights,
        "macs": sum(macs_of(network).values()),
        "stored_bits": sizes.stored_bits,
        "ratio": sizes.ratio,
        "epochs": network.facts.get("epochs"),
        "float_accuracy": network.facts.get("float_accuracy"),
    }


def scheme_of(network: Network) -> str:
    """The scheme that compress was asked for, else those of the layers; and whether layers are chains."""
    schemes = dict.fromkeys(node.weights.scheme for node in network.nodes if isinstance(node, Conv))
    named = str(network.facts.get("scheme") or ", ".join(schemes))
    return f"tensor-train, {named}" if network.facts.get(FACT) else named


def relate(rows: Sequence[Json]) -> list[Json]:
    """The rows with ``gate_cycles``, gates times cycles, and ``relative``, that over the first row's.

    ``ge_per_mac`` is gates over the products of the dense network that are done in a cycle. Where all rows
    know the gates of their whole accelerator, ``accelerator_relative`` is the same ratio with these.
    """
    related = _related(rows, "ge", "relative")
    if all("accelerator_ge" in row for row in rows):
        related = _related(related, "accelerator_ge", "accelerator_relative")
    work = [row["ge"] * row["cycles"] for row in related]
    return [
        {**row, "gate_cycles": each, "ge_per_mac": each / row["macs"]}
        for row, each in zip(related, work, strict=True)
    ]


def _related(rows: Sequence[Json], gates: str, name: str) -> list[Json]:
    base = rows[0][gates] * rows[0]["cycles"]
    return [{**row, name: row[gates] * row["cycles"] / base} for row in rows]


def cheapest(found: Sequence[Load], gates: Mapping[str, float]) -> Load:
    """The engine on which gates times cycles are least."""
    return found[int(np.argmin([load.cycles * gates[load.engine] for load in found]))]
