"""shiftbook: measure what compressing a CNN buys in hardware.

The same things that the command line does, as functions. Each is imported when it is first used, since
PyTorch and the HDL tools are slow to import.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from shiftbook.golden.errors import ShiftbookError

__version__ = "0.1.0"

_HOMES = {
    "Engine": "shiftbook.hw.engine.engine",
    "Spec": "shiftbook.golden.spec",
    "compress": "shiftbook.frontend.compress",
    "emit": "shiftbook.hw.verilog",
    "gate_report": "shiftbook.synth.flow.gates",
    "load": "shiftbook.golden.storage.checkpoint",
    "run": "shiftbook.golden.model.executor",
    "run_rtl": "shiftbook.sim.driver",
    "save": "shiftbook.golden.storage.checkpoint",
}

__all__ = ["ShiftbookError", "__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
