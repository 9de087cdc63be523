"""The checksum of programs and weight streams: each 32-bit word is added, modulo 2, to the rotated sum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WORD_BYTES = 4
ROTATION = 5
"""Bits by which the sum is rotated to the left before a word is added; prime to 32."""


def checksum(words: NDArray[np.uint32]) -> int:
    """``sum = rotate(sum) ^ word`` over all words, from 0."""
    if not len(words):
        return 0
    turns = (np.arange(len(words))[::-1] * ROTATION % 32).astype(np.uint32)
    values = np.asarray(words, np.uint32)
    rotated = values << turns | values >> (32 - turns) % 32
    return int(np.bitwise_xor.reduce(np.where(turns == 0, values, rotated)))
