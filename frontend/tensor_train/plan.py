"""Which layers are decomposed, into which modes and with which ranks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor, nn

from shiftbook.frontend.importing.conv_layer import ConvLayer
from shiftbook.frontend.importing.graph import Graph
from shiftbook.frontend.tensor_train.admm import Trains
from shiftbook.frontend.tensor_train.modes import Modes, Ranks, modes_for
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
from shiftbook.golden.inputs import read_json
from shiftbook.golden.progress import Progress, quiet

Search = Literal["energy", "measured", "largest"]
Unit = Literal["weights", "macs"]

MEASURED_IMAGES = 256
"""Images that harm is measured on, once for each point of each layer."""

AFTER_ADMM = 1 / 6
"""Of the rate: the network knows its task by then, and a product of cores moves faster than its weights."""

Factors = Mapping[int, tuple[int, ...]]
"""Into which factors a number of channels is split, slowest first; a number that is not named is not
split."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to decompose and how to train it. At most one of ``ranks``, ``ratio`` and ``budget`` is given.

    Parameters
    ----------
    ranks
        By module path; ``*`` stands for any characters, the first pattern that fits counts. Other layers stay
        as they are.
    ratio
        Weights of the whole network over those that are left. None, with nothing else given, is 2.
    budget
        Most products of the whole network for an image.
    factors
        Of the channels.
    search
        How ranks are chosen: "energy" by what is lost of each layer's sum of squares, "measured" by what is
        done to the scores of calibration images, "largest" keeps the largest singular values (the baseline).
    admm_epochs, core_epochs
        Of training in the original shape, and of training the cores; 0 and 0 is TT-SVD alone.
    rho, updates
        See `frontend.tensor_train.admm.Admm`.
    core_rate
        Highest learning rate of the cores. None takes that of all training, after ADMM `AFTER_ADMM` of it.
    """

    ranks: Mapping[str, Ranks] | None = None
    ratio: float | None = None
    budget: int | None = None
    factors: Factors = field(default_factory=dict)
    search: Search = "energy"
    admm_epochs: int = 0
    core_epochs: int = 0
    rho: float | None = None
    updates: int = 8
    core_rate: float | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("ranks", "ratio", "budget") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ShiftbookError(f"give one of ranks, ratio and budget, not {' and '.join(given)}")
        if self.ratio is not None and not 1 < self.ratio < float("inf"):
            raise ShiftbookError(f"ratio must be above 1 and finite, not {self.ratio}")
        if self.budget is not None and self.budget < 1:
            raise ShiftbookError(f"the budget of MACs must be at least 1, not {self.budget}")
        if self.search not in get_args(Search):
            raise ShiftbookError(f"search must be one of {get_args(Search)}, not {self.search!r}")
        if min(self.admm_epochs, self.core_epochs) < 0:
            epochs = (self.admm_epochs, self.core_epochs)
            raise ShiftbookError(f"epochs of ADMM and of the cores must be at least 0, not {epochs}")
        if self.rho is not None and not 0 < self.rho < float("inf"):
            raise ShiftbookError(f"rho must be positive and finite, not {self.rho}")
        if self.core_rate is not None and not 0 < self.core_rate < float("inf"):
            raise ShiftbookError(f"the rate of the cores must be positive and finite, not {self.core_rate}")
        if self.updates < 1:
            raise ShiftbookError(f"updates must be at least 1 an epoch, not {self.updates}")

    def rate_of_cores(self, rate: float) -> float:
        """The highest learning rate of the cores, where that of all training is ``rate``."""
        if self.core_rate is not None:
            return self.core_rate
        return AFTER_ADMM * rate if self.admm_epochs else rate

    @property
    def epochs(self) -> int:
        """Of all training."""
        return self.admm_epochs + self.core_epochs

    def describe(self) -> dict[str, object]:
        """The options as JSON values."""
        how = {"ranks": "given"} if self.ranks is not None else {"search": self.search}
        training = {"admm_epochs": self.admm_epochs, "core_epochs": self.core_epochs}
        admm = {"rho": self.rho, "updates": self.updates} if self.admm_epochs else {}
        rate = {"core_rate": self.core_rate} if self.core_epochs else {}
        return {"ratio": self.ratio, "budget_macs": self.budget, **how, **training, **admm, **rate}


def suitable(graph: Graph) -> dict[str, ConvLayer]:
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
    }


def choose(graph: Graph, plan: Plan, inputs: Tensor | None = None, progress: Progress = quiet) -> Trains:
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
    graph: Graph,
    layers: Mapping[str, ConvLayer],
    modes: Mapping[str, Modes],
    plan: Plan,
    inputs: Tensor | None,
    progress: Progress,
) -> dict[str, Ranks]:
    unit: Unit = "weights" if plan.budget is None else "macs"
    pixels = _pixels(graph)
    candidates = {
        name: Candidate(layer.weight(), modes[name], _cost(modes[name], pixels[name], unit))
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


def counted(graph: Graph) -> dict[Unit, int]:
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


def _pixels(graph: Graph) -> dict[str, tuple[int, int]]:
    """Pixels of the input and of the output of each convolution, by the layer's name."""
    found = {}
    for layer in graph.convs():
        _, height, width = layer.input_shape
        top, bottom, left, right = layer.padding
        rows = (height + top + bottom - layer.kernel[0]) // layer.stride[0] + 1
        cols = (width + left + right - layer.kernel[1]) // layer.stride[1] + 1
        found[layer.name] = height * width, rows * cols
    return found


def parse_ranks(text: str) -> dict[str, Ranks]:
    """Ranks from ``layer=8x6,other.*=16x12``, or from a JSON file of ``{"layer": [8, 6]}``.

    Raises
    ------
    ShiftbookError
        Neither can be read.
    """
    if Path(text).suffix == ".json":
        return _ranks_in(Path(text))
    return dict(_assignment("ranks", item, "layer1.0.conv1=8x6") for item in text.split(","))


def _ranks_in(file: Path) -> dict[str, Ranks]:
    found = read_json(file, 'name a file of ranks by layer such as {"layer1.0.conv1": [8, 6]}')
    right = isinstance(found, dict) and all(
        isinstance(ranks, list) and all(type(rank) is int for rank in ranks) for ranks in found.values()
    )
    if not right:
        raise ShiftbookError(f'{file} must hold ranks by layer such as {{"layer1.0.conv1": [8, 6]}}')
    return {name: tuple(ranks) for name, ranks in found.items()}


def parse_factors(text: str) -> dict[int, tuple[int, ...]]:
    """Factors of channels from ``16=4x4,32=4x8``.

    Raises
    ------
    ShiftbookError
        It cannot be read, or factors do not multiply to the channels.
    """
    found = {}
    for item in text.split(","):
        channels, factors = _assignment("factors", item, "64=8x8")
        if not _is_number(channels) or min(factors) < 1 or prod(factors) != int(channels):
            raise ShiftbookError(f"factors must multiply to the channels as in 64=8x8, not {item!r:.80}")
        found[int(channels)] = factors
    return found


def _assignment(what: str, item: str, example: str) -> tuple[str, tuple[int, ...]]:
    name, _, numbers = item.strip().rpartition("=")
    parts = numbers.split("x")
    if not name or not all(map(_is_number, parts)):
        raise ShiftbookError(f"{what} must be given as in {example}, not {item!r:.80}")
    return name, tuple(int(part) for part in parts)


def _is_number(text: str) -> bool:
    """Whether a text is a number in plain digits, and no longer than ranks and channels are."""
    return text.isascii() and text.isdecimal() and len(text) < 10
