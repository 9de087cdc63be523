"""What the accelerator cannot run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_runnable, recode
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Pool
from shiftbook.golden.spec import DEFAULT, PRESETS
from tests.golden.layers import Layer, make_conv, one_layer_network


def network_of(shape=(4, 3, 3, 8), size=(10, 10), spec=DEFAULT, **rest) -> Network:
    conv = make_conv(np.random.default_rng(0), shape, **rest)
    channels = shape[3] * conv.groups
    return one_layer_network(Layer(conv, np.zeros((*size, channels), np.uint8), 0, spec))


def with_requantize(**changes) -> Network:
    network = network_of()
    conv = network.nodes[0]
    return replace(network, nodes=(replace(conv, requantize=replace(conv.requantize, **changes)),))


def pooled(kind: str) -> Network:
    network = network_of(values=[2, 4])
    return replace(network, nodes=(*network.nodes, Pool("pool", "conv", kind, (2, 2), (2, 2))))


def unbalanced() -> Network:
    network = network_of()
    conv = network.nodes[0]
    owner = np.array([0, 0, 0, 0, 1, 2, 3, 3], np.uint8)
    return replace(network, nodes=(replace(conv, weights=replace(conv.weights, slot_of_channel=owner)),))


FAULTS = [
    (lambda: network_of((4, 3, 3, 2), groups=2), DEFAULT, None),
    (
        lambda: network_of((4, 3, 3, 30), groups=2),
        DEFAULT,
        "layer conv: 4 slots cannot share the 30 channels of a group evenly",
    ),
    (
        network_of,
        replace(DEFAULT, slots=2),
        "the network is coded for 4 slots and the spec has 2: compress it for these",
    ),
    (
        lambda: network_of((4, 9, 9, 8)),
        replace(DEFAULT, accumulator_width=32),
        "layer conv: a 9x9 kernel takes several passes, and partial sums have 24 bits: lower",
    ),
    (
        lambda: network_of((4, 5, 5, 8)),
        replace(DEFAULT, rows=4, cols=4),
        None,
    ),
    (
        lambda: network_of((4, 7, 7, 2)),  # in parts
        replace(DEFAULT, rows=4, cols=4),
        None,
    ),
    (lambda: network_of((4, 3, 3, 1024), padding=(1, 1, 1, 1)), DEFAULT, None),
    (
        lambda: pooled("max"),
        replace(DEFAULT, terms=((1, 7),)),
        r"layer pool: a maximum needs a term of exponent 0, and the spec's terms are \(\(1, 7\),\)",
    ),
    (lambda: pooled("max"), DEFAULT, None),
    (
        lambda: network_of((4, 3, 3, 128)),
        replace(DEFAULT, position_width=8),
        "layer conv: 288 positions .* position_width of 8 bits",
    ),
    (unbalanced, DEFAULT, "layer conv: slot_of_channel must give each slot at most 2 of 8 channels"),
    (
        lambda: network_of(values=[16, 85]),
        replace(PRESETS["focused"], terms=((4, 4),)),
        r"layer conv: weight 85 needs more than 4 rows of terms with exponents in \(\(4, 4\),\)",
    ),
    (
        lambda: network_of(values=list(range(1, 20))),
        replace(DEFAULT, code_symbols=16),
        "layer conv: its codebook has 19 entries and the spec has room for 16",
    ),
    (
        lambda: network_of(values=[85, 107, 91, 43, 75]),
        replace(DEFAULT, codebook_rows=16),
        "layer conv: its codebook takes 20 rows and the spec has 16: raise codebook_rows",
    ),
    (
        lambda: network_of((70, 1, 1, 8)),
        replace(DEFAULT, channel_counter_width=8),
        None,
    ),
    (
        lambda: network_of((256, 1, 1, 8)),
        replace(DEFAULT, channel_counter_width=8),
        r"layer conv: output channels must be in 1\.\.255, not 256, with the spec's channel_counter_width",
    ),
    (
        lambda: network_of((4, 3, 3, 8), density=1.0, values=[127]),
        replace(DEFAULT, accumulator_width=20),
        "layer conv: the accumulator of output channel 0 needs 23 bits and the spec has 20",
    ),
    (
        lambda: with_requantize(shift=np.full(4, 34)),
        DEFAULT,
        r"layer conv: shift must be in 0\.\.33, not 34, with the spec's shift_width",
    ),
    (
        lambda: with_requantize(multiplier=np.full(4, 1024)),
        DEFAULT,
        r"layer conv: multiplier must be in 0\.\.1023, not 1024, with the spec's multiplier_width",
    ),
    (
        lambda: with_requantize(multiplier=np.full(4, 256), shift=np.zeros(4, np.int64)),
        DEFAULT,
        r"layer conv: multiplier must be in 0\.\.1023, not 1024",
    ),
    (
        lambda: with_requantize(bias=np.full(4, 1 << 23)),
        DEFAULT,
        r"layer conv: bias must be in -8388608\.\.8388607, not 8388608, with the spec's accumulator_width",
    ),
]


@pytest.mark.parametrize(("build", "spec", "message"), FAULTS)
def test_what_the_engine_cannot_run(build, spec, message):
    if message is None:
        check_runnable(build(), spec)
        return
    with pytest.raises(ShiftbookError, match=message) as caught:
        check_runnable(build(), spec)
    assert "\n" not in str(caught.value)


def without_zeros(inputs, values=(1, 2)) -> Network:
    """A 3x3 layer without gaps on 4 slots, and no 0 in it."""
    network = network_of((4, 3, 3, inputs), gapless=True, density=1.0, values=list(values))
    conv = network.nodes[0]
    integers = np.random.default_rng(0).choice(np.array(values, np.int16), conv.weights.integers.shape)
    weights = replace(conv.weights, integers=integers, codebook=np.array(values, np.int16))
    return replace(network, nodes=(replace(conv, weights=weights),))


def test_a_gapless_layer_needs_a_zero_only_for_padding():
    check_runnable(without_zeros(8), DEFAULT)
    with pytest.raises(ShiftbookError, match="layer conv: a layer without gaps needs 0 in its codebook"):
        check_runnable(without_zeros(3), DEFAULT)  # 27 weights on 4 slots


def test_a_dense_feed_takes_any_codebook():
    check_runnable(network_of(values=list(range(1, 20))), replace(PRESETS["int8"], code_symbols=4))


@pytest.mark.parametrize("slots", [1, 2, 3, 8])
def test_recoding_for_other_slots(slots):
    network = network_of()
    conv = network.nodes[0]
    owner = np.array([3, 2, 1, 0, 0, 1, 2, 3], np.uint8)
    balanced = replace(network, nodes=(replace(conv, weights=replace(conv.weights, slot_of_channel=owner)),))
    spec = replace(DEFAULT, slots=slots)
    for original in (network, balanced):
        other = recode(original, spec)
        assert other.slots == slots
        check_runnable(other, spec)
        assert np.array_equal(other.nodes[0].weights.integers, conv.weights.integers)
        spread = other.nodes[0].weights.slot_of_channel is not None
        assert spread == (slots in (1, 2))  # two channels a slot or more, and as many in each


def test_recoding_adds_the_zero_of_padding_and_takes_it_away():
    network = without_zeros(8)
    conv = network.nodes[0]
    five = replace(DEFAULT, slots=5)  # 72 weights on 5 slots
    padded = recode(network, five)
    check_runnable(padded, five)
    weights = padded.nodes[0].weights
    assert weights.gapless
    assert weights.codebook.tolist() == [0, 1, 2]
    assert np.array_equal(weights.integers, conv.weights.integers)
    again = recode(padded, DEFAULT).nodes[0].weights
    assert again.gapless
    assert again.codebook.tolist() == [1, 2]


def test_recoding_takes_gaps_where_the_codebook_has_no_room_for_the_zero():
    spec = replace(DEFAULT, slots=5, code_symbols=4)
    other = recode(without_zeros(8, values=(-2, -1, 1, 2)), spec)
    check_runnable(other, spec)
    weights = other.nodes[0].weights
    assert not weights.gapless
    assert weights.codebook.tolist() == [-2, -1, 1, 2]


def test_recoding_names_a_layer_that_no_slot_can_hold():
    with pytest.raises(ShiftbookError, match="layer conv: 324 positions of an output channel in a slot"):
        recode(network_of((4, 9, 9, 8)), replace(DEFAULT, slots=2, position_width=8))


def test_a_kernel_of_more_taps_than_the_table_is_coded_and_runs_in_parts():
    spec = replace(DEFAULT, slots=2)
    other = recode(network_of((4, 9, 9, 8)), spec)
    steps = check_runnable(other, spec).passes
    assert sum(step.node == "conv" for step in steps) == 2
