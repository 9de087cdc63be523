"""Convolutions and matrix products with constant weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shiftbook.frontend.importing.recording.draft import seen_as
from shiftbook.frontend.importing.recording.recorder import Call, Handler
from shiftbook.frontend.importing.recording.values import BATCH, Value


def convolution(call: Call) -> Value:
    """Of one or two dimensions, transposed or not."""
    weight, bias = _constant(call, "weight"), call["bias"]
    if bias is not None:
        bias = _constant(call, "bias")
    source = call.value("input")
    stride, padding, dilation, extra = (
        list(call[name]) for name in ("stride", "padding", "dilation", "output_padding")
    )
    signal = weight.dim() == 3
    if signal:  # maps of height 1
        weight = weight[:, :, None]
        stride, padding, dilation, extra = (
            [fill, *given]
            for fill, given in zip((1, 0, 1, 0), (stride, padding, dilation, extra), strict=True)
        )
    if weight.dim() != 4:
        raise call.unsupported("convolutions must have one or two dimensions")
    source = call.as_value(source, 4)
    shape = (call.dims[1], 1, call.dims[2]) if signal else call.dims[1:]
    transposed, groups = bool(call["transposed"]), int(call["groups"])
    options = (groups, bias is not None, dilation)
    kernel = (weight.shape[2], weight.shape[3])
    module: nn.Module
    if transposed:
        inputs, outputs = weight.shape[0], weight.shape[1] * groups
        module = nn.ConvTranspose2d(inputs, outputs, kernel, stride, padding, extra, *options)  # type: ignore[arg-type]
    else:
        inputs, outputs = weight.shape[1] * groups, weight.shape[0]
        module = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, groups, bias is not None)  # type: ignore[arg-type]
    result = _weighted(call, module, weight, bias, call["weight"], source, shape)
    return seen_as(result, call.dims) if signal else result


def addmm(call: Call) -> Value:
    """``bias + x @ weight``, a fully connected layer, or a 1 x 1 convolution of pixels put in rows."""
    if call["beta"] != 1 or call["alpha"] != 1:
        raise call.unsupported(f"alpha and beta must be 1, not {call['alpha']} and {call['beta']}")
    return _product(call, "mat1", "mat2", _constant(call, "self"))


def mm(call: Call) -> Value:
    """``x @ weight``."""
    return _product(call, "self", "mat2", None)


def bmm(call: Call) -> Value:
    """A batch of products, where the batch is of images and the weights are the same for all."""
    weight = _constant(call, "mat2")
    if not bool((weight == weight[:1]).all()):
        raise call.unsupported("products of tensors that depend on the image, as attention takes, do not run")
    value = call.value("self")
    rows = value.moved(value.indices().flatten(0, 1))
    result = _linear(call, rows, weight[0], None, call["mat2"])
    return result.moved(result.indices().reshape(call.dims))


def _product(call: Call, left: str, right: str, bias: Tensor | None) -> Value:
    if call.recorder.value(call[left]) is None:
        raise call.unsupported("products of a constant and a tensor that depends on the image do not run")
    return _linear(call, call.value(left), _constant(call, right), bias, _parameter(call[right]))


def _linear(call: Call, rows: Value, weight: Tensor, bias: Tensor | None, given: Tensor) -> Value:
    """``rows @ weight`` of [rows, features] and [features, outputs]."""
    outputs = weight.shape[1]
    if bias is not None:
        bias = bias.expand(outputs)
    if rows.dims[0] == BATCH:
        source = call.as_value(rows, 2)
        layer = nn.Linear(weight.shape[0], outputs, bias is not None)
        return _weighted(call, layer, weight.t(), bias, given, source, (outputs,))
    maps = _pixels(rows)
    if maps is None:
        raise call.no_maps(rows)
    channels, height, width = maps.shape
    module = nn.Conv2d(channels, outputs, 1, bias=bias is not None)
    kernel = weight.t()[:, :, None, None]
    result = _weighted(call, module, kernel, bias, given, maps, (outputs, height, width))
    index = result.indices().permute(0, 2, 3, 1).reshape(-1, outputs)
    return result.moved(index)


def _pixels(rows: Value) -> Value | None:
    """The maps whose pixels, one after another, are the rows, each with its channels."""
    if len(rows.shape) != 3:
        return None
    maps = Value(rows.node, rows.shape)
    wanted = maps.indices().permute(0, 2, 3, 1).reshape(-1, rows.shape[0])
    return maps if torch.equal(rows.indices(), wanted) else None


def _parameter(weight: Tensor) -> Tensor:
    """The parameter that a transposed weight is a view of."""
    base = weight._base
    return weight if base is None else base


def _constant(call: Call, argument: str) -> Tensor:
    tensor = call[argument]
    if call.recorder.value(tensor) is not None:
        raise call.unsupported(f"its {argument} must not depend on the image")
    return tensor.detach().to(torch.float32)


def _weighted(
    call: Call,
    module: nn.Module,
    weight: Tensor,
    bias: Tensor | None,
    given: Tensor,
    source: Value,
    shape: tuple[int, ...],
) -> Value:
    """Add a layer with weights, or use the one again that has them."""
    assert isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear))
    grid = getattr(given, "grid", None)
    if grid is not None:
        module.grid = grid
    owner = call.recorder.owner(given)
    path = call.draft.place if owner is None else owner.removesuffix(".weight").removesuffix("weight")
    name = path or call.draft.named(call.name)
    key = (id(given), module.extra_repr(), None if bias is None else id(call.given.get("bias")))
    known = call.draft.shared.get(key, "") if owner is not None else ""
    if not known:
        with torch.no_grad():
            module.weight.copy_(weight)
            if bias is not None and module.bias is not None:
                module.bias.copy_(bias)
    result = call.draft.add(module, [source.node], shape, name, known)
    if owner is not None and not known:
        call.draft.shared[key] = call.draft.graph.nodes[-1].module
    return result


HANDLERS: dict[str, Handler] = {"convolution": convolution, "addmm": addmm, "mm": mm, "bmm": bmm}
