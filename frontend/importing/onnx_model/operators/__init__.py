"""What each ONNX operator computes, in torch, a file for each kind.

A function takes the node and its inputs as tensors, None where one is left out. Adding an operator is adding
its function to a file's ``OPERATORS``.
"""

from __future__ import annotations

from shiftbook.frontend.importing.onnx_model.values import Function
from shiftbook.golden.registry import modules_in

OPERATORS: dict[str, Function] = {
    name: function for module in modules_in(__name__, __path__) for name, function in module.OPERATORS.items()
}
"""By operator."""
