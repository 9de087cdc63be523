from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from shiftbook.golden.isa.faults import Fault
from shiftbook.golden.isa.layer_registers import LOADED_BY, LayerRegister
from shiftbook.golden.isa.program_format import MAGIC, Command, fingerprint, header_words
from shiftbook.golden.isa.registers import ADDRESS_WIDTH, ADDRESSING, INDEX_WIDTH, Region, Register
from shiftbook.golden.program.commands import Commands
from shiftbook.golden.spec import Spec
from shiftbook.sim import bench
from tests.golden.crc import crc32c
from tests.hw.small import PACES, SHIFT
from tests.hw.system.benches.sequencer import SequencerBench

KINDS = SequencerBench.KINDS
ORDER = (Command.LOAD, Command.FETCH, Command.SETTLE, Command.RUN)
IN_TURN = (
    (Region.LAYER, np.array(sorted(LOADED_BY))),
    (Region.STREAMS, np.arange(200)),
    (Region.ROWS, np.arange(200)),
    (Region.REGISTERS, np.array(sorted(set(Register) - ADDRESSING))),
)
"""Before each command, what may be written."""

WHERE = 5000
STROBES = {Command.LOAD: "load", Command.FETCH: "fetch"}
"""What is seen of commands that run nothing."""


@dataclass
class Play:
    """A start, the words that are taken for it, and what happens."""

    start: dict[str, int]
    words: list[int]
    events: list[tuple[str, int, int, int]]  # kind, address, data, layers
    asked: list[tuple[int, int]]


def header(spec: Spec, beats: int) -> np.ndarray:
    words = np.zeros(header_words(spec), np.uint32)
    words[:4] = MAGIC, fingerprint(spec), beats, WHERE
    words[-1] = total(words[:-1].tolist())
    return words


