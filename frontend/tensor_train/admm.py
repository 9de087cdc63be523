"""Training in the original shape, with every layer drawn to weights of low rank.

The loss is that of the network plus ``rho / 2 ||W - Z + U||^2``: Z are weights of the wanted ranks, and U
adds up by how much W has missed them so far, so that what is missed again and again is drawn harder.

Source: Yin et al., "Towards efficient tensor decomposition-based DNN model compression with optimization
framework", arXiv 2107.12422, equations 8 to 12.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from shiftbook.frontend.tensor_train.decompose import project
from shiftbook.frontend.tensor_train.modes import Modes, Ranks
from shiftbook.frontend.training.float_training import FloatTraining

Trains = Mapping[str, tuple[Modes, Ranks]]
"""Modes and ranks of the layers to decompose, by module path."""


@dataclass
class Drawn:
    """A layer's weights W, and what they are drawn to: Z - U."""

    weight: nn.Parameter
    modes: Modes
    ranks: Ranks
    z: Tensor
    u: Tensor

    def apart(self) -> Tensor:
        """``W - Z``."""
        return self.weight.detach() - self.z

    @torch.no_grad()
    def update(self) -> None:
        """Z takes the place nearest to W + U, and U what W then misses."""
        self.z.copy_(project(self.weight + self.u, self.modes, self.ranks))
        self.u.add_(self.apart())


REACH = 2.0
"""By how many time constants W comes nearer to Z - U between two updates, at the highest rate, by default."""


STEPS = 20
"""Steps between two updates, at least: momentum needs ten to turn."""


class Admm(FloatTraining):
    """Alternating directions: W by gradient descent, Z and U ``updates`` times an epoch if it is long enough.

    Parameters
    ----------
    trains
        The layers.
    rho
        How hard W is drawn. None follows from the rate and the steps between two updates: where W cannot
        follow what it is drawn to, U runs away.
    """

    name = "admm"

    def __init__(self, *args: Any, trains: Trains, rho: float | None, updates: int, **options: Any) -> None:
        super().__init__(*args, **options)
        self.trains = trains
        self.updates = min(updates, max(1, self.steps_per_epoch // STEPS))
        pace = self.recipe.rate / (1 - self.recipe.momentum) * self.steps_per_epoch / self.updates
        self.rho = REACH / pace if rho is None else rho
        self.drawn = {path: self._drawn(path) for path in trains}

    def _drawn(self, path: str) -> Drawn:
        weight = self.model.get_submodule(path).weight
        assert isinstance(weight, nn.Parameter)
        modes, ranks = self.trains[path]
        return Drawn(weight, modes, ranks, project(weight, modes, ranks), torch.zeros_like(weight))

    def penalty(self) -> Tensor:
        """``rho / 2 ||W - Z + U||^2`` of all layers."""
        apart = [(d.weight - d.z + d.u).square().sum() for d in self.drawn.values()]
        return self.rho / 2 * torch.stack(apart).sum()

    def after_step(self, step: int) -> None:
        done = step % self.steps_per_epoch or self.steps_per_epoch
        if done * self.updates // self.steps_per_epoch > (done - 1) * self.updates // self.steps_per_epoch:
            for drawn in self.drawn.values():
                drawn.update()

    def facts(self) -> dict[str, Any]:
        apart = sum(float(d.apart().square().sum()) for d in self.drawn.values()) ** 0.5
        size = sum(float(d.weight.detach().square().sum()) for d in self.drawn.values()) ** 0.5
        return {"distance": apart, "relative_distance": apart / max(size, 1e-30)}

    def identity(self) -> dict[str, Any]:
        ranks = {path: f"{modes.sizes}: {ranks}" for path, (modes, ranks) in self.trains.items()}
        return {"ranks": ranks, "rho": self.rho, "updates": self.updates}

    def tensors(self) -> dict[str, Tensor]:
        found = {}
        for path, drawn in self.drawn.items():
            found[f"{path}.z"], found[f"{path}.u"] = drawn.z, drawn.u
        return found
