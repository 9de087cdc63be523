"""The activation tile of one slot: banks that share memories and read one pixel for every lane."""

from __future__ import annotations

from typing import NamedTuple

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.spec import ACTIVATION_WIDTH, MAX_RING, RING_WIDTH, Spec
from shiftbook.hw.engine.layouts import (
    addressing,
    bank_words,
    column_groups,
    place_of_column,
    tap_offset,
    tile_write,
)


class Tile(wiring.Component):
    """Banks that together read one pixel for every lane of the grid.

    Pixel (u, v) of a block of pixels lies in bank (u, v). A tap with offset (oy, ox) finds the pixels of the
    first oy rows of banks one block further down, and of the first ox columns one block further right. See
    `golden.mapping.tiles` for what is a word's address in its bank.

    The banks of a group of columns in one row (`hw.engine.layouts.column_groups`) share two memories: one has
    the words of the even columns of blocks, the other those of the odd ones. A tap looks into two columns
    that are neighbours, so it reads at most one word of a memory, and none where no lane looks.
    A column that is alone in its group has one memory.

    Parameters
    ----------
    spec
        Grid and bank size.

    Members
    -------
    addressing : In(StructLayout)
        How words are read, see `hw.engine.layouts.addressing`; a constant of the layer.
    write_addressing : In(StructLayout)
        How they are written.
    enable : In(1)
        Write ``write``, whatever slots it names.
    write : In(StructLayout)
        See `hw.engine.layouts.tile_write`.
    read : In(1)
        Read; else ``words`` stay as they are.
    address : In(address_width)
        Channel and phase of the word to read.
    offset : In(StructLayout)
        Tap offset {oy, ox}.
    far : In(1)
        Lane 0 looks into another block than the tile's own in the vertical direction.
    first_column : In(3)
        Number of the column of blocks that lane 0 looks into.
    words : Out(StructLayout)
        One pixel from each bank, one cycle after ``address``: see `hw.engine.layouts.bank_words`.

    Latency
    -------
    One cycle.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "addressing": In(addressing()),
                "write_addressing": In(addressing()),
                "enable": In(1),
                "write": In(tile_write(spec)),
                "read": In(1),
                "address": In(spec.address_width),
                "offset": In(tap_offset(spec)),
                "far": In(1),
                "first_column": In(MAX_RING),
                "words": Out(bank_words(spec)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        here, beside = self._looks(m)
        odd = Signal(spec.cols)
        m.d.comb += odd.eq(Cat(Mux(self.offset.ox > col, beside.odd, here.odd) for col in range(spec.cols)))
        self._choose(m, odd)
        reads = [self._read_address(m, row, here, beside) for row in range(spec.rows)]
        for half, groups in enumerate(column_groups(spec)):
            word = self._written(m, half)
            writes = [self._write(m, row, half, word) for row in range(spec.rows)]
            for group in groups:
                wanted = self._wanted(m, group, here, beside)
                for row, (write, read) in enumerate(zip(writes, reads, strict=True)):
                    first = row * spec.cols + group.start
                    lanes = slice(ACTIVATION_WIDTH * first, ACTIVATION_WIDTH * (first + len(group)))
                    if len(group) == 1:
                        self._one(m, lanes, write, wanted, read, odd[group.start])
                    else:
                        self._two(m, lanes, write, wanted, read)
        return m

    def _one(self, m: Module, lanes: slice, write: Write, wanted: Value, read: data.View, odd: Value) -> None:
        """The memory of a bank that shares none: which column of blocks is one bit of the address."""
        memory = self._memory(m, lanes, f"bank_{lanes.start // ACTIVATION_WIDTH}")
        m.d.comb += [
            memory.write.eq(write.enables.any()),
            memory.write_address.eq(Cat(write.address, write.enables[1])),
            memory.read.eq(wanted.any()),
            memory.address.eq(Cat(Mux(odd, read[1], read[0]), odd)),
            self.words.even.as_value()[lanes].eq(memory.word),
        ]

    def _two(self, m: Module, lanes: slice, write: Write, wanted: Value, read: data.View) -> None:
        """The memories of banks that share them."""
        for which, words in enumerate((self.words.even, self.words.odd)):
            memory = self._memory(m, lanes, f"banks_{lanes.start // ACTIVATION_WIDTH}_{which}")
            m.d.comb += [
                memory.write.eq(write.enables[which]),
                memory.write_address.eq(write.address),
                memory.read.eq(wanted[which]),
                memory.address.eq(read[which]),
                words.as_value()[lanes].eq(memory.word),
            ]

    def _memory(self, m: Module, lanes: slice, name: str) -> BankMemory:
        """A memory with a byte of each of these lanes."""
        m.submodules[name] = memory = BankMemory(self.spec, (lanes.stop - lanes.start) // ACTIVATION_WIDTH)
        m.d.comb += memory.data.eq(self.write.plane.as_value()[lanes])
        return memory

    def _choose(self, m: Module, odd: Value) -> None:
        """Keep which memory each lane looked into when they were read last."""
        groups = [group for half in column_groups(self.spec) for group in half]
        shared = Cat(Const(len(group) > 1).replicate(len(group)) for group in groups)
        choice = Signal(self.spec.cols)
        with m.If(self.read):
            m.d.sync += choice.eq(odd & shared)
        m.d.comb += self.words.choice.eq(choice)

    def _looks(self, m: Module) -> tuple[Word, Word]:
        """What lanes read in the column of blocks that lane 0 looks into, and in the one to its right."""
        following = (self.first_column + 1)[:MAX_RING]
        words = []
        for name, number in (("here", self.first_column), ("beside", following)):
            column = place_of_column(number, self.addressing.half)
            words.append(self._word(m, name, self.addressing, self.address, column, Const(0)))
        return words[0], words[1]

    def _written(self, m: Module, half: int) -> Word:
        """What is written into a half of the columns."""
        way = self.write.halves[half]
        name, mode = f"written_{half}", self.write_addressing
        return self._word(m, name, mode, self.write.channel, way.column, way.phase)

    def _word(
        self, m: Module, name: str, mode: data.View, channel: Value, column: Value, phase: Value
    ) -> Word:
        """A word as far as all rows have it; ``channel`` is 0 where other bits are in use.

        The bit that tells even columns of blocks from odd ones is the lowest of the ring, or of a half of it.
        The others are the address in a memory. That of a half keeps the bit that tells halves apart at one
        place, because the layers that share the banks may differ in all other modes.
        """
        ring = [column[bit] & mode.ring[bit] for bit in range(RING_WIDTH)]
        places = {
            0: ring[0],
            2: Mux(mode.phased, phase, ring[1]),
            4: Mux(mode.phased, ring[1], ring[2]),
            5: Mux(mode.phased, ring[2], ring[3]),
            6: ring[3] & mode.phased,
        }
        bits = self._placed(channel, places)
        width = self.spec.address_width
        top, second, fourth = (bits[width - 1 - place] for place in (0, 2, 4))
        halved = mode.half[1]
        rest = list(bits[:-1])
        rest[width - 3] = Mux(halved, top, second)
        rest[width - 5] = Mux(halved & mode.phased, second, fourth)
        word = Word(Signal(name=f"{name}_odd"), Signal(width - 1, name=f"{name}_rest"))
        m.d.comb += [
            word.odd.eq(Mux(halved, Mux(mode.phased, fourth, second), top)),
            word.rest.eq(Cat(rest)),
        ]
        return word

    def _in_row(self, rest: Value, mode: data.View, far: Value, phase: Value) -> Value:
        """The address in a memory, with the bits that all columns of a row share."""
        return self._placed(rest, {1: far & mode.halo_rows, 3: phase & mode.phased})

    def _placed(self, word: Value, places: dict[int, Value]) -> Value:
        """A word with bits at these places from the top of a bank's address, as far as it reaches."""
        bits = list(word)
        for place, bit in places.items():
            at = self.spec.address_width - 1 - place
            if at >= 0:
                bits[at] = bits[at] | bit
        return Cat(bits)

    def _read_address(self, m: Module, row: int, here: Word, beside: Word) -> data.View:
        """What the memories of a row read."""
        far = self.far ^ (self.offset.oy > row)
        even = Mux(here.odd, beside.rest, here.rest)
        odd = Mux(here.odd, here.rest, beside.rest)
        address = Signal(addresses(self.spec), name=f"address_{row}")
        for which, rest in enumerate((even, odd)):
            m.d.comb += address[which].eq(self._in_row(rest, self.addressing, far, Const(0)))
        return address

    def _wanted(self, m: Module, group: range, here: Word, beside: Word) -> Signal:
        """Which memories of a group some lane looks into."""
        wanted = Signal(2, name=f"read_{group.start}")
        look_here = self.read & (self.offset.ox < group.stop)
        look_beside = self.read & (self.offset.ox > group.start)
        m.d.comb += [
            wanted[0].eq((look_here & ~here.odd) | (look_beside & ~beside.odd)),
            wanted[1].eq((look_here & here.odd) | (look_beside & beside.odd)),
        ]
        return wanted

    def _write(self, m: Module, row: int, half: int, word: Word) -> Write:
        """What is written in a row and a half of the columns."""
        kind = self.write.rows[row]
        enable = self.enable & kind.enable & self.write.halves[half].enable
        enables = Signal(2, name=f"write_{row}_{half}")
        address = Signal(self.spec.address_width - 1, name=f"write_address_{row}_{half}")
        m.d.comb += [
            enables.eq(Cat(enable & ~word.odd, enable & word.odd)),
            address.eq(self._in_row(word.rest, self.write_addressing, kind.far, kind.phase)),
        ]
        return Write(enables, address)


