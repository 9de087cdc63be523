"""Where the lane-slot-cycles of a network go on an engine, by the cycle model."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from shiftbook.api.cycles import lanes_of, of_what
from shiftbook.api.table import Row, Table
from shiftbook.golden.mapping.spent import Spent, spent_together
from shiftbook.golden.model.network import Network
from shiftbook.golden.program.image import build
from shiftbook.golden.spec import Spec


@dataclass(frozen=True)
class LayerSpent:
    """One layer, for one image or for one batch.

    Attributes
    ----------
    name
        The node's; for the normalization of raw pixels the input's.
    cycles
        With the bus.
    spent
        The layer's ``cycles x lanes x slots`` by cause.
    """

    name: str
    cycles: int
    spent: Spent


@dataclass(frozen=True)
class Explanation(Table):
    """Where a network's lane-slot-cycles go on an engine, for one image or for one batch.

    Attributes
    ----------
    lanes
        The grid, such as 8x8.
    slots
        Weight slots.
    layers
        In the order in which they run.
    batch
        Images that the accelerator takes at once.
    """

    lanes: str
    slots: int
    layers: tuple[LayerSpent, ...]
    batch: int = 1

    @property
    def cycles(self) -> int:
        """Of all layers."""
        return sum(layer.cycles for layer in self.layers)

    @property
    def spent(self) -> Spent:
        """Of all layers together."""
        return spent_together(layer.spent for layer in self.layers)

    def to_dict(self) -> Row:
        return {
            "lanes": self.lanes,
            "slots": self.slots,
            "batch": self.batch,
            "cycles": self.cycles,
            "spent": asdict(self.spent),
            "layers": self.rows(),
        }

    def rows(self) -> list[Row]:
        """One for each layer: its name, its cycles, and its lane-slot-cycles by cause."""
        return [{"name": each.name, "cycles": each.cycles, **asdict(each.spent)} for each in self.layers]

    def __repr__(self) -> str:
        return (
            f"Explanation({self.cycles:,} cycles per {of_what(self.batch)} on {self.lanes} lanes of "
            f"{self.slots} slots, {self.spent.share('useful'):.1%} useful)"
        )


def explain(network: Network, spec: Spec, batch: int = 1) -> Explanation:
    """Tell where the lane-slot-cycles of one image go, or of a batch of them.

    Raises
    ------
    ShiftbookError
        The engine cannot run the network, or no such batch.
    """
    layers = [
        LayerSpent(name, sum(cost.cycles for cost in passes), spent_together(cost.spent for cost in passes))
        for name, passes in build(network, spec, batch).layer_costs().items()
    ]
    return Explanation(lanes_of(spec), spec.slots, tuple(layers), batch)
