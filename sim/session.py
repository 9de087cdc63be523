"""One simulator process with an engine in its harness, to which layers are sent one after another."""

from __future__ import annotations

import json
import socket
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from golden.spec import Spec
from golden.tiles import TileWords
from sim import harness, simulator
from sim.pauses import NEVER, Pauses
from sim.program import Program
from sim.simulator import SimulationError

START_SECONDS = 60
"""How long a simulator may take to start."""

SOCKET = "socket"
"""Of the session's folder; the simulator connects to it."""


class Session:
    """A context in which :meth:`play` runs tiles on RTL.

    Parameters
    ----------
    spec
        The engine's.
    pauses
        Idle streams and backpressure, drawn inside the simulator.
    wave
        Where to write a waveform of the whole session (FST).

    Raises
    ------
    ShiftbookError
        A tool for building the simulator is missing.
    sim.simulator.SimulationError
        The simulator does not build, start or answer.
    """

    def __init__(self, spec: Spec, *, pauses: Pauses = NEVER, wave: Path | None = None) -> None:
        self.spec = spec
        self.pauses = pauses
        self.wave = wave
        self.cycles = 0
        """Clock cycles simulated, everything included."""
        self._plays = 0
        self.seconds = 0.0
        """Time that they took."""

    def __enter__(self) -> Session:
        self.build = harness.build(self.spec, wave=self.wave is not None)
        self._scratch = tempfile.TemporaryDirectory(prefix="shiftbook-")
        self._folder = Path(self._scratch.name)
        self._failure: SimulationError | None = None
        self._thread = threading.Thread(target=self._simulate, daemon=True)
        try:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(self._folder / SOCKET))
                listener.listen(1)
                listener.settimeout(0.2)
                self._thread.start()
                self._socket = self._accept(listener)
        except BaseException:
            self._scratch.cleanup()  # the simulator ends when it finds no socket
            raise
        self._stream = self._socket.makefile("rw", encoding="utf-8")
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

    def play(
        self,
        program: Program,
        tiles: Sequence[TileWords],
        limit: int,
        progress: Callable[[int], None] | None = None,
    ) -> tuple[NDArray[np.uint8], harness.Counters, bool]:
        """Run one layer on some tiles.

        Parameters
        ----------
        program
            Of the layer.
        tiles
            The words that fill the banks.
        limit
            Cycles after which a tile counts as hung.
        progress
            Called now and then with the number of tiles done.

        Returns
        -------
        beats
            uint8 [n, requantizers] the output stream, of all tiles.
        counters
            Of each tile.
        hung
            Whether the last of these tiles did not end; tiles after it were not run.
        """
        harness.write_layer(self._folder / harness.LAYER, self.spec, program, tiles)
        pauses = {"idle": self.pauses.idle, "backpressure": self.pauses.backpressure}
        self._plays += 1
        seed = (self.pauses.seed << 32) + self._plays
        message = self._ask({"limit": limit, "seed": seed, **pauses})
        while "hung" not in message:
            if progress is not None:
                progress(message["tiles"])
            message = self._answer()
        self.cycles = message["cycles"]
        self.seconds += message["seconds"]
        counters = harness.read_counters(self._folder / harness.COUNTERS)
        beats = harness.read_beats(self._folder / harness.OUTPUTS, self.spec)
        return beats, counters, bool(message["hung"])

    def _simulate(self) -> None:
        try:
            simulator.run(self.build, "sim.session_cocotb", folder=self._folder, wave=self.wave)
        except SimulationError as error:
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

    def _ask(self, message: dict[str, Any]) -> dict[str, Any]:
        try:
            self._stream.write(json.dumps(message) + "\n")
            self._stream.flush()
        except BrokenPipeError:
            pass  # the answer will say why
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        line = self._stream.readline()
        if not line:
            self._thread.join()
            failure, self._failure = self._failure, None
            raise failure or SimulationError("the simulator ended early")
        answer: dict[str, Any] = json.loads(line)
        return answer
