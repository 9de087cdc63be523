"""Shared exclusive ors are the same function, with fewer gates."""

from __future__ import annotations

import numpy as np
import pytest

from shiftbook.hw.system.xor_network import OUTPUTS, XorNetwork, share


def columns(network: XorNetwork, inputs: int) -> np.ndarray:
    """The matrix of a network: each input alone, then what the outputs are."""
    nodes = [1 << number for number in range(inputs)]  # of each node, the inputs that it is the sum of
    for first, second in network.pairs:
        nodes.append(nodes[first] ^ nodes[second])
    found = np.zeros(inputs, np.uint32)
    for bit, taken in enumerate(network.outputs):
        total = 0
        for node in taken:
            total ^= nodes[node]
        found |= np.array([total >> number & 1 for number in range(inputs)], np.uint32) << np.uint32(bit)
    return found


@pytest.mark.parametrize(("inputs", "density"), [(1, 1.0), (5, 0.0), (40, 0.1), (64, 0.5), (96, 0.9)])
def test_it_is_the_matrix(inputs: int, density: float) -> None:
    bits = np.random.default_rng(inputs).random((inputs, OUTPUTS)) < density
    matrix = (bits << np.arange(OUTPUTS, dtype=np.uint32)).sum(1).astype(np.uint32)
    network = share(matrix)
    assert np.array_equal(columns(network, inputs), matrix)
    assert network.gates <= sum(max(0, count - 1) for count in bits.sum(0))


def test_what_all_outputs_have_is_made_once() -> None:
    """Three inputs that all 32 outputs take, and one that is the first output's alone."""
    ones = (1 << OUTPUTS) - 1
    assert share(np.array([ones, ones, ones, 1], np.uint32)).gates == 3
