"""A START is taken only when nothing runs, what it was given stays, and it ends in an event.

The subject is the accelerator itself, without the parts that load, compute and store: what those say to
the others is anything, in every cycle. The bus grants no more than it was asked for, which is proven too.

From this it follows on paper how long a program can take. It has the words of its header and those that
the header announces; a step is a word or the end of a command, and a command is a word. So there are at most
two steps a word, none of which takes more than ``WATCHDOG << STEP_SHIFT`` cycles and one, pauses not counted.
"""

from __future__ import annotations

from types import ModuleType

import pytest
from amaranth import Const, Module, Mux, Signal, Value
from amaranth.hdl import Assert, Assume, Cover
from amaranth.hdl._ast import AnySeq
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

import shiftbook.hw.system.accelerator
import shiftbook.hw.system.host_port
import shiftbook.hw.system.sequencer
import shiftbook.hw.system.supervisor
from shiftbook.golden.isa.host_map import EVENTS, STEP_SHIFT, Host
from shiftbook.golden.isa.program_format import WORD_WIDTH, header_words
from shiftbook.hw.system.accelerator import Accelerator
from shiftbook.hw.system.host_port import ABORT, CONTINUE, SLVERR, START
from shiftbook.hw.system.read_master import ReadMaster
from shiftbook.hw.system.sequencer import State
from tests.formal.checks import drive_freely, past
from tests.formal.mutants import mutant
from tests.formal.prove import Inside, prove, refute
from tests.formal.test_axi_master import SPEC

KEPT = ("host", "supervisor", "sequencer", "program")
"""The parts that are proven together."""

DONE, ERROR, PAUSED, REFUSED = range(len(EVENTS))


def rest_is_anything(m: Module, inside: Inside) -> None:
    """Leave out all parts but `KEPT`; what they would drive has any value in every cycle."""
    parts = inside.fragment.subfragments
    for fragment, name, _ in parts:
        if name in KEPT:
            continue
        component = next(o for o in fragment.origins or () if isinstance(o, wiring.Component))
        for _, member, value in component.signature.flatten(component):
            if member.flow == Out and not isinstance(value, Const):
                m.d.comb += Value.cast(value).eq(AnySeq(Value.cast(value).shape()))
    parts[:] = [part for part in parts if part[1] in KEPT]


class Subject:
    """The accelerator with all that is stated of it.

    Parameters
    ----------
    m
        The checker.
    """

    def __init__(self, m: Module) -> None:
        self.accelerator = accelerator = Accelerator(SPEC)
        inside = Inside(accelerator)
        rest_is_anything(m, inside)
        m.submodules.accelerator = inside.fragment
        drive_freely(m, accelerator)
        self.host, self.sequencer = accelerator.host, accelerator.sequencer
        self.supervisor = accelerator.supervisor
        self.events = inside.part("host").signal("events")
        self.done = inside.part("host").signal("done")
        self.failed = inside.part("host").signal("fault").any()
        self.age = inside.part("supervisor").signal("age")
        self.missing = inside.part("sequencer").signal("missing")
        self.length = inside.part("sequencer").signal("length")
        self.number = inside.part("sequencer").signal("number")
        self.state = inside.part("sequencer").signal("state")
        self.invariants: list[Value] = []
        """What only the induction needs."""
        request = self.sequencer.request
        m.d.comb += Assume(request.granted <= request.beats)


def starts(m: Module, subject: Subject) -> None:
    """What becomes of a write of START, and of a word that is no command."""
    host = subject.host
    occupied = host.busy | host.start
    taken = host.write_address.valid & host.write_address.ready
    control = taken & (host.write_address.payload == Host.CONTROL)
    word = host.write_data.payload.data
    starting = control & (word == START)
    unknown = control & (word != START) & (word != ABORT) & (word != CONTINUE)
    whole = host.write_data.payload.strb == 0b1111
    refused = past(m, unknown | (starting & (occupied | ~whole)))
    accepted = past(m, starting & ~occupied & whole)
    m.d.comb += [
        Assert(~host.start | ~host.busy, "a start while something runs"),
        Assert(~unknown | ~(host.abort | host.go_on), "a word that is no command does something"),
        Assert(host.start == accepted, "a start that was not written, or a written one that is lost"),
        Assert(~refused | (host.write_response.payload == SLVERR), "a refusal that looks like success"),
        Assert(~refused | subject.events[REFUSED], "a refusal without an event"),
        Assert(~accepted | (host.write_response.payload == 0), "an accepted start that looks refused"),
    ]


