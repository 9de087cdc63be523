"""The whole engine against golden: outputs, cycles, rows and stalls of layers of every kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from golden import executor, items, tiles
from golden.errors import ShiftbookError
from golden.network import Conv, Network
from golden.spec import Spec
from golden.support import check_conv
from golden.vectors import fits_taps
from sim import program
from sim.driver import run_rtl
from sim.pauses import NEVER, Pauses
from sim.session import Session
from tests.golden.layers import (
    FOCUSED,
    Layer,
    make_codebooks,
    make_conv,
    make_vector_conv,
    one_layer_network,
)
from tests.hw.small import small

SPECS = {
    "shift": small("default"),
    "eight": small("default", rows=8, cols=8, requantizers=8, slots=1),
    "pair": small("pair", slots=4),
    "focused": small("focused", slots=1, word_width=24),
    "int8_sparse": small("int8_sparse", requantizers=16),
    "int8": small("int8", slots=4),
}
MULTI_ROW = [-128, 127, 85, -107]
PAUSED = Pauses(0.3, 0.4, seed=1)


def network(spec: Spec, height: int, width: int, channels: int) -> Network:
    """Layers of every kernel, stride and density that the spec can run, all on the same input."""
    rng = np.random.default_rng(channels)
    convs: list[Conv] = []
    for kernel in (1, 3, 5, 7):
        for stride in (1, 2):
            for density, gapless in ((0.25, False), (1.0, True), (0.02, False), (0.0, False)):
                values = [None, MULTI_ROW][len(convs) % 2]
                conv = make_conv(
                    rng,
                    (int(rng.integers(1, 7)), kernel, kernel, channels),
                    density=density,
                    gapless=gapless,
                    values=[v for v in FOCUSED if v] if spec == SPECS["focused"] else values,
                    stride=(stride, stride),
                    padding=(kernel // 2,) * 4,
                )
                conv = replace(conv, name=f"k{kernel}s{stride}d{density}")
                try:
                    check_conv(conv, (height, width, channels), spec)
                except ShiftbookError:
                    continue  # larger than this tile
                convs.append(conv)
    convs += vector_layers(spec, height, width, channels)
    image = np.zeros((height, width, channels), np.uint8)
    return replace(one_layer_network(Layer(convs[0], image, 0, spec)), nodes=tuple(convs))


def vector_layers(spec: Spec, height: int, width: int, channels: int) -> list[Conv]:
    """Vectors of one and several codes, over runs and taps, with gaps and without; some share codebooks."""
    rng = np.random.default_rng(channels)
    convs: list[Conv] = []
    for books, codewords, dim, terms in (
        (1, 8, 9, [1, -4]),
        (2, 16, 5, None),
        (4, 4, 9, None),
        (3, 8, 16, [2]),
    ):
        values = [v for v in FOCUSED if v] if spec == SPECS["focused"] else terms
        codebooks = make_codebooks(rng, books, codewords, dim, values)
        for density in (1.0, 1.0, 0.4):
            kernel, padding = (3, 3), (1, 1, 1, 1)
            along = ["run", "taps"][fits_taps(kernel, channels, dim, spec.slots, spec)]
            shape = (int(rng.integers(1, 7)), *kernel, channels)
            conv = make_vector_conv(
                rng, shape, codebooks, spec, density=density, along=along, padding=padding
            )
            conv = replace(conv, name=f"m{books}k{codewords}d{dim}n{len(convs)}")
            try:
                check_conv(conv, (height, width, channels), spec)
            except ShiftbookError:
                continue  # more than this engine has room for
            convs.append(conv)
    return convs


@pytest.mark.parametrize("name", SPECS)
def test_vector_layers_are_among_them(name: str) -> None:
    spec = SPECS[name]
    found = vector_layers(spec, 9, 11, 8)
    assert len(found) >= (0 if spec.feed == "dense" else 9)
    assert {conv.weights.vectors.along for conv in found if conv.weights.vectors} == (
        set() if spec.feed == "dense" else {"run", "taps"}
    )


@pytest.mark.parametrize("pauses", [NEVER, PAUSED], ids=["steady", "paused"])
@pytest.mark.parametrize("size", [(9, 11, 8), (5, 4, 1), (1, 1, 21)], ids=str)
@pytest.mark.parametrize("name", SPECS)
def test_layers(name: str, size: tuple[int, int, int], pauses: Pauses) -> None:
    spec = SPECS[name]
    layers = network(spec, *size)
    assert len(layers.nodes) >= 4
    images = np.random.default_rng(1).integers(0, 256, (1, *size), np.uint8)
    result = run_rtl(layers, images, spec, pauses=pauses)  # raises at the first difference
    assert [layer.where for layer in result.layers] == ["rtl"] * len(layers.nodes)


@pytest.mark.parametrize("damage", ["short", "random", "empty"])
@pytest.mark.parametrize("name", ["shift", "int8"])
def test_a_damaged_layer_leaves_nothing_behind(name: str, damage: str) -> None:
    """It ends or is hung, waiting for words; the next start begins anew, with the right cycles."""
    spec = SPECS[name]
    rng = np.random.default_rng(7)
    conv = make_conv(rng, (6, 3, 3, 8), padding=(1, 1, 1, 1))
    image = rng.integers(0, 256, (6, 7, 8), np.uint8)
    placement = items.placement_of(conv.weights, spec.slots, spec)
    layout = tiles.geometry(conv, image.shape, placement, spec)
    good = program.build(conv, layout, placement, spec)
    words = [
        tiles.tile_words(conv, layout, placement, image, tile, 0, spec) for tile in np.ndindex(layout.tiles)
    ]
    bad = replace(good, gaps=spoil(good.gaps, damage, rng), codes=spoil(good.codes, damage, rng))
    one = Network(one_layer_network(Layer(conv, image, 0, spec)).input, (conv,), spec.slots)
    golden = executor.run(one, image[None], keep=True).tensors["conv"][0]
    with Session(spec) as session:
        fresh, clean, _ = session.play(good, words, 20_000)
        session.play(bad, words[:1], 3_000)
        again, after, hung = session.play(good, words, 20_000)
    assert not hung
    assert not after.error.any()
    assert (fresh == again).all()
    assert (clean.cycles == after.cycles).all()
    output = np.zeros_like(golden)
    grids = tiles.grid_of_beats(again, spec).reshape(len(words), -1, spec.rows, spec.cols)
    for tile, grid in zip(np.ndindex(layout.tiles), grids, strict=True):
        tiles.place_grid(output, grid, tile)
    assert (output == golden).all()


def spoil(words: tuple[np.ndarray, ...], damage: str, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    if damage == "short":
        return tuple(column[: len(column) // 2] for column in words)
    if damage == "random":
        return tuple(rng.integers(0, 1 << 16, len(column), np.uint32) for column in words)
    return tuple(column[:0] for column in words)


def test_a_word_that_is_no_code_sets_the_error() -> None:
    spec = SPECS["shift"]
    conv = make_conv(np.random.default_rng(7), (6, 3, 3, 8), padding=(1, 1, 1, 1), values=[3], density=0.5)
    placement = items.placement_of(conv.weights, spec.slots, spec)
    layout = tiles.geometry(conv, (4, 4, 8), placement, spec)
    good = program.build(conv, layout, placement, spec)
    image = np.zeros((4, 4, 8), np.uint8)
    words = [tiles.tile_words(conv, layout, placement, image, (0, 0), 0, spec)]
    bad = replace(good, codes=tuple(column | 0xFFFF for column in good.codes))  # a lone symbol's code is 0
    with Session(spec) as session:
        counters = [session.play(each, words, 3_000)[1] for each in (good, bad, good)]
    assert [each.error.tolist() for each in counters] == [[0], [1], [0]]
