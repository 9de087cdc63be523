"""A layer's weights on the slots of one engine: where they live, what the decoders yield, their streams."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.coding import items, streams
from shiftbook.golden.coding.items import Items
from shiftbook.golden.coding.placement import Placement
from shiftbook.golden.coding.streams import LayerStreams
from shiftbook.golden.coding.terms import codeword_work
from shiftbook.golden.coding.vectors import Walk
from shiftbook.golden.model.weights import Weights
from shiftbook.golden.spec import Spec


@dataclass(frozen=True, eq=False)
class LayerCoding:
    """The coded form of one layer; each part is worked out when it is first asked for, and kept.

    Attributes
    ----------
    weights
        What is coded.
    placement
        Where it lives.
    spec
        What it is coded for.
    """

    weights: Weights
    placement: Placement
    spec: Spec

    @cached_property
    def way(self) -> Walk:
        """How items step through the positions.

        Raises
        ------
        ShiftbookError
            See :func:`golden.coding.vectors.walk`.
        """
        return items.walk_of(self.weights, self.placement)

    @cached_property
    def table_entries(self) -> int:
        """Tap table entries that the rows name, those of positions without a weight included."""
        return items.table_entries(self.way, self.placement)

    @cached_property
    def code_rows(self) -> NDArray[np.int64]:
        """[M, K] codebook rows of each codeword.

        Raises
        ------
        ShiftbookError
            The lanes cannot represent a weight.
        """
        return codeword_work(self.weights.codewords, self.spec)

    @cached_property
    def items(self) -> tuple[Items, ...]:
        """What the decoder of each slot yields.

        Raises
        ------
        ShiftbookError
            See :func:`golden.coding.items.items_of`.
        """
        return items.items_of(self.weights, self.placement, self.spec)

    @cached_property
    def streams(self) -> LayerStreams:
        """The bits that the decoders of a coded feed read; raises as ``items`` does."""
        return streams.encode_items(self.weights, self.items, self.spec)
