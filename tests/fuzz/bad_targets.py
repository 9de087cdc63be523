"""A target of mutants that must fail, so that the driver's own checks are seen to fail."""

from __future__ import annotations

import random
import time
import warnings
from pathlib import Path

from shiftbook.golden.errors import ShiftbookError
from tests.fuzz.judging import loaded

FAULTS = ("none", "refused", "error", "wrong", "warning", "exit", "memory", "time", "hang", "two lines")


def mutate(rng: random.Random, folder: Path) -> Path:
    path = folder / "mutant.txt"
    path.write_text(rng.choice(FAULTS))
    return path


def judge(path: Path) -> bool:
    fault = path.read_text()
    if fault == "refused":
        return loaded(_refuse) is not None
    if fault == "error":
        raise KeyError(fault)
    if fault == "warning":
        warnings.warn(fault, stacklevel=1)
    if fault == "exit":
        raise SystemExit(0)
    if fault == "memory":
        return bool(bytearray(3 << 30))
    if fault == "time":
        _compute()
    if fault == "hang":
        _sleep()
    if fault == "two lines":
        loaded(_refuse_in_two_lines)
    assert fault != "wrong"
    return True


def _compute() -> None:
    try:
        while True:
            pass
    except Exception:  # as a reader of files that takes anything for damage would
        return


def _sleep() -> None:
    try:
        time.sleep(60)
    except Exception:  # as a reader of files that takes anything for damage would
        return


def _refuse() -> None:
    raise ShiftbookError("refused")


def _refuse_in_two_lines() -> None:
    error = ShiftbookError("refused")
    error.args = ("refused\ntwice",)
    raise error
