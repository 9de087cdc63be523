"""Both halves of the loader and tile control: what taps then find in the banks is the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest

from shiftbook.golden.coding.placement import TableEntry
from shiftbook.golden.isa.registers import ADDRESS_WIDTH
from shiftbook.golden.mapping.ahead import Ahead
from shiftbook.golden.mapping.batch import below_each_other
from shiftbook.golden.mapping.job import Pass, View
from shiftbook.golden.mapping.memory import TensorLayout
from shiftbook.golden.mapping.passes import plan_layer
from shiftbook.golden.mapping.tiles import half, tap_of
from shiftbook.golden.program import layer_program as program
from shiftbook.golden.program.commands import Commands
from shiftbook.golden.program.layer_program import Codebook, Job, Place
from shiftbook.golden.spec import Spec
from shiftbook.hw.system.load_writer import ways
from shiftbook.sim import bench
from tests.golden.layers import make_conv
from tests.hw.small import ODD, ONE_PACE, SHIFT
from tests.hw.system.benches.loader import LoaderBench

SPECS = {
    "4x4": SHIFT,
    "3x5": replace(ODD, slots=3),
    "a row a beat": replace(SHIFT, rows=5, cols=8, requantizers=8, slots=1),
    "two groups a half": replace(SHIFT, rows=2, cols=16, requantizers=16, slots=1, bus_bytes=16),
    "dense": replace(SHIFT, lane="multiply", feed="dense", bus_bytes=16),
}

# height, width, channels, kernel, stride, padding, groups, channels of the tensor that are others
SHAPES = [
    ((9, 11, 8), 3, 1, (1, 1, 1, 1), 1, (0, 0)),
    ((10, 13, 6), 3, 2, (1, 1, 1, 1), 1, (2, 1)),
    ((9, 9, 5), 3, 2, (0, 1, 0, 1), 1, (0, 3)),
    ((7, 6, 7), 1, 1, (0, 0, 0, 0), 1, (1, 0)),
    ((7, 10, 4), 1, 2, (0, 0, 0, 0), 1, (0, 0)),
    ((9, 10, 2), 5, 1, (2, 2, 2, 2), 1, (0, 0)),
    ((13, 12, 3), 7, 2, (3, 3, 3, 3), 1, (0, 0)),
    ((8, 17, 2), 5, 2, (1, 2, 2, 1), 1, (0, 0)),
    ((6, 9, 12), 3, 1, (1, 1, 1, 1), 12, (0, 0)),
    ((9, 7, 12), 3, 2, (1, 1, 1, 1), 2, (5, 0)),
    ((4, 4, 3), 3, 1, (1, 1, 1, 1), 1, (0, 0)),
    ((3, 3, 2), 3, 1, (1, 1, 1, 1), 1, (0, 0)),
    ((8, 8, 2), 3, 1, (0, 0, 0, 0), 1, (0, 0)),
    ((1, 1, 9), 1, 1, (0, 0, 0, 0), 1, (0, 0)),
    ((2, 9, 2), 2, 2, (0, 0, 0, 1), 1, (0, 0)),
]


@pytest.mark.parametrize("lanes", range(2, 33))
def test_columns_of_a_half_take_pixels_alike(lanes: int) -> None:
    """So they have one address: at stride 2, block and phase follow from whether a pixel is odd."""
    found = [(even.parity, odd.parity) for _, even, odd in ways(lanes)]
    first = half(lanes)
    assert set(found[:first]) == {found[0]}
    assert set(found[first:]) == {found[first]}
    assert found[0] != found[first]


@dataclass(frozen=True)
class Loaded:
    """A layer and the whole tensor of which it reads some channels, of each image [N, H, W, C]."""

    step: Pass
    place: Place
    pixels: np.ndarray


GAP = 5
"""Beats between the images of a tensor."""


def layers(spec: Spec, images: int) -> Iterator[Loaded]:
    """Those that the spec can run on so many images at once, one behind the other in memory."""
    rng = np.random.default_rng(0)
    address = 3
    for (height, width, channels), kernel, stride, padding, groups, others in SHAPES:
        shape = (2 * groups, kernel, kernel, channels // groups)
        conv = make_conv(rng, shape, density=0.1, values=[1], stride=(stride,) * 2, padding=padding)
        steps = plan_layer(replace(conv, groups=groups), (height, width, channels), spec)
        if any(step.partial_in for step in steps):
            continue  # its kernel looks too far for this grid
        whole = others[0] + channels + others[1]
        pixels = rng.integers(0, 256, (images, height, width, whole), np.uint8)
        layout = TensorLayout(height, width, whole, spec)
        place = Place(address, layout, layout.beats + GAP)
        address += images * place.step
        for step in steps:
            source = View("image", others[0] + step.source.first, step.source.channels, whole)
            own = replace(step, source=source, pad=int(rng.integers(0, 256)))
            if images == 1:
                yield Loaded(own, place, pixels)
                continue
            own = replace(own, source=replace(source, image_step=place.step))
            for each in below_each_other(own, images, spec):
                yield Loaded(each, place, pixels)


def configuration(found: list[Loaded], spec: Spec) -> list[dict[str, int]]:
    """What the program of these layers writes."""
    commands, codebook = Commands(), Codebook(spec)
    for number, loaded in enumerate(found):
        places = {"image": loaded.place, loaded.step.target.tensor: loaded.place}
        half = 2 + number % 2 if loaded.step.layout.halved else 0
        job = Job(loaded.step, Ahead(half, apart=False), [], [])
        program.write_pass(commands, job, places, codebook, spec)
    words = commands.words().tolist()
    writes = []
    while words:
        address, count = words[0] % (1 << ADDRESS_WIDTH), (words[0] >> ADDRESS_WIDTH) + 1
        writes += [{"address": address + i, "data": word} for i, word in enumerate(words[1 : 1 + count])]
        words = words[1 + count :]
    return writes


def held(step: Pass, slot: int, local: int) -> int | None:
    """Input channel that a slot has at an address; None where it has none."""
    groups = step.conv.groups
    group, number = divmod(local, step.layout.local_channels // groups)
    channels = step.placement.channels[slot]
    if number >= len(channels):
        return None
    return group * step.conv.weights.integers.shape[3] + int(channels[number])


def reads(loaded: Loaded, spec: Spec) -> Iterator[tuple[dict[str, object], list[list[int | None]]]]:
    """Every tap of every tile and channel, and what the banks of each slot must hold for its lanes."""
    step, conv = loaded.step, loaded.step.conv
    height, width = loaded.pixels.shape[1:3]
    _, kernel_rows, kernel_cols, _ = conv.weights.integers.shape
    for image, ty, tx in np.ndindex(step.layout.images, step.layout.image_rows, step.layout.tiles[1]):
        for ky, kx, local in np.ndindex(kernel_rows, kernel_cols, step.layout.local_channels):
            tap = tap_of(TableEntry(ky, kx, 0), conv, step.layout, spec)
            wanted: list[list[int | None]] = [[None] * spec.lanes for _ in range(spec.slots)]
            for r, c in np.ndindex(spec.rows, spec.cols):
                oy, ox = ty * spec.rows + r, tx * spec.cols + c
                if oy >= step.layout.output[0] or ox >= step.layout.output[1]:
                    continue  # nobody looks
                y, x = oy * conv.stride[0] + ky - conv.padding[0], ox * conv.stride[1] + kx - conv.padding[2]
                bank = (r + tap.oy) % spec.rows * spec.cols + (c + tap.ox) % spec.cols
                for slot in range(spec.slots):
                    channel = held(step, slot, local)
                    if channel is None:
                        continue
                    inside = 0 <= y < height and 0 <= x < width
                    at = image, y, x, step.source.first + channel
                    pixel = int(loaded.pixels[at]) if inside else step.pad
                    wanted[slot][bank] = pixel
            item = {"address": tap.base + local, "offset": {"oy": tap.oy, "ox": tap.ox}}
            yield {**item, "far": tap.far, "column": tap.column % 4, "last": 0}, wanted


def beats_of(loaded: Loaded, spec: Spec) -> int:
    """Beats that are read: those that tiles need and that are there."""
    layout, place = loaded.step.layout, loaded.place.layout
    begin = layout.first_block * spec.block_beats + layout.first_beat
    lines = [
        ty * layout.stride * spec.block_beats + begin + number
        for ty in range(layout.image_rows)
        for number in range(layout.row_beats)
    ]
    columns = [
        group * layout.stride + part
        for group in range(-layout.left, layout.tiles[1] + layout.right)
        for part in range(layout.stride)
    ]
    lines = [line for line in lines if 0 <= line // spec.block_beats < place.blocks[0]]
    columns = [column for column in columns if 0 <= column < place.blocks[1]]
    return layout.images * len(lines) * len(columns) * loaded.step.source.channels


@pytest.mark.parametrize("pauses", ONE_PACE)
@pytest.mark.parametrize(
    ("name", "images"),
    [
        *(("4x4", 1), ("3x5", 1), ("two groups a half", 1), ("4x4", 3)),
        *(
            pytest.param(*each, marks=pytest.mark.slow)
            for each in (("a row a beat", 1), ("dense", 1), ("3x5", 2))
        ),
    ],
)
def test_taps_find_their_pixels(name: str, images: int, pauses: bench.Pauses) -> None:
    spec = SPECS[name]
    found = list(layers(spec, images))
    assert len(found) >= 12
    assert {loaded.step.layout.images for loaded in found} == {images}
    assert {loaded.step.placement.mode for loaded in found} >= {"channel"}
    assert {loaded.step.layout.phased for loaded in found} == {False, True}
    assert {loaded.step.layout.wrap for loaded in found} >= {False, images == 1}
    assert len({loaded.step.layout.ring for loaded in found}) >= 3 - (images > 1)
    contents = bytearray(spec.bus_bytes * (found[-1].place.address + images * found[-1].place.step))
    stimulus, expected, beats = [], [], 0
    for loaded in found:
        for number, pixels in enumerate(loaded.pixels):
            first = (loaded.place.address + number * loaded.place.step) * spec.bus_bytes
            contents[first : first + loaded.place.layout.size] = loaded.place.layout.pack(pixels).tobytes()
        beats += beats_of(loaded, spec)
        taken = list(reads(loaded, spec))
        tiles = loaded.step.layout.tiles[0] * loaded.step.layout.tiles[1]
        for number, (item, wanted) in enumerate(taken):
            last = (number + 1) % (len(taken) // tiles) == 0
            stimulus.append(item | {"last": int(last)})
            expected.append(wanted)
    observed = bench.observe(
        LoaderBench(spec, bytes(contents)),
        inputs={"config": configuration(found, spec), "ticks": [0] * beats, "reads": stimulus},
        outputs={"pixels": len(expected)},
        pauses=pauses,
    )["pixels"]
    for number, (got, wanted) in enumerate(zip(observed, expected, strict=True)):
        seen = [
            [None if want is None else pixel for pixel, want in zip(plane, row, strict=True)]
            for plane, row in zip(got, wanted, strict=True)
        ]
        assert seen == wanted, number
