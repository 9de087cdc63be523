"""The study of organisations: its engines can be built, and its table says what was measured."""

from __future__ import annotations

from benchmarks.organisations import MULTIPLIERS, SLOTS, TERMS, organisations
from benchmarks.tables import TABLES


def test_every_engine_has_a_spec() -> None:
    specs = organisations(SLOTS)
    assert set(specs) == {(lane, slots) for lane in {**TERMS, **MULTIPLIERS} for slots in SLOTS}
    assert len({spec.slots * spec.tile_words for (_, slots), spec in specs.items() if slots > 1}) == 1


def test_the_table_has_a_row_for_each_engine() -> None:
    def entry(scheme: str, density: float, lane: str, cycles: int | None) -> dict[str, object]:
        product = None if cycles is None else 100_000 * cycles
        return {
            "scheme": scheme,
            "density": density,
            "lane": lane,
            "slots": 4,
            "ge": 100_000.4,
            "cycles": cycles,
            "product": product,
        }

    rows = [
        entry("shift", 0.1, "0..7", 9_000),
        entry("shift", 0.2, "0..7", 12_345),
        entry("shift", 0.2, "0..3", None),
        entry("int8", 1.0, "int8 dense", 160_000),
    ]
    assert TABLES["organisations"]([{"rows": rows}]).splitlines() == [
        "| lane | W | engine, GE | shift 20 % | int8 100 % |",
        "| --- | --- | --- | --- | --- |",
        "| 0..7 | 4 | 100,000 | 1.23 (12k) |  |",
        "| 0..3 | 4 | 100,000 |  |  |",
        "| int8 dense | 4 | 100,000 |  | 16.00 (160k) |",
    ]
