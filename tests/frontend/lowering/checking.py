"""From a model to its integer network, and what that gives on random images."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from shiftbook.frontend.data.batches import normalize
from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.layer import activate
from shiftbook.frontend.importing.normalization import Normalization
from shiftbook.frontend.lowering.lower import fold_norm, lower
from shiftbook.frontend.post_training.calibrate import calibrate
from shiftbook.frontend.schemes import get
from shiftbook.frontend.training.target import Target
from shiftbook.frontend.training.train import quantize_weights
from shiftbook.golden.model import executor
from shiftbook.golden.model.network import zero_points
from shiftbook.golden.spec import DEFAULT, FRACTION
from tests.frontend.models import graph_of, layers_of, lively


def random_images(count, height, width, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, channels), dtype=np.uint8)


def lowered(
    model, shape, scheme="int8", normalization=None, density=1.0, drawn=True, spec=DEFAULT, **training
):
    """A traced, quantized and calibrated model, its integer network, and what that gives on some images."""
    channels, height, width = shape
    normalization = normalization or Normalization((0.4,) * channels, (0.25,) * channels)
    model = graph_of(lively(model) if drawn else model, shape)
    graph = layers_of(model, shape)
    quantized = quantize_weights(
        model, graph.paths, Target(scheme=get(scheme)(), density=density), **training
    )
    images = random_images(8, height, width, channels)
    inputs = normalize(images, normalization.mean, normalization.std)
    scales = calibrate(graph, inputs, input_range=normalization.range())
    network = lower(graph, quantized, scales, normalization, spec=spec)
    tensors = executor.run(network, images, keep=True).tensors
    return graph, network, scales, tensors


def real_values(integers, affine):
    """[N, C, H, W] float64 of a tensor [N, H, W, C] of integers."""
    return torch.from_numpy((integers.astype(np.float64) - affine.zero_point) * affine.scale).permute(
        0, 3, 1, 2
    )


def before_functions(node, network, tensors):
    """The tensor of a node as its requantizer makes it."""
    plain = replace(node, requantize=replace(node.requantize, function=None))
    return executor.run_node(plain, tensors, zero_points(network))


def check_layers(graph, network, scales, tensors):
    """Every layer on its own, from the same input: within the sum of the roundings that it is made of.

    A layer with functions before it looks them up.

    In steps of the output: 1/2 for the output, half a unit of each multiplier times what it multiplies, and
    half an accumulator step for the bias.
    """
    nodes = {node.name: node for node in network.nodes}
    for layer in graph.layers:
        if not isinstance(layer, ConvLayer):
            continue
        target = scales[layer.before if layer.functions else layer.name]
        made = real_values(before_functions(nodes[layer.name], network, tensors), target)
        gain, offset = (torch.from_numpy(a).reshape(-1, 1, 1) for a in fold_norm(layer))
        top, bottom, left, right = layer.padding
        x = nn.functional.pad(
            real_values(tensors[layer.source], scales[layer.source]), (left, right, top, bottom)
        )
        weight = layer.weight().double().repeat(layer.copies, 1, 1, 1)
        groups = layer.groups * layer.copies
        share = gain * nn.functional.conv2d(x, weight, None, layer.stride, 0, layer.dilation, groups)
        added = torch.zeros(())
        if layer.residual is not None:
            added = real_values(tensors[layer.residual], scales[layer.residual])
        step = target.scale
        requantizer = nodes[layer.name].requantize
        unit = torch.from_numpy(np.exp2(-requantizer.shift.astype(np.float64))).reshape(-1, 1, 1)
        multiplier = torch.from_numpy(requantizer.multiplier).reshape(-1, 1, 1) * unit
        accumulator = share.abs() / step / multiplier
        other = 0 if layer.residual is None else added.abs() / scales[layer.residual].scale
        bound = 0.501 + accumulator * unit / 2 + other / (2 << FRACTION) + multiplier / 2
        wanted = activate(share + offset + added, layer.activation) / step + target.zero_point
        difference = (made / step + target.zero_point - wanted.clamp(0, 255)).abs()
        excess = difference - bound
        # ReLU6's limit is rounded to a step of its own.
        assert excess.max() <= (0.5 if layer.activation == "relu6" else 0), layer.name
        assert difference.mean() < 0.35, layer.name