class Word(NamedTuple):
    """A word of a bank: whether it lies in the memory of odd columns of blocks, and its address there."""

    odd: Signal
    rest: Signal


class Write(NamedTuple):
    """Which memories are written, that of even columns of blocks and that of odd ones, and where."""

    enables: Signal
    address: Signal


def addresses(spec: Spec) -> data.ArrayLayout:
    """An address for each of the two memories that banks share."""
    return data.ArrayLayout(spec.address_width - 1, 2)


class BankMemory(wiring.Component):
    """A memory of banks: of one bank all words; of several half of their words, side by side.

    Parameters
    ----------
    spec
        Bank size.
    size
        Banks.

    Members
    -------
    write : In(1)
        Write ``data`` to ``write_address``.
    write_address : In(address_width)
        Word to write. A bit less where several banks share the memory.
    data : In(8 * size)
        A pixel for each bank.
    read : In(1)
        Read; else ``word`` stays as it is.
    address : In(address_width)
        Word to read. Likewise.
    word : Out(8 * size)
        The word at ``address``, one cycle later.

    Latency
    -------
    One cycle.
    """

    def __init__(self, spec: Spec, size: int) -> None:
        self.spec = spec
        self.width = ACTIVATION_WIDTH * size
        self.depth = spec.tile_words if size == 1 else spec.tile_words // 2
        address = (self.depth - 1).bit_length()
        super().__init__(
            {
                "write": In(1),
                "write_address": In(address),
                "data": In(self.width),
                "read": In(1),
                "address": In(address),
                "word": Out(self.width),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        m.submodules.memory = memory = Memory(shape=self.width, depth=self.depth, init=[])
        write = memory.write_port()
        read = memory.read_port()
        m.d.comb += [
            write.en.eq(self.write),
            write.addr.eq(self.write_address),
            write.data.eq(self.data),
            read.en.eq(self.read),
            read.addr.eq(self.address),
            self.word.eq(read.data),
        ]
        return m
