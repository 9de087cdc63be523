"""Lowering, against exact arithmetic where the numbers allow it and against a derived bound elsewhere."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from shiftbook.frontend.data.batches import normalize
from shiftbook.frontend.fusing.operators.pool import PoolLayer
from shiftbook.frontend.graph.model import INPUT
from shiftbook.frontend.importing.normalization import Normalization
from shiftbook.frontend.lowering.lower import fold_norm, input_requantizer, lower
from shiftbook.frontend.quantization.affine import Affine, fixed_point
from shiftbook.frontend.schemes.base import QuantizedLayer
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model import executor
from shiftbook.golden.model.integer import accumulate, requantize
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import DEFAULT, LEAST_SHIFT
from tests.frontend.lowering.checking import check_layers, lowered, random_images, real_values
from tests.frontend.models import Residual, dilated, layers_of, small

PLAIN = Normalization((0.0, 0.0), (1.0, 1.0))


CASES = [
    (Residual, (3, 16, 16), "int8"),
    (small, (2, 8, 8), "int8"),
    (small, (2, 8, 8), "shift"),
    (dilated, (3, 12, 12), "int8"),
    (dilated, (3, 12, 12), "shift"),
]


@pytest.mark.parametrize(("model", "shape", "scheme"), CASES)
def test_accumulators_equal_torch_on_the_same_integers(model, shape, scheme):
    """Exact: golden's accumulators against torch's float64 convolution of the same integers."""
    _, network, scales, tensors = lowered(model(), shape, scheme)
    convs = [node for node in network.nodes if isinstance(node, Conv)]
    assert convs
    for node in convs:
        zero = scales[node.source].zero_point
        got = accumulate(
            tensors[node.source],
            node.weights.integers,
            stride=node.stride,
            padding=node.padding,
            dilation=node.dilation,
            groups=node.groups,
            pad_value=zero,
        )
        top, bottom, left, right = node.padding
        x = torch.from_numpy(tensors[node.source]).permute(0, 3, 1, 2).double()
        x = nn.functional.pad(x, (left, right, top, bottom), value=zero)
        w = torch.from_numpy(node.weights.integers.astype(np.float64)).permute(0, 3, 1, 2)
        expected = nn.functional.conv2d(x, w, stride=node.stride, dilation=node.dilation, groups=node.groups)
        assert np.array_equal(got, expected.permute(0, 2, 3, 1).numpy())


@pytest.mark.parametrize(("model", "shape", "scheme"), CASES)
def test_each_layer_is_within_its_rounding_of_float64(model, shape, scheme):
    check_layers(*lowered(model(), shape, scheme))


def test_the_whole_network_follows_the_float_model():
    """End to end, where roundings add up: within 2 % of the range of the scores (measured 0.6 %)."""
    model = Residual()
    graph, _, scales, tensors = lowered(model, (3, 16, 16))
    images = random_images(8, 16, 16, 3)
    with torch.no_grad():
        expected = model(normalize(images, (0.4,) * 3, (0.25,) * 3).contiguous())
    last = graph.layers[-1].name
    got = real_values(tensors[last], scales[last]).flatten(1)
    span = float(expected.max() - expected.min())
    assert float((got - expected).abs().max()) < 0.02 * span


@given(
    acc=st.lists(st.integers(-(2**20), 2**20), min_size=1, max_size=30),
    gain=st.integers(1, 1023),
    power=st.integers(10, 24),
    offset=st.integers(-(2**12), 2**12),
    zero=st.integers(0, 255),
)
def test_dyadic_gains_round_exactly_half_up(acc, gain, power, offset, zero):
    """Where gain and offset are representable, the output is the exact rational, rounded half up."""
    layer = one_by_one(1.0, 0.0)
    layer.module.bias.data[:] = float(offset * gain * 2.0**-power)
    requantizer = lower_one(layer, Affine(1.0, 0), Affine(1.0, zero), step=gain * 2.0**-power)
    got = requantize(np.array(acc, np.float64)[:, None], requantizer)[:, 0]
    exact = [Fraction(gain, 2**power) * (a + offset) + zero + Fraction(1, 2) for a in acc]
    expected = [min(255, max(0, value.numerator // value.denominator)) for value in exact]
    assert got.tolist() == expected


def one_by_one(weight_value, bias_value, channels=1, **norm):
    """A traced layer: a 1x1 convolution of one weight 1, and batch norm where values for it are given."""
    conv = nn.Conv2d(channels, 1, 1)
    conv.weight.data[:] = weight_value
    conv.bias.data[:] = bias_value
    parts = [conv]
    if norm:
        parts.append(nn.BatchNorm2d(1))
        parts[1].eps = norm.pop("eps", 0.0)
        for name, value in norm.items():
            getattr(parts[1], name).data[:] = value
    return next(layers_of(nn.Sequential(*parts), (channels, 1, 1)).convs())


def lower_one(layer, source, target, step=1.0, integers=None, scheme="int8"):
    """Requantizer of a network of this one layer, whose integer weights are all 1 unless given."""
    return lower_whole(layer, source, target, step, integers, scheme).nodes[0].requantize


def lower_whole(layer, source, target, step=1.0, integers=None, scheme="int8"):
    channels = layer.input_shape[0]
    if integers is None:
        integers = np.ones((1, 1, 1, channels), np.int16)
    graph = type("Graph", (), {"layers": [layer], "input_shape": layer.input_shape, "results": (layer.name,)})
    quantized = {layer.path: QuantizedLayer(integers, step, np.unique(integers), scheme)}
    normalization = Normalization((0.0,) * channels, (1.0,) * channels)
    return lower(graph, quantized, {INPUT: source, layer.name: target}, normalization)


def test_batch_norm_goes_to_the_requantizer_and_not_to_the_weights():
    layer = one_by_one(1.0, 0.5, weight=-3.0, bias=2.0, running_mean=1.0, running_var=4.0 - 1e-5, eps=1e-5)
    gain, offset = fold_norm(layer)
    assert gain[0] == pytest.approx(-1.5, rel=1e-6)
    assert offset[0] == pytest.approx(2 - 1.5 * (0.5 - 1), rel=1e-6)
    network = lower_whole(layer, Affine(1.0, 3), Affine(1.0, 128), step=2.0**-4)
    weights, requantizer = network.nodes[0].weights, network.nodes[0].requantize
    assert weights.integers.tolist() == [[[[-1]]]], "only the sign of a negative gain reaches the weights"
    got = requantize(np.array([[-(x + 3.0)] for x in range(100)]), requantizer)[:, 0]
    expected = [int(np.floor(128 - 1.5 * x / 16 + 2.75 + 0.5)) for x in range(100)]
    assert np.abs(got.astype(int) - expected).max() <= 1
    assert (got == expected).mean() > 0.9


@pytest.mark.parametrize("fault", ["gain", "weights", "weights and variance"])
def test_a_channel_without_gain_or_weights_is_its_constant(fault):
    weight = 0.0 if fault == "gain" else 1.0
    variance = 1e-6 if "variance" in fault else 1.0
    layer = one_by_one(1.0, 0.0, weight=weight, bias=2.25, running_mean=0.0, running_var=variance)
    integers = np.full((1, 1, 1, 1), int(fault == "gain"), np.int16)
    network = lower_whole(layer, Affine(1.0, 7), Affine(0.5, 10), integers=integers)
    assert not network.nodes[0].weights.integers.any()
    got = executor.run(network, random_images(3, 1, 1, 1)).outputs
    assert set(got.ravel()) == {10 + 5}, "2.25 is 4.5 steps of 0.5, and halves round up"


@pytest.mark.parametrize(("bias", "level"), [(-10.0, 0), (16.0, 60)])
def test_a_channel_that_never_leaves_its_clamp_is_constant_where_its_bias_is_too_large(bias, level):
    """ReLU6 at steps of 0.1 ends at 60; the channel reaches 2 steps to either side of its bias."""
    layer = one_by_one(1.0, 0.0, 8, weight=1.0, bias=bias, running_mean=0.0, running_var=1.0)
    layer.activation = "relu6"
    integers = np.full((1, 1, 1, 8), 127, np.int16)
    step = 0.1 / 2**17  # -10 is then 100 * 2^17 steps of the accumulator, more than 24 bits
    network = lower_whole(layer, Affine(1.0, 0), Affine(0.1, 0), step=step, integers=integers)
    assert not network.nodes[0].weights.integers.any()
    got = executor.run(network, random_images(30, 1, 1, 8)).outputs
    assert set(got.ravel()) == {level}


def test_a_bias_that_no_accumulator_holds_is_refused():
    layer = one_by_one(1.0, 0.0, weight=1.0, bias=200.0, running_mean=0.0, running_var=1.0)
    integers = np.full((1, 1, 1, 1), 127, np.int16)
    with pytest.raises(ShiftbookError, match=r"layer 0: the bias of output channel 0 would be 1e\+07 steps"):
        lower_one(layer, Affine(1.0, 0), Affine(1.0, 0), 2e-5, integers, "shift")


@pytest.mark.parametrize(("channels", "reach", "offset"), [(300, 200, 0), (300, 200, 30), (30, 12, 180)])
def test_int8_weights_give_way_where_accumulator_or_bias_are_too_wide(channels, reach, offset):
    """Other schemes refuse these: all weights count alike, or the offset is many steps of the accumulator."""
    layer = one_by_one(1.0, float(offset), channels)
    integers = np.random.default_rng(1).integers(100, 128, (1, 1, 1, channels)).astype(np.int16)
    step = reach / integers.sum()
    source, target = Affine(1 / 255, 0), Affine(1.0, 20)
    with pytest.raises(ShiftbookError, match="accumulator"):
        lower_whole(layer, source, target, step, integers, "shift")
    network = lower_whole(layer, source, target, step, integers)
    images = random_images(40, 1, 1, channels)
    got = executor.run(network, images).outputs[:, 0]
    exact = images.reshape(40, -1) / 255 @ integers.ravel() * step + offset + 20
    assert np.abs(got - exact).max() < 0.8
    assert len(set(got)) > 2, "the channel did not become a constant"


def test_a_gain_beyond_the_multiplier_is_refused():
    with pytest.raises(ShiftbookError, match=r"layer 0: a requantizer gain of 2000 exceeds .* 255.8"):
        lower_one(one_by_one(1.0, 0.0), Affine(1.0, 0), Affine(1.0, 0), step=2000.0)


def test_an_accumulator_that_could_overflow_is_refused():
    layer = one_by_one(1.0, 0.0, channels=300)
    integers = np.full((1, 1, 1, 300), 127, np.int16)
    with pytest.raises(ShiftbookError, match="layer 0: the accumulator of output channel 0 needs 25 bits"):
        lower_one(layer, Affine(1.0, 0), Affine(40000.0, 0), 1.0, integers, "shift")


@given(st.lists(st.floats(1e-12, 255), min_size=1, max_size=8))
def test_fixed_point_is_the_nearest_that_fits(gains):
    multiplier, shift = fixed_point(np.array(gains), DEFAULT)
    assert (multiplier >= 0).all()
    assert (multiplier <= 1023).all()
    assert (shift >= LEAST_SHIFT).all()
    assert (shift <= DEFAULT.largest_shift).all()
    for gain, m, s in zip(gains, multiplier, shift, strict=True):
        assert abs(Fraction(gain) - Fraction(int(m), 2 ** int(s))) <= Fraction(1, 2 ** (int(s) + 1))
        one_more = np.rint(gain * 2.0 ** (s + 1)) > 1023
        assert s == DEFAULT.largest_shift or one_more, "a larger shift would be nearer"


@pytest.mark.parametrize("channels", [1, 3])
def test_input_normalization_of_every_pixel_value(channels):
    normalization = Normalization((0.485, 0.456, 0.406)[:channels], (0.229, 0.224, 0.225)[:channels])
    target = Affine.spanning(*normalization.range())
    pixels = np.repeat(np.arange(256), channels).reshape(256, channels)
    requantizer = input_requantizer(normalization, target, DEFAULT)
    got = requantize(pixels, requantizer).astype(float)
    exact = (pixels / 255 - normalization.mean) / normalization.std / target.scale + target.zero_point
    # Half a step for rounding, half a pixel for the integer bias, half a unit of the multiplier.
    unit = np.exp2(-requantizer.shift.astype(float))
    bound = 0.501 + requantizer.multiplier * unit / 2 + np.abs(pixels + requantizer.bias) * unit / 2
    assert (np.abs(got - exact) <= bound).all()


def test_pixels_that_are_not_normalized_stay_what_they_are():
    normalization = Normalization((0.0,), (1.0,))
    requantizer = input_requantizer(normalization, Affine.spanning(*normalization.range()), DEFAULT)
    pixels = np.arange(256)[:, None]
    assert np.array_equal(requantize(pixels, requantizer), pixels)


def test_fully_connected_layer_reads_its_input_in_torch_order():
    layer = next(layers_of(nn.Sequential(nn.Flatten(), nn.Linear(2 * 3 * 4, 1)), (2, 3, 4)).convs())
    integers = np.arange(24, dtype=np.int16).reshape(1, 1, 1, 24)
    network = lower_whole(layer, Affine(1.0, 0), Affine(1000.0, 0), integers=integers)
    stored = network.nodes[0].weights.integers
    assert stored.shape == (1, 3, 4, 2)
    images = random_images(5, 3, 4, 2)
    got = accumulate(images, stored).reshape(-1)
    assert np.array_equal(got, images.transpose(0, 3, 1, 2).reshape(5, 24).astype(np.int64) @ np.arange(24))


@pytest.mark.parametrize(
    ("activation", "affine", "expected"),
    [
        (None, Affine(0.05, 30), (0, 255)),
        ("relu", Affine(0.05, 0), (0, 255)),
        ("relu6", Affine(0.05, 0), (0, 120)),
        ("relu6", Affine(0.0499, 30), (30, 150)),
        ("relu6", Affine(0.01, 0), (0, 255)),
    ],
)
def test_clamps_follow_the_activation(activation, affine, expected):
    layer = one_by_one(1.0, 0.0)
    layer.activation = activation
    assert layer.clamps(affine) == expected


def test_average_pooling_divides_by_the_whole_window():
    graph, _, scales, tensors = lowered(small(), (2, 8, 8))
    pool = next(layer for layer in graph.layers if isinstance(layer, PoolLayer))
    source = real_values(tensors[pool.source], scales[pool.source])
    wanted = nn.functional.avg_pool2d(source, 2)
    got = real_values(tensors[pool.name], scales[pool.name])
    # Half a step, and the multiplier's 2^-10; clipping is where calibration wants it.
    step = scales[pool.name].scale
    assert float((got - wanted.clamp(max=255 * step)).abs().max()) <= step * (0.5 + 0.25)


def test_sparse_layers_have_gaps_and_balanced_slots_and_dense_ones_may_not():
    _, network, _, _ = lowered(Residual(), (3, 16, 16), "int8", density=0.3)
    weights = {node.name: node.weights for node in network.nodes if isinstance(node, Conv)}
    assert not weights["main"].gapless
    assert weights["main"].slot_of_channel is not None
    assert np.bincount(weights["main"].slot_of_channel).tolist() == [2, 2, 2, 2]
    assert 0 not in weights["main"].codebook
    _, network, _, _ = lowered(Residual(), (3, 16, 16), "int8")
    assert any(node.weights.gapless for node in network.nodes if isinstance(node, Conv))
