"""The planners of nodes, a file for each kind."""

from __future__ import annotations

from typing import Any

from shiftbook.golden.mapping.job import Memory, Pass
from shiftbook.golden.mapping.nodes.base import Planner
from shiftbook.golden.mapping.nodes.concat import ConcatPlanner
from shiftbook.golden.mapping.nodes.conv import ConvPlanner
from shiftbook.golden.mapping.nodes.pool import PoolPlanner
from shiftbook.golden.mapping.nodes.subsample import SubsamplePlanner
from shiftbook.golden.model.nodes import Node

PLANNERS: tuple[Planner[Any], ...] = (ConvPlanner(), PoolPlanner(), SubsamplePlanner(), ConcatPlanner())
"""One for each kind of node."""

_BY_NODE = {planner.node: planner for planner in PLANNERS}


def check_node(node: Node, memory: Memory) -> None:
    """Refuse what can be seen before memory is taken: see `Planner.check`."""
    _BY_NODE[type(node)].check(node, memory)


def node_passes(node: Node, memory: Memory) -> list[Pass]:
    """Passes of the engine that make a node's tensor: see `Planner.passes`."""
    return _BY_NODE[type(node)].passes(node, memory)
