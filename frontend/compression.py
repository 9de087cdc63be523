"""The steps from a trained network to integers, each of which needs what the one before it left."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import cast

from torch import Tensor, nn

from shiftbook.frontend.calibration_data import CompressionData
from shiftbook.frontend.data.batches import normalize
from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import GraphModel
from shiftbook.frontend.importing.load import Source
from shiftbook.frontend.importing.normalization import Normalization
from shiftbook.frontend.lowering.engine_limits import engine_limit
from shiftbook.frontend.lowering.lower import lower
from shiftbook.frontend.options.compression import CompressionOptions, Ends
from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.frontend.post_training.batch_norm import refresh_statistics, scores
from shiftbook.frontend.post_training.calibrate import calibrate
from shiftbook.frontend.post_training.gptq import compensate
from shiftbook.frontend.post_training.sensitivity import PrunedLayer, prune_each_alone
from shiftbook.frontend.schemes.base import QuantizedLayer, Scheme
from shiftbook.frontend.tensor_train.decomposition import decompose_network
from shiftbook.frontend.tensor_train.network import facts_of
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.frontend.training import kept_weights, train
from shiftbook.frontend.training.layer_context import layer_contexts
from shiftbook.frontend.training.layer_state import layer_states
from shiftbook.frontend.training.target import Target
from shiftbook.frontend.training.training import Data, Training
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model import executor
from shiftbook.golden.model.network import Network
from shiftbook.golden.progress import Progress
from shiftbook.golden.statistics.decomposed import FACT
from shiftbook.golden.statistics.distribution import MIXTURES


class Compression:
    """A network on its way; the steps are `decompose`, where wanted, `quantize` and `lower`.

    Parameters
    ----------
    found
        The network; its model stays as it is.
    options, training
        See `frontend.compress.compress`; the epochs are of fine-tuning in `quantize`.
    """

    def __init__(
        self,
        found: Source,
        data: CompressionData,
        normalization: Normalization,
        *,
        options: CompressionOptions,
        training: TrainingOptions,
        progress: Progress,
    ) -> None:
        self.data = data
        self.options, self.progress = options, progress
        self.epochs, self.seed = training.epochs, options.seed
        self.recipe = replace(training.recipe, balance=options.balanced or training.recipe.balance)
        if data.scale is not None and self.recipe.flip is None:
            self.recipe = replace(self.recipe, flip=False)  # a signal has a direction
        self.files = training
        start = training.warm_start
        self.warm_start: Mapping[str, Tensor] = {} if start is None else kept_weights.read(start)
        self.teacher: nn.Module | None = None
        self.decomposed = False
        height, width, channels = data.train.shape
        self.network = FloatNetwork.of(found.model, (channels, height, width))
        data.check(self.graph.classes)
        if self.graph.classes is None and self.epochs:
            raise ShiftbookError(
                f"fine-tuning needs class scores, and the network gives {_shape_text(self.graph)}: leave out "
                f"epochs, not {self.epochs}"
            )
        self.normalization = self.network.normalization(normalization)
        calibration = data.calibration(self.seed).images
        self.inputs = normalize(calibration, self.normalization.mean, self.normalization.std)

    def notices(self) -> list[str]:
        """What users should know before anything takes long."""
        found = []
        if left_out := self.network.rewritten.left_out:
            found.append(f"the final {left_out} is left out: the order of the scores stays the same")
        if limit := engine_limit(self.graph, self.options.spec):
            found.append(f"the accelerator cannot run this network, the golden model can: {limit}")
        return found

    @property
    def model(self) -> GraphModel:
        """The network itself."""
        return self.network.graph

    @property
    def graph(self) -> LayerGraph:
        """Its layers."""
        return self.network.layers

    def float_accuracy(self) -> float | None:
        """Of the float network, on the test images; None without labels or class scores."""
        test = self.data.test
        if test is None or test.labels is None or self.graph.classes is None:
            return None
        self.progress("float accuracy", 0, 1)
        norm = self.normalization
        result = train.accuracy(self.model, (test.images, test.labels), norm.mean, norm.std)
        self.progress("float accuracy", 1, 1)
        return result

    def _training_data(self) -> Data:
        """What to train on; images without labels get the float network's own answers."""
        images, labels = self.data.train.images, self.data.train.labels
        if labels is None:
            self.progress("answers of the float network", 0, 1)
            labels = train.answers(self.model, images, self.normalization.mean, self.normalization.std)
            self.progress("answers of the float network", 1, 1)
        return images, labels

    def _training(self, epochs: int) -> Training:
        """What training for some epochs needs."""
        return Training(
            data=self._training_data() if epochs else None,
            mean=self.normalization.mean,
            std=self.normalization.std,
            seed=self.seed,
            recipe=self.recipe,
            state=self.files.state,
            log=self.files.log,
            keep_weights=self.files.keep_weights,
        )

    def decompose(self, plan: Plan) -> dict[str, object]:
        """Put chains of cores in the place of layers; the whole network then teaches them."""
        if self.epochs:
            self.teacher = copy.deepcopy(self.model)
        training = self._training(plan.epochs)
        before = scores(self.graph, self.inputs)
        facts = decompose_network(self.model, self.graph, plan, training, self.inputs, self.progress)
        self.decomposed = True
        self.network.fuse()
        if not facts.get("trained"):
            self._refresh(before)
        return {
            "tensor_train": facts,
            "cores_accuracy": self.float_accuracy(),
            FACT: facts_of(self.model, self.graph),
        }

    def _refresh(self, wanted: Tensor) -> None:
        images = self.data.train.images
        refresh_statistics(self.model, self.graph, images, self.normalization, self.inputs, wanted, self.seed)

    def density(self, scheme: Scheme) -> float:
        """Share of the weights to keep."""
        return self.options.density_of(scheme, tuned=self.epochs > 0, decomposed=self.decomposed)

    def describe(self, scheme: Scheme) -> dict[str, object]:
        """What a checkpoint says of its making, as JSON values."""
        return {
            "scheme": scheme.name,
            **scheme.describe(),
            "density": self.density(scheme),
            **({"densities": dict(self.options.densities)} if self.options.densities else {}),
            "epochs": self.epochs,
            "seed": self.seed,
            **({"warm_start": file.name} if (file := self.files.warm_start) is not None else {}),
            **({} if self.options.engine is None else {"engine": self.options.engine}),
            "uniform_layers": list(layers_kept(self.graph, self.options.uniform)),
            "uniform_bits": self.options.bits_at_ends,
            "mean": list(self.normalization.mean),
            "std": list(self.normalization.std),
            **({"left_out": left_out} if (left_out := self.network.rewritten.left_out) else {}),
            **({} if self.data.scale is None else self.data.scale.facts()),
        }

    def _target(self, scheme: Scheme) -> Target:
        """What the weights are to become."""
        return Target(
            scheme=scheme,
            density=self.density(scheme),
            densities=self.options.densities,
            uniform=set(layers_kept(self.graph, self.options.uniform)),
            uniform_bits=self.options.bits_at_ends,
            layer_contexts=layer_contexts(self.graph, self.inputs if self.options.importance else None),
        )

    def prune_each_alone(
        self, scheme: Scheme, shares: Sequence[float], images: int
    ) -> dict[str, list[PrunedLayer]]:
        """What pruning single layers costs, see `frontend.post_training.sensitivity`; nothing changes.

        Parameters
        ----------
        images
            Of the calibration, that class scores are compared on.
        """
        states = layer_states(self.model, self.graph.paths, self._target(scheme))
        return prune_each_alone(self.graph, states, self.inputs[:images], shares, self.seed, self.progress)

    def check_warm_start(self) -> None:
        """Refuse kept weights of another network."""
        if self.files.warm_start is not None:
            kept_weights.load(copy.deepcopy(self.model), self.warm_start, self.files.warm_start)

    def start_warm(self) -> None:
        """Put kept weights into the network; the one that it was goes on teaching."""
        if self.files.warm_start is None:
            return
        if self.epochs and self.teacher is None:
            self.teacher = copy.deepcopy(self.model)
        kept_weights.load(self.model, self.warm_start, self.files.warm_start)

    def quantize(self, scheme: Scheme) -> dict[str, QuantizedLayer]:
        """Make the weights those of a scheme, but those of some layers uniform."""
        self.start_warm()
        compensated = self.epochs == 0 and scheme.incremental
        wanted = None if self.epochs or compensated else scores(self.graph, self.inputs)
        together = partial(
            compensate,
            self.graph,
            images=self.inputs,
            seed=self.seed,
            progress=self.progress,
            balance=self.recipe.balance,
        )
        quantized = train.quantize_weights(
            self.model,
            self.graph.paths,
            self._target(scheme),
            self._training(self.epochs),
            epochs=self.epochs,
            teacher=self.teacher,
            together=together if compensated else None,
            progress=self.progress,
        )
        if wanted is not None:
            self._refresh(wanted)
        return quantized

    def lower(self, quantized: Mapping[str, QuantizedLayer], facts: Mapping[str, object]) -> Network:
        """The integer network."""
        ranges = calibrate(
            self.graph, self.inputs, input_range=self.normalization.range(), progress=self.progress
        )
        return lower(
            self.graph,
            quantized,
            ranges,
            self.normalization,
            spec=self.options.width_spec,
            seed=self.seed,
            narrows=self.options.engine is not None,
            classes=self.data.class_names(self.graph.classes),
            facts={**facts, **_mixtures(self.graph, quantized)},
            progress=self.progress,
        )

    def integer_accuracy(self, network: Network) -> float | None:
        """Of the integers on the test images; None without labels or class scores."""
        test = self.data.test
        if test is None or test.labels is None or self.graph.classes is None:
            return None
        done = 0

        def count(more: int) -> None:
            nonlocal done
            done += more
            self.progress("integer accuracy", done, len(test))

        outputs = executor.run(network, test.images, progress=count).outputs
        return float((outputs.argmax(axis=1) == test.labels).mean())


