import pytest

from shiftbook.golden.coding.booth import digit_count, digits
from shiftbook.golden.errors import ShiftbookError


@pytest.mark.parametrize(
    ("weight", "width"),
    [(weight, width) for width in (4, 8) for weight in range(-(1 << width - 1), 1 << width - 1)],
)
def test_every_weight(weight: int, width: int) -> None:
    found = digits(weight, width)
    assert len(found) == digit_count(width) == width // 2
    assert sum(digit * 4**place for place, digit in enumerate(found)) == weight
    assert set(found[:-1]) <= {-1, 0, 1, 2}
    assert found[-1] in range(-2, 3)


@pytest.mark.parametrize(
    ("weight", "width", "ends"),
    [(-129, 8, "-128..127"), (128, 8, "-128..127"), (-9, 4, "-8..7"), (8, 4, "-8..7")],
)
def test_what_does_not_fit(weight: int, width: int, ends: str) -> None:
    with pytest.raises(ShiftbookError, match=f"weight {weight} does not fit .* {ends}"):
        digits(weight, width)
