"""One layer on its way from float weights to integers, and pruning over all of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from frontend.prune import HYSTERESIS, balance_slots, density_of, prune
from frontend.schemes import QuantizedLayer, Quantizer, Scheme, get
from golden.errors import ShiftbookError


@dataclass
class LayerState:
    """One layer on its way to integers.

    Members
    -------
    index : rank among the layers, which seeds the grid
    scheme : fits the grid
    prunable : whether pruning may touch it
    weight : the float weights, as the model owns them, [O, I] or [O, I, kh, kw]
    mask : bool [O, I, kh, kw], false where pruned
    chosen : bool [O, I, kh, kw], true where quantized by now
    alpha : the learnable layer scale, one element
    quantizer, fitted_on, fits : the grid, the weights it was fitted to, and how often it was fitted
    """

    index: int
    scheme: Scheme
    prunable: bool
    weight: nn.Parameter
    mask: Tensor
    chosen: Tensor
    alpha: nn.Parameter
    quantizer: Quantizer | None = None
    fitted_on: Tensor | None = None
    fits: int = 0

    @property
    def kernel(self) -> Tensor:
        """The weights as [O, I, kh, kw], without gradient."""
        weight = self.weight.detach()
        return weight if weight.dim() == 4 else weight[:, :, None, None]

    def fit(self, seed: int, on: Tensor | None = None) -> None:
        """Fit the grid to ``on``, by default the weights of this moment."""
        self.fitted_on = self.kernel.clone() if on is None else on
        generator = torch.Generator().manual_seed(seed * 1_000_003 + self.index * 1009 + self.fits)
        self.quantizer = self.scheme.fit(self.fitted_on, self.mask, generator)

    def refresh(self, seed: int) -> None:
        """Fit the grid to the weights of this moment, with fresh random numbers."""
        self.fits += 1
        self.fit(seed)

    def choose(self, share: float) -> None:
        """Quantize this share of the unpruned weights: those that already are, then the largest."""
        size = torch.where(self.chosen, torch.inf, self.kernel.abs())
        size = torch.where(self.mask, size, -1.0).flatten()
        count = round(share * int(self.mask.sum()))
        chosen = torch.zeros_like(size, dtype=torch.bool)
        chosen[size.argsort(descending=True, stable=True)[:count]] = True
        self.chosen = chosen.reshape(self.mask.shape)

    def effective(self) -> Tensor:
        """Return the weights in force, shaped like the parameter; their gradient goes straight through.

        Pruned weights get a gradient too: it is what lets them return.
        """
        kernel = self.kernel
        now = torch.where(self.mask, kernel, torch.zeros_like(kernel))
        if self.quantizer is not None:
            now = torch.where(self.chosen, self.quantizer(kernel), now)
        change = (now - kernel).reshape(self.weight.shape)
        return (self.weight + change) * self.alpha

    def result(self) -> QuantizedLayer:
        """Quantize for good, and put the real values into the model."""
        assert self.quantizer is not None
        layer = self.quantizer.layer(self.kernel, float(self.alpha.detach()))
        with torch.no_grad():
            self.weight.copy_(layer.real().reshape(self.weight.shape))
        return layer


States = dict[str, LayerState]
"""Layers by module path, in the network's order."""


def layer_states(
    model: nn.Module, layers: Sequence[str], scheme: Scheme, keep_int8: Collection[str]
) -> States:
    """Return the untouched layers of a float model; ``keep_int8`` are not pruned and get the int8 scheme.

    Raises
    ------
    ShiftbookError
        Weights that are not finite.
    """
    states = {}
    for index, name in enumerate(layers):
        weight = model.get_submodule(name).weight
        assert isinstance(weight, nn.Parameter)
        if not bool(torch.isfinite(weight).all()):
            raise ShiftbookError(f"the weights of {name} must be finite, but hold NaN or infinity")
        shape = weight.shape if weight.dim() == 4 else (*weight.shape, 1, 1)
        states[name] = LayerState(
            index=index,
            scheme=get("int8")() if name in keep_int8 else scheme,
            prunable=name not in keep_int8,
            weight=weight,
            mask=torch.ones(shape, dtype=torch.bool),
            chosen=torch.zeros(shape, dtype=torch.bool),
            alpha=nn.Parameter(torch.ones(1)),
        )
    return states


def prune_layers(
    states: Mapping[str, LayerState], density: float, slots: int | None, hysteresis: float = HYSTERESIS
) -> None:
    """Set the masks of all prunable layers: together they keep a share ``density`` of their weights."""
    prunable = {name: state for name, state in states.items() if state.prunable}
    if not prunable:
        return
    weights = {name: state.kernel for name, state in prunable.items()}
    masks = prune(weights, density, {name: state.mask for name, state in prunable.items()}, hysteresis)
    if slots is not None:
        masks = balance_slots(weights, masks, slots)
    for name, mask in masks.items():
        states[name].mask = mask


def kept_share(states: Mapping[str, LayerState]) -> float:
    """Return the density of the prunable layers; 1 where there are none."""
    masks = {name: state.mask for name, state in states.items() if state.prunable}
    return density_of(masks) if masks else 1.0
