"""A fault campaign: one damaged or disturbed run of the simulated accelerator after another.

    python -m tests.faults.campaign --json faults.json

Each scenario must end in a fault that fits it or in the right answer, and the next start in the right answer.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from shiftbook.golden.isa.faults import Fault
from shiftbook.golden.isa.host_map import START
from shiftbook.golden.isa.host_map import Host as Register
from shiftbook.golden.isa.program_format import header_words
from shiftbook.golden.model import executor
from shiftbook.golden.model.function_table import FunctionTable
from shiftbook.golden.model.network import Network
from shiftbook.golden.program import image
from shiftbook.golden.program.host import REFUSED, AcceleratorError, HostDriver, RegisterError
from shiftbook.golden.spec import Spec
from shiftbook.hw.system.interfaces import Response
from shiftbook.sim.session import Session
from tests.faults.damage import DAMAGES, Damage
from tests.golden.model.test_executor import small_network
from tests.sim.networks import IMAGES, SMALL, drawn

SPECS = {
    "4x4": replace(SMALL, bus_parity=True),
    "on_chip": replace(SMALL, bus_parity=True, tensor_kib=4),
    "8x8": replace(
        SMALL,
        rows=8,
        cols=8,
        requantizers=8,
        bus_bytes=32,
        burst_beats=16,
        buffer_beats=32,
        group_channels=8,
        bus_parity=True,
    ),
}

WATCHDOG = 2_000
"""Cycles; ten times what the bus needs with all its pauses."""

PATIENCE = 100
"""Waits of thousands of cycles after which a run hangs."""

ELSEWHERE = 1 << 16
"""Where no image is."""

PAUSES = (0.0, 0.3)
"""Of the bus, in turn."""

Outcome = tuple[str, str]
"""Kind of a scenario, and the name of the fault that it ended in; "done" where it was none."""


def network(spec: Spec) -> Network:
    """Two layers, the first with a function, the second with a residual: all readers have work."""
    rng = np.random.default_rng(5)
    stem = drawn("stem", "image", (12, 3, 3, 3), 13, spec, rng, padding=(1, 1, 1, 1))
    table = FunctionTable(np.random.default_rng(6).bytes(256), 90)
    nodes = (
        replace(stem, requantize=replace(stem.requantize, function=table)),
        drawn("last", "stem", (12, 3, 3, 12), 14, spec, rng, padding=(1, 1, 1, 1), residual="stem"),
    )
    return replace(small_network(1), nodes=nodes, slots=spec.slots)


Spoil = Callable[[np.ndarray], None]
"""Changes the contents of memory."""


@dataclass(frozen=True)
class Scenario:
    """What happens to one run.

    Attributes
    ----------
    kind
        Name, as it is counted.
    faults
        Those that it may end in.
    spoil
        Changes the memory's contents before the start.
    disturb
        Arguments of `Session.disturb`.
    meddle
        What the host does some cycles after the start, and when.
    """

    kind: str
    faults: tuple[Fault, ...]
    spoil: Spoil | None = None
    disturb: dict[str, int] | None = None
    meddle: tuple[Callable[[HostDriver], None], int] | None = None


class Player:
    """A simulated accelerator with an image, and how a run of it ends."""

    def __init__(self, spec: Spec, session: Session, built: image.Image, want: np.ndarray) -> None:
        self.spec = spec
        self.session = session
        self.built = built
        self.want = want
        self.waits = 0
        self.driver = HostDriver(session.read, session.write, self._wait)
        self.contents = built.contents()
        first, end = len(built.constants), built.program_offset
        self.contents[first:end] = np.random.default_rng(0).integers(0, 256, end - first, np.uint8)
        place = built.places[built.input]
        at = built.offset(built.input)
        self.contents[at : at + place.layout.size] = place.layout.pack(IMAGES[0])

    @cached_property
    def course(self) -> tuple[int, int, int]:
        """Cycles, read beats and acknowledgements of an undisturbed run."""
        assert self.run(Scenario("", ())) == "done"
        beats, acks = self.session.moved()
        return self.session.read(Register.CYCLES), beats, acks

    def play(self, scenario: Scenario) -> Outcome:
        """One scenario, and the undisturbed run after it."""
        ended = self.run(scenario)
        allowed = {fault.name for fault in scenario.faults} | ({"done"} if self._missed(scenario) else set())
        assert ended in allowed, f"{scenario} ended in {ended}"
        assert self.run(Scenario("", ())) == "done", f"no restart after {scenario}"
        return scenario.kind, ended

    def run(self, scenario: Scenario) -> str:
        """Start with whole memory and stay for the end; the fault, or "done" with the right answer."""
        contents = self.contents
        if scenario.spoil is not None:
            contents = contents.copy()
            scenario.spoil(contents)
        self.session.fill(0, contents)
        self.session.disturb(**(scenario.disturb or {}))
        self.waits = 0
        try:
            self.driver.start(0, watchdog=WATCHDOG)
            if scenario.meddle is not None:
                do, cycles = scenario.meddle
                self.session.wait(cycles)
                do(self.driver)
            self.driver.wait()
        except AcceleratorError as error:
            self.settle()
            return error.fault.name
        assert np.array_equal(self._output(), self.want), f"done with a wrong answer: {scenario}"
        return "done"

    def _missed(self, scenario: Scenario) -> bool:
        """Whether the run just over may not have met what was prepared for it."""
        if scenario.spoil is not None:
            contents = self.contents.copy()
            scenario.spoil(contents)
            return np.array_equal(contents, self.contents)
        if scenario.disturb is not None and "hold" not in scenario.disturb:
            beats, acks = self.session.moved()
            return scenario.disturb["strike"] >= (acks if "write_error" in scenario.disturb else beats)
        return True

    def settle(self) -> None:
        """Until nothing is owed to a program that was given up."""
        for _ in range(PATIENCE):
            if not self.driver.status()["busy"]:
                return
        raise AssertionError("busy for good")

    def _output(self) -> np.ndarray:
        view = self.built.plan.views["last"]
        layout = self.built.places[view.tensor].layout
        found = layout.unpack(self.session.fetch(self.built.offset(view.tensor), layout.size))
        return found[..., view.first : view.first + view.channels]

    def _wait(self) -> None:
        self.waits += 1
        assert self.waits < PATIENCE, "hung"
        self.session.wait()


@contextmanager
def playing(spec: Spec, pauses: float, seed: int) -> Iterator[Player]:
    """A player while its simulator runs."""
    net = network(spec)
    built = image.build(net, spec)
    want = executor.run(net, IMAGES[:1], keep=True).tensors["last"][0]
    with Session(spec, built.size, latency=9, pauses=pauses, seed=seed) as session:
        yield Player(spec, session, built, want)


def pieces(built: image.Image) -> dict[str, tuple[int, int, tuple[Fault, ...]]]:
    """What CRC-32C covers: where it lies in the image, and the faults that damage to it ends in."""
    header = 4 * header_words(built.spec)
    words = int(np.flatnonzero(built.program.view("<u4"))[-1]) + 1  # the last one is a checksum
    program = (Fault.PROGRAM_DAMAGED, Fault.UNKNOWN_ADDRESS, Fault.PROGRAM_LENGTH)
    return {
        "header": (0, header, (Fault.NOT_A_PROGRAM, Fault.OTHER_SPEC, Fault.PROGRAM_DAMAGED)),
        "streams": (
            header,
            len(built.constants),
            (Fault.STREAM_DAMAGED, Fault.BAD_CODE, Fault.STREAM_LENGTH),
        ),
        "program": (built.program_offset, built.program_offset + 4 * words, program),
    }


def spoiled(player: Player, rng: np.random.Generator) -> list[Scenario]:
    """Every damage to every piece, once."""
    found = []
    for piece, (first, end, faults) in pieces(player.built).items():
        for name, damage in DAMAGES.items():
            spoil = _once(damage, slice(first, end), rng)
            found.append(Scenario(f"{name} in {piece}", faults, spoil))
    return found


def _once(damage: Damage, part: slice, rng: np.random.Generator) -> Spoil:
    """The same damage whenever it is done."""
    seed = int(rng.integers(1 << 32))
    return lambda contents: damage(contents[part], np.random.default_rng(seed))


def disturbed(player: Player, rng: np.random.Generator) -> list[Scenario]:
    """Wrong bits, responses and channels that stand still, at some beat."""
    _, beats, acks = player.course
    found = []
    for _ in range(4):
        bit = int(rng.integers(9 * player.spec.bus_bytes))
        place = {"strike": int(rng.integers(beats)), "flip": bit}
        found.append(Scenario("flip on the bus", (Fault.BUS_PARITY,), disturb=place))
    for response in Response:
        place = {"strike": int(rng.integers(beats)), "read_error": int(response)}
        found.append(Scenario("read error", (Fault[f"READ_{response.name}"],), disturb=place))
        place = {"strike": int(rng.integers(acks)), "write_error": int(response)}
        found.append(Scenario("write error", (Fault[f"WRITE_{response.name}"],), disturb=place))
    place = {"strike": int(rng.integers(beats)), "hold": int(rng.integers(1, 32))}
    found.append(Scenario("stall", (Fault.STALLED,), disturb=place))
    return found


def meddled(player: Player, rng: np.random.Generator) -> list[Scenario]:
    """The host's own interruptions."""
    cycles, _, _ = player.course
    return [
        Scenario("abort", (Fault.ABORTED,), meddle=(HostDriver.abort, int(rng.integers(1, cycles)))),
        Scenario("start while busy", (), meddle=(start_again, int(rng.integers(1, cycles)))),
    ]


