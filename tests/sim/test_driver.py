"""Whole networks on the simulated accelerator: equal to golden, rows exact, and every kind of damage seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.isa.layer_registers import LayerRegister
from shiftbook.golden.isa.program_format import Command
from shiftbook.golden.isa.registers import Region, Register
from shiftbook.golden.isa.stream_registers import FIELD_BITS, StreamField
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.mapping.padded import PADDED
from shiftbook.golden.mapping.passes import plan
from shiftbook.golden.model import executor
from shiftbook.golden.model.nodes import Concat, Interleave, Node
from shiftbook.golden.model.validate import shapes
from shiftbook.golden.program import image
from shiftbook.golden.program.commands import Commands
from shiftbook.golden.program.image import Image
from shiftbook.golden.program.layer_program import stream_data
from shiftbook.golden.spec import Spec
from shiftbook.sim import driver
from shiftbook.sim.driver import Mismatch, run_rtl
from tests.golden.layers import Layer, make_conv, one_layer_network
from tests.sim.networks import (
    IMAGES,
    QUICK,
    SMALL,
    SPECS,
    doubled,
    everything,
    far,
    filling,
    functions,
    gates,
    holes,
    joined,
    of_four_bits,
    resized,
    shared,
    whole_maps,
    wide,
)

Damage = Callable[[np.ndarray, Image], None]


@pytest.mark.parametrize(("latency", "pauses"), [(0, 0.0), (100, 0.0), (7, 0.4)])
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SPECS]
)
def test_every_integer_and_row(name: str, latency: int, pauses: float) -> None:
    spec = SPECS[name]
    network = everything(spec)
    seen: list[tuple[int, int, str]] = []
    result = run_rtl(
        network,
        IMAGES,
        spec,
        latency=latency,
        pauses=pauses,
        progress=lambda *state: seen.append(state),
    )
    assert np.array_equal(result.outputs, executor.run(network, IMAGES).outputs)
    found = shapes(network)
    assert [layer.name for layer in result.layers] == list(found)
    assert [layer.integers for layer in result.layers] == [2 * np.prod(shape) for shape in found.values()]
    assert result.integers == 2 * sum(np.prod(shape) for shape in found.values())
    for layer in result.layers:
        counters = layer.counters
        assert 0 < counters.issue <= counters.busy <= counters.cycles
        assert 0 < layer.utilization < 1
    assert seen[-1][0] == seen[-1][1]
    assert result.cycles < result.simulated_cycles


@pytest.mark.parametrize("name", ["int8", pytest.param("int8_sparse", marks=pytest.mark.slow)])
def test_weights_of_four_bits(name: str) -> None:
    spec = replace(SPECS[name], weight_width=4)
    network = of_four_bits(spec)
    result = run_rtl(network, IMAGES, spec, pauses=0.2)
    assert np.array_equal(result.outputs, executor.run(network, IMAGES).outputs)


@pytest.mark.parametrize("seed", range(1, 4))
def test_other_weights(seed: int) -> None:
    run_rtl(everything(SMALL, seed), IMAGES, SMALL, limit=1, pauses=0.2, seed=seed)


@pytest.mark.parametrize("name", ["shift", "odd"])
def test_concatenation_is_where_a_tensor_lies(name: str) -> None:
    network = joined(SPECS[name])
    result = run_rtl(network, IMAGES, SPECS[name])
    assert np.array_equal(result.outputs, executor.run(network, IMAGES).outputs)
    # "stem" lies in "all" and is copied into "pair", "deep" is there twice
    copied = {layer.name: layer.integers for layer in result.layers if layer.name in ("pair", "all")}
    assert copied == {"pair": 2 * 9 * 11 * 3, "all": 2 * 9 * 11 * 4}


@pytest.mark.parametrize(
    "name", ["shift", *(pytest.param(n, marks=pytest.mark.slow) for n in ("odd", "int8", "int8_sparse"))]
)
def test_channels_that_do_not_fit_are_added_up_in_parts(name: str) -> None:
    spec = SPECS[name]
    network = wide(spec)
    steps = plan(network, spec).passes
    parts = {node.name: sum(step.node == node.name for step in steps) for node in network.nodes}
    assert min(parts[node] for node in ("halved", "added", "grouped")) > 2
    result = run_rtl(network, IMAGES, spec, latency=7, pauses=0.3)
    found = executor.run(network, IMAGES, keep=True).tensors
    assert all(len(np.unique(found[node])) > 50 for node in ("halved", "added", "grouped"))
    assert result.integers == sum(tensor.size for tensor in found.values())


@pytest.mark.slow
def test_channels_may_fill_the_banks() -> None:
    spec = replace(SMALL, tile_words=64)
    network = filling(spec)
    (full,) = (step for step in plan(network, spec).passes if step.node == "full")
    assert full.layout.local_channels == spec.tile_words
    result = run_rtl(network, IMAGES, spec, latency=7, pauses=0.3)
    assert np.array_equal(result.outputs, executor.run(network, IMAGES).outputs)


@pytest.mark.parametrize("name", QUICK)
def test_runs_of_channels_share_weights(name: str) -> None:
    spec = SPECS[name]
    network = shared(spec)
    result = run_rtl(network, IMAGES, spec)
    assert np.array_equal(result.outputs, executor.run(network, IMAGES).outputs)
    built = image.build(network, spec)
    passes = Counter(step.node for step in built.plan.passes)
    assert (passes["inner"], passes["middle"], passes["outer"], passes["added"]) == (4, 1, 2, 2)


@pytest.mark.parametrize("pauses", [0.0, 0.3])
@pytest.mark.parametrize("name", QUICK)
def test_functions_of_activations(name: str, pauses: float) -> None:
    spec = SPECS[name]
    network = functions(spec)
    result = run_rtl(network, IMAGES, spec, latency=7, pauses=pauses)
    found = executor.run(network, IMAGES, keep=True).tensors
    assert result.integers == sum(tensor.size for tensor in found.values())
    assert all(len(np.unique(found[node])) > 50 for node in ("stem", "split", "added"))


@pytest.mark.parametrize("pauses", [0.0, 0.3])
@pytest.mark.parametrize("name", QUICK)
def test_gates_that_the_image_decides(name: str, pauses: float) -> None:
    spec = SPECS[name]
    network = gates(spec)
    result = run_rtl(network, IMAGES, spec, latency=7, pauses=pauses)
    found = executor.run(network, IMAGES, keep=True).tensors
    assert result.integers == sum(tensor.size for tensor in found.values())
    assert all(len(np.unique(found[node])) > 7 for node in ("excited", "small")), "gates differ"
    assert all(len(np.unique(found[node])) > 25 for node in ("first", "second"))


@pytest.mark.parametrize("name", QUICK)
def test_kernels_with_holes(name: str) -> None:
    network = holes(SPECS[name])
    result = run_rtl(network, IMAGES, SPECS[name], pauses=0.2)
    assert np.array_equal(result.outputs, executor.run(network, IMAGES).outputs)


@pytest.mark.parametrize("name", QUICK)
def test_kernels_that_look_far(name: str) -> None:
    network = far(SPECS[name])
    result = run_rtl(network, IMAGES, SPECS[name], latency=7, pauses=0.2)
    assert np.array_equal(result.outputs, executor.run(network, IMAGES).outputs)
    copied = {step.node for step in plan(network, SPECS[name]).passes if step.target.tensor.endswith(PADDED)}
    assert copied == {node.name for node in network.nodes} - {"added", "cropped"}


@pytest.mark.parametrize(("name", "pauses"), [("shift", 0.3), ("int8", 0.0)])
def test_interleaved_pixels_are_where_a_tensor_lies(name: str, pauses: float) -> None:
    spec = SPECS[name]
    network = doubled(spec)
    result = run_rtl(network, IMAGES, spec, latency=7, pauses=pauses)
    assert np.array_equal(result.outputs, executor.run(network, IMAGES).outputs)
    layers = {layer.name: layer.integers for layer in result.layers}
    # what only interleaves is no pass of its own; a tensor in several places is copied to all of them at once
    assert "whole" not in layers
    assert layers["nearest"] == 2 * 9 * 11 * 5
    for layer in result.layers:
        assert abs(layer.model / layer.counters.cycles - 1) < 0.35 or pauses, layer


@pytest.mark.parametrize("kind", [Concat, Interleave])
def test_results_that_only_join_are_compared(kind: type[Node], monkeypatch: pytest.MonkeyPatch) -> None:
    """No pass ends with them, and here nothing reads them."""
    network = {Concat: joined, Interleave: doubled}[kind](SMALL)
    whole = next(node.name for node in reversed(network.nodes) if isinstance(node, kind))
    last = [node.name for node in network.nodes].index(whole)
    honest = kind.run

    def swapped(node: Node, *inputs: object) -> np.ndarray:
        return honest(node, *inputs)[:, ::-1] if node.name == whole else honest(node, *inputs)

    monkeypatch.setattr(kind, "run", swapped)
    with pytest.raises(Mismatch, match=f"layer {whole}: image 0"):
        run_rtl(replace(network, nodes=network.nodes[: last + 1]), IMAGES, SMALL, limit=1)


@pytest.mark.parametrize(("name", "pauses"), [("shift", 0.3), ("odd", 0.0)])
def test_lines_are_gathered_and_spread(name: str, pauses: float) -> None:
    spec = SPECS[name]
    network = resized(spec)
    result = run_rtl(network, IMAGES, spec, latency=7, pauses=pauses)
    assert np.array_equal(result.outputs, executor.run(network, IMAGES).outputs)
    layers = {layer.name: layer for layer in result.layers}
    assert layers["tall"].integers == 2 * 21 * 11 * 5, "what is gathered is no output"
    for layer in result.layers:
        assert abs(layer.model / layer.counters.cycles - 1) < 0.35 or pauses, layer


@pytest.mark.parametrize(("name", "pauses"), [("shift", 0.3), ("int8", 0.0)])
def test_kernels_that_cover_maps_take_several_passes(name: str, pauses: float) -> None:
    spec = SPECS[name]
    network = whole_maps(spec)
    steps = plan(network, spec).passes
    large = ("mean", "dense", "grouped", "moves", "halves")
    parts = {node: sum(step.node == node for step in steps) for node in large}
    assert min(parts.values()) > 1, parts
    result = run_rtl(network, IMAGES, spec, latency=7, pauses=pauses)
    found = executor.run(network, IMAGES, keep=True).tensors
    assert np.array_equal(result.outputs, executor.run(network, IMAGES).outputs)
    assert all(len(np.unique(found[node])) > 5 for node in large)


def test_an_accelerator_without_interleaving_runs_the_rest() -> None:
    spec = replace(SMALL, interleaving=False)
    with pytest.raises(ShiftbookError, match="layer whole: the spec leaves interleaving out: set it True"):
        plan(doubled(spec), spec)
    network = everything(spec)
    result = run_rtl(network, IMAGES, spec, limit=1, pauses=0.2)
    assert np.array_equal(result.outputs, executor.run(network, IMAGES[:1]).outputs)


def test_lanes_that_cannot_interleave_say_so() -> None:
    spec = SPECS["odd"]
    message = "layer whole: interleaving needs lanes of even rows and columns, .*: the spec has 3x5 lanes"
    with pytest.raises(ShiftbookError, match=message):
        plan(doubled(spec), spec)


def test_shared_weights_lie_in_memory_once() -> None:
    built = image.build(shared(SMALL), SMALL)
    step = next(step for step in built.plan.passes if step.node == "inner")
    streams = [stream for stream in stream_data(step, SMALL)[1:] if len(stream)]
    assert len(streams) == SMALL.slots * (1 if step.coding.weights.gapless else 2)
    for stream in streams:
        assert built.constants.tobytes().count(stream.tobytes()) == 1


def test_waiting_costs_cycles() -> None:
    network = everything(SMALL)
    near, far, busy = (
        run_rtl(network, IMAGES, SMALL, limit=1, latency=latency, pauses=pauses).cycles
        for latency, pauses in ((0, 0.0), (300, 0.0), (0, 0.7))
    )
    assert far > near + 9 * 300
    assert busy > 1.2 * near


def test_limit() -> None:
    assert run_rtl(everything(SMALL), IMAGES, SMALL, limit=1).outputs.shape == (1, 10)
    with pytest.raises(ShiftbookError, match="limit must be at least 1, not 0"):
        run_rtl(everything(SMALL), IMAGES, SMALL, limit=0)


def damaged(monkeypatch: pytest.MonkeyPatch, damage: Damage) -> None:
    """Change what is put into memory."""
    honest = Image.contents

    def contents(self: Image) -> np.ndarray:
        data = honest(self)
        damage(data, self)
        return data

    monkeypatch.setattr(Image, "contents", contents)


def flip(offset: int, bit: int = 0) -> Damage:
    def damage(data: np.ndarray, built: Image) -> None:
        data[offset] ^= 1 << bit

    return damage


MISREAD = "unknown address|program damaged|program length|stalled"
"""What words may be taken for that are no program."""


def flip_program(offset: int) -> Damage:
    def damage(data: np.ndarray, built: Image) -> None:
        data[built.program_offset + offset] ^= 1

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (flip(0), "layer image: image 0: .* after 0 layers: not a program"),
        (flip(5), "layer image: image 0: .* after 0 layers: other spec"),
        (flip(20), "layer image: image 0: .* after 0 layers: program damaged"),
        (flip(36), "layer image: image 0: .* after 0 layers: stream damaged"),
        (flip(13, 4), "layer image: image 0: .* after 0 layers: program damaged"),
        (flip_program(4), "layer image: image 0: .* after 0 layers: program damaged"),
        (
            flip_program(2),
            f"layer image: image 0: .* after 0 layers: ({MISREAD})",
        ),
    ],
)
def test_damage_ends_in_the_right_fault(
    monkeypatch: pytest.MonkeyPatch, damage: Damage, message: str
) -> None:
    damaged(monkeypatch, damage)
    monkeypatch.setattr(driver, "WATCHDOG", 5_000)
    with pytest.raises(Mismatch, match=message):
        run_rtl(everything(SMALL), IMAGES, SMALL)


def test_a_code_that_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A layer has a lone code, 0; its streams are made of ones, with the right checksums."""
    honest = image.stream_data
    rng = np.random.default_rng(7)
    conv = make_conv(rng, (6, 3, 3, 8), padding=(1, 1, 1, 1), values=[3], density=0.5)
    pixels = rng.integers(0, 256, (1, 6, 7, 8), np.uint8)
    network = one_layer_network(Layer(conv, pixels[0], 0, SMALL))
    run_rtl(network, pixels, SMALL)

    def stream_data(step: Pass, *arguments: object) -> list[np.ndarray]:
        found = honest(step, *arguments)
        ones = [stream | np.uint8(255) for stream in found[-SMALL.slots :]]
        return [*found[: -SMALL.slots], *(ones if step.node == "conv" else found[-SMALL.slots :])]

    monkeypatch.setattr(image, "stream_data", stream_data)
    with pytest.raises(Mismatch, match=r"layer conv: image 0: .* after 1 layers: bad code"):
        run_rtl(network, pixels, SMALL)


