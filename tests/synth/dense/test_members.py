# amaranth: UnusedElaboratable=no
"""What a component's docstring says of its members must be its signature."""

import pytest
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from shiftbook.synth.dense.array import LaneArray
from shiftbook.synth.dense.control import Control
from shiftbook.synth.dense.drain import Drain
from shiftbook.synth.dense.engine import DenseEngine
from shiftbook.synth.dense.layer import Registers
from shiftbook.synth.dense.shape import Dense
from shiftbook.synth.dense.walk import Walk
from shiftbook.synth.dense.words import Words
from tests.hw.test_members import documented

DENSE = Dense(4, 2, 2, 2)
BLOCKS = (*(kind(DENSE) for kind in (LaneArray, Control, Drain, DenseEngine, Registers, Walk)), Words(8, 4))


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: type(block).__name__)
def test_docstring_members_are_the_signature(block: wiring.Component) -> None:
    members = block.signature.members.items()
    assert documented(type(block)) == [(n, "In" if m.flow == In else "Out") for n, m in members]
