import numpy as np
import pytest
import torch

from shiftbook.frontend import zoo
from shiftbook.frontend.data.dataset import load
from shiftbook.frontend.zoo.resnet20 import ResNet20
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import quiet
from tests.frontend.models import layers_of


@pytest.fixture(scope="module")
def digits():
    return zoo.get("digits").train(0, quiet)


def test_digits_reach_97_percent(digits):
    test = load("digits", "test")
    x = torch.from_numpy(test.images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        predictions = digits(x).argmax(1).numpy()
    assert (predictions == test.labels).mean() >= 0.97  # measured 0.994


def test_digits_have_enough_weights_and_only_layers_of_the_engine(digits):
    graph = layers_of(digits, (1, 8, 8))
    convs = list(graph.convs())
    assert len(convs) == len(graph.layers), "no layer is left to the host"
    assert all(conv.residual is None and conv.groups == 1 for conv in convs)
    assert sum(conv.weight().numel() for conv in convs) == 71_824
    assert [conv.kernel for conv in convs] == [(3, 3)] * 5 + [(2, 2)]


def test_training_is_seeded_and_leaves_torch_alone(monkeypatch):
    monkeypatch.setattr(zoo.digits, "EPOCHS", 1)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (zoo.digits.train(seed, quiet).state_dict() for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["conv1.weight"], other["conv1.weight"])


def test_resnet20_has_the_usual_keys():
    model = ResNet20()
    keys = set(model.state_dict())
    assert {
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.conv1.weight",
        "layer3.2.bn2.bias",
        "linear.bias",
    } <= keys
    assert not [key for key in keys if "shortcut" in key], "option A shortcuts have no parameters"
    assert sum(p.numel() for p in model.parameters()) == 269_722
    assert {key.split(".")[0] for key in keys} == {"conv1", "bn1", "layer1", "layer2", "layer3", "linear"}


def test_shifted_moves_whole_pixels():
    images = torch.arange(2 * 64.0).reshape(2, 1, 8, 8)
    moved = {
        zoo.digits.shifted(images, torch.Generator().manual_seed(s))[0, 0, 4, 4].item() for s in range(60)
    }
    assert moved == {64 / 2 + 4 + 8 * y + x for y in (-1, 0, 1) for x in (-1, 0, 1)}


def test_unknown_name():
    with pytest.raises(ShiftbookError, match=r"the zoo has digits, resnet20, resnet18, .*, not 'vgg'"):
        zoo.get("vgg")
    assert np.isclose(zoo.get("resnet20").mean[0], 0.485)
