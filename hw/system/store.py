"""From the engine's beats to memory: the writing half of the AXI4 master.

A tile is a block of the output, or it is stored as four: each pixel at four places, of which those of some
phases are written and the others left as they are. See `golden.mapping.job.View`.
"""

from __future__ import annotations

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.addresses import BURST_WIDTH, TILE_WIDTH, beat_address_width
from shiftbook.golden.isa.buffers import STORE_GROUPS
from shiftbook.golden.spec import ACTIVATION_WIDTH, PARTIAL_BYTES, Spec
from shiftbook.hw.system.groups import Groups
from shiftbook.hw.system.interfaces import burst, local_bit, parity_bits
from shiftbook.hw.system.parity import odd_parity
from shiftbook.hw.system.pieces import Pieces

MOST_WRITTEN = (1 << BURST_WIDTH) - 2
"""Bursts of a layer that are counted."""

OUTSTANDING = 256
"""Bursts that can be written and not yet acknowledged; nothing but a counter is kept of them."""


class Store(wiring.Component):
    """Collects the outputs of a group of channels and writes them, one burst for each beat of a block.

    Of four blocks the left two are written first, from above.

    Parameters
    ----------
    spec
        Grid, requantizers, groups, bus.

    Members
    -------
    clear : In(1)
        Forget everything but what the bus was promised. A burst that was begun is finished, with whatever
        data.
    begin : In(1)
        Strobe: a layer begins. Only while ``sent``.
    channels : In(channel_counter_width)
        Output channels of a tile.
    partial : In(1)
        Each comes as `golden.spec.PARTIAL_BYTES` channels, the bytes of partial sums.
    tiles : In(16)
        Tiles of the layer.
    address : In(beat_address_width)
        Where the first tile's outputs go, in beats.
    local : In(1)
        With a tensor buffer only: there. Its bursts are in memory when their last beat is taken, and nobody
        acknowledges them.
    block_step : In(beat_address_width)
        Beats from a block to the next in its row.
    beat_step : In(16)
        Beats from a beat of a block to the next, of the same channel.
    row_step : In(beat_address_width)
        Beats from the last tile of a row to the first of the next.
    skip : In(beat_address_width)
        Beats from the last beat of a block to the first of the one below, of the same channel.
    phases : In(4)
        0: a tile is a block. Else it is four; bit 2 dy + dx says whether their pixels (2 y + dy, 2 x + dx)
        are written.
    cut : In(1)
        Of four blocks, the right two of a row's last tile are not there.
    tile_cols : In(16)
        Tiles of a row; while ``begin``.
    commit : In(1)
        Strobe: an output channel will come. Only while ``room``.
    valid : In(1)
        ``beat`` is one.
    beat : In(8 * requantizers)
        See `hw.engine.engine.Engine`.
    room : Out(1)
        Another output channel can be committed.
    write_address : Out(stream)
        See `hw.system.interfaces.burst`: the AW channel, or to the tensor buffer.
    write_data : Out(stream)
        {data, strb, last}: the W channel; with parity also {datachk}.
    response : In(stream)
        {resp}: the B channel.
    sent : Out(1)
        The bus has taken all outputs of the layer.
    settled : Out(1)
        Memory has all outputs of the layers before this one.
    written : Out(BURST_WIDTH)
        Bursts of this layer that memory has, while ``settled``; not counted beyond the largest number but
        one.
    quiet : Out(1)
        Every burst was acknowledged.
    bad_response : Out(2)
        What was acknowledged in this cycle, 0 where nothing was.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        beat = data.StructLayout(
            {"data": 8 * spec.bus_bytes, **parity_bits(spec), "strb": spec.bus_bytes, "last": 1}
        )
        super().__init__(
            {
                "clear": In(1),
                "begin": In(1),
                "channels": In(spec.channel_counter_width),
                "partial": In(1),
                "tiles": In(TILE_WIDTH),
                "address": In(beat_address_width(spec)),
                **{name: In(width) for name, width in local_bit(spec).items()},
                "block_step": In(beat_address_width(spec)),
                "beat_step": In(TILE_WIDTH),
                "row_step": In(beat_address_width(spec)),
                "skip": In(beat_address_width(spec)),
                "phases": In(4),
                "cut": In(1),
                "tile_cols": In(TILE_WIDTH),
                "commit": In(1),
                "valid": In(1),
                "beat": In(ACTIVATION_WIDTH * spec.requantizers),
                "room": Out(1),
                "write_address": Out(stream.Signature(burst(spec))),
                "write_data": Out(stream.Signature(beat)),
                "response": In(stream.Signature(data.StructLayout({"resp": 2}))),
                "sent": Out(1),
                "settled": Out(1),
                "written": Out(BURST_WIDTH),
                "quiet": Out(1),
                "bad_response": Out(2),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        spec = self.spec
        places = STORE_GROUPS * spec.group_channels  # channels in the buffer
        m.submodules.groups = groups = Groups(spec)
        pieces = Pieces(spec)
        m.submodules.memory = memory = Memory(
            shape=data.ArrayLayout(pieces.width, pieces.count), depth=places << pieces.index_bits, init=[]
        )
        complete = self._collect(m, memory, pieces)
        gone = Signal()  # a group has been sent
        collected = Signal(range(places + 1))  # channels that are complete and not sent
        promised = Signal(range(places + 1))  # channels that are committed and not sent
        m.d.comb += [
            groups.begin.eq(self.begin | self.clear),
            groups.channels.eq(self.channels),
            groups.partial.eq(self.partial),
            groups.tiles.eq(Mux(self.clear, 0, self.tiles)),  # when it is given up, no group is left
            groups.next.eq(gone),
            self.room.eq(Mux(self.partial, promised <= places - PARTIAL_BYTES, promised < places)),
        ]
        committed = Mux(self.commit, Mux(self.partial, PARTIAL_BYTES, 1), 0)
        m.d.sync += [
            collected.eq(collected + complete - Mux(gone, groups.size, 0)),
            promised.eq(promised + committed - Mux(gone, groups.size, 0)),
        ]
        with m.If(self.clear | self.begin):
            m.d.sync += [collected.eq(0), promised.eq(0)]
        self._send(m, groups, ~groups.over & (collected >= groups.size), gone, memory, pieces)
        return m

    def _collect(self, m: Module, memory: Memory, pieces: Pieces) -> Signal:
        """Put each beat of the engine into its place; a strobe for each channel that is complete."""
        channel = Signal(range(STORE_GROUPS * self.spec.group_channels))
        number = Signal(range(self.spec.drain_cycles))
        complete = Signal()
        write = memory.write_port(granularity=1)
        m.d.comb += [
            complete.eq(self.valid & (number == self.spec.drain_cycles - 1)),
            write.addr.eq(Cat(pieces.beat_of(number), channel)),
            write.data.eq(pieces.padded(self.beat).replicate(pieces.count)),
            write.en.eq(Mux(self.valid, 1 << pieces.piece_of(number), 0)),
        ]
        with m.If(self.valid):
            m.d.sync += [number.eq(Mux(complete, 0, number + 1)), channel.eq(channel + complete)]
        with m.If(self.clear | self.begin):
            m.d.sync += [number.eq(0), channel.eq(0)]
        return complete

    def _send(
        self, m: Module, groups: Groups, some: Value, gone: Signal, memory: Memory, pieces: Pieces
    ) -> None:
        """Send a group: for each beat of a block, or of four, the group's channels, in a burst or two."""
        now = _Sending(self.spec)
        longest = self.spec.burst_beats
        to_boundary = Signal(range(longest + 1))
        read = memory.read_port()
        moved = Signal()
        issued, acknowledged = Signal(), Signal()
        four = self.phases.any() if self.spec.interleaves else Const(0)
        beat = self.write_data.payload
        m.d.comb += [
            to_boundary.eq(longest - now.line[: longest.bit_length() - 1]),
            now.length.eq(Mux(now.left < to_boundary, now.left, to_boundary)),
            now.last_of_row.eq(now.columns == 1 if self.spec.interleaves else 0),
            moved.eq(self.write_data.valid & self.write_data.ready),
            read.addr.eq(Cat(Mux(four, now.number >> 1, now.number)[: pieces.index_bits], now.place + moved)),
            beat.data.eq(read.data),
            beat.strb.eq(~0),
            beat.last.eq(now.burst == 1),
            self.response.ready.eq(1),
            acknowledged.eq(self.response.valid),
            self.bad_response.eq(Mux(acknowledged, self.response.payload.resp, 0)),
        ]
        with m.If(four):
            m.d.comb += [
                beat.data.eq(doubled(Value.cast(read.data), now.number[0], now.right, self.spec)),
                beat.strb.eq(written(self.phases, now.number[0], self.spec)),
            ]
        if self.spec.bus_parity:
            m.d.comb += beat.datachk.eq(odd_parity(beat.data))
        m.d.sync += [now.pending.eq(now.pending + issued - acknowledged), now.place.eq(now.place + moved)]
        self._count(m, now, acknowledged)
        if self.spec.tensor_kib:
            m.d.comb += self.write_address.payload.local.eq(self.local)
            with m.If(self.local & moved & beat.last & (self.written != MOST_WRITTEN)):
                m.d.sync += self.written.eq(self.written + 1)
        with m.If(self.write_address.ready):
            m.d.sync += self.write_address.valid.eq(0)
        with m.FSM() as machine:
            with m.State("WAIT"):
                m.d.sync += now.abandoned.eq(0)
                # A burst has a beat at least: a group without channels is not sent.
                with m.If(some & groups.size.any() & ~self.clear):
                    m.d.sync += [now.line.eq(now.group), now.number.eq(0), now.right.eq(0)]
                    m.d.sync += [now.place.eq(now.first), now.left.eq(groups.size)]
                    m.next = "BURST"
            with m.State("BURST"):
                self._begin_burst(m, now, issued)
            with m.State("DATA"):
                self._send_data(m, now, groups, four, moved, gone)
        self._follow(m, now, groups, four, gone)
        m.d.comb += read.en.eq(machine.ongoing("BURST") | moved)
        waiting = machine.ongoing("WAIT")
        m.d.comb += [self.sent.eq(groups.over & waiting), self.quiet.eq(waiting & (now.pending == 0))]

    def _count(self, m: Module, now: _Sending, acknowledged: Signal) -> None:
        """Bursts of this layer that were acknowledged, and those that layers before still owe."""
        owed = Signal.like(now.pending)
        m.d.comb += self.settled.eq(owed == 0)
        with m.If(self.begin):  # none is issued in this cycle
            m.d.sync += [owed.eq(now.pending - acknowledged), self.written.eq(0)]
        with m.Elif(acknowledged & ~self.settled):
            m.d.sync += owed.eq(owed - 1)
        with m.Elif(acknowledged & (self.written != MOST_WRITTEN)):
            m.d.sync += self.written.eq(self.written + 1)

    def _begin_burst(self, m: Module, now: _Sending, issued: Signal) -> None:
        """Announce a burst, as long as what is left and the burst's boundary allow."""
        with m.If(self.clear | now.abandoned):
            m.next = "WAIT"
        with m.Elif(now.pending != OUTSTANDING):
            m.d.comb += issued.eq(~self.local if self.spec.tensor_kib else 1)
            m.d.sync += [
                self.write_address.valid.eq(1),
                self.write_address.payload.address.eq(now.line),
                self.write_address.payload.more_beats.eq(now.length - 1),
                now.burst.eq(now.length),
                now.left.eq(now.left - now.length),
                now.line.eq(now.line + now.length),
            ]
            m.next = "DATA"

    def _send_data(
        self, m: Module, now: _Sending, groups: Groups, four: Value, moved: Signal, gone: Signal
    ) -> None:
        """The beats of a burst, and then the next burst, the next beat of the block, or the next group."""
        m.d.comb += self.write_data.valid.eq(now.burst != 0)
        m.d.sync += now.burst.eq(now.burst - moved)
        with m.If(self.clear):
            m.d.sync += now.abandoned.eq(1)
        with m.If((now.burst == moved) & (~self.write_address.valid | self.write_address.ready)):
            m.next = "BURST"
            with m.If(self.clear | now.abandoned):
                m.next = "WAIT"
            with m.Elif(now.left == 0):
                self._next_beat(m, now, groups, four, gone)

    def _next_beat(self, m: Module, now: _Sending, groups: Groups, four: Value, gone: Signal) -> None:
        """To the next beat of the block, to the block below, to the right two, or to the next group."""
        beats = self.spec.block_beats
        below = four & (now.number == beats - 1)
        m.d.sync += [
            now.number.eq(now.number + 1),
            now.place.eq(now.first),
            now.left.eq(groups.size),
            now.line.eq(now.line + Mux(below, self.skip, self.beat_step) - groups.size),
        ]
        with m.If(now.number == Mux(four, 2 * beats - 1, beats - 1)):
            with m.If(four & ~now.right & ~(self.cut & now.last_of_row)):
                m.d.sync += [now.number.eq(0), now.right.eq(1), now.line.eq(now.group + self.block_step)]
            with m.Else():
                m.d.comb += gone.eq(1)
                m.next = "WAIT"

    def _follow(self, m: Module, now: _Sending, groups: Groups, four: Value, gone: Signal) -> None:
        """Go on to the next group and to the next tile, or begin a layer."""
        following = Signal.like(now.tile)
        step = Mux(four, self.block_step << 1, self.block_step)
        m.d.comb += following.eq(now.tile + Mux(now.last_of_row, self.row_step, step))
        with m.If(gone):
            m.d.sync += [now.first.eq(now.first + groups.size), now.group.eq(now.group + groups.size)]
            with m.If(groups.last_of_tile):
                m.d.sync += [
                    now.tile.eq(following),
                    now.group.eq(following),
                    now.columns.eq(Mux(now.last_of_row, now.row_tiles, now.columns - 1)),
                ]
        with m.If(self.begin):
            m.d.sync += [now.tile.eq(self.address), now.group.eq(self.address), now.first.eq(0)]
            m.d.sync += [now.columns.eq(self.tile_cols), now.row_tiles.eq(self.tile_cols)]


