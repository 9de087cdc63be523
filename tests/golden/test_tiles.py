"""Tile geometry: addresses, sub-blocks and banks against plain indexing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from golden import tiles
from golden.errors import ShiftbookError
from golden.placement import TableEntry, place
from golden.spec import DEFAULT
from golden.streams import placement_of
from tests.golden.layers import layers, make_conv


def conv_of(shape, **rest):
    return make_conv(np.random.default_rng(0), shape, **rest)


@given(layers())
@settings(max_examples=60, deadline=None)
def test_every_tap_finds_its_pixel(layer):
    """Through banks and table exactly as the hardware looks, for every tap, channel and lane."""
    conv, spec = layer.conv, layer.spec
    placement = placement_of(conv.weights, spec.slots, spec)
    layout = tiles.geometry(conv, layer.image.shape, placement, spec)
    table = tiles.tap_table(conv, layout, placement)
    top, _, left, _ = conv.padding
    fill = layer.zero_point
    padded = np.full((64, 64, layer.image.shape[2]), fill)
    height, width = layer.image.shape[:2]
    padded[top : top + height, left : left + width] = layer.image
    tile = (layout.tiles[0] - 1, layout.tiles[1] - 1)
    words = tiles.tile_words(conv, layout, placement, layer.image, tile, fill, spec)
    banks = np.full((spec.slots, spec.tile_words, spec.rows, spec.cols), -1)
    for slot in range(spec.slots):
        mine = words.slot_mask >> slot & 1 == 1
        banks[slot, words.address[mine]] = words.plane[mine].reshape(-1, spec.rows, spec.cols)
    for ky, kx, c in np.ndindex(placement.slot.shape):
        slot, position = placement.slot[ky, kx, c], placement.position[ky, kx, c]
        base, oy, ox = table[slot, position >> placement.channel_bits]
        local = position & (1 << placement.channel_bits) - 1
        address = base + (local << layout.channel_shift)
        for r, x in ((0, 0), (spec.rows - 1, spec.cols - 1), (spec.rows // 2, 1)):
            i, j = (r + oy) % spec.rows, (x + ox) % spec.cols
            block = int(i < oy) << 1 | int(j < ox)
            y = (tile[0] * spec.rows + r) * conv.stride[0] + ky
            want = padded[y, (tile[1] * spec.cols + x) * conv.stride[1] + kx, c]
            assert banks[slot, address | block, i, j] == want


def test_no_word_is_written_twice():
    conv = conv_of((2, 3, 3, 8), stride=(2, 2))
    placement = placement_of(conv.weights, 4, DEFAULT)
    layout = tiles.geometry(conv, (17, 17, 8), placement, DEFAULT)
    words = tiles.tile_words(conv, layout, placement, np.zeros((17, 17, 8), np.uint8), (0, 0), 0, DEFAULT)
    written = list(zip(words.address.tolist(), words.slot_mask.tolist(), strict=True))
    assert len(set(written)) == len(written) == tiles.fill_words(layout, placement) == 8 * (4 + 2 + 2 + 1)
    assert words.address.max() < layout.words == 4 * 2 * 4


def test_strided_kernels_use_only_the_phases_of_their_taps():
    conv = conv_of((1, 1, 1, 4), stride=(2, 2))
    layout = tiles.geometry(conv, (16, 16, 4), place((1, 1), 4, 4, DEFAULT), DEFAULT)
    assert (layout.phases, layout.channel_shift, layout.words) == (((0, 0),), 0, 1)
    conv = conv_of((1, 3, 2, 4), stride=(2, 1))
    layout = tiles.geometry(conv, (16, 16, 4), place((3, 2), 4, 4, DEFAULT), DEFAULT)
    assert layout.phases == ((0, 0), (1, 0))
    assert layout.reach == ((1, 1), (0, 1))
    assert tiles.tap_of(TableEntry(1, 1, 0), conv, layout) == (4, 0, 1)
    assert tiles.tap_of(TableEntry(2, 0, 0), conv, layout) == (0, 1, 0)


def test_scattered_channels_are_written_to_all_slots_at_once():
    conv = conv_of((1, 3, 3, 3))
    placement = placement_of(conv.weights, 4, DEFAULT)
    assert placement.mode == "scatter"
    layout = tiles.geometry(conv, (8, 8, 3), placement, DEFAULT)
    words = tiles.tile_words(conv, layout, placement, np.zeros((8, 8, 3), np.uint8), (0, 0), 0, DEFAULT)
    assert set(words.slot_mask.tolist()) == {15}
    assert sorted(words.address.tolist()) == list(range(12))


def test_a_kernel_that_looks_too_far_is_refused():
    spec = replace(DEFAULT, rows=4, cols=4, table_entries=100)
    conv = conv_of((1, 3, 5, 4))
    message = r"layer conv: a 3x5 kernel at stride \(1, 1\) looks \(2, 4\) pixels .* at most \(3, 3\)"
    with pytest.raises(ShiftbookError, match=message):
        tiles.geometry(conv, (9, 9, 4), placement_of(conv.weights, 4, spec), spec)
    tall = conv_of((1, 5, 3, 4))
    with pytest.raises(ShiftbookError, match=r"a 5x3 kernel .* looks \(4, 2\) pixels"):
        tiles.geometry(tall, (9, 9, 4), placement_of(tall.weights, 4, spec), spec)
    largest = conv_of((1, 4, 4, 4))
    assert tiles.geometry(largest, (9, 9, 4), placement_of(largest.weights, 4, spec), spec).reach == ((3, 3),)
    wide = replace(conv, stride=(1, 2))
    assert tiles.geometry(wide, (9, 9, 4), placement_of(conv.weights, 4, spec), spec).reach == (
        (2, 2),
        (2, 1),
    )


def test_a_tile_that_does_not_fit_is_refused():
    spec = replace(DEFAULT, tile_words=16)
    conv = conv_of((1, 3, 3, 20))
    with pytest.raises(
        ShiftbookError, match=r"layer conv: its tile takes 20 words .* the spec has 16: raise tile_words"
    ):
        tiles.geometry(conv, (9, 9, 20), placement_of(conv.weights, 4, spec), spec)
    fits = conv_of((1, 3, 3, 16))
    assert tiles.geometry(fits, (9, 9, 16), placement_of(fits.weights, 4, spec), spec).words == 16


def test_beats_become_pixels_and_edges_are_cut():
    spec = replace(DEFAULT, rows=4, cols=4, requantizers=8)
    beats = np.arange(2 * 2 * 8, dtype=np.uint8).reshape(4, 8)
    grid = tiles.grid_of_beats(beats, spec)
    # Channel 1 starts at beat 2; lane 5 = q * 2 + j is byte q = 2 of its beat j = 1.
    assert grid[1].ravel()[5] == beats[2 + 1, 2]
    output = np.zeros((6, 5, 2), np.uint8)
    tiles.place_grid(output, grid, (1, 1))
    assert np.array_equal(output[4:6, 4, 0], grid[0, :2, 0])
    assert not output[:4].any()


def test_owned_lanes_are_those_of_the_output():
    conv = conv_of((1, 1, 1, 4))
    layout = tiles.geometry(conv, (17, 10, 4), place((1, 1), 4, 4, DEFAULT), DEFAULT)
    assert layout.tiles == (3, 2)
    owned = [tiles.owned_lanes(layout, tile, DEFAULT) for tile in np.ndindex(layout.tiles)]
    assert owned == [64, 16, 64, 16, 8, 2]
