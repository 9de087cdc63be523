"""A session whose simulator the system does not run."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT
from shiftbook.sim import session
from tests.sim.networks import SMALL


def test_what_the_simulator_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts in a thread of its own, where an error would be a traceback and nothing more."""

    def refuse(*_: object, **__: object) -> None:
        raise ShiftbookError("the simulator cannot be run")

    monkeypatch.setattr(session.board, "build", lambda *_, **__: None)
    monkeypatch.setattr(session.simulator, "run", refuse)
    with pytest.raises(ShiftbookError, match="the simulator cannot be run"):
        session.Session(DEFAULT, 4096).__enter__()


@pytest.fixture(params=[125, 1000])
def long_folder(request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files whose path alone is longer than an address of a socket may be."""
    folder = tmp_path
    while len(str(folder)) < request.param:
        folder /= "x" * 50
    folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_long_folder_for_temporary_files(long_folder: Path) -> None:
    data = np.arange(4 * SMALL.bus_bytes, dtype=np.uint8)
    with session.Session(SMALL, 4096) as board:
        board.fill(0, data)
        assert np.array_equal(board.fetch(0, len(data)), data)
    assert list(long_folder.iterdir()) == []


def test_a_system_without_short_names_of_open_folders(long_folder, monkeypatch) -> None:
    """Said before anything is built."""
    monkeypatch.setattr(session, "OPEN_FOLDERS", long_folder / "nowhere")
    monkeypatch.setattr(session.board, "build", lambda *_, **__: pytest.fail("it is too early to build"))
    with pytest.raises(ShiftbookError) as error:
        session.Session(SMALL, 4096).__enter__()
    assert str(error.value).startswith(f"the folder for temporary files has too long a path, {long_folder}")
    assert str(error.value).endswith(": set TMPDIR to a shorter one")
    assert list(long_folder.iterdir()) == []
