"""The planners of nodes, a file for each kind."""

from __future__ import annotations

from typing import Any

from shiftbook.golden.mapping.job import Memory, Pass
from shiftbook.golden.mapping.nodes.base import Planner
from shiftbook.golden.model.nodes import Node
from shiftbook.golden.registry import classes_in

PLANNERS: tuple[Planner[Any], ...] = tuple(kind() for kind in classes_in(__name__, __path__, Planner))
"""One for each kind of node: what the files of this package define."""

_BY_NODE = {planner.node: planner for planner in PLANNERS}


def check_node(node: Node, memory: Memory) -> None:
    """Refuse what can be seen before memory is taken: see `Planner.check`."""
    _BY_NODE[type(node)].check(node, memory)


def node_passes(node: Node, memory: Memory) -> list[Pass]:
    """Passes of the engine that make a node's tensor: see `Planner.passes`."""
    return _BY_NODE[type(node)].passes(node, memory)
