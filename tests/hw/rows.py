"""Random codebook rows, and what they are worth."""

from __future__ import annotations

import numpy as np

from shiftbook.golden.coding.booth import digits
from shiftbook.golden.spec import Spec

Row = dict[str, int]


def random_row(spec: Spec, rng: np.random.Generator) -> Row:
    """A row as `hw.engine.lookup.Lookup` gives it: no absent term is negative."""
    if spec.lane == "multiply":
        half = 1 << (spec.weight_width - 1)
        return {"weight": int(rng.integers(-half, half))}
    row = {}
    for number, (low, high) in enumerate(spec.terms):
        row[f"enable{number}"] = int(rng.random() < 0.8)
        row[f"negative{number}"] = int(rng.random() < 0.5) & row[f"enable{number}"]
        if high > low:
            row[f"exponent{number}"] = int(rng.integers(0, high - low + 1))
    return row


def nothing(spec: Spec) -> Row:
    """A row that adds nothing."""
    return dict.fromkeys(random_row(spec, np.random.default_rng(0)), 0)


def unit(sign: int, spec: Spec) -> Row:
    """A row that adds a pixel or takes it away."""
    if spec.lane == "multiply":
        return {"weight": sign}
    number = [low for low, _ in spec.terms].index(0)
    return {**nothing(spec), f"enable{number}": 1, f"negative{number}": int(sign < 0)}


def factor(row: Row, spec: Spec) -> int:
    """The weight that a row stands for."""
    if spec.lane == "multiply":
        return row["weight"]
    total = 0
    for number, (low, _) in enumerate(spec.terms):
        term = row[f"enable{number}"] << low + row.get(f"exponent{number}", 0)
        total += -term if row[f"negative{number}"] else term
    return total


def correction(rows: list[Row], spec: Spec) -> int:
    """What must be added to a lane's accumulator after these rows."""
    if spec.lane == "multiply":
        recoded = [digits(row["weight"], spec.weight_width) for row in rows]
        found = [digit << 2 * place for each in recoded for place, digit in enumerate(each)]
        return 255 * sum(value for value in found if value < 0)
    return -255 * sum(
        row[f"negative{number}"] << low + row.get(f"exponent{number}", 0)
        for row in rows
        for number, (low, _) in enumerate(spec.terms)
    )


def lane_row(row: Row, spec: Spec) -> dict[str, object]:
    """A row as a lane gets it."""
    if spec.lane == "shift":
        return dict(row)
    *low, last = digits(row["weight"], spec.weight_width)
    return {
        **{
            f"digit{place}": {"plus": int(digit == 1), "minus": int(digit == -1), "double": int(digit == 2)}
            for place, digit in enumerate(low)
        },
        "last": {"negative": int(last < 0), "single": int(abs(last) == 1), "double": int(abs(last) == 2)},
    }
