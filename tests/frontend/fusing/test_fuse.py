import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.operators.pool import PoolLayer
from shiftbook.frontend.fusing.operators.subsample import SubsampleLayer
from shiftbook.frontend.graph.model import INPUT
from shiftbook.frontend.zoo.digits import Digits
from shiftbook.frontend.zoo.resnet20 import ResNet20
from shiftbook.golden.errors import ShiftbookError
from tests.frontend.models import Residual, layers_of, lively, small


class Wrapped(nn.Module):
    """A function of the image, with modules, in a submodule called ``part``."""

    def __init__(self, function, **modules):
        super().__init__()
        self.part = Part(function, modules)

    def forward(self, x):
        return self.part(x)


class Part(nn.Module):
    def __init__(self, function, modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x):
        return self.function(self, x)


def agree(model, shape, images=3):
    """The graph of a model, after a comparison with the model on images that the tracer did not see."""
    model = lively(model)
    graph = layers_of(model, shape)
    x = torch.randn(images, *shape, generator=torch.Generator().manual_seed(5))
    with torch.no_grad():
        expected = model(x)
    torch.testing.assert_close(graph.run(x).reshape(expected.shape), expected, rtol=1e-4, atol=1e-4)
    return graph


def test_residual_network_is_fused_into_one_layer_a_pass():
    graph = agree(Residual(), (3, 16, 16))
    by_name = {layer.name: layer for layer in graph.layers}
    assert list(by_name) == ["stem", "same", "side", "main", "deep", "shortcut", "down", "pool", "head"]
    assert by_name["stem"].norm_path == "stem_norm"
    assert by_name["stem"].padding == (1, 1, 1, 1)
    assert by_name["same"].residual == "stem"
    assert by_name["main"].residual == "side", "the 3x3 convolution takes in the 1x1 shortcut"
    assert by_name["side"].activation is None
    assert by_name["main"].activation == "relu"
    assert by_name["deep"].groups == 16
    assert by_name["deep"].activation == "relu6"
    assert by_name["down"].residual == "shortcut"
    assert by_name["down"].activation == "relu", "a ReLU behind max pooling moves in front of it"
    assert isinstance(by_name["shortcut"], SubsampleLayer)
    assert by_name["head"].kernel == (2, 2)
    assert graph.paths == ["stem", "same", "side", "main", "deep", "down", "head"]
    assert graph.classes == 10


def test_sequential_network_with_padding_groups_and_two_linear_layers():
    graph = agree(small(), (2, 8, 8))
    conv = next(layer for layer in graph.convs() if layer.name == "5")
    assert conv.padding == (2, 1, 1, 0)
    assert conv.input_shape == (6, 4, 4)
    assert [layer.name for layer in graph.layers] == ["0", "3", "5", "8", "11"]
    assert isinstance(graph.layers[1], PoolLayer)


@pytest.mark.parametrize(
    ("model", "shape", "layers"), [(Digits(), (1, 8, 8), 6), (ResNet20(), (3, 32, 32), 23)]
)
def test_zoo(model, shape, layers):
    graph = agree(model, shape)
    assert len(graph.layers) == layers
    assert len(graph.paths) == len(set(graph.paths)) == (6 if layers == 6 else 20)


