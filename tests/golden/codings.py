"""Other codings of the same weights that a reader takes, as another program may choose them.

Each patches what writes a checkpoint, and returns the spec to save with.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shiftbook.golden.coding import bits
from shiftbook.golden.coding.huffman import HuffmanCode
from shiftbook.golden.coding.streams import Statistics
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.golden.storage import packing
from shiftbook.golden.storage.nodes import conv


def even_codes(monkeypatch) -> Spec:
    """Code words as if all symbols were as frequent."""
    usual = Statistics.codes

    def codes(self: Statistics, spec: Spec) -> tuple[HuffmanCode | None, HuffmanCode]:
        gaps = None if self.gap_counts is None else np.ones_like(self.gap_counts)
        return usual(replace(self, gap_counts=gaps, code_counts=np.ones_like(self.code_counts)), spec)

    monkeypatch.setattr(Statistics, "codes", codes)
    return DEFAULT


def wide_fields(monkeypatch) -> Spec:
    """Every offset array with three bits more for its base and one more for each field."""
    usual = bits._offset_widths

    def widths(numbers):
        base, base_width, width = usual(numbers)
        return base, base_width + 3, width + 1

    monkeypatch.setattr(bits, "_offset_widths", widths)
    return DEFAULT


def stored_default_slots(monkeypatch) -> Spec:
    """Slots of the channels stored, though they are the default ones."""
    for module in (packing, conv):
        monkeypatch.setattr(module, "is_balanced", lambda weights, slots: weights.slot_of_channel is not None)
    return DEFAULT


def other_gaps(_) -> Spec:
    """Another escape, after shorter gaps."""
    return replace(DEFAULT, gap_symbols=DEFAULT.gap_symbols // 4)
