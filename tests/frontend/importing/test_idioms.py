"""What models are written like: wrappers, parametrizations, signals, outputs of any form."""

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

import shiftbook as sb
from shiftbook.frontend.importing.recording.read import read_model
from shiftbook.sim.driver import run_rtl
from tests.frontend.models import lively
from tests.sim.networks import SMALL

IMAGES = torch.randn(3, 3, 8, 8, generator=torch.Generator().manual_seed(3))


def body(**changes):
    parts = {
        "conv": nn.Conv2d(3, 6, 3, padding=1),
        "norm": nn.BatchNorm2d(6),
        "relu": nn.ReLU(),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flat": nn.Flatten(),
        "head": nn.Linear(6, 4),
    }
    return lively(nn.Sequential()) if not parts else named(parts | changes)


def named(parts):
    model = nn.Sequential()
    for name, part in parts.items():
        model.add_module(name, part)
    return lively(model)


def same(model, *, outputs=None, images=IMAGES):
    """The graph computes what the model does."""
    graph = read_model(model, tuple(images.shape[1:]))
    with torch.no_grad():
        wanted = model(images) if outputs is None else outputs(model(images))
        torch.testing.assert_close(graph(images), wanted, rtol=1e-4, atol=1e-5)
    return graph


class Own(nn.Module):
    """A body and a forward of one's own."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function, self.body = function, body()
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x, labels=None, *, scale=1.0, **options):
        return self.function(self, x)


@dataclasses.dataclass
class Answer:
    logits: torch.Tensor
    loss: object = None


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda m: nn.Sequential(m), lambda m: nn.DataParallel(m)])
def test_wrappers(wrap):
    graph = same(wrap(body()))
    assert any(node.name.endswith("conv") for node in graph.nodes)


def test_a_compiled_model_is_read_as_what_it_was_made_of():
    class Compiled(nn.Module):
        """As `torch.compile` returns it, which takes seconds to import."""

        def __init__(self, model):
            super().__init__()
            self._orig_mod = model

    graph = read_model(Compiled(body()), (3, 8, 8))
    assert graph.nodes[0].name == "conv"


@pytest.mark.parametrize(
    "change",
    [
        parametrizations.weight_norm,
        weight_norm,
        parametrizations.spectral_norm,
        spectral_norm,
        parametrizations.orthogonal,
    ],
)
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_parametrizations(change):
    model = body()
    change(model.conv)
    model.eval()
    graph = same(model)
    assert graph.nodes[0].name == "conv"
    assert next(name for name, _ in graph.named_parameters()) == "conv.weight"


@pytest.mark.parametrize("change", [parametrizations.weight_norm, weight_norm])
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_users_own_model_stays_as_it_was(change):
    model = body()
    change(model.conv)
    before = model.eval()(IMAGES)
    x = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    sb.compress(model, (x, np.arange(20) % 4), scheme="int8")
    assert torch.equal(model(IMAGES), before)
    assert hasattr(model.conv, "parametrizations") or hasattr(model.conv, "weight_g")


def test_zeros_of_a_pruned_network_stay_zero():
    model = body()
    prune.l1_unstructured(model.conv, "weight", amount=0.5)
    graph = same(model)
    assert int((graph.operation("conv").weight == 0).sum()) == 3 * 6 * 9 // 2
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    for scheme in ("int8", "shift", "focused"):
        checkpoint = sb.compress(model, (x, np.arange(40) % 4), scheme=scheme, density=1.0)
        zeros = (checkpoint.network.nodes[0].weights.integers == 0).mean()
        assert zeros >= 0.5, scheme


def test_lazy_modules_take_their_shapes():
    model = nn.Sequential(
        nn.LazyConv2d(6, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(4)
    )
    same(model)


@pytest.mark.parametrize(
    "outputs", [lambda y: (y,), lambda y: [y], lambda y: {"out": y}, lambda y: Answer(y), lambda y: (y, None)]
)
def test_the_only_tensor_of_what_is_returned_counts(outputs):
    read_model(Own(lambda m, x: outputs(m.body(x))), (3, 8, 8))


@pytest.mark.parametrize(
    "function",
    [
        lambda m, x: m.body(x) if x.size(1) == 3 else m.body(x[:, :3]),
        lambda m, x: functional.dropout(m.body(x), training=m.training),
        lambda m, x: m.body(x.to(torch.float32).contiguous(memory_format=torch.channels_last)),
        lambda m, x: m.body(x.clone().detach()),
        lambda m, x: m.body(x + 0 * torch.zeros_like(x)),
        lambda m, x: m.body(torch.stack(x.unbind(1), 1)),
        lambda m, x: m.body(x.flip(-1).flip(-1)),
        lambda m, x: torch.inference_mode()(m.body)(x),
        lambda m, x: m.body(x)[:, [2, 0, 1]],
        lambda m, x: m.body(x)[:, torch.tensor([True, False, True, True])],
        lambda m, x: m.body(x).gather(1, torch.tensor([[1, 3]]).expand(len(x), 2)),
        lambda m, x: m.body(functional.interpolate(x, x.shape[-2:])),
        lambda m, x: m.body.head(torch.einsum("nchw->nc", m.body.relu(m.body.norm(m.body.conv(x))))),
    ],
)
def test_forwards_of_ones_own(function):
    model = Own(function).eval()
    graph = read_model(model, (3, 8, 8))
    with torch.no_grad():
        torch.testing.assert_close(graph(IMAGES), model(IMAGES), rtol=1e-4, atol=1e-5)


def test_in_place_operations_are_followed():
    def function(m, x):
        y = m.body.conv(x)
        y += 1
        functional.relu_(y)
        z = y[:, :3]
        z.mul_(2)
        return m.small(z).flatten(1)

    same(Own(function, small=nn.Conv2d(3, 2, 8)).eval())


def test_a_tensor_that_changes_behind_a_view_is_told():
    def function(m, x):
        y = m.body.conv(x)
        part = y[:, :3]
        y.relu_()
        return m.small(part).flatten(1)

    with pytest.raises(sb.ShiftbookError, match="a tensor that was changed through another view of it at"):
        read_model(Own(function, small=nn.Conv2d(3, 2, 8)), (3, 8, 8))


def signal_network():
    return lively(
        nn.Sequential(
            nn.Conv1d(2, 8, 5, padding=2),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(8, 6, 3, groups=2),
            nn.ReLU(),
            nn.AvgPool1d(2),
            nn.AdaptiveAvgPool1d(1),
            nn.Flatten(),
            nn.Linear(6, 3),
        )
    )


def test_signals_are_maps_of_height_one():
    model = signal_network()
    graph = read_model(model, (2, 1, 32))
    x = torch.randn(4, 2, 32, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(graph(x[:, :, None]), model(x), rtol=1e-4, atol=1e-5)
    assert all(len(node.shape) == 1 or node.shape[1] == 1 for node in graph.nodes)


class Longer(nn.Module):
    """Everything that makes signals longer."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv1d(2, 6, 15, padding=7)
        self.twice = nn.ConvTranspose1d(6, 4, 4, stride=2, padding=1)
        self.thrice = nn.ConvTranspose1d(4, 3, 3, stride=3)
        self.last = nn.Conv1d(3, 2, 3, padding=1, padding_mode="replicate")

    def forward(self, x):
        x = functional.interpolate(torch.relu(self.first(x)), scale_factor=2)
        x = functional.interpolate(x, scale_factor=0.75, mode="linear", align_corners=False)
        x = functional.interpolate(x, 19, mode="nearest-exact")
        x = torch.relu(self.thrice(torch.relu(self.twice(x))))
        return self.last(functional.pad(x, (3, 4), mode="reflect"))


