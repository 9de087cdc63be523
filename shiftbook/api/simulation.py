"""A network on the simulated RTL, every integer compared with the golden model."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shiftbook.api.answers import Answers, answers
from shiftbook.api.arguments import whole
from shiftbook.api.cycles import LayerCycles, lanes_of, mean_utilization, of_what
from shiftbook.api.images import labels_of
from shiftbook.api.table import Row, Table
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.progress import Progress, quiet
from shiftbook.golden.spec import Spec

if TYPE_CHECKING:
    from shiftbook.frontend.data.dataset import Dataset
    from shiftbook.sim.driver import LayerRun, RtlResult

BUILDING = "building the simulator (once for a spec)"


@dataclass(frozen=True)
class LayerSimulation(LayerCycles):
    """One layer, for one image or for one batch; counts are the accelerator's own.

    Attributes
    ----------
    modelled_cycles
        What the cycle model says.
    compared
        Outputs compared with the golden model, of all images.
    busy, issue, stream_wait, output_wait, load_wait, read_beats, write_beats
        Where the cycles went: see docs/accelerator.md.
    """

    modelled_cycles: int
    compared: int
    busy: int
    issue: int
    stream_wait: int
    output_wait: int
    load_wait: int
    read_beats: int
    write_beats: int


@dataclass(frozen=True, eq=False)
class Simulation(Table):
    """A run in which RTL and golden model agreed in every integer.

    Attributes
    ----------
    answers
        Class scores of the images.
    lanes
        The grid, such as 8x8.
    layers
        In the order in which they run.
    simulated_cycles
        Clock cycles of the simulator, of all images and with the host.
    simulation_seconds, build_seconds
        How long running and building the simulator took; building takes 0 where it was built before.
    batch
        Images that the accelerator took at once.
    """

    answers: Answers
    lanes: str
    layers: tuple[LayerSimulation, ...]
    simulated_cycles: int
    simulation_seconds: float
    build_seconds: float
    batch: int = 1

    @property
    def mismatches(self) -> int:
        """Always 0: the first difference ends a simulation with a `Mismatch`."""
        return 0

    @property
    def compared(self) -> int:
        """Integers of all layers and images that were compared."""
        return sum(layer.compared for layer in self.layers)

    @property
    def cycles(self) -> int:
        """Of one image, or of one batch: the time until its images are done."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def utilization(self) -> float:
        """Over all layers, each as long as it runs."""
        return mean_utilization(self.layers)

    def facts(self) -> Row:
        """The figures of the whole run."""
        return {
            "mismatches": self.mismatches,
            "compared": self.compared,
            "simulated_cycles": self.simulated_cycles,
            "simulation_seconds": round(self.simulation_seconds, 3),
            "build_seconds": round(self.build_seconds, 3),
        }

    def to_dict(self) -> Row:
        return {
            "lanes": self.lanes,
            "images": len(self.answers),
            "accuracy": self.answers.accuracy,
            **self.facts(),
            "batch": self.batch,
            "cycles": self.cycles,
            "utilization": self.utilization,
            "layers": self.rows(),
            "predictions": self.answers.predictions.tolist(),
        }

    def rows(self) -> list[Row]:
        """One for each layer."""
        return [asdict(layer) for layer in self.layers]

    def __repr__(self) -> str:
        return (
            f"Simulation({len(self.answers):,} images, {self.mismatches} mismatches in {self.compared:,} "
            f"integers, {self.cycles:,} cycles per {of_what(self.batch)})"
        )


def simulate(
    network: Network,
    dataset: Dataset,
    spec: Spec,
    *,
    batch: int = 1,
    wave: Path | None = None,
    progress: Progress = quiet,
) -> Simulation:
    """Run images on the simulated accelerator.

    Parameters
    ----------
    batch
        Images that the accelerator takes at once.
    wave
        Where to record the signals (FST).

    Raises
    ------
    ShiftbookError
        The engine cannot run the network, or images or labels do not fit it, or there are no batches of
        ``batch`` images.
    sim.driver.Mismatch
        RTL and golden model differ.
    sim.simulator.SimulationError
        The simulator does not build or start.
    """
    from shiftbook.sim.driver import run_rtl

    check_batches(len(dataset), batch)
    labels, building = labels_of(dataset, network), True

    def show(done: int, total: int, layer: str) -> None:
        nonlocal building
        if building:
            progress(BUILDING, 1, 1)
            building = False
        progress("simulated cycles", done, total)

    progress(BUILDING, 0, 1)
    result = run_rtl(network, dataset.images, spec, batch=batch, wave=wave, progress=show)
    return _simulation(result, answers(network, result, labels), spec, batch)


def check_batches(images: int, batch: int) -> None:
    """Refuse a batch that is none, or images that do not fill their batches.

    Raises
    ------
    ShiftbookError
        Says how many images there are, and how many there could be.
    """
    whole("batch", batch, 1)
    if images < batch:
        raise ShiftbookError(f"a batch takes {batch} images and the data has {images}")
    if images % batch:
        raise ShiftbookError(
            f"a batch takes {batch} images and {images} do not fill batches: set the limit to "
            f"{images - images % batch}"
        )


def _simulation(result: RtlResult, answers: Answers, spec: Spec, batch: int) -> Simulation:
    return Simulation(
        answers=answers,
        lanes=lanes_of(spec),
        layers=tuple(map(_layer, result.layers)),
        simulated_cycles=result.simulated_cycles,
        simulation_seconds=result.seconds,
        build_seconds=result.build_seconds,
        batch=batch,
    )


def _layer(run: LayerRun) -> LayerSimulation:
    counters = run.counters
    return LayerSimulation(
        name=run.name,
        cycles=counters.cycles,
        micro_ops=counters.rows,
        utilization=run.utilization,
        modelled_cycles=run.model,
        compared=run.integers,
        busy=counters.busy,
        issue=counters.issue,
        stream_wait=counters.stream_wait,
        output_wait=counters.output_wait,
        load_wait=counters.load_wait,
        read_beats=counters.read_beats,
        write_beats=counters.write_beats,
    )
