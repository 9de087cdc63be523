"""The part of a training step that a device computes."""

import copy
import math

import numpy as np
import pytest
import torch

from shiftbook.frontend.schemes import get
from shiftbook.frontend.training import recorded_step
from shiftbook.frontend.training.finetune import FineTuning
from shiftbook.frontend.training.float_training import FloatTraining
from shiftbook.frontend.training.layer_state import layer_states
from shiftbook.frontend.training.processes import Processes, own_device, repeatable
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.frontend.training.recorded_step import Figures, RecordedStep
from shiftbook.frontend.training.target import Target
from shiftbook.frontend.training.training import Training
from shiftbook.frontend.zoo.digits import Digits
from tests.frontend.models import lively

CPU = torch.device("cpu")
STEPS = 8

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="recording needs a GPU, and there is none")


def test_a_processor_calls_the_step_each_time():
    calls = []

    def step(value):
        calls.append(value)
        return (2 * value,)

    recorded = RecordedStep(step, CPU)
    for number in range(5):
        (found,) = recorded(torch.tensor(float(number)))
        assert found == 2 * number
    assert len(calls) == 5


@pytest.mark.parametrize("every", [1, 3, 64])
def test_figures_add_up_however_seldom_they_are_read(every):
    figures = Figures(CPU)
    figures.every = every
    assert math.isnan(figures.loss)
    assert figures.text() == ""
    same = torch.zeros(2)  # A replayed step gives the same tensor each time.
    for step in range(7):
        same.copy_(torch.tensor([float(step), 10.0]))
        figures.add(same)
    figures.read()
    assert (figures.loss, figures.hits, figures.steps) == (3.0, 70, 7)
    assert figures.infinite is None
    assert figures.text() == ", loss 3.000"


@pytest.mark.parametrize("every", [1, 4, 64])
def test_the_first_step_without_a_finite_loss_is_named(every):
    figures = Figures(CPU)
    figures.every = every
    for loss in (1.0, 2.0, math.inf, math.nan, 1.0):
        figures.add(torch.tensor([loss, 1.0]))
    figures.read()
    assert figures.infinite == (3, math.inf)


def trained(kind: str, device: torch.device) -> tuple[list[list[float]], torch.Tensor, RecordedStep]:
    """Losses and right answers of some steps, the weights after them, and what did the steps."""
    random = np.random.default_rng(0)
    images, labels = (
        random.integers(0, 256, (STEPS * 16, 8, 8, 1), np.uint8),
        random.integers(0, 10, STEPS * 16),
    )
    model, recipe = lively(Digits()), Recipe(rate=1e-3, bfloat16=False, batch=16)
    if kind == "float":
        run = FloatTraining(
            *(model, (images, labels), (0.5,), (0.25,), 1, 0, recipe, Processes(device)), copy.deepcopy(model)
        )
    else:
        layers = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Conv2d)]
        states = layer_states(model, layers, Target(scheme=get("focused")(), density=0.5))
        training = Training(data=(images, labels), mean=(0.5,), std=(0.25,), recipe=recipe)
        run = FineTuning(model, states, training, 0.5, 1)
    found = []
    with repeatable():
        for step in range(STEPS):
            part = slice(16 * step, 16 * step + 16)
            found.append(run.train_step(images[part], labels[part], 1e-3).tolist())
    weights = torch.cat([parameter.detach().cpu().flatten() for parameter in model.parameters()])
    return found, weights, run.forth_and_back


@gpu
@pytest.mark.parametrize("kind", ["float", "fine-tuning"])
def test_a_recorded_step_does_what_it_did(kind, monkeypatch):
    figures, weights, step = trained(kind, own_device())
    assert step.graph is not None
    monkeypatch.setattr(recorded_step, "WARM_UP", STEPS)
    wanted, others, called = trained(kind, own_device())
    assert called.graph is None
    assert figures == wanted
    assert torch.equal(weights, others)


@gpu
def test_a_step_that_looks_at_values_is_called_each_time():
    step = RecordedStep(lambda value: (value * float(value.sum()),), own_device())
    for number in range(1, 8):
        (found,) = step(torch.full((4,), float(number)))
        assert found.tolist() == [4.0 * number * number] * 4
    assert step.graph is None
