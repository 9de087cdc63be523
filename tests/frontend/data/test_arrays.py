"""Arrays of every accepted layout and type, and one line for each other."""

from __future__ import annotations

import re

import numpy as np
import pytest

from shiftbook.frontend.data.dataset import Dataset, check_shape, from_arrays, load
from shiftbook.golden.errors import ShiftbookError

RNG = np.random.default_rng(0)
BYTES = RNG.integers(0, 256, (10, 5, 4, 3), np.uint8)
SIGNALS = RNG.normal(0, 100, (10, 16, 3)).astype(np.float32)


PIXELS = "x must be uint8 [N, H, W, C]"


def refused(*arrays, **options) -> str:
    with pytest.raises(ShiftbookError) as caught:
        from_arrays(*arrays, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", ["<f2", "<f4", ">f4", "<f8"])
def test_floats_of_any_range_stay_what_they_are(kind):
    values = (BYTES.astype(np.float64) - 100).astype(kind)
    found = from_arrays(values, None)
    assert found.is_float
    assert found.images.dtype == values.dtype
    assert np.array_equal(found.images, values)


def test_signals_are_maps_of_height_1():
    assert np.array_equal(from_arrays(SIGNALS, None).images, SIGNALS[:, None])
    assert from_arrays(SIGNALS, None).shape == (1, 16, 3)
    assert np.array_equal(from_arrays(SIGNALS[:, :, 0], None).images, SIGNALS[:, None, :, :1])


def test_an_npz_of_floats(tmp_path):
    np.savez(tmp_path / "x.npz", x=SIGNALS, y=np.arange(10) % 3)
    every = load(tmp_path / "x.npz", "all", channels=3)
    assert np.array_equal(every.images, SIGNALS[:, None])
    parts = [load(tmp_path / "x.npz", part).images for part in ("train", "test")]
    assert sorted(np.concatenate(parts).sum((1, 2, 3))) == sorted(every.images.sum((1, 2, 3)))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros(3, np.float32), "floats [N, H, W, C], [N, L, C] or [N, L], not float32 [3]"),
        (np.zeros((2, 0), np.float32), "has no images: its shape is [2, 1, 0, 1]"),
        (np.zeros((2, 8, 8), np.uint8), f"{PIXELS}, not uint8 [2, 8, 8]; grey images are x[..., None], and "),
        (
            np.zeros((2, 8), np.uint8),
            f"{PIXELS}, not uint8 [2, 8]; grey images are x[..., None], and signals ",
        ),
        (
            np.zeros((2, 8, 8, 1), int),
            f"{PIXELS}, not int64 [2, 8, 8, 1]; values that are no bytes go in as ",
        ),
        (np.zeros((2, 8, 8, 1), complex), f"{PIXELS}, not complex128 [2, 8, 8, 1]"),
        (np.zeros((2, 8, 8, 1), np.longdouble), f"{PIXELS}, not float128 [2, 8, 8, 1]"),
    ],
)
def test_other_arrays(x, message):
    assert message in refused(x, None)


@pytest.mark.parametrize(("value", "text"), [(np.nan, "nan"), (-np.inf, "-inf"), (1e31, "1e+31")])
def test_values_that_are_no_numbers_are_found(value, text):
    x = np.zeros((600, 4, 3))
    x[517, 2, 1] = value
    assert (
        refused(x, None) == f"x must be finite, within 1e+30, but x[517, 0, 2, 1] as [N, H, W, C] is {text}"
    )


@pytest.mark.parametrize(
    ("y", "wanted"),
    [
        (np.array([[2], [0], [1]]), [2, 0, 1]),
        (np.array([[1], [0], [1]], np.float32), [1, 0, 1]),
        (np.eye(4, dtype=np.int32)[[3, 0, 2]], [3, 0, 2]),
        (np.eye(4, dtype=np.float64)[[3, 0, 2]], [3, 0, 2]),
        (np.eye(4, dtype=bool)[[3, 0, 2]], [3, 0, 2]),
        (np.eye(2, dtype=np.uint8)[[1, 0, 1]], [1, 0, 1]),
    ],
)
def test_labels_in_columns_and_one_hot(y, wanted):
    labels = from_arrays(BYTES[:3], y, where=" in f").labels
    assert labels.dtype == np.int64
    assert labels.tolist() == wanted


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.full((3, 2), 0.5), "one-hot rows of one 1 and else 0, but row 0 is 0.5, 0.5"),
        (np.array([[1, 0], [1, 1], [0, 1]]), "but row 1 is 1, 1"),
        (np.array([[1, 0], [0, 1], [0, 0]]), "but row 2 is 0, 0"),
        (np.array([[1, 0], [0, 2], [0, 1]]), "but row 1 is 0, 2"),
        (np.eye(9)[[1, 2, 3]] * 2, "but row 0 is 0, 2, 0, 0, 0, 0, 0, 0, ..."),
        (np.array([[0.5], [1], [0]]), "y in f must be 3 integers from 0, not float64 [3, 1]"),
        (np.array([[-1], [1], [0]]), "y in f must be 3 integers from 0 to 1048575, not -1"),
        (np.eye(4), "y in f must be 3 integers from 0, not float64 [4, 4]"),
        (np.zeros((3, 0)), "y in f must be 3 integers from 0, not float64 [3, 0]"),
        (np.eye(3).astype(complex), "y in f must be 3 integers from 0, not complex128 [3, 3]"),
    ],
)
def test_labels_that_are_neither(y, message):
    assert message in refused(BYTES[:3], y, where=" in f")


@pytest.mark.parametrize(
    ("x", "channels", "shape", "hint"),
    [
        (
            *(BYTES.transpose(0, 3, 1, 2), 3, "3x5x4"),
            "it looks like [N, C, H, W]: give x.transpose(0, 2, 3, 1), which is [N, H, W, C]",
        ),
        (
            *(SIGNALS.transpose(0, 2, 1), 3, "1x3x16"),
            "it looks like [N, C, L]: give x.transpose(0, 2, 1), which is [N, L, C]",
        ),
        (
            *(BYTES[:, None, :, :, 0], 1, "1x5x4"),
            "images [N, 1, H, W] are x.transpose(0, 2, 3, 1), and grey images [N, H, W] are x[..., None]",
        ),
    ],
)
def test_channels_at_another_place(tmp_path, x, channels, shape, hint):
    path = tmp_path / "x.npz"
    np.savez(path, x=x)
    takes = f"the network takes {channels} channel{'s' * (channels > 1)}"
    said = f"is {shape} as height, width and channels, but {takes}; {hint}"
    with pytest.raises(ShiftbookError, match=re.escape(f"x in {path} {said}") + "$"):
        load(path, "all", channels=channels)
    with pytest.raises(ShiftbookError, match=re.escape(f"x {said}") + "$"):
        load(from_arrays(x, None), "all", channels=channels)
    assert len(load(path, "all")) == 10, "nothing is known of the network"


def test_a_shape_of_another_layout_is_told():
    dataset = Dataset(BYTES.transpose(0, 3, 1, 2), None)
    with pytest.raises(
        ShiftbookError, match=r"are 3x5x4, but the network takes 5x4x3; it looks like \[N, C, H"
    ):
        check_shape(dataset, (5, 4, 3))