def build(sizes: list[int], spec: Spec, rng: np.random.Generator) -> list[int]:
    """Header and program: as many words for each layer, a quarter of them before each of its commands."""
    beats = -1
    program = np.zeros(0, np.uint32)
    state = rng.bit_generator.state
    while -(-4 * len(program) // spec.bus_bytes) != beats:
        rng.bit_generator.state = state
        beats = -(-4 * len(program) // spec.bus_bytes)
        commands = Commands()
        for size in sizes:
            for number, (command, (region, free)) in enumerate(zip(ORDER, IN_TURN, strict=True)):
                index = rng.choice(free, min(len(free), (size + 3 - number) // 4), replace=False)
                commands.write(region, index, rng.integers(0, 1 << 32, len(index)))
                commands.command(command)
        commands.command(Command.END)
        program = commands.words()
    return [*header(spec, beats).tolist(), *program.tolist()]


def good(sizes: list[int], pause: int, base: int, spec: Spec, rng: np.random.Generator) -> Play:
    """A program that is carried out, and all that it says."""
    words = build(sizes, spec, rng)
    first = header_words(spec)
    events, layers, at = [], 0, first
    while at < len(words):
        address, count = words[at] % (1 << ADDRESS_WIDTH), (words[at] >> ADDRESS_WIDTH) + 1
        for number, word in enumerate(words[at + 1 : at + 1 + count]):
            command = address + number - (Region.COMMANDS << 13)
            if command < 0:
                events.append(("configure", address + number, word, -1))
            elif command == Command.LOAD:
                events.append(("load", 0, 0, -1))
            elif command == Command.FETCH:
                events.append(("fetch", 0, 0, -1))
            elif command == Command.RUN:
                events.append(("begin", 0, 0, layers))
                layers += 1
                events += [("paused", 0, 0, layers)] * pause
            elif command == Command.END:
                events.append(("finished", 0, 0, layers))
        at += 1 + count
    beats = words[2]
    head = first * 4 // spec.bus_bytes
    bursts = [
        (base + WHERE + done, min(spec.burst_beats, beats - done))
        for done in range(0, beats, spec.burst_beats)
    ]
    return Play(
        {"base": base, "pause": pause, "empty_input": 0, "empty_layer": 0},
        words,
        events,
        [(base, head), *bursts],
    )


def faulty(play: Play, fault: Fault, words: list[int], spec: Spec) -> Play:
    """The same, given up at the last of these words; whatever is configured before stays."""
    first = header_words(spec)
    configured = [event for event in play.events if event[0] == "configure"]
    written = [event for event in configured if event[2] in words[first:]] if len(words) > first else []
    asked = play.asked if len(words) > first else play.asked[:1]
    return Play(play.start, words, [*written, ("fault", 0, int(fault), 0)], asked)


def plays(spec: Spec) -> list[Play]:
    rng = np.random.default_rng(0)
    first = header_words(spec)
    short = good([6], 0, 77, spec, rng)
    assert len(short.asked) == 3
    small = good([2], 0, 99, spec, rng)
    assert len(small.asked) == 2
    found = [good([40, 300, 0, 7], 0, 1000, spec, rng), good([10, 20], 1, 0, spec, rng)]
    found.append(faulty(small, Fault.NOT_A_PROGRAM, [MAGIC ^ 1 << 9], spec))
    found.append(faulty(small, Fault.OTHER_SPEC, [MAGIC, small.words[1] ^ 1], spec))
    end = next(i for i in range(first, len(small.words)) if small.words[i] % (1 << ADDRESS_WIDTH) >> 13 == 10)
    for bit, place in ((0, 2), (23, 2), (5, 3), (12, first - 1), (0, first - 2)):
        damaged = list(small.words[:first])
        damaged[place] ^= 1 << bit
        found.append(faulty(small, Fault.PROGRAM_DAMAGED, damaged, spec))
    for bit, place in ((0, first + 1), (31, first + 1), (7, end + 1)):
        damaged = list(small.words[: end + 2])
        damaged[place] ^= 1 << bit
        found.append(faulty(small, Fault.PROGRAM_DAMAGED, damaged, spec))
        found[-1].events[:-1] = [("configure", small.events[0][1], damaged[first + 1], -1)]
    for address in (Region.COMMANDS << INDEX_WIDTH | 5, 12 << INDEX_WIDTH, 15 << INDEX_WIDTH | 5):
        unknown = [*small.words[:first], address, 0]
        if address >> INDEX_WIDTH == Region.COMMANDS:
            unknown[-1] = total([address])
        found.append(faulty(small, Fault.UNKNOWN_ADDRESS, unknown, spec))
        found[-1].events[:-1] = []
    found += out_of_turn(small, spec)
    found += [endless(small, spec), *empty(small, spec), *disordered(small, spec)]
    return [*found, short, good([12], 1, 5, spec, rng)]


def out_of_turn(play: Play, spec: Spec) -> list[Play]:
    """Before each command, a write of what belongs to another, and of what no register has."""
    found = []
    for number in range(len(ORDER)):
        others = [(region, int(free[0])) for region, free in IN_TURN if region != IN_TURN[number][0]]
        others += [(Region.LAYER, LayerRegister.TILES)] * (ORDER[number] != Command.FETCH)
        others += [(Region.REGISTERS, Register.RING)] * (ORDER[number] != Command.LOAD)
        others += [(Region.REGISTERS, max(Register) + 1), (Region.LAYER, max(LayerRegister) + 1)]
        for region, index in others:
            words = list(play.words[: header_words(spec)])
            for command in ORDER[:number]:
                address = Region.COMMANDS << INDEX_WIDTH | command
                words += [address, total([address])]
            words += [region << INDEX_WIDTH | index, 7]
            strobes = [(STROBES[each], 0, 0, -1) for each in ORDER[:number] if each in STROBES]
            events = [*strobes, ("fault", 0, int(Fault.UNKNOWN_ADDRESS), 0)]
            found.append(Play(play.start, words, events, play.asked))
    return found


def endless(play: Play, spec: Spec) -> Play:
    """One beat of words that configure something, and nothing behind them."""
    words = header(spec, 1).tolist()
    count = spec.bus_bytes // 4 - 1
    words += [(count - 1) << ADDRESS_WIDTH | Region.LAYER << INDEX_WIDTH, *range(count)]
    events = [("configure", (Region.LAYER << INDEX_WIDTH) + number, number, -1) for number in range(count)]
    events.append(("fault", 0, int(Fault.PROGRAM_LENGTH), 0))
    return Play(play.start, words, events, [play.asked[0], (play.asked[1][0], 1)])


def empty(play: Play, spec: Spec) -> list[Play]:
    """It would load a layer that has no channels, or run one that has no outputs."""
    found = []
    for command, which in ((Command.LOAD, "empty_input"), (Command.RUN, "empty_layer")):
        last = play.words.index(Region.COMMANDS << INDEX_WIDTH | command)
        given = faulty(play, Fault.EMPTY_LAYER, play.words[: last + 2], spec)
        strobes = [(kind, 0, 0, -1) for kind in ("load", "fetch") if command == Command.RUN]
        given.events[:-1] = in_order(play, given.events[:-1], strobes)
        found.append(replace(given, start={**play.start, which: 1}))
    return found


def in_order(play: Play, *parts: list[tuple[str, int, int, int]]) -> list[tuple[str, int, int, int]]:
    """These events in the order in which a right program has them."""
    return [event for event in play.events if any(event in part for part in parts)]


def disordered(play: Play, spec: Spec) -> list[Play]:
    """Commands out of order: one without those before it, each twice, and the end before the last."""
    found = []
    wrong = [[ORDER[1]], [ORDER[3]]]
    wrong += [[*ORDER[:number], ORDER[number - 1]] for number in range(1, 4)]
    wrong += [[*ORDER[:number], Command.END] for number in range(1, 4)]
    for commands in wrong:
        words = list(play.words[: header_words(spec)])
        for command in commands:
            address = Region.COMMANDS << INDEX_WIDTH | command
            words += [address, total([address])]
        events = [(STROBES[command], 0, 0, -1) for command in commands[:-1] if command in STROBES]
        found.append(
            Play(play.start, words, [*events, ("fault", 0, int(Fault.COMMAND_ORDER), 0)], play.asked)
        )
    return found


def total(words: list[int]) -> int:
    """The checksum, bit by bit."""
    return crc32c(np.array(words, "<u4").tobytes())


@pytest.mark.parametrize("pauses", PACES)
def test_programs(pauses: bench.Pauses) -> None:
    spec = SHIFT
    every = plays(spec)
    events = [event for play in every for event in play.events]
    asked = [burst for play in every for burst in play.asked]
    observed = bench.observe(
        SequencerBench(spec),
        inputs={"starts": [play.start for play in every], "words": [w for play in every for w in play.words]},
        outputs={"events": len(events), "asked": len(asked)},
        pauses=pauses,
    )
    assert [(item["address"], item["beats"]) for item in observed["asked"]] == asked
    found = [
        (KINDS[item["kind"]], item["address"], item["data"], item["layers"] if told[3] >= 0 else -1)
        for item, told in zip(observed["events"], events, strict=True)
    ]
    assert found == events
    assert not any(item["wrong"] for item in observed["events"])
