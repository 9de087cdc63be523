"""Gates of one engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from shiftbook.api.arguments import path_of
from shiftbook.api.cycles import lanes_of
from shiftbook.api.engines import Engine, name_of, spec_of
from shiftbook.api.table import Row, Table
from shiftbook.golden.progress import Progress, quiet
from shiftbook.golden.spec import DEFAULT, Spec

if TYPE_CHECKING:
    import os


@dataclass(frozen=True)
class ModuleGates:
    """One module of an engine; all modules add up to the engine.

    Attributes
    ----------
    instances
        How often it occurs.
    ge
        NAND2 equivalents of one, without its submodules.
    total_ge, memory_bits, memory_ge
        Of all instances; the last is the area of the memories in GE.
    """

    name: str
    instances: int
    ge: float
    total_ge: float
    memory_bits: int
    memory_ge: float


@dataclass(frozen=True)
class Gates(Table):
    """An engine in NAND2 equivalents (GE).

    Attributes
    ----------
    engine
        Its name.
    spec
        What was synthesized.
    lane_ge
        One lane with all that is in it.
    total_ge, memory_ge, whole_ge
        The engine's logic, its memories, and both.
    ge_per_lane, ge_per_term
        The engine over its lanes, and over the terms that it can add in a cycle.
    decoder_ge
        All between the weight streams and the lanes.
    memory_bits
        Of the engine's memories.
    accelerator_ge, accelerator_whole_ge
        The engine with buses, loader, store and sequencer, where they were counted: logic, and with memories.
    modules
        Of the engine, most expensive first.
    versions
        Of the tools that counted.
    """

    engine: str
    spec: Spec
    lane_ge: float
    total_ge: float
    memory_ge: float
    whole_ge: float
    ge_per_lane: float
    ge_per_term: float
    decoder_ge: float
    memory_bits: int
    accelerator_ge: float | None
    accelerator_whole_ge: float | None
    modules: tuple[ModuleGates, ...]
    versions: Mapping[str, str] = field(compare=False)

    @property
    def lanes(self) -> str:
        """The grid, such as 8x8."""
        return lanes_of(self.spec)

    def to_dict(self) -> Row:
        return {
            "engine": self.engine,
            "lane_ge": self.lane_ge,
            "total_ge": self.total_ge,
            "memory_ge": self.memory_ge,
            "whole_ge": self.whole_ge,
            "ge_per_lane": self.ge_per_lane,
            "ge_per_term": self.ge_per_term,
            "decoder_ge": self.decoder_ge,
            "memory_bits": self.memory_bits,
            "accelerator_ge": self.accelerator_ge,
            "accelerator_whole_ge": self.accelerator_whole_ge,
            "modules": self.rows(),
            "spec": self.spec.as_json(),
            "versions": dict(self.versions),
        }

    def rows(self) -> list[Row]:
        """One for each module."""
        return [asdict(module) for module in self.modules]

    def __repr__(self) -> str:
        return (
            f"Gates({self.engine}, {self.lanes} lanes: {self.whole_ge:,.0f} GE, "
            f"{self.total_ge:,.0f} of them logic; {self.memory_bits:,} memory bits)"
        )


def gates(
    engine: Engine = DEFAULT,
    *,
    system: bool = False,
    weights: str | os.PathLike[str] | None = None,
    progress: Progress = quiet,
) -> Gates:
    """Count the gates of an engine: synthesized by Yosys from the Verilog that is simulated.

    Parameters
    ----------
    engine
        Name of a preset, or a spec.
    system
        Whether to count what surrounds the engine too.
    weights
        Another table of NAND2 equivalents; see docs/gates.md.
    progress
        Called as ``progress(what, done, total)``.

    Raises
    ------
    ShiftbookError
        There is no such engine, the table does not do, or there is no Yosys.
    """
    spec = spec_of(engine)
    (found,) = gates_of({name_of(engine): spec}, system=system, weights=weights, progress=progress)
    return found


def gates_of(
    specs: Mapping[str, Spec],
    *,
    system: bool = False,
    weights: str | os.PathLike[str] | None = None,
    progress: Progress = quiet,
) -> list[Gates]:
    """Count the gates of engines, given by their names; modules that they share are synthesized once."""
    from shiftbook.synth.flow.gates import report_on

    report = report_on(
        specs,
        weights=None if weights is None else path_of("weights", weights),
        system=bool(system),
        progress=lambda done, total, what: progress("synthesis", done, total),
    )
    versions: dict[str, str] = report["versions"]
    return [_gates(name, specs[name], found, versions) for name, found in report["engines"].items()]


def _gates(name: str, spec: Spec, found: Mapping[str, Any], versions: Mapping[str, str]) -> Gates:
    """One engine of a report of `synth.flow.gates`."""
    return Gates(
        engine=name,
        spec=spec,
        lane_ge=found["lane_ge"],
        total_ge=found["total_ge"],
        memory_ge=found["memory_ge"],
        whole_ge=found["whole_ge"],
        ge_per_lane=found["ge_per_lane"],
        ge_per_term=found["ge_per_term"],
        decoder_ge=found["decoder_ge"],
        memory_bits=found["memory_bits"],
        accelerator_ge=found.get("accelerator_ge"),
        accelerator_whole_ge=found.get("accelerator_whole_ge"),
        modules=_modules(found["modules"]),
        versions=versions,
    )


def _modules(found: Mapping[str, Any]) -> tuple[ModuleGates, ...]:
    names: Sequence[str] = ("instances", "ge", "total_ge", "memory_bits", "memory_ge")
    return tuple(ModuleGates(name, **{key: module[key] for key in names}) for name, module in found.items())