def test_signals_that_grow():
    torch.manual_seed(0)
    signals = torch.randn(3, 2, 1, 16)
    model = Longer().eval()
    graph = read_model(model, (2, 1, 16))
    assert torch.allclose(graph(signals).reshape(3, 2, -1), model(signals[:, :, 0]), atol=1e-5)
    x = np.random.default_rng(0).integers(0, 256, (20, 1, 16, 2), np.uint8)
    checkpoint = sb.compress(model, (x, None), scheme="int8", slots=SMALL.slots)
    result = run_rtl(checkpoint.network, x, SMALL, limit=1, pauses=0.2)
    assert result.outputs.shape == (1, 121 * 2)


def test_a_network_of_signals_runs_on_the_accelerator():
    x = np.random.default_rng(0).normal(size=(40, 32, 2)).astype(np.float32)
    checkpoint = sb.compress(signal_network(), (x, np.arange(40) % 3), scheme="int8")
    assert checkpoint.simulate(x[:2], engine="shift").mismatches == 0


def test_features_go_into_a_fully_connected_network():
    model = lively(nn.Sequential(nn.Linear(20, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3)))
    graph = read_model(model, (1, 1, 20))
    x = torch.randn(4, 20, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(graph(x[:, None, None]), model(x), rtol=1e-4, atol=1e-5)


TUTORIALS = {
    "mlp": (
        nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10)),
        (28, 28, 1),
    ),
    "two convolutions": (
        nn.Sequential(
            nn.Conv2d(1, 8, 3),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Dropout2d(0.25),
            nn.Flatten(),
            nn.Linear(16 * 144, 32),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(32, 10),
            nn.LogSoftmax(1),
        ),
        (28, 28, 1),
    ),
    "LeNet": (
        nn.Sequential(
            nn.Conv2d(1, 6, 5, padding=2),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(),
            nn.AvgPool2d(2),
            nn.Flatten(),
            nn.Linear(400, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, 10),
        ),
        (28, 28, 1),
    ),
    "AlexNet, thin": (
        nn.Sequential(
            nn.Conv2d(3, 8, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Conv2d(8, 12, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
            nn.Flatten(),
            nn.Linear(12 * 9, 10),
        ),
        (67, 67, 3),
    ),
}


@pytest.mark.parametrize("name", TUTORIALS)
def test_networks_of_tutorials_compress(name):
    model, shape = TUTORIALS[name]
    torch.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8)
    checkpoint = sb.compress(
        lively(model), images, scheme="int8", mean=[0.5] * shape[2], std=[0.25] * shape[2]
    )
    real = torch.from_numpy((images / 255 - 0.5) / 0.25).float().permute(0, 3, 1, 2)
    with torch.no_grad():
        wanted = model(real).numpy()
    got = checkpoint.run(images).scores.reshape(wanted.shape)
    # 2,304 inputs of a fully connected layer make its 24-bit sums coarser than the others'.
    assert np.corrcoef(wanted.ravel(), got.ravel())[0, 1] > (0.95 if name == "two convolutions" else 0.99)


@pytest.mark.parametrize(
    "part",
    [
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        nn.AvgPool2d(3, ceil_mode=True),
        nn.AdaptiveAvgPool2d((3, 5)),
        nn.ConvTranspose2d(6, 4, 3, 2, 1, 1),
        nn.Conv2d(6, 4, 3, padding=1, padding_mode="reflect"),
        nn.Conv2d(6, 4, 3, padding=1, padding_mode="replicate"),
        nn.Upsample(scale_factor=2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.PixelUnshuffle(2),
        nn.Sequential(nn.Conv2d(6, 8, 1), nn.PixelShuffle(2)),
        nn.PReLU(6),
        nn.LeakyReLU(0.2),
        nn.SiLU(),
        nn.GELU(),
        nn.Hardswish(),
        nn.Mish(),
        nn.ELU(),
        nn.AdaptiveMaxPool2d(2),
    ],
)
def test_operators_go_in_that_do_not_run_yet(part):
    graph = same(lively(nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), part)))
    assert len(graph.nodes) >= 2
