"""Faults on the whole accelerator, by request: 3,000 scenarios end well, and some of each end in a fault."""

from __future__ import annotations

import json

import pytest

from tests.faults.campaign import SPECS, as_json, campaign
from tests.faults.damage import DAMAGES

COUNT = 1000
"""Scenarios of each spec."""


@pytest.mark.faults
@pytest.mark.parametrize("name", SPECS)
def test_no_wrong_answer_no_hang_and_a_restart(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    outcomes = campaign(name, COUNT, seed=0, progress=lambda done: None)
    counts = as_json(outcomes)
    with capsys.disabled():
        print(json.dumps({name: counts}, indent=1))
    assert outcomes.total() >= COUNT
    struck = {kind for kind, ends in counts.items() if set(ends) - {"done"}}
    assert struck == set(counts) - {"start while busy"}
    assert len(counts) == 3 * len(DAMAGES) + 6
    assert set(counts["start while busy"]) == {"done"}
    assert set(counts["flip on the bus"]) <= {"BUS_PARITY", "done"}
