"""Which layers are decomposed, into which modes and with which ranks."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from math import prod
from typing import Literal

from torch import Tensor, nn

from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.tensor_train.admm import Trains
from shiftbook.frontend.tensor_train.modes import Modes, Ranks, modes_for
from shiftbook.frontend.tensor_train.plan import Factors, Plan
from shiftbook.frontend.tensor_train.ranks import (
    Candidate,
    Cost,
    Point,
    allot,
    largest_values,
    measured,
    path,
)
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress, quiet

Unit = Literal["weights", "macs"]

MEASURED_IMAGES = 256
"""Images that harm is measured on, once for each point of each layer."""


def suitable(graph: LayerGraph) -> dict[str, ConvLayer]:
    """The layers that may be decomposed, by module path.

    Convolutions with a kernel beyond 1x1, without groups, called once; not the first layer, whose few inputs
    leave nothing to decompose.
    """
    calls: dict[str, list[ConvLayer]] = {}
    for layer in list(graph.convs())[1:]:
        calls.setdefault(layer.path, []).append(layer)
    return {
        path: layers[0]
        for path, layers in calls.items()
        if len(layers) == 1
        and type(layers[0].module) is nn.Conv2d
        and layers[0].groups == 1
        and prod(layers[0].kernel) > 1
        and layers[0].dilation == (1, 1)
    }


def choose(graph: LayerGraph, plan: Plan, inputs: Tensor | None = None, progress: Progress = quiet) -> Trains:
    """The layers to decompose, with modes and ranks.

    Parameters
    ----------
    graph
        With the float weights.
    inputs
        Normalized images; only for the search "measured".

    Raises
    ------
    ShiftbookError
        Ranks or factors that do not fit a layer, a budget that no ranks meet, or no layer that pays.
    """
    layers = suitable(graph)
    modes = {name: _modes(name, layer, plan.factors) for name, layer in layers.items()}
    if plan.ranks is not None:
        chosen = _given(modes, plan.ranks)
    else:
        chosen = _searched(graph, layers, modes, plan, inputs, progress)
    paying = {name: (modes[name], ranks) for name, ranks in chosen.items()}
    if not paying:
        raise ShiftbookError(
            "no layer becomes smaller by a tensor train: ask for a higher ratio or lower ranks"
        )
    return paying


def _modes(name: str, layer: ConvLayer, factors: Factors) -> Modes:
    outputs, inputs = layer.weight().shape[:2]
    try:
        return modes_for(layer.weight(), factors.get(outputs), factors.get(inputs))
    except ShiftbookError as error:
        raise ShiftbookError(f"layer {name}: {error}") from None


def _given(modes: Mapping[str, Modes], wanted: Mapping[str, Ranks]) -> dict[str, Ranks]:
    """The ranks of the layers that are named and whose trains are smaller than they are."""
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in modes):
            raise ShiftbookError(
                f"ranks name {pattern!r}, which is no layer to decompose: choose of {', '.join(modes)}"
            )
    chosen = {}
    for name, layer_modes in modes.items():
        found = next((ranks for pattern, ranks in wanted.items() if fnmatchcase(name, pattern)), None)
        if found is None:
            continue
        try:
            ranks = layer_modes.check(found)
        except ShiftbookError as error:
            raise ShiftbookError(f"layer {name}: {error}") from None
        if layer_modes.weights(ranks) < layer_modes.dense:
            chosen[name] = ranks
    return chosen


def _searched(
    graph: LayerGraph,
    layers: Mapping[str, ConvLayer],
    modes: Mapping[str, Modes],
    plan: Plan,
    inputs: Tensor | None,
    progress: Progress,
) -> dict[str, Ranks]:
    unit: Unit = "weights" if plan.budget is None else "macs"
    pixels = _pixels(graph)
    candidates = {
        name: Candidate(layer.weight(), modes[name], _cost(modes[name], pixels[layer.name], unit))
        for name, layer in layers.items()
    }
    total = counted(graph)[unit]
    ratio = 2.0 if plan.ratio is None else plan.ratio
    budget = int(total / ratio) if plan.budget is None else plan.budget
    fixed = total - sum(candidate.cost(None) for candidate in candidates.values())
    points: dict[str, Point]
    if plan.search == "largest":
        points = largest_values(candidates, budget, fixed)
    elif plan.search == "energy":
        points = allot({name: path(candidate) for name, candidate in candidates.items()}, budget, fixed)
    else:
        if inputs is None:
            raise ShiftbookError("the search 'measured' needs calibration images")
        some = inputs[:MEASURED_IMAGES]
        offers = measured(candidates, lambda: graph.run(some), progress)
        points = allot(offers, budget, fixed)
    return {name: point.ranks for name, point in points.items() if point.ranks is not None}


def counted(graph: LayerGraph) -> dict[Unit, int]:
    """Weights of a network, each stored once, and its products for an image."""
    pixels = _pixels(graph)
    stored = {layer.path: layer.weight().numel() for layer in graph.convs()}
    macs = sum(layer.weight().numel() * layer.copies * pixels[layer.name][1] for layer in graph.convs())
    return {"weights": sum(stored.values()), "macs": macs}


def _cost(modes: Modes, pixels: tuple[int, int], unit: Unit) -> Cost:
    def cost(ranks: Ranks | None) -> int:
        if unit == "weights":
            return modes.dense if ranks is None else modes.weights(ranks)
        return modes.dense * pixels[1] if ranks is None else modes.macs(ranks, pixels)

    return cost


def _pixels(graph: LayerGraph) -> dict[str, tuple[int, int]]:
    """Pixels of the input and of the output of each convolution, by the layer's name."""
    found = {}
    for layer in graph.convs():
        _, height, width = layer.input_shape
        rows, cols = layer.output_size
        found[layer.name] = height * width, rows * cols
    return found
