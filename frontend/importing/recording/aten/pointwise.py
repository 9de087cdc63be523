"""Functions of each element alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import nn

from shiftbook.frontend.graph.operations import Clamp, Erf
from shiftbook.frontend.importing.recording.recorder import Call, Handler, Operation
from shiftbook.frontend.importing.recording.values import Value


def pointwise(make: Callable[[Call], nn.Module], argument: str = "self") -> Handler:
    """The handler of a function; moves of its input can as well come after it."""

    def handle(call: Call) -> Value:
        return applied(call, call.value(argument), make(call))

    return handle


def applied(call: Call, value: Value, module: nn.Module) -> Value:
    """A function of a value, under the value's index where that cannot be made real."""
    found = call.draft.materialized(value) if not reordered(value) else None
    source = value if found is None else found
    if found is None and value.index is not None and bool((value.index < 0).any()):
        raise call.no_maps(value)
    result = call.draft.add(module, [source.node], source.shape, operation_name(call))
    if found is None:
        return result.moved(value.indices())
    return result.moved(result.indices().reshape(value.dims))


def operation_name(call: Call) -> str:
    """The path of the layer that makes the call, or the operator's name below its module's."""
    stack = call.recorder.stack
    path, owner = stack[-1] if stack else ("", None)
    plain = owner is not None and type(owner).__module__.startswith("torch.nn.") and not owner._modules
    layer = plain or isinstance(owner, Operation)
    return path if path and layer else call.draft.named(call.name.strip("_").removesuffix("_with_indices"))


def reordered(value: Value) -> bool:
    """Whether the tensor has all elements of the value, each once, in another shape or order."""
    index = value.index
    if index is None or index.numel() != index.shape[0] * value.elements:
        return False
    return bool((torch.bincount(index.flatten().clamp(min=0), minlength=index.numel()) == 1).all())


def clamp(call: Call) -> Value:
    """``clamp`` and ``hardtanh``: ReLU and ReLU6 where the limits are theirs."""
    given = call.given
    low, high = (
        (given.get("min_val"), given.get("max_val")) if "min_val" in given else (call["min"], call["max"])
    )
    if any(call.recorder.value(limit) is not None for limit in (low, high)):
        raise call.unsupported("its limits must not depend on the image")
    low = -math.inf if low is None else float(low)
    high = math.inf if high is None else float(high)
    return applied(call, call.value("self"), clamp_module(low, high))


def clamp_module(low: float, high: float) -> nn.Module:
    """The operation between two limits."""
    if low == 0 and high in (6, math.inf):
        return nn.ReLU6() if high == 6 else nn.ReLU()
    return Clamp(low, high)


def limit(low: bool) -> Handler:
    """``clamp_min`` or ``clamp_max``."""

    def handle(call: Call) -> Value:
        end = float(call["min" if low else "max"])
        module = clamp_module(end, math.inf) if low else clamp_module(-math.inf, end)
        return applied(call, call.value("self"), module)

    return handle


def prelu(call: Call) -> Value:
    """A slope for all channels, or for each."""
    given = call["weight"]
    source = call.materialized("self")
    slopes = given.detach().flatten()
    module = nn.PReLU(len(slopes))
    with torch.no_grad():
        module.weight.copy_(slopes)
    base = given if given._base is None else given._base
    owner = call.recorder.owner(base)
    name = call.draft.place if owner is None else owner.removesuffix(".weight")
    result = call.draft.add(module, [source.node], source.shape, name or call.draft.named("prelu"))
    return result.moved(result.indices().reshape(call.dims))


def elu(call: Call) -> Value:
    """ELU, and SELU, which is the same with other numbers."""
    plain = call["scale"] == 1 and call["input_scale"] == 1
    return applied(call, call.value("self"), nn.ELU(call["alpha"]) if plain else nn.SELU())


HANDLERS: dict[str, Handler] = {
    "relu": pointwise(lambda call: nn.ReLU()),
    "relu6": pointwise(lambda call: nn.ReLU6()),
    "hardtanh": clamp,
    "clamp": clamp,
    "clamp_min": limit(low=True),
    "clamp_max": limit(low=False),
    "leaky_relu": pointwise(lambda call: nn.LeakyReLU(call["negative_slope"])),
    "_prelu_kernel": prelu,
    "elu": elu,
    "celu": pointwise(lambda call: nn.CELU(call["alpha"])),
    "silu": pointwise(lambda call: nn.SiLU()),
    "mish": pointwise(lambda call: nn.Mish()),
    "gelu": pointwise(lambda call: nn.GELU(call["approximate"])),
    "hardswish": pointwise(lambda call: nn.Hardswish()),
    "hardsigmoid": pointwise(lambda call: nn.Hardsigmoid()),
    "sigmoid": pointwise(lambda call: nn.Sigmoid()),
    "tanh": pointwise(lambda call: nn.Tanh()),
    "erf": pointwise(lambda call: Erf()),
    "softplus": pointwise(lambda call: nn.Softplus(call["beta"], call["threshold"])),
    "log_sigmoid_forward": pointwise(lambda call: nn.LogSigmoid()),
}
