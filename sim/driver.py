"""A whole network on simulated RTL, every output integer compared with golden."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from golden import executor, integer, items, tiles
from golden.cycles import LayerCycles, layer_cycles
from golden.errors import ShiftbookError
from golden.integer import Activations
from golden.network import Codebooks, Conv, Network
from golden.spec import Spec
from golden.support import check_runnable, engine_part
from golden.tiles import Geometry, TileWords
from sim import program
from sim.harness import Counters
from sim.pauses import NEVER, Pauses
from sim.session import Session

Progress = Callable[[int, int, str], None]
"""Called with the cycles done, the cycles of the whole run, and the layer that is running."""

CHUNK_BYTES = 1 << 25
"""Of tile words that are sent to the simulator at a time."""


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
        The node's.
    where
        ``"rtl"``; ``"host"`` for what the engine does not run in this version (pools, subsampling);
        ``"both"`` for a layer that adds a residual: the engine runs it without, and the host adds it.
    cycles
        Cycles in which the engine was busy.
    fill
        Cycles in which tile words were written.
    terms
        Codebook rows issued on all slots.
    utilization
        Rows that reached a lane with a pixel, of those that all lanes could have taken while busy.
    integers
        Outputs compared with golden, of all images.
    """

    name: str
    where: Literal["rtl", "host", "both"]
    cycles: int = 0
    fill: int = 0
    terms: int = 0
    utilization: float = 0.0
    integers: int = 0


@dataclass(frozen=True)
class RtlResult:
    """A run in which RTL and golden agreed.

    Attributes
    ----------
    outputs
        uint8 [N, classes].
    layers
        In the order of the network.
    simulated_cycles, seconds
        Clock cycles of the simulator, everything included, and the time that they took.
    build_seconds
        Time of building the simulator; 0.0 where the cache had it.
    """

    outputs: Activations
    layers: tuple[LayerRun, ...]
    simulated_cycles: int
    seconds: float
    build_seconds: float

    @property
    def cycles(self) -> int:
        """Busy cycles of one image."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def integers(self) -> int:
        """Outputs compared with golden."""
        return sum(layer.integers for layer in self.layers)


@dataclass(frozen=True, eq=False)
class _Job:
    """One convolution, prepared; without the residual that it may add."""

    conv: Conv
    layout: Geometry
    program: program.Program
    cost: LayerCycles
    zero_point: int

    def tile_words(self, image: Activations, spec: Spec) -> Iterator[TileWords]:
        placement = items.placement_of(self.conv.weights, spec.slots, spec)
        for tile in np.ndindex(self.layout.tiles):
            yield tiles.tile_words(self.conv, self.layout, placement, image, tile, self.zero_point, spec)


def run_rtl(
    network: Network,
    images: NDArray[np.uint8],
    spec: Spec,
    *,
    limit: int | None = None,
    pauses: Pauses = NEVER,
    wave: Path | None = None,
    progress: Progress | None = None,
) -> RtlResult:
    """Run raw images on simulated RTL, layer by layer, and compare everything with golden.

    Each layer takes the RTL's own outputs of the layers before it. Cycles and terms of every tile must be
    those of the cycle model (without pauses, which cost cycles).

    Parameters
    ----------
    network
        Coded for the slots of ``spec``.
    images
        uint8 [N, H, W, C].
    spec
        The engine's.
    limit
        Take only the first images.
    pauses
        Idle streams and backpressure in the simulation.
    wave
        Where to write a waveform (FST). It grows by megabytes in a second: use a small ``limit``.
    progress
        See :data:`Progress`.

    Raises
    ------
    ShiftbookError
        The engine cannot run a layer, the images do not fit, or a tool is missing.
    Mismatch
        The first difference: layer, image, position and both values.
    sim.simulator.SimulationError
        The simulator does not build or start.
    """
    if limit is not None and limit < 1:
        raise ShiftbookError(f"limit must be at least 1, not {limit}")
    check_runnable(network, spec)
    images = images[:limit]
    golden = executor.run(network, images, keep=True).tensors
    zero = executor.zero_points(network)
    jobs: dict[str, _Job] = {}
    loaded: Codebooks | None = None
    for node in network.nodes:
        if isinstance(node, Conv):
            jobs[node.name] = _prepare(node, golden[node.source].shape, zero[node.source], spec, loaded)
            loaded = None if node.weights.vectors is None else node.weights.vectors.codebooks
    meter = _Meter(progress, len(images) * sum(job.cost.cycles + job.cost.fill for job in jobs.values()))
    tensors = {network.input.name: golden[network.input.name]}
    layers = []
    with Session(spec, pauses=pauses, wave=wave) as session:
        for node in network.nodes:
            if node.name in jobs:
                job = jobs[node.name]
                source = tensors[node.source]
                want = integer.convolve(source, job.conv, job.zero_point)
                output, layer = _run_layer(session, job, source, want, meter)
                if isinstance(node, Conv) and node.residual is not None:
                    output, layer = executor.run_node(node, tensors, zero), replace(layer, where="both")
            else:
                output, layer = executor.run_node(node, tensors, zero), LayerRun(node.name, "host")
            tensors[node.name] = output
            layers.append(layer)
    last = tensors[network.nodes[-1].name].reshape(len(images), -1)
    return RtlResult(last, tuple(layers), session.cycles, session.seconds, session.build.seconds)


class _Meter:
    """Counts cycles towards a total."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress = progress
        self.total = total
        self.done = 0

    def show(self, cycles: int, layer: str) -> None:
        """``cycles`` more are done than were added."""
        if self.progress is not None:
            self.progress(self.done + cycles, self.total, layer)


