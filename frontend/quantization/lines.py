"""Weights of lines, which add up to powers of two, as integers of few bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.spec import Spec

BITS = 6
"""The largest weight is at most 2^6, so that weights that add up to one have two digits behind the point."""


def in_lines(matrix: NDArray[np.floating], spec: Spec) -> tuple[NDArray[np.int64], NDArray[np.int16], int]:
    """First line, weights and shift of `golden.model.nodes.Resample`.

    A row's integers add up to what its weights do: what rounding down leaves goes to those that lost most.
    So lines of one value keep it, whatever the weights.

    Parameters
    ----------
    matrix
        [L, length] of weights, 0 or more.
    spec
        Its lanes have no larger exponents than its terms.

    Returns
    -------
    first : [L]
    weights : [L, K]
    shift
        All weights are integers over two to this power.
    """
    most = min(BITS, max(high for _, high in spec.terms)) if spec.lane == "shift" else BITS
    shift = most - int(np.ceil(np.log2(max(float(matrix.max(initial=0)), 2.0**-BITS))))
    exact = matrix.astype(np.float64) * (1 << shift)
    integers = np.floor(exact + 1e-4)
    lost = exact - integers
    left = np.rint(exact.sum(axis=1) - integers.sum(axis=1))
    rank = np.argsort(np.argsort(-lost, axis=1, kind="stable"), axis=1, kind="stable")
    integers += rank < left[:, None]
    return *_banded(integers.astype(np.int16)), shift


def _banded(matrix: NDArray[np.int16]) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
    """First line of each row's weights, and as many weights from there on as the widest row has."""
    length = matrix.shape[1]
    there = matrix != 0
    begin = np.where(there.any(axis=1), there.argmax(axis=1), 0)
    end = np.where(there.any(axis=1), length - there[:, ::-1].argmax(axis=1), 1)
    taps = int((end - begin).max())
    first = np.minimum(begin, length - taps)
    return first.astype(np.int64), np.take_along_axis(matrix, first[:, None] + np.arange(taps), axis=1)
