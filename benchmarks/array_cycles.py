"""What a layer costs on a dense array, in closed form: see `synth.dense`.

Loads, computing and stores are taken to overlap but for the first load and the last store, as for the groups
of lanes in `benchmarks.group_cycles`. Whatever else could be in doubt is decided in favour of the array:

- The map is cut in whatever way fills the P banks best, in every layer; halo and padding cost no beats, and
  every input byte is loaded once, in how many tiles ever a layer is computed.
- Where a word has place for more channels than there are, it holds several taps of a row side by side: what
  is loaded for that is placed several times, at no cost but its beats.
- A layer's weights are fetched once where the memory of weights holds all of them, else for every tile. Zeros
  that fill its words are not fetched.
- Where channels are grouped, a tile may have some of the groups only.
- No partial sums: all input channels of a tile are in the banks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil, prod

from benchmarks.group_cycles import DRAIN_STEPS, SEND_SHARE, START_STEPS, TILE_STEPS
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.isa.registers import parameter_word_width
from shiftbook.golden.mapping.cycles import LATENCY
from shiftbook.golden.mapping.job import Pass
from shiftbook.golden.model.nodes import Conv
from shiftbook.synth.dense.layer import fields
from shiftbook.synth.dense.shape import Dense

PROGRAM_WORDS = 16
"""Of a layer beside its registers: where its tensors and weights lie, and how much of them there is."""

TILE_CYCLES = 2
"""Busy cycles of a tile beside its steps: its last step is committed in one more, and it begins in one."""


@dataclass(frozen=True)
class Layer:
    """What the cycles of a layer depend on.

    Attributes
    ----------
    outputs, inputs
        Channels of a group.
    groups
        Of channels.
    kernel, span
        Rows and columns: of taps, and from the first tap to the last.
    stride
        In rows and columns.
    source, output
        Rows and columns of the input and of the output.
    residual
        Whether another tensor is added.
    maximum
        Whether lanes keep the larger: each tap then takes two cycles.
    """

    outputs: int
    inputs: int
    groups: int
    kernel: tuple[int, int]
    span: tuple[int, int]
    stride: int
    source: tuple[int, int]
    output: tuple[int, int]
    residual: bool
    maximum: bool = False


@dataclass(frozen=True)
class Words:
    """How the channels and taps of a layer lie in words of I bytes.

    Attributes
    ----------
    row_words
        Positions of a row of taps.
    sets
        Sets of at most O output channels.
    used
        Output channels of a set.
    blocks
        Parts of the input channels that different sets read.
    pixel
        Words of such a part that a pixel has; where taps lie side by side, that an output column has.
    packed
        Whether they do.
    """

    row_words: int
    sets: int
    used: int
    blocks: int
    pixel: int
    packed: bool


def layer_of(step: Pass) -> Layer:
    """The layer of a pass that leaves activations, with all its input channels."""
    conv: Conv = step.whole
    outputs, rows, cols, inputs = conv.weights.integers.shape
    return Layer(
        outputs=outputs // conv.groups,
        inputs=inputs,
        groups=conv.groups,
        kernel=(rows, cols),
        span=conv.span,
        stride=step.layout.stride,
        source=step.layout.source,
        output=step.layout.output,
        residual=step.conv.residual is not None,
        maximum=step.maximum,
    )


def layers_of(steps: Sequence[Pass]) -> list[Layer]:
    """The layers of a network's passes; groups of channels that have passes of their own run together."""
    found: list[tuple[str, Layer]] = []
    for step in steps:
        if step.partial_out:
            continue
        name, layer = step.node, layer_of(step)
        if found and found[-1][0] == name and layer.groups > 1:
            before = found.pop()[1]
            if replace(before, groups=layer.groups) != layer:
                raise ShiftbookError(f"layer {name}: its groups of channels differ in more than their number")
            layer = replace(layer, groups=before.groups + layer.groups)
        found.append((name, layer))
    return [layer for _, layer in found]


