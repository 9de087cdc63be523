"""Weights of one layer, drawn at random and rounded as each method rounds them.

Real weights come from a normal distribution; pruning keeps the largest ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shiftbook.synth.units.additive import BOOKS, CODEWORDS, DIM
from shiftbook.synth.units.focused import MEAN

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]

SHARE_BELOW = 0.97
"""The highest power of two stands where so much of all magnitudes lies below."""

TERNARY_THRESHOLD = 0.05
"""Of the largest magnitude; below it a weight is 0. Source: arXiv 1612.01064."""

ABC_SHIFTS = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""Standard deviations by which each binary base is moved. Source: arXiv 1711.11294, equation 3."""


@dataclass(frozen=True)
class FixedLayer:
    """A linear layer with constant weights, in one or two steps.

    Parameters
    ----------
    rows
        [R, N]: sums over the inputs.
    width
        Bits of an input, unsigned.
    planes
        Sets of inputs, each of which the rows are applied to.
    combine
        [O, planes R]: outputs from the sums of plane 0, of plane 1 and so on; None if they are the outputs.
    """

    rows: Ints
    width: int = 8
    planes: int = 1
    combine: Ints | None = None


Drawing = Callable[[np.random.Generator, int, int, float], FixedLayer]
"""From (generator, outputs, inputs, density) to a layer."""


def pruned(rng: np.random.Generator, outputs: int, inputs: int, density: float) -> Reals:
    """Weights [O, N], 0 where they are pruned."""
    weights = rng.standard_normal((outputs, inputs))
    return np.where(np.abs(weights) >= np.quantile(np.abs(weights), 1 - density), weights, 0)


def nearest_power(weights: Reals, highest: int) -> Ints:
    """Round to 0 or +-2^e, e in 0..highest."""
    values = np.array([0, *(1 << e for e in range(highest + 1))])
    levels = np.concatenate([-values[:0:-1], values])
    return levels[np.searchsorted((levels[1:] + levels[:-1]) / 2, weights)]


def uniform(bits: int, deviations: float) -> Drawing:
    """Signed integers; the largest stands for so many standard deviations."""
    largest = (1 << bits - 1) - 1

    def draw(rng: np.random.Generator, outputs: int, inputs: int, density: float) -> FixedLayer:
        weights = pruned(rng, outputs, inputs, density) * largest / deviations
        return FixedLayer(np.clip(np.rint(weights), -largest, largest).astype(np.int64))

    return draw


def shift(highest: int, signed: bool = True) -> Drawing:
    """Powers of two."""

    def draw(rng: np.random.Generator, outputs: int, inputs: int, density: float) -> FixedLayer:
        weights = pruned(rng, outputs, inputs, density)
        top = np.quantile(np.abs(weights[weights != 0]), SHARE_BELOW)
        rounded = nearest_power(weights / top * 2**highest, highest)
        return FixedLayer(rounded if signed else np.abs(rounded))

    return draw


def _focused_parts(rng: np.random.Generator, outputs: int, inputs: int, density: float) -> tuple[Ints, Ints]:
    """Signs of the components, 0 where pruned, and shift parts."""
    weights = pruned(rng, outputs, inputs, density)
    component = np.sign(weights).astype(np.int64)
    scaled = weights / np.abs(weights[weights != 0]).mean() * 2**MEAN
    return component, np.where(component, nearest_power(scaled - component * 2.0**MEAN, MEAN - 1), 0)


def focused(rng: np.random.Generator, outputs: int, inputs: int, density: float) -> FixedLayer:
    """Integers ``c * 2^4 + shift part``."""
    component, part = _focused_parts(rng, outputs, inputs, density)
    return FixedLayer((component << MEAN) + part)


def focused_sums(rng: np.random.Generator, outputs: int, inputs: int, density: float) -> FixedLayer:
    """Three sums an output: shift parts, inputs of positive components, and of negative ones."""
    component, part = _focused_parts(rng, outputs, inputs, density)
    rows = np.concatenate([part, component == 1, component == -1])
    return FixedLayer(rows, combine=_side_by_side([1, 1 << MEAN, -1 << MEAN], outputs))


