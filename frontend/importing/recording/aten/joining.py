"""Tensors put together, up-sampling, padding and softmax."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from shiftbook.frontend.graph.operations import Concatenate
from shiftbook.frontend.importing.recording.aten.pointwise import operation_name, reordered
from shiftbook.frontend.importing.recording.recorder import Call, Handler
from shiftbook.frontend.importing.recording.values import BATCH, ZERO, Value


def concatenate(call: Call) -> Value:
    """Along channels or features."""
    tensors = [t for t in call["tensors"] if t.numel()]
    values = [call.recorder.value(tensor) for tensor in tensors]
    rank = len(call.dims)
    dim = (call["dim"] or 0) % rank
    known = [value for value in values if value is not None]
    if len(tensors) == 1:
        return known[0]
    if len(known) == len(values) and len({value.node for value in known}) == 1:
        joined = known[0].moved(torch.cat([value.indices() for value in known], dim), call.recorder.leaf())
        if reordered(joined):
            return joined
    if len(known) < len(values):
        return _with_zeros(call, tensors, values, dim)
    if dim != 1:
        raise call.unsupported(f"tensors must be joined along their channels, dim 1, not dim {dim}")
    operation = Concatenate()
    parts = [call.as_value(value) for value in known]
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    result = call.draft.add(operation, [part.node for part in parts], shape, operation_name(call))
    return result.moved(result.indices().reshape(call.dims))


def _with_zeros(call: Call, tensors: Any, values: list[Value | None], dim: int) -> Value:
    """A tensor and constants, which must be zeros."""
    known = [value for value in values if value is not None]
    zeros = [tensor for tensor, value in zip(tensors, values, strict=True) if value is None]
    if len(known) != 1 or any(bool(tensor.any()) for tensor in zeros):
        raise call.unsupported("constants that are joined to a tensor must be zeros")
    parts = [
        torch.full(tensor.shape, ZERO) if value is None else value.indices()
        for tensor, value in zip(tensors, values, strict=True)
    ]
    return known[0].moved(torch.cat(parts, dim))


def stack(call: Call) -> Value:
    """Along a new dimension: the channels of several tensors, to be put in another order."""
    values = [call.recorder.value(tensor) for tensor in call["tensors"]]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        raise call.unsupported("constants cannot be stacked")
    if len({value.node for value in known}) == 1:
        return known[0].moved(torch.stack([value.indices() for value in known], call["dim"]))
    parts = [call.as_value(value) for value in known]
    shape = (sum(part.shape[0] for part in parts), *parts[0].shape[1:])
    joined = call.draft.add(Concatenate(), [part.node for part in parts], shape, operation_name(call))
    pieces = joined.indices().split([part.shape[0] for part in parts], dim=1)
    index = torch.stack([piece.reshape(known[0].dims) for piece in pieces], call["dim"])
    return joined.moved(index)


def constant_pad(call: Call) -> Value:
    """Zeros around."""
    value = call.value("self")
    if call["value"] != 0:
        return _padded_with(call, call["value"])
    padded = torch.constant_pad_nd(value.indices(), call["pad"], ZERO)
    return value.moved(padded, call.recorder.leaf())


def _padded_with(call: Call, fill: float) -> Value:
    """Another constant around maps."""
    source = call.materialized("self", 4)
    if len(call["pad"]) > 4:
        raise call.unsupported(f"channels must be padded with zeros, not with {fill}")
    left, right, top, bottom = [*call["pad"], 0, 0][:4]
    operation = nn.ConstantPad2d((left, right, top, bottom), fill)
    return call.draft.add(operation, [source.node], call.dims[1:], operation_name(call))


def mirrored_pad(make: type[nn.Module]) -> Handler:
    """Padding that repeats pixels."""

    def handle(call: Call) -> Value:
        source = call.materialized("self", 4)
        pad = list(call["padding"])
        operation = make(pad if len(pad) == 4 else [*pad, 0, 0])
        shape = (call.dims[1], *_rows_and_columns(call))
        result = call.draft.add(operation, [source.node], shape, operation_name(call))
        return result.moved(result.indices().reshape(call.dims))

    return handle


def upsample(mode: str) -> Handler:
    """To a larger map, or to a longer signal, which is a map of one row."""

    def handle(call: Call) -> Value:
        source = call.materialized("self" if "self" in call.given else "input", 4)
        size = _rows_and_columns(call)
        if size == source.shape[1:]:
            return call.value("self" if "self" in call.given else "input")
        corners = call.given.get("align_corners")
        scale = _scale(call, source.shape[1:], size)
        options: dict[str, Any] = {"scale_factor": scale} if scale else {"size": size}
        operation = nn.Upsample(**options, mode=mode, align_corners=corners)
        shape = (call.dims[1], *size)
        result = call.draft.add(operation, [source.node], shape, operation_name(call))
        return result.moved(result.indices().reshape(call.dims))

    return handle


def _rows_and_columns(call: Call) -> tuple[int, ...]:
    """Of the result; a signal has one row."""
    return (1, *call.dims[2:])[-2:]


def _scale(call: Call, small: tuple[int, ...], large: tuple[int, ...]) -> tuple[float, float] | None:
    """The integer factors of up-sampling, where it has some."""
    if any(b % a for a, b in zip(small, large, strict=True)):
        return None
    return float(large[0] // small[0]), float(large[1] // small[1])


def softmax(make: type[nn.Module]) -> Handler:
    """Over classes."""

    def handle(call: Call) -> Value:
        value = call.value("self")
        dim = call["dim"] % len(value.dims)
        if dim != 1 or value.dims[0] != BATCH or len(value.dims) not in (2, 4):
            raise call.unsupported(f"softmax must be over the classes, dim 1, not dim {call['dim']}")
        source = call.as_value(value)
        operation = make(dim=1)
        result = call.draft.add(operation, [source.node], source.shape, operation_name(call))
        return result.moved(result.indices().reshape(call.dims))

    return handle


def nothing(call: Call) -> Value:
    """A call that leaves its input alone in evaluation mode."""
    if call.given.get("train"):
        raise call.unsupported("it must be off in evaluation mode")
    return call.value("input")


HANDLERS: dict[str, Handler] = {
    "cat": concatenate,
    "stack": stack,
    "constant_pad_nd": constant_pad,
    "reflection_pad1d": mirrored_pad(nn.ReflectionPad2d),
    "replication_pad1d": mirrored_pad(nn.ReplicationPad2d),
    "reflection_pad2d": mirrored_pad(nn.ReflectionPad2d),
    "replication_pad2d": mirrored_pad(nn.ReplicationPad2d),
    "upsample_nearest1d": upsample("nearest"),
    "_upsample_nearest_exact1d": upsample("nearest-exact"),
    "upsample_linear1d": upsample("bilinear"),
    "upsample_nearest2d": upsample("nearest"),
    "_upsample_nearest_exact2d": upsample("nearest-exact"),
    "upsample_bilinear2d": upsample("bilinear"),
    "upsample_bicubic2d": upsample("bicubic"),
    "_softmax": softmax(nn.Softmax),
    "_log_softmax": softmax(nn.LogSoftmax),
    "native_dropout": nothing,
}
