"""Fine-tuning of cores.

A step multiplies the cores to the layer's weights and runs the network in its original shape: the result
and the gradients are those of the chain, and one convolution is faster than a chain of small ones on most
machines.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from frontend.float_training import FloatTraining
from frontend.tensor_train.admm import Trains
from frontend.tensor_train.decompose import Cores, compose, decompose


class CoreTraining(FloatTraining):
    """Trains the cores of some layers, and everything else of the model.

    Parameters
    ----------
    trains
        The layers. Their cores start as those of the model's weights.
    """

    name = "cores"

    def __init__(self, *args: Any, trains: Trains, **options: Any) -> None:
        super().__init__(*args, **options)
        self.trains = trains
        self.cores = {path: self._cores(path) for path in trains}
        self.begin()

    def _cores(self, path: str) -> list[nn.Parameter]:
        weight = self.model.get_submodule(path).weight
        assert isinstance(weight, Tensor)
        return [nn.Parameter(core) for core in decompose(weight, *self.trains[path])]

    def parameters(self) -> Iterable[nn.Parameter]:
        replaced = {f"{path}.weight" for path in self.trains}
        yield from (p for name, p in self.model.named_parameters() if name not in replaced)
        for cores in self.cores.values():
            yield from cores

    def weights(self) -> dict[str, Tensor]:
        return {
            f"{path}.weight": compose(self.cores[path], modes) for path, (modes, _) in self.trains.items()
        }

    def identity(self) -> dict[str, Any]:
        return {"ranks": {path: f"{modes.sizes}: {ranks}" for path, (modes, ranks) in self.trains.items()}}

    def tensors(self) -> dict[str, Tensor]:
        return {f"{path}.{k}": core for path, cores in self.cores.items() for k, core in enumerate(cores)}

    def finish(self) -> dict[str, Cores]:
        """The cores, whose product the model's weights become."""
        found = {path: [core.detach().cpu() for core in cores] for path, cores in self.cores.items()}
        with torch.no_grad():
            for path, cores in found.items():
                weight = self.model.get_submodule(path).weight
                assert isinstance(weight, Tensor)
                weight.copy_(compose(cores, self.trains[path][0]))
        return found
