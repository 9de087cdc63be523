"""A decomposed network all the way to integers."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from shiftbook.frontend.compress import compress
from shiftbook.frontend.data.dataset import load as load_data
from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.options.data import DataOptions
from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.frontend.tensor_train import saved_cores
from shiftbook.frontend.tensor_train.chain import chains
from shiftbook.frontend.tensor_train.choose import choose
from shiftbook.frontend.tensor_train.equalize import equalize_channels
from shiftbook.frontend.tensor_train.modes import modes_for
from shiftbook.frontend.tensor_train.network import assemble, facts_of, turn_gains
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.mapping.legality import recode
from shiftbook.golden.model import executor
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.statistics.decomposed import decomposed_layers
from shiftbook.golden.statistics.sizes import layer_sizes
from shiftbook.golden.storage.checkpoint import load
from shiftbook.sim.driver import run_rtl
from tests.frontend.lowering.checking import check_layers, lowered
from tests.frontend.models import graph_of, layers_of, lively
from tests.sim.networks import SPECS


def plain():
    model = lively(
        nn.Sequential(
            nn.Conv2d(2, 8, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(8, 12, 3, padding=1, stride=2, bias=False),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 8, (3, 1), padding=(1, 0)),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(8 * 16, 5),
        )
    )
    return graph_of(model, (2, 8, 8))


TRAINS = {"2": ((3, 4), (2, 4), (4, 7, 6, 4)), "5": (None, None, (5, 6))}


def decomposed(model=None):
    model = model or plain()
    graph = layers_of(model, (2, 8, 8))
    trains = {
        path: (modes_for(model.get_submodule(path).weight, outputs, inputs), ranks)
        for path, (outputs, inputs, ranks) in TRAINS.items()
    }
    turn_gains(graph, list(trains))
    assemble(model, trains)
    return model


def images(seed=0):
    return torch.randn(6, 2, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_turning_gains_changes_nothing_else():
    model = plain()
    before = model(images())
    assert (model.get_submodule("3").weight < 0).any()
    turn_gains(layers_of(model, (2, 8, 8)), ["2", "5"])
    assert (model.get_submodule("3").weight >= 0).all()
    assert torch.allclose(model(images()), before, atol=1e-5)


def test_equal_channels_compute_the_same_and_reach_equally_far():
    model = decomposed()
    before, reach = model(images()), {}
    equalize_channels(model, layers_of(model, (2, 8, 8)), images())
    assert torch.allclose(model(images()), before, atol=1e-4)
    layers_of(model, (2, 8, 8)).run(
        images(), lambda name, x: reach.update({name: x.abs().amax(dim=(0, 2, 3))})
    )
    for name, rank in (("2.in2", 4), ("2.in1", 6), ("2.taps", 7), ("2.out1", 4), ("5.in1", 6), ("5.taps", 5)):
        largest = reach[name].reshape(-1, rank).amax(dim=0)
        assert torch.allclose(largest, largest.mean().expand(rank), rtol=1e-3), name


@pytest.mark.parametrize("scheme", ["int8", "shift"])
def test_chains_become_layers_that_share_weights(scheme):
    graph, network, scales, tensors = lowered(decomposed(), (2, 8, 8), scheme, drawn=False)
    nodes = {node.name: node for node in network.nodes if isinstance(node, Conv)}
    assert list(nodes) == [
        "0",
        "2.in2",
        "2.in1",
        "2.taps",
        "2.out1",
        "2.out2",
        "5.in1",
        "5.taps",
        "5.out1",
        "8",
    ]
    assert [nodes[name].copies for name in ("2.in2", "2.in1", "2.out1", "2.out2")] == [2, 1, 1, 3]
    assert nodes["2.taps"].stride == (2, 2)
    check_layers(graph, network, scales, tensors)


def test_facts_name_the_layers_of_each_chain():
    model = decomposed()
    facts = facts_of(model, layers_of(model, (2, 8, 8)))
    assert json.loads(json.dumps(facts)) == {
        "2": {
            "nodes": ["2.in2", "2.in1", "2.taps", "2.out1", "2.out2"],
            "shape": [12, 8, 3, 3],
            "modes": [4, 3, 9, 2, 4],
            "ranks": [4, 7, 6, 4],
        },
        "5": {
            "nodes": ["5.in1", "5.taps", "5.out1"],
            "shape": [8, 12, 3, 1],
            "modes": [8, 3, 12],
            "ranks": [5, 6],
        },
    }


def test_kept_cores_are_the_same_network(tmp_path):
    model, file = decomposed(), tmp_path / "cores.safetensors"
    saved_cores.save(model, file, {"trained": True})
    other = plain()
    assert saved_cores.restore(other, file) == {"trained": True}
    assert torch.equal(other(images()), model(images()))
    assert list(chains(other)) == ["2", "5"]


def test_other_files_are_no_kept_cores(tmp_path):
    file = tmp_path / "cores.safetensors"
    saved_cores.save(decomposed(), file, {})
    with pytest.raises(ShiftbookError, match="is of another network: it has cores of '2'"):
        saved_cores.restore(nn.Sequential(nn.Linear(2, 2)), file)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(ShiftbookError, match="cannot read the trained cores"):
        saved_cores.restore(plain(), file)


@pytest.fixture(scope="module")
def digits():
    """A network that was trained for a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shiftbook.frontend.zoo.digits.EPOCHS", 3)
        return load_model("zoo:digits").model


