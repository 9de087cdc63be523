"""Post-training quantization, fine-tuning, and going on after an interruption."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from shiftbook.frontend.schemes import get
from shiftbook.frontend.training.finetune import FineTuning
from shiftbook.frontend.training.layer_state import layer_states, refresh
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.frontend.training.schedule import stage_at
from shiftbook.frontend.training.target import Target
from shiftbook.frontend.training.train import accuracy, quantize_weights, remeasure_batch_norm
from shiftbook.frontend.training.training import Training
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import quiet

NORMALIZE = {"mean": (0.5,), "std": (0.25,)}
LAYERS = ["conv1", "conv2", "linear"]


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.linear = nn.Linear(16, 2)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = torch.relu(self.bn2(self.conv2(x)))
        return self.linear(x.mean((2, 3)))


@pytest.fixture
def data():
    """Stripes lie or stand: 192 images of 8x8 pixels."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, 192)
    stripes = 100 * (np.arange(8) // 2 % 2)
    base = np.where(labels[:, None, None] == 1, stripes[None, None, :], stripes[None, :, None])
    images = (base + random.integers(0, 100, (192, 8, 8))).astype(np.uint8)[..., None]
    return images, labels


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Tiny()


def recipe(**changes):
    return Recipe(**({"batch": 32, "prune_every": 2, "refresh_first": 2, "bfloat16": False} | changes))


def training(data=None, **changes):
    return Training(**({"data": data, "recipe": recipe(), **NORMALIZE} | changes))


def compress(model, data, density=0.4, epochs=3, uniform=(), validation=None, progress=quiet, **changes):
    target = Target(scheme=get("focused")(), density=density, uniform=uniform)
    more = {"epochs": epochs, "validation": validation, "progress": progress}
    return quantize_weights(model, LAYERS, target, training(data, **changes), **more)


def test_post_training_leaves_the_quantized_weights_in_the_model(model):
    target = Target(scheme=get("focused")(), density=0.3, uniform={"conv1", "linear"})
    results = quantize_weights(model, LAYERS, target)
    assert list(results) == LAYERS
    for name, result in results.items():
        weight = model.get_submodule(name).weight.detach()
        assert torch.equal(weight, result.real().reshape(weight.shape))
    assert results["conv1"].scheme == results["linear"].scheme == "int8"
    assert np.count_nonzero(results["conv2"].integers) == pytest.approx(0.3 * 8 * 16 * 9, abs=1)


def test_every_scheme_can_be_pruned(model):
    for name in ("int8", "shift", "focused"):
        result = quantize_weights(copy.deepcopy(model), ["conv2"], Target(scheme=get(name)(), density=0.3))
        assert np.mean(result["conv2"].integers != 0) == pytest.approx(0.3, abs=0.01)


def test_fine_tuning_learns_and_ends_quantized(model, data, tmp_path):
    log = tmp_path / "log.jsonl"
    results = compress(model, data, epochs=5, log=log, validation=data, uniform={"conv1"})
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2, 3, 4, 5]
    assert records[-1]["quantized"] == 1
    assert records[-1]["density"] == pytest.approx(0.4, abs=0.002)
    assert records[-1]["validation_accuracy"] > 0.95
    assert accuracy(model, data, **NORMALIZE) > 0.95
    for name, result in results.items():
        weight = model.get_submodule(name).weight.detach()
        assert torch.equal(weight, result.real().reshape(weight.shape))
    assert set(np.abs(results["conv2"].codebook).tolist()) <= {0, 8, 12, 14, 15, 16, 17, 18, 20, 24}


def test_more_and_more_weights_are_quantized():
    shares = [stage_at(step / 1000, 0.2, 0.4).quantized for step in range(1000)]
    assert shares == sorted(shares)
    assert set(shares) == {0.0, 0.25, 0.5, 0.75, 0.875, 1.0}
    assert shares.count(0.0) == 400
    assert stage_at(0.0, 1.0, 0.4).quantized == 0.25


def test_density_falls_to_its_target_while_pruning():
    stages = [stage_at(step / 1000, 0.2, 0.4) for step in range(400)]
    assert all(stage.pruning for stage in stages)
    assert stages[0].density == 1
    assert [stage.density for stage in stages[250:]] == [0.2] * 150
    assert stages[120].density == pytest.approx(0.2 + 0.8 / 8)  # Halfway down the ramp; its shape is cubic.


def test_late_in_training_grids_change_by_learning_alone(model, data):
    states = layer_states(model, LAYERS, Target(scheme=get("shift")()))
    run = FineTuning(model, states, training(data, recipe=recipe(refresh_first=1)), 0.4, 10)
    fits, scales = [], []
    for _ in range(run.epochs):
        run.run_epoch(lambda what, done, total: None)
        fits.append(states["conv2"].fits)
        scales.append(float(states["linear"].alpha.detach()))
    # Of 60 steps 36 quantize, 0.6 of which are over in the eighth epoch.
    assert fits[3] == 0 < fits[4] < fits[7] == fits[8] == fits[9]
    assert scales[7] != scales[8]


def test_chosen_weights_stay_chosen_and_are_the_largest(model):
    state = layer_states(model, LAYERS, Target(scheme=get("shift")()))["conv2"]
    state.mask[0] = False
    state.choose(0.25)
    first = state.chosen.clone()
    assert int(first.sum()) == round(0.25 * int(state.mask.sum()))
    size = state.kernel.abs()
    assert size[first].min() >= size[state.mask & ~first].max()
    with torch.no_grad():
        state.weight.mul_(torch.rand_like(state.weight))
    state.choose(0.5)
    assert bool((state.chosen | ~first).all())
    state.choose(1.0)
    assert torch.equal(state.chosen, state.mask)


