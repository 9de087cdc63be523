"""From the user's model to a graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from shiftbook.frontend.graph.model import GraphModel
from shiftbook.frontend.importing.foreign import reason, told
from shiftbook.frontend.importing.module_names import check_names
from shiftbook.frontend.importing.recording.aten import HANDLERS
from shiftbook.frontend.importing.recording.recorder import Recorder
from shiftbook.frontend.importing.recording.values import BATCH
from shiftbook.frontend.weights.assigning import check_finite
from shiftbook.golden.errors import ShiftbookError

TOLERANCE = 1e-4
"""Largest difference to the model's own scores, of the largest of them."""


def read_model(model: nn.Module, input_shape: tuple[int, int, int]) -> GraphModel:
    """The graph of a model, in evaluation mode.

    Parameters
    ----------
    model
        Put into evaluation mode, otherwise unchanged.
    input_shape
        (C, H, W) of the normalized image.

    Raises
    ------
    ShiftbookError
        The model does something that the graph has no operation for, named together with the module that
        does it; or its code fails.
    """
    model = unwrapped(model)
    graph = GraphModel(input_shape)
    channels, height, width = input_shape
    example = torch.randn(BATCH, *input_shape, generator=torch.Generator().manual_seed(0))
    fails = f"the model does not run on {height}x{width} images of {channels} channels"
    with told(lambda error: f"{fails}: {reason(error)}"):
        model.eval()
        _fill_lazy(model, example)
        recorder = Recorder(model, graph, HANDLERS)
    with told(lambda error: f"{fails}: at {recorder.here()}: {reason(error)}"), recorder.watching():
        recorder.start(example)
        outputs = list(_tensors(model(_as_taken(model, example))))
    graph.outputs = tuple(_outputs(recorder, outputs))
    graph.drop_unused()
    check_names(graph)
    check_finite(graph)
    graph.eval()
    _check(graph, model, input_shape)
    return graph


def unwrapped(model: nn.Module) -> nn.Module:
    """The model within what runs it on several devices or compiles it."""
    while True:
        if isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            model = model.module
        elif isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):
            model = inner
        else:
            return model


@torch.no_grad()
def _fill_lazy(model: nn.Module, example: Tensor) -> None:
    """Let lazy modules take their shapes."""
    if any(is_lazy(parameter) for parameter in model.parameters()):
        model(_as_taken(model, example.clone()))


def _as_taken(model: nn.Module, images: Tensor) -> Tensor:
    """Maps of height 1 as the signals [N, C, L], or features [N, F], that a model begins with."""
    if images.shape[2] != 1:
        return images
    weighted = (m for m in model.modules() if isinstance(m, nn.Conv1d | nn.Conv2d | nn.Linear))
    first = next(weighted, None)
    if isinstance(first, nn.Conv1d):
        return images.squeeze(2)
    features = images.shape[1] * images.shape[3]
    return images.flatten(1) if isinstance(first, nn.Linear) and first.in_features == features else images


def _tensors(result: Any) -> Iterator[Tensor]:
    """The tensors in what a model returns."""
    if isinstance(result, Tensor):
        yield result
    elif isinstance(result, Mapping):
        for part in result.values():
            yield from _tensors(part)
    elif isinstance(result, (list, tuple)):
        for part in result:
            yield from _tensors(part)
    elif is_dataclass(result):
        for field in fields(result):
            yield from _tensors(getattr(result, field.name))


def _outputs(recorder: Recorder, outputs: list[Tensor]) -> Iterator[str]:
    """Names of the values that the model returns."""
    if not outputs:
        raise ShiftbookError("the model must return a tensor of class scores")
    for tensor in outputs:
        value = recorder.value(tensor)
        if value is None:
            raise ShiftbookError(
                "the model must compute what it returns from its image, with torch alone, without NumPy"
            )
        found = recorder.draft.materialized(value)
        if found is None:
            raise ShiftbookError(
                f"the model must return scores or maps, not a tensor of shape {list(tensor.shape)}"
            )
        yield found.node


@torch.no_grad()
def _check(graph: GraphModel, model: nn.Module, input_shape: tuple[int, int, int]) -> None:
    """The graph against the model on other images; float rounding is all that may differ."""
    images = torch.randn(BATCH, *input_shape, generator=torch.Generator().manual_seed(1))
    with told(lambda error: f"the model does not run on other images: {reason(error)}"):
        wanted = list(_tensors(model(_as_taken(model, images.clone()))))
    got = graph(images)
    for mine, theirs in zip(got if isinstance(got, tuple) else (got,), wanted, strict=True):
        scale = theirs.abs().max().clamp(min=1e-6)
        close = mine.numel() == theirs.numel() and bool(
            (mine.flatten() - theirs.flatten()).abs().max() <= TOLERANCE * scale
        )
        if not close:
            raise ShiftbookError(
                "the graph does not compute what the model computes; does its forward draw random numbers, "
                "leave torch or give NaN? It should be a pure function of the image"
            )
