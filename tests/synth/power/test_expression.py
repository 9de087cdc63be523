"""Boolean expressions of Liberty files."""

from __future__ import annotations

from itertools import product

import pytest

from shiftbook.synth.power.expression import parse


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ("A", "A"),
        ("!A", "1 - A"),
        ("A'", "1 - A"),
        ("A''", "A"),
        ("(A * B) + !C", "(A & B) | (1 - C)"),
        ("A B + C", "(A & B) | C"),
        ("A + B C'", "A | (B & (1 - C))"),
        ("A ^ B * C", "(A ^ B) & C"),
        ("A & B | C", "(A & B) | C"),
        ("!(A + B)' ^ C", "(A | B) ^ C"),
        ("!A !B", "(1 - A) & (1 - B)"),
        ("(A)(B + C)", "A & (B | C)"),
        ("A * 1 + 0", "A"),
        ("A * 0", "0"),
    ],
)
def test_expressions(text: str, python: str) -> None:
    expression = parse(text)
    for a, b, c in product((0, 1), repeat=3):
        values = {"A": a, "B": b, "C": c}
        assert expression(values) & 1 == eval(python, {}, values)


@pytest.mark.parametrize("text", ["", "A +", "(A", "A)", "* A", "A ? B", "!"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="no boolean expression of pins"):
        parse(text)
