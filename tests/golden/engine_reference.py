"""The engine in slow, plain Python: it takes what the hardware takes and reads it bit by bit.

Nothing of `golden` but the spec is used, so that agreement with the golden model proves placement, streams,
codebook rows, tap tables, tiles and parameters right together. It is also what RTL blocks are tested with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

from golden.spec import Spec
from hw import registers
from hw.registers import INDEX_WIDTH, Region, Register


@dataclass
class Outcome:
    """What a layer leaves behind.

    ``beats`` is uint8 [O * D, Q]; ``durations`` the cycles of each output channel without waiting; ``rows``
    the codebook rows issued on all slots; ``accumulators`` [O, lanes] before the requantizers.
    """

    beats: np.ndarray
    durations: list[int]
    rows: int
    accumulators: np.ndarray


@dataclass
class Bits:
    """A stream of words, most significant bit first. Reading beyond the last word is an error."""

    words: list[int]
    width: int
    position: int = 0

    def peek(self, count: int) -> int:
        """The next bits. As in hardware, words must be there for all of them only if they are used."""
        value = 0
        for index in range(self.position, self.position + count):
            word = self.words[index // self.width] if index // self.width < len(self.words) else 0
            value = value << 1 | word >> (self.width - 1 - index % self.width) & 1
        return value

    def skip(self, count: int) -> None:
        self.position += count
        assert self.position <= len(self.words) * self.width, "the stream ended too early"

    def take_signed_byte(self) -> int:
        value = self.peek(8)
        self.skip(8)
        return value - 256 if value >= 128 else value


@dataclass
class Item:
    """What a slot's stage A holds: a position, and the rows to issue there (none for an escape)."""

    target: int
    rows: list[int] | None


