"""Train a network of the zoo that comes without weights."""

from __future__ import annotations

from shiftbook.study.tasks.base import Made, Request, Work
from shiftbook.study.tasks.reading import WEIGHTS, use_one_thread


class Train(Work):
    """``source`` and ``seed`` become weights."""

    name = "train"
    rooms = ("golden", "frontend")
    tools = ("numpy", "torch", "scikit-learn")

    def run(self, request: Request) -> Made:
        import safetensors.torch

        from shiftbook.frontend.importing.load import load_model

        use_one_thread()
        model = load_model(request.options["source"], seed=request.options["seed"]).model
        tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        return Made({"tensors": len(tensors)}, {WEIGHTS: safetensors.torch.save(tensors)})
