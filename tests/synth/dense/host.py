"""Plays what is around a dense array: lays a layer out, loads it, and takes what comes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from amaranth.sim import Simulator

from shiftbook.golden.coding.booth import digits
from shiftbook.golden.model.weights import Requantize
from shiftbook.golden.spec import ACTIVATION_WIDTH, FRACTION, LEAST_SHIFT
from shiftbook.synth.dense.engine import DenseEngine
from shiftbook.synth.dense.layer import Loop, fields
from shiftbook.synth.dense.shape import SETS, Dense


@dataclass(frozen=True)
class Laid:
    """A layer as the memories and registers have it.

    ``banks`` [P, words, I]; ``weights`` [words, O, I]; ``channels`` [sets, used], the output channel of each
    lane; ``loops`` {loop: (iterations, words from one to the next)}; ``height``, ``width`` of a bank's
    outputs.
    """

    banks: np.ndarray
    weights: np.ndarray
    channels: np.ndarray
    loops: dict[Loop, tuple[int, int]]
    height: int
    width: int
    maximum: bool = False

    @property
    def positions(self) -> int:
        return int(np.prod([self.loops[loop][0] for loop in (Loop.WORD, Loop.TAP, Loop.TAP_ROW)]))


def banks_of(x, dense, cut, kernel, output, stride, padding, pad):
    """[P, rows, columns, words, I] of the parts of a map, each with its halo."""
    height, width = (-(-output[axis] // cut[axis]) for axis in (0, 1))
    lines, columns = ((n - 1) * stride + k for n, k in ((height, kernel[0]), (width, kernel[1])))
    words = -(-x.shape[2] // dense.inputs)
    reach = [(cut[axis] * (height, width)[axis]) * stride + kernel[axis] for axis in (0, 1)]
    whole = np.full((*reach, words * dense.inputs), pad, np.int64)
    rows, cols = (min(x.shape[axis], reach[axis] - padding) for axis in (0, 1))
    whole[padding : padding + rows, padding : padding + cols, : x.shape[2]] = x[:rows, :cols]
    y = (np.arange(cut[0]) * height * stride)[:, None] + np.arange(lines)
    z = (np.arange(cut[1]) * width * stride)[:, None] + np.arange(columns)
    parts = whole[y[:, None, :, None], z[None, :, None, :]]
    return parts.reshape(dense.pixels, lines, columns, words, dense.inputs), height, width


def laid(x, integers, dense: Dense, cut, output, stride, padding, pad, groups=1, maximum=False) -> Laid:
    """Lay out a convolution of one group of channels, or a depthwise one, or a maximum."""
    outputs, rows, cols, inputs = integers.shape
    parts, height, width = banks_of(x, dense, cut, (rows, cols), output, stride, padding, pad)
    _, _, columns, words, _ = parts.shape
    loops = {
        Loop.TAP: (cols, words),
        Loop.TAP_ROW: (rows, columns * words),
        Loop.COLUMN: (width, stride * words),
        Loop.ROW: (height, stride * columns * words),
    }
    if groups == 1:
        sets = -(-outputs // dense.outputs)
        filled = np.zeros((sets * dense.outputs, rows, cols, words * dense.inputs), np.int64)
        filled[:outputs, ..., :inputs] = integers
        shape = sets, dense.outputs, rows, cols, words, dense.inputs
        weights = filled.reshape(shape).transpose(0, 2, 3, 4, 1, 5)
        channels = np.arange(sets * dense.outputs).reshape(sets, dense.outputs)
        loops |= {Loop.WORD: (words, 1), Loop.PART: (sets, 0), Loop.GROUP: (1, 0)}
    else:
        used = min(dense.outputs, dense.inputs)
        parts_of_word = dense.inputs // used
        sets = words * parts_of_word
        channels = np.arange(sets * used).reshape(sets, used)
        filled = np.zeros((sets * used, rows, cols), np.int64)
        filled[:outputs] = integers[..., 0]
        weights = np.zeros((sets, rows, cols, 1, dense.outputs, dense.inputs), np.int64)
        lane = np.arange(used)
        place = channels % dense.inputs
        for number in range(sets):
            weights[number, :, :, 0, lane, place[number]] = filled[channels[number]]
        loops |= {Loop.WORD: (1, 0), Loop.PART: (parts_of_word, 0), Loop.GROUP: (words, 1)}
    if maximum:
        weights = np.concatenate([-weights, weights], axis=3)
        loops[Loop.WORD] = (2, 0)
    return Laid(
        banks=parts.reshape(dense.pixels, -1, dense.inputs),
        weights=weights.reshape(-1, dense.outputs, dense.inputs),
        channels=channels,
        loops=loops,
        height=height,
        width=width,
        maximum=maximum,
    )


def in_order(tensor: np.ndarray, layer: Laid, cut: tuple[int, int]) -> np.ndarray:
    """[sets, rows, columns, used, P] of a tensor [H, W, N] as it drains; -1 where there is none."""
    reach = cut[0] * layer.height, cut[1] * layer.width
    whole = np.full((*reach, int(layer.channels.max()) + 1), -1, np.int64)
    whole[: tensor.shape[0], : tensor.shape[1], : tensor.shape[2]] = tensor
    parts = whole.reshape(cut[0], layer.height, cut[1], layer.width, -1).transpose(1, 3, 0, 2, 4)
    parts = parts.reshape(layer.height, layer.width, cut[0] * cut[1], -1)[..., layer.channels]
    return parts.transpose(3, 0, 1, 4, 2)


def owed(weights: np.ndarray) -> np.ndarray:
    """What the negative digits of weights [...] owe."""
    flat = [sum(max(0, -d) << 2 * k for k, d in enumerate(digits(int(w), 8))) for w in weights.reshape(-1)]
    return np.array(flat, np.int64).reshape(weights.shape)


def packed(values, width: int = ACTIVATION_WIDTH) -> int:
    """Numbers side by side."""
    mask = (1 << width) - 1
    return sum((int(value) & mask) << width * place for place, value in enumerate(np.ravel(values)))


def register_values(layer: Laid, dense: Dense, requantize: Requantize, zero_point: int) -> dict:
    """By their path in `synth.dense.layer.layer`."""
    residual = requantize.residual_multiplier or 0
    values = {
        ("beats",): dense.beats(layer.channels.shape[1]) - 1,
        ("maximum",): layer.maximum,
        ("residual",): residual > 0,
        ("residual_multiplier",): residual,
        ("offset",): (requantize.zero_point << FRACTION) + (1 << FRACTION - 1) - zero_point * residual,
        ("low",): requantize.low,
        ("high",): requantize.high,
    }
    back = 0  # from the last iteration of the loops within to their first
    for loop in Loop:
        iterations, distance = layer.loops[loop]
        values["bounds", loop.name.lower()] = iterations - 1
        values["jumps", loop.name.lower()] = (distance - back) % (1 << dense.address_width)
        back += (iterations - 1) * distance
    return values


def channel_words(layer: Laid, dense: Dense, requantize: Requantize) -> list[list[list[int]]]:
    """[sets][words][channels of a beat] of parameters as bits."""
    sets, used = layer.channels.shape
    spec = dense.spec
    debts = owed(layer.weights).reshape(sets, -1, dense.outputs, dense.inputs).sum(axis=(1, 3))
    rows = []
    for number in range(sets):
        words = []
        for lane, channel in enumerate(layer.channels[number]):
            known = channel < len(requantize.bias)
            bias = int(requantize.bias[channel]) if known else 0
            bias -= 0 if layer.maximum else 255 * int(debts[number, lane])
            multiplier = int(requantize.multiplier[channel]) if known else 0
            shift = int(requantize.shift[channel]) - LEAST_SHIFT if known else 0
            word = bias & ((1 << spec.accumulator_width) - 1)
            word |= multiplier << spec.accumulator_width
            words.append(word | shift << spec.accumulator_width + spec.multiplier_width)
        words += [0] * (-used % dense.beat_channels)
        rows.append(
            [words[at : at + dense.beat_channels] for at in range(0, len(words), dense.beat_channels)]
        )
    return rows


@dataclass
class Played:
    """What an array gave: beats [.., Q], and its counters after it."""

    beats: np.ndarray
    busy: int
    positions: int


def play(
    dense: Dense,
    layer: Laid,
    requantize: Requantize,
    *,
    residual: np.ndarray | None = None,
    residual_zero_point: int = 0,
    tiles: int = 1,
    pace: float = 1.0,
) -> Played:
    """Run the layer as so many tiles, one at once after the other.

    ``pace``: in how many of the cycles words are there, and in how many outputs can leave.
    """
    engine, rng = DenseEngine(dense), np.random.default_rng(1)
    found: list[list[int]] = []
    words = channel_words(layer, dense, requantize)
    of_channel = dense.spec.accumulator_width + dense.spec.multiplier_width + dense.spec.shift_width
    sweep = layer.height * layer.width
    of_set = sweep * dense.beats(layer.channels.shape[1])
    counted: list[int] = []
    residuals = iter([] if residual is None else np.tile(residual, (tiles, 1)))

    async def load(ctx) -> None:
        values = register_values(layer, dense, requantize, residual_zero_point)
        ctx.set(engine.write_register, 1)
        for index, path in enumerate(fields(dense)):
            ctx.set(engine.register_index, index)
            ctx.set(engine.register_data, int(values[path]) & 0xFFFFFFFF)
            await ctx.tick()
        ctx.set(engine.write_register, 0)
        ctx.set(engine.write_activations, (1 << dense.pixels) - 1)
        for index in range(layer.banks.shape[1]):
            ctx.set(engine.activation_address, index)
            ctx.set(engine.activations.as_value(), packed(layer.banks[:, index]))
            await ctx.tick()
        ctx.set(engine.write_activations, 0)
        ctx.set(engine.write_weights, 1)
        for index, word in enumerate(layer.weights):
            ctx.set(engine.weight_address, index)
            ctx.set(engine.weights.as_value(), packed(word))
            await ctx.tick()
        ctx.set(engine.write_weights, 0)

    async def write_set(ctx, number: int) -> None:
        """The parameters of a set; nothing is read meanwhile."""
        ctx.set(engine.there, 0)
        ctx.set(engine.ready, 0)
        ctx.set(engine.write_channel, 1)
        first = number % SETS * (dense.parameter_words // SETS)
        for place, word in enumerate(words[number]):
            ctx.set(engine.channel_address, first + place)
            ctx.set(engine.channel.as_value(), packed(word, of_channel))
            await cycle(ctx)
        ctx.set(engine.write_channel, 0)

    async def run(ctx) -> None:
        await load(ctx)
        for number in range(min(SETS, len(words))):
            await write_set(ctx, number)
        for _ in range(tiles):
            await run_tile(ctx)
        while not ctx.get(engine.idle):
            await cycle(ctx)
        counted.extend([ctx.get(engine.counters.busy), ctx.get(engine.counters.positions)])

    async def cycle(ctx) -> None:
        """Take what there is, and give the residuals of the next cycle."""
        if ctx.get(engine.valid):
            beat = ctx.get(engine.beat)
            found.append([beat >> ACTIVATION_WIDTH * q & 255 for q in range(dense.requantizers)])
        takes = ctx.get(engine.take_residual)
        await ctx.tick()
        if residual is not None and takes:
            ctx.set(engine.residual.as_value(), packed(next(residuals)))

    async def run_tile(ctx) -> None:
        before, read, written = len(found), 0, min(SETS, len(words))
        ctx.set(engine.begin, 1)
        await cycle(ctx)
        ctx.set(engine.begin, 0)
        while ctx.get(engine.busy):
            complete = (len(found) - before) // of_set
            if written < len(words) and complete > written - SETS:
                await write_set(ctx, written)
                written += 1
            held = (read // layer.positions - 1) // sweep  # set of the step that the lanes hold
            ctx.set(engine.there, int(rng.random() < pace))
            ctx.set(engine.ready, int(rng.random() < pace and written > held))
            read += ctx.get(engine.go)
            await cycle(ctx)

    simulator = Simulator(engine)
    simulator.add_clock(1e-6)
    simulator.add_testbench(run)
    simulator.run()
    return Played(np.array(found), *counted)