@dataclass
class EngineReference:
    """Configuration, banks and one layer at a time."""

    spec: Spec
    memory: dict[Region, dict[int, int]] = field(default_factory=lambda: {region: {} for region in Region})
    banks: np.ndarray = field(init=False)

    def __post_init__(self) -> None:
        shape = (self.spec.slots, self.spec.tile_words, self.spec.rows, self.spec.cols)
        self.banks = np.random.default_rng(0).integers(0, 256, shape)  # as after power-up: anything

    def write(self, address: int, word: int) -> None:
        """One configuration write."""
        region = Region(address >> INDEX_WIDTH)
        index = address & (1 << INDEX_WIDTH) - 1
        if region == Region.REGISTERS:
            assert word < 1 << registers.register_fields(self.spec)[Register(index)].width
        else:
            assert index < registers.depths(self.spec)[region]
            assert word < 1 << registers.width(registers.layouts(self.spec)[region])
        self.memory[region][index] = word

    def fill(self, slot_mask: int, address: int, plane: Iterable[int]) -> None:
        """One word of the tile stream."""
        pixels = np.array(list(plane)).reshape(self.spec.rows, self.spec.cols)
        for slot in range(self.spec.slots):
            if slot_mask >> slot & 1:
                self.banks[slot, address] = pixels

    def run(self, gaps: list[list[int]], codes: list[list[int]], channels: list[int]) -> Outcome:
        """One layer on the tile in the banks."""
        positions, outputs = self._register(Register.POSITIONS), self._register(Register.OUTPUT_CHANNELS)
        coming = [self._items(self._bits(g), self._bits(c)) for g, c in zip(gaps, codes, strict=True)]
        pending = [next(items) for items in coming]
        beats, durations, sums, rows = [], [], [], 0
        for channel in range(outputs):
            accumulator = np.zeros((self.spec.rows, self.spec.cols), np.int64)
            longest = 0
            for slot in range(self.spec.slots):
                cycles = 0
                while pending[slot].target < (channel + 1) * positions:
                    item = pending[slot]
                    for row in item.rows or []:
                        accumulator += self._issue(slot, item.target - channel * positions, row)
                    rows += len(item.rows or [])
                    cycles += 1 if item.rows is None else len(item.rows)
                    pending[slot] = next(coming[slot])
                longest = max(longest, cycles)
            durations.append(max(longest, self.spec.drain_cycles, 1))
            half = 1 << self.spec.accumulator_width - 1
            assert -half <= accumulator.min() <= accumulator.max() < half
            sums.append(accumulator.ravel())
            beats += self._drain(accumulator.ravel().tolist(), channels[channel])
        return Outcome(np.array(beats, np.uint8), durations, rows, np.array(sums))

    def _register(self, register: Register) -> int:
        return self.memory[Region.REGISTERS][register]

    def _bits(self, words: Iterable[int]) -> Bits:
        return Bits([int(word) for word in words], self.spec.word_width)

    def _items(self, gaps: Bits, codes: Bits) -> Iterator[Item]:
        """Everything that a slot decodes; positions count on from output channel to output channel."""
        following = 0
        step = self._register(Register.STEP) if self.spec.feed == "coded" else 1
        end = self._register(Register.OUTPUT_CHANNELS) * self._register(Register.POSITIONS)
        while following < end:
            gap = 0 if self._register(Register.GAPLESS) else self._gap(gaps)
            following += gap
            if gap == self.spec.escape_gap:
                yield Item(following, None)
            else:
                yield Item(following, self._code(codes))
                following += step
        while True:
            yield Item(end, None)

    def _gap(self, bits: Bits) -> int:
        rank = self._rank(bits, Region.GAP_CODE, self.spec.gap_symbols)
        return self.memory[Region.GAP_SYMBOLS][rank]

    def _code(self, bits: Bits) -> list[int]:
        if self.spec.feed == "dense":
            return [bits.take_signed_byte()]
        rows = []
        for book in range(self._register(Register.BOOKS) + 1):
            rank = self._rank(bits, Region.CODE_CODE, self.spec.code_symbols)
            word = self.memory[Region.CODE_SYMBOLS][
                book << registers.rank_width(self.spec.code_symbols) | rank
            ]
            symbol = registers.unpack(registers.code_symbol(self.spec), word)
            first = symbol["first_row"]
            rows += [self.memory[Region.ROWS][row] for row in range(first, first + symbol["more_rows"] + 1)]
        return rows

    def _rank(self, bits: Bits, region: Region, symbols: int) -> int:
        window = bits.peek(self.spec.code_length)
        for length in range(1, self.spec.code_length + 1):
            word = self.memory[region][length - 1]
            entry = registers.unpack(registers.huffman_length(self.spec, symbols), word)
            if window < entry["limit"]:
                bits.skip(length)
                rank = (window >> self.spec.code_length - length) + entry["offset"]
                return rank % (1 << registers.rank_width(symbols))
        raise AssertionError("no code word starts here")

    def _issue(self, slot: int, position: int, row: int) -> np.ndarray:
        """What one row of the item at ``position`` adds to every lane."""
        if self.spec.feed == "coded":
            offset = registers.unpack(registers.codebook_row(self.spec), row).get("offset", 0)
            position += offset << self._register(Register.OFFSET_SHIFT)
        bits = self._register(Register.CHANNEL_BITS)
        index = slot * self.spec.table_entries + (position >> bits)
        tap = registers.unpack(registers.tap(self.spec), self.memory[Region.TAPS][index])
        local = position & (1 << bits) - 1
        if local >= tap.get("channels", local + 1):
            return np.zeros((self.spec.rows, self.spec.cols), np.int64)
        address = tap["base"] + (local << self._register(Register.CHANNEL_SHIFT))
        pixels = np.empty((self.spec.rows, self.spec.cols), np.int64)
        for r, c in np.ndindex(pixels.shape):
            bank = (r + tap["oy"]) % self.spec.rows, (c + tap["ox"]) % self.spec.cols
            block = (bank[0] < tap["oy"]) << 1 | (bank[1] < tap["ox"])
            pixels[r, c] = self.banks[slot, (address | block) % self.spec.tile_words][bank]
        return pixels * self._factor(row)

    def _factor(self, row: int) -> int:
        if self.spec.lane == "multiply":
            return (
                row
                if self.spec.feed == "dense"
                else registers.unpack(registers.row(self.spec), row)["weight"]
            )
        fields = registers.unpack(registers.row(self.spec), row)
        factor = 0
        for number, (low, _) in enumerate(self.spec.terms):
            exponent = low + fields.get(f"exponent{number}", 0)
            term = fields[f"enable{number}"] << exponent
            factor += -term if fields[f"negative{number}"] else term
        return factor

    def _drain(self, accumulator: list[int], word: int) -> list[list[int]]:
        """The output beats of one channel: beat j byte q is lane q * D + j."""
        channel = registers.unpack(registers.channel_parameters(self.spec), word)
        zero = self._register(Register.ZERO_POINT)
        low, high = self._register(Register.CLAMP_LOW), self._register(Register.CLAMP_HIGH)
        half = 1 << channel["shift"] - 1 if channel["shift"] else 0
        beats = []
        for j in range(self.spec.drain_cycles):
            lanes = [accumulator[q * self.spec.drain_cycles + j] for q in range(self.spec.requantizers)]
            scaled = [
                (acc + channel["bias"]) * channel["multiplier"] + half >> channel["shift"] for acc in lanes
            ]
            beats.append([min(max(zero + value, low), high) for value in scaled])
        return beats
