"""Networks with function tables and gates: what they hold, what they compute, and who refuses them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import shiftbook as sb
from shiftbook.frontend.data.batches import normalize
from shiftbook.frontend.fusing.gate_layer import GateLayer
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.spec import DEFAULT
from tests.frontend.lowering.checking import (
    before_functions,
    check_layers,
    lowered,
    random_images,
    real_values,
)
from tests.frontend.models import Activated, Excited

SHAPE = (3, 12, 12)


@pytest.fixture(scope="module")
def found():
    """The model, and what `lowered` gives of it."""
    model = Activated()
    return model, *lowered(model, SHAPE)


@pytest.mark.parametrize("scheme", ["int8", "shift"])
def test_each_layer_is_within_its_rounding_of_float64(scheme):
    check_layers(*lowered(Activated(), SHAPE, scheme))


def test_outputs_are_the_functions_of_what_requantizers_make(found):
    """Exact: from the integer before, torch's float64 function, rounded half up to the output's scale."""
    _, graph, network, scales, tensors = found
    nodes = {node.name: node for node in network.nodes}
    layers = graph.with_functions()
    assert len(layers) == 9
    for layer in layers.values():
        before = before_functions(nodes[layer.name], network, tensors)
        assert len(np.unique(before)) > 15, "the range is used"
        real = real_values(before, scales[layer.before])
        for function in layer.functions:
            real = function.double()(real)
            function.float()
        target = scales[layer.name]
        wanted = torch.floor(real.detach() / target.scale + target.zero_point + 0.5).clamp(0, 255)
        assert np.array_equal(wanted.permute(0, 2, 3, 1).numpy(), tensors[layer.name]), layer.name


def test_the_whole_network_follows_the_float_model(found):
    """End to end, where roundings add up: within 2 % of the range of the scores (measured 0.7 %)."""
    model, graph, _, scales, tensors = found
    images = random_images(8, 12, 12, 3)
    with torch.no_grad():
        expected = model(normalize(images, (0.4,) * 3, (0.25,) * 3).contiguous())
    last = graph.layers[-1].name
    got = real_values(tensors[last], scales[last]).flatten(1)
    span = float(expected.max() - expected.min())
    worst = float((got - expected).abs().max()) / span
    assert worst < 0.02, worst


def test_products_with_gates_are_exact_and_follow_the_float_model():
    """In float64 of the integers, rounded half up; scores within 2 % of their range (measured 0.4 %)."""
    model = Excited()
    graph, network, scales, tensors = lowered(model, SHAPE)
    gates = [layer for layer in graph.layers if isinstance(layer, GateLayer)]
    assert len(gates) == 2
    nodes = {node.name: node for node in network.nodes}
    for layer in gates:
        product = real_values(tensors[layer.source], scales[layer.source]) * real_values(
            tensors[layer.gate], scales[layer.gate]
        )
        target = scales[layer.name]
        wanted = torch.floor(product / target.scale + target.zero_point + 0.5).clamp(0, 255)
        made = before_functions(nodes[layer.name], network, tensors)
        assert len(np.unique(made)) > 30
        # The quotient of scales is a power of two but for float64's last bits: no half may be near.
        near = torch.abs((product / target.scale) % 1 - 0.5) < 1e-9
        same = torch.from_numpy(made.astype(np.float64)).permute(0, 3, 1, 2) == wanted
        assert bool((same | near).all()), layer.name
        assert float(near.double().mean()) < 0.05
    images = random_images(8, 12, 12, 3)
    with torch.no_grad():
        expected = model(normalize(images, (0.4,) * 3, (0.25,) * 3).contiguous())
    last = graph.layers[-1].name
    got = real_values(tensors[last], scales[last]).flatten(1)
    assert float((got - expected).abs().max() / (expected.max() - expected.min())) < 0.02


def test_an_engine_without_tables_refuses_them(found):
    _, _, network, _, _ = found
    without = replace(DEFAULT, function_tables=False)
    with pytest.raises(ShiftbookError, match=r"layer stem: .*the spec has none: set function_tables"):
        check_runnable(network, without)
    check_runnable(network, DEFAULT)


@pytest.mark.parametrize("model", [Activated, Excited])
def test_from_a_model_to_the_rtl(model, tmp_path):
    torch.manual_seed(0)
    images = random_images(4, 12, 12, 3)
    compressed = sb.compress(
        model(), (images, np.arange(4) % 5), scheme="int8", density=1, mean=[0.4] * 3, std=[0.25] * 3
    )
    checkpoint = sb.load(compressed.save(tmp_path / "net.ckpt"))
    assert np.array_equal(checkpoint.run(images).scores, compressed.run(images).scores)
    simulation = checkpoint.simulate(images, DEFAULT.on_grid(4, 4), limit=1)
    assert simulation.mismatches == 0
