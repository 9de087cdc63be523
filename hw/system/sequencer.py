"""Reads the program and carries it out: writes of the configuration, and layers that run."""

from __future__ import annotations

from collections.abc import Iterable

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.enum import Enum
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa.addresses import beat_address_width
from shiftbook.golden.isa.faults import Fault
from shiftbook.golden.isa.program_format import (
    COUNT_WIDTH,
    MAGIC,
    WORD_WIDTH,
    Command,
    fingerprint,
    header_words,
)
from shiftbook.golden.isa.registers import ADDRESS_WIDTH, INDEX_WIDTH, Region
from shiftbook.golden.isa.turns import Indices, turns
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import config_word
from shiftbook.hw.system.crc import WIDTH, Crc
from shiftbook.hw.system.interfaces import read_request

REGION_WIDTH = ADDRESS_WIDTH - INDEX_WIDTH


class State(Enum):
    """What the sequencer does."""

    IDLE = 0
    HEADER = 1  # the words that begin a program
    ADDRESS = 2  # where the next words go
    DATA = 3  # these words
    LOAD = 4  # wait for the last beats of the running layer's streams
    FETCH = 5  # wait until the engine has run it
    SETTLE = 6  # wait until its outputs were sent
    BEGIN = 7  # begin the layer
    RUN = 8  # wait until its input is loaded, or for the whole layer before a pause
    PAUSE = 9  # wait for the host
    LAST = 10  # wait until memory has all outputs


