"""Tile geometry: a slow loader and slow taps, as docs/accelerator.md has them, against plain indexing."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings

from shiftbook.golden.coding.placement import TableEntry
from shiftbook.golden.coding.streams import placement_of
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping import tiles
from shiftbook.golden.mapping.passes import plan_layer
from shiftbook.golden.spec import DEFAULT
from tests.golden.layers import Layer, layers, make_conv


def conv_of(shape, **rest):
    return make_conv(np.random.default_rng(0), shape, **rest)


def spot(distance, stride, lanes):
    """Phase, block and bank of a pixel at a distance from the tile's own first pixel, along one axis."""
    phase = distance % stride
    u = (distance - phase) // stride + phase * -(-lanes // 2)
    return phase, u // lanes, u % lanes


def bits_of(layout, spec, row_block, column, phase_y, phase_x):
    """What stands above the channel in a word's address."""
    places = tiles.address_bits(layout.halo_rows, layout.phased, layout.ring)
    parts = {places.row: row_block != 0, places.phase_x: phase_x, places.phase_y: phase_y}
    parts |= {place: column >> number & 1 for number, place in enumerate(places.columns)}
    return sum(int(bit) << spec.address_width - 1 - at for at, bit in parts.items() if at is not None)


def fill(layer, layout, tile):
    """Banks [words, rows, cols] of one channel 0 after every column that the tile needs was loaded."""
    spec, conv, stride = layer.spec, layer.conv, layout.stride
    height, width = layer.image.shape[:2]
    banks = np.full((spec.tile_words, spec.rows, spec.cols), -1)
    used = [min(size, out) for size, out in zip((spec.rows, spec.cols), layout.output, strict=True)]
    kernel = conv.weights.integers.shape[1:3]
    last = [stride * (used[a] - 1) + conv.dilation[a] * (kernel[a] - 1) - conv.padding[2 * a] for a in (0, 1)]
    spans = [range(-conv.padding[2 * a], last[a] + 1) for a in (0, 1)]
    for dy in spans[0]:
        for dx in spans[1]:
            phase_y, block, r = spot(dy, stride, spec.rows)
            phase_x, column, c = spot(dx, stride, spec.cols)
            if (phase_y or phase_x) and not layout.phased:
                continue
            y, x = tile[0] * stride * spec.rows + dy, tile[1] * stride * spec.cols + dx
            inside = 0 <= y < height and 0 <= x < width
            word = bits_of(layout, spec, block, column, phase_y, phase_x)
            known = banks[word, r, c]
            value = int(layer.image[y, x, 0]) if inside else layer.zero_point
            assert known in (-1, value) or not inside or layout.wrap
            banks[word, r, c] = value
    return banks


@given(layers())
@settings(max_examples=80, deadline=None)
def test_every_tap_finds_its_pixel(layer):
    """Through banks and table exactly as the hardware looks, for every tap and lane, and channel 0."""
    for step in plan_layer(layer.conv, layer.image.shape, layer.spec):
        y, x = step.source_block[0] * layer.spec.rows, step.source_block[1] * layer.spec.cols
        seen = layer.image[y:, x:, step.source.first :][..., : step.source.channels]
        check_taps(replace(layer, conv=step.conv, image=seen), step.layout)


@pytest.mark.parametrize("axis", [0, 1])
def test_taps_at_any_distances_find_their_pixels(axis):
    """Rows that no tap reads are loaded, too, and must not lie where others do."""
    rng = np.random.default_rng(0)
    spec = replace(DEFAULT, rows=4, cols=4, requantizers=4, bus_bytes=8)
    image = rng.integers(0, 256, (23, 21, 1), np.uint8)
    checked = 0
    for taps, step, padding, stride in product((1, 2, 3), (1, 2, 3, 5, 6), range(10), (1, 2)):
        kernel = (taps, 1) if axis == 0 else (1, taps)
        sides = (padding, 0, 0, 0) if axis == 0 else (0, 0, padding, 0)
        rest = {"stride": (stride, stride), "padding": sides, "dilation": (step, step)}
        conv = make_conv(rng, (1, *kernel, 1), **rest)
        if tiles.within_reach(conv, image.shape[:2], spec):
            (one,) = plan_layer(conv, image.shape, spec)
            for row in range(one.layout.tiles[0]):
                check_taps(Layer(conv, image, 7, spec), one.layout, row)
            checked += 1
    assert checked > 150


