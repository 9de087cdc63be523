"""The benchmark of tensor trains says of kept cores only what is true of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.tensor_train import check_kept
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.golden.errors import ShiftbookError

PLAN = Plan(ratio=6.8, admm_epochs=6, core_epochs=12, core_rate=0.01)


def test_kept_cores_must_be_those_of_the_row() -> None:
    file = Path("kept")
    check_kept(file, PLAN, {**PLAN.describe(), "trained": True})
    for other, message in (
        (replace(PLAN, core_epochs=2), "core_epochs is 12, not 2"),
        (replace(PLAN, core_rate=0.02), "core_rate is 0.01, not 0.02"),
    ):
        with pytest.raises(ShiftbookError, match=f"kept holds cores whose {message}: name another folder"):
            check_kept(file, other, PLAN.describe())
