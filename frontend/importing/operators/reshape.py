"""Operations that compute nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional

from shiftbook.frontend.importing.fusion import BATCH, GraphBuilder, Handler, Value


def reshape(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    """Flattening, and what undoes it."""
    builder.no_padding(node, value)
    shape = builder.shapes[value.layer]
    after = builder.dims(node)
    if after == (BATCH, shape[0] * shape[1] * shape[2]):
        return replace(value, flat=True)
    if after == (BATCH, *shape):
        return replace(value, flat=False)
    raise builder.unsupported(node, f"it must keep the batch and flatten the rest, not give {list(after)}")


def identity(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    """Nothing at all."""
    return value


def dropout(builder: GraphBuilder, node: fx.Node, value: Value, module: Any) -> Value:
    """The function; the module is switched off by eval mode."""
    if builder.argument(node, 2, "training", True):
        raise builder.unsupported(node, "it stays on in eval mode; pass training=self.training")
    return value


HANDLERS: dict[Any, Handler] = {
    nn.Flatten: reshape,
    nn.Dropout: identity,
    nn.Dropout2d: identity,
    nn.Identity: identity,
    torch.flatten: reshape,
    torch.reshape: reshape,
    torch.squeeze: reshape,
    functional.dropout: dropout,
    "flatten": reshape,
    "reshape": reshape,
    "view": reshape,
    "squeeze": reshape,
    "contiguous": identity,
}

SUPPORTED = ("Flatten", "Dropout", "Identity")
