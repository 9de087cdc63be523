"""The host's side of the accelerator: nothing but register and memory accesses, to be used on hardware too.

    from shiftbook.golden.program.host import HostDriver

    host = HostDriver(read, write, wait)
    host.identify()
    host.run(program_address)

``read(address)`` and ``write(address, word)`` access a 32-bit register of the AXI4-Lite port, and raise
`RegisterError` where the bus answers with an error; ``wait()`` returns when the interrupt may have been
raised (on hardware: sleep, or wait for it). The image and the pixels are put into memory by whatever means
there are, at a multiple of 4096 bytes; see docs/accelerator.md.
"""

from __future__ import annotations

import operator
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import SupportsIndex

from shiftbook.golden.isa.faults import Fault
from shiftbook.golden.isa.host_map import ABORT, ALIGNMENT, CONTINUE, IDENTITY, START, VERSION, unpacked
from shiftbook.golden.isa.host_map import Host as Register

DONE, ERROR, PAUSED, REFUSED = 1, 2, 4, 8
"""Events."""

EVERY_EVENT = DONE | ERROR | PAUSED | REFUSED
"""There are no others."""

WORD_BITS = 32
"""Of a register."""

TIMEOUT = 60.0
"""Seconds that `HostDriver.wait` waits unless it is told otherwise."""


class RegisterError(RuntimeError):
    """The bus answered the access of a register with an error: nothing was done.

    Or a register reads what it cannot hold.
    """


class AcceleratorBusyError(RuntimeError):
    """A program was to be started while another one is carried out."""


class AcceleratorTimeoutError(RuntimeError):
    """No event came in time."""


class AcceleratorError(RuntimeError):
    """A program that was given up.

    Attributes
    ----------
    fault
        Why.
    layers
        Layers that were run before.
    """

    def __init__(self, fault: Fault, layers: int) -> None:
        super().__init__(
            f"the accelerator gave up after {layers} layers: {fault.name.lower().replace('_', ' ')}"
        )
        self.fault = fault
        self.layers = layers


@dataclass(frozen=True)
class Counters:
    """The accelerator's counters; see `golden.isa.host_map`."""

    cycles: int = 0
    busy: int = 0
    rows: int = 0
    issue: int = 0
    stream_wait: int = 0
    output_wait: int = 0
    load_wait: int = 0
    read_beats: int = 0
    write_beats: int = 0

    def __sub__(self, other: Counters) -> Counters:
        return Counters(*(a - b & 0xFFFFFFFF for a, b in zip(self.values(), other.values(), strict=True)))

    def values(self) -> tuple[int, ...]:
        """In the order of the registers."""
        return tuple(getattr(self, name) for name in COUNTER_NAMES)


COUNTER_NAMES = tuple(register.name.lower() for register in Register if register >= Register.CYCLES)


