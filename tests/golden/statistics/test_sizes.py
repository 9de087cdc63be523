"""Sizes are those of the file, also where another program coded the same network in other bits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from shiftbook.golden.coding.bits import Reader
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.statistics.sizes import layer_sizes
from shiftbook.golden.storage.checkpoint import load, read, save
from tests.golden.checkpoints import network, same
from tests.golden.codings import even_codes, other_gaps, stored_default_slots, wide_fields


@pytest.fixture
def balanced() -> Network:
    """Each channel with its slot, the default one where there is no other."""
    saved = network()

    def with_slots(node):
        channels = node.weights.integers.shape[3] if isinstance(node, Conv) else 1
        if channels % saved.slots or node.weights.slot_of_channel is not None:
            return node
        slots = np.arange(channels, dtype=np.uint8) % saved.slots
        return replace(node, weights=replace(node.weights, slot_of_channel=slots))

    return replace(saved, nodes=tuple(with_slots(node) for node in saved.nodes))


@pytest.mark.parametrize("coded", [even_codes, wide_fields, stored_default_slots, other_gaps])
def test_sizes_are_those_of_the_file(path, balanced, monkeypatch, coded):
    usual = layer_sizes(balanced)
    with monkeypatch.context() as patched:
        save(balanced, path, coded(patched))
    found, tensors = layer_sizes(path), read(path).tensors
    assert same(load(path).nodes[0].weights.integers, balanced.nodes[0].weights.integers)
    assert found.stored_bits != usual.stored_bits
    assert found.stored_bits == 8 * sum(map(len, tensors.values()))
    assert found.stored_bits + 8 * found.header_bytes == 8 * path.stat().st_size
    for layer, before in zip(found.layers, usual.layers, strict=True):
        own = [len(data) for name, data in tensors.items() if name.rpartition(".")[0] == layer.name]
        assert layer.stored_bits == 8 * sum(own)
        streams = Reader(tensors[f"{layer.name}.tables"]).take_offsets(4 if layer.gapless else 8)
        assert (layer.gap_bits, layer.code_bits) == (streams[:-4].sum(), streams[-4:].sum())
        assert layer.stream_bits >= layer.entropy_bits - 1e-6
        assert (layer.nonzero, layer.terms) == (before.nonzero, before.terms)


def test_tables_are_those_of_the_file(path, monkeypatch):
    """The codebook is an offset array, the code lengths are none."""
    with monkeypatch.context() as patched:
        save(network(), path, wide_fields(patched))
    for node, found, usual in zip(
        (node for node in network().nodes if isinstance(node, Conv)),
        layer_sizes(path).layers,
        layer_sizes(network()).layers,
        strict=True,
    ):
        assert found.table_bits == usual.table_bits + 3 + len(node.weights.codebook)
