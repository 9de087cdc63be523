from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.engine_tables import SHOWN_RIVALS
from benchmarks.rivals import (
    REQUANTIZERS,
    RIVALS,
    SLOTS,
    TERMS,
    engines_of,
    loaded,
    narrowed,
    related,
    settings,
)
from benchmarks.tables import TABLES
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.accumulator import prove_accumulator
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import Spec
from tests.golden.model.test_executor import small_network


@pytest.mark.parametrize("rival", RIVALS)
def test_settings_have_equal_terms_and_the_usual_grid_is_one(rival: str) -> None:
    found = list(settings(RIVALS[rival], SLOTS, REQUANTIZERS))
    assert {spec.slots * spec.lanes for spec in found} == {TERMS}
    assert {spec.slots for spec in found} == set(SLOTS)
    assert len(set(found)) == len(found)
    assert RIVALS[rival] in found


def test_accumulators_are_as_narrow_as_the_network_allows() -> None:
    network = small_network(0)
    spec = narrowed(RIVALS["int8"], network)
    assert spec.accumulator_width > 16
    layers = [node for node in network.nodes if isinstance(node, Conv)]
    assert not refused(layers, spec)
    assert refused(layers, replace(spec, accumulator_width=spec.accumulator_width - 1))


def refused(layers: list[Conv], spec: Spec) -> list[str]:
    """Why layers do not fit."""
    found = []
    for layer in layers:
        try:
            prove_accumulator(layer, spec)
        except ShiftbookError as error:
            found.append(str(error))
    return found


def test_presets_are_measured_beside_their_rivals() -> None:
    network = small_network(0)
    found = engines_of({"int8": network, "int4": network}, [4], [8])
    assert [(rival, spec.accumulator_width) for rival, spec in found.values()] == [
        ("int8", 19),
        ("int8", 24),
        ("int4", 19),
    ]
    assert [name.endswith(", preset") for name in found] == [False, True, False]


def test_a_checkpoint_is_named_after_its_engine() -> None:
    with pytest.raises(ShiftbookError) as caught:
        loaded([Path("dense.ckpt")])
    assert str(caught.value) == (
        "dense.ckpt: a checkpoint must be named after its engine, int8, int8_sparse, int4, int4_sparse, "
        "not dense"
    )


def test_rows_are_related_to_the_best_of_their_engine() -> None:
    rows = [{"engine": "a", "product": 4.0}, {"engine": "a", "product": 2.0}, {"engine": "b", "product": 9.0}]
    assert [row["relative"] for row in related(rows)] == [2.0, 1.0, 1.0]


def test_the_table_shows_the_best_and_the_preset() -> None:
    row = {
        "engine": "int8",
        "rows": 8,
        "cols": 8,
        "slots": 4,
        "requantizers": 8,
        "ge": 2e5,
        "lane_ge": 2e3,
        "cycles": 100,
        "product": 2e7,
        "relative": 1.0,
    }
    rows = [{**row, "cycles": 100 + place, "preset": place == SHOWN_RIVALS + 2} for place in range(12)]
    text = TABLES["rivals"]([{"rows": rows}])
    assert text.count("\n") == 2 + SHOWN_RIVALS + 1
    assert "`int8`, preset" in text.splitlines()[-1]
    assert f"| {100 + SHOWN_RIVALS + 2} |" in text.splitlines()[-1]


def test_checkpoints_are_related_to_the_best() -> None:
    study = [
        {"engine": "int8", "product": 40.0, "relative": 1.0},
        {"engine": "int8", "product": 50.0, "relative": 1.25},
        {"engine": "int8_sparse", "product": 20.0, "relative": 1.0},
    ]
    row = {"checkpoint": "net.ckpt", "engine": "shift", "accuracy": 0.5, "gate_cycles": 10.0}
    text = TABLES["against"]([{"terms": 256, "rows": study}, {"rows": [row]}])
    assert text.splitlines()[0].endswith("| to the best dense int8 | to the best sparse int8 |")
    assert text.splitlines()[-1] == "| net | `shift` | 50.00 % | 0.00 | 0.250 | 0.500 |"
