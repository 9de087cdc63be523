"""shiftbook: measure what compressing a CNN buys in hardware.

The same things that the command line does, as functions; docs/python.md has examples. Each is imported when
it is first used, since PyTorch and the HDL tools are slow to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shiftbook.golden.errors import ShiftbookError

if TYPE_CHECKING:
    from shiftbook.api.answers import Answers
    from shiftbook.api.checkpoint import Checkpoint, load
    from shiftbook.api.compare import Compared, Comparison, compare
    from shiftbook.api.compress import compress
    from shiftbook.api.cycles import Cycles, LayerCycles
    from shiftbook.api.energy import Energy, LayerEnergy, MemoryEnergy
    from shiftbook.api.explain import Explanation, LayerSpent
    from shiftbook.api.gates import Gates, ModuleGates, gates
    from shiftbook.api.images import images
    from shiftbook.api.logic_energy import LogicEnergy, ModuleLogic, Sampling
    from shiftbook.api.silicon import OnSilicon, Silicon, silicon
    from shiftbook.api.silicon_rows import Area
    from shiftbook.api.simulation import LayerSimulation, Simulation
    from shiftbook.api.sweep import Sweep, sweep
    from shiftbook.api.tensor_train import TensorTrain
    from shiftbook.frontend.data.dataset import Dataset
    from shiftbook.golden.mapping.spent import Spent
    from shiftbook.golden.spec import PRESETS, Spec
    from shiftbook.golden.statistics.sizes import LayerSize
    from shiftbook.sim.driver import Mismatch
    from shiftbook.sim.simulator import SimulationError
    from shiftbook.synth.power.replay import Difference

__version__ = "0.1.0"

__all__ = [
    "PRESETS",
    "Answers",
    "Area",
    "Checkpoint",
    "Compared",
    "Comparison",
    "Cycles",
    "Dataset",
    "Difference",
    "Energy",
    "Explanation",
    "Gates",
    "LayerCycles",
    "LayerEnergy",
    "LayerSimulation",
    "LayerSize",
    "LayerSpent",
    "LogicEnergy",
    "MemoryEnergy",
    "Mismatch",
    "ModuleGates",
    "ModuleLogic",
    "OnSilicon",
    "Sampling",
    "ShiftbookError",
    "Silicon",
    "Simulation",
    "SimulationError",
    "Spec",
    "Spent",
    "Sweep",
    "TensorTrain",
    "__version__",
    "compare",
    "compress",
    "gates",
    "images",
    "load",
    "silicon",
    "sweep",
]

_HOMES = {
    "shiftbook.api.answers": ("Answers",),
    "shiftbook.api.checkpoint": ("Checkpoint", "load"),
    "shiftbook.api.compare": ("Compared", "Comparison", "compare"),
    "shiftbook.api.compress": ("compress",),
    "shiftbook.api.cycles": ("Cycles", "LayerCycles"),
    "shiftbook.api.energy": ("Energy", "LayerEnergy", "MemoryEnergy"),
    "shiftbook.api.explain": ("Explanation", "LayerSpent"),
    "shiftbook.api.gates": ("Gates", "ModuleGates", "gates"),
    "shiftbook.api.images": ("images",),
    "shiftbook.api.logic_energy": ("LogicEnergy", "ModuleLogic", "Sampling"),
    "shiftbook.api.silicon": ("OnSilicon", "Silicon", "silicon"),
    "shiftbook.api.silicon_rows": ("Area",),
    "shiftbook.api.simulation": ("LayerSimulation", "Simulation"),
    "shiftbook.api.sweep": ("Sweep", "sweep"),
    "shiftbook.api.tensor_train": ("TensorTrain",),
    "shiftbook.frontend.data.dataset": ("Dataset",),
    "shiftbook.golden.mapping.spent": ("Spent",),
    "shiftbook.golden.spec": ("PRESETS", "Spec"),
    "shiftbook.golden.statistics.sizes": ("LayerSize",),
    "shiftbook.sim.driver": ("Mismatch",),
    "shiftbook.sim.simulator": ("SimulationError",),
    "shiftbook.synth.power.replay": ("Difference",),
}
"""By module the names that are taken from it, as type checkers see them above."""

if not TYPE_CHECKING:  # a type checker would take any name for one of the package's

    def __getattr__(name):
        """Import what is used for the first time."""
        from importlib import import_module

        home = next((module for module, names in _HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