class Sequencer(wiring.Component):
    """One word a cycle; a word that says where, then the words that go there and to the addresses behind it.

    Parameters
    ----------
    spec
        Bus.

    Members
    -------
    start : In(1)
        Strobe: carry out the program at ``base``. Only while not ``busy``.
    stop : In(1)
        Strobe: give up.
    failing : In(1)
        There is a cause to give up, in the cycle before ``stop`` and in that of ``stop``.
    base : In(beat_address_width)
        Address of the program, in beats.
    pause : In(1)
        Wait after each layer.
    go_on : In(1)
        Strobe: end the waiting.
    request : Out(Signature)
        To the bus.
    room : In(1)
        The program's buffer has room for a burst.
    empty : In(1)
        Every word that was asked for was taken.
    empty_input : In(1)
        The configuration is that of a layer without input channels.
    empty_layer : In(1)
        It is that of a layer without output channels or tiles.
    words : In(stream)
        The program.
    config : Out(StructLayout)
        See `hw.engine.layouts.config_word`; while ``configure``.
    configure : Out(1)
        ``config`` is a write.
    load : Out(1)
        Strobe: load the input of the layer that is being configured. Its registers that say how are set.
    fetch : Out(1)
        Strobe: fetch its streams.
    begin : Out(1)
        Strobe: run the layer that is configured.
    fetched : In(1)
        All that the running layer takes of its streams came; from the cycle after ``fetch`` on.
    engine_over : In(1)
        The layer was run; from the cycle after ``begin`` on.
    layer_over : In(1)
        And all its outputs were sent.
    loader_over : In(1)
        All of its input is loaded.
    quiet : In(1)
        All outputs that were sent are in memory.
    busy : Out(1)
        A program is carried out.
    paused : Out(1)
        Waiting for ``go_on``.
    layers : Out(16)
        Layers that were run.
    step : Out(1)
        Strobe: a word was taken, or a command is over.
    finished : Out(1)
        Strobe: the program came to its end. Never while ``failing``.
    fault : Out(Fault)
        What is wrong with the program; `Fault.NONE` in all other cycles.
    """

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        super().__init__(
            {
                "start": In(1),
                "stop": In(1),
                "failing": In(1),
                "base": In(beat_address_width(spec)),
                "pause": In(1),
                "go_on": In(1),
                "request": Out(read_request(spec)),
                "room": In(1),
                "empty": In(1),
                "empty_input": In(1),
                "empty_layer": In(1),
                "words": In(stream.Signature(WORD_WIDTH)),
                "config": Out(config_word()),
                "configure": Out(1),
                "load": Out(1),
                "fetch": Out(1),
                "begin": Out(1),
                "fetched": In(1),
                "engine_over": In(1),
                "layer_over": In(1),
                "loader_over": In(1),
                "quiet": In(1),
                "busy": Out(1),
                "paused": Out(1),
                "layers": Out(16),
                "step": Out(1),
                "finished": Out(1),
                "fault": Out(range(max(Fault) + 1)),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        now = _Now(self.spec)
        state, word = now.state, self.words.payload
        m.submodules.crc = crc = Crc(WORD_WIDTH // 8)
        moved = Signal()
        over = Signal()  # a command is carried out
        told = Signal()  # the header is complete and right
        due = self._due(m, now)
        asked = self._ask(m, moved & (state == State.HEADER), now.number, told)
        m.d.comb += [
            moved.eq(self.words.valid & self.words.ready),
            over.eq(self.finished | Cat((state == each) & end for each, end in self._ends()).any()),
            self.step.eq(moved | over),
            self.busy.eq(state != State.IDLE),
            self.paused.eq((state == State.PAUSE) & self.quiet),
            self.load.eq((state == State.LOAD) & self.fetched),
            self.fetch.eq((state == State.FETCH) & self.engine_over),
            self.begin.eq(state == State.BEGIN),
            self.finished.eq((state == State.LAST) & self.quiet & ~now.running & ~self.failing),
            self.config.address.eq(now.address),
            self.config.data.eq(word),
            self.configure.eq((state == State.DATA) & moved & due),
            self.words.ready.eq((state == State.HEADER) | (state == State.ADDRESS) | (state == State.DATA)),
        ]
        m.d.comb += [crc.register.eq(now.total), crc.data.eq(word), now.whole.eq(word == ~now.total)]
        with m.If(moved):
            m.d.sync += now.total.eq(crc.following)
        self._follow(m, now, due, moved, told)
        wants = (state == State.ADDRESS) | (state == State.DATA)
        with m.If(wants & asked & self.empty):
            m.d.comb += self.fault.eq(Fault.PROGRAM_LENGTH)
        with m.If(self.start):
            m.d.sync += [state.eq(State.HEADER), now.number.eq(0), now.total.eq(~0)]
            m.d.sync += [now.turn.eq(Command.LOAD), self.layers.eq(0)]
        with m.If(self.stop):
            m.d.sync += state.eq(State.IDLE)
        with m.If(self.begin):
            m.d.sync += now.running.eq(1)
        with m.Elif(now.running & self.layer_over):
            m.d.sync += [now.running.eq(0), self.layers.eq(self.layers + 1)]
        with m.If(self.start | self.stop):
            m.d.sync += now.running.eq(0)
        return m

    def _ends(self) -> Iterable[tuple[int, Value]]:
        """States that wait, and what ends them."""
        return (
            (State.LOAD, self.fetched),
            (State.FETCH, self.engine_over),
            (State.SETTLE, self.layer_over),
            (State.RUN, Mux(self.pause, self.layer_over, self.loader_over)),
            (State.PAUSE, self.go_on),
        )

    def _follow(self, m: Module, now: _Now, due: Signal, moved: Signal, told: Signal) -> None:
        """From state to state, with the words that are taken."""
        state = now.state
        with m.Switch(state):
            with m.Case(State.HEADER), m.If(moved):
                self._header(m, now, told)
            with m.Case(State.ADDRESS), m.If(moved):
                m.d.sync += [Cat(now.address, now.left).eq(self.words.payload), state.eq(State.DATA)]
            with m.Case(State.DATA), m.If(moved):
                m.d.sync += [now.address.eq(now.address + 1), now.left.eq(now.left - 1)]
                with m.If(now.left == 0):
                    m.d.sync += state.eq(State.ADDRESS)
                with m.If(now.command):
                    m.d.sync += now.total.eq(~0)
                    self._command(m, now, self.words.payload == ~now.total)
                with m.Elif(~due):
                    m.d.comb += self.fault.eq(Fault.UNKNOWN_ADDRESS)
            with m.Case(State.BEGIN):
                m.d.sync += state.eq(State.RUN)
            with m.Case(State.LAST), m.If(self.finished):
                m.d.sync += state.eq(State.IDLE)
            for each, end in self._ends():
                with m.Case(each), m.If(end):
                    paused = self.pause if each == State.RUN else 0
                    m.d.sync += state.eq(Mux(paused, State.PAUSE, State.ADDRESS))

    def _header(self, m: Module, now: _Now, told: Signal) -> None:
        """Take a word of the header, which must be of a program for this accelerator."""
        word = self.words.payload
        m.d.sync += now.number.eq(now.number + 1)
        with m.If((now.number == 0) & (word != MAGIC)):
            m.d.comb += self.fault.eq(Fault.NOT_A_PROGRAM)
        with m.If((now.number == 1) & (word != fingerprint(self.spec))):
            m.d.comb += self.fault.eq(Fault.OTHER_SPEC)
        with m.If(now.number == header_words(self.spec) - 1):
            with m.If(now.whole):
                m.d.comb += told.eq(1)
                m.d.sync += [now.state.eq(State.ADDRESS), now.total.eq(~0)]
            with m.Else():
                m.d.comb += self.fault.eq(Fault.PROGRAM_DAMAGED)

    def _command(self, m: Module, now: _Now, whole: Value) -> None:
        """Carry out a command, if what came before is ``whole``. They take turns."""
        index = now.index
        commands = {
            Command.LOAD: (State.LOAD, Command.FETCH),
            Command.FETCH: (State.FETCH, Command.SETTLE),
            Command.SETTLE: (State.SETTLE, Command.RUN),
            Command.RUN: (State.BEGIN, Command.LOAD),
            Command.END: (State.LAST, Command.END),
        }
        empty = Mux(index == Command.LOAD, self.empty_input, ((index == Command.RUN) & self.empty_layer))
        with m.If(~whole):
            m.d.comb += self.fault.eq(Fault.PROGRAM_DAMAGED)
        with m.Elif(index > max(Command)):
            m.d.comb += self.fault.eq(Fault.UNKNOWN_ADDRESS)
        with m.Elif(empty):
            m.d.comb += self.fault.eq(Fault.EMPTY_LAYER)
        with m.Elif(Mux(index == Command.END, Command.LOAD, index) != now.turn):
            m.d.comb += self.fault.eq(Fault.COMMAND_ORDER)
        with m.Else(), m.Switch(index):
            for command, (state, following) in commands.items():
                with m.Case(command):
                    m.d.sync += [now.state.eq(state), now.turn.eq(following)]

    def _due(self, m: Module, now: _Now) -> Signal:
        """Whether what is at the address may be written now: nobody reads it."""
        due = Signal()
        with m.Switch(now.address):
            for command, regions in turns(self.spec).items():
                places = [each for region, indices in regions.items() for each in _cases(region, indices)]
                with m.Case(*places):
                    m.d.comb += due.eq(now.turn == command)
        return due

    def _ask(self, m: Module, heads: Value, number: Value, told: Value) -> Value:
        """Ask for the header, then for the program that it tells of; whether all of either was asked for."""
        header = header_words(self.spec) * WORD_WIDTH // (8 * self.spec.bus_bytes)
        request = self.request
        length = Signal.like(request.beats)
        missing = Signal.like(request.beats)  # beats not asked for
        address = Signal.like(request.address)
        m.d.comb += [
            request.valid.eq((missing != 0) & self.room),
            request.address.eq(address),
            request.beats.eq(missing),
        ]
        with m.If(request.grant):
            m.d.sync += [address.eq(address + request.granted), missing.eq(missing - request.granted)]
        with m.If(heads & (number == 2)):
            m.d.sync += length.eq(self.words.payload)
        with m.If(heads & (number == 3)):
            m.d.sync += address.eq(self.base + self.words.payload)
        with m.If(told):
            m.d.sync += missing.eq(length)
        with m.If(self.start):
            m.d.sync += [address.eq(self.base), missing.eq(header)]
        with m.If(self.stop):
            m.d.sync += missing.eq(0)
        return missing == 0


def _cases(region: Region, indices: Indices) -> list[str]:
    """Patterns of the addresses of a region that have these indices."""
    if indices is None:
        return [f"{region:0{REGION_WIDTH}b}" + "-" * INDEX_WIDTH]
    return [f"{region:0{REGION_WIDTH}b}{index:0{INDEX_WIDTH}b}" for index in indices]


class _Now:
    """How far the program is carried out, and what of the word that comes is known."""

    def __init__(self, spec: Spec) -> None:
        self.state = Signal(State)
        self.number = Signal(range(header_words(spec)))  # words of the header that were taken
        self.address = Signal(ADDRESS_WIDTH)  # where the word goes
        self.left = Signal(COUNT_WIDTH)  # words behind it
        self.turn = Signal(Command)  # the command that comes next
        self.running = Signal()  # a layer was begun and is not over
        self.total = Signal(WIDTH)  # checksum since the last command
        self.whole = Signal()  # the word is the checksum of those before
        self.region, self.index = self.address[INDEX_WIDTH:], self.address[:INDEX_WIDTH]
        self.command = self.region == Region.COMMANDS
