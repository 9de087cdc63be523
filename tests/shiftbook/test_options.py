import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.options import make_spec


def test_grid_and_slots():
    spec = make_spec("focused", "4x16", slots=2)
    assert (spec.rows, spec.cols, spec.slots, spec.terms) == (4, 16, 2, ((4, 4), (0, 3)))


@pytest.mark.parametrize(
    ("lanes", "requantizers"), [("2x2", 1), ("4x4", 2), ("8x8", 8), ("16x8", 16), ("16x16", 32)]
)
def test_requantizers_follow_the_grid(lanes, requantizers):
    """An eighth of the lanes: a channel drains in eight cycles, or in fewer where there are fewer lanes."""
    assert make_spec("shift", lanes).requantizers == requantizers


def test_more_requantizers():
    assert make_spec("shift", "8x8", requantizers=16).drain_cycles == 4
    with pytest.raises(
        ShiftbookError, match=r"12 requantizers cannot drain 8x8 lanes .*: 1, 2, 4, 8, 16, 32 can"
    ):
        make_spec("shift", "8x8", requantizers=12)


def test_another_bus():
    assert make_spec("shift", "8x8").bus_bytes == 32
    assert make_spec("shift", "8x8", bus=16).bus_bytes == 16
    with pytest.raises(ShiftbookError, match="bus_bytes must be a power of two, not 24"):
        make_spec("shift", "8x8", bus=24)


def test_parity_on_the_bus():
    assert not make_spec("shift", "8x8").bus_parity
    assert make_spec("shift4", "7x7", bus_parity=True).bus_parity


@pytest.mark.parametrize("lanes", ["", "8", "8x", "8x8x8", "-8x8", "8 x 8", "axb", "٣x٣", "08x8", "8x8\n"])
def test_grid_that_is_none(lanes):
    with pytest.raises(ShiftbookError, match="lanes must be ROWSxCOLUMNS such as 8x8, not"):
        make_spec("shift", lanes)


def test_grid_that_no_engine_has():
    with pytest.raises(ShiftbookError, match=r"rows must be an integer in 2\.\.32, not 33"):
        make_spec("shift", "33x8")
    with pytest.raises(ShiftbookError, match=r"rows must be an integer in 2\.\.32, not 0"):
        make_spec("shift", "0x8")


def test_preset_that_is_none():
    with pytest.raises(ShiftbookError, match="there is no preset 'fast': choose one of shift, "):
        make_spec("fast", "8x8")
