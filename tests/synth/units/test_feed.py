"""Focused weights come out of their Huffman coded streams, a weight of every stream in a cycle."""

import numpy as np
from amaranth.sim import Simulator

from shiftbook.golden.coding.bits import pack, words
from shiftbook.golden.coding.huffman import HuffmanCode
from shiftbook.golden.isa import bit_fields, registers
from shiftbook.synth.units.feed import CODES, HuffmanFeed
from shiftbook.synth.units.focused import Focused

INPUTS, WEIGHTS = 3, 40


def test_feed_gives_the_weights() -> None:
    rng = np.random.default_rng(0)
    kinds = rng.permutation(1 << Focused.weight.size)[:33]
    weights = kinds[np.minimum(rng.geometric(0.2, (INPUTS, WEIGHTS)), 33) - 1]
    code = HuffmanCode.from_counts(np.bincount(weights.reshape(-1), minlength=CODES.code_symbols), 12)
    streams = [pack(code.codes[row], code.lengths[row]) for row in weights]
    length = max(-(-stream.bits // CODES.word_width) for stream in streams) + 2
    feed, found = HuffmanFeed(INPUTS), []
    texts = [words(stream, CODES.word_width, length) for stream in streams]

    async def play(ctx) -> None:
        await write_tables(ctx, feed, code)
        ctx.set(feed.clear, 1)
        await ctx.tick()
        ctx.set(feed.clear, 0)
        taken = [0] * INPUTS
        while len(found) < WEIGHTS:
            ready = rng.random(INPUTS) < 0.8
            for number, (text, place) in enumerate(zip(texts, taken, strict=True)):
                ctx.set(feed.words.word_select(number, CODES.word_width), int(text[min(place, length - 1)]))
                ctx.set(feed.valid[number], int(ready[number]))
            if ctx.get(feed.step):
                found.append(
                    [ctx.get(feed.w.word_select(number, Focused.weight.size)) for number in range(INPUTS)]
                )
            taken = [
                place + int(ready[number] and ctx.get(feed.ready[number]))
                for number, place in enumerate(taken)
            ]
            await ctx.tick()

    simulator = Simulator(feed)
    simulator.add_clock(1e-6)
    simulator.add_testbench(play)
    simulator.run()
    assert found == weights.T.tolist()


async def write_tables(ctx, feed: HuffmanFeed, code: HuffmanCode) -> None:
    rank_width = registers.rank_width(CODES.code_symbols)
    lengths = bit_fields.pack(
        registers.huffman_length(CODES, CODES.code_symbols),
        limit=code.limits(CODES.code_length),
        offset=code.offsets(CODES.code_length, rank_width),
    )
    symbols = bit_fields.pack(
        registers.code_symbol(CODES),
        more_rows=np.zeros_like(code.sorted_symbols),
        first_row=code.sorted_symbols,
    )
    for port, content in ((feed.write_code, lengths), (feed.write_symbols, symbols)):
        ctx.set(port.enable, 1)
        for index, word in enumerate(content.tolist()):
            ctx.set(port.index, index)
            ctx.set(port.data, word)
            await ctx.tick()
        ctx.set(port.enable, 0)
