"""One simulator process with a board, whose host port and memory the caller reads and writes."""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.program.host import Counters, RegisterError
from shiftbook.golden.spec import Spec
from shiftbook.sim import board, simulator
from shiftbook.sim.probes import MemoryAccesses, read_counts
from shiftbook.sim.samples import Samples, Told, prepare, read_samples
from shiftbook.sim.simulator import SimulationError

START_SECONDS = 60
"""How long a simulator may take to start."""

SOCKET = "socket"
"""Of the session's folder; the simulator connects to it."""

OPEN_FOLDERS = Path("/proc/self/fd")
"""Where Linux gives an open folder a short name, by its descriptor."""

WAKE = 20_000
"""Cycles after which waiting ends without an interrupt: all that Python does while the accelerator works."""

NO_FLIP = 0xFFFFFFFF
"""No bit of a beat."""

Bytes = NDArray[np.uint8]


class Session:
    """A context in which a board runs, clock by clock as long as somebody waits for it.

    Parameters
    ----------
    spec
        The accelerator's.
    size
        Bytes of memory, at least.
    latency
        Cycles from an address to its first beat, and from a write's last beat to its acknowledgement.
    pauses
        Probability with which each channel of the memory makes the other side wait in a cycle.
    seed
        Of when.
    wave
        Where to write a waveform of the whole session (FST).
    probes
        Count the accesses of memories, for `accesses`. The simulation is slower.
    samples
        Sample the values of wires, for `told`. The simulation is much slower.

    Raises
    ------
    ShiftbookError
        A tool for building the simulator is missing, or TMPDIR has too long a path.
    sim.simulator.SimulationError
        The simulator does not build, start or answer.
    """

    def __init__(
        self,
        spec: Spec,
        size: int,
        *,
        latency: int = 100,
        pauses: float = 0.0,
        seed: int = 1,
        wave: Path | None = None,
        probes: bool = False,
        samples: Samples | None = None,
    ) -> None:
        self.spec = spec
        self.probes = probes
        self.samples = samples
        self.size = size
        self.wave = wave
        self.cycles = 0
        """Clock cycles simulated, everything included."""
        self.seconds = 0.0
        """Time that they took."""
        self._settings = {"latency": latency, "pauses": round(pauses * 256), "seed": seed}

    def __enter__(self) -> Session:
        self._scratch = tempfile.TemporaryDirectory(prefix="shiftbook-")
        self._folder = Path(self._scratch.name)
        self._failure: ShiftbookError | SimulationError | None = None
        self._thread = threading.Thread(target=self._simulate, daemon=True)
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                _bind(listener, self._folder)
                beats = self.size // self.spec.bus_bytes
                watched = self.samples.watched if self.samples else None
                self.build = board.build(
                    self.spec, beats, wave=self.wave is not None, probes=self.probes, watched=watched
                )
                if self.samples:
                    prepare(self._folder, self.samples)
                listener.listen(1)
                listener.settimeout(0.2)
                self._thread.start()
                self._socket = self._accept(listener)
        except BaseException:
            self._scratch.cleanup()  # the simulator ends when it finds no socket
            raise
        self._stream = self._socket.makefile("rw", encoding="utf-8")
        self._ask("begin", **self._settings)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
        self._socket.close()  # the simulator sees it and ends
        self._thread.join()
        self._scratch.cleanup()
        if self._failure is not None and kind is None:
            raise self._failure

    def read(self, address: int) -> int:
        """Read a register of the host port."""
        return int(self._ask("read", address=int(address))["word"])

    def write(self, address: int, word: int) -> None:
        """Write a register of the host port.

        Raises
        ------
        sim.host.RegisterError
            The port answers with an error.
        """
        response = self._ask("write", address=int(address), word=int(word))["response"]
        if response:
            raise RegisterError(
                f"the accelerator refuses {word:#x} at register {address:#04x} (response {response})"
            )

    def wait(self, cycles: int = WAKE) -> None:
        """Let the clock run until the interrupt rises, or for so many cycles."""
        self._ask("wait", cycles=cycles)

    def disturb(
        self,
        strike: int = 0,
        *,
        flip: int = NO_FLIP,
        read_error: int = 0,
        write_error: int = 0,
        hold: int = 0,
    ) -> None:
        """Disturb the bus once, or not at all, and count what moves on it anew.

        Parameters
        ----------
        strike
            The read beat, or for ``write_error`` the acknowledgement, from now; the first is 0.
        flip
            Bit of {parity, data} of that beat that changes on its way.
        read_error, write_error
            AXI response to it.
        hold
            Channels that stand still after that beat, until the interrupt: bits 0 to 4 are AR, R, AW, W, B.
        """
        self._ask(
            "disturb", strike=strike, flip=flip, read_error=read_error, write_error=write_error, hold=hold
        )

    def moved(self) -> tuple[int, int]:
        """Read beats and acknowledgements since `disturb`."""
        answer = self._ask("moved")
        return int(answer["beats"]), int(answer["acks"])

    def fill(self, offset: int, data: Bytes) -> None:
        """Put bytes into memory, whole beats at a byte address."""
        beats = data.reshape(-1, self.spec.bus_bytes)[:, ::-1]
        (self._folder / board.INPUT).write_bytes(np.ascontiguousarray(beats).tobytes())
        self._ask("load", first=offset // self.spec.bus_bytes, count=len(beats))

    def fetch(self, offset: int, size: int) -> Bytes:
        """Bytes of memory, whole beats from a byte address."""
        self._ask("save", first=offset // self.spec.bus_bytes, count=size // self.spec.bus_bytes)
        return np.fromfile(self._folder / board.OUTPUT, "<u4").view(np.uint8)

    def kept(self, layer: int, offset: int, size: int) -> Bytes:
        """Bytes of the tensor buffer at the end of a layer of the last program; ``layer`` counts from 0."""
        start = (layer * self.spec.tensor_kib << 10) + offset
        return np.fromfile(self._folder / board.KEPT, np.uint8, size, offset=start)

    def counted(self, first: int, count: int) -> list[Counters]:
        """The accelerator's counters at the end of so many layers of the last program."""
        self._ask("tell", first=first, count=count)
        words = np.fromfile(self._folder / board.COUNTED, "<u4").reshape(count, -1)
        return [Counters(*each) for each in words.tolist()]

    def accesses(self, passes: int) -> list[MemoryAccesses]:
        """What the memories did for the one image of this session, by pass; with ``probes`` only."""
        return read_counts(self._folder, board.memory_kinds(self.spec), passes)

    def told(self) -> Told:
        """What the wires did in the one run of this session; with ``samples`` only."""
        assert self.samples is not None
        return read_samples(self._folder, self.samples)

    def _simulate(self) -> None:
        try:
            module = "shiftbook.sim.session_cocotb"
            env = {**simulator.NO_ASSERTIONS, "SHIFTBOOK_SOCKET": SOCKET}
            simulator.run(self.build, module, env=env, folder=self._folder, wave=self.wave)
        except (ShiftbookError, SimulationError) as error:
            self._failure = error

    def _accept(self, listener: socket.socket) -> socket.socket:
        for _ in range(START_SECONDS * 5):
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                if self._thread.is_alive():
                    continue
                break
            connection.settimeout(None)
            return connection
        raise self._failure or SimulationError(f"the simulator did not start within {START_SECONDS} seconds")

    def _ask(self, what: str, **values: int) -> dict[str, Any]:
        try:
            self._stream.write(json.dumps({"what": what, **values}) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            pass  # the answer will say why
        line = self._stream.readline()
        if not line:
            self._thread.join()
            failure, self._failure = self._failure, None
            raise failure or SimulationError("the simulator ended early")
        answer: dict[str, Any] = json.loads(line)
        self.cycles = answer["cycles"]
        self.seconds += answer["seconds"]
        return answer


def _bind(listener: socket.socket, folder: Path) -> None:
    """Bind a socket in a folder, also where the folder's path is longer than an address may be."""
    try:
        listener.bind(str(folder / SOCKET))
    except OSError as error:  # too long, which the system does not number
        if error.errno is not None:
            raise
        _bind_by_descriptor(listener, folder)


def _bind_by_descriptor(listener: socket.socket, folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        listener.bind(str(OPEN_FOLDERS / str(descriptor) / SOCKET))
    except OSError as error:
        raise ShiftbookError(
            f"the folder for temporary files has too long a path, {folder}: set TMPDIR to a shorter one"
        ) from error
    finally:
        os.close(descriptor)
