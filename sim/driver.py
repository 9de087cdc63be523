"""A whole network on the simulated accelerator, every output integer compared with golden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.cycles import LATENCY, PassCycles, utilization
from shiftbook.golden.mapping.job import Pass, View
from shiftbook.golden.model import executor
from shiftbook.golden.model.integer import Activations
from shiftbook.golden.model.network import Network
from shiftbook.golden.program import image
from shiftbook.golden.program.host import AcceleratorError, Counters, HostDriver
from shiftbook.golden.program.image import Image
from shiftbook.golden.spec import Spec
from shiftbook.sim.session import Session

Progress = Callable[[int, int, str], None]
"""Called with the cycles done and those of the whole run, as the model has them, and the running layer."""

WATCHDOG = 100_000
"""Cycles without progress after which a run is given up; a memory that makes everybody wait needs many."""


class Mismatch(RuntimeError):
    """The RTL and golden differ.

    Attributes
    ----------
    layer
        Name of the first layer that differs.
    """

    def __init__(self, layer: str, message: str) -> None:
        super().__init__(f"layer {layer}: {message}")
        self.layer = layer


@dataclass(frozen=True)
class LayerRun:
    """What one layer did; counts are the RTL's own, and those of one image.

    Attributes
    ----------
    name
        The node's; for the normalization of raw pixels the input's.
    counters
        Of the accelerator, while it ran the layer.
    utilization
        Rows that reached a lane with a pixel, of those that all lanes could have taken, bus included.
    model
        Cycles that the model says.
    integers
        Outputs compared with golden, of all images.
    """

    name: str
    counters: Counters
    utilization: float
    model: int
    integers: int


@dataclass(frozen=True)
class RtlResult:
    """A run in which RTL and golden agreed.

    Attributes
    ----------
    outputs, results
        Those of golden, see `golden.model.executor.Result`.
    layers
        In the order of the network.
    simulated_cycles, seconds
        Clock cycles of the simulator, everything included, and the time that they took.
    build_seconds
        Time of building the simulator; 0.0 where the cache had it.
    """

    outputs: Activations
    results: dict[str, Activations]
    layers: tuple[LayerRun, ...]
    simulated_cycles: int
    seconds: float
    build_seconds: float

    @property
    def cycles(self) -> int:
        """Cycles of one image."""
        return sum(layer.counters.cycles for layer in self.layers)

    @property
    def integers(self) -> int:
        """Outputs compared with golden."""
        return sum(layer.integers for layer in self.layers)


def run_rtl(
    network: Network,
    images: NDArray[np.uint8],
    spec: Spec,
    *,
    limit: int | None = None,
    latency: int = LATENCY,
    pauses: float = 0.0,
    seed: int = 1,
    wave: Path | None = None,
    progress: Progress | None = None,
) -> RtlResult:
    """Run raw images on the simulated accelerator and compare every layer with golden.

    The accelerator carries out the whole program by itself; it pauses after each layer only so that the
    host can look at the outputs. Rows must be those of the cycle model.

    Parameters
    ----------
    network
        Coded for the slots of ``spec``.
    images
        uint8 [N, H, W, C].
    spec
        The accelerator's.
    limit
        Take only the first images.
    latency
        Of the memory, in cycles.
    pauses, seed
        Probability with which each channel of the bus makes the other side wait in a cycle, and the seed
        of when.
    wave
        Where to write a waveform (FST). It grows by megabytes in a second: use a small ``limit``.
    progress
        See :data:`Progress`.

    Raises
    ------
    ShiftbookError
        The accelerator cannot run a layer, the images do not fit, or a tool is missing.
    Mismatch
        The first difference: layer, image, position and both values.
    sim.simulator.SimulationError
        The simulator does not build or start.
    """
    if limit is not None and limit < 1:
        raise ShiftbookError(f"limit must be at least 1, not {limit}")
    built = image.build(network, spec)
    images = images[:limit]
    golden = executor.run(network, images, keep=True)
    costs = built.costs(latency)
    meter = _Meter(progress, len(images) * sum(cost.cycles for cost in costs))
    counted: list[Counters] = []
    with Session(spec, built.size, latency=latency, pauses=pauses, seed=seed, wave=wave) as session:
        # No limit in seconds: a simulated layer may take minutes, and the watchdog counts its cycles.
        host = HostDriver(session.read, session.write, session.wait, timeout=None)
        host.identify()
        session.fill(0, built.contents())
        for number, pixels in enumerate(images):
            session.fill(built.offset(built.input), built.places[built.input].layout.pack(pixels))
            want = {name: tensor[number] for name, tensor in golden.tensors.items()}
            counters = _run_image(session, host, built, costs, want, number, meter)
            counted = counted or counters
    layers = _layer_runs(built, counted, costs, len(images), spec)
    return RtlResult(
        golden.outputs, golden.results, layers, session.cycles, session.seconds, session.build.seconds
    )


class _Meter:
    """Counts cycles towards a total."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress = progress
        self.total = total
        self.done = 0

    def add(self, cycles: int, layer: str) -> None:
        """Some more are done."""
        self.done += cycles
        if self.progress is not None:
            self.progress(self.done, self.total, layer)