def ternary(rng: np.random.Generator, outputs: int, inputs: int, density: float) -> FixedLayer:
    """Two sums an output, each times a scale of its own."""
    weights = pruned(rng, outputs, inputs, density)
    limit = TERNARY_THRESHOLD * np.abs(weights).max()
    rows = np.concatenate([weights > limit, weights < -limit]).astype(np.int64)
    scales = rng.integers(1, 128, (2, outputs)) * np.array([[1], [-1]])
    return FixedLayer(rows, combine=_scaled(scales))


def lq_net(rng: np.random.Generator, outputs: int, inputs: int, density: float) -> FixedLayer:
    """Two planes of weights: the sign, and which level of that sign."""
    weights = rng.standard_normal((outputs, inputs))
    rows = np.concatenate([weights > 0, (np.abs(weights) > 1) == (weights > 0)]).astype(np.int64)
    return FixedLayer(rows, width=1, planes=2, combine=_scaled(_coefficients(rng, (4, outputs))))


def abc_net(rng: np.random.Generator, outputs: int, inputs: int, density: float) -> FixedLayer:
    """Five planes of signs, of the weights moved up and down; constants are left to the bias."""
    weights = rng.standard_normal((outputs, inputs))
    rows = np.concatenate([np.where(weights + moved > 0, 1, -1) for moved in ABC_SHIFTS])
    return FixedLayer(rows, width=1, planes=5, combine=_scaled(_coefficients(rng, (25, outputs))))


def additive_terms(rng: np.random.Generator, outputs: int, inputs: int, density: float) -> FixedLayer:
    """The sums of two codewords, as plain integers."""
    words, codes = _codes(rng, outputs, inputs)
    weights = sum(words[book][codes[..., book]] for book in range(BOOKS))
    return FixedLayer(np.asarray(weights).reshape(outputs, -1)[:, :inputs])


def additive_lookup(rng: np.random.Generator, outputs: int, inputs: int, density: float) -> FixedLayer:
    """Dot products of every vector with the codewords that some output names, and sums of those."""
    words, codes = _codes(rng, outputs, inputs)
    vectors = codes.shape[1]
    rows = np.zeros((vectors, BOOKS, CODEWORDS, vectors, DIM), np.int64)
    combine = np.zeros((outputs, vectors, BOOKS, CODEWORDS), np.int64)
    for vector in range(vectors):
        rows[vector, :, :, vector] = words
        for book in range(BOOKS):
            combine[np.arange(outputs), vector, book, codes[:, vector, book]] = 1
    sums = combine.reshape(outputs, -1)
    named = np.flatnonzero(sums.any(axis=0))
    return FixedLayer(rows.reshape(sums.shape[1], -1)[named, :inputs], combine=sums[:, named])


def _codes(rng: np.random.Generator, outputs: int, inputs: int) -> tuple[Ints, Ints]:
    """Codebooks [M, K, d] of powers of two, and codes [O, V, M]."""
    words = nearest_power(rng.standard_normal((BOOKS, CODEWORDS, DIM)) * 2**6, 7)
    return words, rng.integers(0, CODEWORDS, (outputs, -(-inputs // DIM), BOOKS))


def _coefficients(rng: np.random.Generator, shape: tuple[int, ...]) -> Ints:
    return rng.integers(1, 128, shape) * rng.choice([-1, 1], shape)


def _scaled(scales: Ints) -> Ints:
    """[O, S O] from scales [S, O]: output o adds sum s O + o times its scale."""
    count, outputs = scales.shape
    combine = np.zeros((outputs, count, outputs), np.int64)
    combine[np.arange(outputs), :, np.arange(outputs)] = scales.T
    return combine.reshape(outputs, -1)


def _side_by_side(scales: list[int], outputs: int) -> Ints:
    return _scaled(np.repeat(np.array(scales, np.int64)[:, None], outputs, axis=1))
