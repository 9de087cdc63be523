"""Convolutions whose weights several runs of channels share."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_runnable
from shiftbook.golden.mapping.passes import plan
from shiftbook.golden.model import executor
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.model.weights import Requantize, Weights
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.statistics.decomposed import decomposed_layers, macs_of, savings
from shiftbook.golden.statistics.sizes import layer_sizes
from shiftbook.golden.storage.checkpoint import load, save


def conv(name, source, shape, copies=1, seed=0, **options):
    rng = np.random.default_rng(seed)
    integers = rng.integers(-3, 4, shape).astype(np.int16)
    codebook = np.arange(-3, 4, dtype=np.int16)
    outputs = shape[0] * copies
    requantize = Requantize(
        bias=rng.integers(-100, 100, outputs),
        multiplier=rng.integers(20, 60, outputs),
        shift=np.full(outputs, 8),
        zero_point=100,
    )
    weights = Weights(integers, codebook, "int8", gapless=True)
    return Conv(name, source, weights, requantize, copies=copies, **options)


def network(*nodes, channels=6, facts=None):
    zeros, ones = np.zeros(channels, np.int64), np.ones(channels, np.int64)
    return Network(
        Input("input", (3, 4, channels), Requantize(zeros, ones, zeros)), nodes, 4, facts=facts or {}
    )


def grouped(node):
    """The same layer with the weights of every copy written out."""
    integers = np.concatenate([node.weights.integers] * node.copies)
    return replace(node, weights=replace(node.weights, integers=integers), groups=node.copies, copies=1)


def images(channels=6, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (3, 3, 4, channels), dtype=np.uint8)


@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5), st.integers(0, 1000))
@settings(max_examples=40, deadline=None)
def test_copies_are_groups_with_equal_weights(copies, inputs, outputs, seed):
    node = conv("a", "input", (outputs, 1, 1, inputs), copies, seed)
    channels = copies * inputs
    pair = [network(layer, channels=channels) for layer in (node, grouped(node))]
    ours, theirs = (executor.run(n, images(channels, seed)).outputs for n in pair)
    assert np.array_equal(ours, theirs)


def test_a_checkpoint_holds_copies(tmp_path):
    node = conv("a", "input", (4, 1, 1, 2), copies=3)
    before = network(node)
    save(before, tmp_path / "a.ckpt")
    after = load(tmp_path / "a.ckpt")
    assert after.nodes[0].copies == 3
    assert np.array_equal(after.nodes[0].weights.integers, node.weights.integers)
    assert np.array_equal(after.nodes[0].requantize.bias, node.requantize.bias)
    assert np.array_equal(executor.run(before, images()).outputs, executor.run(after, images()).outputs)
    (size,) = layer_sizes(after).layers
    assert 2 * size.stream_bits < layer_sizes(network(grouped(node))).stream_bits
    assert (size.weights, size.biases) == (8, 12)
    assert macs_of(after) == {"a": 3 * 4 * 12 * 2}


COPIES = "layer a: 2 copies must be 1 or more, of a 1x1 kernel in one group, with stride 1 and no padding"


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (conv("a", "input", (2, 1, 1, 3), 2, stride=(2, 2)), COPIES),
        (conv("a", "input", (2, 1, 1, 3), 2, padding=(0, 1, 0, 0)), COPIES),
        (conv("a", "input", (2, 1, 1, 3), 2, groups=2), COPIES),
        (conv("a", "input", (2, 3, 3, 3), 2), COPIES),
        (conv("a", "input", (2, 1, 1, 3), 0), COPIES.replace("2 copies", "0 copies")),
        (
            conv("a", "input", (2, 1, 1, 2), 2),
            "layer a: 2 copies of 2 input channels do not fit a source of 6 channels",
        ),
        (
            replace(conv("a", "input", (2, 1, 1, 3), 1), copies=2),
            "layer a: bias must have shape (4,), not (2,)",
        ),
    ],
)
def test_copies_that_do_not_fit_are_refused(node, message):
    with pytest.raises(ShiftbookError) as error:
        executor.run(network(node), images())
    assert str(error.value) == message


def test_the_accelerator_runs_one_copy_after_another():
    node = conv("a", "input", (2, 1, 1, 3), 2)
    check_runnable(network(node), DEFAULT)
    steps = plan(network(node), DEFAULT).passes[1:]
    assert [(step.source.first, step.target.first) for step in steps] == [(0, 0), (3, 2)]
    assert all(step.weights is node.weights for step in steps)
    assert (
        np.concatenate([step.conv.requantize.bias for step in steps]).tolist()
        == node.requantize.bias.tolist()
    )


CHAIN = {"old": {"nodes": ["a", "b"], "shape": [8, 6, 1, 1], "modes": [8, 1, 6], "ranks": [4, 2]}}


def chain(facts):
    parts = conv("a", "input", (2, 1, 1, 3), 2), conv("b", "a", (8, 1, 1, 4))
    return network(*parts, facts=facts)


def test_a_chain_is_compared_with_the_layer_that_it_replaces():
    found = chain({"decomposed": CHAIN})
    sizes = layer_sizes(found)
    (layer,) = decomposed_layers(found, sizes)
    assert (layer.dense_weights, layer.weights) == (48, 6 + 32)
    assert (layer.dense_macs, layer.macs) == (48 * 12, (12 + 32) * 12)
    assert layer.stored_bits == sum(size.stored_bits for size in sizes.layers)
    saved = savings(found, sizes, [layer])
    assert (saved.weights, saved.macs) == (48 / 38, 48 / 44)
    assert saved.ratio == 32 * (48 + 8) / sizes.stored_bits


def test_a_network_without_chains_has_none():
    found = chain({})
    assert decomposed_layers(found, layer_sizes(found)) == []


@pytest.mark.parametrize("fact", [3, {"old": 3}, {"old": {**CHAIN["old"], "nodes": ["c"]}}, {"old": {}}])
def test_a_fact_that_does_not_fit_is_one_line(fact):
    found = chain({"decomposed": fact})
    with pytest.raises(ShiftbookError, match="the checkpoint's fact 'decomposed'"):
        decomposed_layers(found, layer_sizes(found))
