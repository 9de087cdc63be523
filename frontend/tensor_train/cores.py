"""Fine-tuning of cores: the convolutions of the chains, and everything else of the network, are trained."""

from __future__ import annotations

from typing import Any

from shiftbook.frontend.tensor_train.chain import chains
from shiftbook.frontend.training.float_training import FloatTraining


class CoreTraining(FloatTraining):
    """Trains a network with chains, whose weights are the cores."""

    name = "cores"

    def identity(self) -> dict[str, Any]:
        found = chains(self.model)
        return {"ranks": {path: f"{chain.modes.sizes}: {chain.ranks}" for path, chain in found.items()}}