def check_taps(layer, layout, row=-1):
    """All taps of one pass, in the last tile of a row of tiles."""
    conv, spec = layer.conv, layer.spec
    tile = (row % layout.tiles[0], layout.tiles[1] - 1)
    banks = fill(layer, layout, tile)
    height, width = layer.image.shape[:2]
    _, rows, cols, _ = conv.weights.integers.shape
    for ky, kx in np.ndindex(rows, cols):
        tap = tiles.tap_of(TableEntry(ky, kx, 0), conv, layout, spec)
        for r, c in ((0, 0), (spec.rows - 1, spec.cols - 1), (spec.rows // 2, 1)):
            oy, ox = tile[0] * spec.rows + r, tile[1] * spec.cols + c
            if oy >= layout.output[0] or ox >= layout.output[1]:
                continue
            i, j = (r + tap.oy) % spec.rows, (c + tap.ox) % spec.cols
            far = tap.far ^ (i < tap.oy)
            column = tap.column + (j < tap.ox)
            word = tap.base | bits_of(layout, spec, far, column, 0, 0)
            y = oy * conv.stride[0] + ky * conv.dilation[0] - conv.padding[0]
            x = ox * conv.stride[1] + kx * conv.dilation[1] - conv.padding[2]
            inside = 0 <= y < height and 0 <= x < width
            assert banks[word, i, j] == (layer.image[y, x, 0] if inside else layer.zero_point)


def laid_out(shape, size, spec=DEFAULT, **rest):
    conv = conv_of(shape, **rest)
    held = placement_of(conv.weights, spec.slots, spec).channels
    return tiles.in_banks(
        tiles.geometry(conv, size, spec), conv.name, conv.groups * max(map(len, held)), spec
    )


TWO_ROWS = replace(DEFAULT, bus_bytes=16)
"""A beat holds two rows of a block."""


def test_a_3x3_layer_loads_one_beat_above_and_below():
    layout = laid_out((1, 3, 3, 4), (32, 32), TWO_ROWS, padding=(1, 1, 1, 1))
    assert (layout.first_block, layout.first_beat, layout.row_beats, layout.last_block) == (-1, 3, 6, 1)
    assert (layout.first_banks, layout.last_banks) == (0b10000000, 0b00000001)
    assert (layout.left, layout.right, layout.halo_rows, layout.phased) == (1, 1, True, False)
    assert (layout.ring, layout.columns, layout.tiles) == (3, 6, (4, 4))


def test_a_1x1_layer_needs_its_own_block_only():
    layout = laid_out((1, 1, 1, 4), (32, 32), TWO_ROWS)
    assert (layout.first_block, layout.row_beats, layout.left, layout.right) == (0, 4, 0, 0)
    assert not layout.halo_rows
    strided = laid_out((1, 1, 1, 4), (32, 32), TWO_ROWS, stride=(2, 2))
    assert (strided.stride, strided.phased, strided.row_beats) == (2, False, 8)


def test_a_strided_layer_has_phases():
    layout = laid_out((1, 3, 3, 4), (32, 32), stride=(2, 2), padding=(1, 1, 1, 1))
    assert (layout.phased, layout.left, layout.right) == (True, 1, 0)
    conv = conv_of((1, 3, 3, 4), stride=(2, 2), padding=(1, 1, 1, 1))
    corner, middle, end = (tiles.tap_of(TableEntry(tap, tap, 0), conv, layout, DEFAULT) for tap in range(3))
    # phase 1 begins in the middle of the banks: the pixel before the tile is bank 3 there
    assert (corner.oy, corner.ox, corner.far, corner.column) == (3, 3, 0, 0)
    assert (middle.oy, middle.ox, middle.base) == (0, 0, 0)
    assert (end.oy, end.base) == (4, 1 << 7 | 1 << 6)


def test_padding_on_both_sides_of_one_tile_shares_a_column():
    layout = laid_out((1, 3, 3, 4), (8, 8), padding=(1, 1, 1, 1))
    assert (layout.wrap, layout.left, layout.right, layout.ring) == (True, 1, 0, 1)
    wide = laid_out((1, 3, 3, 4), (8, 9), padding=(1, 1, 1, 1))
    assert (wide.wrap, wide.left, wide.right) == (False, 1, 1)


def test_the_ring_shrinks_before_a_layer_is_refused():
    shape, size, padding = (1, 3, 3, 512), (32, 32), (1, 1, 1, 1)
    assert laid_out(shape, size, padding=padding).ring == 2
    with pytest.raises(
        ShiftbookError,
        match="layer conv: a slot would hold 256 input channels and the activation banks have room for 128",
    ):
        laid_out((1, 3, 3, 1024), size, padding=padding)


def test_a_kernel_that_looks_too_far_is_refused():
    spec = replace(DEFAULT, rows=4, cols=4, table_entries=100)
    with pytest.raises(ShiftbookError, match=r"layer conv: its kernel with padding .* looks too far for 4x4"):
        laid_out((1, 7, 7, 4), (9, 9), spec, padding=(0, 0, 0, 0))
    assert laid_out((1, 5, 5, 4), (9, 9), spec, padding=(2, 2, 2, 2)).halo_rows


def test_other_strides_are_refused_unless_nothing_moves():
    with pytest.raises(
        ShiftbookError, match=r"layer conv: the engine has strides \(1, 1\) and \(2, 2\), not \(2, 1\)"
    ):
        laid_out((1, 3, 3, 4), (9, 9), stride=(2, 1))
    assert laid_out((1, 8, 8, 4), (8, 8), stride=(8, 8)).stride == 1
    assert laid_out((1, 7, 7, 4), (7, 7), DEFAULT.on_grid(4, 4), stride=(3, 1)).stride == 2


def test_owned_lanes_are_those_of_the_output():
    conv = conv_of((1, 1, 1, 4))
    layout = tiles.geometry(conv, (17, 10), DEFAULT)
    assert layout.tiles == (3, 2)
    owned = [tiles.owned_lanes(layout, tile, DEFAULT) for tile in np.ndindex(layout.tiles)]
    assert owned == [64, 16, 64, 16, 8, 2]
