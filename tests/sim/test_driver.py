"""Whole networks on simulated RTL: equal to golden, cycles exact, and every kind of damage seen.

A small engine, so that the builds are short; the engine's own tests have the others.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from golden import executor
from golden.cycles import layer_cycles
from golden.errors import ShiftbookError
from golden.network import Conv, Network, Pool
from golden.spec import DEFAULT, Spec
from golden.validate import shapes
from hw.registers import INDEX_WIDTH, Region, Register, code_symbol, unpack
from sim import driver, program
from sim.driver import Mismatch, run_rtl
from sim.pauses import NEVER, PAUSES, Pauses
from tests.golden.layers import Layer, make_conv, one_layer_network

SMALL = replace(DEFAULT, rows=4, cols=4, slots=2, requantizers=4, tile_words=128, codebook_rows=128)
DENSE = replace(SMALL, lane="multiply", feed="dense")
SPARSE = replace(SMALL, lane="multiply")


def network(spec: Spec) -> Network:
    """Padding and stride, a pool, a gapless layer, a 1x1 layer, and a fully connected one."""
    rng = np.random.default_rng(11)
    first = make_conv(rng, (6, 3, 3, 3), density=0.5, padding=(1, 1, 1, 1))
    head = one_layer_network(Layer(first, np.zeros((12, 10, 3), np.uint8), 0, spec))
    pool = Pool("pool", "conv", "max", (2, 2), (2, 2))
    second = make_conv(rng, (5, 3, 3, 6), stride=(2, 1), padding=(1, 0, 0, 1), gapless=True)
    third = make_conv(rng, (8, 1, 1, 5), density=0.7)
    last = make_conv(rng, (4, 3, 4, 8), density=0.1)
    nodes = (
        first,
        pool,
        replace(second, name="strided", source="pool"),
        replace(third, name="narrow", source="strided"),
        replace(last, name="full", source="narrow"),
    )
    return replace(head, nodes=nodes)


IMAGES = np.random.default_rng(12).integers(0, 256, (3, 12, 10, 3), np.uint8)


@pytest.mark.parametrize(
    ("spec", "pauses"),
    [(SMALL, pauses) for pauses in (*PAUSES, Pauses(idle=0.98, seed=4))]
    + [(DENSE, NEVER), (DENSE, PAUSES[3]), (SPARSE, PAUSES[3])],
)
def test_every_integer_and_cycle(spec: Spec, pauses: Pauses) -> None:
    net = network(spec)
    tensors = shapes(net)
    seen: list[tuple[int, int, str]] = []
    result = run_rtl(net, IMAGES, spec, pauses=pauses, progress=lambda *state: seen.append(state))
    assert np.array_equal(result.outputs, executor.run(net, IMAGES).outputs)
    assert [layer.where for layer in result.layers] == ["rtl", "host", "rtl", "rtl", "rtl"]
    for layer, node in zip(result.layers, net.nodes, strict=True):
        if not isinstance(node, Conv):
            continue
        model = layer_cycles(node, tensors[node.source], spec)
        assert layer.integers == 3 * np.prod(tensors[node.name])
        assert (layer.terms, layer.fill) == (model.rows, model.fill)
        if pauses == NEVER:
            assert layer.cycles == model.cycles
            assert layer.utilization == model.utilization
    assert seen[-1] == (seen[-1][1], seen[-1][1], "full")
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)


def test_pauses_cost_cycles() -> None:
    net = network(SMALL)
    quick = run_rtl(net, IMAGES[:1], SMALL).cycles
    assert run_rtl(net, IMAGES[:1], SMALL, pauses=Pauses(idle=0.98, seed=4)).cycles > 1.2 * quick


def test_limit() -> None:
    assert run_rtl(network(SMALL), IMAGES, SMALL, limit=2).outputs.shape == (2, 4)
    with pytest.raises(ShiftbookError, match="limit must be at least 1, not 0"):
        run_rtl(network(SMALL), IMAGES, SMALL, limit=0)


def test_chunks_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_rtl(network(SMALL), IMAGES, SMALL)
    monkeypatch.setattr(driver, "CHUNK_BYTES", 1)
    assert run_rtl(network(SMALL), IMAGES, SMALL).layers == whole.layers


def corrupt(monkeypatch: pytest.MonkeyPatch, region: Region, index: int | None, bit: int) -> None:
    """Flip a bit of one word of the first layer; without an index that of the commonest code's first row."""
    honest = program.build

    def build(conv: Conv, *arguments: object, **options: object) -> program.Program:
        built = honest(conv, *arguments, **options)
        if conv.name == "conv":
            words = {int(address): place for place, address in enumerate(built.address)}
            symbol = int(built.data[words[Region.CODE_SYMBOLS << INDEX_WIDTH]])
            row = unpack(code_symbol(SMALL), symbol)["first_row"] if index is None else index
            built.data[words[region << INDEX_WIDTH | row]] ^= np.uint32(1 << bit)
        return built

    monkeypatch.setattr(program, "build", build)


