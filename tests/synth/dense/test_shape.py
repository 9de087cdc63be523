import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.synth.dense.shape import MEMORY_BYTES, Dense


def test_memories_together_have_the_bytes_of_the_engines_banks() -> None:
    dense = Dense(4, 8, 8, 4)
    assert dense.macs == 256
    weights = dense.weight_words * dense.outputs * dense.inputs
    assert weights + dense.activation_words * dense.pixels * dense.inputs == MEMORY_BYTES == 1 << 18


@pytest.mark.parametrize(("requantizers", "beats"), [(1, (4, 32)), (4, (1, 8)), (8, (1, 4)), (32, (1, 1))])
def test_beats_of_one_and_of_all_channels(requantizers: int, beats: tuple[int, int]) -> None:
    dense = Dense(4, 8, 8, requantizers)
    assert (dense.beats(1), dense.beats(8)) == beats


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((6, 8, 4, 2), "pixels must be a power of two, not 6"),
        ((8, 8, 4, 0), "requantizers must be a power of two, not 0"),
        ((2, 2, 16, 8), "requantizers must be at most the 4 lanes, not 8"),
        ((2, 4, 32, 2), "slots must be an integer in 1..16, not 32"),
    ],
)
def test_a_shape_that_cannot_be_says_so(shape: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(ShiftbookError) as caught:
        Dense(*shape)
    assert str(caught.value) == message
