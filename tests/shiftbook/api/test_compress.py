"""Compressing from a program: models and data in every form."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import shiftbook as sb
from shiftbook.frontend.data.dataset import Dataset
from shiftbook.frontend.schemes import make as make_scheme
from shiftbook.golden.storage.checkpoint import serialize

COUNT = 24
LABELS = np.arange(COUNT) % 3
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, 8, 8, 1), np.uint8)
OPTIONS = {"scheme": "int8", "density": 1, "mean": [0.4], "std": (0.3,)}


class Net(nn.Sequential):
    """Two layers."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, 3))


def made() -> Net:
    torch.manual_seed(1)
    return Net()


FILE = "from tests.shiftbook.api.test_compress import made\n"


def bytes_of(checkpoint: sb.Checkpoint) -> bytes:
    """What its file would hold, but for the name of the model."""
    facts = {**checkpoint.network.facts, "source": ""}
    network = copy.copy(checkpoint.network)
    object.__setattr__(network, "facts", facts)
    return serialize(network)


def test_models_in_every_form(tmp_path):
    (tmp_path / "net.py").write_text(FILE)
    model = made()
    forms = {"python:Net": model, f"{tmp_path}/net.py:made": f"{tmp_path}/net.py:made"}
    found = {name: sb.compress(form, (PIXELS, LABELS), **OPTIONS) for name, form in forms.items()}
    called = sb.compress(made, (PIXELS, LABELS), **OPTIONS)
    assert len({bytes_of(each) for each in (*found.values(), called)}) == 1
    assert {name: each.name for name, each in found.items()} == {name: name for name in forms}
    assert called.network.facts["source"] == called.name == "python:Net"


def test_the_model_is_left_as_it_is():
    model = made().train()
    before = copy.deepcopy(model.state_dict())
    sb.compress(model, (PIXELS, LABELS), **OPTIONS, epochs=1)
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_weights_are_taken_into_a_copy(tmp_path):
    torch.save(made().state_dict(), tmp_path / "net.pt")
    blank = Net()
    with torch.no_grad():
        for value in blank.parameters():
            value.zero_()
    loaded = sb.compress(blank, (PIXELS, LABELS), weights=tmp_path / "net.pt", **OPTIONS)
    assert bytes_of(loaded) == bytes_of(sb.compress(made, (PIXELS, LABELS), **OPTIONS))
    assert not blank[0].weight.any()


def test_data_in_every_form(tmp_path):
    np.savez(tmp_path / "data.npz", x=PIXELS, y=LABELS)
    pixels = PIXELS.copy()
    forms = ((pixels, LABELS), [pixels, LABELS], Dataset(pixels, LABELS), tmp_path / "data.npz")
    found = [sb.compress(made, form, **OPTIONS) for form in forms]
    assert len({bytes_of(each) for each in found}) == 1
    assert (pixels == PIXELS).all()
    assert found[0].accuracy is not None
    assert sb.compress(made, (pixels, None), **OPTIONS).accuracy is None
    assert sb.compress(made, calibration=(pixels, None), **OPTIONS).accuracy is None


def test_it_is_kept_in_memory_or_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    kept = sb.compress(made, (PIXELS, LABELS), **OPTIONS)
    assert list(tmp_path.iterdir()) == []
    written = sb.compress(made, (PIXELS, LABELS), output="net.ckpt", **OPTIONS)
    assert (written.name, [path.name for path in tmp_path.iterdir()]) == ("net.ckpt", ["net.ckpt"])
    assert kept.save("kept.ckpt").read_bytes() == (tmp_path / "net.ckpt").read_bytes()


def test_a_scheme_with_options_and_other_slots():
    scheme = make_scheme("product", sb.Spec(), dim=2, codewords=8)
    found = sb.compress(made, (PIXELS, LABELS), scheme=scheme, slots=2)
    assert (found.scheme, found.network.slots) == ("product", 2)
    assert found.cycles("int8").total > 0


def failing() -> nn.Module:
    raise RuntimeError("no such luck")


class NoModel:
    """Called, it gives no module."""

    def __call__(self) -> int:
        return 3


PAIR = (PIXELS, LABELS)
WRONG = {
    "model must be a torch.nn.Module, .*, not 3": lambda: sb.compress(3, PAIR),
    "model must be .*, not ''": lambda: sb.compress("", PAIR),
    "the model must be zoo:NAME": lambda: sb.compress("resnet", PAIR),
    "Net.__init__.. takes|Net fails: TypeError": lambda: sb.compress(lambda: Net(3), PAIR),
    "failing fails: RuntimeError: no such luck": lambda: sb.compress(failing, PAIR),
    "NoModel must return a torch.nn.Module, not int": lambda: sb.compress(NoModel(), PAIR),
    "data must be a path, .*, not a value of type dict": lambda: sb.compress(made, {"x": PIXELS}),
    "there are no images": lambda: sb.compress(made),
    "scheme must be a Scheme or one of .*, not None": lambda: sb.compress(made, PAIR, scheme=None),
    "scheme must be one of .*, not 'best'": lambda: sb.compress(made, PAIR, scheme="best"),
    "density must be a number in .0, 1., not '0.2'": lambda: sb.compress(made, PAIR, density="0.2"),
    r"density must be in \(0, 1\], not 2": lambda: sb.compress(made, PAIR, density=2),
    "epochs must be an integer of at least 0, not 1.5": lambda: sb.compress(made, PAIR, epochs=1.5),
    "epochs must be an integer of at least 0, not an arr": lambda: sb.compress(made, PAIR, epochs=LABELS),
    "seed must be at most": lambda: sb.compress(made, PAIR, seed=2**32),
    "bits must be an integer of at least 1, not True": lambda: sb.compress(made, PAIR, bits=True),
    "mean must be a list of numbers, .*, not 0.5": lambda: sb.compress(made, PAIR, mean=0.5),
    "mean must be a list of numbers, .*, not 'a'": lambda: sb.compress(made, PAIR, mean=["a"]),
    "weights must be a path, not a value of type Net": lambda: sb.compress(made, PAIR, weights=made()),
    "output must be a path, not 1": lambda: sb.compress(made, PAIR, output=1),
    "cannot write nowhere": lambda: sb.compress(made, PAIR, output="nowhere/net.ckpt"),
}


@pytest.mark.parametrize("message", WRONG)
def test_wrong_arguments(message):
    with pytest.raises(sb.ShiftbookError, match=message) as caught:
        WRONG[message]()
    assert "\n" not in str(caught.value)
