"""A transposed convolution as its phases: ordinary convolutions with some rows and columns of the kernel."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

Pair = tuple[int, int]

NOTHING = -1
"""A tap without weight, which stands for a row of the input that no output needs."""


@dataclass(frozen=True)
class Axis:
    """One axis of the convolution that makes the outputs ``stride * y + phase``.

    Attributes
    ----------
    taps
        Of each tap the one of the transposed kernel that it is, or `NOTHING`.
    dilation
        Pixels of the input from one tap to the next.
    before, after
        Zeros around the input.
    """

    taps: tuple[int, ...]
    dilation: int
    before: int
    after: int


def axis_of(
    phase: int, kernel: int, stride: int, padding: int, dilation: int, inputs: int, outputs: int
) -> Axis:
    """The convolution along one axis.

    Output ``stride * y + phase`` takes tap k at input pixel
    ``y + (phase + padding - dilation * k) / stride``, where that is whole.

    Parameters
    ----------
    kernel, stride, padding, dilation
        Of the transposed convolution.
    inputs, outputs
        Pixels of its input, and outputs of this phase.
    """
    places = {tap: divmod(phase + padding - dilation * tap, stride) for tap in range(kernel)}
    found = sorted((offset, tap) for tap, (offset, rest) in places.items() if not rest) or [(0, NOTHING)]
    step = found[1][0] - found[0][0] if len(found) > 1 else 1
    first, last = found[0][0], found[-1][0]
    ahead, behind = max(0, -(-first // step)), max(0, -(-(inputs - outputs - last) // step))
    taps = (NOTHING,) * ahead + tuple(tap for _, tap in found) + (NOTHING,) * behind
    first, last = first - ahead * step, last + behind * step
    return Axis(taps, step, -first, outputs + last - inputs)


def axes_of(
    operation: nn.ConvTranspose2d, phase: Pair, inputs: tuple[int, ...], outputs: tuple[int, ...]
) -> tuple[Axis, Axis]:
    """Both axes of the phase (dy, dx), with rows and columns of the input and of the phase."""
    kernel, stride, padding, dilation = (
        (int(option[0]), int(option[1]))
        for option in (operation.kernel_size, operation.stride, operation.padding, operation.dilation)
    )
    rows, cols = (
        axis_of(phase[i], kernel[i], stride[i], padding[i], dilation[i], inputs[i], outputs[i])
        for i in (0, 1)
    )
    return rows, cols


def phase_of(
    operation: nn.ConvTranspose2d, axes: tuple[Axis, Axis]
) -> tuple[nn.Conv2d, tuple[int, int, int, int]]:
    """The convolution of one phase, and the zeros around its input: left, right, top, bottom."""
    rows, cols = axes
    weight = ordinary_weight(operation)
    conv = nn.Conv2d(
        operation.in_channels,
        operation.out_channels,
        (len(rows.taps), len(cols.taps)),
        dilation=(rows.dilation, cols.dilation),
        groups=operation.groups,
        bias=operation.bias is not None,
    )
    ky, kx = torch.tensor(rows.taps), torch.tensor(cols.taps)
    there = (ky != NOTHING)[:, None] & (kx != NOTHING)
    with torch.no_grad():
        conv.weight.copy_(weight[:, :, ky][:, :, :, kx] * there)
        if conv.bias is not None and operation.bias is not None:
            conv.bias.copy_(operation.bias)
    return conv, (cols.before, cols.after, rows.before, rows.after)


def ordinary_weight(operation: nn.ConvTranspose2d) -> Tensor:
    """[O, I / groups, kh, kw] from torch's [I, O / groups, kh, kw]."""
    inputs, outputs, *kernel = operation.weight.shape
    groups = operation.groups
    parts = operation.weight.detach().reshape(groups, inputs // groups, outputs, *kernel)
    return parts.transpose(1, 2).reshape(groups * outputs, inputs // groups, *kernel)
