"""What an accelerator's logic takes for one image: its RTL run, sampled, and played again on its cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.progress import Progress
from shiftbook.golden.spec import Spec

if TYPE_CHECKING:
    from shiftbook.sim.samples import Samples, Told, Windows
    from shiftbook.synth.power.logic import MappedLogic, ModuleEnergy

MAPPING = "mapping the logic to cells"
PLAYING = "playing the samples on the cells"

LEAST = 2
"""Windows: one has no spread, of which the error is told."""

FEW = 4
"""Windows of a layer below which it gets no figure of its own."""


@dataclass(frozen=True)
class Sampling:
    """When logic is sampled, and where.

    Attributes
    ----------
    windows
        How many, spread over the run; two at least, because their spread tells the error.
    length
        Cycles of a window; the changes between them count, one less.
    instances
        Of each module, at most.
    seed
        Of where windows lie and which instances are taken.

    Raises
    ------
    ShiftbookError
        There are no instances, fewer than two windows, or no changes in a window.
    """

    windows: int = 100
    length: int = 17
    instances: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("windows", LEAST), ("length", 2), ("instances", 1)):
            if getattr(self, name) < least:
                raise ShiftbookError(f"{name} must be at least {least}, not {getattr(self, name)!r}")


@dataclass(frozen=True)
class ModuleLogic:
    """All instances of a module without the modules in them, for one image.

    Attributes
    ----------
    name
        Without the accelerator's.
    instances, sampled
        How many there are, and how many were sampled.
    cells
        Of one.
    settled_pj
        Picojoules if every net changed once in a cycle or not at all: the lower bound.
    pj
        Picojoules with what glitches add.
    clock_pj
        The part of both that the clock takes.
    """

    name: str
    instances: int
    sampled: int
    cells: int
    settled_pj: float
    pj: float
    clock_pj: float


@dataclass(frozen=True)
class LogicEnergy:
    """Energy of an accelerator's logic for one image.

    Attributes
    ----------
    windows
        That lay within the run.
    length
        Cycles of each.
    compared
        Bits that were equal in the RTL and in the netlist: all that were compared.
    error
        Standard error of ``pj`` by the spread of the windows, relative to it.
    modules
        Those that take most first.
    """

    windows: int
    length: int
    compared: int
    error: float
    modules: tuple[ModuleLogic, ...]

    @property
    def settled_pj(self) -> float:
        """Without glitches."""
        return sum(module.settled_pj for module in self.modules)

    @property
    def pj(self) -> float:
        """With glitches."""
        return sum(module.pj for module in self.modules)

    @property
    def clock_pj(self) -> float:
        """Of the clock."""
        return sum(module.clock_pj for module in self.modules)

    def to_dict(self) -> dict[str, Any]:
        """With the sums of all modules."""
        sums = {"settled_pj": self.settled_pj, "pj": self.pj, "clock_pj": self.clock_pj}
        return {**sums, **asdict(self), "modules": [asdict(module) for module in self.modules]}


def windows_of(network: Network, spec: Spec, sampling: Sampling) -> Windows:
    """When a network's run is sampled.

    Raises
    ------
    ShiftbookError
        The run is too short for the windows; or the engine cannot run the network.
    """
    from shiftbook.golden.mapping.cycles import LATENCY
    from shiftbook.golden.program.image import build
    from shiftbook.sim.samples import spread

    cycles = sum(cost.cycles for cost in build(network, spec).costs(LATENCY))
    return spread(cycles, sampling.windows, sampling.length, sampling.seed)


def map_accelerator(spec: Spec, technology: str, progress: Progress) -> MappedLogic:
    """The accelerator in cells of a technology.

    Raises
    ------
    ShiftbookError
        The technology has no cells here, or they do not do.
    """
    from shiftbook.sim import board
    from shiftbook.sim.samples import ROOT
    from shiftbook.synth.power.logic import map_logic
    from shiftbook.synth.technologies.technology import technology as technology_of

    progress(MAPPING, 0, 1)
    return map_logic(board.verilog(spec), board.ACCELERATOR, technology_of(technology), ROOT)


def plan(mapped: MappedLogic, sampling: Sampling, windows: Windows) -> Samples:
    """What to sample in some windows."""
    from shiftbook.sim.samples import Samples

    return Samples(mapped.watched, mapped.chosen(sampling.instances, sampling.seed), windows)


def logic_energy(
    mapped: MappedLogic, told: Told, cycles: int, passes: Sequence[str], progress: Progress
) -> tuple[LogicEnergy, dict[str, float]]:
    """What the logic takes in so many cycles; and a cycle's picojoules in layers with windows enough.

    Raises
    ------
    ShiftbookError
        Fewer than two windows lay within the run.
    synth.power.replay.Difference
        The mapped netlist does something else than the RTL.
    """
    from shiftbook.sim.board import ACCELERATOR
    from shiftbook.synth.power.logic import module_energy

    if len(told.passes) < LEAST:
        raise ShiftbookError("the run was too short: only one window of samples was in it")
    found = []
    for number, (name, values) in enumerate(told.values.items()):
        progress(PLAYING, number, len(told.values))
        found.append(module_energy(mapped, name, values, told.length))
    total = np.sum([module.timed for module in found], axis=0)
    modules = [_module(each, cycles, ACCELERATOR) for each in found if each.cells]
    logic = LogicEnergy(
        windows=len(total),
        length=told.length,
        compared=sum(module.compared for module in found),
        error=float(total.std(ddof=1) / len(total) ** 0.5 / total.mean()),
        modules=tuple(sorted(modules, key=lambda module: -module.pj)),
    )
    layers = np.array(passes)[np.minimum(told.passes, len(passes) - 1)]
    counts = {layer: int((layers == layer).sum()) for layer in passes}
    means = {layer: float(total[layers == layer].mean()) for layer in passes if counts[layer] >= FEW}
    return logic, means


def _module(found: ModuleEnergy, cycles: int, top: str) -> ModuleLogic:
    return ModuleLogic(
        name=found.name.removeprefix(f"{top}_"),
        instances=found.instances,
        sampled=found.sampled,
        cells=found.cells,
        settled_pj=float(found.settled.mean()) * cycles,
        pj=float(found.timed.mean()) * cycles,
        clock_pj=float(found.clock.mean()) * cycles,
    )
