"""Right answers of the network before it is compressed."""

from __future__ import annotations

from contextlib import ExitStack

from shiftbook.golden.progress import quiet
from shiftbook.study.tasks.base import Made, Request, Work
from shiftbook.study.tasks.reading import WEIGHTS, images_of, use_one_thread


class FloatAccuracy(Work):
    """``source``, data and ``images`` become the ``accuracy`` in float."""

    name = "float"
    rooms = ("golden", "frontend")
    tools = ("numpy", "torch", "scikit-learn", "pillow", "onnx")

    def run(self, request: Request) -> Made:
        from shiftbook.frontend.calibration_data import gather
        from shiftbook.frontend.float_network import FloatNetwork
        from shiftbook.frontend.importing.load import load_model
        from shiftbook.frontend.importing.normalization import normalization_for
        from shiftbook.frontend.options.data import DataOptions
        from shiftbook.frontend.training.train import accuracy

        use_one_thread()
        options, places = request.options, request.places
        mean, std = options.get("mean"), options.get("std")
        with ExitStack() as stack:
            weights = places.get("weights")
            if "weights" in request.needs:
                weights = str(stack.enter_context(request.store.path(request.needs["weights"], WEIGHTS)))
            found = load_model(places.get("source", options["source"]), weights)
        data = DataOptions(
            images=places.get("data"), calibration=places.get("calibration"), mean=mean, std=std
        )
        material = gather(found, data, 0, 0, quiet)
        height, width, channels = material.train.shape
        tested = images_of(options["images"], places["images"], channels)
        tested = tested if material.scale is None else tested.to_bytes(material.scale)
        read = FloatNetwork.of(found.model, (channels, height, width))
        norm = read.normalization(normalization_for(found, channels, mean, std, material.scale))
        labels = tested.labels
        assert labels is not None  # images_of refuses those without
        return Made({"accuracy": accuracy(read.graph, (tested.images, labels), norm.mean, norm.std)})
