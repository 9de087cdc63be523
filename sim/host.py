"""The host's side of the accelerator: nothing but register and memory accesses, to be used on hardware too.

    host = Host(read, write, wait)
    host.identify()
    host.run(program_address)

``read(address)`` and ``write(address, word)`` access a 32-bit register of the AXI4-Lite port, ``wait()``
returns when the interrupt may have been raised (on hardware: sleep, or wait for it). The image and the
pixels are put into memory by whatever means there are, at a multiple of 4096 bytes; see
docs/accelerator.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hw.system.host_map import IDENTITY, VERSION, unpacked
from hw.system.host_map import Host as Register
from hw.system.sequencer import Fault

DONE, ERROR, PAUSED = 1, 2, 4
"""Events."""

START, ABORT, CONTINUE = 1, 2, 4
"""Bits of CONTROL."""


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
    """The accelerator's counters; see `hw.system.host_map`."""

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
    """

    def __init__(
        self, read: Callable[[int], int], write: Callable[[int, int], None], wait: Callable[[], None]
    ) -> None:
        self._read = read
        self._write = write
        self._wait = wait

    def identify(self) -> dict[str, int]:
        """What the accelerator says of itself.

        Raises
        ------
        RuntimeError
            There is no accelerator, or one of another version.
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
        """Carry out the program of the image at byte address ``program``."""
        for register, value in (
            (Register.PROGRAM, program),
            (Register.WATCHDOG, watchdog),
            (Register.MODE, int(pause)),
            (Register.INTERRUPT, DONE | ERROR | PAUSED),
            (Register.INTERRUPT_ENABLE, DONE | ERROR | PAUSED),
            (Register.CONTROL, START),
        ):
            self._write(register, value)

    def wait(self) -> bool:
        """Wait for the end, or with ``pause`` for that of a layer; whether the program is over.

        Raises
        ------
        AcceleratorError
            It was given up.
        """
        while not (events := self._read(Register.INTERRUPT)):
            self._wait()
        self._write(Register.INTERRUPT, events)
        if events & ERROR:
            status = self.status()
            raise AcceleratorError(Fault(status["fault"]), status["layers"])
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
        """
        self.start(program, watchdog=watchdog)
        self.wait()
        return self.counters()

    def status(self) -> dict[str, int]:
        """Fields of the status register."""
        return unpacked(Register.STATUS, self._read(Register.STATUS))

    def counters(self) -> Counters:
        """All counters."""
        return Counters(**{name: self._read(Register[name.upper()]) for name in COUNTER_NAMES})
