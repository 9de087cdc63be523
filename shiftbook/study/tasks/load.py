"""What a network takes on an engine, by the cycle model, and what it stores for its weight slots."""

from __future__ import annotations

from shiftbook.golden.coding.recode import for_slots
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.statistics.decomposed import macs_of
from shiftbook.golden.statistics.sizes import layer_sizes
from shiftbook.study.tasks.base import Made, Request, Work
from shiftbook.study.tasks.reading import network_of
from shiftbook.study.tasks.specs import coding_of, spec_of


class Load(Work):
    """``spec`` becomes cycles, moved and stored bytes, and what they are related to.

    ``refused`` says why the engine cannot run the network; cycles and moved bytes are None then.
    """

    name = "load"
    rooms = ("golden", "api/cycles.py")
    tools = ("numpy",)

    def run(self, request: Request) -> Made:
        from shiftbook.api.cycles import cycles_of

        spec = spec_of(request.options["spec"])
        network = for_slots(network_of(request), coding_of(spec))
        sizes = layer_sizes(network, coding_of(spec))
        try:
            cycles, refused = cycles_of(network, spec), None
        except ShiftbookError as error:
            cycles, refused = None, str(error)
        nonzero = sum(layer.nonzero for layer in sizes.layers)
        return Made(
            {
                "cycles": None if cycles is None else cycles.total,
                "moved_bytes": None if cycles is None else cycles.moved_bytes,
                "refused": refused,
                "stored_bytes": -(-sizes.stored_bits // 8),
                "ratio": sizes.ratio,
                "density": nonzero / sizes.weights,
                "macs": sum(macs_of(network).values()),
            }
        )
