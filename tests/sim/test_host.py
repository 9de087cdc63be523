"""The host's driver against a port of registers: what it checks, and what it does when nothing comes."""

from __future__ import annotations

import pytest

from shiftbook.hw.system.host_map import Host, packed
from shiftbook.sim.host import (
    ERROR,
    REFUSED,
    AcceleratorBusyError,
    AcceleratorError,
    AcceleratorTimeoutError,
    HostDriver,
)


class Port:
    """Registers that read what they are told, and a list of what was written."""

    def __init__(self, **registers: int) -> None:
        self.registers = {Host[name.upper()]: value for name, value in registers.items()}
        self.written: list[tuple[int, int]] = []
        self.waits = 0

    def driver(self, timeout: float | None = 0.0) -> HostDriver:
        def write(register: int, word: int) -> None:
            self.written.append((register, word))

        def wait() -> None:
            self.waits += 1

        return HostDriver(
            lambda register: self.registers.get(Host(register), 0), write, wait, timeout=timeout
        )


def test_nothing_is_written_while_a_program_runs() -> None:
    port = Port(status=packed(Host.STATUS, {"busy": 1, "layers": 3}))
    with pytest.raises(AcceleratorBusyError, match=r"busy \(after 3 layers\)"):
        port.driver().run(0x2000)
    assert not port.written


def test_an_image_is_aligned() -> None:
    port = Port()
    with pytest.raises(ValueError, match="a multiple of 4096 bytes, not at 0x2020"):
        port.driver().start(0x2020)
    assert not port.written


def test_waiting_has_an_end() -> None:
    port = Port(status=packed(Host.STATUS, {"busy": 1, "layers": 2}))
    with pytest.raises(AcceleratorTimeoutError, match=r"no event within 0\.05 seconds, after 2 layers"):
        port.driver(0.05).wait()
    assert port.waits > 1


def test_a_refusal_is_told_and_hides_no_other_event() -> None:
    port = Port(interrupt=REFUSED | 1)
    with pytest.raises(AcceleratorBusyError, match="was refused"):
        port.driver().wait()
    assert port.written == [(Host.INTERRUPT, REFUSED)]
    port = Port(interrupt=REFUSED | ERROR, status=packed(Host.STATUS, {"fault": 12, "layers": 1}))
    with pytest.raises(AcceleratorError, match="gave up after 1 layers: aborted"):
        port.driver().wait()
