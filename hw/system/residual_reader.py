"""Fetches residuals and partial sums ahead of the drain, in the order in which it takes them."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.addresses import TILE_WIDTH, beat_address_width
from shiftbook.golden.isa.buffers import RESIDUAL_GROUPS
from shiftbook.golden.spec import ACTIVATION_WIDTH, PARTIAL_BYTES, PARTIAL_WIDTH, Spec
from shiftbook.hw.system.groups import Groups
from shiftbook.hw.system.interfaces import Reader, answer, local_bit, read_request
from shiftbook.hw.system.pieces import Pieces

MEMORY_BITS = (PARTIAL_BYTES - 1).bit_length()


class ResidualReader(wiring.Component):
    """Reads the residuals of a group of channels, one burst for each beat of a block, and hands them out
    by channel.

    A partial sum lies in `golden.spec.PARTIAL_BYTES` channels, the last of which is the residual that waits
    for the sum to be whole. They are in as many memories, so that all are read together.

    Parameters
    ----------
    spec
        Grid, requantizers, groups, bus.

    Members
    -------
    clear : In(1)
        Forget everything.
    begin : In(1)
        Strobe: a layer begins that adds residuals.
    settled : In(1)
        Memory has the outputs of all layers before.
    channels : In(channel_counter_width)
        Output channels of a tile.
    partial_in : In(1)
        They are partial sums.
    tiles : In(16)
        Tiles of the layer.
    address : In(beat_address_width)
        Where the first tile's residuals are, in beats.
    local : In(1)
        With a tensor buffer only: they are there.
    block_step : In(beat_address_width)
        Beats from a tile's residuals to the next one's.
    beat_step : In(16)
        Beats from a beat of a block to the next, of the same channel.
    request : Out(Signature)
        To the bus.
    answers : In(StructLayout)
        See `hw.system.interfaces.answer`.
    answered : In(1)
        ``answers`` is a beat.
    ready : Out(1)
        The residuals of another output channel are there.
    commit : In(1)
        Strobe: a channel will take its residuals. Only while ``ready``, where the layer adds any.
    take : In(1)
        Hand out the next beat.
    last_round : In(1)
        The channel will not be taken again; while ``take``.
    residual : Out(ArrayLayout)
        It, one cycle after ``take``.
    partial : Out(ArrayLayout)
        The partial sums, at the same time; 0 where there are none.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "clear": In(1),
                "begin": In(1),
                "settled": In(1),
                "channels": In(spec.channel_counter_width),
                "partial_in": In(1),
                "tiles": In(TILE_WIDTH),
                "address": In(beat_address_width(spec)),
                **{name: In(width) for name, width in local_bit(spec).items()},
                "block_step": In(beat_address_width(spec)),
                "beat_step": In(TILE_WIDTH),
                "request": Out(read_request(spec)),
                "answers": In(answer(spec)),
                "answered": In(1),
                "ready": Out(1),
                "commit": In(1),
                "take": In(1),
                "last_round": In(1),
                "residual": Out(data.ArrayLayout(ACTIVATION_WIDTH, spec.requantizers)),
                "partial": Out(data.ArrayLayout(PARTIAL_WIDTH, spec.requantizers)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        places = RESIDUAL_GROUPS * spec.group_channels  # channels in the buffer
        pieces = Pieces(spec)
        memories = [
            Memory(shape=8 * spec.bus_bytes, depth=places // PARTIAL_BYTES << pieces.index_bits, init=[])
            for _ in range(PARTIAL_BYTES)
        ]
        for number, memory in enumerate(memories):
            m.submodules[f"memory_{number}"] = memory
        claimed = Signal(range(places + 1))  # channels asked for and not taken
        ready = Signal(range(places + 1))  # channels that are there and not promised to the drain
        asked, came = self._ask(m, claimed), self._receive(m, memories, pieces)
        taken = self._hand_out(m, memories, pieces)
        each = Mux(self.partial_in, PARTIAL_BYTES, 1)  # channels in memory of an output channel
        m.d.comb += self.ready.eq(ready >= each)
        m.d.sync += [
            claimed.eq(claimed + asked - Mux(taken, each, 0)),
            ready.eq(ready + came - Mux(self.commit, each, 0)),
        ]
        with m.If(self.clear | self.begin):
            m.d.sync += [claimed.eq(0), ready.eq(0)]
        return m

    def _groups(self, m: Module, name: str, following: Signal) -> Groups:
        groups = Groups(self.spec)
        m.submodules[name] = groups
        m.d.comb += [
            groups.begin.eq(self.begin),
            groups.channels.eq(self.channels),
            groups.partial.eq(self.partial_in),
            groups.tiles.eq(self.tiles),
            groups.next.eq(following),
        ]
        return groups

    def _ask(self, m: Module, claimed: Signal) -> Signal:
        """Ask for the next group when it has room; how many channels were claimed in this cycle."""
        spec = self.spec
        following = Signal()
        groups = self._groups(m, "asked", following)
        tile, group, line = (Signal(beat_address_width(spec), name=n) for n in ("tile", "group", "line"))
        left = Signal(range(spec.group_channels + 1))
        number = Signal(range(spec.block_beats))
        asked = Signal(range(spec.group_channels + 1))
        request = self.request
        m.d.comb += [request.address.eq(line), request.beats.eq(left)]
        if spec.tensor_kib:
            m.d.comb += request.local.eq(self.local)
        with m.FSM():
            with m.State("WAIT"):
                with m.If(~groups.over & (claimed + groups.size <= RESIDUAL_GROUPS * spec.group_channels)):
                    m.d.comb += asked.eq(groups.size)
                    m.d.sync += [line.eq(group), left.eq(groups.size), number.eq(0)]
                    m.next = "ASK"
                with m.If(self.clear | self.begin):
                    m.next = "WAIT"
            with m.State("ASK"):
                m.d.comb += request.valid.eq(self.settled & ~self.clear)
                with m.If(request.grant):
                    m.d.sync += [line.eq(line + request.granted), left.eq(left - request.granted)]
                    with m.If(request.granted == left):
                        m.d.sync += [
                            line.eq(line + request.granted + self.beat_step - groups.size),
                            left.eq(groups.size),
                            number.eq(number + 1),
                        ]
                        with m.If(number == spec.block_beats - 1):
                            m.d.comb += following.eq(1)
                            m.next = "WAIT"
                with m.If(self.clear):
                    m.next = "WAIT"
        with m.If(following):
            m.d.sync += group.eq(group + groups.size)
            with m.If(groups.last_of_tile):
                m.d.sync += [tile.eq(tile + self.block_step), group.eq(tile + self.block_step)]
        with m.If(self.begin):
            m.d.sync += [tile.eq(self.address), group.eq(self.address)]
        with m.If(self.clear):  # no group is left: nothing is asked for until the next layer
            m.d.comb += groups.tiles.eq(0), groups.begin.eq(1)
        return asked

    def _receive(self, m: Module, memories: list[Memory], pieces: Pieces) -> Signal:
        """Put answers into their places; how many channels are there since this cycle."""
        spec = self.spec
        following = Signal()
        groups = self._groups(m, "received", following)
        first = Signal(range(RESIDUAL_GROUPS * spec.group_channels))
        channel = Signal(range(spec.group_channels))
        number = Signal(range(spec.block_beats))
        mine = Signal()
        ends = Signal()
        came = Signal(range(spec.group_channels + 1))
        place = Signal(range(RESIDUAL_GROUPS * spec.group_channels))
        m.d.comb += [
            mine.eq(self.answered & self.answers.reader[Reader.RESIDUAL]),
            ends.eq(channel == groups.size - 1),
            following.eq(mine & ends & (number == spec.block_beats - 1)),
            came.eq(Mux(following, groups.size, 0)),
            place.eq(first + channel),
        ]
        for index, memory in enumerate(memories):
            write = memory.write_port()
            m.d.comb += [
                write.en.eq(mine & (place[:MEMORY_BITS] == index)),
                write.addr.eq(Cat(number[: pieces.index_bits], place[MEMORY_BITS:])),
                write.data.eq(self.answers.data),
            ]
        with m.If(mine):
            m.d.sync += channel.eq(Mux(ends, 0, channel + 1))
            with m.If(ends):
                m.d.sync += number.eq(Mux(following, 0, number + 1))
        with m.If(following):
            m.d.sync += first.eq(first + groups.size)
        with m.If(self.clear | self.begin):
            m.d.sync += [first.eq(0), channel.eq(0), number.eq(0)]
        return came

    def _hand_out(self, m: Module, memories: list[Memory], pieces: Pieces) -> Signal:
        """Read piece after piece of channel after channel; a strobe for each output channel that is done."""
        spec = self.spec
        number = Signal(range(spec.drain_cycles))
        place = Signal(range(RESIDUAL_GROUPS * spec.group_channels))
        last = Signal()
        reads = [memory.read_port() for memory in memories]
        piece = Signal.like(pieces.piece_of(number))
        channel = Signal(MEMORY_BITS)
        ends = number == spec.drain_cycles - 1
        m.d.comb += last.eq(self.take & ends & self.last_round)
        m.d.comb += [read.addr.eq(Cat(pieces.beat_of(number), place[MEMORY_BITS:])) for read in reads]
        m.d.sync += [piece.eq(pieces.piece_of(number)), channel.eq(place[:MEMORY_BITS])]
        with m.If(self.take):
            m.d.sync += [
                number.eq(Mux(ends, 0, number + 1)),
                place.eq(place + Mux(last, Mux(self.partial_in, PARTIAL_BYTES, 1), 0)),
            ]
        with m.If(self.clear | self.begin):
            m.d.sync += [number.eq(0), place.eq(0)]
        lanes = [pieces.lanes(read.data.word_select(piece, pieces.width)) for read in reads]
        m.d.comb += [
            self.residual.eq(
                Cat(lanes).word_select(channel | self.partial_in.replicate(MEMORY_BITS), len(lanes[0]))
            ),
            self.partial.eq(
                _bytes_of_each(lanes[:-1]) & self.partial_in.replicate(len(self.partial.as_value()))
            ),
        ]
        return last


def _bytes_of_each(planes: list[Value]) -> Value:
    """From the first bytes of all lanes, their second ones, and so on, to the bytes of each lane."""
    lanes = len(planes[0]) // ACTIVATION_WIDTH
    return Cat(plane.word_select(lane, ACTIVATION_WIDTH) for lane in range(lanes) for plane in planes)
