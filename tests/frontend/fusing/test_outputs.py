"""Networks that give maps, or several tensors."""

import numpy as np
from torch import nn
from torch.nn import functional

from shiftbook.frontend.fusing.operators.interleave import InterleaveLayer
from shiftbook.golden.model import executor
from shiftbook.golden.model.validate import class_count
from shiftbook.golden.program.header import address_map, addresses
from shiftbook.golden.program.image import build
from shiftbook.golden.storage.checkpoint import load, save
from shiftbook.sim.driver import run_rtl
from tests.frontend.lowering.checking import check_layers, lowered, random_images
from tests.sim.networks import SPECS


class Heads(nn.Module):
    """A pyramid of two levels, each with two heads, as detectors have it; takes [N, 3, H, W]."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.deep = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.lateral = nn.Conv2d(6, 8, 1)
        self.boxes = nn.Conv2d(8, 4, 3, padding=1)
        self.classes = nn.Conv2d(8, 5, 1)

    def forward(self, x):
        fine = self.stem(x).relu()
        coarse = self.deep(fine).relu()
        fine = self.lateral(fine) + functional.interpolate(coarse, scale_factor=2)
        return {"fine": (self.boxes(fine), self.classes(fine)), "coarse": (self.boxes(coarse), coarse)}


NAMES = ("boxes", "classes", "boxes@2", "deep")


def test_every_result_has_its_name():
    graph, network, scales, tensors = lowered(Heads(), (3, 16, 12))
    assert graph.results == network.outputs == network.results == NAMES
    assert class_count(network) is None
    check_layers(graph, network, scales, tensors)
    images = random_images(3, 16, 12, 3)
    result = executor.run(network, images)
    assert {name: tensor.shape for name, tensor in result.results.items()} == {
        "boxes": (3, 8, 6, 4),
        "classes": (3, 8, 6, 5),
        "boxes@2": (3, 4, 3, 4),
        "deep": (3, 4, 3, 8),
    }
    kept = executor.run(network, images, keep=True)
    assert all(np.array_equal(result.results[name], kept.tensors[name]) for name in NAMES)
    flat = np.concatenate([result.results[name].reshape(3, -1) for name in NAMES], axis=1)
    assert np.array_equal(result.outputs, flat)


def test_a_checkpoint_and_the_accelerator_keep_them(tmp_path):
    spec = SPECS["int8"]
    _, network, _, _ = lowered(Heads(), (3, 16, 12), spec=spec)
    save(network, tmp_path / "heads.ckpt", spec)
    network = load(tmp_path / "heads.ckpt")
    assert network.outputs == NAMES
    images = random_images(2, 16, 12, 3)
    result = run_rtl(network, images, spec, pauses=0.2)
    assert all(
        np.array_equal(result.results[name], executor.run(network, images).results[name]) for name in NAMES
    )
    built = build(network, spec)
    described = address_map(built)
    assert described["outputs"] == list(NAMES)
    named = {f"OUTPUT_{n}": described["tensors"][name]["offset"] for n, name in enumerate(NAMES)}
    assert {name: offset for name, (offset, _) in addresses(built).items() if name != "INPUT"} == named


class Segments(nn.Module):
    """One map; what is interleaved is a result too."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(3, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 2, 2, 2)

    def forward(self, x):
        return self.up(self.down(x).relu())


def test_one_map():
    spec = SPECS["int8"]
    graph, network, _, _ = lowered(Segments(), (3, 10, 14), spec=spec)
    assert network.outputs == ()
    assert (graph.results, graph.classes, class_count(network)) == (("up",), None, None)
    assert isinstance(graph.layers[-1], InterleaveLayer)
    images = random_images(2, 10, 14, 3)
    result = run_rtl(network, images, spec)
    assert result.results["up"].shape == (2, 10, 14, 2)
    assert set(addresses(build(network, spec))) == {"INPUT", "OUTPUT"}


def test_what_is_given_twice_is_kept_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 1)

        def forward(self, x):
            y = self.conv(x)
            return y, y.mean((2, 3)), y

    _, network, _, _ = lowered(Twice(), (3, 6, 6))
    assert network.outputs == ("conv", "mean")
