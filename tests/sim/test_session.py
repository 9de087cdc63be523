"""A session whose simulator the system does not run."""

from __future__ import annotations

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT
from shiftbook.sim import session


def test_what_the_simulator_says_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """It starts in a thread of its own, where an error would be a traceback and nothing more."""

    def refuse(*_: object, **__: object) -> None:
        raise ShiftbookError("the simulator cannot be run")

    monkeypatch.setattr(session.board, "build", lambda *_, **__: None)
    monkeypatch.setattr(session.simulator, "run", refuse)
    with pytest.raises(ShiftbookError, match="the simulator cannot be run"):
        session.Session(DEFAULT, 4096).__enter__()
