"""Checkpoints side by side: what each stores, moves, takes and answers, and what its engine costs."""

from __future__ import annotations

import math
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
        Of an image, by the cycle model with its bus; of a batch its share, rounded up.
    moved
        Bytes on the memory bus for an image, likewise: program, streams, tensors.
    batch_cycles
        Of the whole batch.
    """

    engine: str
    cycles: int
    moved: int
    batch_cycles: int | None = None


def loads(network: Network, spec_of: Mapping[str, Spec], batch: int = 1) -> list[Load]:
    """What the network takes on each engine that runs it.

    Parameters
    ----------
    spec_of
        By engine.
    batch
        Images that an engine takes at once.

    Raises
    ------
    ShiftbookError
        None of them runs it; the reason is that of the first.
    """
    found, refusals = [], []
    for engine, any_slots in spec_of.items():
        spec = replace(any_slots, slots=network.slots)
        try:
            cycles = cycles_of(network, spec, batch)
        except ShiftbookError as error:
            refusals.append(f"{engine}: {error}")
            continue
        found.append(Load(engine, share(cycles.total, batch), share(cycles.moved_bytes, batch), cycles.total))
    if not found:
        raise ShiftbookError(f"no engine runs it: {refusals[0]}")
    return found


def share(whole: int, batch: int) -> int:
    """What an image of a batch has of it, rounded up."""
    return -(-whole // batch)


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


PRODUCTS = {
    "relative": ("ge", "cycles"),
    "whole_relative": ("whole_ge", "cycles"),
    "accelerator_relative": ("accelerator_ge", "cycles"),
    "accelerator_whole_relative": ("accelerator_whole_ge", "cycles"),
    "timed_relative": ("whole_area", "cycles", "delay"),
}
"""What is related to the first row: products of these fields."""


def relate(rows: Sequence[Json]) -> list[Json]:
    """The rows with ``gate_cycles``, gates times cycles, and products over those of the first row.

    ``relative`` is of gates times cycles, ``whole_relative`` of gates and memories times cycles,
    ``timed_relative`` of total area times cycles times period; see `PRODUCTS`. A product is there where all
    rows know what it is of. ``ge_per_mac`` is gates over the products of the dense network that are done in a
    cycle.
    """
    related = []
    for row, found in zip(rows, ratios(rows, PRODUCTS), strict=True):
        work = _product(row, ("ge", "cycles"))
        related.append({**row, **found, "gate_cycles": work, "ge_per_mac": work / row["macs"]})
    return related


def ratios(rows: Sequence[Json], products: Mapping[str, Sequence[str]]) -> list[dict[str, float]]:
    """For each row the products of fields over those of the first row.

    A product is there where all rows know its fields, and that of the first row is not zero.
    """
    known = {
        name: fields
        for name, fields in products.items()
        if all(row.get(field) is not None for row in rows for field in fields) and _product(rows[0], fields)
    }
    return [
        {name: _product(row, fields) / _product(rows[0], fields) for name, fields in known.items()}
        for row in rows
    ]


def _product(row: Json, fields: Sequence[str]) -> float:
    return math.prod(row[field] for field in fields)


def cheapest(found: Sequence[Load], ge: Mapping[str, float]) -> Load:
    """The engine on which GE times cycles are least."""
    return found[int(np.argmin([load.cycles * ge[load.engine] for load in found]))]
