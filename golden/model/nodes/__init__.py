"""The kinds of nodes, a file each."""

from shiftbook.golden.model.nodes.base import Activations, Node, Shape
from shiftbook.golden.model.nodes.concat import Concat
from shiftbook.golden.model.nodes.conv import Conv
from shiftbook.golden.model.nodes.gate import Gate
from shiftbook.golden.model.nodes.interleave import Interleave
from shiftbook.golden.model.nodes.pool import Pool
from shiftbook.golden.model.nodes.resample import Resample
from shiftbook.golden.model.nodes.subsample import Subsample

__all__ = [
    "Activations",
    "Concat",
    "Conv",
    "Gate",
    "Interleave",
    "Node",
    "Pool",
    "Resample",
    "Shape",
    "Subsample",
]
