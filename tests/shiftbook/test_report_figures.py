"""What `shiftbook report` works out: fronts, best points, cells of weights, parts of cycles, names."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from shiftbook.report.cycles import _counted
from shiftbook.report.pareto import front
from shiftbook.report.reading import short_names
from shiftbook.report.summary import baseline, best
from shiftbook.report.weights import cells
from shiftbook.results.compare import Row
from shiftbook.results.run import Counters
from tests.shiftbook.results import (
    row,
)

Costs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=12)


@given(Costs)
def test_front_is_what_nothing_beats(points: list[tuple[int, int]]) -> None:
    def beaten(a: tuple[int, int]) -> bool:
        return any(b[0] <= a[0] and b[1] >= a[1] and b != a for b in points)

    found = front(points)
    assert sorted(found) == [i for i, point in enumerate(points) if not beaten(point)]
    assert [points[i] for i in found] == sorted(points[i] for i in found)


def test_the_best_point_keeps_the_accuracy() -> None:
    rows = [
        Row.model_validate(row(name, engine, cost, accuracy))
        for name, engine, cost, accuracy in (
            ("cheap", "two_term", 10.0, 0.5),
            ("base", "int8", 4000.0, 0.9),
            ("good", "two_term", 1000.0, 0.89),
            ("dear", "two_term", 2000.0, 0.95),
        )
    ]
    assert baseline(rows).checkpoint == "base"
    assert best(rows).checkpoint == "good"
    for accuracy in (k / 200 for k in range(2, 201)):  # just a point less is not too much
        pair = [rows[1].model_copy(update={"accuracy": accuracy})]
        pair += [rows[2].model_copy(update={"accuracy": (round(200 * accuracy) - 2) / 200})]
        assert best(pair).checkpoint == "good"
    blind = [each.model_copy(update={"accuracy": None}) for each in rows]
    assert best(blind).checkpoint == "cheap"
    assert baseline(rows[2:]).checkpoint == "good"


@given(st.lists(st.integers(-128, 127), min_size=1, max_size=20, unique=True), st.booleans())
def test_cells_hold_their_values_and_do_not_meet(values: list[int], across: bool) -> None:
    values = sorted(value for value in values if value or across)
    found = cells(values, across)
    assert len(found) == len(values)
    assert all(low < value < high for value, (low, high) in zip(values, found, strict=True))
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(found))
    assert across or not any(low < 0 < high for low, high in found)


Count = st.integers(0, 50)


@given(Count, Count, Count, Count, Count, Count)
def test_parts_of_a_layer_add_up_to_its_cycles(cycles, busy, issue, stream, output, load) -> None:
    layer = Counters(
        name="x",
        cycles=cycles,
        busy=busy,
        issue=issue,
        stream_wait=stream,
        output_wait=output,
        load_wait=load,
    )
    parts = _counted(layer)
    assert sum(parts) == cycles
    assert min(parts) >= 0


def test_checkpoints_of_one_name_are_told_by_their_paths() -> None:
    assert short_names(["a/x.ckpt", "b/x.ckpt", "c/y.ckpt"]) == ["a/x.ckpt", "b/x.ckpt", "y"]
