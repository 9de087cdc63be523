"""Convolution layers for the tests, drawn by hypothesis or made from a few numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from shiftbook.golden.coding.huffman import HuffmanCode
from shiftbook.golden.coding.placement import default_slots, place
from shiftbook.golden.coding.vectors import fits_taps, vector_weights, walk
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import check_pass
from shiftbook.golden.mapping.passes import plan_layer
from shiftbook.golden.model.network import Input, Network
from shiftbook.golden.model.nodes import Conv, Shape
from shiftbook.golden.model.weights import Along, Codebooks, Requantize, Vectors, Weights
from shiftbook.golden.spec import PRESETS, Spec

FOCUSED = [sign * (16 + mean) for sign in (-1, 1) for mean in (-8, -4, -2, -1, 0, 1, 2, 4, 8)]


@dataclass(frozen=True)
class Layer:
    """A layer, an image for it, and what runs it."""

    conv: Conv
    image: np.ndarray  # uint8 [H, W, C]
    zero_point: int  # of the image
    spec: Spec


def requantizer(rng: np.random.Generator, outputs: int) -> Requantize:
    """Parameters under which many outputs fall inside the clamps and some outside."""
    low, high = sorted(rng.integers(0, 256, 2).tolist())
    return Requantize(
        rng.integers(-(1 << 14), 1 << 14, outputs),
        rng.integers(0, 1 << 10, outputs),
        rng.integers(2, 1 << 5, outputs),
        int(rng.integers(0, 256)),
        low,
        high,
    )


def make_conv(
    rng: np.random.Generator,
    shape: tuple[int, int, int, int],
    *,
    density: float = 0.3,
    gapless: bool = False,
    values: list[int] | None = None,
    **rest: object,
) -> Conv:
    """A layer with weights [O, kh, kw, I] drawn from ``values``, sparse unless gapless."""
    codebook = set(values or range(-24, 25)) | {0} if gapless else set(values or range(-24, 25)) - {0}
    book = np.array(sorted(codebook), np.int16)
    integers = rng.choice(book, shape)
    integers[rng.random(shape) >= density] = 0
    return Conv("conv", "image", Weights(integers, book, "test", gapless), requantizer(rng, shape[0]), **rest)


def make_codebooks(
    rng: np.random.Generator, books: int, codewords: int, dim: int, values: list[int] | None = None
) -> Codebooks:
    """Codebooks with many zeros and a code that is not flat."""
    book = np.array(sorted({*(values or range(-24, 25)), 0}), np.int16)
    words = rng.choice(book, (books, codewords, dim))
    words[rng.random(words.shape) < 0.3] = 0
    uses = 1 + rng.integers(0, 50, codewords) ** 2
    return Codebooks(words, HuffmanCode.from_counts(uses, 8).lengths.astype(np.uint8))


def make_vector_conv(
    rng: np.random.Generator,
    shape: tuple[int, int, int, int],
    codebooks: Codebooks,
    spec: Spec,
    *,
    density: float = 1.0,
    along: Along = "run",
    **rest: object,
) -> Conv:
    """A layer whose vectors have random codes; a share ``density`` of them is not all zeros."""
    books, codewords, dim = codebooks.codewords.shape
    way = walk(place(shape[1:3], shape[3], spec.slots, spec), dim, along)
    present = rng.random((shape[0], spec.slots, way.vectors)) < density
    codes = rng.integers(0, codewords, (*present.shape, books)).astype(np.uint8)
    weights = vector_weights(Vectors(codebooks, codes, present, along), shape, "test", spec.slots, spec)
    return Conv("conv", "image", weights, requantizer(rng, shape[0]), **rest)


def check_conv(conv: Conv, source: Shape, spec: Spec) -> None:
    """Raise a ShiftbookError unless the accelerator can run this layer on an input of shape ``source``."""
    for step in plan_layer(conv, source, spec):
        check_pass(step, spec)


def one_layer_network(layer: Layer) -> Network:
    """The layer behind an input that changes nothing."""
    channels = layer.image.shape[2]
    same = Requantize(np.zeros(channels, np.int64), np.full(channels, 256), np.full(channels, 8))
    return Network(Input("image", layer.image.shape, same), (layer.conv,), layer.spec.slots)


@st.composite
def specs(draw) -> Spec:
    """Small grids of every lane, feed and number of slots."""
    preset = PRESETS[draw(st.sampled_from(["shift", "shift", "two_term", "focused", "int8", "int8_sparse"]))]
    rows, cols, requantizers = draw(st.sampled_from([(4, 4, 2), (8, 8, 8), (4, 8, 4), (7, 7, 7), (3, 5, 5)]))
    return replace(
        preset,
        rows=rows,
        cols=cols,
        slots=draw(st.integers(1, 4)),
        requantizers=requantizers,
        tile_words=draw(st.sampled_from([256, 1024])),
        table_entries=draw(st.sampled_from([64, 100])),
        gap_symbols=draw(st.sampled_from([5, 16, 64])),
        code_length=draw(st.sampled_from([8, 12])),
        word_width=draw(st.sampled_from([16, 32])),
    )


@st.composite
def layers(draw) -> Layer:
    """A layer that the drawn engine can run."""
    spec = draw(specs())
    kernel = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    stride = draw(st.sampled_from([(1, 1), (2, 2)]))
    padding = draw(st.tuples(*[st.integers(0, 3) | st.integers(0, 10)] * 4))
    inputs, outputs = draw(st.integers(1, 40)), draw(st.integers(1, 5))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 2), (1, 3), (4, 1), (3, 9)]))
    rows, cols = (step * (size - 1) + 1 for step, size in zip(dilation, kernel, strict=True))
    assume(max(rows - padding[0] - padding[1], cols - padding[2] - padding[3]) <= 12)
    height = draw(st.integers(max(1, rows - padding[0] - padding[1]), 12))
    width = draw(st.integers(max(1, cols - padding[2] - padding[3]), 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    vectors = spec.feed == "coded" and draw(st.booleans())
    narrow = PRESETS["focused"].terms == spec.terms
    values = (
        [v for v in FOCUSED if v] if narrow else draw(st.sampled_from([None, [1], [-128, 127, 85, -107]]))
    )
    shape = (outputs, *kernel, inputs)
    density = draw(st.sampled_from([0.0, 0.02, 0.2, 1.0]))
    rest = {"density": density, "stride": stride, "padding": padding, "dilation": dilation}
    if vectors:
        sizes = draw(st.tuples(st.integers(1, 4), st.sampled_from([2, 8, 64]), st.integers(1, 9)))
        taps = fits_taps(kernel, inputs, sizes[2], spec.slots, spec)
        along = draw(st.sampled_from(["run", "taps"] if taps else ["run"]))
        conv = make_vector_conv(rng, shape, make_codebooks(rng, *sizes, values), spec, along=along, **rest)
    else:
        conv = make_conv(rng, shape, gapless=draw(st.booleans()), values=values, **rest)
    if not vectors and inputs >= spec.slots and inputs % spec.slots == 0 and draw(st.booleans()):
        owner = rng.permutation(default_slots(inputs, spec.slots)).astype(np.uint8)
        conv = replace(conv, weights=replace(conv.weights, slot_of_channel=owner))
    image = rng.integers(0, 256, (height, width, inputs), np.uint8)
    try:
        check_conv(conv, image.shape, spec)
    except ShiftbookError:
        assume(False)
    return Layer(conv, image, draw(st.sampled_from([0, 7, 128])), spec)
