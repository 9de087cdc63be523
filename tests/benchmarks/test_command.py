"""A benchmark that cannot go on says why in one line."""

from __future__ import annotations

import pytest

from benchmarks.command import start
from shiftbook.golden.errors import ShiftbookError


def test_a_refusal_is_one_line() -> None:
    def main() -> None:
        raise ShiftbookError("there is no such file")

    with pytest.raises(SystemExit, match=r"^error: there is no such file$"):
        start(main)


def test_an_interruption_is_no_traceback() -> None:
    def main() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        start(main)
    assert ended.value.code == 130


def test_a_bug_stays_visible() -> None:
    def main() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        start(main)
