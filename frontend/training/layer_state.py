"""One layer on its way from float weights to integers, and pruning over all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from shiftbook.frontend.schemes import get
from shiftbook.frontend.schemes.base import Part, QuantizedLayer, Quantizer, Scheme
from shiftbook.frontend.training.layer_context import LayerContext
from shiftbook.frontend.training.prune import HYSTERESIS, balance_slots, density_of, prune
from shiftbook.frontend.training.recipe import Balance
from shiftbook.frontend.training.target import Target
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress, quiet


@dataclass
class LayerState:
    """One layer on its way to integers.

    Members
    -------
    index : rank among the layers, which seeds the grid
    scheme : fits the grid
    prunable : whether pruning may touch it
    weight : the float weights, as the model owns them, [O, features] or [O, I, kh, kw]
    layer_context : what they meet in the network, where it is known
    mask : bool [O, I, kh, kw], false where pruned
    chosen : bool [O, I, kh, kw], true where quantized by now
    alpha : the learnable layer scale, one element
    quantizer, fitted_on, fits : the grid, the weights it was fitted to, and how often it was fitted
    grid : steps that the user's file has the weights on, where it is quantized
    rounded : integers [O, I, kh, kw] where something better than the nearest was found
    """

    index: int
    scheme: Scheme
    prunable: bool
    weight: nn.Parameter
    mask: Tensor
    chosen: Tensor
    alpha: nn.Parameter
    layer_context: LayerContext | None = None
    quantizer: Quantizer | None = None
    fitted_on: Tensor | None = None
    fits: int = 0
    rounded: Tensor | None = None
    grid: Tensor | None = None

    @property
    def kernel(self) -> Tensor:
        """The weights as [O, I, kh, kw], without gradient."""
        return self.weight.detach().reshape(self.mask.shape)

    def part(self, seed: int, weight: Tensor) -> Part:
        """What the scheme sees, with these weights."""
        context = self.layer_context
        return Part(
            weight=weight,
            mask=self.mask,
            generator=torch.Generator().manual_seed(seed * 1_000_003 + self.index * 1009 + self.fits),
            sign=None if context is None else context.sign,
            moments=None if context is None else context.moments,
            previous=self.quantizer,
            grid=self.grid,
        )

    def choose(self, share: float) -> None:
        """Quantize this share of the unpruned weights: those that already are, then the largest.

        A scheme that is not incremental quantizes all.
        """
        if not self.scheme.incremental:
            self.chosen = torch.ones_like(self.mask)
            return
        size = torch.where(self.chosen, torch.inf, self.kernel.abs())
        size = torch.where(self.mask, size, -1.0).flatten()
        count = round(share * int(self.mask.sum()))
        chosen = torch.zeros_like(size, dtype=torch.bool)
        chosen[size.argsort(descending=True, stable=True)[:count]] = True
        self.chosen = chosen.reshape(self.mask.shape)

    def draw(self, share: float, generator: torch.Generator) -> None:
        """Quantize a random share of what the grid quantizes as one."""
        assert self.quantizer is not None
        self.chosen = self.quantizer.draw(share, generator)

    def saved(self) -> dict[str, Tensor]:
        """Return what a fit found out, besides the weights that it was given."""
        return {} if self.quantizer is None else self.quantizer.saved()

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

    def fit(self, weight: Tensor, seed: int, scheme: Scheme) -> Quantizer:
        """Fit the grid of one layer alone to these weights [O, I, kh, kw], with fresh random numbers."""
        self.fits += 1
        self.fitted_on = weight.clone()
        self.quantizer = scheme.fit_all([self.part(seed, self.fitted_on)])[0]
        return self.quantizer

    def result(self) -> QuantizedLayer:
        """Quantize for good, and put the real values into the model."""
        assert self.quantizer is not None
        layer = self.quantizer.layer(self.kernel, float(self.alpha.detach()), self.rounded)
        with torch.no_grad():
            self.weight.copy_(layer.real().reshape(self.weight.shape))
        return layer


States = dict[str, LayerState]
"""Layers by module path, in the network's order."""


