"""What becomes of each operation of a graph, a file for each kind.

A handler makes a layer of an operation, or lets a layer that is there take it up. Adding an operation is
adding a file here with its ``HANDLERS`` (by the operation's type; subclasses go by their nearest ancestor
that has one) and its ``SUPPORTED`` (what people call it), and with the layer, if it needs one of its own.
"""

from __future__ import annotations

from torch import nn

from shiftbook.frontend.fusing.builder import Handler
from shiftbook.golden.registry import modules_in

_MODULES = modules_in(__name__, __path__)

HANDLERS: dict[type[nn.Module], Handler] = {
    key: handler for module in _MODULES for key, handler in module.HANDLERS.items()
}
"""By type of operation."""

SUPPORTED: tuple[str, ...] = tuple(sorted({name for module in _MODULES for name in module.SUPPORTED}))
"""What has a handler, for people."""
