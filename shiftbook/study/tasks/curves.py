"""What pruning each layer saves on an engine, beside what it costs."""

from __future__ import annotations

from shiftbook.golden.coding.recode import for_slots
from shiftbook.golden.storage import checkpoint
from shiftbook.study.tasks.base import Made, Request, Work
from shiftbook.study.tasks.sensitivity import suffix
from shiftbook.study.tasks.specs import coding_of, spec_of


class Curves(Work):
    """``spec`` and a sensitivity become a curve for each layer, see `allocation.Curve`, and all cycles."""

    name = "curves"
    rooms = ("golden", "api/cycles.py")
    tools = ("numpy",)

    def run(self, request: Request) -> Made:
        from shiftbook.api.cycles import cycles_of

        spec = spec_of(request.options["spec"])
        key = request.needs["sensitivity"]
        record = request.store.get(key)
        assert record is not None  # tasks run after those that they need
        measured = record["result"]
        shares, errors, paths = measured["shares"], measured["errors"], measured["paths"]
        cycles: dict[str, list[int]] = {path: [0] * len(shares) for path in errors}
        total = 0
        for i in range(len(shares)):
            with request.store.path(key, suffix(i)) as file:
                network = for_slots(checkpoint.load(file), coding_of(spec))
            found = cycles_of(network, spec)
            total = total or found.total
            for layer in found.layers:
                if layer.name in paths:
                    cycles[paths[layer.name]][i] += layer.cycles
        curves = {path: {"shares": shares, "cycles": cycles[path], "errors": errors[path]} for path in errors}
        return Made({"layers": curves, "total": total})
