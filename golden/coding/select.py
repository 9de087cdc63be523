"""How a layer's integers are best coded for an engine: with gaps or without, and which slot holds what."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding import streams
from shiftbook.golden.coding.placement import balance
from shiftbook.golden.coding.terms import work
from shiftbook.golden.model.weights import Weights
from shiftbook.golden.spec import Spec


def code_weights(integers: NDArray[np.signedinteger], scheme: str, spec: Spec, seed: int = 0) -> Weights:
    """The coded form that takes the fewest bits, with channels spread so that the slots finish together.

    Parameters
    ----------
    integers
        [O, kh, kw, I] weights, -128..127.
    scheme
        What they came from, for people.
    spec
        Its slots and alphabets; its lanes say how long each weight takes.
    seed
        Of the search for the spread.

    Raises
    ------
    ShiftbookError
        The layer does not fit the spec, or its lanes cannot represent a weight.
    """
    weights = Weights(np.ascontiguousarray(integers, np.int16), np.zeros(1, np.int16), scheme, gapless=False)
    weights = streams.choose_gapless(weights, spec.slots, spec)
    channels = integers.shape[3]
    if weights.gapless or channels < 2 * spec.slots or channels % spec.slots:
        return weights
    cycles = work(weights.codebook, spec)
    owner = balance(weights.integers, weights.codebook, cycles, spec.slots, seed=seed)
    return replace(weights, slot_of_channel=owner)
