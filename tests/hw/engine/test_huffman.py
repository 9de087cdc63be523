from collections.abc import Iterable

import numpy as np
import pytest

from shiftbook.golden.coding.bits import pack, words
from shiftbook.golden.coding.huffman import HuffmanCode
from shiftbook.golden.isa import bit_fields, registers
from shiftbook.golden.isa.registers import Region, Register
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.sim import bench
from tests.hw.benches import decoder_bench
from tests.hw.small import PACES

SYMBOLS = {Region.GAP_CODE: Region.GAP_SYMBOLS, Region.CODE_CODE: Region.CODE_SYMBOLS}


def writes(code: HuffmanCode, region: Region, books: list[list[int]], spec: Spec) -> list[dict[str, int]]:
    """What the host writes for a code whose symbols are these words of each codebook."""
    count = {Region.GAP_CODE: spec.gap_symbols, Region.CODE_CODE: spec.code_symbols}[region]
    rank_width = registers.rank_width(count)
    table = bit_fields.pack(
        registers.huffman_length(spec, count),
        limit=code.limits(spec.code_length),
        offset=code.offsets(spec.code_length, rank_width),
    )
    words = [(region, index, word) for index, word in enumerate(table.tolist())]
    words += [
        (SYMBOLS[region], book << rank_width | rank, memory[symbol])
        for book, memory in enumerate(books)
        for rank, symbol in enumerate(code.sorted_symbols)
    ]
    words.append((Region.REGISTERS, Register.BOOKS, len(books) - 1))
    return [{"address": int(registers.address(where, index)), "data": word} for where, index, word in words]


def observe(
    region: Region,
    code: HuffmanCode,
    books: list[list[int]],
    stream: list[int],
    count: int,
    pauses: bench.Pauses,
    clear_after: int | None = None,
) -> list[dict[str, int]]:
    config = writes(code, region, books, DEFAULT)
    return bench.observe(
        decoder_bench(DEFAULT, region, len(config), clear_after),
        inputs={"config": config, "words": stream},
        outputs={"symbols": count},
        pauses=pauses,
        settle=0,  # the padding decodes to something
    )["symbols"]


def some_code(symbols: int, used: int, rng: np.random.Generator) -> HuffmanCode:
    counts = np.zeros(symbols, np.int64)
    counts[rng.permutation(symbols)[:used]] = np.round(1e6 * 0.7 ** np.arange(used)) + 1
    return HuffmanCode.from_counts(counts, DEFAULT.code_length)


@pytest.mark.parametrize("pauses", bench.PAUSES[::3])
@pytest.mark.parametrize("used", [1, 2, 64])
def test_gaps(used: int, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(used)
    code = some_code(64, used, rng)
    symbols = rng.choice(code.sorted_symbols, 300)
    stream = pack(code.codes[symbols], code.lengths[symbols])
    words_in = words(stream, 16, stream.bits // 16 + 2)
    observed = observe(Region.GAP_CODE, code, [list(range(64))], words_in.tolist(), len(symbols), pauses)
    assert observed == [{"gap": int(symbol), "bad": 0} for symbol in symbols]


def random_books(count: int, rng: np.random.Generator) -> list[list[dict[str, int]]]:
    """What each symbol is in each codebook."""
    return [
        [{"more_rows": int(rng.integers(0, 32)), "first_row": int(rng.integers(0, 8192))} for _ in range(256)]
        for _ in range(count)
    ]


def memories(books: list[list[dict[str, int]]]) -> list[list[int]]:
    layout = registers.code_symbol(DEFAULT)
    return [[int(bit_fields.pack(layout, **symbol)) for symbol in book] for book in books]


def items_of(books: list[list[dict[str, int]]], symbols: Iterable[int]) -> list[dict[str, int]]:
    """What comes out: one codebook after another, and again from the first after the last."""
    return [
        books[i % len(books)][symbol] | {"last": int(i % len(books) == len(books) - 1), "bad": 0}
        for i, symbol in enumerate(symbols)
    ]


@pytest.mark.parametrize("pauses", PACES)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_codes(count: int, pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(5)
    code = some_code(256, 200, rng)
    books = random_books(count, rng)
    symbols = rng.choice(code.sorted_symbols, 300)
    stream = pack(code.codes[symbols], code.lengths[symbols])
    words_in = words(stream, 16, stream.bits // 16 + 2)
    observed = observe(Region.CODE_CODE, code, memories(books), words_in.tolist(), len(symbols), pauses)
    assert observed == items_of(books, symbols)


@pytest.mark.parametrize("pauses", bench.PAUSES[::2])
@pytest.mark.parametrize("taken", [3, 4, 5])
def test_cleared_within_an_item_it_begins_with_the_first_codebook(taken: int, pauses: bench.Pauses) -> None:
    books = random_books(3, np.random.default_rng(6))
    code = HuffmanCode.from_lengths([0, 0, 1] + [0] * 253)  # a lone symbol, 0: what was dropped is no matter
    observed = observe(Region.CODE_CODE, code, memories(books), [0] * 4, taken + 8, pauses, taken)
    assert observed == items_of(books, [2] * taken) + items_of(books, [2] * 8)


def test_words_that_are_no_code_are_marked_and_passed() -> None:
    code = HuffmanCode.from_lengths([0, 0, 0, 1] + [0] * 60)  # a lone symbol, 0
    observed = observe(Region.GAP_CODE, code, [list(range(64))], [0xFFF0, 0x0000], 4, bench.PAUSES[0])
    # twelve ones, then zeros
    assert [symbol["bad"] for symbol in observed] == [1, 0, 0, 0]
    assert [symbol["gap"] for symbol in observed[1:]] == [3, 3, 3]
