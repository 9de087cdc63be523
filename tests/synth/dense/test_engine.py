"""The dense array makes what the golden model makes, exactly, in the cycles that its cycle model says."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

from benchmarks.array_cycles import Layer, busy_cycles, step_cycles, words_of
from shiftbook.golden.model.integer import accumulate, output_size, requantize
from shiftbook.golden.model.weights import Requantize
from shiftbook.synth.dense.shape import Dense
from tests.synth.dense.host import Laid, Played, in_order, laid, play

SMALL = Dense(pixels=4, outputs=2, inputs=2, requantizers=2, memory_bytes=4096)


class Case(NamedTuple):
    """A layer: map, channels, kernel, and how it is laid out."""

    dense: Dense = SMALL
    size: tuple[int, int] = (6, 7)
    inputs: int = 3
    outputs: int = 4
    kernel: tuple[int, int] = (3, 3)
    stride: int = 1
    padding: int = 1
    grouped: bool = False
    residual: bool = False
    maximum: bool = False
    cut: tuple[int, int] = (2, 2)
    pace: float = 1.0
    tiles: int = 1


QUICK = {
    "two tiles": Case(tiles=2, size=(4, 3), outputs=3),
    "waits": Case(pace=0.6, size=(3, 4), outputs=6, stride=2, residual=True),
    "depthwise": Case(grouped=True, size=(3, 3), inputs=4, outputs=4),
    "maximum": Case(grouped=True, maximum=True, inputs=2, outputs=2, stride=2, kernel=(2, 2), padding=0),
}

LONGER = {
    "convolution": Case(),
    "many sets": Case(outputs=7, kernel=(1, 1), padding=0, pace=0.9),
    "stride, residual": Case(stride=2, residual=True, cut=(4, 1), size=(8, 6)),
    "drain longer than a step": Case(kernel=(1, 1), padding=0, inputs=2, residual=True, tiles=2),
    "depthwise, words wider than sets": Case(
        dense=replace(SMALL, inputs=4, requantizers=4), grouped=True, inputs=4, outputs=4, cut=(1, 4)
    ),
    "beats of two channels": Case(
        dense=replace(SMALL, outputs=4, requantizers=8), outputs=6, residual=True, size=(5, 4)
    ),
    "fully connected": Case(size=(1, 1), inputs=9, outputs=4, kernel=(1, 1), padding=0),
}

CASES = [pytest.param(case, id=name) for name, case in QUICK.items()]
CASES += [pytest.param(case, id=name, marks=pytest.mark.slow) for name, case in LONGER.items()]


def drawn(case: Case):
    """Map, weights, requantizer, and the outputs that the golden model makes of them; a residual or None."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (*case.size, case.inputs)).astype(np.uint8)
    shape = case.outputs, *case.kernel, 1 if case.grouped else case.inputs
    integers = np.ones(shape, np.int16) if case.maximum else rng.integers(-128, 128, shape).astype(np.int16)
    pad = 0 if case.maximum else 17
    edges = (case.padding,) * 4
    output = output_size(*case.size, case.kernel, (case.stride,) * 2, edges)
    multiplier = rng.integers(512, 1024, case.outputs)
    ways = Requantize(
        bias=np.zeros(case.outputs, np.int64) if case.maximum else rng.integers(-5000, 5000, case.outputs),
        multiplier=multiplier,
        shift=np.full(case.outputs, 10 if case.maximum else 18),
        zero_point=0 if case.maximum else 100,
        low=3,
        high=250,
        residual_multiplier=190 if case.residual else None,
    )
    residual = rng.integers(0, 256, (*output, case.outputs)).astype(np.uint8) if case.residual else None
    if case.maximum:
        windows = np.lib.stride_tricks.sliding_window_view(x, case.kernel, axis=(0, 1))
        sums = windows[:: case.stride, :: case.stride].max(axis=(-2, -1)).astype(np.float64)
    else:
        sums = accumulate(
            x[None],
            integers,
            stride=(case.stride,) * 2,
            padding=edges,
            groups=case.inputs if case.grouped else 1,
            pad_value=pad,
        )[0]
    return x, integers, ways, requantize(sums, ways, residual, 40), residual, pad


def beats_of(ordered: np.ndarray, dense: Dense) -> np.ndarray:
    """[beats, Q] of what drains [sets, rows, columns, used, P]; a last beat may not be full."""
    flat = ordered.reshape(*ordered.shape[:3], -1)
    missing = -flat.shape[-1] % dense.requantizers
    whole = np.pad(flat, [(0, 0)] * 3 + [(0, missing)], constant_values=-1)
    return whole.reshape(-1, dense.requantizers)


@pytest.mark.parametrize("case", CASES)
def test_array_equals_golden(case: Case) -> None:
    x, integers, ways, expected, residual, pad = drawn(case)
    layer = laid(
        x,
        integers,
        case.dense,
        case.cut,
        expected.shape[:2],
        case.stride,
        case.padding,
        pad,
        groups=case.inputs if case.grouped else 1,
        maximum=case.maximum,
    )
    wanted = in_order(expected, layer, case.cut)
    sides = None if residual is None else in_order(residual, layer, case.cut)
    found = play(
        case.dense,
        layer,
        ways,
        residual=None if sides is None else beats_of(sides, case.dense),
        residual_zero_point=40 if case.residual else 0,
        tiles=case.tiles,
        pace=case.pace,
    )
    wanted = np.tile(beats_of(wanted, case.dense), (case.tiles, 1))
    assert found.beats.shape == wanted.shape
    there = wanted >= 0
    assert there.sum() == case.tiles * expected.size
    assert len(np.unique(expected)) > min(20, expected.size // 2)
    np.testing.assert_array_equal(found.beats[there], wanted[there])
    assert_cycles(case, layer, found)


def assert_cycles(case: Case, layer: Laid, found: Played) -> None:
    """The closed form has the layer as it is laid, and where nothing waits the cycles that were counted."""
    groups = case.inputs if case.grouped else 1
    shape = Layer(
        outputs=case.outputs // groups,
        inputs=case.inputs // groups,
        groups=groups,
        kernel=case.kernel,
        span=case.kernel,
        stride=case.stride,
        source=case.size,
        output=(layer.height, layer.width),
        residual=case.residual,
        maximum=case.maximum,
    )
    sets, used = layer.channels.shape
    ways = {
        (words.sets, words.used, *step_cycles(shape, words, case.dense))
        for words in words_of(shape, case.dense)
        if not words.packed
    }
    beats = case.dense.beats(used)
    step = max(layer.positions, beats)
    assert (sets, used, layer.positions, step) in ways
    steps = sets * layer.height * layer.width
    assert found.positions == case.tiles * steps * layer.positions
    if case.pace == 1:
        draining = max(0, beats - 2)  # of the tile before, when a tile begins at once after it
        tile = busy_cycles(steps, layer.positions, step)
        assert found.busy == case.tiles * tile + (case.tiles - 1) * draining