def test_digits_from_training_to_integers(digits, tmp_path, monkeypatch):
    weights = tmp_path / "digits.pt"
    torch.save(digits.state_dict(), weights)
    cores, log = tmp_path / "cores.safetensors", tmp_path / "log"
    kept = Plan(keep_cores=cores)
    plan = replace(kept, ratio=2.5, factors={64: (8, 8), 32: (4, 8)}, admm_epochs=1, core_epochs=1)
    options = {"weights": weights, "data": DataOptions(images="digits")}
    dense = CompressionOptions(scheme="int8")
    logged = TrainingOptions(log=log)
    report = compress(
        "zoo:digits", tmp_path / "a.ckpt", **options, compression=dense, tensor_train=plan, training=logged
    )
    assert report.accuracy > 0.8
    assert [json.loads(line)["stage"] for line in log.read_text().splitlines()] == ["admm", "cores"]
    network = load(tmp_path / "a.ckpt")
    found = decomposed_layers(network, layer_sizes(network))
    assert {layer.name for layer in found} <= {"conv2", "conv3", "conv4", "conv5"}
    assert network.facts["cores_accuracy"] > 0.8
    # Again from the cores that were kept: nothing is trained, whatever the plan, and the same comes out.
    monkeypatch.setattr("shiftbook.frontend.tensor_train.decomposition.train_chains", None)
    compress("zoo:digits", tmp_path / "b.ckpt", **options, compression=dense, tensor_train=kept)
    assert (tmp_path / "a.ckpt").read_bytes() == (tmp_path / "b.ckpt").read_bytes()
    # With focused cores too; both on the accelerator, to the last integer.
    sparse = CompressionOptions(scheme="focused", density=0.5, uniform=())
    compress("zoo:digits", tmp_path / "c.ckpt", **options, compression=sparse, tensor_train=kept)
    images = load_data("digits", "test", limit=2).images
    for file, spec in (("a.ckpt", SPECS["int8"]), ("c.ckpt", SPECS["shift"])):
        recoded = recode(load(tmp_path / file), spec)
        assert any(isinstance(node, Conv) and node.copies > 1 for node in recoded.nodes)
        result = run_rtl(recoded, images, spec)
        assert np.array_equal(result.outputs, executor.run(recoded, images).outputs)


def test_the_phases_of_a_transposed_convolution_are_decomposed():
    torch.manual_seed(0)
    layers = (nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(8, 8, 4, 2, 1))
    model = graph_of(lively(nn.Sequential(*layers)), (2, 8, 8))
    trains = choose(layers_of(model, (2, 8, 8)), Plan(ratio=1.5))
    assert trains.keys() <= {f"2/phase{n}" for n in range(4)}
    assemble(model, trains)
    before = model(images())
    equalize_channels(model, layers_of(model, (2, 8, 8)), images())
    assert (model(images()) - before).abs().max() < 1e-4 * before.abs().max()
    graph = layers_of(model, (2, 8, 8))
    assert facts_of(model, graph).keys() == trains.keys()
