"""Many exclusive ors of some of the same bits, in few gates: pairs that several of them take are shared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Masks = NDArray[np.uint32]

OUTPUTS = 32
"""The most outputs of a network: each node knows in a word whose it is."""

ROOM = 4
"""Nodes of a network, as a multiple of its inputs, at which sharing ends; twice what a CRC takes."""


@dataclass(frozen=True)
class XorNetwork:
    """A linear function of bits, as nodes: the inputs, then the exclusive ors of two earlier nodes.

    Attributes
    ----------
    pairs
        The two nodes of each node behind the inputs.
    outputs
        The nodes whose exclusive or an output is.
    """

    pairs: tuple[tuple[int, int], ...]
    outputs: tuple[tuple[int, ...], ...]

    @property
    def gates(self) -> int:
        """Exclusive ors of two bits."""
        return len(self.pairs) + sum(len(nodes) - 1 for nodes in self.outputs if nodes)


def share(columns: Masks) -> XorNetwork:
    """The network of a matrix: the pair of nodes that the most outputs take becomes a node, again and again.

    That is Paar's greedy algorithm (Optimized arithmetic for Reed-Solomon encoders, 1997). An equally
    frequent pair of earlier nodes goes first, so that the same matrix gives the same network, always.

    Parameters
    ----------
    columns
        uint32 [inputs]: for each input, the outputs that it is a part of; output 0 is the lowest bit.
    """
    inputs = len(columns)
    room = ROOM * inputs
    users = np.zeros(room, np.uint32)  # of each node, outputs that take it
    users[:inputs] = columns
    common = np.zeros((room, room), np.uint8)  # outputs that take both nodes
    common[:inputs, :inputs] = np.bitwise_count(users[:inputs, None] & users[None, :inputs])
    np.fill_diagonal(common, 0)
    pairs: list[tuple[int, int]] = []
    for end in range(inputs, room):
        first, second = divmod(int(common[:end].argmax()), room)
        if common[first, second] < 2:
            break
        pairs.append((first, second))
        users[end] = users[first] & users[second]
        users[[first, second]] ^= users[end]
        for node in (first, second, end):
            count = np.bitwise_count(users[node] & users)
            count[node] = 0
            common[node] = common[:, node] = count
    outputs = tuple(tuple(np.flatnonzero(users >> bit & 1).tolist()) for bit in range(OUTPUTS))
    return XorNetwork(tuple(pairs), outputs)
