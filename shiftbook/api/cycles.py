"""What a network takes on an engine, by the cycle model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Protocol

from shiftbook.api.table import Row, Table
from shiftbook.golden.mapping.cycles import PassCycles, utilization
from shiftbook.golden.model.network import Network
from shiftbook.golden.program.image import build
from shiftbook.golden.spec import Spec


@dataclass(frozen=True)
class LayerCycles:
    """One layer, for one image or for one batch.

    Attributes
    ----------
    name
        The node's; for the normalization of raw pixels the input's.
    cycles
        With the bus.
    micro_ops
        Codebook rows that were issued on all slots.
    utilization
        Share of all lane-slot-cycles in which a row meets a pixel.
    """

    name: str
    cycles: int
    micro_ops: int
    utilization: float


@dataclass(frozen=True)
class Cycles(Table):
    """A network on an engine, for one image or for one batch.

    Attributes
    ----------
    lanes
        The grid, such as 8x8.
    layers
        In the order in which they run.
    moved_bytes
        On the memory bus: program, streams, tensors.
    batch
        Images that the accelerator takes at once.
    """

    lanes: str
    layers: tuple[LayerCycles, ...]
    moved_bytes: int
    batch: int = 1

    @property
    def total(self) -> int:
        """Cycles of all layers; those of a batch are the time until its images are done."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def per_image(self) -> float:
        """Cycles of an image; of a batch its share."""
        return self.total / self.batch

    @property
    def utilization(self) -> float:
        """Over all layers, each as long as it runs."""
        return mean_utilization(self.layers)

    def to_dict(self) -> Row:
        return {
            "lanes": self.lanes,
            "batch": self.batch,
            "cycles": self.total,
            "cycles_per_image": self.per_image,
            "utilization": self.utilization,
            "moved_bytes": self.moved_bytes,
            "layers": self.rows(),
        }

    def rows(self) -> list[Row]:
        """One for each layer."""
        return [asdict(layer) for layer in self.layers]

    def __repr__(self) -> str:
        of_batch = f" in batches of {self.batch}" if self.batch > 1 else ""
        return (
            f"Cycles({self.per_image:,.0f} per image{of_batch} on {self.lanes} lanes, utilization "
            f"{self.utilization:.1%})"
        )


class _Running(Protocol):
    """A layer of a run."""

    @property
    def cycles(self) -> int:
        """How long it ran."""

    @property
    def utilization(self) -> float:
        """Of all lanes."""


def mean_utilization(layers: Iterable[_Running]) -> float:
    """Over layers, each as long as it runs."""
    pairs = [(layer.utilization, layer.cycles) for layer in layers]
    return sum(share * cycles for share, cycles in pairs) / sum(cycles for _, cycles in pairs)


def cycles_of(network: Network, spec: Spec, batch: int = 1) -> Cycles:
    """Count the cycles of one image, or of a batch of them.

    Raises
    ------
    ShiftbookError
        The engine cannot run the network, or no such batch.
    """
    image = build(network, spec, batch)
    of_layer = image.layer_costs()
    beats = sum(cost.read_beats + cost.write_beats for passes in of_layer.values() for cost in passes)
    return Cycles(
        lanes=lanes_of(spec),
        layers=tuple(_layer(name, passes, spec) for name, passes in of_layer.items()),
        moved_bytes=beats * spec.bus_bytes + len(image.program),
        batch=batch,
    )


def _layer(name: str, passes: list[PassCycles], spec: Spec) -> LayerCycles:
    cycles = sum(cost.cycles for cost in passes)
    useful = sum(cost.useful for cost in passes)
    return LayerCycles(name, cycles, sum(cost.rows for cost in passes), utilization(useful, cycles, spec))


def lanes_of(spec: Spec) -> str:
    """The grid of a spec as the option --lanes says it."""
    return f"{spec.rows}x{spec.cols}"


def of_what(batch: int) -> str:
    """What counts are of: an image, or a batch of several."""
    return "image" if batch == 1 else f"batch of {batch}"
