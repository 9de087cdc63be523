"""The checkpoint file: round trips, sizes that add up, and nothing left of what could not be written."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shiftbook.golden.coding.items import placement_of
from shiftbook.golden.coding.placement import default_slots
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.nodes import Concat, Conv, Interleave, Resample
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.statistics.sizes import layer_sizes
from shiftbook.golden.storage.checkpoint import load, read, save, serialize
from shiftbook.golden.storage.packing import _int16
from tests.golden.checkpoints import network, same
from tests.golden.codings import stored_default_slots


@pytest.mark.parametrize("slots", [1, 2, 4, 8])
def test_round_trip(path, slots):
    saved = network(slots, slots)
    save(saved, path)
    assert same(load(path), saved)


@given(st.integers(0, 1 << 30), st.integers(1, 8))
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_round_trip_of_any_network(path, seed, slots):
    saved = network(seed, slots)
    save(saved, path)
    assert same(load(path), saved)


def test_slots_that_are_stored_though_they_are_the_default_ones(path, monkeypatch):
    plain = network()

    def spelled_out(node):
        if not isinstance(node, Conv) or node.weights.vectors or node.weights.slot_of_channel is not None:
            return node
        if placement_of(node.weights, plain.slots, DEFAULT).mode != "channel":
            return node
        owner = default_slots(node.weights.integers.shape[3], plain.slots)
        return replace(node, weights=replace(node.weights, slot_of_channel=owner.astype(np.uint8)))

    spelled = replace(plain, nodes=tuple(map(spelled_out, plain.nodes)))
    assert not same(spelled, plain)
    with monkeypatch.context() as patch:
        stored_default_slots(patch)
        save(spelled, path)
    assert same(load(path), plain)


LINES = Resample(
    "lines", "stem", "columns", np.array([0, 3, 1]), np.array([[64, 0], [-1, 65], [9, 9]], np.int16), 6
)


@pytest.mark.parametrize(
    "node", [Concat("joined", ("stem", "stem")), Interleave("whole", ("stem",) * 4), LINES]
)
def test_round_trip_of_what_only_moves(path, node):
    saved = network()
    saved = replace(saved, nodes=(*saved.nodes[:2], node))
    saved = replace(saved, nodes=tuple(_with_zero_point(node, 9) for node in saved.nodes))
    save(saved, path)
    assert same(load(path), saved)


def _with_zero_point(node, zero_point):
    if isinstance(node, Concat | Interleave | Resample):
        return node
    return replace(node, requantize=replace(node.requantize, zero_point=zero_point))


def test_round_trip_with_other_alphabets(path):
    spec = replace(DEFAULT, code_length=15, gap_symbols=8, table_entries=16, position_width=12)
    saved = network(1)
    save(saved, path, spec)
    assert same(load(path), saved)
    assert read(path).graph["coding"] == {
        "code_length": 15,
        "gap_symbols": 8,
        "table_entries": 16,
        "position_width": 12,
    }


def test_the_default_slots_are_not_stored(path):
    saved = network()
    body = saved.nodes[1]
    default = np.arange(8, dtype=np.uint8) % 4
    nodes = list(saved.nodes)
    nodes[1] = replace(body, weights=replace(body.weights, slot_of_channel=default))
    save(replace(saved, nodes=tuple(nodes)), path)
    assert load(path).nodes[1].weights.slot_of_channel is None


def test_equal_networks_give_equal_files():
    assert len({serialize(network()) for _ in range(5)}) == 1


# Sizes


def test_sizes_add_up_to_the_file(path):
    save(network(), path)
    sizes = layer_sizes(path)
    assert sizes == layer_sizes(network())
    assert [layer.name for layer in sizes.layers] == ["stem", "body.0", "body.1", "deep", "down", "head"]
    assert sizes.stored_bits + 8 * sizes.header_bytes == 8 * path.stat().st_size
    tensors = read(path).tensors
    assert sizes.stored_bits == 8 * sum(map(len, tensors.values()))
    for layer in sizes.layers:
        own = [len(data) for name, data in tensors.items() if name.rpartition(".")[0] == layer.name]
        assert layer.stored_bits == 8 * sum(own)
        assert layer.side_bits > 0
        assert layer.stream_bits >= layer.entropy_bits - 1e-6


def test_sizes_of_a_layer():
    stem, body, *_ = layer_sizes(network()).layers
    integers = network().nodes[1].weights.integers
    assert (body.scheme, body.gapless, body.weights, body.biases) == ("focused", False, 8 * 9 * 8, 8)
    assert body.nonzero == np.count_nonzero(integers)
    digits = {24: 2, 20: 2, 17: 2, 18: 2, 15: 2, 16: 1, 8: 1, 0: 0}
    assert body.terms == sum(digits[abs(int(value))] for value in integers.ravel())
    assert body.terms_per_weight == body.terms / body.weights
    assert (stem.gapless, stem.gap_bits, stem.gap_entropy) == (True, 0, 0)


def test_ratio_counts_every_stored_bit():
    sizes = layer_sizes(network())
    numbers = sum(layer.weights + layer.biases for layer in sizes.layers)
    assert sizes.ratio == 32 * numbers / sizes.stored_bits
    assert sizes.other_bits > 0  # the normalization and the average pool


# What cannot be written


def test_an_unwritable_output_leaves_nothing(tmp_path):
    with pytest.raises(ShiftbookError, match=r"^cannot write .*/missing/net: No such file or directory; "):
        save(network(), tmp_path / "missing" / "net")
    (tmp_path / "folder").mkdir()
    with pytest.raises(ShiftbookError, match=r"^cannot write .*/folder: Is a directory; "):
        save(network(), tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file(path, monkeypatch, failing):
    path.write_bytes(b"old")

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(*((os, "fsync") if failing == "fsync" else (Path, "replace")), fail)
    with pytest.raises(ShiftbookError, match=r"^cannot write .*: No space left on device; "):
        save(network(), path)
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == [path.name]


def test_an_interruption_leaves_nothing(path, monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save(network(), path)
    assert os.listdir(path.parent) == []


@pytest.mark.parametrize("facts", [{"x": float("nan")}, {"x": {1, 2}}, {"x": np.float32(1)}])
def test_facts_must_be_json(path, facts):
    with pytest.raises(ShiftbookError, match=r"^facts and scales must be finite JSON values: "):
        save(replace(network(), facts=facts), path)
    assert not path.exists()


def test_an_invalid_network_is_not_written(path):
    with pytest.raises(ShiftbookError, match="its source 'nowhere' is no earlier layer"):
        save(replace(network(), nodes=(replace(network().nodes[0], source="nowhere"),)), path)
    assert not path.exists()


def test_a_codebook_out_of_range_is_refused_by_its_first_bad_value():
    with pytest.raises(ShiftbookError, match=r"^the codebook must hold 16-bit integers, not -40000$"):
        _int16(np.array([3, -40_000] * 100))