def test_a_write_to_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = image.write_pass

    def write_pass(commands: Commands, *arguments: object) -> None:
        commands.write(12, 0, 1)  # there is no such region
        honest(commands, *arguments)

    monkeypatch.setattr(image, "write_pass", write_pass)
    with pytest.raises(Mismatch, match=r"layer image: image 0: .* after 0 layers: unknown address"):
        run_rtl(everything(SMALL), IMAGES, SMALL)


@pytest.mark.parametrize(
    ("region", "index"),
    [
        (Region.REGISTERS, Register.OUTPUT_CHANNELS),
        (Region.LAYER, LayerRegister.CHANNELS),
        (Region.LAYER, LayerRegister.TILES),
    ],
)
def test_a_layer_of_nothing(monkeypatch: pytest.MonkeyPatch, region: Region, index: int) -> None:
    """Nothing is loaded, computed or written for it, so that the bus is not left waiting for data."""
    honest = Commands.write

    def write(self: Commands, region_: Region, index_: ArrayLike, data: ArrayLike) -> None:
        honest(self, region_, index_, 0 if (region_, index_) == (region, index) else data)

    monkeypatch.setattr(Commands, "write", write)
    with pytest.raises(Mismatch, match=r"layer image: image 0: .* after 0 layers: empty layer"):
        run_rtl(everything(SMALL), IMAGES, SMALL)


