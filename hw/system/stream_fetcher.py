"""Fetches the streams of a layer, each as often as there are tiles, and checks every pass."""

from __future__ import annotations

from amaranth import Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.addresses import LENGTH_WIDTH, TILE_WIDTH, beat_address_width, stream_count
from shiftbook.golden.isa.buffers import BURSTS_IN_FLIGHT, SPARING_BEATS
from shiftbook.golden.isa.registers import INDEX_WIDTH, Region
from shiftbook.golden.isa.stream_registers import FIELD_BITS, StreamField
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import config_word
from shiftbook.hw.system.crc import WIDTH, Crc
from shiftbook.hw.system.interfaces import Reader, answer, read_request


class StreamFetcher(wiring.Component):
    """Asks for bursts of whichever stream has room, in turn.

    Where a stream stands is kept in a memory, so that one adder serves all streams.

    Parameters
    ----------
    spec
        Streams and bus.

    Members
    -------
    config : In(StructLayout)
        See `hw.engine.layouts.config_word`; while ``configure``.
    configure : In(1)
        ``config`` is a write.
    base : In(beat_address_width)
        Address of the program, in beats.
    clear : In(1)
        Fetch nothing.
    begin : In(1)
        Strobe: fetch all streams from their beginning.
    passes : In(16)
        How often; not 0.
    room : In(streams)
        Streams whose buffers have room for a burst.
    keep : Out(streams)
        Streams whose buffers keep a pass, so that it is fetched once; from the cycle after ``begin`` on.
    fetched : Out(1)
        All passes came. Then streams of another layer can be configured.
    sparing : In(1)
        Ask for few beats at a time: something else is more urgent.
    request : Out(Signature)
        To the bus.
    reserve : Out(streams)
        The stream whose beats were asked for in this cycle.
    answers : In(StructLayout)
        See `hw.system.interfaces.answer`.
    answered : In(1)
        ``answers`` is a beat.
    write : Out(streams)
        The stream that ``answers`` belongs to.
    last : Out(1)
        It ends a pass.
    damaged : Out(1)
        Strobe: a pass ended with another checksum.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        streams = stream_count(spec)
        super().__init__(
            {
                "config": In(config_word()),
                "configure": In(1),
                "base": In(beat_address_width(spec)),
                "clear": In(1),
                "begin": In(1),
                "passes": In(TILE_WIDTH),
                "room": In(streams),
                "keep": Out(streams),
                "fetched": Out(1),
                "sparing": In(1),
                "request": Out(read_request(spec)),
                "reserve": Out(streams),
                "answers": In(answer(spec)),
                "answered": In(1),
                "write": Out(streams),
                "last": Out(1),
                "damaged": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        self._fetch(m)
        self._check(m)
        return m

    def _table(self, m: Module, name: str, width: int, field: StreamField) -> Memory:
        """A memory with a word for each stream, written by the program."""
        memory = Memory(shape=width, depth=stream_count(self.spec), init=[])
        m.submodules[name] = memory
        write = memory.write_port()
        region, index = self.config.address[INDEX_WIDTH:], self.config.address[:INDEX_WIDTH]
        m.d.comb += [
            write.en.eq(self.configure & (region == Region.STREAMS) & (index[:FIELD_BITS] == field)),
            write.addr.eq(index[FIELD_BITS:]),
            write.data.eq(self.config.data),
        ]
        return memory

    def _fetch(self, m: Module) -> None:
        """Look at one stream after another; ask for a burst of those with room, and note where they stand."""
        spec, streams = self.spec, stream_count(self.spec)
        addresses = self._table(m, "addresses", beat_address_width(spec), StreamField.ADDRESS)
        lengths = self._table(m, "lengths", LENGTH_WIDTH, StreamField.BEATS)
        place = data.StructLayout(
            {"address": beat_address_width(spec), "left": LENGTH_WIDTH, "passes": TILE_WIDTH}
        )
        m.submodules.places = places = Memory(shape=place, depth=streams, init=[])
        start, length = addresses.read_port(), lengths.read_port()
        read, write = places.read_port(), places.write_port()

        number = Signal(range(streams))  # the stream that is looked at
        following = Signal(range(streams))
        fresh = Signal(streams)  # streams not begun
        done = Signal(streams)  # streams of which all passes were asked for
        keeps = Signal(streams)  # of the layer that is configured
        active = Signal()
        asking = Signal()  # the memories show the stream `number`
        now, then = Signal(place), Signal(place)
        bit = Signal(streams)
        begun = Signal(place)
        few = Signal()
        m.d.comb += [
            bit.eq(1 << number),
            following.eq(Mux(number == streams - 1, 0, number + 1)),
            *(port.addr.eq(number) for port in (start, length, read, write)),
            begun.address.eq(self.base + start.data),
            begun.left.eq(length.data),
            begun.passes.eq(Mux((self.keep & bit).any(), 1, self.passes)),
            now.eq(Mux((fresh & bit).any(), begun, read.data)),
            self.request.valid.eq(asking & active & (now.left != 0)),
            self.request.address.eq(now.address),
            few.eq(self.sparing & (now.left > SPARING_BEATS)),
            self.request.beats.eq(Mux(few, SPARING_BEATS, now.left)),
            self.request.last.eq(~few),
            self.request.index.eq(number),
            self.reserve.eq(bit & self.request.grant.replicate(streams)),
            write.data.eq(then),
            write.en.eq(self.request.grant),
            then.eq(now),
            then.address.eq(now.address + self.request.granted),
            then.left.eq(now.left - self.request.granted),
        ]
        region, index = self.config.address[INDEX_WIDTH:], self.config.address[:INDEX_WIDTH]
        with m.If(self.configure & (region == Region.STREAMS) & (index[:FIELD_BITS] == StreamField.BEATS)):
            m.d.sync += keeps.bit_select(index[FIELD_BITS:][: number.shape().width], 1).eq(
                self.config.data[-1]
            )
        self._await(m, active & ~done.all())
        ends = Signal()
        m.d.comb += ends.eq(self.request.granted == now.left)
        with m.If(ends):
            m.d.comb += [then.eq(begun), then.passes.eq(now.passes - 1)]
        with m.If(asking):
            with m.If(self.request.grant):
                m.d.sync += [asking.eq(0), number.eq(following), fresh.eq(fresh & ~bit)]
                with m.If(ends & (now.passes == 1)):
                    m.d.sync += done.eq(done | bit)
            with m.Elif(now.left == 0):
                m.d.sync += [asking.eq(0), number.eq(following), done.eq(done | bit)]
        with m.Elif((self.room & ~done & bit).any()):
            m.d.sync += asking.eq(active)
        with m.Else():
            m.d.sync += number.eq(following)
        with m.If(self.begin):
            m.d.sync += [active.eq(1), asking.eq(0), number.eq(0), fresh.eq(~0), done.eq(0)]
            m.d.sync += self.keep.eq(keeps)
        with m.If(self.clear):
            m.d.sync += [active.eq(0), asking.eq(0)]

    def _await(self, m: Module, more: Value) -> None:
        """Count the beats that were asked for and did not come yet."""
        owed = Signal(range((BURSTS_IN_FLIGHT + 1) * self.spec.burst_beats + 1))
        came = self.answered & self.answers.reader[Reader.STREAMS]
        m.d.sync += owed.eq(owed + Mux(self.request.grant, self.request.granted, 0) - came)
        m.d.comb += self.fetched.eq(~more & (owed == 0))

    def _check(self, m: Module) -> None:
        """Route beats, and compare checksums at the end of each pass."""
        streams = stream_count(self.spec)
        expected = self._table(m, "checksums", WIDTH, StreamField.CHECKSUM)
        m.submodules.sums = sums = Memory(shape=WIDTH, depth=streams, init=[])
        m.submodules.crc = crc = Crc(self.spec.bus_bytes)
        wanted, read = (memory.read_port(domain="comb") for memory in (expected, sums))
        write = sums.write_port()
        given = self.answers
        mine = Signal()
        bit = Signal(streams)
        begun = Signal(streams)  # passes of which a beat has come
        m.d.comb += [
            mine.eq(self.answered & given.reader[Reader.STREAMS]),
            bit.eq((1 << given.index) & mine.replicate(streams)),
            self.write.eq(bit),
            self.last.eq(given.last),
            *(port.addr.eq(given.index) for port in (wanted, read, write)),
            crc.register.eq(Mux((begun & bit).any(), read.data, ~0)),
            crc.data.eq(given.data),
            write.data.eq(crc.following),
            write.en.eq(mine),
            self.damaged.eq(mine & given.last & (crc.following != ~wanted.data)),
        ]
        m.d.sync += begun.eq(Mux(given.last, begun & ~bit, begun | bit))
        with m.If(self.begin | self.clear):
            m.d.sync += begun.eq(0)
