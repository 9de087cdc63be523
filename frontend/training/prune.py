"""Which weights to keep: the mask of Dynamic Network Surgery."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from shiftbook.frontend.training.recipe import Balance, check_density

HYSTERESIS = 0.1
"""A kept weight falls below 0.9 of the threshold to be pruned; a pruned one rises above 1.1 to return."""

Masks = dict[str, Tensor]


def masks_at(weights: Mapping[str, Tensor], previous: Masks | None, a: float, hysteresis: float) -> Masks:
    """Return the masks for one value of ``a``: the threshold of a layer is mean|w| + a * std|w|.

    Every layer keeps its largest weight, so that none dies.

    Parameters
    ----------
    weights
        float tensors of any shape, by layer.
    previous
        Masks now in force; None means that every weight is kept.
    a, hysteresis
        See `HYSTERESIS`.

    Source: Guo et al., "Dynamic Network Surgery", arXiv 1608.04493, equation 3.
    """
    masks = {}
    for name, weight in weights.items():
        size = weight.detach().abs()
        threshold = size.mean() + a * size.std(correction=0)
        kept = size > threshold * (1 - hysteresis)
        if previous is not None:
            kept = torch.where(previous[name], kept, size > threshold * (1 + hysteresis))
        masks[name] = kept | (size == size.max())
    return masks


def density_of(masks: Masks) -> float:
    """Return the share of weights kept, over all layers."""
    return sum(int(mask.sum()) for mask in masks.values()) / sum(mask.numel() for mask in masks.values())


def prune(
    weights: Mapping[str, Tensor],
    density: float,
    previous: Masks | None = None,
    hysteresis: float = HYSTERESIS,
    rounds: int = 40,
) -> Masks:
    """Return masks that keep a share ``density`` of the weights, over all layers together.

    One ``a`` serves every layer and is found by bisection: the kept weights of any ``a`` contain those of
    every larger ``a``, hysteresis included. Weights of equal size are kept or pruned together, so that
    the density can come out higher than asked, never lower.

    Parameters
    ----------
    weights
        float tensors [O, I, kh, kw], by layer.
    density
        In (0, 1].
    previous
        Masks now in force. None decides without hysteresis.
    """
    check_density(density)
    if density == 1:
        return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in weights.items()}
    if previous is None:
        hysteresis = 0.0
    low, high = -1.0, 1.0
    while density_of(masks_at(weights, previous, low, hysteresis)) < density and low > -1e6:
        low *= 2
    while density_of(masks_at(weights, previous, high, hysteresis)) >= density and high < 1e6:
        high *= 2
    for _ in range(rounds):
        middle = (low + high) / 2
        if density_of(masks_at(weights, previous, middle, hysteresis)) >= density:
            low = middle
        else:
            high = middle
    return masks_at(weights, previous, low, hysteresis)


def balance_slots(
    weights: Mapping[str, Tensor],
    masks: Masks,
    engine: Balance,
    previous: Masks | None = None,
    hysteresis: float = HYSTERESIS,
) -> Masks:
    """Return masks with equally many weights of every output channel in each slot.

    The engine's slots wait for the slowest at the end of each output channel. Input channel c lives in slot
    c % slots; an output channel keeps about as many weights as before, the largest of each slot. Layers
    whose input channels do not divide among the slots stay as they are.

    Parameters
    ----------
    weights
        float [O, I, kh, kw], by layer.
    masks
        How many weights each output channel keeps.
    previous, hysteresis
        Masks now in force, which weigh as they do in `prune`: without that, weights near the threshold
        come and go at every decision, and training never settles. None decides without.
    """
    slots = engine.slots
    balanced = {}
    for name, weight in weights.items():
        outputs, inputs, height, width = weight.shape
        if inputs % slots:
            balanced[name] = masks[name]
            continue
        size = weight.detach().abs()
        if previous is not None:
            size = size / torch.where(previous[name], 1 - hysteresis, 1 + hysteresis)
        # [O, I, kh, kw] -> [O, slot, weights of the slot]
        split = (outputs, inputs // slots, slots, height, width)
        size = size.reshape(split).transpose(1, 2).reshape(outputs, slots, -1)
        share = (masks[name].sum(dim=(1, 2, 3)) / slots).round().clamp(min=engine.least)
        rank = size.argsort(dim=2, descending=True).argsort(dim=2)
        kept = (rank < share[:, None, None]).reshape(outputs, slots, inputs // slots, height, width)
        balanced[name] = kept.transpose(1, 2).reshape(weight.shape)
    return balanced
