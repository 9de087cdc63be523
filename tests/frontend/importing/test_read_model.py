"""Reading a model: what its code may do, and what is said where it cannot be read."""

import re
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.nn import functional

from shiftbook.frontend.importing.recording.read import read_model
from shiftbook.frontend.zoo.digits import Digits
from shiftbook.golden.errors import ShiftbookError, is_plain
from tests.frontend.fusing.test_fuse import Wrapped, conv
from tests.frontend.models import lively


def test_reading_leaves_the_model_as_it_was():
    model = lively(Digits())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    read_model(model, (1, 8, 8))
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


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
        read_model(nn.Sequential(Raises(error)), (1, 8, 8))
    assert str(caught.value).startswith(
        f"the model does not run on 8x8 images of 1 channels: at '0': {message}"
    )


@pytest.mark.parametrize(("error", "message"), ERRORS)
def test_so_is_one_that_raises_when_it_runs(error, message):
    def late(x):
        return isinstance(x, torch.Tensor)

    with pytest.raises(ShiftbookError) as caught:
        read_model(Raises(error, late), (1, 8, 8))
    assert (
        str(caught.value)
        == f"the model does not run on 8x8 images of 1 channels: at the model's own forward: {message}"
    )


@pytest.mark.parametrize(
    ("function", "modules", "message"),
    [
        (lambda m, x: functional.layer_norm(m.c(x), (6,)), {"c": conv()}, "native_layer_norm at 'part'"),
        (lambda m, x: m.n(m.c(x)), {"c": conv(), "n": nn.GroupNorm(2, 4)}, "GroupNorm at 'part.n'"),
        (
            lambda m, x: m.n(m.c(x)),
            {"c": conv(), "n": nn.InstanceNorm2d(4)},
            "InstanceNorm2d at 'part.n': batch norm must track running statistics",
        ),
        (lambda m, x: m.n(m.c(x).flatten(2))[0], {"c": conv(), "n": nn.LSTM(36, 4)}, "LSTM at 'part.n'"),
        (lambda m, x: m.c(x).transpose(1, 2), {"c": conv()}, "not a tensor of shape [2, 6, 4, 6]"),
        (lambda m, x: m.c(x).view(-1, 6), {"c": conv()}, "not a tensor of shape [48, 6]"),
        (lambda m, x: functional.dropout(m.c(x)), {"c": conv()}, "must draw no random numbers"),
        (
            lambda m, x: m.c(x) if x[0, 0, 0, 0].item() > 0 else x,
            {"c": conv()},
            "at 'part': the model's forward must not depend on values of tensors",
        ),
        (lambda m, x: m.c(x) * torch.rand(6), {"c": conv()}, "must draw no random numbers"),
        (
            lambda m, x: m.c(x),
            {"c": nn.Conv2d(3, 4, 3, padding=1, padding_mode="circular")},
            "Conv2d at 'part.c': padding may be zeros, reflected or replicated, not circular",
        ),
        (
            lambda m, x: functional.pad(m.c(x), (1, 1, 1, 1), mode="circular"),
            {"c": conv()},
            "at 'part': it writes into a part of a tensor; circular padding does, too",
        ),
        (
            lambda m, x: m.c(x) * torch.arange(6),
            {"c": conv()},
            "mul at 'part': constants must be the same for",
        ),
        (
            lambda m, x: m.c(x) / m.c(x),
            {"c": conv()},
            "div at 'part': the divisor must",
        ),
        (lambda m, x: torch.tensor(m.c(x).numpy()), {"c": conv()}, "without NumPy"),
        (lambda m, x: m.c(x).half().float(), {"c": conv()}, "must compute in float32, not in float16"),
        (lambda m, x: m.c(x).int(), {"c": conv()}, "must compute in float32, not in int32"),
        (
            lambda m, x: x.index_select(1, m.c(x).long().flatten()[:2]),
            {"c": conv()},
            "must compute in float32, not in int64",
        ),
        (lambda m, x: torch.ones(2, 3), {}, "must compute what it returns from its image"),
        (lambda m, x: "scores", {}, "must return a tensor of class scores"),
        (
            lambda m, x: m.c(x),
            {"c": conv(5)},
            "does not run on 8x8 images of 3 channels: at 'part.c': Given groups=1",
        ),
        (
            lambda m, x: functional.conv2d(x, m.c(x)[:, :3, :3, :3]),
            {"c": conv()},
            "at 'part': its weight must not depend on the image",
        ),
    ],
)
def test_what_no_graph_holds_is_named_with_its_path(function, modules, message):
    with pytest.raises(ShiftbookError, match=re.escape(message)) as caught:
        read_model(Wrapped(function, **modules), (3, 8, 8))
    assert "\n" not in str(caught.value)


def test_an_interrupt_stays_one():
    with pytest.raises(KeyboardInterrupt):
        read_model(Raises(KeyboardInterrupt()), (1, 8, 8))


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
    ["a\nb", "a\x1b[31mb", "a\0b", "\ud800", "\u202eb", "x" * 257],
)
def test_names_that_no_checkpoint_holds_are_refused(name):
    with pytest.raises(ShiftbookError) as caught:
        read_model(Named(name), (3, 8, 8))
    line = str(caught.value)
    assert line.startswith("the model has a layer named 'body.")
    assert is_plain(line)
    assert len(line) < 500


@pytest.mark.parametrize(
    "name",
    [
        "é",
        'a"b',
        "a\\b",
        "class",
        "None",
        "\ufb01",
        "nodes",
        "operation",
        "1",
        "a b",
        "a'b",
        "{x}",
        "%s",
        "self",
        "#",
        "klasse",
        "猫",
        "print",
    ],
)
def test_other_names_are_taken(name):
    model = Named(name)
    assert read_model(model, (3, 8, 8)).nodes[0].name == f"body.{name}"


def test_reading_does_not_import_torchs_compiler():
    """It and SymPy take seconds."""
    lines = (
        "import sys, torch",
        "from torch import nn",
        "from shiftbook.frontend.importing.recording.read import read_model",
        "model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten())",
        "before = set(sys.modules)",
        "read_model(model, (3, 8, 8))",
        "print([name for name in ('sympy', 'torch._dynamo', 'onnx') if name in set(sys.modules) - before])",
    )
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


class Signal(nn.Module):
    """A network of signals, which are maps of height 1."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(3, 4, 3), nn.CELU(0.5), nn.MaxPool1d(2), nn.SELU())

    def forward(self, x):
        return self.body(x.squeeze(2))


def test_signals_are_pooled():
    graph = read_model(Signal(), (3, 1, 9))
    assert [node.name for node in graph.nodes] == ["body.0", "body.1", "body.2", "body.3"]
    assert [type(graph.of(node)) for node in graph.nodes] == [nn.Conv2d, nn.CELU, nn.MaxPool2d, nn.SELU]
