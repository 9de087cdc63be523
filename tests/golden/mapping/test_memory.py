"""Where the pixels of a tensor lie, against plain indexing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.spec import DEFAULT

GRIDS = {(8, 8): 16, (4, 4): 16, (7, 7): 16, (3, 5): 8, (2, 16): 16, (16, 4): 8}
"""Bytes of the bus for some grids."""


@given(
    st.sampled_from(sorted(GRIDS)), st.integers(1, 20), st.integers(1, 20), st.integers(1, 5), st.integers(0)
)
def test_every_pixel_is_where_the_address_says(grid, height, width, channels, seed):
    rows, cols = grid
    spec = replace(DEFAULT, rows=rows, cols=cols, requantizers=cols, bus_bytes=GRIDS[grid])
    layout = TensorLayout(height, width, channels, spec)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)
    data = layout.pack(pixels)
    assert data.size == layout.size == layout.beats * spec.bus_bytes
    assert np.array_equal(layout.unpack(data), pixels)
    y, x, c = (int(np.random.default_rng(seed).integers(0, size)) for size in pixels.shape)
    beat, row = divmod(y % rows, spec.beat_rows)
    address = y // rows * layout.row_step + x // cols * layout.block_step + beat * channels + c
    assert data[address * spec.bus_bytes + row * spec.pitch + x % cols] == pixels[y, x, c]


def test_channels_of_a_beat_lie_together():
    layout = TensorLayout(16, 16, 3, replace(DEFAULT, bus_bytes=16))
    assert (layout.blocks, layout.block_step, layout.row_step) == ((2, 2), 12, 24)
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[8, 8] = 1, 2, 3  # the first pixel of the last block
    beats = layout.pack(pixels).reshape(-1, 16)
    assert beats[36:39, 0].tolist() == [1, 2, 3]
    assert beats.sum() == 6


def test_what_does_not_fit_is_refused():
    layout = TensorLayout(4, 4, 2, DEFAULT)
    with pytest.raises(ShiftbookError, match=r"pixels must be uint8 \(4, 4, 2\), not int64 \(4, 4, 2\)"):
        layout.pack(np.zeros((4, 4, 2), np.int64))
    with pytest.raises(ShiftbookError, match="a tensor of this shape takes 128 bytes, not 3"):
        layout.unpack(np.zeros(3, np.uint8))