def _run_image(
    session: Session,
    host: HostDriver,
    built: Image,
    costs: list[PassCycles],
    want: dict[str, Activations],
    number: int,
    meter: _Meter,
) -> list[Counters]:
    """One image; what each pass counted."""
    host.start(0, watchdog=WATCHDOG, pause=True)
    before = Counters()
    result = []
    for step, cost in zip(built.plan.passes, costs, strict=True):
        _wait(host, step.node, number)
        if _is_final(step, built):
            _compare(step, built, session, want[step.node], number)
        counters = host.counters()
        result.append(counters - before)
        before = counters
        if result[-1].rows != cost.rows:
            raise Mismatch(
                step.node,
                f"image {number}: the RTL issued {result[-1].rows} rows, the cycle model {cost.rows}",
            )
        meter.add(cost.cycles, step.node)
        host.go_on()
    _wait(host, built.plan.passes[-1].node, number)
    return result


def _is_final(step: Pass, built: Image) -> bool:
    """Whether a pass makes a part of its node's tensor, and not what another pass goes on with."""
    return step.target.tensor == built.plan.views[step.node].tensor


def _wait(host: HostDriver, layer: str, image: int) -> None:
    """Until the layer is run, or the program is over."""
    try:
        host.wait()
    except AcceleratorError as error:
        raise Mismatch(layer, f"image {image}: {error}") from error


def _compare(step: Pass, built: Image, session: Session, want: Activations, image: int) -> None:
    """Raise at the first output of a pass that differs from the node's tensor [h, w, O]."""
    view, place = step.target, built.places[step.target.tensor]
    whole = place.layout.unpack(session.fetch(built.offset(view.tensor), place.layout.size))
    own = built.plan.views[step.node]
    first = view.first - own.first
    phases = 0 if own.phases else view.phases  # of the tensor of the node
    part = View(step.node, first, view.channels, own.channels, phases, view.region)
    for got, wanted in zip(view.pixels(whole), part.pixels(want), strict=True):
        different = np.argwhere(got != wanted)
        if len(different):
            y, x, channel = different[0].tolist()
            raise Mismatch(
                step.node,
                f"image {image}, y {y}, x {x}, channel {first + channel}: RTL {got[y, x, channel]}, "
                f"golden {wanted[y, x, channel]} ({len(different)} of {got.size} outputs differ)",
            )


def _layer_runs(
    built: Image, counted: list[Counters], costs: list[PassCycles], images: int, spec: Spec
) -> tuple[LayerRun, ...]:
    """Passes of the same node together."""
    names = list(dict.fromkeys(step.node for step in built.plan.passes))
    runs = []
    for name in names:
        numbers = [i for i, step in enumerate(built.plan.passes) if step.node == name]
        total = Counters(*(sum(parts) for parts in zip(*(counted[i].values() for i in numbers), strict=True)))
        outputs = [step for step in (built.plan.passes[i] for i in numbers) if _is_final(step, built)]
        integers = images * sum(np.prod(s.layout.output) * s.target.channels for s in outputs)
        useful = sum(costs[i].useful for i in numbers)
        runs.append(
            LayerRun(
                name,
                total,
                utilization(useful, total.cycles, spec),
                sum(costs[i].cycles for i in numbers),
                int(integers),
            )
        )
    return tuple(runs)
