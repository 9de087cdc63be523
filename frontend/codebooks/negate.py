"""Codes for the negatives of vectors that have codes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from shiftbook.frontend.codebooks.encode import decode, encode
from shiftbook.frontend.codebooks.vectors import as_vectors, workers
from shiftbook.golden.model.weights import Vectors

ROUNDS = 16
"""Rounds of local search for each codebook."""


def negate(vectors: Vectors, channels: NDArray[np.bool_]) -> Vectors:
    """Return codes for ``-w`` in some output channels, bool [O]; the nearest, as the codebooks are given."""
    turned = vectors.present & channels[:, None, None]
    if not turned.any():
        return vectors
    codebooks = torch.from_numpy(vectors.codebooks.codewords.astype(np.float32))
    codes = torch.from_numpy(vectors.codes[turned])
    wanted = as_vectors(-decode(codebooks, codes), None)
    with workers() as each:
        encode(wanted, codebooks, codes, range(ROUNDS * len(codebooks)), each)
    found = vectors.codes.copy()
    found[turned] = codes.numpy()
    return replace(vectors, codes=found)