def _shape_text(graph: LayerGraph) -> str:
    """What a network gives that has no class scores."""
    return f"{len(graph.results)} tensors" if len(graph.results) > 1 else "maps"


def layers_kept(graph: LayerGraph, uniform: Ends | Collection[str]) -> tuple[str, ...]:
    """Paths of layers that are not pruned and get uniform weights.

    Parameters
    ----------
    uniform
        Paths, or ends of the network; see `CompressionOptions`.

    Layers that only scale or select channels are always among them.

    Raises
    ------
    ShiftbookError
        There is no such layer.
    """
    chosen = ends(graph, cast("Ends", uniform)) if isinstance(uniform, str) else tuple(uniform)
    for path in chosen:
        if path not in graph.paths:
            raise ShiftbookError(f"there is no layer {path!r} to keep: choose of {', '.join(graph.paths)}")
    return tuple(dict.fromkeys((*chosen, *graph.fixed)))


def ends(graph: LayerGraph, which: Ends = "both") -> tuple[str, ...]:
    """Paths of the first and the last layer or of one of them, which have few weights and matter most.

    Measured on ResNet-20, 5-bit shift, each weight rounded for itself, CIFAR-10 (JPEG copy), 2,000 images
    (float 88.70 %): 86.70 % with all layers at 5 bits, 87.40 % with the first at 8, 86.75 % with the last,
    87.65 % with both, which hold 1,072 of 268,336 weights. Focused weights in the last layer triple the
    squared error of the class scores there.
    """
    paths = [path for path in graph.paths if path not in graph.fixed] or graph.paths
    first = paths[:1] if which in ("both", "first") else []
    last = paths[-1:] if which in ("both", "last") else []
    return tuple(dict.fromkeys((*first, *last)))


def _mixtures(graph: LayerGraph, quantized: Mapping[str, QuantizedLayer]) -> dict[str, object]:
    """The fact that names the mixtures of layers that were fitted with one; none where there are none."""
    found = {layer.name: quantized[layer.path].facts.get("mixture") for layer in graph.convs()}
    found = {name: mixture for name, mixture in found.items() if mixture is not None}
    return {MIXTURES: found} if found else {}
