"""Prune and round the weights of a layer together, so that its output errs least, without any training.

Layer after layer, on images that have gone through the layers before it as those are by now:

1. Least squares brings the weights to where they undo what the layers before got wrong.
2. Of the weights, as many as the mask has ones stay: those whose loss the others could make up for least.
3. The scheme fits its grid to what is left, and each output channel gets a scale of its own. Where the scheme
   has several grids, the layer takes the one with which step 4 errs least.
4. Weights are rounded one input after another; what each one's rounding (or its loss) does to the output is
   made up for by those that are still to be rounded.
5. The channels' offsets bring back the mean of the float network's outputs.

Rounding a weight to a power of two changes it by up to a third. Where each weight is rounded for itself,
EfficientNet-Lite0 with 5-bit shift weights gives the float network's answer to none of 100 photographs.

Source: Frantar et al., "Optimal Brain Compression", arXiv 2208.11580, and "GPTQ", arXiv 2210.17323.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.layer import UNLIMITED, Layer
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import INPUT
from shiftbook.frontend.schemes.base import QuantizedLayer, Quantizer, Scheme, channel_scales
from shiftbook.frontend.training.layer_state import LayerState, States
from shiftbook.frontend.training.prune import balance_slots
from shiftbook.frontend.training.recipe import Balance
from shiftbook.golden.progress import Progress, quiet

Pair = tuple[Tensor, Tensor]
"""A tensor [N, C, H, W] of the float network, and the same of the network as it is by now."""

LARGEST_TENSOR = 1 << 27
"""Elements of the largest tensor that is kept, over all images; with more, fewer images are used."""

INPUTS = 5000
"""Layers with more inputs to an output are rounded weight by weight: their matrices would fill the memory."""

CHUNK = 1 << 24
"""Elements of unfolded inputs at a time."""

KEEP = 0.1
"""Weight of the float weights in step 1, as a share of the mean square of an input."""

DAMPING = 0.05
"""Likewise in steps 2 and 4: how little the outputs of a few images are trusted."""

BLOCK = 128
"""Inputs whose errors reach the weights beyond the block together, which is faster."""


@torch.no_grad()
def compensate(
    graph: LayerGraph,
    states: States,
    images: Tensor,
    seed: int = 0,
    progress: Progress = quiet,
    balance: Balance | None = None,
) -> None:
    """Prune, fit and round all layers, one after another; their weights in the model become the rounded ones.

    Parameters
    ----------
    graph
        With the float weights, which change.
    states
        By module path, with masks that say how many weights each layer keeps.
    images
        Normalized, float [N, C, H, W].
    balance
        What pruning knows of the engine; None does not care.
    """
    before = copy.deepcopy(graph)
    images = images_that_fit(graph, images)
    last_use = {name: i for i, layer in enumerate(graph.layers) for name in layer.inputs}
    values: dict[str, list[Pair]] = {INPUT: [(part, part) for part in images.split(_chunk(graph))]}
    done = set()
    for i, (now, was) in enumerate(zip(graph.layers, before.layers, strict=True)):
        parts = list(zip(*(values[name] for name in now.inputs), strict=True))
        if isinstance(now, ConvLayer) and isinstance(was, ConvLayer) and now.path not in done:
            _round_layer(now, states[now.path], values[now.source], seed, balance)
            restore_mean(now, was, parts)
            done.add(now.path)
        values[now.name] = [_run(was, now, part) for part in parts]
        for name in now.inputs:
            if last_use[name] == i:
                values.pop(name, None)
        progress("rounding layers", i + 1, len(graph.layers))


def _run(was: Layer, now: Layer, part: Sequence[Pair]) -> Pair:
    """What a layer gives, the float one and the one of now, for all that it reads."""
    return was(*(old for old, _ in part)), now(*(new for _, new in part))


def images_that_fit(graph: LayerGraph, images: Tensor) -> Tensor:
    """As many of the images as the memory has room for, from first to last."""
    largest = 1

    def observe(_: str, value: Tensor) -> None:
        nonlocal largest
        largest = max(largest, value.numel())

    graph.run(images[:1], observe)
    count = max(1, LARGEST_TENSOR // largest)
    return images if count >= len(images) else images[torch.arange(count) * len(images) // count]


def _chunk(graph: LayerGraph) -> int:
    """How many images to unfold together."""
    most = 1
    for layer in graph.convs():
        channels, height, width = layer.input_shape
        taps = layer.kernel[0] * layer.kernel[1]
        most = max(most, channels * height * width * taps // (layer.stride[0] * layer.stride[1]))
    return max(1, CHUNK // most)


def _round_layer(
    layer: ConvLayer, state: LayerState, meets: Sequence[Pair], seed: int, balance: Balance | None
) -> None:
    """Steps 1 to 4."""
    met = None if layer.weight()[0].numel() > INPUTS else products(layer, meets)
    round_weights(state, met, seed, balance)


def round_weights(state: LayerState, met: Pair | None, seed: int, balance: Balance | None) -> QuantizedLayer:
    """Steps 1 to 4, given what the weights meet.

    Parameters
    ----------
    state
        With a mask that says how many weights stay; its weights in the model become the rounded ones.
    met
        See `products`; None rounds weight by weight.
    """
    if met is None:
        state.rounded = state.fit(state.kernel, seed, state.scheme).integers(state.kernel)
    else:
        gram, cross = met
        weight = adapted(state.kernel, gram, cross)
        state.mask = spared(weight, state.mask, gram, balance)
        found = [_rounding(state, scheme, weight, gram, seed) for scheme in state.scheme.alternatives()]
        _, state.quantizer, state.rounded = min(found, key=lambda rounding: rounding[0])
    return state.result()


def _rounding(
    state: LayerState, scheme: Scheme, weight: Tensor, gram: Tensor, seed: int
) -> tuple[float, Quantizer, Tensor]:
    """The squared error of the output with this scheme, its grid, and the integers."""
    quantizer = state.fit(weight, seed, scheme)
    if quantizer.step.numel() == 1:
        channel_scales(weight, quantizer)
    integers = rounded(weight, quantizer, gram)
    apart = _grouped((integers * quantizer.step - weight).double(), len(gram))
    return float((apart @ gram * apart).sum()), quantizer, integers


def products(layer: ConvLayer, meets: Sequence[Pair]) -> Pair:
    """[G, D, D] sums of products of the inputs of now with themselves, and of the float ones with them."""
    size = layer.weight()[0].numel()
    gram, cross = torch.zeros(2, layer.groups, size, size, dtype=torch.float64)
    for was, now in meets:
        float_columns, columns = _columns(layer, was), _columns(layer, now)
        gram += columns @ columns.mT
        cross += float_columns @ columns.mT
    return gram, cross


def _columns(layer: ConvLayer, x: Tensor) -> Tensor:
    """[G, D, n] what the D = I kh kw weights of an output meet, at all pixels of all images and copies."""
    top, bottom, left, right = layer.padding
    padded = functional.pad(x, (left, right, top, bottom)).unflatten(1, (layer.copies, -1)).flatten(0, 1)
    unfolded = functional.unfold(padded, layer.kernel, layer.dilation, stride=layer.stride)
    return unfolded.unflatten(1, (layer.groups, -1)).permute(1, 2, 0, 3).flatten(2)


def adapted(weight: Tensor, gram: Tensor, cross: Tensor) -> Tensor:
    """Weights [O, I, kh, kw] that give the outputs of ``weight``, but on the inputs of now.

    Parameters
    ----------
    weight
        [O, I, kh, kw], what the float network has.
    gram, cross
        [G, D, D] sums over inputs x of now, and y of the float network: of x x', and of y x'.
    """
    keep = KEEP * _mean_square(gram)
    by_group = _grouped(weight.double(), len(gram))
    wanted = by_group @ cross + keep * by_group
    return torch.linalg.solve(_plus(gram, keep), wanted.mT).mT.reshape(weight.shape).float()


def spared(weight: Tensor, mask: Tensor, gram: Tensor, balance: Balance | None = None) -> Tensor:
    """The mask [O, I, kh, kw], with about as many ones as ``mask``, that costs the output least."""
    count = int(mask.sum())
    if count == mask.numel():
        return mask
    inverse = torch.linalg.inv(_plus(gram, DAMPING * _mean_square(gram)))
    cost = _grouped(weight.double(), len(gram)).square() / inverse.diagonal(dim1=1, dim2=2)[:, None]
    chosen = torch.zeros(mask.numel(), dtype=torch.bool)
    chosen[cost.flatten().argsort(descending=True, stable=True)[:count]] = True
    kept = chosen.reshape(mask.shape)
    if balance is None:
        return kept
    return balance_slots({"": cost.reshape(mask.shape)}, {"": kept}, balance)[""]


def rounded(weight: Tensor, quantizer: Quantizer, gram: Tensor) -> Tensor:
    """Integers [O, I, kh, kw] of the grid, as floats, that together come near to the outputs of ``weight``.

    The inputs go by their mean square, the largest first. The rows of the inverse's Cholesky factor say how
    much of an error each input that is left can make up for.

    Parameters
    ----------
    weight
        [O, I, kh, kw].
    quantizer
        Its mask says which weights are 0.
    gram
        [G, D, D] sums of products of the inputs.
    """
    if quantizer.by_place:
        return quantizer.integers(weight)
    groups, size = gram.shape[:2]
    left, mask = _grouped(weight.float(), groups), _grouped(quantizer.mask, groups)
    step = quantizer.step.expand(len(weight), 1, 1, 1).reshape(groups, -1)
    gram = _plus(gram, DAMPING * _mean_square(gram))
    order = gram.diagonal(dim1=1, dim2=2).argsort(dim=1, descending=True, stable=True)
    gram = _along(_along(gram, order).mT, order)
    left, mask = _along(left, order), _along(mask, order)
    factor = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(gram)), upper=True).float()
    integers = torch.zeros_like(left)
    for first in range(0, size, BLOCK):
        last = min(first + BLOCK, size)
        errors = torch.zeros_like(left[:, :, first:last])
        for j in range(first, last):
            scaled = (left[:, :, j] / step).reshape(-1, 1, 1, 1)
            nearest = quantizer.nearest(scaled).reshape(step.shape)
            integers[:, :, j] = torch.where(mask[:, :, j], nearest, 0.0)
            error = (left[:, :, j] - integers[:, :, j] * step) / factor[:, j, j, None]
            left[:, :, j + 1 : last] -= error[:, :, None] * factor[:, None, j, j + 1 : last]
            errors[:, :, j - first] = error
        left[:, :, last:] -= errors @ factor[:, first:last, last:]
    return _along(integers, order.argsort(dim=1)).reshape(weight.shape)


def restore_mean(now: ConvLayer, was: ConvLayer, parts: Sequence[Sequence[Pair]]) -> None:
    """Step 5, with the residual and before the clamp.

    Parameters
    ----------
    parts
        For each part of the images the source and, where there is one, the residual.
    """
    linear_now, linear_was = (
        replace(layer, activation=None, limits=UNLIMITED, functions=()) for layer in (now, was)
    )
    apart = torch.zeros(now.outputs)
    for part in parts:
        wanted, got = _run(linear_was, linear_now, part)
        apart += (wanted - got).mean(dim=(2, 3)).sum(dim=0)
    apart /= sum(len(part[0][1]) for part in parts)
    norm = now.norm
    if norm is None:
        if now.module.bias is not None:
            now.module.bias.add_(apart)
    elif norm.affine:
        norm.bias.add_(apart)
    elif norm.running_mean is not None and norm.running_var is not None:
        norm.running_mean.sub_(apart * (norm.running_var + norm.eps).sqrt())


def _grouped(weight: Tensor, groups: int) -> Tensor:
    """[G, O / G, D] of [O, I, kh, kw]."""
    return weight.reshape(groups, len(weight) // groups, -1)


def _mean_square(gram: Tensor) -> Tensor:
    """[G, 1, 1] the mean of the diagonal; 1 where no input is ever anything but 0."""
    mean = gram.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None]
    return torch.where(mean > 0, mean, torch.ones_like(mean))


def _plus(gram: Tensor, ridge: Tensor) -> Tensor:
    return gram + ridge * torch.eye(gram.shape[1], dtype=gram.dtype)


def _along(values: Tensor, order: Tensor) -> Tensor:
    """Put the last axis [G, ..., D] into the ``order`` [G, D] of its group."""
    return values.gather(2, order[:, None].expand(values.shape))
