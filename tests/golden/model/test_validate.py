"""Every structural fault of a network gives its one line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv, Gate, Pool, Subsample
from shiftbook.golden.model.validate import shapes, validate
from shiftbook.golden.model.weights import Requantize
from tests.golden.model.test_executor import small_network


def with_node(name: str, /, **changes: object) -> Network:
    network = small_network()
    nodes = [replace(node, **changes) if node.name == name else node for node in network.nodes]
    return replace(network, nodes=tuple(nodes))


def with_requantize(name: str, **changes: object) -> Network:
    node = next(node for node in small_network().nodes if node.name == name)
    assert isinstance(node, Conv | Pool)
    return with_node(name, requantize=replace(node.requantize, **changes))


def with_weights(name: str, **changes: object) -> Network:
    node = next(node for node in small_network().nodes if node.name == name)
    assert isinstance(node, Conv)
    return with_node(name, weights=replace(node.weights, **changes))


def with_input(**changes: object) -> Network:
    network = small_network()
    return replace(network, input=replace(network.input, **changes))


def with_gate(gate: str = "one", zero: int = 0, multiplier: int = 1, channels: int = 1) -> Network:
    network = small_network()
    one = np.ones(channels, int)
    average = Requantize(np.array([0]), np.array([9]), np.array([9]), zero)
    nodes = (
        *network.nodes,
        Pool("one", "max", "average", (9, 11), (1, 1), requantize=average),
        Gate("gated", "max", gate, Requantize(0 * one, multiplier * one, 8 * one)),
    )
    return replace(network, nodes=nodes)


def test_a_gate_has_the_shape_of_its_source():
    assert shapes(with_gate())["gated"] == (9, 11, 8)
    validate(with_gate())


def test_shapes_of_every_tensor():
    assert shapes(small_network()) == {
        "image": (9, 11, 3),
        "stem": (9, 11, 8),
        "max": (9, 11, 8),
        "shortcut": (5, 6, 12),
        "depthwise": (5, 6, 8),
        "grouped": (5, 6, 12),
        "joined": (5, 6, 12),
        "mean": (2, 3, 12),
        "linear": (1, 1, 10),
    }
    validate(small_network())


book = np.arange(-24, 25, dtype=np.int16)

FAULTS = [
    (lambda: replace(small_network(), nodes=()), "the network has no layer"),
    (
        lambda: with_requantize("stem", function=FunctionTable(bytes(255), 0)),
        "layer stem: a function table must hold 256 bytes, not 255 of bytes",
    ),
    (
        lambda: with_requantize("mean", function=FunctionTable([0] * 256, 0)),
        "layer mean: a function table must hold 256 bytes, not 256 of list",
    ),
    (
        lambda: with_requantize("mean", function=FunctionTable(bytes(256), 256)),
        r"layer mean: zero point of the function table must be in 0\.\.255, not 256",
    ),
    (
        lambda: with_gate("image"),
        "its gate image must be 1x1x8, for the channels of its source, or 9x11x8, for its pixels, not 9x11x3",
    ),
    (lambda: with_gate("nothing"), "layer gated: its gate 'nothing' is no earlier layer"),
    (lambda: with_gate(multiplier=2), "layer gated: the multiplier of a gate's requantizer must be 1, not 2"),
    (lambda: with_gate(zero=3), "layer gated: the zero point of its gate one must be 0, not 3"),
    (lambda: with_gate(channels=2), r"layer gated: bias must have shape \(1,\), not \(2,\)"),
    (lambda: replace(small_network(), slots=0), r"slots must be in 1\.\.16, not 0"),
    (
        lambda: with_input(shape=(9, 0, 3)),
        r"input shape must be \(height, width, channels\), not \(9, 0, 3\)",
    ),
    (lambda: with_node("max", name="stem"), "layer name stem is used twice"),
    (lambda: with_node("max", source="steam"), "layer max: its source 'steam' is no earlier layer"),
    (lambda: with_node("max", source="linear"), "layer max: its source 'linear' is no earlier layer"),
    (
        lambda: with_node("joined", residual="linear"),
        "layer joined: its residual 'linear' is no earlier layer",
    ),
    (
        lambda: with_node("joined", residual="joined"),
        "layer joined: its residual 'joined' is no earlier layer",
    ),
    (
        lambda: with_node("joined", residual="stem"),
        "layer joined: makes 5x6x12 but its residual stem is 9x11x8",
    ),
    (
        lambda: with_node("joined", residual=None),
        "layer joined: a residual and a residual multiplier need each",
    ),
    (
        lambda: with_node("stem", residual="image"),
        "layer stem: makes 9x11x8 but its residual image is 9x11x3",
    ),
    (lambda: with_node("depthwise", groups=4), "layer depthwise: 4 groups of 1 input channels to 8 output"),
    (lambda: with_node("grouped", groups=0), "layer grouped: 0 groups of 4 input channels"),
    (
        lambda: with_node("stem", stride=(0, 1)),
        "layer stem: stride must be at least 1 and padding at least minus the input's size",
    ),
    (
        lambda: with_node("stem", padding=(1, -9, 0, 0)),
        "layer stem: stride must be at least 1 and padding at least minus the input's size, but one pixel",
    ),
    (
        lambda: with_node("max", padding=(1, -1, 0, 0)),
        "layer max: stride must be at least 1 and padding at least 0",
    ),
    (lambda: with_node("mean", kernel=(9, 2)), "layer mean: a 9x2 window does not fit 5x6x12"),
    (lambda: with_node("max", padding=(3, 0, 0, 0)), r"layer max: window \(3, 3\) must exceed its padding"),
    (lambda: with_node("max", kernel=(0, 3)), r"layer max: window \(0, 3\) must exceed its padding"),
    (
        lambda: with_node("mean", requantize=None),
        "layer mean: average pooling, and only it, needs a requantizer",
    ),
    (lambda: with_node("mean", kind="max"), "layer mean: average pooling, and only it, needs a requantizer"),
    (lambda: with_node("shortcut", stride=0), "layer shortcut: stride must be at least 1 and added channels"),
    (
        lambda: with_node("shortcut", before=-1),
        "layer shortcut: stride must be at least 1 and added channels",
    ),
    (lambda: with_requantize("stem", zero_point=256), r"layer stem: zero point must be in 0\.\.255, not 256"),
    (lambda: with_requantize("stem", low=-1), r"layer stem: low clamp must be in 0\.\.255, not -1"),
    (lambda: with_requantize("stem", low=9, high=8), r"layer stem: high clamp must be in 9\.\.255, not 8"),
    (
        lambda: with_requantize("stem", shift=np.full(8, 41)),
        r"layer stem: shift must be in 0\.\.40, not 41",
    ),
    (
        lambda: with_requantize("stem", multiplier=np.full(8, 65536)),
        r"layer stem: multiplier must be in 0\.\.65535, not 65536",
    ),
    (
        lambda: with_requantize("stem", multiplier=np.full(8, 0.5)),
        "layer stem: multiplier must be integers, not float64",
    ),
    (
        lambda: with_requantize("stem", bias=np.full(8, 1 << 31)),
        "layer stem: bias must be in -2147483648..2147483647, not 2147483648",
    ),
    (
        lambda: with_requantize("joined", residual_multiplier=-1),
        r"layer joined: residual multiplier must be in 0\.\.1023, not -1",
    ),
    (
        lambda: with_requantize("stem", bias=np.zeros(7, np.int64)),
        r"layer stem: bias must have shape \(8,\), not \(7,\)",
    ),
    (
        lambda: with_requantize("mean", shift=np.zeros(12, np.int64)),
        r"layer mean: shift must have shape \(1,\), not \(12,\)",
    ),
    (
        lambda: with_input(requantize=replace(small_network().input.requantize, shift=np.zeros(1, np.int64))),
        r"layer image: shift must have shape \(3,\), not \(1,\)",
    ),
    (
        lambda: with_weights("stem", integers=np.zeros((8, 27), np.int16)),
        r"layer stem: weights must be \[O, kh, kw, I\], not \(8, 27\)",
    ),
    (
        lambda: with_weights("stem", integers=np.zeros((0, 3, 3, 3), np.int16)),
        r"layer stem: weights must be \[O, kh, kw, I\], not \(0, 3, 3, 3\)",
    ),
    (
        lambda: with_weights("stem", codebook=book[::-1]),
        "layer stem: the codebook must hold 1 to 256 distinct",
    ),
    (lambda: with_weights("stem", codebook=book[:0]), "layer stem: the codebook must hold 1 to 256 distinct"),
    (
        lambda: with_weights("stem", codebook=np.array([1, 200], np.int16)),
        r"layer stem: codebook must be in -128\.\.127, not 200",
    ),
    (
        lambda: with_weights("stem", integers=np.full((8, 3, 3, 3), 128, np.int16)),
        r"layer stem: weights must be in -128\.\.127, not 128",
    ),
    (
        lambda: with_weights("stem", integers=np.full((8, 3, 3, 3), 25, np.int16)),
        "layer stem: weight 25 is not in its codebook",
    ),
    (
        lambda: with_weights("stem", integers=np.zeros((8, 3, 3, 3), np.int16), codebook=book[25:]),
        "layer stem: weight 0 is not in its codebook",
    ),
    (lambda: with_weights("stem", gapless=False), "layer stem: 0 in the codebook of a layer with gaps"),
    (
        lambda: with_weights("stem", slot_of_channel=np.array([0, 1], np.uint8)),
        r"layer stem: slot_of_channel must have shape \(3,\), not \(2,\)",
    ),
    (
        lambda: with_weights("stem", slot_of_channel=np.array([0, 1, 4], np.uint8)),
        r"layer stem: slot of channel must be in 0\.\.3, not 4",
    ),
]


@pytest.mark.parametrize(("build", "message"), FAULTS, ids=[message[:60] for _, message in FAULTS])
def test_faults(build, message):
    with pytest.raises(ShiftbookError, match=message) as caught:
        validate(build())
    assert "\n" not in str(caught.value)


def test_an_accumulator_beyond_32_bits_is_refused():
    network = small_network()
    stem = network.nodes[0]
    assert isinstance(stem, Conv)
    channels = 67_000
    weights = replace(
        stem.weights, integers=np.full((1, 1, 1, channels), 127, np.int16), codebook=np.array([127], np.int16)
    )
    requantize = replace(
        stem.requantize, bias=np.zeros(1, int), multiplier=np.ones(1, int), shift=np.zeros(1, int)
    )
    wide = replace(stem, source="wide", weights=weights, requantize=requantize, padding=(0, 0, 0, 0))
    nodes = (Subsample("wide", "image", 1, channels - 3, 0), wide)
    with pytest.raises(ShiftbookError, match="layer stem: output channel 0 can exceed 32 accumulator bits"):
        validate(replace(network, nodes=nodes))
