"""Pooling, and means, sums and maxima over whole maps or over channels."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from shiftbook.frontend.graph.operations import Add, ChannelAffine, ChannelMax, ChannelMean
from shiftbook.frontend.importing.recording.aten.pointwise import operation_name
from shiftbook.frontend.importing.recording.recorder import Call, Handler
from shiftbook.frontend.importing.recording.values import BATCH, Value

MOST_SLICES = 16
"""Slices that are added up one by one, at most."""


def max_pool(call: Call) -> Value:
    """Of one or two dimensions."""
    kernel, stride, padding, dilation = _windows(call, "kernel_size", "stride", "padding", "dilation")
    module = nn.MaxPool2d(kernel, stride or kernel, padding, dilation, ceil_mode=bool(call["ceil_mode"]))
    return _pooled(call, module)


def average_pool(call: Call) -> Value:
    """Of one or two dimensions."""
    kernel, stride, padding = _windows(call, "kernel_size", "stride", "padding")
    module = nn.AvgPool2d(
        kernel,
        stride or kernel,
        padding,
        bool(call["ceil_mode"]),
        bool(call["count_include_pad"]),
        call.given.get("divisor_override"),
    )
    return _pooled(call, module)


def _windows(call: Call, *names: str) -> list[Any]:
    """Options of windows as pairs; a signal's windows have height 1."""
    found: list[Any] = []
    one = call.name.endswith("1d")
    for name in names:
        given = call[name]
        given = [given] if isinstance(given, int) else list(given)
        if one and given:
            given = [0 if name == "padding" else 1, *given]
        found.append(tuple(given * (3 - len(given))) if given else ())
    return found


def _pooled(call: Call, module: nn.Module, name: str = "") -> Value:
    source = call.materialized("self" if "self" in call.given else "input", 4)
    dims = call.dims
    shape = dims[1:] if len(dims) == 4 else (dims[1], 1, dims[2])
    result = call.draft.add(module, [source.node], shape, name or operation_name(call))
    return result.moved(result.indices().reshape(dims))


def adaptive_average(call: Call) -> Value:
    """Parts of the image; of one size where they can be."""
    return _adaptive(call, nn.AvgPool2d, nn.AdaptiveAvgPool2d)


def adaptive_max(call: Call) -> Value:
    """Parts of the image; of one size where they can be."""
    return _adaptive(call, nn.MaxPool2d, nn.AdaptiveMaxPool2d)


def _adaptive(call: Call, even: type[nn.Module], uneven: type[nn.Module]) -> Value:
    value = call.value("self" if "self" in call.given else "input")
    height, width = value.dims[-2:]
    rows, cols = call.dims[-2:]
    if height % rows or width % cols:
        return _pooled(call, uneven((rows, cols)))
    kernel = (height // rows, width // cols)
    if kernel == (1, 1):
        return value
    return _pooled(call, even(kernel))


def reduced(over_channels: type[nn.Module], over_maps: type[nn.AvgPool2d | nn.MaxPool2d]) -> Handler:
    """The handler of a reduction of whole maps to a pixel, or of all channels to one."""

    def handle(call: Call) -> Value:
        value = call.value("self")
        axes = _axes(call, len(value.dims))
        if value.dims[0] == BATCH and axes == {1} and len(value.dims) == 4:
            return _over_channels(call, over_channels())
        if value.dims[0] == BATCH and axes in ({2}, {3}) and len(value.dims) == 4:
            return _over_lines(call, over_maps, min(axes))
        maps = _whole_maps(call, value, axes)
        operation = over_maps((maps.shape[1], maps.shape[2]))
        result = call.draft.add(operation, [maps.node], (maps.shape[0], 1, 1), operation_name(call))
        return result.moved(result.indices().reshape(call.dims))

    return handle


def total(call: Call) -> Value:
    """Over whole maps, as a mean times their pixels; or over an axis of a few slices, which are added."""
    value = call.value("self")
    axes = _axes(call, len(value.dims))
    try_maps = value.dims[0] == BATCH and 0 not in axes
    if try_maps and len(axes) == 1 and value.dims[(axis := min(axes))] <= MOST_SLICES:
        slices = [value.moved(part.contiguous()) for part in value.indices().unbind(axis)]
        if all(call.draft.materialized(part) is not None for part in slices):
            return _added(call, slices)
    maps = _whole_maps(call, value, axes)
    average = nn.AvgPool2d((maps.shape[1], maps.shape[2]))
    pooled = call.draft.add(average, [maps.node], (maps.shape[0], 1, 1), operation_name(call))
    pixels = float(maps.shape[1] * maps.shape[2])
    scale = ChannelAffine(torch.full((maps.shape[0],), pixels), torch.zeros(maps.shape[0]))
    result = call.draft.add(scale, [pooled.node], pooled.shape, call.draft.named("sum"))
    return result.moved(result.indices().reshape(call.dims))


def _added(call: Call, slices: list[Value]) -> Value:
    first, *others = (call.as_value(part) for part in slices)
    for other in others:
        first = call.draft.add(Add(), [first.node, other.node], first.shape, call.draft.named("sum"))
    return first.moved(first.indices().reshape(call.dims))


def _axes(call: Call, rank: int) -> set[int]:
    """The dimensions that are summed over."""
    given = call.given.get("dim")
    if given is None or given == []:
        return set(range(rank))
    return {axis % rank for axis in ([given] if isinstance(given, int) else given)}


def _over_channels(call: Call, operation: nn.Module) -> Value:
    source = call.materialized("self", 4)
    shape = (1, *source.shape[1:])
    result = call.draft.add(operation, [source.node], shape, operation_name(call))
    return result.moved(result.indices().reshape(call.dims))


def _over_lines(call: Call, operation: type[nn.AvgPool2d | nn.MaxPool2d], axis: int) -> Value:
    """All rows of maps to one, or all columns."""
    source = call.materialized("self", 4)
    channels, height, width = source.shape
    window, shape = ((height, 1), (channels, 1, width)) if axis == 2 else ((1, width), (channels, height, 1))
    result = call.draft.add(operation(window), [source.node], shape, operation_name(call))
    return result.moved(result.indices().reshape(call.dims))


def _whole_maps(call: Call, value: Value, axes: set[int]) -> Value:
    """The maps all of whose pixels the axes run over."""
    rest = [axis for axis in range(len(value.dims)) if axis not in axes]
    if rest != [0] and len(rest) >= 2 and rest[0] == 0 and axes:
        index = value.indices().permute(*rest, *sorted(axes)).flatten(1, len(rest) - 1)
        index = index.flatten(2)[:, :, None] if len(axes) != 2 else index
        found = call.draft.materialized(value.moved(index))
        if found is not None and len(found.shape) == 3:
            return found
    raise call.unsupported(f"it must be over whole maps, not over {sorted(axes)} of {list(value.dims)}")


HANDLERS: dict[str, Handler] = {
    "max_pool2d_with_indices": max_pool,
    "max_pool2d": max_pool,
    "max_pool1d": max_pool,
    "avg_pool2d": average_pool,
    "avg_pool1d": average_pool,
    "_adaptive_avg_pool2d": adaptive_average,
    "adaptive_max_pool2d": adaptive_max,
    "mean": reduced(ChannelMean, nn.AvgPool2d),
    "amax": reduced(ChannelMax, nn.MaxPool2d),
    "max": reduced(ChannelMax, nn.MaxPool2d),
    "sum": total,
}