def latched(m: Module, subject: Subject) -> None:
    """What a program was started with stays while it runs."""
    host = subject.host
    ran = past(m, subject.sequencer.busy | host.start)
    for name in ("program", "watchdog", "pause"):
        value = getattr(host, name)
        steady = value == past(m, value)
        m.d.comb += Assert(~ran | ~subject.sequencer.busy | steady, f"{name} changed while a program runs")


def ends(m: Module, subject: Subject) -> None:
    """Whatever ends a program is an event, and no step takes longer than the watchdog allows."""
    sequencer, supervisor, host = subject.sequencer, subject.supervisor, subject.host
    since = Signal.like(subject.age)
    rests = ~sequencer.busy | sequencer.paused
    m.d.sync += since.eq(Mux(sequencer.step | rests, 0, since + 1))
    limit = Signal(len(since) + 1)
    m.d.comb += limit.eq(host.watchdog << STEP_SHIFT)
    over = past(m, sequencer.busy) & ~sequencer.busy
    finished, failed = past(m, sequencer.finished), past(m, supervisor.fault.any())
    paused = past(m, sequencer.paused & ~past(m, sequencer.paused))
    m.d.comb += [
        Assert(~over | finished | failed, "a program ended by itself"),
        Assert(~finished | subject.events[DONE], "done without an event"),
        Assert(~failed | subject.events[ERROR], "a fault without an event"),
        Assert(~paused | subject.events[PAUSED], "a pause without an event"),
        Assert(~failed | ~sequencer.busy, "a fault does not end the program"),
        Assert((host.watchdog == 0) | ~sequencer.busy | (since <= limit + 1), "a step that does not end"),
    ]
    subject.invariants += [
        since == subject.age,
        ~supervisor.clear | supervisor.fault.any() | ~sequencer.busy,
        ~supervisor.fault.any() | supervisor.clear,
        (host.watchdog == 0) | (since <= limit) | ~sequencer.busy | supervisor.fault.any(),
        sequencer.busy | (since == 0) | past(m, sequencer.busy),
    ]


def once(m: Module, subject: Subject) -> None:
    """A run has one end: it is done, or it is given up, and STATUS says which of the two."""
    host, sequencer, supervisor = subject.host, subject.sequencer, subject.supervisor
    done, failed = sequencer.finished, supervisor.fault.any()
    ended = Signal()  # once at least, since the last start
    m.d.sync += ended.eq((ended & ~host.start) | done | failed)
    m.d.comb += [
        Assert(~done | ~failed, "done and given up at once"),
        Assert(~ended | ~(done | failed), "a run with two ends"),
        Assert(~subject.done | ~subject.failed, "STATUS says done and a fault"),
        Assert((ended & ~host.start) == (subject.done | subject.failed), "STATUS does not say how it ended"),
    ]
    subject.invariants += [
        ~ended | ~sequencer.busy,
        ~failed | (sequencer.busy & supervisor.clear),
        ~supervisor.clear | failed | ~sequencer.busy,
        ~host.start | ~(sequencer.busy | supervisor.clear),
    ]


def asks(m: Module, subject: Subject) -> None:
    """The program's words are asked for once: the header's, and as many as it announces."""
    sequencer = subject.sequencer
    request = sequencer.request
    header = header_words(SPEC) * WORD_WIDTH // (8 * SPEC.bus_bytes)
    asked = Signal(len(request.beats) + 1)
    told = Signal()  # the whole header was taken
    moved = sequencer.words.valid & sequencer.words.ready
    last = subject.number == header_words(SPEC) - 1
    m.d.sync += asked.eq(asked + Mux(request.grant, request.granted, 0))
    with m.If(moved & (subject.state == State.HEADER) & last & ~sequencer.fault.any()):
        m.d.sync += told.eq(1)
    with m.If(sequencer.start):
        m.d.sync += [asked.eq(0), told.eq(0)]
    everything = header + Mux(told, subject.length, 0)
    m.d.comb += [
        # its last word comes when all of it was asked for: the buffer gives no others
        Assume(~moved | told | ~last | (subject.missing == 0)),
        Assert(~sequencer.busy | (asked <= everything), "more is asked for than the header announces"),
    ]
    subject.invariants += [
        ~sequencer.busy | (asked + subject.missing == everything) | sequencer.stop,
        ~sequencer.busy | (told == (subject.state != State.HEADER)),
    ]


