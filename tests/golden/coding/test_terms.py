"""Codebook rows: the right sum, as short as possible, and packed as the hardware reads them."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from shiftbook.golden.coding.terms import Term, rows_of, term_count, work
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.isa import bit_fields, registers
from shiftbook.golden.program.row_words import row_words
from shiftbook.golden.spec import DEFAULT, PRESETS

SHIFT_PRESETS = ["shift", "two_term", "focused"]


def row_bits(row, spec) -> int:
    (word,) = row_words([(0, row)], spec).tolist()
    return word


def value_of_word(word: int, spec) -> int:
    """What a codebook memory word adds, read back from its bits."""
    total = 0
    for low, high in spec.terms:
        width = (high - low).bit_length()
        enable, negative = word & 1, word >> 1 & 1
        exponent = low + (word >> 2 & ((1 << width) - 1))
        word >>= 2 + width
        total += enable * (-1) ** negative * 2**exponent
    assert word == 0
    return total


def reachable(spec, rows: int) -> set[int]:
    """Every value that so many rows can say, by brute force."""
    row = [0]
    for low, high in spec.terms:
        choices = [0, *(sign << e for e in range(low, high + 1) for sign in (1, -1))]
        row = [a + b for a, b in product(row, choices)]
    values = {0}
    for _ in range(rows):
        values = {a + b for a, b in product(values, set(row))}
    return values


@pytest.mark.parametrize("name", SHIFT_PRESETS)
def test_rows_are_as_few_as_possible_and_sum_to_the_value(name):
    spec = PRESETS[name]
    by_count = [reachable(spec, count) for count in range(5)]
    for value in range(-128, 128):
        fewest = next((n for n in range(1, 5) if value in by_count[n]), None)
        if fewest is None:
            with pytest.raises(ShiftbookError, match=rf"^weight {value} needs more than 4 rows"):
                rows_of(value, spec)
            continue
        rows = rows_of(value, spec)
        assert len(rows) == fewest
        assert sum(value_of_word(row_bits(row, spec), spec) for row in rows) == value


def test_of_equally_few_rows_those_with_the_fewest_terms_are_taken():
    spec = PRESETS["two_term"]
    one_row = {0: 0}
    for first, second in product([0, *(s << e for e in range(8) for s in (1, -1))], repeat=2):
        if abs(second) <= 8:
            terms = (first != 0) + (second != 0)
            one_row[first + second] = min(terms, one_row.get(first + second, 2))
    for value in range(-128, 128):
        rows = rows_of(value, spec)
        if len(rows) == 2:
            fewest = min(one_row[a] + one_row[value - a] for a in one_row if value - a in one_row)
            assert term_count(rows) == fewest


def non_adjacent_digits(value: int) -> int:
    digits, value = 0, abs(value)
    while value:
        if value & 1:
            digits += 1
            value += 1 if value & 3 == 3 else -1
        value >>= 1
    return digits


def test_default_spec_takes_a_row_for_each_digit_of_the_non_adjacent_form():
    for value in range(-128, 128):
        rows = rows_of(value, DEFAULT)
        assert term_count(rows) == non_adjacent_digits(value)
        assert len(rows) == max(1, non_adjacent_digits(value))


def test_focused_codes_take_one_row():
    spec = PRESETS["focused"]
    for component, part in product((-16, 16), (0, 1, -1, 2, -2, 4, -4, 8, -8)):
        assert len(rows_of(component + part, spec)) == 1


def test_zero_is_one_row_without_terms():
    for name in SHIFT_PRESETS:
        (row,) = rows_of(0, PRESETS[name])
        assert row == (None,) * len(PRESETS[name].terms)
        assert row_bits(row, PRESETS[name]) == 0


def test_row_word_to_the_bit():
    spec = replace(DEFAULT, terms=((4, 4), (0, 3)))
    # term 0: enable 1, negative 0, no exponent bits; term 1: enable 1, negative 1, exponent 3
    assert row_bits((Term(1, 4), Term(-1, 3)), spec) == 0b11_1_1_0_1
    assert bit_fields.width(registers.row(spec)) == 6
    assert bit_fields.width(registers.row(DEFAULT)) == 5


def test_multiplier_lanes_take_the_integer():
    spec = PRESETS["int8_sparse"]
    assert rows_of(-3, spec) == (-3,)
    assert row_bits(-3, spec) == 0xFD
    assert bit_fields.width(registers.row(spec)) == 8
    assert [term_count(rows_of(v, spec)) for v in (0, 5)] == [0, 1]


def test_work_is_rows():
    codebook = np.array([-128, 3, 85], dtype=np.int16)
    assert work(codebook, DEFAULT).tolist() == [1, 2, 4]
    assert work(codebook, PRESETS["two_term"]).tolist() == [1, 2, 2]
    assert work(np.array([-128, 85], dtype=np.int16), PRESETS["int8"]).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("value", "preset", "message"),
    [
        (
            127,
            "focused",
            (
                "weight 127 needs more than 4 rows of terms with exponents in ((4, 4), (0, 3)): "
                "take an engine with wider ranges, such as ((0, 7),) of the preset shift"
            ),
        ),
        (128, "int8", "weight 128 does not fit a multiplier lane: it must be in -128..127"),
        (-129, "int8", "weight -129 does not fit a multiplier lane: it must be in -128..127"),
    ],
)
def test_refuses(value, preset, message):
    with pytest.raises(ShiftbookError) as caught:
        rows_of(value, PRESETS[preset])
    assert str(caught.value) == message
