"""One network of the census as int8: how near its scores come to the float ones, and if it is planned."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks import lively
from shiftbook.frontend.compress import begin
from shiftbook.frontend.compression import Compression
from shiftbook.frontend.data.batches import normalize
from shiftbook.frontend.data.dataset import Dataset
from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.importing.load import Source
from shiftbook.frontend.lowering.engine_limits import engine_limit
from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.options.data import DataOptions
from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.frontend.schemes.int8 import Int8
from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.model import executor
from shiftbook.golden.progress import quiet
from shiftbook.golden.spec import DEFAULT

CALIBRATION, TEST = 64, 4
"""Images that scales are calibrated on, and others that scores are compared on."""

ENOUGH = 0.99
"""Correlation of scores that int8 must reach."""


Shape = tuple[int, int, int]
"""(C, H, W) of an image."""

Build = Callable[[Shape], nn.Module]
"""The network for images of a shape, with random weights, in eval mode."""


@dataclass
class Measured:
    """What became of one network.

    Attributes
    ----------
    size
        (H, W) of the images; the network's usual ones where it takes no smaller ones.
    correlation
        Of the integer network's scores with the float network's, over images and classes; of several results
        the least. None where there is no integer network.
    planned
        Whether the default engine's planner takes all layers, at this size and at the usual one.
    weights
        Of the whole network.
    why
        The first thing in the way, or "".
    seconds
        All of it.
    """

    network: str
    size: tuple[int, int] = (0, 0)
    correlation: float | None = None
    planned: bool = False
    weights: int = 0
    why: str = ""
    seconds: float = 0.0

    @property
    def near(self) -> bool:
        """Whether the scores are near enough."""
        return self.correlation is not None and self.correlation >= ENOUGH

    def line(self) -> str:
        """For people."""
        near = "-" if self.correlation is None else f"{self.correlation:.4f}"
        planned = "planned" if self.planned else "refused"
        size = "x".join(map(str, self.size))
        return (
            f"{self.network:45} {size:>9} {self.weights / 1e6:6.1f} M {near:>7} {planned} "
            f"{self.seconds:6.1f} s  {self.why[:150]}"
        ).rstrip()


def measured(name: str, build: Build, usual: Shape, side: int | None) -> Measured:
    """Compress a network whose weights are random, and compare and plan it.

    Parameters
    ----------
    usual
        The images that it is made for.
    side
        Of smaller images that it shall get, where it takes them: pixels of the shorter side.
    """
    began = time.monotonic()
    found = Measured(name)
    for shape in dict.fromkeys((_smaller(usual, side), usual)):
        found.size, found.why = shape[1:], ""
        try:
            _measure(found, build(shape), shape)
        except ShiftbookError as error:
            found.why = first_line(error)
        except Exception as error:  # the package's own code
            found.why = f"{type(error).__name__}: {first_line(error)}"
        if found.correlation is not None:
            break
    if found.planned and found.size != usual[1:]:
        found.why = engine_limit(FloatNetwork.of(build(usual), usual).layers, DEFAULT)
        found.planned = not found.why
    found.seconds = round(time.monotonic() - began, 1)
    return found


def _smaller(usual: Shape, side: int | None) -> Shape:
    """The same form with shorter sides of ``side`` pixels; as usual where they are no longer anyway."""
    channels, height, width = usual
    shorter = min(height, width)
    if side is None or side >= shorter:
        return usual
    return channels, height * side // shorter, width * side // shorter


def _measure(found: Measured, model: nn.Module, shape: Shape) -> None:
    found.weights = sum(weight.numel() for weight in model.parameters())
    pixels = lively.images(CALIBRATION + TEST, shape, seed=0)
    mean, std = (0.5,) * shape[0], (0.25,) * shape[0]
    lively.enliven(model, normalize(pixels[:CALIBRATION], mean, std), seed=0)
    steps = begin(
        Source(model, mean=mean, std=std),
        DataOptions(calibration=Dataset(pixels[:CALIBRATION], None)),
        CompressionOptions(scheme=Int8()),
        TrainingOptions(epochs=0),
        None,
        quiet,
    )
    wanted = _scores(steps, pixels[CALIBRATION:])
    network = steps.lower(steps.quantize(Int8()), {})
    got = executor.run(network, pixels[CALIBRATION:]).results
    found.correlation = min(_correlation(scores, got[name]) for name, scores in wanted.items())
    found.planned = bool(check_runnable(network, DEFAULT).passes)


@torch.no_grad()
def _scores(steps: Compression, pixels: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """What the float network gives, by the names of the integer network's results."""
    found = steps.model(normalize(pixels, steps.normalization.mean, steps.normalization.std))
    parts = found if isinstance(found, tuple) else (found,)
    return {name: part.numpy() for name, part in zip(steps.graph.results, parts, strict=True)}


def _correlation(scores: NDArray[np.float32], integers: NDArray[np.uint8]) -> float:
    """Pearson's, of scores [N, C, H, W] or flattened and integers [N, H, W, C]; 0 where one is constant."""
    pair = np.stack([scores.ravel(), integers.transpose(0, 3, 1, 2).ravel()]).astype(np.float64)
    one, other = pair - pair.mean(axis=1, keepdims=True)
    size = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / size) if size else 0.0


def summary(found: Sequence[Measured]) -> str:
    """Counts, and the networks that do not do."""
    total = max(len(found), 1)
    golden = sum(m.correlation is not None for m in found)
    near, planned = sum(m.near for m in found), sum(m.planned for m in found)
    both = sum(m.near and m.planned for m in found)
    counts = (
        f"{len(found)} networks: {golden} run on golden, {near} ({near / total:.0%}) with a correlation of "
        f"{ENOUGH} or more; {planned} ({planned / total:.0%}) are planned; {both} ({both / total:.0%}) both"
    )
    others = [m.line() for m in found if not (m.near and m.planned)]
    return "\n".join([counts, *(["", "not these:", *others] if others else [])])
