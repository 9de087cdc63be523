"""ADMM and the training of cores: what they reach, and that they can be interrupted."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from shiftbook.frontend.tensor_train.admm import Admm
from shiftbook.frontend.tensor_train.chain import cores_of
from shiftbook.frontend.tensor_train.cores import CoreTraining
from shiftbook.frontend.tensor_train.decompose import project
from shiftbook.frontend.tensor_train.modes import modes_for
from shiftbook.frontend.tensor_train.network import assemble, states_of, train_chains
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.frontend.training.processes import Processes
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.frontend.training.training import Training
from shiftbook.golden.errors import ShiftbookError

ALONE = Processes(torch.device("cpu"))
RECIPE = Recipe(rate=0.05, batch=16, bfloat16=False)


def data(count=96):
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, count)
    images = random.integers(0, 90, (count, 8, 8, 1), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 * label : 2 * label + 3] += 120
    return images, labels


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, padding=1, stride=2),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12 * 16, 3),
    )


def trains(model):
    return {"3": (modes_for(model[3].weight), (3, 2))}


def admm(model, epochs=3, rho=None, updates=2, images=None, recipe=RECIPE):
    options = {"trains": trains(model), "rho": rho, "updates": updates}
    return Admm(model, images or data(), (0.5,), (0.5,), epochs, 0, recipe, ALONE, **options)


def training_with(data, **files):
    return Training(data=data, mean=(0.5,), std=(0.5,), recipe=RECIPE, **files)


def found(model, state=None, log=None, progress=lambda *_: None):
    """The cores after two epochs each of ADMM and of the chain."""
    plan = Plan(ratio=2.0, admm_epochs=2, core_epochs=2, updates=2)
    training = training_with(data(), state=state, log=log)
    train_chains(model, trains(model), plan, training, ALONE, progress)
    return cores_of(model[3])


def core_training(model, epochs=2):
    """A training of the chain that takes the place of a network's layer."""
    assemble(model, trains(model))
    return CoreTraining(model, data(), (0.5,), (0.5,), epochs, 0, RECIPE, ALONE)


def test_admm_brings_weights_to_low_rank_and_teaches_them(tmp_path):
    model, log = network(), tmp_path / "log"
    weight = model[3].weight.detach()
    before = float((project(weight, *trains(model)["3"]) - weight).norm() / weight.norm())
    admm(model, epochs=6, recipe=replace(RECIPE, batch=2)).go(log=log)
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2, 3, 4, 5, 6]
    assert records[-1]["relative_distance"] < 0.1 * before
    assert records[-1]["accuracy"] > records[0]["accuracy"]
    assert {"stage", "loss", "distance", "rate", "seconds"} <= set(records[0])
    weight = model[3].weight.detach()
    apart = float((project(weight, *trains(model)["3"]) - weight).norm() / weight.norm())
    assert apart <= records[-1]["relative_distance"]


def test_targets_and_duals_are_those_of_the_paper():
    model = network()
    drawn = admm(model).drawn["3"]
    drawn.weight.data += 0.1 * torch.randn(drawn.weight.shape)
    u, w = drawn.u.clone(), drawn.weight.detach().clone()
    drawn.update()
    assert torch.equal(drawn.z, project(w + u, drawn.modes, drawn.ranks))
    assert torch.allclose(drawn.u, u + w - drawn.z)


def test_targets_are_updated_as_often_as_asked():
    run, count = admm(network(), epochs=1, updates=2, recipe=replace(RECIPE, batch=2)), 0

    def update():
        nonlocal count
        count += 1

    run.drawn["3"].update = update
    run.go()
    assert (run.steps_per_epoch, count) == (48, 2)


def test_all_of_a_network_and_its_cores_are_trained():
    model = network()
    run = core_training(model)
    before = {name: value.clone() for name, value in model.named_parameters()}
    run.go()
    assert [tuple(core.shape) for core in cores_of(model[3])] == [(1, 12, 3), (3, 9, 2), (2, 8, 1)]
    del before["3.out1.bias"]  # Batch norm takes it away again: it has no gradient.
    for name, value in before.items():
        assert (model.get_parameter(name) - value).abs().max() > 1e-3, name


@pytest.mark.parametrize("stop", [4, 9, 15, 21])
def test_interrupted_training_resumes_to_the_same_cores(tmp_path, stop):
    """Steps 1 to 12 are ADMM's and 13 to 24 the cores'; an epoch has 6."""
    whole = network()
    expected = found(whole)
    state, steps = tmp_path / "state", 0

    def interrupt(what, done, total):
        nonlocal steps
        steps += 1
        if steps == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found(network(), state, progress=interrupt)
    model = network()
    cores = found(model, state)
    assert all(torch.equal(a, b) for a, b in zip(cores, expected, strict=True))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name


def test_a_state_of_another_run_is_refused(tmp_path):
    state = tmp_path / "state"
    admm(network(), epochs=1).go(state=state)
    with pytest.raises(ShiftbookError, match="belongs to another run: its rho is"):
        admm(network(), epochs=1, rho=0.5).go(state=state)
    with pytest.raises(ShiftbookError, match="belongs to another run: its stage is admm, not cores"):
        core_training(network(), epochs=1).go(state=state)


def test_a_nan_in_training_is_one_line_and_leaves_no_state(tmp_path):
    model, state = network(), tmp_path / "state"
    run = admm(model)
    with torch.no_grad():
        run.drawn["3"].u[0, 0, 0, 0] = float("nan")
    with pytest.raises(ShiftbookError) as error:
        run.go(state=state)
    assert str(error.value).startswith("admm diverged: ")
    assert str(error.value).endswith("; use a learning rate below 0.05")
    assert not state.exists()


def test_training_needs_images():
    model = network()
    with pytest.raises(ShiftbookError, match="training for 3 epochs needs images to train on: give data"):
        train_chains(model, trains(model), Plan(admm_epochs=3), training_with(None), ALONE)


def test_states_have_names_of_their_own(tmp_path):
    assert [file.name for file in states_of(tmp_path / "x")] == ["x.admm", "x.cores"]


WORKER = """
import sys, torch
from shiftbook.frontend.training.processes import processes
from shiftbook.frontend.tensor_train.chain import cores_of
from shiftbook.frontend.tensor_train.network import train_chains
from shiftbook.frontend.tensor_train.plan import Plan
from tests.frontend.tensor_train.test_training import data, training_with, network, trains
torch.set_num_threads(1)
model = network()
with processes() as group:
    plan = Plan(ratio=2.0, admm_epochs=1, core_epochs=1, updates=2)
    train_chains(model, trains(model), plan, training_with(data()), group)
torch.save(cores_of(model[3]), f"{sys.argv[1]}.{group.rank}")
"""


@pytest.mark.slow
def test_processes_of_torchrun_stay_alike(tmp_path):
    """Two processes end with the same cores; they see other batch statistics than one alone."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # What torchrun sets; without it, because it takes longer to start than the training.
    together = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    environment = {**os.environ, **together, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(tmp_path / "out")]
    running = [
        subprocess.Popen(command, env={**environment, "RANK": rank, "LOCAL_RANK": rank}) for rank in "01"
    ]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    first, second = (torch.load(tmp_path / f"out.{rank}", weights_only=True) for rank in (0, 1))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
