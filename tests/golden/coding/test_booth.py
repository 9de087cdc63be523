import pytest

from shiftbook.golden.coding.booth import DIGITS, digits
from shiftbook.golden.errors import ShiftbookError


@pytest.mark.parametrize("weight", range(-128, 128))
def test_every_weight(weight: int) -> None:
    found = digits(weight)
    assert len(found) == DIGITS
    assert sum(digit * 4**place for place, digit in enumerate(found)) == weight
    assert set(found[:-1]) <= {-1, 0, 1, 2}
    assert found[-1] in range(-2, 3)


@pytest.mark.parametrize("weight", [-129, 128])
def test_what_is_no_int8(weight: int) -> None:
    with pytest.raises(ShiftbookError, match=f"weight {weight} does not fit .* -128..127"):
        digits(weight)
