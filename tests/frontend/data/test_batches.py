"""Batches of raw images for training."""

import numpy as np
import pytest
import torch
from torch import nn

from shiftbook.frontend.data.batches import augment, batch_count, batch_size, batches, normalize
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.post_training.calibrate import calibrate
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.frontend.training.train import accuracy
from tests.frontend.models import layers_of


def images(count=50, shape=(16, 8, 3)):
    return np.random.default_rng(0).integers(0, 256, (count, *shape)).astype(np.uint8)


def test_normalize():
    x = images()
    got = normalize(x, (0.5, 0.4, 0.3), (0.1, 0.2, 0.25))
    expected = (x / 255 - [0.5, 0.4, 0.3]) / [0.1, 0.2, 0.25]
    assert got.shape == (50, 3, 16, 8)
    assert got.dtype == torch.float32
    assert np.allclose(got.permute(0, 2, 3, 1).numpy(), expected, atol=1e-5)


def test_augmented_images_are_shifted_and_mirrored_originals():
    x = images()
    mean = (0.5, 0.4, 0.3)
    got = augment(x, mean, True, np.random.default_rng(1))
    border = np.round(255 * np.asarray(mean))
    seen = set()
    for before, after in zip(x, got, strict=True):
        padded = np.tile(border.astype(np.uint8), (20, 10, 1))
        padded[2:18, 1:9] = before
        matches = [
            (top, left, mirrored)
            for top in range(5)
            for left in range(3)
            for mirrored in (False, True)
            if np.array_equal(after, _view(padded, before, top, left, mirrored))
        ]
        assert len(matches) == 1
        seen.add(matches[0])
    assert {top for top, _, _ in seen} == set(range(5))
    assert {left for _, left, _ in seen} == set(range(3))
    assert {mirrored for _, _, mirrored in seen} == {False, True}


def _view(padded, before, top, left, mirrored):
    view = padded[top : top + 16, left : left + 8]
    return view[:, ::-1] if mirrored else view


def test_without_flip_nothing_is_mirrored():
    x = np.zeros((40, 4, 4, 1), np.uint8)  # Too small to be shifted.
    x[:, :, 0] = 1
    assert np.array_equal(augment(x, (0.0,), False, np.random.default_rng(0)), x)
    assert not np.array_equal(augment(x, (0.0,), True, np.random.default_rng(0)), x)


def test_only_colour_images_are_mirrored_unless_told():
    colour, grey = images(1), images(1, (8, 8, 1))
    assert Recipe().mirrors(colour)
    assert not Recipe().mirrors(grey)
    assert Recipe(flip=True).mirrors(grey)
    assert not Recipe(flip=False).mirrors(colour)


def test_batches_are_shuffled_whole_and_without_repetition():
    x = images(50)
    y = np.arange(50)
    got = list(batches(x, y, 16, np.random.default_rng(0)))
    assert len(got) == batch_count(50, 16) == 3
    labels = np.concatenate([part for _, part in got])
    assert len(set(labels.tolist())) == 48
    assert labels.tolist() != sorted(labels.tolist())
    assert all(np.array_equal(part, x[chosen]) for part, chosen in got)


def test_fewer_images_than_a_batch_are_one_batch():
    x = images(5)
    assert batch_count(5, 16) == 1
    assert [len(part) for part, _ in batches(x, np.arange(5), 16, np.random.default_rng(0))] == [5]


@pytest.mark.parametrize(
    ("height", "width", "most", "size"),
    [(32, 32, 100, 100), (32, 32, 1024, 256), (8, 8, 5, 5), (224, 224, 256, 5), (2000, 1000, 9, 1)],
)
def test_large_images_go_in_small_batches(height, width, most, size):
    assert batch_size(height, width, most) == size


def test_calibration_and_accuracy_run_large_images_one_at_a_time(monkeypatch):
    model = nn.Sequential(nn.Conv2d(1, 2, 3, 32), nn.AdaptiveAvgPool2d(1), nn.Flatten()).eval()
    graph = layers_of(model, (1, 512, 512))
    seen = []
    monkeypatch.setattr(
        graph, "run", lambda x, observe: seen.append(len(x)) or LayerGraph.run(graph, x, observe)
    )
    model[0].register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    large = images(3, (512, 512, 1))
    calibrate(graph, normalize(large, (0.5,), (0.5,)))
    accuracy(model, (large, np.zeros(3, np.int64)), (0.5,), (0.5,))
    assert seen == [1] * 9, "three images in each of two passes, and three more"


def test_signals_are_not_mirrored_and_their_border_is_a_byte():
    recipe = Recipe()
    assert recipe.mirrors(np.zeros((1, 2, 8, 3), np.uint8))
    assert not recipe.mirrors(np.zeros((1, 1, 8, 3), np.uint8))
    shifted = augment(np.full((40, 1, 16, 1), 255, np.uint8), [255.5 / 255], False, np.random.default_rng(0))
    assert (shifted == 255).all()
