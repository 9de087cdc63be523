"""Technologies: their rules against published macros, and their libraries found or told where to get."""

import tomllib
from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.synth.technologies import technology as room
from shiftbook.synth.technologies.macro import Rule
from shiftbook.synth.technologies.technology import (
    DEFAULT,
    Technology,
    names,
    technologies,
    technology,
    technology_of,
)

FIGURES = ("area", "read", "write")
"""Of a published macro, after its words and bits."""

PUBLISHED = [
    (name, number, figure)
    for name in names()
    for number, macro in enumerate(
        tomllib.loads((room.FOLDER / f"{name}.toml").read_text()).get("macros", ())
    )
    for place, figure in enumerate(FIGURES)
    if "points" in macro and len(macro["points"][0]) > 2 + place
]


@pytest.mark.parametrize(("name", "number", "figure"), PUBLISHED)
def test_rules_are_as_near_to_published_macros_as_they_say(name: str, number: int, figure: str) -> None:
    table = tomllib.loads((room.FOLDER / f"{name}.toml").read_text())["macros"][number]
    rule: Rule = getattr(technology(name).macros[number], figure)
    errors = []
    for words, bits, *figures in table["points"]:
        expected = figures[FIGURES.index(figure)]
        by_hand = (rule.base + rule.word * words) * (1 + rule.bit * bits)
        assert rule.of(words, bits) == by_hand
        errors.append(abs(by_hand / expected - 1))
    assert rule.error / 2 < max(errors) <= rule.error


def test_two_ports_take_the_area_of_one_port_twice_where_none_is_published() -> None:
    for name in ("asap7", "gf180mcu"):
        one, two = technology(name).macros
        assert two.area.of(256, 8) == pytest.approx(2 * one.area.of(256, 8))


def test_every_technology_is_whole() -> None:
    assert DEFAULT in names()
    for name, each in technologies().items():
        assert each.name == name
        assert min(each.gate, each.load, len(each.files)) > 0
        assert [macro.ports for macro in each.macros] == sorted(macro.ports for macro in each.macros)


def test_a_library_is_known_by_its_driver() -> None:
    assert technology_of({"NAND2": 1.0}) is None
    for each in technologies().values():
        assert technology_of({"NAND2": 1.0, each.driver: 2.0}) is each


@pytest.fixture
def asap7() -> Technology:
    return technology("asap7")


def test_the_library_is_found_at_any_depth(asap7: Technology, tmp_path: Path) -> None:
    folder = tmp_path / "LIB" / "NLDM"
    folder.mkdir(parents=True)
    expected = []
    for pattern in asap7.files:
        expected.append(folder / pattern.replace("*", "1", 1).replace("*", ".gz"))
        expected[-1].touch()
    assert asap7.library({"SHIFTBOOK_ASAP7": str(tmp_path)}) == expected


def test_a_library_that_is_not_there_says_where_to_get_it(asap7: Technology, tmp_path: Path) -> None:
    with pytest.raises(
        ShiftbookError, match=r"asap7 needs its cell library, and SHIFTBOOK_ASAP7 is not set: "
    ):
        asap7.library({})
    with pytest.raises(
        ShiftbookError, match=r"asap7 has no asap7sc7p5t_AO_RVT_TT_nldm_\*.lib\* in SHIFT"
    ) as told:
        asap7.library({"SHIFTBOOK_ASAP7": str(tmp_path)})
    assert str(tmp_path) in str(told.value)
    assert "get the repository asap7sc7p5t_28" in str(told.value)


def test_an_unknown_technology_is_told_the_known_ones() -> None:
    with pytest.raises(ShiftbookError, match=r"must be one of asap7, .*sky130hd, not 'tsmc5'"):
        technology("tsmc5")