def doubled(beat: Value, lower: Value, right: Value, spec: Spec) -> Value:
    """A beat of one of four blocks: each pixel of a quarter of the block's beat four times.

    Parameters
    ----------
    beat
        Of the block: its rows of lanes, each padded to the pitch.
    lower, right
        Which half of its rows, where it has several, and which half of its columns.
    """
    rows, cols, pitch = min(spec.beat_rows, spec.rows), spec.cols, ACTIVATION_WIDTH * spec.pitch
    width = ACTIVATION_WIDTH * cols // 2
    lines = [beat[row * pitch :][: ACTIVATION_WIDTH * cols] for row in range(rows)]
    found = []
    for row in range(rows):
        upper, under = lines[row // 2], lines[(rows + row) // 2] if rows > 1 else lines[0]
        line = Mux(lower, under, upper)
        half = Mux(right, line[width:], line[:width])
        pixels = [half.word_select(column // 2, ACTIVATION_WIDTH) for column in range(cols)]
        found.append(Cat(*pixels, Const(0, pitch - 2 * width)))
    return Cat(found)


def written(phases: Value, lower: Value, spec: Spec) -> Value:
    """Which bytes of a beat of one of four blocks are of these phases."""
    rows = []
    for row in range(spec.beat_rows):
        dy = lower if spec.beat_rows == 1 else Const(row % 2)
        rows.append(Mux(dy, phases[2:], phases[:2]).replicate(spec.pitch // 2))
    return Cat(rows)


class _Sending:
    """How far the group that is sent has come: addresses in beats, places in the buffer."""

    def __init__(self, spec: Spec) -> None:
        self.tile = Signal(beat_address_width(spec))  # of the tile's first channel
        self.group = Signal(beat_address_width(spec))  # of the group's first channel
        self.line = Signal(beat_address_width(spec))  # of the next burst of this beat of the block
        self.number = Signal(
            range(2 * spec.block_beats)
        )  # of this beat of the block, or of one above another
        self.right = Signal()  # the right two of four blocks
        self.columns = Signal(TILE_WIDTH)  # tiles of the row, this one included
        self.row_tiles = Signal(TILE_WIDTH)  # all of them
        self.last_of_row = Signal()
        self.first = Signal(range(STORE_GROUPS * spec.group_channels))  # place of the group's first channel
        self.place = Signal(range(STORE_GROUPS * spec.group_channels))  # of the channel that is sent
        self.left = Signal(range(spec.group_channels + 1))  # channels of this beat of the block
        self.burst = Signal(range(spec.burst_beats + 1))  # beats left in the burst
        self.length = Signal(range(spec.burst_beats + 1))  # beats of the burst that comes next
        self.pending = Signal(range(OUTSTANDING + 1))  # bursts that are not acknowledged
        self.abandoned = Signal()  # this group is given up