def test_gradients_go_straight_through(model):
    state = layer_states(model, LAYERS, Target(scheme=get("shift")()))["conv2"]
    state.mask[0] = False
    refresh([state], 0)
    state.choose(0.5)
    state.effective().sum().backward()
    assert torch.equal(state.weight.grad, torch.ones_like(state.weight))
    assert state.alpha.grad.item() == pytest.approx(state.effective().sum().item(), rel=1e-4)


def test_the_same_seed_gives_the_same_result(model, data):
    first = compress(copy.deepcopy(model), data, seed=3)
    second = compress(copy.deepcopy(model), data, seed=3)
    other = compress(copy.deepcopy(model), data, seed=4)
    assert all(np.array_equal(first[name].integers, second[name].integers) for name in LAYERS)
    assert all(first[name].step == second[name].step for name in LAYERS)
    assert any(not np.array_equal(first[name].integers, other[name].integers) for name in LAYERS)


@pytest.mark.parametrize("stop_after", [1, 4])
def test_going_on_gives_what_an_uninterrupted_run_gives(model, data, tmp_path, stop_after):
    class Stop(Exception):
        pass

    def interrupt(what, done, total):
        if what.startswith(f"epoch {stop_after + 1}/"):
            raise Stop

    target = Target(scheme=get("focused")(component="sampled"), density=0.4)
    path = tmp_path / "train.pt"
    # After the fourth epoch the grids in force are older than the epoch's end.
    given = training(data, recipe=recipe(refresh_first=3))
    kept = replace(given, state=path)
    whole, broken, resumed = (copy.deepcopy(model) for _ in range(3))
    expected = quantize_weights(whole, LAYERS, target, given, epochs=5)
    with pytest.raises(Stop):
        quantize_weights(broken, LAYERS, target, kept, epochs=5, progress=interrupt)
    assert list(tmp_path.iterdir()) == [path]
    got = quantize_weights(resumed, LAYERS, target, kept, epochs=5)
    pairs = zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    for name in LAYERS:
        assert np.array_equal(expected[name].integers, got[name].integers)
        assert expected[name].step == got[name].step


def test_a_state_of_another_run_is_refused(model, data, tmp_path):
    path = tmp_path / "train.pt"
    compress(copy.deepcopy(model), data, epochs=1, state=path)
    with pytest.raises(ShiftbookError, match=r"belongs to another run: its density is 0\.4, not 0\.5"):
        compress(model, data, epochs=1, density=0.5, state=path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 cut short"])
def test_a_damaged_state_is_refused(model, data, tmp_path, content):
    path = tmp_path / "train.pt"
    path.write_bytes(content)
    with pytest.raises(ShiftbookError, match="is not a training state that can be read"):
        compress(model, data, state=path)


def test_a_state_that_cannot_be_written(model, data, tmp_path):
    def fail(what, done, total):
        raise AssertionError("it must show before the first step")

    with pytest.raises(ShiftbookError, match="cannot write the training state"):
        compress(model, data, state=tmp_path / "missing" / "train.pt", progress=fail)


def test_divergence_is_one_line(model, data):
    with pytest.raises(ShiftbookError, match=r"training diverged: the loss is nan in epoch 1, step \d+; use"):
        compress(model, data, recipe=recipe(rate=1e30))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(model, bad):
    with torch.no_grad():
        model.conv2.weight[0, 0, 0, 0] = bad
    with pytest.raises(ShiftbookError, match="the weights of conv2 must be finite"):
        quantize_weights(model, LAYERS, Target(scheme=get("int8")()))


@pytest.mark.parametrize("images", [0, 1])
def test_training_needs_data(model, data, images):
    few = (data[0][:images], data[1][:images]) if images else None
    with pytest.raises(ShiftbookError, match=f"for 2 epochs needs 2 labelled images or more, not {images}"):
        quantize_weights(model, LAYERS, Target(scheme=get("int8")()), training(few), epochs=2)


def test_negative_epochs(model):
    with pytest.raises(ShiftbookError, match="epochs must be 0 or more, not -1"):
        quantize_weights(model, LAYERS, Target(scheme=get("int8")()), epochs=-1)


def test_batch_norm_is_measured_with_the_quantized_weights(model, data):
    other = copy.deepcopy(model)
    model.bn1.running_mean.fill_(99)
    model.bn1.num_batches_tracked.fill_(1000)
    quantize_weights(model, LAYERS, Target(scheme=get("shift")(bits=3)))
    remeasure_batch_norm(model, data[0], **NORMALIZE, seed=0, flip=False)
    quantize_weights(other, LAYERS, Target(scheme=get("shift")(bits=3)))
    images = torch.from_numpy(data[0]).permute(0, 3, 1, 2) / 255
    seen = model.conv1((images - 0.5) / 0.25).mean((0, 2, 3))
    # Shifting an image by a pixel hardly changes a mean over all of it.
    assert (model.bn1.running_mean - seen).abs().max() < 0.15 * seen.abs().max()
    assert torch.equal(other.bn1.running_mean, torch.zeros(8))


def test_fine_tuning_works_on_one_small_batch(model, data):
    few = (data[0][:5], data[1][:5])
    states = layer_states(model, LAYERS, Target(scheme=get("shift")()))
    run = FineTuning(model, states, training(few), 1.0, 1)
    assert run.run_epoch(lambda what, done, total: None)["quantized"] == 0.25
