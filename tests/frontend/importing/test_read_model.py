"""Reading a model: what its code may do, and what is said where it cannot be read."""

import pytest
import torch
from torch import nn

from shiftbook.frontend.importing.recording.read import read_model
from shiftbook.frontend.zoo.digits import Digits
from shiftbook.golden.errors import ShiftbookError, is_plain
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
    assert str(caught.value).startswith(f"the model cannot be traced at '0': {message}; its forward must not")


@pytest.mark.parametrize(("error", "message"), ERRORS)
def test_so_is_one_that_raises_when_it_runs(error, message):
    def late(x):
        return isinstance(x, torch.Tensor)

    with pytest.raises(ShiftbookError) as caught:
        read_model(Raises(error, late), (1, 8, 8))
    assert str(caught.value) == f"the model does not run on 8x8 images of 1 channels: {message}"


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
    ['a"b', "a\\b", "a\nb", "a\x1b[31mb", "a\0b", "\ud800", "\u202eb", "class", "None", "\ufb01", "x" * 257],
)
def test_names_that_are_no_code_are_refused(name):
    with pytest.raises(ShiftbookError) as caught:
        read_model(Named(name), (3, 8, 8))
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
        read_model(Own(), (3, 8, 8))


@pytest.mark.parametrize("name", ["é", "1", "a b", "a'b", "{x}", "%s", "self", "#", "klasse", "猫", "print"])
def test_other_names_are_taken(name):
    model = Named(name)
    assert read_model(model, (3, 8, 8)).paths == [f"body.{name}"]