PARTS = {"starts": starts, "latched": latched, "ends": ends, "once": once, "asks": asks}


def checker(part: str, *, induction: bool = False) -> Module:
    """A module that states one part of it."""
    m = Module()
    subject = Subject(m)
    PARTS[part](m, subject)
    if induction:
        m.d.comb += [Assert(invariant) for invariant in subject.invariants]
    return m


@pytest.mark.formal
@pytest.mark.parametrize("part", PARTS)
def test_a_start(part: str) -> None:
    prove(checker(part, induction=True), depth=3)


@pytest.mark.formal
def test_a_program_can_be_started_twice() -> None:
    m = Module()
    subject = Subject(m)
    count = Signal(2)
    m.d.sync += count.eq(count + (subject.host.start & (count != 2)))
    m.d.comb += Cover(count == 2, "two starts")
    prove(m, "cover", 16)


@pytest.mark.formal
def test_the_bus_grants_no_more_than_was_asked_for() -> None:
    m = Module()
    m.submodules.master = master = ReadMaster(SPEC)
    drive_freely(m, master)
    for request in master.requests:
        asked = ~request.grant | ((request.granted != 0) & (request.granted <= request.beats))
        m.d.comb += Assert(asked, "too much, or nothing, is granted")
    prove(m)


MUTANTS = {
    "a start while busy": (
        shiftbook.hw.system.host_port,
        "command == START, ~self.occupied,",
        "command == START, 1,",
        "starts",
        "a start while something runs|a refusal",
    ),
    "unknown bits of CONTROL": (
        shiftbook.hw.system.host_port,
        "command = write.data\n",
        "command = write.data[:3]\n",
        "starts",
        "a start that was not written|a word that is no command|a refusal",
    ),
    "registers are not kept": (
        shiftbook.hw.system.host_port,
        "with m.If(starts):\n            m.d.sync += [getattr",
        "with m.If(1):\n            m.d.sync += [getattr",
        "latched",
        "changed while a program runs",
    ),
    "a fault tells nobody": (
        shiftbook.hw.system.host_port,
        "happened = Cat(self.finished, self.fault.any(),",
        "happened = Cat(self.finished, 0,",
        "ends",
        "a fault without an event",
    ),
    "the end does not look at faults": (
        shiftbook.hw.system.sequencer,
        "(state == State.LAST) & self.quiet & ~now.running & ~self.failing",
        "(state == State.LAST) & self.quiet & ~now.running",
        "once",
        "done and given up at once",
    ),
    "an abort with the end": (
        shiftbook.hw.system.supervisor,
        "self.failing.eq(begins | self.fault.any())",
        "self.failing.eq(self.fault.any())",
        "once",
        "a run with two ends",
    ),
    "the header is forgotten": (
        shiftbook.hw.system.sequencer,
        "missing.eq(missing - request.granted)",
        "missing.eq(missing)",
        "asks",
        "more is asked for",
    ),
}


@pytest.mark.formal
@pytest.mark.parametrize(("module", "right", "wrong", "part", "message"), MUTANTS.values(), ids=MUTANTS)
def test_wrong_starts(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, right: str, wrong: str, part: str, message: str
) -> None:
    wrong_module = mutant(module, right, wrong)
    name = {"host_port": "HostPort", "sequencer": "Sequencer", "supervisor": "Supervisor"}[
        module.__name__.rpartition(".")[2]
    ]
    monkeypatch.setattr(shiftbook.hw.system.accelerator, name, getattr(wrong_module, name))
    refute(checker(part), message, 18)


@pytest.mark.formal
def test_a_watchdog_that_sees_no_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a shift of 1 a step may take twice the patience; the bound is reached soon then."""
    right = "((idle == self.patience) | (age[STEP_SHIFT:] == self.patience))"
    wrong_module = mutant(shiftbook.hw.system.supervisor, right, "(idle == self.patience)")
    monkeypatch.setattr(shiftbook.hw.system.accelerator, "Supervisor", wrong_module.Supervisor)
    monkeypatch.setattr("tests.formal.test_start.STEP_SHIFT", 1)
    refute(checker("ends"), "a step that does not end", 14)
