import re

import pytest
import torch
from torch import nn
from torch.nn import functional

from shiftbook.frontend.importing.conv_layer import ConvLayer
from shiftbook.frontend.importing.graph import INPUT
from shiftbook.frontend.importing.operators.pool import PoolLayer
from shiftbook.frontend.importing.operators.subsample import SubsampleLayer
from shiftbook.frontend.importing.trace import any_layout, trace
from shiftbook.frontend.zoo.digits import Digits
from shiftbook.frontend.zoo.resnet20 import ResNet20
from shiftbook.golden.errors import ShiftbookError, is_plain
from tests.frontend.models import Residual, lively, small


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
    graph = trace(model, shape)
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


NORM = {"c": conv(), "n": nn.BatchNorm2d(4)}


@pytest.mark.parametrize(
    ("function", "modules", "message"),
    [
        (lambda m, x: m.s(m.c(x)), {"c": conv(), "s": nn.Sigmoid()}, "operation Sigmoid at 'part.s'"),
        (lambda m, x: torch.sigmoid(m.c(x)), {"c": conv()}, "operation sigmoid at 'part'"),
        (lambda m, x: m.c(x).softmax(1), {"c": conv()}, "operation softmax at 'part'"),
        (lambda m, x: m.c(x) * 2, {"c": conv()}, "operation mul at 'part'"),
        (lambda m, x: m.c(x) + 1, {"c": conv()}, "both operands must be tensors of the network, not 1"),
        (lambda m, x: functional.conv2d(x, m.c.weight), {"c": conv()}, "its bias must be that of 'part.c'"),
        (
            lambda m, x: functional.conv2d(x, m.c.weight, m.d.bias),
            {"c": conv(), "d": conv()},
            "conv2d at 'part': its bias must be that of 'part.c', as its weight is",
        ),
        (
            lambda m, x: functional.conv2d(x, 2 * m.c.weight, m.c.bias),
            {"c": conv()},
            "operation mul at 'part'",
        ),
        (
            lambda m, x: functional.conv2d(x, m.t.weight),
            {"t": nn.ConvTranspose2d(3, 3, 3, bias=False)},
            "conv2d at 'part': its weight must be the weight of a Conv2d",
        ),
        (
            lambda m, x: functional.conv2d(x, m.c.weight, dilation=2),
            {"c": conv(bias=False)},
            "conv2d at 'part': dilation must be 1, not 2",
        ),
        (
            lambda m, x: functional.conv2d(x, m.c.weight, groups=3),
            {"c": conv(1, 3, bias=False)},
            "conv2d at 'part': groups must be 1 as of 'part.c', not 3",
        ),
        (lambda m, x: m.c(x), {"c": nn.ConvTranspose2d(3, 4, 3)}, "ConvTranspose2d at 'part.c'"),
        (lambda m, x: m.c(x), {"c": conv(dilation=2)}, "dilation must be 1, not (2, 2)"),
        (lambda m, x: m.c(x), {"c": conv(padding=1, padding_mode="reflect")}, "not 'reflect'"),
        (lambda m, x: m.n(functional.relu(m.c(x))), NORM, "BatchNorm2d at 'part.n': it must follow"),
        (lambda m, x: m.n(x), {"n": nn.BatchNorm2d(3)}, "BatchNorm2d at 'part.n'"),
        (lambda m, x: (lambda y: y.relu() + y)(m.c(x)), {"c": conv()}, "relu at 'part': it must follow"),
        (
            lambda m, x: m.c(x).relu() + m.d(x).relu(),
            {"c": conv(), "d": conv()},
            "add at 'part': one operand must be a convolution's output",
        ),
        (lambda m, x: m.p(functional.pad(x, (1, 1))), {"p": nn.MaxPool2d(2)}, "followed by a convolution"),
        (lambda m, x: m.p(m.c(x)), {"c": conv(), "p": nn.AvgPool2d(4, 4, ceil_mode=True)}, "ceil_mode"),
        (lambda m, x: m.c(x).transpose(1, 2), {"c": conv()}, "operation transpose at 'part'"),
        (lambda m, x: m.c(x).view(-1, 6), {"c": conv()}, "view at 'part': it must keep the batch"),
        (lambda m, x: functional.dropout(m.c(x)), {"c": conv()}, "dropout at 'part': it stays on"),
        (lambda m, x: m.c(x)[:, :2], {"c": conv()}, "indexing must be"),
        (lambda m, x: m.c(x) if x.sum() > 0 else x, {"c": conv()}, "cannot be traced at 'part'"),
        (
            lambda m, x: m.c(x),
            {"c": conv(5)},
            "does not run on 8x8 images of 3 channels: Conv2d at 'part.c': Given groups=1",
        ),
        (lambda m, x: m.c(x), {"c": conv()}, "one score a class, not 4 maps of 6x6 pixels"),
        (lambda m, x: (m.c(x), x), {"c": conv()}, "must return one tensor"),
    ],
)
def test_what_hardware_does_not_do_is_named_with_its_path(function, modules, message):
    with pytest.raises(ShiftbookError, match=re.escape(message)) as caught:
        trace(Wrapped(function, **modules), (3, 8, 8))
    assert "\n" not in str(caught.value)


