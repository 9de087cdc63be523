"""Right answers of the golden model on a shard of the images."""

from __future__ import annotations

from shiftbook.study.tasks.base import Made, Request, Work
from shiftbook.study.tasks.reading import images_of, network_of


class Accuracy(Work):
    """``images`` and ``shard``, its first image and the one after its last, become right answers."""

    name = "accuracy"
    rooms = ("golden", "frontend", "api/images.py")
    tools = ("numpy", "pillow", "scikit-learn")

    def run(self, request: Request) -> Made:
        import numpy as np

        from shiftbook.api.images import labels_of
        from shiftbook.frontend.data.network_input import for_network
        from shiftbook.golden.model import executor

        network = network_of(request)
        first, last = request.options["shard"]
        dataset = images_of(request.options["images"], request.places["images"], network.input.shape[2])
        part = for_network(dataset.take(np.arange(first, last)), network)
        labels = labels_of(part, network)
        outputs = executor.run(network, part.images).outputs
        return Made({"images": len(part), "right": int((outputs.argmax(axis=1) == labels).sum())})
