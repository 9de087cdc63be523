"""What pruning each layer alone does to the class scores, whatever the engine is."""

from __future__ import annotations

import tempfile
from pathlib import Path

from shiftbook.golden.storage import checkpoint
from shiftbook.study.tasks.base import Made, Request, Work
from shiftbook.study.tasks.options import weights_options
from shiftbook.study.tasks.reading import CHECKPOINT, data_of, given_weights, use_one_thread

SHARES = (1.0, 0.7, 0.5, 0.4, 0.3, 0.22, 0.15, 0.1, 0.06)
"""That layers are pruned to."""

IMAGES = 256
"""Calibration images that class scores are compared on."""


class Sensitivity(Work):
    """``source``, ``slots``, ``compression`` and data become errors, and a checkpoint for each share.

    See `frontend.layer_sensitivity`.
    """

    name = "sensitivity"
    rooms = ("golden", "frontend")
    tools = ("numpy", "torch", "scikit-learn", "pillow", "onnx")

    def run(self, request: Request) -> Made:
        from shiftbook.frontend.layer_sensitivity import layer_sensitivity

        use_one_thread()
        options = request.options
        compression = weights_options(options["compression"], options["slots"])
        with given_weights(request) as weights:
            found = layer_sensitivity(
                request.places.get("source", options["source"]),
                weights=weights,
                data=data_of(request),
                compression=compression,
                shares=SHARES,
                images=IMAGES,
            )
        files = {}
        with tempfile.TemporaryDirectory(prefix="shiftbook-") as folder:
            for i, network in enumerate(found.networks):
                target = Path(folder, f"{i}{CHECKPOINT}")
                checkpoint.save(network, target, compression.spec)
                files[suffix(i)] = target.read_bytes()
        return Made({"shares": list(SHARES), "errors": found.errors, "paths": found.paths}, files)


def suffix(number: int) -> str:
    """Of the checkpoint of a share, by its place in the list."""
    return f".{number}{CHECKPOINT}"
