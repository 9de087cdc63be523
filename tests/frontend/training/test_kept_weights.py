"""Weights that fine-tuning keeps, and compressions that start from them."""

import copy

import pytest
import torch
from safetensors.torch import load_file, save_file

from shiftbook.frontend.schemes import get
from shiftbook.frontend.training import kept_weights
from shiftbook.frontend.training.layer_state import layer_states
from shiftbook.frontend.training.target import Target
from shiftbook.frontend.zoo.digits import Digits
from shiftbook.golden.errors import ShiftbookError
from tests.frontend.models import lively


@pytest.fixture
def states():
    model = lively(Digits())
    layers = [name for name, module in model.named_modules() if isinstance(module, torch.nn.Conv2d)]
    found = layer_states(model, layers, Target(scheme=get("shift")(), density=1.0))
    for state in found.values():
        with torch.no_grad():
            state.alpha.fill_(1.5)
    return model, found


def test_a_layers_scale_goes_into_its_weights(states, tmp_path):
    model, layers = states
    kept_weights.save(model, layers, tmp_path / "kept")
    other = copy.deepcopy(model)
    with torch.no_grad():
        for value in other.parameters():
            value.zero_()
    kept_weights.load(other, kept_weights.read(tmp_path / "kept"), tmp_path / "kept")
    wanted = model.state_dict()
    for name, value in other.state_dict().items():
        scale = 1.5 if name.removesuffix(".weight") in layers else 1
        assert torch.equal(value, scale * wanted[name]), name


def test_what_is_no_file_of_kept_weights(states, tmp_path):
    model, layers = states
    file = tmp_path / "kept"
    save_file(model.state_dict(), file)
    with pytest.raises(ShiftbookError, match=r"kept holds no kept weights: name a file"):
        kept_weights.read(file)
    file.write_bytes(b"no weights")
    with pytest.raises(ShiftbookError, match="cannot read the kept weights"):
        kept_weights.read(file)
    kept_weights.save(model, layers, file)
    state = load_file(file)
    state.pop("conv1.weight")
    with pytest.raises(ShiftbookError, match="does not fit the model: it lacks"):
        kept_weights.load(model, state, file)
