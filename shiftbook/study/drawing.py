"""Drawing one point of a study: by dice, or by whatever else chooses."""

from __future__ import annotations

from typing import Any

import numpy as np

from shiftbook.study.choices import Chooser, Range, choose
from shiftbook.study.point import Choice
from shiftbook.study.study import Study


class Dice:
    """Draws each value with the same chance; of a logarithmic range each order of magnitude."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)

    def pick(self, name: str, values: tuple[Any, ...]) -> Any:
        """One of the values."""
        return values[int(self.random.integers(len(values)))]

    def number(self, name: str, span: Range) -> int | float:
        """A number of the range, of floats six digits: more would only make points hard to read."""
        if span.log:
            drawn = float(np.exp(self.random.uniform(np.log(span.low), np.log(span.high))))
        elif span.whole:
            return int(self.random.integers(int(span.low), int(span.high) + 1))
        else:
            drawn = float(self.random.uniform(span.low, span.high))
        near = round(drawn) if span.whole else float(f"{drawn:.6g}")
        return min(max(near, _number(span, span.low)), _number(span, span.high))


def _number(span: Range, value: float) -> int | float:
    return int(value) if span.whole else value


def draw(study: Study, chooser: Chooser) -> Choice:
    """One point: a table of compressions with its network, one of engines, and the options of both."""
    pairs = [
        (number, network) for number, table in enumerate(study.compressions) for network in table.networks
    ]
    number, network = pairs[chooser.pick("compression", tuple(range(len(pairs))))]
    engine = chooser.pick("engine", tuple(range(len(study.engines))))
    return Choice(
        network,
        choose(f"compression {number}", study.compressions[number].space, chooser),
        choose(f"engine {engine}", study.engines[engine], chooser),
    )
