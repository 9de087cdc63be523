from __future__ import annotations

import numpy as np
import pytest

from shiftbook.golden.isa.faults import Fault
from shiftbook.golden.isa.host_map import REGISTERS, Host
from shiftbook.golden.isa.program_format import fingerprint
from shiftbook.golden.spec import DEFAULT, Spec
from shiftbook.hw.system.host_port import COUNTERS
from shiftbook.sim import bench
from tests.hw.small import PACES, small
from tests.hw.system.benches.host_port import HostBench

OKAY, SLVERR = 0, 2
MASKS = {0x28: 15, 0x30: 0xFFFFFFFF, 0x34: 0xFFFFFFFF, 0x38: 1}
"""Registers that keep what is written, and which bits."""


class Model:
    """What a host sees; addresses and bits as they are documented."""

    def __init__(self, constants: dict[int, int]) -> None:
        self.constants = constants
        self.stored = dict.fromkeys(MASKS, 0)
        self.latched = dict(self.stored)
        self.events = self.done = self.fault = self.was_paused = 0

    def operate(self, do: dict[str, object]) -> dict[str, int]:
        """One operation and what is seen."""
        self.events |= 4 if do["paused"] and not self.was_paused else 0
        self.refused = 0
        self.was_paused = do["paused"]
        if do["finished"]:
            self.done, self.events = 1, self.events | 1
        if do["fault"]:
            self.fault, self.events = do["fault"], self.events | 2
        strobes = dict.fromkeys(("start", "abort", "go_on"), 0)
        value = None
        if not do["write"]:
            value = self.read(do)
        elif do["strb"] == 15:
            value = self.write(do, strobes)
        if do["write"] and do["address"] == 0x20 and value is None:
            self.events |= 8
        return {
            "data": 0 if do["write"] else value or 0,
            "resp": SLVERR if value is None else OKAY,
            **strobes,
            "program": self.latched[0x30],
            "watchdog": self.latched[0x34],
            "pause": self.latched[0x38],
            "irq": int(self.events & self.stored[0x28] != 0),
        }

    def read(self, do: dict[str, object]) -> int | None:
        address = do["address"]
        status = do["busy"] | self.done << 1 | do["paused"] << 2 | self.fault << 8 | do["layers"] << 16
        counters = {0x40 + 4 * number: value for number, value in enumerate(do["counters"])}
        return ({0x24: status, 0x2C: self.events} | self.constants | self.stored | counters).get(address)

    def write(self, do: dict[str, object], strobes: dict[str, int]) -> int | None:
        address, word = do["address"], do["data"]
        if address == 0x30 and word % 4096:
            return None
        if address in MASKS:
            self.stored[address] = word & MASKS[address]
        elif address == 0x2C:
            self.events &= ~word
        elif address == 0x20:
            command = word
            if (
                command not in (1, 2, 4)
                or (command == 1 and do["busy"])
                or (command == 4 and not do["paused"])
            ):
                return None
            strobes |= {name: command >> bit & 1 for bit, name in enumerate(strobes)}
            if command == 1:
                self.done = self.fault = 0
                self.latched = dict(self.stored)
        else:
            return None
        return 0


def constants(spec: Spec) -> dict[int, int]:
    """Identity and sizes."""
    lane = int(spec.lane == "multiply") | int(spec.feed == "dense") << 1 | len(spec.terms) << 2
    return {
        0x00: 0x5348424B,
        0x04: 3,
        0x08: fingerprint(spec),
        0x0C: spec.rows | spec.cols << 8 | spec.slots << 16 | spec.requantizers << 24,
        0x10: lane | spec.accumulator_width << 8 | spec.multiplier_width << 16 | 8 << 24,
        0x14: spec.tile_words | spec.codebook_rows << 16,
        0x18: spec.bus_bytes | spec.burst_beats << 8 | spec.outstanding << 16 | spec.bus_parity << 24,
    }


def operations(rng: np.random.Generator) -> list[dict[str, object]]:
    """Every address read and written, whole and in part; then mostly those that do something; then commands
    with a bit that no command has."""
    chosen = [(write, address) for address in range(256) for write in (0, 1)]
    likely = (0x20, 0x24, 0x28, 0x2C, 0x2C, 0x30, 0x34, 0x38, 0x5C)
    chosen += [(int(rng.integers(0, 2)), int(rng.choice(likely))) for _ in range(600)]
    paused = 0
    result = []
    for write, address in chosen:
        paused = int(rng.random() < 0.5) if rng.random() < 0.2 else paused
        few = int(rng.integers(0, 8))  # bits that mean something in most registers
        result.append(
            {
                "write": write,
                "address": address,
                "data": few
                if rng.random() < 0.7
                else int(rng.integers(0, 1 << 32)) & -int(rng.choice((1, 4096))),
                "strb": 15 if rng.random() < 0.9 else int(rng.integers(0, 15)),
                "busy": int(rng.integers(0, 2)),
                "paused": paused,
                "layers": int(rng.integers(0, 1 << 16)),
                "finished": int(rng.random() < 0.1),
                "fault": int(rng.integers(1, max(Fault) + 1)) if rng.random() < 0.1 else 0,
                "counters": rng.integers(0, 1 << 32, len(COUNTERS)).tolist(),
            }
        )
    calm = {**result[-1], "write": 1, "address": 0x20, "strb": 15, "paused": 0, "finished": 0, "fault": 0}
    words = [command | 1 << bit for command in (0, 1, 2, 4) for bit in range(3, 32)]
    return result + [{**calm, "data": word, "busy": 0, "paused": word >> 2 & 1} for word in words]


@pytest.mark.parametrize("pauses", PACES)
def test_registers(pauses: bench.Pauses) -> None:
    spec = small("int8")
    stimulus = operations(np.random.default_rng(0))
    model = Model(constants(spec))
    expected = [model.operate(do) for do in stimulus]
    assert {item["resp"] for item in expected} == {OKAY, SLVERR}
    observed = bench.observe(
        HostBench(spec), inputs={"operations": stimulus}, outputs={"seen": len(expected)}, pauses=pauses
    )["seen"]
    for do, got, want in zip(stimulus, observed, expected, strict=True):
        assert got == want, do


def test_the_map_says_what_the_model_does() -> None:
    """Which registers can be read and written, and how wide their fields are."""
    model = Model(constants(DEFAULT))
    blank = dict.fromkeys(("busy", "paused", "layers", "finished", "fault", "data"), 0)
    for register, entry in REGISTERS.items():
        do = {**blank, "address": int(register), "counters": [0] * len(COUNTERS)}
        do["data"] = 2 if register == Host.CONTROL else 0
        assert ("read" in entry.access) == (model.read(do) is not None)
        assert ("write" in entry.access) == (
            model.write(do, dict.fromkeys(("start", "abort", "go_on"), 0)) is not None
        )
        assert sum(field.width for field in entry.fields) <= 32
    assert set(Host) == set(REGISTERS)