def words_of(layer: Layer, dense: Dense) -> Iterator[Words]:
    """Every way to lay a layer in words.

    A word belongs to one group of channels, or to as many as it has place for: of their output channels each
    then has weights for its own inputs, and zeros for the others.
    """
    most = max(1, min(dense.inputs // layer.inputs, layer.groups))
    taps = layer.kernel[1]
    for together in {1 << bit for bit in range(most.bit_length())} | {most}:
        channels, outputs = together * layer.inputs, together * layer.outputs
        blocks = ceil(layer.groups / together)
        sets, used = blocks * ceil(outputs / dense.outputs), min(outputs, dense.outputs)
        pixel = ceil(channels / dense.inputs)
        yield Words(taps * pixel, sets, used, blocks, pixel, packed=False)
        row = ceil(taps * channels / dense.inputs)
        if row < taps * pixel:
            yield Words(row, sets, used, blocks, row, packed=True)


def step_cycles(layer: Layer, words: Words, dense: Dense) -> tuple[int, int]:
    """Positions of a step, and the cycles that it takes: those, or as long as its outputs drain."""
    positions = layer.kernel[0] * words.row_words * (1 + layer.maximum)
    return positions, max(positions, dense.beats(words.used))


def busy_cycles(steps: int, positions: int, cycles: int) -> int:
    """Busy cycles of a tile without waiting, of ``steps`` steps for all sets of output channels together.

    The first drains nothing, and the last is committed in a cycle of its own.
    """
    return positions + (steps - 1) * cycles + 1


def layer_cycles(layer: Layer, dense: Dense, bus_bytes: int, latency: int = LATENCY) -> int:
    """The fewest cycles of a layer with its traffic, of all ways to lay it out.

    Raises
    ------
    ShiftbookError
        Its input does not fit the banks in any of them.
    """
    found = [
        cycles for words in words_of(layer, dense) for cycles in _cut(layer, words, dense, bus_bytes, latency)
    ]
    if not found:
        raise ShiftbookError(
            f"a layer of {layer.source[0]}x{layer.source[1]} pixels and {layer.groups * layer.inputs} "
            f"channels does not fit banks of {dense.activation_words} words"
        )
    return min(found)


def _cut(layer: Layer, words: Words, dense: Dense, bus_bytes: int, latency: int) -> Iterator[int]:
    """Cycles of each way to cut the map into P parts that fits the banks."""
    for rows in (1 << bit for bit in range(dense.pixels.bit_length())):
        height, width = ceil(layer.output[0] / rows), ceil(layer.output[1] / (dense.pixels // rows))
        tiles = _tiles(layer, words, dense, height, width)
        if tiles[0]:
            yield _cycles(layer, words, dense, (height * width, *tiles, rows), (bus_bytes, latency))
    if layer.span == (1, 1):  # without a halo pixels lie in any order
        pixels = ceil(prod(layer.output) / dense.pixels)
        tiles = _tiles(layer, words, dense, pixels, 1)
        if tiles[0]:
            yield _cycles(layer, words, dense, (pixels, *tiles, dense.pixels), (bus_bytes, latency))


def _tiles(layer: Layer, words: Words, dense: Dense, height: int, width: int) -> tuple[int, int]:
    """The fewest tiles whose input fits while the next one's is loaded, and how many read the same weights.

    ``height``, ``width``: rows and columns of outputs of each bank. No tiles where not even a row fits.
    """
    columns = width if words.packed else (width - 1) * layer.stride + layer.span[1]
    rows = (height - 1) * layer.stride + layer.span[0]
    part = rows * columns * words.pixel
    if part * words.blocks <= dense.activation_words:
        return 1, 1
    half = dense.activation_words // 2
    if part <= half:
        return ceil(words.blocks / (half // part)), 1
    lines = half // (columns * words.pixel)
    bands = (lines - layer.span[0]) // layer.stride + 1
    if bands <= 0:
        return 0, 0
    tall = ceil(height / bands)
    return tall * words.blocks, tall


def _cycles(
    layer: Layer, words: Words, dense: Dense, cut: tuple[int, int, int, int], memory: tuple[int, int]
) -> int:
    """Cycles of one way.

    ``cut``: steps of a sweep, tiles, tiles that read the same weights, and rows of banks; ``memory``: bytes
    of a beat and latency.
    """
    sweep, tiles, repeats, rows = cut
    bus_bytes, latency = memory
    positions, cycles = step_cycles(layer, words, dense)
    computing = busy_cycles(words.sets * sweep, positions, cycles) + tiles * (TILE_CYCLES + TILE_STEPS)
    # where taps lie side by side, a pixel is loaded for each of them
    copies = layer.kernel[1] / layer.stride if words.packed else 1
    line = layer.source[1] * layer.groups * layer.inputs * max(1.0, copies)
    channels = layer.groups * layer.outputs
    weights = prod(layer.kernel) * layer.inputs * channels
    held = words.sets * positions * dense.outputs * dense.inputs <= dense.memory_bytes // 4
    outputs = prod(layer.output) * channels
    parameters = repeats * channels * parameter_word_width(dense.spec) // 8
    reads = layer.source[0] * line + parameters + layer.residual * outputs
    reads += weights if held else repeats * weights
    opening = min(layer.source[0], rows * layer.span[0]) * line / tiles + weights / words.sets
    first = latency + START_STEPS + ceil(opening / bus_bytes)
    bound = max(computing, ceil((reads - opening) / bus_bytes), ceil(outputs / bus_bytes))
    last = ceil(dense.pixels * words.used / bus_bytes)
    tail = DRAIN_STEPS + dense.beats(words.used) + round(SEND_SHARE * last) + latency
    return len(fields(dense)) + PROGRAM_WORDS + first + bound + tail
