"""Which tensors must share scale and zero point, because a layer moves their integers as they are.

Maximum pooling and subsampling hand on integers of their source, a concatenation those of all its sources.
So tensors share a scale over several layers too: two convolutions whose outputs are joined, one of them
pooled. What a layer's functions take has a scale of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import INPUT


@dataclass(frozen=True)
class SharedScale:
    """Tensors of one scale and one zero point.

    Members
    -------
    tensors : names of all, in the order in which they are made
    computed : those whose values no other of these tensors has
    """

    tensors: tuple[str, ...]
    computed: tuple[str, ...]


def shared_scales(graph: LayerGraph) -> list[SharedScale]:
    """The tensors of each scale, every tensor once; most scales have a single one."""
    first_of = {INPUT: INPUT}
    computed = {INPUT}
    for layer in graph.layers:
        first_of[layer.name] = layer.name
        if layer.requantizes:
            computed.add(layer.name)
            continue
        joined = {first_of[source] for source in layer.inputs} | {layer.name}
        first = next(name for name in first_of if name in joined)
        first_of = {name: first if old in joined else old for name, old in first_of.items()}
    members: dict[str, list[str]] = {}
    for name, first in first_of.items():
        members.setdefault(first, []).append(name)
    members.update((name, [name]) for name in graph.with_functions())
    computed.update(graph.with_functions())
    return [SharedScale(tuple(names), tuple(n for n in names if n in computed)) for names in members.values()]
