"""Vectors on simulated RTL: the engine of the plain schemes runs them, and holds shared codebooks."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from golden import executor
from golden.cycles import layer_cycles
from golden.network import Network
from golden.spec import DEFAULT, Spec
from golden.validate import shapes
from hw.engine import Engine
from hw.registers import INDEX_WIDTH, Region
from hw.verilog import emit
from sim import driver, harness, program
from sim.driver import Mismatch, run_rtl
from sim.pauses import NEVER, PAUSES, Pauses
from tests.golden.layers import (
    FOCUSED,
    Layer,
    make_codebooks,
    make_conv,
    make_vector_conv,
    one_layer_network,
)

SMALL = replace(DEFAULT, rows=4, cols=4, slots=2, requantizers=4, tile_words=128, codebook_rows=512)
IMAGES = np.random.default_rng(12).integers(0, 256, (2, 8, 7, 8), np.uint8)


def network(kind: str, spec: Spec = SMALL) -> Network:
    """A plain layer, three of one kind, and a plain one."""
    rng = np.random.default_rng(4)
    same = {"padding": (1, 1, 1, 1)}
    books, dim = {"additive": (2, 8), "product": (1, 4), "kernel": (1, 9)}.get(kind, (1, 1))
    codebooks = make_codebooks(rng, books, 16, dim)
    along = "taps" if kind == "kernel" else "run"

    def middle(density: float):
        if kind == "focused":
            return make_conv(rng, (8, 3, 3, 8), values=[v for v in FOCUSED if v], density=density / 3, **same)
        return make_vector_conv(rng, (8, 3, 3, 8), codebooks, spec, along=along, density=density, **same)

    convs = [
        make_conv(rng, (8, 3, 3, 8), gapless=True, **same),
        middle(1.0),
        middle(0.5),
        middle(1.0),
        make_conv(rng, (5, 1, 1, 8)),
    ]
    named = [
        replace(conv, name=f"c{i}", source=f"c{i - 1}" if i else "image") for i, conv in enumerate(convs)
    ]
    return replace(one_layer_network(Layer(named[0], IMAGES[0], 0, spec)), nodes=tuple(named))


@pytest.mark.parametrize("pauses", [NEVER, PAUSES[3]], ids=["steady", "paused"])
@pytest.mark.parametrize("kind", ["additive", "product", "kernel"])
def test_every_integer_and_cycle(kind: str, pauses: Pauses) -> None:
    net = network(kind)
    result = run_rtl(net, IMAGES, SMALL, pauses=pauses)
    assert np.array_equal(result.outputs, executor.run(net, IMAGES).outputs)
    tensors = shapes(net)
    for layer, node in zip(result.layers, net.nodes, strict=True):
        model = layer_cycles(node, tensors[node.source], SMALL)
        assert layer.terms == model.rows
        if pauses == NEVER:
            assert layer.cycles == model.cycles


def test_all_schemes_run_on_the_same_circuit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Verilog of which the simulator is built is that of the spec, whatever the network."""
    honest = harness.simulator.build
    built = []

    def build(verilog: str, *arguments: object, **options: object):
        built.append(hashlib.sha256(verilog.encode()).hexdigest())
        return honest(verilog, *arguments, **options)

    monkeypatch.setattr(harness.simulator, "build", build)
    for kind in ("focused", "additive", "product", "kernel"):
        run_rtl(network(kind), IMAGES[:1], SMALL)
    assert len(built) == 4
    assert len(set(built)) == 1
    assert emit(Engine(SMALL), "engine") in harness.verilog(SMALL)


def writes(net: Network, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Words that each layer writes to the codebook memory."""
    honest = program.build
    found = []

    def build(*arguments: object, **options: object) -> program.Program:
        result = honest(*arguments, **options)
        found.append(int((result.address >> INDEX_WIDTH == Region.ROWS).sum()))
        return result

    monkeypatch.setattr(program, "build", build)
    run_rtl(net, IMAGES[:1], SMALL)
    monkeypatch.undo()
    return found


def test_shared_codebooks_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network("additive")
    first, second, third, fourth, last = writes(net, monkeypatch)
    assert first > 0
    assert second > 0
    assert (third, fourth) == (0, 0)
    assert last > 0
    # codebooks that are equal but not shared, and codebooks after another layer's, are written
    layers = list(net.nodes)
    vectors = layers[2].weights.vectors
    own = replace(vectors, codebooks=replace(vectors.codebooks))
    layers[2] = replace(layers[2], weights=replace(layers[2].weights, vectors=own))
    assert all(writes(replace(net, nodes=tuple(layers)), monkeypatch))


def test_codebooks_that_were_not_loaded_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = program.build

    def build(conv, *arguments: object, **options: object) -> program.Program:
        if conv.name == "c1":
            options["loaded"] = conv.weights.vectors.codebooks
        return honest(conv, *arguments, **options)

    monkeypatch.setattr(driver.program, "build", build)
    with pytest.raises(Mismatch, match="layer c1"):
        run_rtl(network("additive"), IMAGES[:1], SMALL)
