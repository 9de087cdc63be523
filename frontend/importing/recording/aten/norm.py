"""Batch norm, wherever it stands."""

from __future__ import annotations

import torch
from torch import nn

from shiftbook.frontend.importing.recording.draft import seen_as
from shiftbook.frontend.importing.recording.recorder import Call, Handler
from shiftbook.frontend.importing.recording.values import Value

MOMENTUM = 0.1
"""Of a norm whose average is plain, which says 0."""


def batch_norm(call: Call) -> Value:
    """With the statistics of training."""
    mean, variance = call["running_mean"], call["running_var"]
    trained = call["training"] if "training" in call.given else False
    if mean is None or variance is None:
        raise call.unsupported("batch norm must track running statistics, and no other norm runs")
    if trained:
        raise call.unsupported("it must be in evaluation mode: call the model's eval() before it is exported")
    source = call.materialized("input")
    owner = call.recorder.owner(mean)
    path = call.draft.place if owner is None else owner.rpartition(".")[0]
    module: nn.BatchNorm1d | nn.BatchNorm2d
    kind = nn.BatchNorm2d if len(source.shape) == 3 else nn.BatchNorm1d
    module = kind(len(mean), call["eps"], (call["momentum"] if "momentum" in call.given else 0) or MOMENTUM)
    assert module.running_mean is not None
    assert module.running_var is not None
    with torch.no_grad():
        module.running_mean.copy_(mean)
        module.running_var.copy_(variance)
        if call["weight"] is not None:
            module.weight.copy_(call["weight"])
        if call["bias"] is not None:
            module.bias.copy_(call["bias"])
    name = path or call.draft.named("batch_norm")
    key = ("norm", id(mean), id(variance), id(call["weight"]), id(call["bias"]))
    known = call.draft.shared.get(key, "") if owner is not None else ""
    result = call.draft.add(module, [source.node], source.shape, name, known)
    if owner is not None and not known:
        call.draft.shared[key] = call.draft.graph.nodes[-1].module
    return seen_as(result, call.dims)


HANDLERS: dict[str, Handler] = dict.fromkeys(
    (
        "native_batch_norm",
        "cudnn_batch_norm",
        "_native_batch_norm_legit",
        "_native_batch_norm_legit_no_training",
        "_batch_norm_no_update",
        "batch_norm",
    ),
    batch_norm,
)
