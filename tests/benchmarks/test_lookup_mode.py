"""Cycles of both ways to run codes, counted by hand."""

from dataclasses import replace

import numpy as np

from benchmarks.lookup_mode import Layer, direct_cycles, lookup_cycles
from shiftbook.golden.spec import DEFAULT

SPEC = replace(DEFAULT, rows=2, cols=2, slots=2, requantizers=4)
ROWS = np.array([[3, 5, 0]])
"""One book of three codewords."""

CODES = np.array([[0, 1, 0], [0, 2, 1]])[..., None]
"""Two output channels of three vectors."""


def test_direct_cycles():
    # slot 0 has vectors 0 and 2, slot 1 vector 1: max(3 + 3, 5) and max(3 + 5, 0)
    assert direct_cycles(Layer(CODES, 2, 1), ROWS, SPEC) == SPEC.start_cycles + 6 + 8 + 1


def test_no_channel_is_shorter_than_its_drain():
    nothing = np.full((1, 3, 1), 2)
    spec = replace(SPEC, requantizers=1)
    assert direct_cycles(Layer(nothing, 2, 1), ROWS, spec) == spec.start_cycles + 4 + 1


def test_lookup_cycles():
    # vector 0 names codeword 0; vector 1 names 1 and 2, which takes a cycle to clear; vector 2 names 0 and 1
    fill = 2 + (3 + 1) + (2 + 3)
    # two groups of two vectors, two channels, one book
    assert lookup_cycles(Layer(CODES, 2, 1), ROWS, SPEC) == fill + 2 * 2 * 1


def test_tiles_multiply():
    for count in (direct_cycles, lookup_cycles):
        assert count(Layer(CODES, 5, 1), ROWS, SPEC) == 9 * count(Layer(CODES, 2, 1), ROWS, SPEC)
