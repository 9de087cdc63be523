"""From an nn.Module to a `frontend.importing.graph.Graph`.

torch.fx and not torch.export, because everything after this works on *modules*: weights are quantized and
fine-tuned in place, errors and reports name module paths, and batch norm must be found as a module so that
it is folded into the requantizer and not into the weights. fx keeps ``Conv2d`` and ``BatchNorm2d`` as calls
of named modules. torch.export gives ATen calls on lifted parameters, with the module path as metadata; it
decomposes what we want to recognise (``Linear``, option A shortcuts), is tied to one batch size unless told
otherwise, and takes seconds where fx takes milliseconds. What export can do and fx cannot is control flow
that depends on values, and hardware cannot do that either.

A trace is checked: the fused graph must compute what the module computes on a random image.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, fx, nn

from shiftbook.frontend.importing.foreign import reason, told
from shiftbook.frontend.importing.fusion import BATCH, GraphBuilder, Shape, described, place
from shiftbook.frontend.importing.graph import Graph
from shiftbook.frontend.importing.module_names import check_names
from shiftbook.frontend.importing.operators import HANDLERS, SUPPORTED
from shiftbook.frontend.layers.shared_conv import SharedConv2d
from shiftbook.frontend.layers.subsample import Subsample
from shiftbook.golden.errors import ShiftbookError


def trace(model: nn.Module, input_shape: tuple[int, int, int]) -> Graph:
    """Trace a network and fuse its layers.

    Parameters
    ----------
    model
        Put into eval mode, otherwise unchanged.
    input_shape
        (C, H, W) of the normalized image.

    Raises
    ------
    ShiftbookError
        The model does something that the hardware does not, named together with its module path; or its
        code fails.
    """
    tracer = _Tracer()
    with told(
        lambda error: (
            f"the model cannot be traced at {place(tracer.failed)}: {reason(error)}; "
            "its forward must not depend on values of tensors"
        )
    ):
        model.eval()
        fx_graph = tracer.trace(model)
        check_names(fx_graph)
        module = fx.GraphModule(model, fx_graph)
        module.graph.eliminate_dead_code()
    example = torch.randn(BATCH, *input_shape, generator=torch.Generator().manual_seed(0))
    recorder = _Recorder(module)
    channels, height, width = input_shape

    def does_not_run(error: BaseException) -> str:
        where = "" if recorder.failed is None else f" {described(model, recorder.failed)}:"
        return (
            f"the model does not run on {height}x{width} images of {channels} channels:{where} "
            f"{reason(error)}"
        )

    with told(does_not_run), torch.no_grad():
        recorder.run(example.clone())
        expected = model(example.clone())
    graph = GraphBuilder(model, module.graph, recorder.found, input_shape, HANDLERS, SUPPORTED).build()
    _check(graph.run(example), expected)
    return graph


def any_layout(model: nn.Module, input_shape: tuple[int, int, int]) -> nn.Module:
    """A model that also runs on channels-last tensors: this one, or the same modules with ``reshape``.

    ``view`` insists on one memory layout, and code that runs on many images wants the faster other one.

    Parameters
    ----------
    model
        One that :func:`trace` accepts.
    input_shape
        (C, H, W).
    """
    example = torch.zeros(BATCH, *input_shape).contiguous(memory_format=torch.channels_last)
    with told(lambda error: f"the model does not run on images in another memory layout: {reason(error)}"):
        try:
            with torch.no_grad():
                model(example)
        except RuntimeError:
            graph = _Tracer().trace(model)
            for node in graph.nodes:
                if node.op == "call_method" and node.target == "view":
                    node.target = "reshape"
            return fx.GraphModule(model, graph)
    return model


def _check(got: Tensor, expected: Tensor) -> None:
    """The fused graph against the module itself; float rounding is all that may differ."""
    got, expected = got.flatten(), expected.flatten()
    scale = expected.abs().max().clamp(min=1e-6)
    if got.shape != expected.shape or not bool((got - expected).abs().max() <= 1e-3 * scale):
        raise ShiftbookError(
            "the traced graph does not compute what the model computes; does its forward change tensors in "
            "place, draw random numbers or give NaN? It should be a pure function of the image"
        )


class _Tracer(fx.Tracer):
    """The default tracer, which also stops at our own modules and remembers where it failed."""

    failed: str | None = None

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, (Subsample, SharedConv2d)) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        try:
            return super().call_module(m, forward, args, kwargs)
        except BaseException:
            self.failed = self.failed or self.path_of_module(m)
            raise


class _Recorder(fx.Interpreter):
    """Runs the example and keeps what every node gave: shapes of tensors, and other values as they are.

    It also remembers where it failed.
    """

    failed: fx.Node | None = None

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.found: dict[fx.Node, Any] = {}

    def run_node(self, n: fx.Node) -> Any:
        try:
            result = super().run_node(n)
        except BaseException:
            self.failed = n
            raise
        self.found[n] = Shape(tuple(result.shape)) if isinstance(result, Tensor) else result
        return result
