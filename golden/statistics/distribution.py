"""How a layer's integer weights are distributed, and what its codebook allows them to be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shiftbook.golden.model.weights import Weights

FOCUSED = "focused"
"""The scheme whose weights lie around two means."""

MIXTURES = "mixtures"
"""The checkpoint's fact with the mixture that was fitted to each layer's float weights, by layer."""


@dataclass(frozen=True)
class Component:
    """One of the two clusters of a focused layer, in integer steps.

    Attributes
    ----------
    share
        Of the weights that are not 0.
    mean, sigma
        Mean and standard deviation of its weights.
    """

    share: float
    mean: float
    sigma: float


@dataclass(frozen=True)
class Distribution:
    """The integers of one layer.

    Attributes
    ----------
    integers, counts
        The integers in use, ascending, and how many weights have each; 0 among them.
    levels
        What a codeword's weight can be, ascending. Codewords that add up make other integers of these.
    components
        Of a focused layer with weights on both sides of 0: the negative and the positive ones.
    """

    integers: tuple[int, ...]
    counts: tuple[int, ...]
    levels: tuple[int, ...]
    components: tuple[Component, Component] | None


def distribution(weights: Weights) -> Distribution:
    """Count the integers of a layer."""
    found, times = np.unique(weights.integers, return_counts=True)
    integers, counts = found.tolist(), times.tolist()
    pairs = list(zip(integers, counts, strict=True))
    sides = [[pair for pair in pairs if pair[0] < 0], [pair for pair in pairs if pair[0] > 0]]
    components = None
    if weights.scheme == FOCUSED and all(sides):
        nonzero = sum(count for value, count in pairs if value)
        components = (_component(sides[0], nonzero), _component(sides[1], nonzero))
    levels = np.unique(weights.codewords).tolist()
    return Distribution(tuple(integers), tuple(counts), tuple(levels), components)


def _component(pairs: Sequence[tuple[int, int]], nonzero: int) -> Component:
    """Of (integer, count); sums are of Python's integers, so that nothing is rounded before the end."""
    size = sum(count for _, count in pairs)
    total = sum(value * count for value, count in pairs)
    squares = sum(value * value * count for value, count in pairs)
    return Component(size / nonzero, total / size, math.sqrt(size * squares - total * total) / size)
