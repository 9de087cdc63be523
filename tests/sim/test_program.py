"""Programs, tiles and streams, run by the slow engine, against the golden convolution and cycle model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from golden import items, streams, tiles
from golden.cycles import layer_cycles
from golden.errors import ShiftbookError
from golden.integer import accumulate, convolve
from golden.spec import DEFAULT, PRESETS
from hw.registers import INDEX_WIDTH, Region, Register, tap, unpack
from sim import program
from tests.golden.engine_reference import EngineReference
from tests.golden.layers import Layer, layers, make_conv


def laid_out(layer: Layer):
    placement = items.placement_of(layer.conv.weights, layer.spec.slots, layer.spec)
    return placement, tiles.geometry(layer.conv, layer.image.shape, placement, layer.spec)


def run_on_reference(layer: Layer):
    """The layer's output, tile by tile, and the outcomes of the tiles."""
    spec, conv = layer.spec, layer.conv
    placement, layout = laid_out(layer)
    built = program.build(conv, layout, placement, spec)
    engine = EngineReference(spec)
    for address, word in zip(built.address.tolist(), built.data.tolist(), strict=True):
        engine.write(address, word)
    output = np.zeros((*layout.output, len(conv.weights.integers)), np.uint8)
    outcomes = []
    for tile in np.ndindex(layout.tiles):
        words = tiles.tile_words(conv, layout, placement, layer.image, tile, layer.zero_point, spec)
        assert len(words.address) == tiles.fill_words(layout, placement)
        for address, slot_mask, plane in zip(*words, strict=True):
            engine.fill(slot_mask, address, plane)
        outcome = engine.run(built.gaps, built.codes, built.channels.tolist())
        outcomes.append(outcome)
        tiles.place_grid(output, tiles.grid_of_beats(outcome.beats, spec), tile)
    return output, outcomes


def check(layer: Layer) -> None:
    output, outcomes = run_on_reference(layer)
    want = convolve(layer.image[None], layer.conv, layer.zero_point)[0]
    assert np.array_equal(output, want)
    cost = layer_cycles(layer.conv, layer.image.shape, layer.spec)
    assert len(outcomes) == cost.tiles
    for outcome in outcomes:
        assert outcome.durations == cost.durations.tolist()
        assert outcome.rows == cost.tile_rows


@given(layers())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_the_slow_engine_equals_golden(layer):
    check(layer)


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("gapless", [False, True])
@pytest.mark.parametrize(
    ("inputs", "kernel", "stride", "padding", "size"),
    [
        (8, (3, 3), (1, 1), (1, 1, 1, 1), (10, 9)),
        (8, (3, 3), (2, 2), (1, 1, 1, 1), (16, 17)),
        (3, (3, 3), (2, 1), (0, 1, 2, 0), (9, 9)),
        (16, (1, 1), (1, 1), (0, 0, 0, 0), (1, 1)),
        (5, (7, 7), (1, 2), (3, 3, 3, 3), (8, 8)),
    ],
)
def test_named_shapes_on_every_preset(preset, gapless, inputs, kernel, stride, padding, size):
    rng = np.random.default_rng(3)
    conv = make_conv(
        rng,
        (3, *kernel, inputs),
        gapless=gapless,
        values=[-24, -17, 8, 16, 20],
        stride=stride,
        padding=padding,
    )
    image = rng.integers(0, 256, (*size, inputs), np.uint8)
    check(Layer(conv, image, 9, replace(PRESETS[preset], table_entries=100, tile_words=512)))


def test_a_layer_without_gaps_and_without_zeros():
    rng = np.random.default_rng(4)
    conv = make_conv(rng, (5, 3, 3, 8), density=1.0, gapless=True)
    integers = np.where(conv.weights.integers == 0, 7, conv.weights.integers)
    weights = replace(conv.weights, integers=integers, codebook=np.unique(integers))
    check(Layer(replace(conv, weights=weights), rng.integers(0, 256, (9, 9, 8), np.uint8), 5, DEFAULT))


def test_a_long_silence_spans_output_channels():
    """Escapes across channels without any weight, at the start, between and at the end."""
    conv = make_conv(np.random.default_rng(0), (9, 3, 3, 8), density=0.0)
    conv.weights.integers[2, 0, 0, 0] = 3
    conv.weights.integers[6, 2, 2, 7] = -3
    image = np.random.default_rng(1).integers(0, 256, (8, 8, 8), np.uint8)
    check(Layer(conv, image, 0, replace(DEFAULT, gap_symbols=4)))