def by_scheme(states: Iterable[LayerState]) -> Iterator[tuple[Scheme, list[LayerState]]]:
    """Group layers by the scheme that they share."""
    groups: dict[int, list[LayerState]] = {}
    for state in states:
        groups.setdefault(id(state.scheme), []).append(state)
    return ((members[0].scheme, members) for members in groups.values())


def refresh(states: Iterable[LayerState], seed: int, progress: Progress = quiet) -> None:
    """Fit all grids to the weights of this moment, with fresh random numbers."""
    for scheme, members in by_scheme(states):
        parts = []
        for state in members:
            state.fits += 1
            state.fitted_on = state.kernel.clone()
            parts.append(state.part(seed, state.fitted_on))
        for state, quantizer in zip(members, scheme.fit_all(parts, progress), strict=True):
            state.quantizer = quantizer


def follow(states: Iterable[LayerState], seed: int) -> None:
    """Bring grids that choose ahead of time up to the weights of this moment."""
    for scheme, members in by_scheme(states):
        scheme.follow([state.part(seed, state.kernel) for state in members])


def results(states: States) -> dict[str, QuantizedLayer]:
    """Quantize for good, and put the real values into the model."""
    for scheme, members in by_scheme(states.values()):
        scheme.finish([state.quantizer for state in members if state.quantizer is not None])
    return {name: state.result() for name, state in states.items()}


def layer_states(model: nn.Module, layers: Sequence[str], target: Target) -> States:
    """Return the untouched layers of a float model; uniform ones are not pruned and get the int8 scheme.

    Raises
    ------
    ShiftbookError
        Weights that are not finite.
    """
    states = {}
    plain = get("int8")(target.uniform_bits)
    for index, name in enumerate(layers):
        module = model.get_submodule(name)
        weight = module.weight
        assert isinstance(weight, nn.Parameter)
        if not bool(torch.isfinite(weight).all()):
            raise ShiftbookError(f"the weights of {name} must be finite, but hold NaN or infinity")
        context = None if target.layer_contexts is None else target.layer_contexts[name]
        kernel = (1, 1) if context is None else context.kernel
        shape = weight.shape if weight.dim() == 4 else (len(weight), -1, *kernel)
        shape = weight.detach().reshape(shape).shape
        depthwise = getattr(module, "groups", 1) == len(weight) > 1
        states[name] = LayerState(
            index=index,
            scheme=plain if name in target.uniform else target.scheme,
            prunable=name not in target.uniform and not depthwise,
            weight=weight,
            mask=torch.ones(shape, dtype=torch.bool),
            chosen=torch.zeros(shape, dtype=torch.bool),
            alpha=nn.Parameter(torch.ones(1)),
            layer_context=context,
            grid=getattr(module, "grid", None),
        )
    return states


def prune_layers(
    states: Mapping[str, LayerState],
    density: float,
    engine: Balance | None,
    hysteresis: float = HYSTERESIS,
    own: Mapping[str, float] | None = None,
) -> None:
    """Set the masks of all prunable layers.

    Parameters
    ----------
    density
        Share of the weights that the layers keep together, but those that have a share of their own.
    own
        Shares of single layers, by name.
    """
    own = own or {}
    prunable = {name: state for name, state in states.items() if state.prunable}
    if not prunable:
        return
    weights = {name: state.scheme.saliency(state.kernel) for name, state in prunable.items()}
    previous = {name: state.mask for name, state in prunable.items()}
    shared = {name: weight for name, weight in weights.items() if name not in own}
    masks = prune(shared, density, previous, hysteresis) if shared else {}
    for name, share in own.items():
        masks |= prune({name: weights[name]}, share, previous, hysteresis)
    if engine is not None:
        masks = balance_slots(weights, masks, engine, previous, hysteresis)
    for name, mask in masks.items():
        states[name].mask = mask


def kept_share(states: Mapping[str, LayerState]) -> float:
    """Return the density of the prunable layers; 1 where there are none."""
    masks = {name: state.mask for name, state in states.items() if state.prunable}
    return density_of(masks) if masks else 1.0
