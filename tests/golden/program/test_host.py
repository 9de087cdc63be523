"""The host's driver against a port of registers: what it checks, and what it does when nothing comes."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from shiftbook.golden.isa.faults import Fault
from shiftbook.golden.isa.host_map import Host, packed
from shiftbook.golden.program.host import (
    DONE,
    ERROR,
    PAUSED,
    REFUSED,
    AcceleratorBusyError,
    AcceleratorError,
    AcceleratorTimeoutError,
    HostDriver,
    RegisterError,
)


class Port:
    """Registers that read what they are told, and a list of what was written."""

    def __init__(self, **registers: Any) -> None:
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


def test_run_ends_with_the_program() -> None:
    port = Port(interrupt=PAUSED)
    with pytest.raises(RegisterError, match="the program paused after 0 layers, though MODE was written 0: "):
        port.driver().run(0)
    port = Port(interrupt=PAUSED | DONE, cycles=7)
    assert port.driver().run(0).cycles == 7


@pytest.mark.parametrize("events", [0x10, 0xFFFFFFFF])
def test_unknown_events(events: int) -> None:
    port = Port(interrupt=events)
    with pytest.raises(RegisterError, match=f"INTERRUPT reads {events:#x}: only bits 0 to 3 are events"):
        port.driver().wait()
    assert not port.written


@pytest.mark.parametrize("fault", [0, max(Fault) + 1, 255])
def test_unknown_faults(fault: int) -> None:
    port = Port(interrupt=ERROR, status=packed(Host.STATUS, {"fault": fault, "layers": 3}))
    with pytest.raises(
        RegisterError, match=f"gave up after 3 layers with fault {fault}, which is not one of"
    ):
        port.driver().wait()


@pytest.mark.parametrize("value", [None, -1, 1 << 32, 1.0, "1", True])
def test_a_port_that_reads_no_words(value: object) -> None:
    for register, use in (("interrupt", HostDriver.wait), ("identity", HostDriver.identify)):
        port = Port(**{register: value})
        with pytest.raises(RegisterError) as error:
            use(port.driver())
        assert str(error.value) == f"{register.upper()} reads {value!r}, which is no word of 32 bits"


def test_words_of_numpy() -> None:
    port = Port(interrupt=np.uint32(DONE))
    port.driver().run(np.int64(4096), watchdog=np.uint16(9))
    assert (Host.PROGRAM, 4096) in port.written
    assert (Host.WATCHDOG, 9) in port.written
    assert all(type(word) is int for _, word in port.written)


@pytest.mark.parametrize("value", [None, -4096, 1 << 32, 4096.0, "4096", True])
def test_what_registers_take(value: Any) -> None:
    port = Port()
    for name, use in (
        ("PROGRAM", lambda: port.driver().start(value)),
        ("WATCHDOG", lambda: port.driver().start(0, watchdog=value)),
    ):
        message = f"{name} takes an integer from 0 to 4294967295, not {value!r}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            use()
    assert not port.written


@pytest.mark.parametrize("timeout", [float("nan"), -1, -0.5, "3"])
def test_what_a_timeout_is(timeout: Any) -> None:
    message = f"timeout must be a number of seconds, 0 or more, or None, not {timeout!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Port().driver(timeout)
