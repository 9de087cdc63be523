"""From a traced graph, quantized weights and calibrated tensors to the integer network.

A layer computes ``y = gain * (acc - zero_point_of_source * sum(w)) + offset`` in steps of its output, where

    gain   = norm_gain * source_scale * weight_step / output_scale        one for each output channel
    offset = (norm_gain * (conv_bias - norm_mean) + norm_bias) / output_scale

so batch norm lives in the requantizer's multiplier and bias and never touches the weights' codebook. The
one thing that reaches the weights is a sign: the multiplier is unsigned, so an output channel with a
negative gain gets its weights negated, which costs nothing where a term has a sign. Where a table stands
behind the requantizer, the output's scale above is that of what the table takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shiftbook.frontend.codebooks.negate import negate
from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.layer import PlainLayer
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import INPUT
from shiftbook.frontend.importing.normalization import Normalization
from shiftbook.frontend.lowering.coarsen import coarsen
from shiftbook.frontend.lowering.narrow import narrow
from shiftbook.frontend.quantization.affine import Affine, Ints, Reals, fixed_point, named_fixed_point
from shiftbook.frontend.schemes.base import QuantizedLayer
from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.coding.vectors import vector_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.accumulator import prove_accumulator
from shiftbook.golden.model.integer import LARGEST_ACTIVATION, MAX_RESIDUAL_MULTIPLIER
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import Conv, Node
from shiftbook.golden.model.weights import Requantize, Weights
from shiftbook.golden.progress import Progress, quiet
from shiftbook.golden.spec import DEFAULT, FRACTION, LEAST_SHIFT, Spec

Flags = NDArray[np.bool_]

CONSTANT_BITS = 10
"""A channel whose output does not depend on its input has its bias in units of 2^-10 steps, where it can."""


def lower(
    graph: LayerGraph,
    quantized: Mapping[str, QuantizedLayer],
    calibration: Mapping[str, Affine],
    normalization: Normalization,
    *,
    spec: Spec = DEFAULT,
    seed: int = 0,
    narrows: bool = False,
    classes: tuple[str, ...] = (),
    facts: Mapping[str, object] | None = None,
    progress: Progress = quiet,
) -> Network:
    """Build the integer network.

    Parameters
    ----------
    quantized
        By module path, for every layer with weights. Fully connected layers are [O, 1, 1, features] with
        the features in torch's (channel, row, column) order.
    calibration
        By tensor name.
    spec
        Widths of the requantizer and of the accumulator, and the weight slots.
    seed
        Of the search that balances the slots.
    narrows
        Whether weights of all schemes without vectors give way where an accumulator would be too wide, as
        8-bit ones always do; else such a layer is refused.

    Raises
    ------
    ShiftbookError
        A layer cannot be said in the spec's widths; names the layer, and the channel where it is one.
    """
    nodes: list[Node] = []
    for i, layer in enumerate(graph.layers):
        if isinstance(layer, ConvLayer):
            nodes.append(_conv(layer, quantized[layer.path], calibration, spec, seed, narrows))
        else:
            assert isinstance(layer, PlainLayer)
            nodes.append(layer.lower(calibration, spec))
        progress("lowering", i + 1, len(graph.layers))
    channels, height, width = graph.input_shape
    return Network(
        input=Input(
            INPUT, (height, width, channels), input_requantizer(normalization, calibration[INPUT], spec)
        ),
        nodes=tuple(nodes),
        slots=spec.slots,
        scales={name: affine.scale for name, affine in calibration.items()},
        classes=classes,
        facts=dict(facts or {}),
        outputs=() if graph.results == (nodes[-1].name,) else tuple(dict.fromkeys(graph.results)),
    )


def input_requantizer(normalization: Normalization, target: Affine, spec: Spec) -> Requantize:
    """Raw pixels to the first tensor: ``zero_point + (pixel - 255 mean) / (255 std scale)``."""
    mean = np.asarray(normalization.mean, np.float64)
    std = np.asarray(normalization.std, np.float64)
    multiplier, shift = fixed_point(1 / (255 * std * target.scale), spec)
    return Requantize(
        bias=np.rint(-255 * mean).astype(np.int64),
        multiplier=multiplier,
        shift=shift,
        zero_point=target.zero_point,
    )


def _conv(
    layer: ConvLayer,
    quantized: QuantizedLayer,
    calibration: Mapping[str, Affine],
    spec: Spec,
    seed: int,
    narrows: bool,
) -> Conv:
    source, (target, function) = calibration[layer.source], layer.steps(calibration)
    quantized = _repeated(quantized, layer.copies)
    norm_gain, norm_offset = fold_norm(layer)
    step = np.broadcast_to(np.asarray(quantized.step, np.float64), norm_gain.shape)
    gain = norm_gain * source.scale * step / target.scale
    quantized = _turned(layer, quantized, gain < 0, spec)
    gain, offset = np.abs(gain), norm_offset / target.scale
    residual = None if layer.residual is None else calibration[layer.residual]
    if quantized.scheme == "int8" or (narrows and quantized.vectors is None):
        idle = still(gain, offset, quantized.integers, target, layer.clamps(target), residual is not None)
        fit = coarsen if quantized.scheme.startswith("int") else narrow
        integers, gain = fit(quantized.integers, gain, offset, idle, spec.accumulator_width)
        quantized = replace(quantized, integers=integers)
    requantize, constant = requantizer(
        layer.name,
        gain,
        offset,
        quantized.integers.reshape(len(gain), -1).astype(np.int64),
        source.zero_point,
        target,
        spec,
        0.0 if residual is None else residual.scale / target.scale,
        layer.clamps(target),
    )
    quantized, constant, copies = _shared(quantized, constant, layer.copies)
    conv = Conv(
        name=layer.name,
        source=layer.source,
        weights=_coded(layer.name, quantized, constant, spec, seed),
        requantize=replace(requantize, function=function),
        stride=layer.stride,
        padding=layer.padding,
        groups=layer.groups * layer.copies // copies,
        residual=layer.residual,
        copies=copies,
        dilation=layer.dilation,
    )
    prove_accumulator(conv, spec)
    return conv


def _repeated(quantized: QuantizedLayer, copies: int) -> QuantizedLayer:
    """The weights of all copies one after another, so that each output channel has its own."""
    if copies == 1:
        return quantized
    step, vectors = np.asarray(quantized.step), quantized.vectors
    if vectors is not None:
        codes, present = (np.concatenate([a] * copies) for a in (vectors.codes, vectors.present))
        vectors = replace(vectors, codes=codes, present=present)
    return replace(
        quantized,
        integers=np.concatenate([quantized.integers] * copies),
        step=np.tile(step, copies) if step.ndim else quantized.step,
        vectors=vectors,
    )


def _shared(quantized: QuantizedLayer, constant: Flags, copies: int) -> tuple[QuantizedLayer, Flags, int]:
    """Undo `_repeated` where all copies still have the same weights, and say how many copies are left.

    Where batch norm turned a channel in some copies only, or one of them is constant, they differ. Each
    output channel then keeps its own weights, and the copies become the groups of an ordinary layer.
    """
    rows = len(constant) // copies
    integers, flags = quantized.integers.reshape(copies, rows, -1), constant.reshape(copies, rows)
    if copies == 1 or (integers != integers[0]).any() or (flags != flags[0]).any():
        return quantized, constant, 1
    vectors = quantized.vectors
    if vectors is not None:
        vectors = replace(vectors, codes=vectors.codes[:rows], present=vectors.present[:rows])
    quantized = replace(quantized, integers=quantized.integers[:rows], vectors=vectors)
    return quantized, constant[:rows], copies


def _turned(layer: ConvLayer, quantized: QuantizedLayer, turned: Flags, spec: Spec) -> QuantizedLayer:
    """The weights as [O, kh, kw, I], negated in the output channels that are ``turned``."""
    integers = _as_kernel(layer, quantized.integers)
    if quantized.vectors is None:
        signs = np.where(turned, -1, 1).astype(np.int16).reshape(-1, 1, 1, 1)
        return replace(quantized, integers=integers * signs)
    if integers is not quantized.integers:
        raise ShiftbookError(f"layer {layer.name}: its vectors were not cut for a {layer.kernel} kernel")
    vectors = negate(quantized.vectors, turned)
    weights = vector_weights(vectors, integers.shape, quantized.scheme, spec.slots, spec)
    return replace(quantized, integers=weights.integers, vectors=vectors)


def _coded(name: str, quantized: QuantizedLayer, constant: Flags, spec: Spec, seed: int) -> Weights:
    """The weights in the form that is stored; channels whose output is ``constant`` have no work to do."""
    vectors = quantized.vectors
    if vectors is not None:
        vectors = replace(vectors, present=vectors.present & ~constant[:, None, None])
        return vector_weights(vectors, quantized.integers.shape, quantized.scheme, spec.slots, spec)
    integers = np.where(constant[:, None, None, None], 0, quantized.integers)
    if integers.min() < -128 or integers.max() > 127:
        raise ShiftbookError(f"layer {name}: weights must be in -128..127 after batch norm's sign is applied")
    return code_weights(integers, quantized.scheme, spec, seed)


def fold_norm(layer: ConvLayer) -> tuple[Reals, Reals]:
    """Gain and offset [O] in float64 with ``norm(conv(x) + bias) = gain * conv(x) + offset``."""
    bias = layer.module.bias
    outputs = layer.outputs
    offset = np.zeros(outputs) if bias is None else bias.detach().numpy().astype(np.float64)
    norm = layer.norm
    if norm is None:
        return np.ones(outputs), offset
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = 1 / np.sqrt(norm.running_var.numpy().astype(np.float64) + norm.eps)
    if norm.affine:
        gain = gain * norm.weight.detach().numpy().astype(np.float64)
    offset = (offset - norm.running_mean.numpy().astype(np.float64)) * gain
    if norm.affine:
        offset = offset + norm.bias.detach().numpy().astype(np.float64)
    return gain, offset


def requantizer(
    name: str,
    gain: Reals,
    offset: Reals,
    weights: Ints,
    source_zero_point: int,
    target: Affine,
    spec: Spec,
    residual_gain: float = 0.0,
    ends: tuple[int, int] = (0, LARGEST_ACTIVATION),
) -> tuple[Requantize, NDArray[np.bool_]]:
    """Requantizer of ``gain * (acc - source_zero_point * sum(w)) + offset``, in steps of the output.

    Parameters
    ----------
    gain, offset
        [O], ``gain`` not negative.
    weights
        [O, n] integers.
    residual_gain
        Steps of the output in one step of the residual; 0 where there is none.
    ends
        Lowest and highest integer of the output.

    Returns
    -------
    requantize
    constant
        bool [O]: channels whose accumulator cannot move the output, written as a bias alone.

    Raises
    ------
    ShiftbookError
        A bias exceeds the accumulator's width and the channel is not constant.
    """
    total = weights.sum(axis=1)
    alive = (gain > 0) & weights.any(axis=1)
    # A channel that lost all weights had outputs without variance, and its batch norm has any gain.
    multiplier, shift = named_fixed_point(name, np.where(alive, gain, 0.0), spec)
    with np.errstate(divide="ignore", invalid="ignore"):
        # By the multiplier that is there, not by the one wished for: the offset is then met exactly.
        wanted = np.where(multiplier > 0, offset / (multiplier / np.exp2(shift)), np.inf)
    most = (1 << (spec.accumulator_width - 1)) - 1
    too_large = np.abs(wanted) > most - source_zero_point * np.abs(total)
    idle = still(gain, offset, weights, target, ends, residual_gain > 0)
    constant = (multiplier == 0) | ~alive | (too_large & idle)
    if (too_large & ~constant).any():
        channel = int(np.argmax(too_large & ~constant))
        raise ShiftbookError(
            f"layer {name}: the bias of output channel {channel} would be {wanted[channel]:.4g} steps of the "
            f"accumulator, more than {spec.accumulator_width} bits hold: its gain is almost nothing"
        )
    bias = np.rint(np.where(constant, 0, wanted)) - source_zero_point * total
    # A power of two makes the bias of a constant channel coarse enough to fit.
    largest = spec.multiplier_width - 1
    shift = np.where(constant, np.clip(shift, LEAST_SHIFT, CONSTANT_BITS + largest), shift)
    power = np.clip(shift - CONSTANT_BITS, 0, largest)
    fixed = np.clip(np.rint(offset * np.exp2(shift - power)), -most, most)
    requantize = Requantize(
        bias=np.where(constant, fixed, bias).astype(np.int64),
        multiplier=np.where(constant, np.exp2(power).astype(np.int64), multiplier),
        shift=shift,
        zero_point=target.zero_point,
        low=ends[0],
        high=ends[1],
        residual_multiplier=_residual_multiplier(name, residual_gain) if residual_gain else None,
    )
    return requantize, constant


def still(
    gain: Reals,
    offset: Reals,
    weights: NDArray[np.integer],
    target: Affine,
    ends: tuple[int, int],
    adds: bool,
) -> Flags:
    """[O] whether a channel's accumulator moves its output by less than half a step, or only beyond a clamp.

    Parameters
    ----------
    gain, offset, target, ends
        As in :func:`requantizer`.
    weights
        [O, ...] integers.
    adds
        Whether a residual is added, which could bring the output back between its clamps.
    """
    reach = gain * np.abs(weights.reshape(len(gain), -1).astype(np.int64)).sum(1) * LARGEST_ACTIVATION
    low, high = (end - target.zero_point for end in ends)
    return (reach < 0.5) | ((not adds) & ((offset + reach <= low) | (offset - reach >= high)))


def _residual_multiplier(name: str, gain: float) -> int:
    multiplier = round(gain * (1 << FRACTION))
    if multiplier > MAX_RESIDUAL_MULTIPLIER:
        raise ShiftbookError(
            f"layer {name}: a step of its residual is {gain:.4g} steps of its output, and at most "
            f"{MAX_RESIDUAL_MULTIPLIER / (1 << FRACTION):.4g} can be said: its output's range is too small"
        )
    return multiplier


def _as_kernel(layer: ConvLayer, integers: NDArray[np.int16]) -> NDArray[np.int16]:
    """[O, kh, kw, I]; the features of a fully connected layer are reordered from (C, H, W) to (H, W, C)."""
    channels, height, width = layer.input_shape
    outputs = len(integers)
    if layer.kernel == integers.shape[1:3]:
        return integers
    return integers.reshape(outputs, channels, height, width).transpose(0, 2, 3, 1)
