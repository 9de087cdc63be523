"""What becomes of each ATen operator, a file for each kind.

A handler adds an operation to the graph. Adding an operator is adding a file here with its ``HANDLERS``, by
the operator's name without overload and without the underscore of in-place forms.
"""

from __future__ import annotations

from shiftbook.frontend.importing.recording.recorder import Handler
from shiftbook.golden.registry import modules_in

HANDLERS: dict[str, Handler] = {
    name: handler for module in modules_in(__name__, __path__) for name, handler in module.HANDLERS.items()
}
"""By operator."""
