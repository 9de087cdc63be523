"""A whole network on the simulated accelerator, every output integer compared with golden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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
from shiftbook.sim.probes import MemoryAccesses
from shiftbook.sim.samples import Samples, Told
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
    """What one layer did; counts are the RTL's own, and those of one image, or of one batch.

    Attributes
    ----------
    name
        The node's; for the normalization of raw pixels the input's.
    counters
        Of the accelerator, from the end of the layer before to that of this one.
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
    accesses
        With ``probes`` what each kind of memory did, by pass of ``passes``.
    passes
        Names of the layers that the passes are for.
    told
        With ``samples`` what the wires did.
    """

    outputs: Activations
    results: dict[str, Activations]
    layers: tuple[LayerRun, ...]
    simulated_cycles: int
    seconds: float
    build_seconds: float
    accesses: tuple[MemoryAccesses, ...] = ()
    passes: tuple[str, ...] = ()
    told: Told | None = None

    @property
    def cycles(self) -> int:
        """Cycles of one image, or of one batch."""
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
    batch: int = 1,
    latency: int = LATENCY,
    pauses: float = 0.0,
    seed: int = 1,
    wave: Path | None = None,
    probes: bool = False,
    samples: Samples | None = None,
    progress: Progress | None = None,
) -> RtlResult:
    """Run raw images on the simulated accelerator and compare every layer with golden.

    The accelerator carries out the whole program by itself, layers overlap, and every tensor is compared:
    each has a place of its own in memory, and what the tensor buffer holds is written down at the end of each
    layer. Rows must be those of the cycle model.

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
    batch
        Images that the program takes at once; all of them are a multiple of it.
    latency
        Of the memory, in cycles.
    pauses, seed
        Probability with which each channel of the bus makes the other side wait in a cycle, and the seed
        of when.
    wave
        Where to write a waveform (FST). It grows by megabytes in a second: use a small ``limit``.
    probes
        Count the accesses of the accelerator's memories; of one image only, or of one batch.
    samples
        Sample the values of the accelerator's wires; of one image only, or of one batch.
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
    built = image.build(network, spec, batch)
    images = images[: batch if probes or samples else limit]
    if len(images) % batch:
        raise ShiftbookError(f"a batch takes {batch} images at once, and {len(images)} are no multiple of it")
    golden = executor.run(network, images, keep=True)
    costs = built.costs(latency)
    parts = [(step.node, cost.cycles) for step, cost in zip(built.plan.passes, costs, strict=True)]
    meter = _Meter(progress, parts, len(images) // batch)
    counted: list[Counters] = []
    accesses: list[MemoryAccesses] = []
    told = None
    with Session(
        spec, built.size, latency=latency, pauses=pauses, seed=seed, wave=wave, probes=probes, samples=samples
    ) as session:
        # No limit in seconds: a simulated layer may take minutes, and the watchdog counts its cycles.
        host = HostDriver(session.read, session.write, lambda: _watch(session, host, meter), timeout=None)
        host.identify()
        session.fill(0, built.contents())
        for first in range(0, len(images), batch):
            for number, pixels in enumerate(images[first : first + batch]):
                place = built.places[built.input].layout
                session.fill(built.offset(built.input, number), place.pack(pixels))
            want = {name: tensor[first : first + batch] for name, tensor in golden.tensors.items()}
            meter.begin()
            counters = _run_batch(session, host, built, costs, want, first)
            meter.reach(len(parts))
            counted = counted or counters
        if probes:
            accesses = session.accesses(len(parts))
        if samples:
            told = session.told()
    layers = _layer_runs(built, counted, costs, len(images), spec)
    return RtlResult(
        golden.outputs,
        golden.results,
        layers,
        session.cycles,
        session.seconds,
        session.build.seconds,
        tuple(accesses),
        tuple(node for node, _ in parts),
        told,
    )


class _Meter:
    """Tells how far a run is.

    Parameters
    ----------
    progress
        Whom.
    parts
        Layers of one run of the program, and their cycles by the model.
    runs
        How many.
    """

    def __init__(self, progress: Progress | None, parts: list[tuple[str, int]], runs: int) -> None:
        self.progress = progress
        self.parts = parts
        self.total = runs * sum(cycles for _, cycles in parts)
        self.done = 0
        self.layers = 0

    def reach(self, layers: int) -> None:
        """So many layers of the program were run."""
        for name, cycles in self.parts[self.layers : layers]:
            self.done += cycles
            if self.progress is not None:
                self.progress(self.done, self.total, name)
        self.layers = layers

    def begin(self) -> None:
        """Another run."""
        self.layers = 0


def _watch(session: Session, host: HostDriver, meter: _Meter) -> None:
    """Let the accelerator run for a while, and tell how far it is."""
    session.wait()
    meter.reach(host.status()["layers"])


def _run_batch(
    session: Session,
    host: HostDriver,
    built: Image,
    costs: list[PassCycles],
    want: dict[str, Activations],
    number: int,
) -> list[Counters]:
    """One batch from image ``number`` on; what each pass counted."""
    host.start(0, watchdog=WATCHDOG)
    _wait(host, built, number)
    ends = session.counted(0, len(costs))
    ends[-1] = host.counters()  # its last outputs are in memory
    counted = [end - before for end, before in zip(ends, [Counters(), *ends], strict=False)]
    for layer, (step, cost, found) in enumerate(zip(built.plan.passes, costs, counted, strict=True)):
        for each in step.images if _is_final(step, built) else ():
            view = built.plan.join.place(step.target, each)
            part = _part(step, built)
            got = _tensor(view, layer, built, session)
            _compare(step.node, view, part, got, want[step.node][each], number + each)
        if found.rows != cost.rows:
            raise Mismatch(
                step.node, f"image {number}: the RTL issued {found.rows} rows, the cycle model {cost.rows}"
            )
    _compare_joined(built, session, want, number)
    return counted


def _is_final(step: Pass, built: Image) -> bool:
    """Whether a pass makes a part of its node's tensor, and not what another pass goes on with."""
    return step.target.tensor == built.plan.views[step.node].tensor


def _wait(host: HostDriver, built: Image, image: int) -> None:
    """Until the program is over."""
    try:
        host.wait()
    except AcceleratorError as error:
        passes = built.plan.passes
        last = passes[min(error.layers, len(passes) - 1)]
        raise Mismatch(last.node, f"image {image}: {error}") from error


def _part(step: Pass, built: Image) -> View:
    """What a pass makes of its node's tensor."""
    view, own = step.target, built.plan.views[step.node]
    phases = 0 if own.phases else view.phases
    if view.tensor in built.plan.join.tensors:
        phases = 0
    return View(step.node, view.first - own.first, view.channels, own.channels, phases, view.region)


def _compare_joined(built: Image, session: Session, want: dict[str, Activations], number: int) -> None:
    """Compare tensors that no pass of their own makes, because the passes of others join them."""
    made = {step.node for step in built.plan.passes}
    complete = {step.target.tensor: layer for layer, step in enumerate(built.plan.passes)}
    for name in want.keys() - made:
        view = built.plan.views[name]
        if not view.phases:  # else a part of one that is compared
            whole = View(name, 0, view.channels, view.channels)
            for each, pixels in enumerate(want[name]):
                place = replace(view, image=each)
                got = _tensor(place, complete[view.tensor], built, session)
                _compare(name, place, whole, got, pixels, number + each)


def _tensor(view: View, layer: int, built: Image, session: Session) -> Activations:
    """[H, W, C] the whole tensor that a view is of: at the end of a layer, or of the program where it is
    there still.
    """
    place = built.places[view.tensor]
    offset, size = built.offset(view.tensor, view.image), place.layout.size
    data = session.kept(layer, offset, size) if place.local else session.fetch(offset, size)
    return place.layout.unpack(data)


def _compare(node: str, view: View, part: View, whole: Activations, want: Activations, image: int) -> None:
    """Raise at the first output of a tensor, at ``view``, that differs from ``part`` of another [h, w, O]."""
    for got, wanted in zip(view.pixels(whole), part.pixels(want), strict=True):
        different = np.argwhere(got != wanted)
        if len(different):
            y, x, channel = different[0].tolist()
            raise Mismatch(
                node,
                f"image {image}, y {y}, x {x}, channel {part.first + channel}: RTL {got[y, x, channel]}, "
                f"golden {wanted[y, x, channel]} ({len(different)} of {got.size} outputs differ)",
            )


def _outputs(step: Pass, built: Image) -> int:
    """Outputs of a pass for an image; of those that it joins each has a pixel."""
    joint = step.node in built.plan.join.nodes
    return int(np.prod((1, 1) if joint else step.layout.output)) * step.target.channels


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
        each = images // built.plan.batch
        integers = each * sum(len(s.images) * _outputs(s, built) for s in outputs)
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
