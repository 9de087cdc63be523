"""Concatenation on its way from the model to integers: traced, tied to one grid, lowered, and run."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from shiftbook.frontend.data.batches import normalize
from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.operators.concat import ConcatLayer
from shiftbook.frontend.graph.model import INPUT
from shiftbook.frontend.layers.subsample import Subsample
from shiftbook.frontend.post_training.calibrate import calibrate
from shiftbook.frontend.post_training.shared_scales import SharedScale, shared_scales
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.frontend.training.training import Training
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model import executor
from shiftbook.golden.model.nodes import Concat
from shiftbook.golden.model.validate import shapes
from shiftbook.sim.driver import run_rtl
from tests.frontend.fusing.test_fuse import Wrapped, agree, conv
from tests.frontend.lowering.checking import check_layers, lowered, random_images, real_values
from tests.frontend.models import Dense, Mixed, layers_of, lively
from tests.sim.networks import SPECS

CASES = [(Dense, (3, 8, 8)), (Mixed, (3, 9, 9))]


def joined(graph):
    """Sources of the concatenations by name."""
    return {layer.name: layer.sources for layer in graph.layers if isinstance(layer, ConcatLayer)}


def test_every_layer_of_a_dense_block_reads_all_before_it():
    graph = agree(Dense(), (3, 8, 8))
    assert joined(graph) == {
        "cat": (INPUT, "layers.0.0"),
        "cat@2": (INPUT, "layers.0.0", "layers.1.0"),
        "cat@3": (INPUT, "layers.0.0", "layers.1.0", "layers.2.0"),
    }
    assert graph.classes == 10


def test_branches_keep_their_activations_and_heads_are_joined():
    graph = agree(Mixed(), (3, 9, 9))
    assert joined(graph) == {
        "cat": ("one", "three", "signed", "max_pool2d", "avg_pool2d"),
        "cat@2": ("max_pool2d@2", "down", "down"),
        "cat@3": ("left", "right"),
    }
    assert [layer.activation for layer in graph.convs()] == [
        "relu",
        "relu6",
        "relu",
        None,
        "relu",
        None,
        None,
    ]
    assert graph.classes == 4 + 3, "those of both heads"


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: torch.cat([m.c(x), m.d(x)], 1).mean((2, 3)),
        lambda m, x: torch.concat((m.c(x), x[:, :, ::1, ::1], m.c(x)), dim=1).mean((2, 3)),
        lambda m, x: torch.concatenate(tensors=[x, m.d(x)], axis=-3).mean((2, 3)),
        lambda m, x: torch.cat([torch.cat([x], 1), torch.cat([m.c(x), x], 1), x], dim=-3).mean((2, 3)),
        lambda m, x: functional.relu(torch.cat([m.c(x)])).mean((2, 3)),
        lambda m, x: torch.cat([m.c(x).flatten(1), m.d(x).flatten(1)], -1).view(2, 10, 8, 8).mean((2, 3)),
        lambda m, x: m.l(torch.cat([m.c(x).flatten(1), x.flatten(1)], 1)),
        lambda m, x: torch.cat([m.c(x), functional.max_pool2d(m.d(x).relu(), 1)], 1).relu_().mean((2, 3)),
        lambda m, x: torch.cat([m.c(x), x], 1).relu().mean((2, 3)),
        lambda m, x: m.n(torch.cat([m.c(x), x], 1)).mean((2, 3)),
        lambda m, x: torch.cat([m.c(x), torch.zeros(2, 1, 8, 8)], 1).mean((2, 3)),
        lambda m, x: m.e(torch.cat([x, m.c(x)], 1)).add(m.e(torch.cat([m.c(x), x], 1))).mean((2, 3)),
    ],
)
def test_other_ways_to_write_it(function):
    model = Wrapped(
        function,
        c=conv(3, 4, padding=1),
        d=conv(3, 6, 1),
        e=conv(7, 2),
        l=nn.Linear(7 * 64, 5),
        n=nn.BatchNorm2d(7),
    )
    agree(model, (3, 8, 8), images=2)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda m, x: torch.cat([m.c(x), m.c(x)]),
            "operation cat at 'part': tensors must be joined along their channels, dim 1, not dim 0",
        ),
        (lambda m, x: torch.cat([x, x], -1), "along their channels, dim 1, not dim 3"),
        (
            lambda m, x: torch.concat([m.c(x).flatten(1)] * 2, axis=-2),
            "along their channels, dim 1, not dim 0",
        ),
        (
            lambda m, x: torch.cat([m.c(x), m.d(x)], 1),
            "does not run on 8x8 images of 3 channels: at 'part': Sizes of tensors must match",
        ),
        (
            lambda m, x: torch.cat([m.c(x).flatten(1), m.d(x).flatten(1)], 1),
            "'part.cat': features that are joined must be of maps of one size, not 8x8 and 6x6",
        ),
        (
            lambda m, x: torch.cat([m.c(x), torch.ones(2, 1, 8, 8)], 1),
            "cat at 'part': constants that are joined to a tensor must be zeros",
        ),
        (
            lambda m, x: torch.cat([functional.pad(m.d(x), (1, 1, 1, 1)), x], 1),
            "Concatenate at 'part.cat': padding must be followed by a convolution or by pooling",
        ),
    ],
)
def test_what_cannot_be_joined_is_named_with_its_path(function, message):
    model = Wrapped(function, c=conv(padding=1), d=conv(), n=nn.BatchNorm2d(8))
    with pytest.raises(ShiftbookError, match=re.escape(message)) as caught:
        layers_of(model, (3, 8, 8))
    assert "\n" not in str(caught.value)


def test_ties_reach_over_pools_and_over_concatenations_of_concatenations():
    assert shared_scales(layers_of(lively(Dense()), (3, 8, 8))) == [
        SharedScale(
            (INPUT, "layers.0.0", "cat", "layers.1.0", "cat@2", "layers.2.0", "cat@3"),
            (INPUT, "layers.0.0", "layers.1.0", "layers.2.0"),
        ),
        *(SharedScale((name,), (name,)) for name in ("transition", "pool", "mean", "head")),
    ]
    _, first, *_, last = shared_scales(layers_of(lively(Mixed()), (3, 9, 9)))
    assert set(first.computed) == {"squeeze", "one", "three", "signed", "avg_pool2d", "down"}
    assert set(first.tensors) - set(first.computed) == {"max_pool2d", "cat", "max_pool2d@2", "cat@2"}
    assert last == SharedScale(("left", "right", "cat@3"), ("left", "right"))


class Drawn(nn.Module):
    """Operations on any earlier maps of 5 x 5 pixels, and a head that reads them all."""

    def __init__(self, steps):
        super().__init__()
        self.steps = steps
        self.parts = nn.ModuleList()
        channels = [2]
        for kind, earlier, made in steps:
            read = [channels[i] for i in earlier]
            self.parts.append(self.part(kind, read[0], made))
            channels.append(made if kind in ("conv", "relu", "relu6") else sum(read) + made)
        self.head = nn.Conv2d(sum(channels), 3, 5)

    @staticmethod
    def part(kind, read, made):
        conv = nn.Conv2d(read, made or 1, 3, padding=1)
        return {
            "conv": conv,
            "relu": nn.Sequential(conv, nn.ReLU()),
            "relu6": nn.Sequential(conv, nn.ReLU6()),
            "max": nn.MaxPool2d(3, 1, 1),
            "average": nn.AvgPool2d(3, 1, 1),
            "shortcut": Subsample(1, 0, made),
            "cat": nn.Identity(),
        }[kind]

    def forward(self, x):
        maps = [x]
        for (_, earlier, _), part in zip(self.steps, self.parts, strict=True):
            maps.append(part(torch.cat([maps[i] for i in earlier], 1)))
        return self.head(torch.cat(maps, 1)).flatten(1)


@st.composite
def drawn(draw):
    """Some steps: what is done, to which of the maps so far, and how many channels are made or added."""
    steps = []
    for count in range(1, draw(st.integers(2, 6))):
        kind = draw(st.sampled_from(["conv", "relu", "relu6", "max", "average", "shortcut", "cat", "cat"]))
        several = 3 if kind == "cat" else 1
        earlier = draw(st.lists(st.integers(0, count - 1), min_size=1, max_size=several))
        made = {"max": 0, "average": 0, "cat": 0, "shortcut": 2}.get(kind, 3)
        steps.append((kind, earlier, made))
    return Drawn(steps)


@given(drawn(), st.sampled_from(["int8", "shift"]))
@settings(max_examples=15, deadline=None)
def test_drawn_networks_are_exact_but_for_the_rounding_of_each_layer(model, scheme):
    """Joined integers stand for the joined real values, exactly, whatever lies between."""
    graph, network, scales, tensors = lowered(model, (2, 5, 5), scheme)
    check_layers(graph, network, scales, tensors)
    for layer in graph.layers:
        if isinstance(layer, ConcatLayer):
            parts = [real_values(tensors[name], scales[name]) for name in layer.sources]
            assert torch.equal(real_values(tensors[layer.name], scales[layer.name]), torch.cat(parts, 1))
    assert [n.sources for n in network.nodes if isinstance(n, Concat)] == list(joined(graph).values())
    check_ties(graph, scales)


def check_ties(graph, scales):
    """By following each tensor to those that it shares integers with, one step at a time."""
    for shared in shared_scales(graph):
        assert len({scales[name] for name in shared.tensors}) == 1
    near = {
        (layer.name, name)
        for layer in graph.layers
        if not isinstance(layer, ConvLayer) and getattr(layer, "kind", "") != "average"
        for name in layer.inputs
    }
    near |= {(b, a) for a, b in near}
    for shared in shared_scales(graph):
        reached = {shared.tensors[0]}
        for _ in graph.layers:
            reached |= {b for a, b in near if a in reached}
        assert reached == set(shared.tensors)


@pytest.mark.parametrize(("model", "shape"), CASES)
def test_each_layer_is_within_its_rounding_of_float64(model, shape):
    check_layers(*lowered(model(), shape))


@pytest.mark.parametrize(("model", "shape"), CASES)
def test_the_whole_network_follows_the_float_model(model, shape):
    """Within 2 % of the range of the scores (measured 0.7 %), though joined tensors share their steps."""
    model = model()
    graph, network, scales, tensors = lowered(model, shape)
    images = random_images(8, shape[1], shape[2], shape[0])
    with torch.no_grad():
        expected = model(normalize(images, (0.4,) * 3, (0.25,) * 3).contiguous())
    last = graph.layers[-1].name
    got = real_values(tensors[last], scales[last]).flatten(1)
    span = float(expected.max() - expected.min())
    assert float((got - expected).abs().max()) < 0.02 * span
    assert shapes(network)[last] == (1, 1, graph.classes)


def test_a_tie_holds_what_any_of_its_tensors_holds():
    """Two convolutions of the image, of which one has a hundredth of the other's range, and the image."""
    model = Wrapped(
        lambda m, x: torch.cat([m.small(x), m.large(x), x], 1).mean((2, 3)),
        **{name: nn.Conv2d(1, 1, 1, bias=False) for name in ("small", "large")},
    )
    model.part.small.weight.data[:], model.part.large.weight.data[:] = 0.02, -2.0
    graph = layers_of(model, (1, 4, 4))
    inputs = torch.linspace(-1, 1, 64).reshape(4, 1, 4, 4)
    tied = calibrate(graph, inputs, method="percentile", percentile=100)
    assert tied["part.small"] == tied["part.large"] == tied[INPUT] == tied["part.cat"]
    assert (tied[INPUT].scale, tied[INPUT].zero_point) == (pytest.approx(4 / 255), 128)
    known = calibrate(graph, inputs, method="percentile", percentile=100, input_range=(-3.0, 1.0))
    assert known[INPUT] == known["part.cat"]
    assert (known[INPUT].scale, known[INPUT].zero_point) == (pytest.approx(5 / 255), 153)