def test_a_wrong_fusion_would_be_noticed(monkeypatch):
    import shiftbook.frontend.importing.conv_layer

    monkeypatch.setattr(shiftbook.frontend.importing.conv_layer, "activate", lambda x, activation: x)
    with pytest.raises(ShiftbookError, match="does not compute what the model computes"):
        trace(lively(small()), (2, 8, 8))


def test_tracing_leaves_the_model_as_it_was():
    model = lively(Digits())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trace(model, (1, 8, 8))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_model_that_insists_on_one_layout_gets_reshape_in_place_of_view():
    model = lively(Residual())
    x = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    last = x.contiguous(memory_format=torch.channels_last)
    with pytest.raises(RuntimeError, match="view"):
        model(last)
    tolerant = any_layout(model, (3, 16, 16))
    torch.testing.assert_close(tolerant(last), model(x), rtol=1e-5, atol=1e-5)
    assert tolerant.get_submodule("main").weight is model.main.weight
    assert any_layout(tolerant, (3, 16, 16)) is tolerant


class Wordless(Exception):
    """Says nothing, and fails at that."""

    def __str__(self):
        raise RuntimeError("no")


class Raises(nn.Module):
    def __init__(self, error, when=lambda x: True):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 8)
        self.error, self.when = error, when

    def forward(self, x):
        if self.when(x):
            raise self.error
        return self.conv(x).flatten(1)


ERRORS = [
    (SystemExit(3), "SystemExit: 3"),
    (SystemExit(), "SystemExit"),
    (GeneratorExit(), "GeneratorExit"),
    (StopIteration(), "StopIteration"),
    (Wordless(), "Wordless"),
    (Wordless(Wordless()), "Wordless"),
    (ValueError("bad\nluck"), "bad"),
    (ValueError("x" * 10_000), "x" * 300),
]


@pytest.mark.parametrize(("error", "message"), ERRORS)
def test_a_forward_that_raises_anything_is_one_line(error, message):
    with pytest.raises(ShiftbookError) as caught:
        trace(nn.Sequential(Raises(error)), (1, 8, 8))
    assert str(caught.value).startswith(f"the model cannot be traced at '0': {message}; its forward must not")


@pytest.mark.parametrize(("error", "message"), ERRORS)
def test_so_is_one_that_raises_when_it_runs(error, message):
    def late(x):
        return isinstance(x, torch.Tensor)

    with pytest.raises(ShiftbookError) as caught:
        trace(Raises(error, late), (1, 8, 8))
    assert str(caught.value) == f"the model does not run on 8x8 images of 1 channels: {message}"


@pytest.mark.parametrize(("error", "message"), ERRORS)
def test_so_is_one_that_raises_for_another_layout(error, message):
    with pytest.raises(ShiftbookError) as caught:
        any_layout(Raises(error), (1, 8, 8))
    assert str(caught.value) == f"the model does not run on images in another memory layout: {message}"


def test_an_interrupt_stays_one():
    for call in (trace, any_layout):
        with pytest.raises(KeyboardInterrupt):
            call(Raises(KeyboardInterrupt()), (1, 8, 8))


class Named(nn.Module):
    """With a convolution under any name, and a view."""

    def __init__(self, name):
        super().__init__()
        self.name = name
        self.body = nn.Module()
        self.body.add_module(name, nn.Conv2d(3, 4, 8))

    def forward(self, x):
        return getattr(self.body, self.name)(x).view(x.size(0), -1)


@pytest.mark.parametrize(
    "name",
    ['a"b', "a\\b", "a\nb", "a\x1b[31mb", "a\0b", "\ud800", "\u202eb", "class", "None", "\ufb01", "x" * 257],
)
def test_names_that_are_no_code_are_refused(name):
    with pytest.raises(ShiftbookError) as caught:
        trace(Named(name), (3, 8, 8))
    line = str(caught.value)
    assert line.startswith("the model has a module named 'body.")
    assert is_plain(line)
    assert len(line) < 500


def test_names_of_parameters_are_too():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_parameter("a\nb", nn.Parameter(torch.ones(1)))

        def forward(self, x):
            return x * getattr(self, "a\nb")

    with pytest.raises(ShiftbookError, match=r"^the model has a parameter named 'a.*nb': torch\.fx"):
        trace(Own(), (3, 8, 8))


@pytest.mark.parametrize("name", ["é", "1", "a b", "a'b", "{x}", "%s", "self", "#", "klasse", "猫", "print"])
def test_other_names_are_taken(name):
    model = Named(name)
    assert trace(model, (3, 8, 8)).paths == [f"body.{name}"]
    last = torch.randn(2, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    assert any_layout(model, (3, 8, 8))(last).shape == (2, 4)