class SamePadded(nn.Conv2d):
    """Pads as TensorFlow does, with a module or by the call, and calls the function on its own parameters."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.outside = nn.ZeroPad2d((0, 1, 0, 1))

    def forward(self, x):
        x = functional.pad(self.outside(x), (1, 0))
        return functional.conv2d(x, self.weight, self.bias, self.stride, self.padding, groups=self.groups)


def conv(inputs=3, outputs=4, kernel=3, **options):
    return nn.Conv2d(inputs, outputs, kernel, **options)


@pytest.mark.parametrize(
    ("function", "modules"),
    [
        (lambda m, x: m.c(x).mean((2, 3)), {"c": conv()}),
        (lambda m, x: torch.mean(m.c(x), [-1, -2], keepdim=True).flatten(1), {"c": conv()}),
        (lambda m, x: functional.avg_pool2d(m.c(x), m.c(x).size()[3]).squeeze(), {"c": conv()}),
        (lambda m, x: functional.adaptive_avg_pool2d(m.c(x), 1).reshape(x.shape[0], -1), {"c": conv()}),
        (lambda m, x: functional.relu(functional.max_pool2d(m.c(x), 6)).flatten(1), {"c": conv()}),
        (lambda m, x: functional.relu6(functional.relu(m.c(x))).mean((2, 3)), {"c": conv()}),
        (lambda m, x: m.c(functional.pad(x, (1, 2, 0, 1))).mean((2, 3)), {"c": conv(padding=1)}),
        (lambda m, x: m.c(x).mean((2, 3)), {"c": conv(kernel=(2, 4), padding="same")}),
        (lambda m, x: m.p(m.c(x)).mean((2, 3)), {"c": conv(), "p": nn.MaxPool2d(3, 2, 1)}),
        (lambda m, x: m.p(m.c(x)).mean((2, 3)), {"c": conv(), "p": nn.MaxPool2d(3, 2, ceil_mode=True)}),
        (lambda m, x: m.p(m.c(x)).mean((2, 3)), {"c": conv(), "p": nn.AvgPool2d(3, 2, 1)}),
        (lambda m, x: m.p(m.c(x)).mean((2, 3)), {"c": conv(), "p": nn.AdaptiveAvgPool2d((3, 2))}),
        (lambda m, x: m.d(m.d(m.c(x))).mean((2, 3)), {"c": conv(), "d": conv(4, 4, 1)}),
        (
            lambda m, x: functional.pad(m.c(x)[:, :, ::2, ::2], (0, 0, 0, 0, 1, 3)).mean((2, 3)),
            {"c": conv()},
        ),
        (lambda m, x: (m.c(x) + x).mean((2, 3)), {"c": conv(3, 3, padding=1)}),
        (lambda m, x: m.l(x.flatten(1)), {"l": nn.Linear(3 * 64, 5)}),
        (lambda m, x: m.c(x).mean((2, 3)), {"c": SamePadded(3, 6, 3, 2, (1, 0), groups=3, bias=False)}),
        (
            lambda m, x: functional.conv2d(x, bias=m.c.bias, weight=m.c.weight, padding="same").mean((2, 3)),
            {"c": conv(kernel=(2, 5))},
        ),
        (
            lambda m, x: functional.conv2d(x, m.c.weight, m.c.bias, (1, 2), "valid").mean((2, 3)),
            {"c": conv()},
        ),
        (lambda m, x: functional.linear(x.flatten(1), m.l.weight, m.l.bias), {"l": nn.Linear(3 * 64, 5)}),
        (lambda m, x: m.l(torch.flatten(m.c(x), 1)), {"c": conv(), "l": nn.Linear(144, 5)}),
    ],
)
@pytest.mark.filterwarnings("ignore:Using padding=.same. with even kernel lengths")
def test_other_ways_to_write_it(function, modules):
    agree(Wrapped(function, **modules), (3, 8, 8))


def test_a_module_called_twice_is_two_layers_of_one_path():
    graph = agree(Wrapped(lambda m, x: m.d(m.d(m.c(x))).mean((2, 3)), c=conv(), d=conv(4, 4, 1)), (3, 8, 8))
    assert [layer.name for layer in graph.convs()] == ["part.c", "part.d", "part.d@2"]
    assert graph.paths == ["part.c", "part.d"]


def test_a_function_of_a_modules_parameters_is_a_layer_of_that_module():
    graph = agree(
        Wrapped(
            lambda m, x: functional.linear(m.d(m.d(m.c(x))).flatten(1), m.l.weight, m.l.bias),
            c=SamePadded(3, 4, 3, 2, (1, 0)),
            d=SamePadded(4, 4, 1),
            l=nn.Linear(4 * 7 * 8, 5),
        ),
        (3, 8, 8),
    )
    convs = list(graph.convs())
    assert [layer.name for layer in convs] == ["part.c", "part.d", "part.d@2", "part.l"]
    assert graph.paths == ["part.c", "part.d", "part.l"]
    assert convs[0].padding == (1, 2, 1, 1), "the call's own padding goes around that of the modules"
    assert convs[0].stride == (2, 2)
    assert convs[0].kernel == (3, 3)


def test_a_module_called_input_does_not_hide_the_image():
    model = nn.Sequential()
    model.add_module("input", conv())
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    graph = agree(model, (3, 8, 8))
    first = graph.layers[0]
    assert isinstance(first, ConvLayer)
    assert (first.name, first.path, first.source) == ("input@2", "input", INPUT)


@pytest.mark.parametrize(
    ("function", "modules", "message"),
    [
        (
            lambda m, x: m.d(m.s(m.c(x))),
            {"c": conv(), "s": nn.Softmax(1), "d": conv(4)},
            "Softmax at 'part.s'",
        ),
        (
            lambda m, x: torch.maximum(m.c(x), m.d(x)),
            {"c": conv(), "d": conv()},
            "Maximum at 'part.maximum'",
        ),
        (
            lambda m, x: functional.interpolate(m.c(x), scale_factor=2, mode="bicubic"),
            {"c": conv()},
            "Upsample at 'part.upsample_bicubic2d': its mode must be nearest or bilinear, not bicubic",
        ),
        (lambda m, x: (m.c(x), x), {"c": conv()}, "must end in a layer that gives class scores"),
    ],
)
def test_what_hardware_does_not_do_is_named_with_its_path(function, modules, message):
    with pytest.raises(ShiftbookError, match=re.escape(message)) as caught:
        layers_of(Wrapped(function, **modules), (3, 8, 8))
    assert "\n" not in str(caught.value)


def test_a_wrong_fusion_would_be_noticed(monkeypatch):
    import shiftbook.frontend.fusing.layer

    monkeypatch.setattr(shiftbook.frontend.fusing.layer, "activate", lambda x, activation: x)
    with pytest.raises(ShiftbookError, match="do not compute what the model computes"):
        layers_of(lively(small()), (2, 8, 8))
