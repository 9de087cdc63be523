"""Each message with which Spec refuses a value, and the widths that are derived."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT, PRESETS, Spec


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": 1}, "rows must be an integer in 2..32, not 1"),
        ({"cols": 33}, "cols must be an integer in 2..32, not 33"),
        ({"tile_words": 300}, "tile_words must be a power of two, not 300"),
        ({"cols": 32, "bus_bytes": 16}, "bus_bytes must be at least 32, for a row of 32 lanes, not 16"),
        ({"slots": 0}, "slots must be an integer in 1..16, not 0"),
        ({"slots": 2.0}, "slots must be an integer in 1..16, not 2.0"),
        ({"slots": "4"}, "slots must be an integer in 1..16, not '4'"),
        ({"accumulator_width": 15}, "accumulator_width must be an integer in 16..32, not 15"),
        ({"multiplier_width": 17}, "multiplier_width must be an integer in 9..16, not 17"),
        ({"shift_width": 3}, "shift_width must be an integer in 4..6, not 3"),
        ({"requantizers": 65}, "requantizers must be an integer in 1..64, not 65"),
        (
            {"requantizers": 7},
            (
                "7 requantizers cannot drain 8x8 lanes in even parts or whole rows of a beat of 32 bytes: "
                "1, 2, 4, 8, 16, 32 can"
            ),
        ),
        ({"tile_words": 8}, "tile_words must be an integer in 64..16384, not 8"),
        ({"table_entries": 512}, "table_entries must be an integer in 4..256, not 512"),
        ({"codebook_rows": 8193}, "codebook_rows must be an integer in 16..8192, not 8193"),
        ({"codebooks": 0}, "codebooks must be an integer in 1..4, not 0"),
        ({"vector_size": 33}, "vector_size must be an integer in 1..32, not 33"),
        (
            {"tile_words": 8192},
            "tile_words must be smaller on 8x8 lanes, not 8192: a tap table entry would take 36 bits of 32",
        ),
        ({"code_symbols": 257}, "code_symbols must be an integer in 4..256, not 257"),
        ({"gap_symbols": 2}, "gap_symbols must be an integer in 4..256, not 2"),
        ({"code_length": 16}, "code_length must be an integer in 8..15, not 16"),
        ({"word_width": 8}, "word_width must be an integer in 16..32, not 8"),
        ({"position_width": 21}, "position_width must be an integer in 8..20, not 21"),
        ({"bus_parity": 1}, "bus_parity must be True or False, not 1"),
        ({"function_tables": None}, "function_tables must be True or False, not None"),
        ({"bus_parity": "odd"}, "bus_parity must be True or False, not 'odd'"),
        ({"interleaving": 1}, "interleaving must be True or False, not 1"),
        ({"weight_width": 2}, "weight_width must be an integer in 4..8, not 2"),
        ({"weight_width": 6}, "weight_width must be a power of two, not 6"),
        ({"lane": "add"}, "lane must be one of ('shift', 'multiply'), not 'add'"),
        ({"feed": "raw"}, "feed must be one of ('coded', 'dense'), not 'raw'"),
        ({"feed": "dense"}, "feed 'dense' needs lane 'multiply': shift lanes take terms from a codebook"),
        ({"terms": ()}, "terms must name at least one exponent range"),
        ({"terms": ((3, 2),)}, "an exponent range must satisfy 0 <= low <= high <= 7, not (3, 2)"),
        ({"terms": ((0, 8),)}, "an exponent range must satisfy 0 <= low <= high <= 7, not (0, 8)"),
    ],
)
def test_refuses(fields, message):
    with pytest.raises(ShiftbookError) as caught:
        Spec(**fields)
    assert str(caught.value) == message


def test_a_spec_does_not_change():
    with pytest.raises(FrozenInstanceError):
        DEFAULT.rows = 4  # type: ignore[misc]


def test_derived_widths():
    spec = Spec(rows=4, cols=8, requantizers=4, tile_words=512, codebook_rows=16, gap_symbols=32)
    assert (spec.lanes, spec.drain_cycles, spec.address_width) == (32, 8, 9)
    assert (spec.row_address_width, spec.escape_gap) == (4, 31)
    assert (spec.channel_count_width, spec.tap_width) == (10, 9 + 2 + 3 + 3 + 10)


@pytest.mark.parametrize(("size", "width"), [(1, 0), (2, 1), (9, 4), (16, 4), (32, 5)])
def test_an_offset_is_below_the_vector_size(size, width):
    assert Spec(vector_size=size).offset_width == width


def test_a_coded_feed_takes_a_cycle_longer_to_the_lanes():
    dense, coded = PRESETS["int8"], PRESETS["int8_sparse"]
    assert (dense.lookup_cycles, coded.lookup_cycles) == (2, 3)
    assert (dense.accumulate_cycles, coded.accumulate_cycles) == (3, 4)
    assert dense.channel_count_width == 0


@pytest.mark.parametrize(
    ("size", "requantizers", "other", "bus"),
    [
        ((8, 8), 8, 8, 32),
        ((8, 8), 2, 2, 32),
        ((2, 2), 8, 1, 8),
        ((4, 4), 8, 2, 16),
        ((4, 4), 16, 4, 16),
        ((16, 16), 8, 32, 32),
        ((16, 16), 16, 32, 32),
        ((16, 16), 2, 8, 32),
        ((7, 7), 8, 7, 32),
        ((7, 7), 16, 7, 32),
        ((14, 14), 8, 28, 32),
        ((6, 5), 2, 5, 32),
        ((2, 32), 8, 8, 32),
    ],
)
def test_requantizers_and_bus_follow_the_grid(size, requantizers, other, bus):
    spec = replace(PRESETS["focused"], requantizers=requantizers)
    grid = spec.on_grid(*size)
    assert (grid.requantizers, grid.bus_bytes) == (other, bus)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((33, 8), "rows must be an integer in 2..32, not 33"),
        ((8, 0), "cols must be an integer in 2..32, not 0"),
        ((1, 1), "rows must be an integer in 2..32, not 1"),
    ],
)
def test_another_grid_must_be_one(size, message):
    with pytest.raises(ShiftbookError) as caught:
        DEFAULT.on_grid(*size)
    assert str(caught.value) == message


def test_as_json_gives_every_field_and_builds_the_same_spec():
    assert Spec(**DEFAULT.as_json()) == DEFAULT
    assert set(PRESETS["focused"].as_json()) == set(DEFAULT.as_json())


def test_presets_differ_only_where_they_say():
    presets = {
        "shift": set(),
        "two_term": {"terms"},
        "focused": {"terms"},
        "shift4": {
            "terms",
            "accumulator_width",
            "codebooks",
            "vector_size",
            "codebook_rows",
            "code_symbols",
            "code_length",
        },
        "int8": {"lane", "feed"},
        "int8_sparse": {"lane"},
    }
    assert set(presets) == set(PRESETS)
    for name, changed in presets.items():
        fields = PRESETS[name].as_json()
        assert {key for key, value in DEFAULT.as_json().items() if fields[key] != value} == changed


@pytest.mark.parametrize(("bus", "requantizers"), [(16, 16), (32, 32), (64, 32), (None, 32)])
def test_a_narrow_bus_has_fewer_requantizers(bus, requantizers):
    assert DEFAULT.on_grid(16, 16, bus).requantizers == requantizers
