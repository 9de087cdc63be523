"""Reads the program and carries it out: writes of the configuration, and layers that run."""

from __future__ import annotations

from amaranth import Cat, Elaboratable, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.enum import Enum
from amaranth.lib.wiring import In, Out

from shiftbook.golden.isa import registers
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
from shiftbook.golden.spec import Spec
from shiftbook.hw.engine.layouts import config_word
from shiftbook.hw.system.crc import WIDTH, Crc
from shiftbook.hw.system.interfaces import read_request


class State(Enum):
    """What the sequencer does."""

    IDLE = 0
    HEADER = 1  # the words that begin a program
    ADDRESS = 2  # where the next words go
    DATA = 3  # these words
    LOAD = 4  # wait until memory has all outputs of the layer before
    BEGIN = 5  # begin the layer
    RUN = 6  # wait for the layer
    PAUSE = 7  # wait for the host
    LAST = 8  # wait until memory has all outputs


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
    empty_layer : In(1)
        The configuration is that of a layer without channels or tiles.
    words : In(stream)
        The program.
    config : Out(StructLayout)
        See `hw.engine.layouts.config_word`; while ``configure``.
    configure : Out(1)
        ``config`` is a write.
    load : Out(1)
        Strobe: load the input of the layer that is being configured. Its registers that say how are set.
    begin : Out(1)
        Strobe: run the layer that is configured.
    layer_over : In(1)
        The layer was run, and all its outputs were sent; from the cycle after ``begin`` on.
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
                "empty_layer": In(1),
                "words": In(stream.Signature(WORD_WIDTH)),
                "config": Out(config_word()),
                "configure": Out(1),
                "load": Out(1),
                "begin": Out(1),
                "layer_over": In(1),
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
        asked = self._ask(m, moved & (state == State.HEADER), now.number, told)
        m.d.comb += [
            moved.eq(self.words.valid & self.words.ready),
            over.eq(
                self.load
                | self.finished
                | ((state == State.RUN) & self.layer_over)
                | ((state == State.PAUSE) & self.go_on)
            ),
            self.step.eq(moved | over),
            self.busy.eq(state != State.IDLE),
            self.paused.eq((state == State.PAUSE) & self.quiet),
            self.load.eq((state == State.LOAD) & self.quiet),
            self.begin.eq(state == State.BEGIN),
            self.finished.eq((state == State.LAST) & self.quiet & ~self.failing),
            self.config.address.eq(now.address),
            self.config.data.eq(word),
            self.configure.eq((state == State.DATA) & moved & ~now.command),
            self.words.ready.eq((state == State.HEADER) | (state == State.ADDRESS) | (state == State.DATA)),
        ]
        m.d.comb += [crc.register.eq(now.total), crc.data.eq(word), now.whole.eq(word == ~now.total)]
        with m.If(moved):
            m.d.sync += now.total.eq(crc.following)
        self._follow(m, now, moved, told)
        wants = (state == State.ADDRESS) | (state == State.DATA)
        with m.If(wants & asked & self.empty):
            m.d.comb += self.fault.eq(Fault.PROGRAM_LENGTH)
        with m.If(self.start):
            m.d.sync += [state.eq(State.HEADER), now.number.eq(0), now.total.eq(~0)]
            m.d.sync += [now.loaded.eq(0), self.layers.eq(0)]
        with m.If(self.stop):
            m.d.sync += state.eq(State.IDLE)
        return m

    def _follow(self, m: Module, now: _Now, moved: Signal, told: Signal) -> None:
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
                with m.If(now.region > max(Region.COMMANDS, *registers.layouts(self.spec))):
                    m.d.comb += self.fault.eq(Fault.UNKNOWN_ADDRESS)
                with m.If(now.command):
                    m.d.sync += now.total.eq(~0)
                    self._command(m, now, self.words.payload == ~now.total)
            with m.Case(State.LOAD), m.If(self.quiet):
                m.d.sync += state.eq(State.ADDRESS)
            with m.Case(State.BEGIN):
                m.d.sync += state.eq(State.RUN)
            with m.Case(State.LAST), m.If(self.finished):
                m.d.sync += state.eq(State.IDLE)
            with m.Case(State.RUN), m.If(self.layer_over):
                m.d.sync += [
                    self.layers.eq(self.layers + 1),
                    state.eq(Mux(self.pause, State.PAUSE, State.ADDRESS)),
                ]
            with m.Case(State.PAUSE), m.If(self.go_on):
                m.d.sync += state.eq(State.ADDRESS)

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
        """Carry out a command, if what came before is ``whole``. LOAD and RUN take turns."""
        index = now.index
        with m.If(~whole):
            m.d.comb += self.fault.eq(Fault.PROGRAM_DAMAGED)
        with m.Elif(((index == Command.RUN) | (index == Command.LOAD)) & self.empty_layer):
            m.d.comb += self.fault.eq(Fault.EMPTY_LAYER)
        with m.Elif((index <= Command.END) & (now.loaded != (index == Command.RUN))):
            m.d.comb += self.fault.eq(Fault.COMMAND_ORDER)
        with m.Elif(index == Command.RUN):
            m.d.sync += [now.state.eq(State.BEGIN), now.loaded.eq(0)]
        with m.Elif(index == Command.LOAD):
            m.d.sync += [now.state.eq(State.LOAD), now.loaded.eq(1)]
        with m.Elif(index == Command.END):
            m.d.sync += now.state.eq(State.LAST)
        with m.Else():
            m.d.comb += self.fault.eq(Fault.UNKNOWN_ADDRESS)

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


class _Now:
    """How far the program is carried out, and what of the word that comes is known."""

    def __init__(self, spec: Spec) -> None:
        self.state = Signal(State)
        self.number = Signal(range(header_words(spec)))  # words of the header that were taken
        self.address = Signal(ADDRESS_WIDTH)  # where the word goes
        self.left = Signal(COUNT_WIDTH)  # words behind it
        self.loaded = Signal()  # an input was asked for, and its layer has not begun
        self.total = Signal(WIDTH)  # checksum since the last command
        self.whole = Signal()  # the word is the checksum of those before
        self.region, self.index = self.address[INDEX_WIDTH:], self.address[:INDEX_WIDTH]
        self.command = self.region == Region.COMMANDS