def test_every_part_keeps_its_own_clamp():
    """The part without an activation makes the steps coarse: 6 is far from both ends of the integers."""
    model = Wrapped(
        lambda m, x: torch.cat([m.a(x), m.a(x).relu(), functional.relu6(m.a(x))], 1).mean((2, 3)),
        a=nn.Conv2d(1, 1, 1),
    )
    model.part.a.weight.data[:], model.part.a.bias.data[:] = 20.0, 0.0
    graph = layers_of(model, (1, 4, 4))
    scales = calibrate(graph, torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4), input_range=(-1.0, 1.0))
    affine = scales["part.cat"]
    zero, six = affine.zero_point, round(6 / affine.scale)
    assert 0 < zero < zero + six < 255
    assert [layer.clamps(affine) for layer in graph.convs()] == [(0, 255), (zero, 255), (zero, zero + six)]


@pytest.mark.parametrize(("model", "shape"), CASES)
def test_fine_tuned_networks_with_concatenations_are_lowered(model, shape):
    """Fine-tuning runs the module itself; its weights are then those of the layers."""
    data = random_images(8, shape[1], shape[2], shape[0]), np.arange(8) % 7
    training = Training(data=data, mean=(0.4,) * 3, std=(0.25,) * 3, recipe=Recipe(batch=4))
    check_layers(*lowered(model(), shape, "shift", density=0.5, training=training, epochs=2))


@pytest.mark.parametrize(("model", "shape"), CASES)
def test_on_the_accelerator(model, shape):
    """Every integer and row; the image lies in a concatenation, and one is what comes out."""
    graph, network, _, _ = lowered(model(), shape, spec=SPECS["int8"])
    images = random_images(1, shape[1], shape[2], shape[0])
    result = run_rtl(network, images, SPECS["int8"])
    assert np.array_equal(result.outputs, executor.run(network, images).outputs)
    assert result.outputs.shape == (1, graph.classes)
