"""Files with QONNX's operators: weights and tensors of any few bits."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx.reference import ReferenceEvaluator

import shiftbook as sb
from shiftbook.frontend.importing.onnx_model.load import load_onnx
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model import executor
from shiftbook.golden.model.nodes import Conv
from tests.frontend.importing.onnx_model.files import model, node, saved
from tests.frontend.importing.onnx_model.qonnx_operators import DOMAIN, OPERATORS, ROUNDING, ends
from tests.frontend.importing.onnx_model.test_operators import assert_close, reals
from tests.frontend.importing.onnx_model.test_quantized import STEP, pixels, real

f32 = np.float32


def made_of(nodes, constants, shape=(3, 5, 4)):
    named = {name: np.asarray(value, f32) for name, value in constants.items()}
    return model(nodes, ["n", *shape], named, domains={DOMAIN: 2})


def expected(made, x):
    (result,) = ReferenceEvaluator(made, new_ops=OPERATORS).run(None, {"x": x})
    return result


def inner(made, x, name):
    """Another tensor of the model."""
    wide = onnx.ModelProto()
    wide.CopyFrom(made)
    wide.graph.output[0].name = name
    return expected(wide, x)


def quant(inputs, output, **attributes):
    return node(attributes.pop("operator", "Quant"), inputs, output, domain=DOMAIN, **attributes)


ATTRIBUTES = [
    {},
    {"signed": 0},
    {"narrow": 1},
    {"signed": 0, "narrow": 1},
    {"rounding_mode": "FLOOR"},
    {"rounding_mode": "ceil"},
    {"operator": "IntQuant", "rounding_mode": "ROUND"},
]


@pytest.mark.parametrize("attributes", ATTRIBUTES)
@pytest.mark.parametrize("bits", [8, 4, 2])
def test_tensors_are_rounded_as_described(attributes, bits, tmp_path):
    made = made_of([quant("x s z b", "y", **attributes)], {"s": 0.3, "z": 0, "b": bits})
    x = reals(2, 3, 5, 4)
    assert_close(load_onnx(saved(made, tmp_path))(torch.from_numpy(x)).numpy(), expected(made, x))


@pytest.mark.parametrize("attributes", ATTRIBUTES)
@pytest.mark.parametrize("bits", [8, 4])
def test_weights_are_rounded_as_described(attributes, bits, tmp_path):
    nodes = [quant("w s z b", "v", **attributes), node("Conv", "x v", "y")]
    scale = np.abs(reals(6, 1, 1, 1)) * 0.05 + 0.01
    made = made_of(nodes, {"w": reals(6, 3, 5, 4), "s": scale, "z": 0, "b": bits})
    x = reals(2, 3, 5, 4)
    assert_close(load_onnx(saved(made, tmp_path))(torch.from_numpy(x)).numpy(), expected(made, x))


@pytest.mark.parametrize(
    ("inputs", "constants", "attributes"),
    [
        ("x s z b o", {"s": 0.1, "z": 0, "b": 8, "o": 4}, {}),
        ("x s z b o", {"s": 0.1, "z": 0, "b": 5, "o": 5}, {"rounding_mode": "ROUND"}),
        ("x s z b t o", {"s": 0.1, "z": 0, "b": 8, "t": 0.4, "o": 6}, {}),
        ("x s z b t o", {"s": 0.1, "z": 0, "b": 8, "t": 0.2, "o": 4}, {"signed": 0}),
        ("x s z b t o", {"s": 0.1, "z": 0, "b": 8, "t": 0.2, "o": 4}, {"narrow": 1, "rounding_mode": "CEIL"}),
    ],
)
def test_sums_are_truncated_as_described(inputs, constants, attributes, tmp_path):
    made = made_of([node("Trunc", inputs, "y", domain=DOMAIN, **attributes)], constants)
    steps = np.random.default_rng(0).integers(-8, 8, (2, 3, 5, 4))
    mode = attributes.get("rounding_mode", "FLOOR")
    # Sums of integers, a little on the side where no ties are: those are rounded to the nearest before.
    x = (steps * f32(0.1)).astype(f32) + {"FLOOR": f32(0.001), "CEIL": f32(-0.001), "ROUND": f32(0.03)}[mode]
    assert_close(load_onnx(saved(made, tmp_path))(torch.from_numpy(x)).numpy(), expected(made, x))


def quantized_network(bits, signed, narrow):
    """Two layers, weights and tensors of a few bits."""
    constants = {
        "w": reals(8, 3, 3, 3),
        "ws": np.abs(reals(8, 1, 1, 1)) * 0.05 + 0.3 / 2**bits * 8,
        "v": reals(10, 8 * 3 * 4),
        "vs": f32(4 / 2**bits),
        "zero": 0,
        "b": bits,
        "s": f32(20 / 2**bits),
        "xs": STEP,
        "eight": 8,
        "one": f32(0.5),
    }
    nodes = [
        quant("x xs zero eight", "i"),
        quant("w ws zero b", "wq", signed=1, narrow=narrow),
        node("Conv", "i wq", "c", pads=[1, 1, 1, 1]),
        *([] if signed else [node("Relu", "c", "r")]),
        quant("c s zero b" if signed else "r s zero b", "a", signed=signed, narrow=narrow),
        node("MaxPool", "a", "p", kernel_shape=[2, 1], strides=[2, 1], pads=[0, 0, 1, 0]),
        node("Flatten", "p", "f"),
        quant("v vs zero b", "vq", signed=1, narrow=narrow),
        node("Gemm", "f vq", "m", transB=1),
        quant("m one zero eight", "y"),
    ]
    return made_of(nodes, constants)


@pytest.mark.parametrize("bits", [8, 4, 3])
@pytest.mark.parametrize(("signed", "narrow"), [(0, 0), (1, 0), (1, 1), (0, 1)])
def test_a_network_keeps_its_integers_scales_and_ends(bits, signed, narrow, tmp_path):
    made, images = quantized_network(bits, signed, narrow), pixels((3, 5, 4))
    options = {"mean": (128 / 255,) * 3, "std": (1 / (255 * STEP),) * 3}
    network = sb.compress(str(saved(made, tmp_path)), (images, None), scheme="int8", **options).network
    tensors = {tensor.name: np.frombuffer(tensor.raw_data, f32) for tensor in made.graph.initializer}
    first, last = (item for item in network.nodes if isinstance(item, Conv))
    for layer, weight, scale in ((first, "w", "ws"), (last, "v", "vs")):
        outputs = len(layer.weights.integers)
        steps = tensors[weight].reshape(outputs, -1) / tensors[scale].reshape(-1, 1)
        wanted = np.rint(np.clip(steps, *ends(1, narrow, bits)))
        mine = layer.weights.integers.transpose(0, 3, 1, 2).reshape(outputs, -1)
        assert np.array_equal(mine, wanted)
    low, high = ends(signed, narrow, bits)
    assert network.scales[first.name] == tensors["s"][0]
    assert (first.requantize.zero_point, first.requantize.high) == (-low, high - low)
    assert first.requantize.low == (-low if not signed else 0)
    found = executor.run(network, images, keep=True)
    stored = np.rint(inner(made, real(images), "a") / tensors["s"][0]).astype(int) - low
    apart = np.abs(found.tensors[first.name].transpose(0, 3, 1, 2) - stored)
    assert apart.max() <= 1
    assert (apart != 0).mean() <= (0.02 if bits == 8 else 0.002)  # measured: 0.0187, and 0.0011
    same = apart.reshape(len(images), -1).max(axis=1) == 0
    wanted = np.rint(expected(made, real(images)) / 0.5).astype(int) + 128
    assert np.abs(found.outputs - wanted)[same].max() <= 1


def test_bipolar_weights_are_one_bit(tmp_path):
    nodes = [
        node("BipolarQuant", "w s", "v", domain=DOMAIN),
        node("Conv", "x v", "c"),
        node("Flatten", "c", "y"),
    ]
    made, images = made_of(nodes, {"w": reals(6, 3, 5, 4), "s": 0.25}), pixels((3, 5, 4))
    network = sb.compress(str(saved(made, tmp_path)), (images, None), scheme="int8").network
    (layer,) = network.nodes
    weights = np.frombuffer(made.graph.initializer[0].raw_data, f32).reshape(6, 3, 5, 4)
    assert np.array_equal(layer.weights.integers, np.where(weights >= 0, 1, -1).transpose(0, 2, 3, 1))


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (
            quant("x s z b", "y", rounding_mode="HALF_UP"),
            "rounding_mode must be one of ROUND, FLOOR, CEIL, not HALF_UP",
        ),
        (quant("x s z n", "y"), "Quant at 'quant': 1 to 8 whole bits run, not 16"),
        (quant("x s z h", "y"), "1 to 8 whole bits run, not 3.5"),
        (quant("x c z b", "y"), "Quant at 'quant': tensors must have one scale, not 3"),
        (quant("x m z b", "y"), "Quant at 'quant': scale -1 must be above 0, and zero point 0 of -8..7"),
        (quant("x s f b", "y"), "scale 0.5 must be above 0, and zero point 99 of -8..7"),
        (
            node("BipolarQuant", "x s", "y", domain=DOMAIN),
            "BipolarQuant at 'bipolarquant': only weights can be bipolar",
        ),
        (node("Trunc", "x s f b b", "y", domain=DOMAIN), "Trunc at 'trunc': its zero point must be 0"),
        (node("Trunc", "x s z n e", "y", domain=DOMAIN), "version 1 runs for less than 8 bits, not 8"),
        (
            node("MultiThreshold", "x s", "y", domain=DOMAIN),
            "unsupported operation MultiThreshold at 'multithreshold'",
        ),
    ],
)
def test_what_does_not_run_is_told(made, message, tmp_path):
    constants = {
        "s": 0.5,
        "z": 0,
        "b": 4,
        "n": 16,
        "h": 3.5,
        "c": [[[1]], [[2]], [[3]]],
        "m": -1,
        "f": 99,
        "e": 8,
    }
    with pytest.raises(ShiftbookError) as caught:
        load_onnx(saved(made_of([made], constants), tmp_path))(torch.zeros(2, 3, 5, 4))
    assert message in str(caught.value)


def test_a_wrong_rounding_is_seen(tmp_path, monkeypatch):
    monkeypatch.setitem(ROUNDING, "ROUND", np.floor)
    with pytest.raises(AssertionError):
        test_tensors_are_rounded_as_described({}, 4, tmp_path)
