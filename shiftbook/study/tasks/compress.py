"""Compress a network into a checkpoint; calibration is part of it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from shiftbook.golden.storage import checkpoint
from shiftbook.study.tasks.allocation import Curve, allocate
from shiftbook.study.tasks.base import Json, Made, Request, Work
from shiftbook.study.tasks.options import BUDGET, chain_plan, training_options, weights_options
from shiftbook.study.tasks.reading import CHECKPOINT, data_of, given_weights, use_one_thread


class Compress(Work):
    """``source``, ``slots``, ``compression`` and data become a checkpoint."""

    name = "compress"
    rooms = ("golden", "frontend")
    tools = ("numpy", "torch", "scikit-learn", "pillow", "onnx")

    def run(self, request: Request) -> Made:
        from shiftbook.frontend.compress import compress

        use_one_thread()
        options, places = request.options, request.places
        chosen = allotted(options["compression"], request)
        with (
            tempfile.TemporaryDirectory(prefix="shiftbook-") as folder,
            given_weights(request) as weights,
        ):
            target = Path(folder, f"network{CHECKPOINT}")
            done = compress(
                places.get("source", options["source"]),
                target,
                weights=weights,
                data=data_of(request),
                compression=weights_options(chosen, options["slots"]),
                training=training_options(chosen),
                tensor_train=chain_plan(chosen),
                measured=False,
            )
            named = replace(done.network, facts={**done.network.facts, "source": options["source"]})
            checkpoint.save(named, target, weights_options(chosen, options["slots"]).spec)
            return Made({}, {CHECKPOINT: target.read_bytes()})


def allotted(chosen: Mapping[str, Json], request: Request) -> Mapping[str, Json]:
    """The options with a density for each layer in place of a budget.

    Raises
    ------
    ShiftbookError
        The budget is too small.
    """
    if BUDGET not in chosen:
        return chosen
    record = request.store.get(request.needs["curves"])
    assert record is not None  # tasks run after those that they need
    curves = {layer: Curve(**curve) for layer, curve in record["result"]["layers"].items()}
    total = record["result"]["total"]
    densities = allocate(curves, total, chosen[BUDGET] * total)
    return {**{name: value for name, value in chosen.items() if name != BUDGET}, "densities": densities}