def start_again(driver: HostDriver) -> None:
    """Prepare another image and start it, which is refused while one is carried out."""
    driver._write(Register.PROGRAM, ELSEWHERE)
    if driver.status()["busy"]:
        with pytest.raises(RegisterError):
            driver._write(Register.CONTROL, START)
        assert driver._read(Register.INTERRUPT) & REFUSED
        driver._write(Register.INTERRUPT, REFUSED)


def campaign(name: str, count: int, seed: int, progress: Callable[[int], None]) -> Counter[Outcome]:
    """At least ``count`` scenarios on one spec; how many of each kind ended how."""
    rng = np.random.default_rng(seed)
    outcomes: Counter[Outcome] = Counter()
    for number, pauses in enumerate(PAUSES):
        with playing(SPECS[name], pauses, seed + 1) as player:
            while outcomes.total() * len(PAUSES) < count * (number + 1):
                for make in (spoiled, disturbed, meddled):
                    outcomes.update(player.play(scenario) for scenario in make(player, rng))
                progress(outcomes.total())
    return outcomes


def as_json(outcomes: Counter[Outcome]) -> dict[str, dict[str, int]]:
    """By kind, then by end."""
    found: dict[str, dict[str, int]] = {}
    for (kind, ended), count in sorted(outcomes.items()):
        found.setdefault(kind, {})[ended] = count
    return found


def main() -> None:
    """Play, print and write the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="scenarios of each spec")
    parser.add_argument("--spec", choices=SPECS, action="append", help="one or more; default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = {}
    for name in options.spec or SPECS:
        outcomes = campaign(name, options.count, options.seed, lambda done: print(done, end="\r"))
        report[name] = as_json(outcomes)
        print(f"{name}: {outcomes.total()} scenarios")
        for kind, ends in report[name].items():
            print(f"  {kind:28}", ", ".join(f"{end} {count}" for end, count in ends.items()))
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
