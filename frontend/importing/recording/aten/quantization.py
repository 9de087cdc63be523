"""Tensors that a file has quantized."""

from __future__ import annotations

from shiftbook.frontend.graph.operations import FakeQuantize
from shiftbook.frontend.importing.recording.aten.pointwise import applied
from shiftbook.frontend.importing.recording.recorder import Call, Handler
from shiftbook.frontend.importing.recording.values import Value


def fake_quantize(call: Call) -> Value:
    """Of 8 bits and fewer."""
    module = FakeQuantize(call["scale"], call["zero_point"], call["low"], call["high"])
    return applied(call, call.value("x"), module)


HANDLERS: dict[str, Handler] = {"fake_quantize": fake_quantize}
