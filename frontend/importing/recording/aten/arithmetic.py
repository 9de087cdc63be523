"""Sums, differences and products: of two tensors, or of a tensor and a constant."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from shiftbook.frontend.graph.operations import Add, ChannelAffine, Maximum, Multiply, Subtract
from shiftbook.frontend.importing.recording.aten.pointwise import operation_name
from shiftbook.frontend.importing.recording.draft import one_image
from shiftbook.frontend.importing.recording.recorder import Call, Handler
from shiftbook.frontend.importing.recording.values import Value


def add(call: Call) -> Value:
    """``self + alpha * other``."""
    return _combined(call, sign=float(call.given.get("alpha") or 1))


def subtract(call: Call) -> Value:
    """``self - alpha * other``."""
    return _combined(call, sign=-float(call.given.get("alpha") or 1))


def reversed_subtract(call: Call) -> Value:
    """``other - alpha * self``, of a constant."""
    factor = -float(call.given.get("alpha") or 1)
    return _affine(call, call.value("self"), factor, call["other"])


def _combined(call: Call, sign: float) -> Value:
    first, second = (call.recorder.value(call[name]) for name in ("self", "other"))
    if first is None and second is not None:
        return _affine(call, second, sign, call["self"])
    assert first is not None
    if second is None:
        return _affine(call, first, 1.0, call["other"], sign)
    if sign not in (1, -1):
        second = _affine(call, second, sign, 0.0)
    return _two(call, Add() if sign != -1 else Subtract(), first, second)


def multiply(call: Call) -> Value:
    """``self * other``."""
    first, second = (call.recorder.value(call[name]) for name in ("self", "other"))
    if first is not None and second is not None:
        return _two(call, Multiply(), first, second)
    value, constant = (first, call["other"]) if first is not None else (second, call["self"])
    assert value is not None
    return _affine(call, value, constant, 0.0)


def divide(call: Call) -> Value:
    """By a constant."""
    if call.given.get("rounding_mode") is not None:
        raise call.unsupported("it must not round")
    if call.recorder.value(call["other"]) is not None:
        raise call.unsupported("the divisor must not depend on the image")
    other = call["other"]
    inverse = other.detach().double().reciprocal() if isinstance(other, Tensor) else 1 / other
    return _affine(call, call.value("self"), inverse, 0.0)


def negate(call: Call) -> Value:
    """``-self``."""
    return _affine(call, call.value("self"), -1.0, 0.0)


def maximum(call: Call) -> Value:
    """The larger of two tensors."""
    first, second = (call.recorder.value(call[name]) for name in ("self", "other"))
    if first is None or second is None:
        raise call.unsupported("both tensors must depend on the image")
    return _two(call, Maximum(), first, second)


def _two(call: Call, operation: nn.Module, first: Value, second: Value) -> Value:
    """An operation of two tensors, perhaps broadcast."""
    name = operation_name(call)
    alike = first.index is not None and second.index is not None and first.shape == second.shape
    if alike and torch.equal(first.indices(), second.indices()):
        result = call.draft.add(operation, [first.node, second.node], first.shape, name)
        return result.moved(first.indices())
    rank = len(call.dims)
    values = [call.as_value(_not_spread(_ranked(value, rank))) for value in (first, second)]
    shape = np.broadcast_shapes(*(value.shape for value in values))
    result = call.draft.add(operation, [value.node for value in values], tuple(shape), name)
    return result.moved(result.indices().reshape(call.dims))


def _ranked(value: Value, rank: int) -> Value:
    """With the ones in front that broadcasting puts there."""
    index = value.indices()
    while index.dim() < rank:
        index = index[None]
    return value.moved(index)


def _not_spread(value: Value) -> Value:
    """Without the copies of itself that a tensor was expanded to: broadcasting makes them again."""
    index = value.index
    if index is None:
        return value
    for axis in range(2, index.dim()):
        first = index.narrow(axis, 0, 1)
        if torch.equal(first.expand_as(index), index):
            index = first
    return value.moved(index)


def _affine(call: Call, value: Value, factor: object, added: object, sign: float = 1.0) -> Value:
    """``value * factor + sign * added`` of constants."""
    broadcast = [c for c in (factor, added) if isinstance(c, Tensor) and c.numel() > 1]
    if call.dims != value.dims and not broadcast:
        raise call.unsupported(f"shapes {list(value.dims)} and {list(call.dims)} do not fit")
    if call.dims != value.dims:
        value = value.moved(value.indices().expand(call.dims))
    found = call.draft.materialized(value)
    source = value if found is None else found
    index = source.indices().reshape(value.dims) if found is not None else value.indices()
    scale, offset = (_by_channel(call, constant, source, index) for constant in (factor, added))
    if scale is None or offset is None:
        raise call.unsupported("constants must be the same for all pixels of a channel and for all images")
    operation = ChannelAffine(scale, sign * offset)
    result = call.draft.add(operation, [source.node], source.shape, operation_name(call))
    return result.moved(index)


def _by_channel(call: Call, constant: object, value: Value, index: Tensor) -> Tensor | None:
    """[C] a constant in the value's own order; None where pixels of a channel differ."""
    channels = value.shape[0]
    if not isinstance(constant, Tensor) or constant.numel() == 1:
        return torch.full((channels,), float(constant))  # type: ignore[arg-type]
    given = one_image(constant.detach().to(torch.float32), index.dim())
    if given is None:
        return None
    ordered = torch.full((value.elements,), torch.nan)
    mine = (index[0] >= 0) & (index[0] < value.elements)
    ordered[index[0][mine]] = given.expand(index.shape[1:])[mine]
    table = ordered.reshape(channels, -1)
    return table[:, 0].clone() if bool((table == table[:, :1]).all()) else None


HANDLERS: dict[str, Handler] = {
    "add": add,
    "sub": subtract,
    "rsub": reversed_subtract,
    "mul": multiply,
    "div": divide,
    "neg": negate,
    "maximum": maximum,
}