def _prepare(
    conv: Conv, source: tuple[int, ...], zero_point: int, spec: Spec, loaded: Codebooks | None
) -> _Job:
    conv = engine_part(conv)
    shape = source[1], source[2], source[3]
    placement = items.placement_of(conv.weights, spec.slots, spec)
    layout = tiles.geometry(conv, shape, placement, spec)
    built = program.build(conv, layout, placement, spec, loaded=loaded)
    return _Job(conv, layout, built, layer_cycles(conv, shape, spec), zero_point)


def _run_layer(
    session: Session, job: _Job, source: Activations, want: Activations, meter: _Meter
) -> tuple[Activations, LayerRun]:
    """All images through one layer; returns the RTL's output [N, h, w, O]."""
    spec, name, cost = session.spec, job.conv.name, job.cost
    image_bytes = cost.fill * (8 + spec.lanes)
    chunk = max(1, CHUNK_BYTES // image_bytes)
    output = np.zeros_like(want)
    each = cost.tile_cycles + cost.tile_fill
    for first in range(0, len(source), chunk):
        part = source[first : first + chunk]
        words = [tile for image in part for tile in job.tile_words(image, spec)]
        beats, counters, hung = session.play(
            job.program, words, _patience(job, session.pauses), lambda n: meter.show(n * each, name)
        )
        _check_tiles(job, counters, hung, first, spec)
        grids = tiles.grid_of_beats(beats, spec).reshape(len(part), cost.tiles, -1, spec.rows, spec.cols)
        for image, image_grids in enumerate(grids, start=first):
            for tile, grid in zip(np.ndindex(job.layout.tiles), image_grids, strict=True):
                tiles.place_grid(output[image], grid, tile)
            _check_image(name, image, output[image], want[image])
        _check_counters(job, counters, first, session.pauses)
        meter.done += len(part) * cost.tiles * each
        meter.show(0, name)
    return output, _layer_run(job, counters, want.size, spec)


def _patience(job: _Job, pauses: Pauses) -> int:
    """Cycles after which a tile counts as hung: far beyond what pauses explain."""
    share = (1 - pauses.idle) * (1 - pauses.backpressure)
    return round(10 * job.cost.tile_cycles / max(share, 0.01)) + 10_000


def _check_tiles(job: _Job, counters: Counters, hung: bool, first: int, spec: Spec) -> None:
    """Raise unless every tile ended, without an error and with all its outputs."""
    wanted = len(job.conv.weights.integers) * spec.drain_cycles
    for index, (error, beats) in enumerate(zip(counters.error, counters.beats, strict=True)):
        where = _where(job, index, first)
        if error:
            raise Mismatch(job.conv.name, f"{where}: the RTL met an invalid code word (error {error})")
        if hung and index == len(counters.error) - 1:
            raise Mismatch(job.conv.name, f"{where}: the RTL hangs after {beats} of {wanted} output beats")
        if beats != wanted:
            raise Mismatch(job.conv.name, f"{where}: the RTL gave {beats} output beats, golden {wanted}")


def _check_image(name: str, image: int, got: Activations, want: Activations) -> None:
    """Raise at the first output [h, w, O] that differs."""
    different = np.argwhere(got != want)
    if len(different):
        y, x, channel = different[0].tolist()
        raise Mismatch(
            name,
            f"image {image}, y {y}, x {x}, channel {channel}: RTL {got[y, x, channel]}, "
            f"golden {want[y, x, channel]} ({len(different)} of {got.size} outputs of the image differ)",
        )


def _check_counters(job: _Job, counters: Counters, first: int, pauses: Pauses) -> None:
    """Raise at the first tile whose counters are not those of the cycle model."""
    model = {"terms": job.cost.tile_rows}
    if pauses == NEVER:
        model |= {"cycles": job.cost.tile_cycles, "stalls": 0}
    for what, want in model.items():
        got = getattr(counters, what)
        different = np.flatnonzero(got != want)
        if len(different):
            where = _where(job, int(different[0]), first)
            raise Mismatch(job.conv.name, f"{where}: RTL {got[different[0]]} {what}, the cycle model {want}")


def _where(job: _Job, index: int, first: int) -> str:
    image, tile = divmod(index, job.cost.tiles)
    return f"image {first + image}, tile {divmod(tile, job.layout.tiles[1])}"


def _layer_run(job: _Job, counters: Counters, integers: int, spec: Spec) -> LayerRun:
    """From the counters of the first image's tiles; all images have the same without pauses."""
    count = job.cost.tiles
    cycles = int(counters.cycles[:count].sum())
    owned = [tiles.owned_lanes(job.layout, tile, spec) for tile in np.ndindex(job.layout.tiles)]
    useful = int(np.dot(counters.terms[:count].astype(np.int64), owned))
    return LayerRun(
        job.conv.name,
        "rtl",
        cycles,
        job.cost.fill,
        int(counters.terms[:count].sum()),
        useful / (cycles * spec.lanes * spec.slots),
        integers,
    )
