"""Interleaving: what makes a tensor stores it as some of the pixels of another one."""

from __future__ import annotations

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.conv_passes import engine_passes
from shiftbook.golden.mapping.identity import check_channels, identity, same_values
from shiftbook.golden.mapping.job import Memory, Pass
from shiftbook.golden.mapping.nodes.base import Planner
from shiftbook.golden.model.nodes import Interleave


class InterleavePlanner(Planner[Interleave]):
    """A copy of each source that lies elsewhere, into all phases that are this source at once."""

    node = Interleave

    def check(self, node: Interleave, memory: Memory) -> None:
        spec = memory.spec
        if not spec.interleaves:
            if not spec.interleaving:
                raise ShiftbookError(f"layer {node.name}: the spec leaves interleaving out: set it True")
            raise ShiftbookError(
                f"layer {node.name}: interleaving needs lanes of even rows and columns, and whole beats of "
                f"them: the spec has {spec.rows}x{spec.cols} lanes and beats of {spec.bus_bytes} bytes"
            )
        for source in _elsewhere(node, memory):
            check_channels(node.name, memory.shapes[source][2], spec)

    def passes(self, node: Interleave, memory: Memory) -> list[Pass]:
        whole = memory.views[node.name]
        result = []
        for source, phases in _elsewhere(node, memory).items():
            shape, zero_point = memory.shapes[source], memory.zero_points[source]
            same = same_values(shape[2], zero_point)
            conv = identity(node.name, source, shape[2], 0, 0, 1, same, memory.spec)
            views = {**memory.views, node.name: whole.interleaved(phases)}
            result += engine_passes(conv, shape, views, zero_point, 0, memory.spec)
        return result


def _elsewhere(node: Interleave, memory: Memory) -> dict[str, int]:
    """Sources that do not lie in their place, with the phases, as bits, that they are."""
    whole = memory.views[node.name]
    found: dict[str, int] = {}
    for number, source in enumerate(node.sources):
        if memory.views[source] != whole.interleaved(1 << number):
            found[source] = found.get(source, 0) | 1 << number
    return found