def test_one_wrong_codebook_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit 1 of a row is the sign of its term."""
    corrupt(monkeypatch, Region.ROWS, None, 1)
    with pytest.raises(Mismatch) as error:
        run_rtl(network(SMALL), IMAGES, SMALL)
    golden = executor.run(network(SMALL), IMAGES, keep=True).tensors["conv"]
    words = re.findall(r"\w+", str(error.value))
    assert words[:2] == ["layer", "conv"]
    image, y, x, channel = (int(words[words.index(name) + 1]) for name in ("image", "y", "x", "channel"))
    assert int(words[words.index("golden") + 1]) == golden[image, y, x, channel]
    assert int(words[words.index("RTL") + 1]) != golden[image, y, x, channel]
    assert error.value.layer == "conv"


@pytest.mark.parametrize(
    ("region", "index", "bit", "message"),
    [
        (Region.TAPS, 4, 0, r"y \d+, x \d+, channel \d+: RTL \d+, golden \d+"),
        (Region.REGISTERS, Register.ZERO_POINT, 3, r"y \d+, x \d+, channel \d+: RTL \d+, golden \d+"),
        (Region.REGISTERS, Register.OUTPUT_CHANNELS, 1, "RTL gave 16 output beats, golden 24"),
        (Region.CODE_CODE, 11, 12, "invalid code word"),
    ],
)
def test_other_wrong_bits(
    monkeypatch: pytest.MonkeyPatch, region: Region, index: int, bit: int, message: str
) -> None:
    corrupt(monkeypatch, region, index, bit)
    with pytest.raises(Mismatch, match=message):
        run_rtl(network(SMALL), IMAGES, SMALL)


def test_wrong_cycles(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is compared too: change it and watch."""
    honest = driver.layer_cycles
    monkeypatch.setattr(
        driver, "layer_cycles", lambda *a: replace(honest(*a), tile_cycles=honest(*a).tile_cycles + 1)
    )
    with pytest.raises(
        Mismatch, match=r"layer conv: image 0, tile \(0, 0\): RTL \d+ cycles, the cycle model"
    ):
        run_rtl(network(SMALL), IMAGES, SMALL)


def test_starved_engine_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = program.build

    def build(*arguments: object, **options: object) -> program.Program:
        built = honest(*arguments, **options)
        return replace(built, codes=tuple(words[:1] for words in built.codes))

    monkeypatch.setattr(program, "build", build)
    with pytest.raises(Mismatch, match=r"layer conv: image 0, tile \(0, 0\): the RTL hangs after \d+ of 24"):
        run_rtl(network(SMALL), IMAGES, SMALL)


def test_the_host_adds_residuals() -> None:
    net = network(SMALL)
    conv = net.nodes[0]
    assert isinstance(conv, Conv)
    rng = np.random.default_rng(3)
    requantize = replace(conv.requantize, residual_multiplier=rng.integers(0, 99, 6))
    adds = make_conv(rng, (6, 3, 3, 6), padding=(1, 1, 1, 1))
    adds = replace(adds, name="again", source="conv", residual="conv", requantize=requantize)
    whole = replace(net, nodes=(conv, adds))
    result = run_rtl(whole, IMAGES, SMALL)
    assert [layer.where for layer in result.layers] == ["rtl", "both"]
    assert np.array_equal(result.outputs, executor.run(whole, IMAGES).outputs)


def test_what_the_engine_cannot_run_yet() -> None:
    net = network(SMALL)
    grouped = make_conv(np.random.default_rng(0), (6, 1, 1, 3))
    grouped = replace(grouped, name="again", source="conv", groups=2)
    with pytest.raises(ShiftbookError, match="again has 2 groups, which the RTL does not run yet"):
        run_rtl(replace(net, nodes=(net.nodes[0], grouped)), IMAGES, SMALL)


@pytest.mark.slow  # builds an engine of its own; a small design's waveform is among the fast tests
def test_wave(tmp_path: Path) -> None:
    wave = tmp_path / "out.fst"
    run_rtl(network(SMALL), IMAGES, SMALL, limit=1, wave=wave)
    assert wave.stat().st_size > 10_000