def test_accumulators_of_the_slow_engine_are_those_of_golden():
    rng = np.random.default_rng(5)
    layer = Layer(make_conv(rng, (4, 3, 3, 8)), rng.integers(0, 256, (10, 10, 8), np.uint8), 3, DEFAULT)
    _, outcomes = run_on_reference(layer)
    want = accumulate(layer.image[None], layer.conv.weights.integers, pad_value=3)[0]
    assert np.array_equal(outcomes[0].accumulators.reshape(4, 8, 8).transpose(1, 2, 0), want)


def test_registers_hold_the_layer():
    rng = np.random.default_rng(5)
    layer = Layer(make_conv(rng, (4, 3, 3, 8)), rng.integers(0, 256, (10, 10, 8), np.uint8), 3, DEFAULT)
    placement, layout = laid_out(layer)
    built = program.build(layer.conv, layout, placement, DEFAULT)
    writes = dict(zip(built.address.tolist(), built.data.tolist(), strict=True))
    assert len(writes) == len(built.address)
    assert [writes[register] for register in Register][:5] == [18, 1, 2, 4, 0]
    assert [writes[register] for register in Register][8:] == [1, 0, 0]
    # slot 1, tap (1, 1), two channels
    assert writes[Region.TAPS << INDEX_WIDTH | 64 + 4] == 0 | 1 << 8 | 1 << 11 | 2 << 14


@pytest.mark.parametrize(
    ("inputs", "channels"),
    [(30, [[8] * 9, [8] * 9, [7] * 9, [7] * 9]), (3, [[1] * 7, [1] * 7, [1] * 7, [1] * 6 + [0]])],
    ids=["channel", "scatter"],
)
def test_tap_table_entries_know_the_channels_that_exist(inputs, channels):
    rng = np.random.default_rng(5)
    layer = Layer(make_conv(rng, (4, 3, 3, inputs)), np.zeros((9, 9, inputs), np.uint8), 3, DEFAULT)
    placement, layout = laid_out(layer)
    built = program.build(layer.conv, layout, placement, DEFAULT)
    writes = dict(zip(built.address.tolist(), built.data.tolist(), strict=True))
    for slot, counts in enumerate(channels):
        words = [writes[Region.TAPS << INDEX_WIDTH | 64 * slot + entry] for entry in range(len(counts))]
        assert [unpack(tap(DEFAULT), word)["channels"] for word in words] == counts


def test_streams_at_hand_are_used_and_checked():
    rng = np.random.default_rng(5)
    conv = make_conv(rng, (4, 3, 3, 8))
    layer = Layer(conv, rng.integers(0, 256, (10, 10, 8), np.uint8), 3, DEFAULT)
    placement, layout = laid_out(layer)
    coded = streams.encode(conv.weights, 4, DEFAULT)
    built = program.build(conv, layout, placement, DEFAULT, coded)
    again = program.build(conv, layout, placement, DEFAULT)
    for a, b in zip(built.gaps + built.codes, again.gaps + again.codes, strict=True):
        assert np.array_equal(a, b)
    with pytest.raises(
        ShiftbookError, match="layer conv: coded for 2 slots and the spec has 4: code it again"
    ):
        program.build(conv, layout, placement, DEFAULT, streams.encode(conv.weights, 2, DEFAULT))
    other = replace(DEFAULT, gap_symbols=32)
    with pytest.raises(ShiftbookError, match="layer conv: coded with 32 gap symbols and the spec has 64"):
        program.build(conv, layout, placement, DEFAULT, streams.encode(conv.weights, 4, other))


def test_a_codebook_of_too_many_rows_is_refused():
    spec = replace(DEFAULT, codebook_rows=16)
    conv = make_conv(np.random.default_rng(0), (4, 3, 3, 8), values=[85, -85, 107, 91, 43])
    placement = items.placement_of(conv.weights, 4, spec)
    layout = tiles.geometry(conv, (10, 10, 8), placement, spec)
    with pytest.raises(ShiftbookError, match="layer conv: its codebook takes 20 rows and the spec has 16"):
        program.build(conv, layout, placement, spec)