class HostDriver:
    """Drives an accelerator.

    Parameters
    ----------
    read, write
        Access a register by its byte address.
    wait
        Return when the interrupt is raised, or now and then.
    timeout
        Seconds that `wait` waits for an event; None: for ever.

    Raises
    ------
    ValueError
        ``timeout`` is negative or no number.
    """

    def __init__(
        self,
        read: Callable[[int], int],
        write: Callable[[int, int], None],
        wait: Callable[[], None],
        *,
        timeout: float | None = TIMEOUT,
    ) -> None:
        if timeout is not None and not _is_duration(timeout):
            raise ValueError(f"timeout must be a number of seconds, 0 or more, or None, not {timeout!r}")
        self._port_read = read
        self._write = write
        self._wait = wait
        self._timeout = timeout

    def identify(self) -> dict[str, int]:
        """What the accelerator says of itself.

        Raises
        ------
        RuntimeError
            There is no accelerator, or one of another version.
        RegisterError
            A register reads no word.
        """
        identity, version = self._read(Register.IDENTITY), self._read(Register.VERSION)
        if identity != IDENTITY or version != VERSION:
            raise RuntimeError(
                f"no accelerator of version {VERSION}: the first registers read {identity:#x} and "
                f"{version:#x}"
            )
        found = {"fingerprint": self._read(Register.FINGERPRINT)}
        for register in (Register.GRID, Register.LANE, Register.MEMORY, Register.BUS):
            found |= unpacked(register, self._read(register))
        return found

    def start(self, program: int, *, watchdog: int = 0, pause: bool = False) -> None:
        """Carry out the program of the image at byte address ``program``.

        Raises
        ------
        ValueError
            ``program`` is no multiple of 4096, or it or ``watchdog`` is no word of 32 bits.
        AcceleratorBusyError
            A program is carried out, or the bus still owes something to one that was given up.
        """
        program, watchdog = _written(Register.PROGRAM, program), _written(Register.WATCHDOG, watchdog)
        if program % ALIGNMENT:
            raise ValueError(f"an image begins at a multiple of {ALIGNMENT} bytes, not at {program:#x}")
        status = self.status()
        if status["busy"]:
            raise AcceleratorBusyError(
                f"the accelerator is busy (after {status['layers']} layers): wait for its event, or abort"
            )
        for register, value in (
            (Register.PROGRAM, program),
            (Register.WATCHDOG, watchdog),
            (Register.MODE, int(bool(pause))),
            (Register.INTERRUPT, EVERY_EVENT),
            (Register.INTERRUPT_ENABLE, EVERY_EVENT),
            (Register.CONTROL, START),
        ):
            self._write(register, value)

    def wait(self) -> bool:
        """Wait for the end, or with ``pause`` for that of a layer; whether the program is over.

        Raises
        ------
        AcceleratorError
            It was given up.
        AcceleratorBusyError
            Somebody else's write of CONTROL was refused meanwhile.
        AcceleratorTimeoutError
            Nothing happened in time; the program may still be carried out.
        RegisterError
            There is an event or a fault that this version does not know.
        """
        begun = time.monotonic()
        while not (events := self._read(Register.INTERRUPT)):
            if self._timeout is not None and time.monotonic() - begun > self._timeout:
                raise AcceleratorTimeoutError(
                    f"no event within {self._timeout:g} seconds, after {self.status()['layers']} layers: "
                    "abort, or wait again; a watchdog would have given the program up"
                )
            self._wait()
        if events & ~EVERY_EVENT:
            raise RegisterError(f"INTERRUPT reads {events:#x}: only bits 0 to 3 are events")
        if events & ERROR:
            self._write(Register.INTERRUPT, events)
            raise self._failure()
        if events & REFUSED:  # the other events stay for the next call
            self._write(Register.INTERRUPT, REFUSED)
            raise AcceleratorBusyError(
                "a START while busy, a CONTINUE while not paused, or a word that is no command was refused"
            )
        self._write(Register.INTERRUPT, events)
        return bool(events & DONE)

    def go_on(self) -> None:
        """End a pause."""
        self._write(Register.CONTROL, CONTINUE)

    def abort(self) -> None:
        """Give up."""
        self._write(Register.CONTROL, ABORT)

    def run(self, program: int, *, watchdog: int = 0) -> Counters:
        """Carry out a program to its end.

        Raises
        ------
        AcceleratorError
            It was given up.
        AcceleratorBusyError, AcceleratorTimeoutError, ValueError
            See `start` and `wait`.
        RegisterError
            It paused, which it was not told to; or see `wait`.
        """
        self.start(program, watchdog=watchdog)
        if not self.wait():
            raise RegisterError(
                f"the program paused after {self.status()['layers']} layers, though MODE was written 0: "
                "go on, or abort"
            )
        return self.counters()

    def status(self) -> dict[str, int]:
        """Fields of the status register."""
        return unpacked(Register.STATUS, self._read(Register.STATUS))

    def counters(self) -> Counters:
        """All counters."""
        return Counters(**{name: self._read(Register[name.upper()]) for name in COUNTER_NAMES})

    def _read(self, register: int) -> int:
        value = self._port_read(register)
        word = _word(value)
        if word is None:
            raise RegisterError(
                f"{Register(register).name} reads {value!r}, which is no word of {WORD_BITS} bits"
            )
        return word

    def _failure(self) -> AcceleratorError | RegisterError:
        """Why a program was given up, as STATUS has it."""
        status = self.status()
        number, layers = status["fault"], status["layers"]
        if number not in range(1, max(Fault) + 1):
            return RegisterError(
                f"the accelerator gave up after {layers} layers with fault {number}, which is not one of "
                f"1 to {int(max(Fault))}"
            )
        return AcceleratorError(Fault(number), layers)


def _word(value: object) -> int | None:
    """The integer, of Python or NumPy, if a register can hold it."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    word = operator.index(value)
    return word if 0 <= word < 1 << WORD_BITS else None


def _written(register: Register, value: int) -> int:
    word = _word(value)
    if word is None:
        raise ValueError(f"{register.name} takes an integer from 0 to {(1 << WORD_BITS) - 1}, not {value!r}")
    return word


def _is_duration(seconds: object) -> bool:
    return isinstance(seconds, int | float) and seconds >= 0
