import numpy as np
import pytest

from golden.bits import pack, words
from golden.huffman import HuffmanCode
from golden.spec import DEFAULT, Spec
from hw import registers
from hw.registers import Region
from sim import bench
from tests.hw.benches import DecoderBench

SYMBOLS = {Region.GAP_CODE: Region.GAP_SYMBOLS, Region.CODE_CODE: Region.CODE_SYMBOLS}


def writes(code: HuffmanCode, region: Region, memory: list[int], spec: Spec) -> list[dict[str, int]]:
    """What the host writes for a code whose symbols are these words."""
    count = registers.depths(spec)[SYMBOLS[region]]
    table = registers.pack(
        registers.huffman_length(spec, count),
        limit=code.limits(spec.code_length),
        offset=code.offsets(spec.code_length, registers.rank_width(count)),
    )
    data = {region: table.tolist(), SYMBOLS[region]: [memory[s] for s in code.sorted_symbols]}
    return [
        {"address": int(registers.address(where, index)), "data": word}
        for where, column in data.items()
        for index, word in enumerate(column)
    ]


def observe(
    region: Region, code: HuffmanCode, memory: list[int], stream: list[int], count: int, pauses: bench.Pauses
) -> list[dict[str, int]]:
    config = writes(code, region, memory, DEFAULT)
    return bench.observe(
        DecoderBench(DEFAULT, region, len(config)),
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
    observed = observe(Region.GAP_CODE, code, list(range(64)), words_in.tolist(), len(symbols), pauses)
    assert observed == [{"gap": int(symbol), "bad": 0} for symbol in symbols]


@pytest.mark.parametrize("pauses", bench.PAUSES[:2])
def test_codes(pauses: bench.Pauses) -> None:
    rng = np.random.default_rng(5)
    code = some_code(256, 200, rng)
    fields = {"more_rows": rng.integers(0, 4, 256), "first_row": rng.integers(0, 1024, 256)}
    memory = registers.pack(registers.code_symbol(DEFAULT), **fields).tolist()
    symbols = rng.choice(code.sorted_symbols, 300)
    stream = pack(code.codes[symbols], code.lengths[symbols])
    words_in = words(stream, 16, stream.bits // 16 + 2)
    observed = observe(Region.CODE_CODE, code, memory, words_in.tolist(), len(symbols), pauses)
    assert observed == [
        {name: int(column[symbol]) for name, column in fields.items()} | {"bad": 0} for symbol in symbols
    ]


def test_words_that_are_no_code_are_marked_and_passed() -> None:
    code = HuffmanCode.from_lengths([0, 0, 0, 1] + [0] * 60)  # a lone symbol, 0
    observed = observe(Region.GAP_CODE, code, list(range(64)), [0xFFF0, 0x0000], 4, bench.PAUSES[0])
    # twelve ones, then zeros
    assert [symbol["bad"] for symbol in observed] == [1, 0, 0, 0]
    assert [symbol["gap"] for symbol in observed[1:]] == [3, 3, 3]