@pytest.mark.parametrize("keep", [0, 1])
def test_a_stream_that_never_ends(monkeypatch: pytest.MonkeyPatch, keep: int) -> None:
    """It is given up when the first tile has left some of it, not after all its beats."""
    honest = Commands.write

    def write(self: Commands, region: Region, index: ArrayLike, data: ArrayLike) -> None:
        beats = region == Region.STREAMS and index % (1 << FIELD_BITS) == StreamField.BEATS
        honest(self, region, index, keep << 31 | 0xFFFFFF if beats else data)

    monkeypatch.setattr(Commands, "write", write)
    with pytest.raises(Mismatch, match=r"layer image: image 0: .* after 0 layers: stream length"):
        run_rtl(everything(SMALL), IMAGES, SMALL)


def test_a_program_without_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = Commands.command

    def command(self: Commands, command: Command) -> None:
        if command != Command.END:
            honest(self, command)

    monkeypatch.setattr(Commands, "command", command)
    with pytest.raises(Mismatch, match=r"layer \w+: image 0: .* after \d+ layers: program length"):
        run_rtl(everything(SMALL), IMAGES, SMALL)


def test_a_wrong_integer_is_told_by_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second image's pixels are changed on their way into memory."""
    honest = image.TensorLayout.pack
    calls = []

    def pack(self: image.TensorLayout, pixels: np.ndarray) -> np.ndarray:
        calls.append(pixels)
        if len(calls) == 2:
            pixels = pixels.copy()
            pixels[4, 5, 1] ^= 128
        return honest(self, pixels)

    monkeypatch.setattr(image.TensorLayout, "pack", pack)
    with pytest.raises(Mismatch) as error:
        run_rtl(everything(SMALL), IMAGES, SMALL)
    assert error.value.layer == "image"
    assert str(error.value).startswith("layer image: image 1, y 4, x 5, channel 1: RTL ")
    assert str(error.value).endswith("(1 of 297 outputs differ)")


def test_wrong_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is compared too: change it and watch."""
    honest = image.network_cycles

    def wrong(*arguments: object, **options: object) -> object:
        return [replace(cost, tile_rows=cost.tile_rows + 1) for cost in honest(*arguments, **options)]

    monkeypatch.setattr(image, "network_cycles", wrong)
    with pytest.raises(Mismatch, match=r"layer image: image 0: the RTL issued \d+ rows, the cycle model"):
        run_rtl(everything(SMALL), IMAGES, SMALL)


def other_slots() -> Spec:
    return replace(SMALL, slots=1)


def test_a_network_for_other_slots_is_refused() -> None:
    with pytest.raises(ShiftbookError, match="the network is coded for 2 slots and the spec has 1"):
        run_rtl(everything(SMALL), IMAGES, other_slots())


@pytest.mark.slow  # builds a simulator of its own; a small design's waveform is among the fast tests
def test_wave(tmp_path: Path) -> None:
    wave = tmp_path / "out.fst"
    run_rtl(everything(SMALL), IMAGES, SMALL, limit=1, wave=wave)
    assert wave.stat().st_size > 10_000
