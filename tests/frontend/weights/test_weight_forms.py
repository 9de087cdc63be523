"""Every form in which training scripts leave weights goes into the model, bit for bit."""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations, prune

from shiftbook.frontend.importing.given import GivenModel
from shiftbook.frontend.importing.load import Source, load_model
from shiftbook.golden.errors import ShiftbookError

State = dict[str, torch.Tensor]


def model(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3), nn.Flatten())


def loaded(path: Path, into: nn.Module | None = None) -> Source:
    return load_model(GivenModel(model(1) if into is None else into), path)


def refused(path: Path, into: nn.Module | None = None) -> str:
    with pytest.raises(ShiftbookError) as caught:
        loaded(path, into)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check(source: Source, wanted: State) -> None:
    """The model has exactly these weights."""
    state = source.model.state_dict()
    assert set(state) == set(wanted)
    for name, value in wanted.items():
        assert torch.equal(state[name], value), name


def behind(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


WANTED = model().state_dict()
OTHER = model(2).state_dict()

PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "model.module.", "module._orig_mod.", "a.b.backbone.")


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("save", [torch.save, save_file])
def test_a_prefix_is_taken_off(tmp_path, prefix, save):
    path = tmp_path / ("w.safetensors" if save is save_file else "w.pt")
    save(behind(prefix, WANTED), path)
    source = loaded(path)
    check(source, WANTED)
    assert source.weights is None


def test_wrappers_between_names_are_taken_out(tmp_path):
    wanted = nn.Sequential(model()).state_dict()
    torch.save(
        {name.replace("0.", "0.module._orig_mod.", 1): v for name, v in wanted.items()}, tmp_path / "w.pt"
    )
    check(loaded(tmp_path / "w.pt", nn.Sequential(model(1))), wanted)


def test_a_model_may_have_the_prefix_itself(tmp_path):
    wrapped = nn.ModuleDict({"model": model(1)})
    torch.save(behind("net.", WANTED), tmp_path / "w.pt")
    check(loaded(tmp_path / "w.pt", wrapped), behind("model.", WANTED))


KEYS = (
    *("state_dict", "model", "model_state_dict", "net", "network", "weights", "params", "ema"),
    *("state_dict_ema", "model_ema", "anything"),
)


@pytest.mark.parametrize("key", KEYS)
def test_a_state_dict_may_be_nested(tmp_path, key):
    torch.save({"epoch": 3, key: WANTED, "acc": 93.1}, tmp_path / "w.pt")
    check(loaded(tmp_path / "w.pt"), WANTED)


def test_any_depth_and_a_prefix_together(tmp_path):
    torch.save(
        {"run": {"last": [{"model": {"state_dict": behind("module.net.", WANTED)}}]}}, tmp_path / "w.pt"
    )
    check(loaded(tmp_path / "w.pt"), WANTED)


def test_a_checkpoint_of_a_whole_training(tmp_path):
    net = model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(torch.zeros(1, 1, 8, 8)).sum().backward()
    optimizer.step()
    torch.save(
        {
            "epoch": 7,
            "best_acc": np.float64(93.1),
            "args": argparse.Namespace(lr=0.1, out=Path("runs")),
            "optimizer": optimizer.state_dict(),
            "net": net.state_dict(),
        },
        tmp_path / "w.pt",
    )
    check(loaded(tmp_path / "w.pt"), net.state_dict())


def test_scalars_beside_the_tensors(tmp_path):
    torch.save({**WANTED, "epoch": 7, "best_acc": 93.1, "optimizer": {"lr": 0.1}}, tmp_path / "w.pt")
    check(loaded(tmp_path / "w.pt"), WANTED)


def test_a_mean_over_training_of_swa(tmp_path):
    averaged = torch.optim.swa_utils.AveragedModel(model())
    assert {"n_averaged", "module.0.weight"} <= set(averaged.state_dict())
    torch.save(averaged.state_dict(), tmp_path / "w.pt")
    check(loaded(tmp_path / "w.pt"), WANTED)


def test_counters_of_thop(tmp_path):
    counted = {"total_ops": torch.zeros(1), "0.total_ops": torch.ones(1), "0.total_params": torch.ones(1)}
    torch.save({**WANTED, **counted}, tmp_path / "w.pt")
    check(loaded(tmp_path / "w.pt"), WANTED)


def test_the_old_format_of_torch(tmp_path):
    saved = {"net": behind("module.", WANTED), "args": argparse.Namespace(lr=1), "acc": np.float32(3)}
    torch.save(saved, tmp_path / "w.pth", _use_new_zipfile_serialization=False)
    assert (tmp_path / "w.pth").read_bytes()[:2] == b"\x80\x02"
    check(loaded(tmp_path / "w.pth"), WANTED)


@pytest.mark.parametrize("order", [("model", "model_ema"), ("ema", "net")])
def test_raw_weights_come_before_means_and_the_choice_is_told(tmp_path, order):
    raw = next(key for key in order if "ema" not in key)
    mean = next(key for key in order if "ema" in key)
    torch.save({key: WANTED if key == raw else OTHER for key in order}, tmp_path / "w.pt")
    source = loaded(tmp_path / "w.pt")
    check(source, WANTED)
    assert source.weights == f"took '{raw}'; '{mean}' would fit, too: to take them, save them alone"


def test_of_equals_the_first_is_taken(tmp_path):
    torch.save({"student": WANTED, "teacher": OTHER}, tmp_path / "w.pt")
    source = loaded(tmp_path / "w.pt")
    check(source, WANTED)
    assert source.weights == "took 'student'; 'teacher' would fit, too: to take them, save them alone"


def test_what_fits_by_its_shapes_is_taken(tmp_path):
    wide = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 3, 3), nn.Flatten())
    torch.save({"teacher": wide.state_dict(), "student": WANTED}, tmp_path / "w.pt")
    source = loaded(tmp_path / "w.pt")
    check(source, WANTED)
    assert source.weights is None


def test_what_is_left_out_is_told(tmp_path):
    torch.save({"state_dict": {**behind("model.", WANTED), "loss.weight": torch.ones(3)}}, tmp_path / "w.pt")
    source = loaded(tmp_path / "w.pt")
    check(source, WANTED)
    assert source.weights == "took 'state_dict', names behind 'model.'; left out loss.weight"


def test_a_mean_beside_the_weights_in_one_state_dict(tmp_path):
    torch.save({**behind("ema_model.", OTHER), **behind("model.", WANTED)}, tmp_path / "w.pt")
    source = loaded(tmp_path / "w.pt")
    check(source, WANTED)
    assert source.weights == (
        "took names behind 'model.'; names behind 'ema_model.' would fit, too: to take them, save them alone"
    )


def pruned(seed: int = 0) -> nn.Sequential:
    net = model(seed)
    prune.l1_unstructured(net[0], "weight", 0.5)
    prune.ln_structured(net[3], "weight", 0.5, n=2, dim=0)
    return net.eval()


def weight_normed(seed: int = 0) -> nn.Sequential:
    net = model(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is deprecated, and files have it
        net[0] = nn.utils.weight_norm(net[0])
    net[3] = parametrizations.weight_norm(net[3])
    with torch.no_grad():
        net[0].weight_g.mul_(2)
    return net.eval()


def spectral_normed(seed: int = 0) -> nn.Sequential:
    net = model(seed)
    net[0] = nn.utils.spectral_norm(net[0])
    net[3] = parametrizations.spectral_norm(net[3])
    net(torch.zeros(1, 1, 8, 8))  # a step of its own training
    return net.eval()


FORMS = {"pruned": pruned, "weight_normed": weight_normed, "spectral_normed": spectral_normed}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_weights_that_are_computed_become_plain(tmp_path, form, suffix):
    net, path = FORMS[form](), tmp_path / f"w.{suffix}"
    (save_file if suffix == "safetensors" else torch.save)(behind("module.", net.state_dict()), path)
    assert "module.0.weight" not in behind("module.", net.state_dict())
    net(torch.zeros(1, 1, 8, 8))  # computes the weights that the hooks of old make
    found = loaded(path).model
    for i in (0, 3):
        assert torch.equal(found[i].weight, net[i].weight), i
    if form == "pruned":
        assert (found[0].weight == 0).sum() == 18


@pytest.mark.parametrize("form", FORMS)
def test_a_model_that_computes_its_weights_takes_plain_ones(tmp_path, form):
    torch.save(WANTED, tmp_path / "w.pt")
    check(loaded(tmp_path / "w.pt", FORMS[form](1)), WANTED)


@pytest.mark.parametrize("form", FORMS)
def test_a_model_that_computes_its_weights_takes_its_own_form(tmp_path, form):
    net = FORMS[form]()
    torch.save(net.state_dict(), tmp_path / "w.pt")
    net(torch.zeros(1, 1, 8, 8))
    source = loaded(tmp_path / "w.pt", FORMS[form](1))
    for i in (0, 3):
        assert torch.equal(source.model[i].weight, net[i].weight), i
    assert set(source.model.state_dict()) == set(WANTED)


def test_a_parametrization_that_the_file_does_not_tell_is_refused(tmp_path):
    net = model()
    nn.utils.parametrize.register_parametrization(net[0], "weight", nn.Softplus())
    torch.save(net.state_dict(), tmp_path / "w.pt")
    assert refused(tmp_path / "w.pt") == (
        f"{tmp_path}/w.pt does not say what the parametrization of 0.parametrizations.weight.original "
        "computes: call torch.nn.utils.parametrize.remove_parametrizations before torch.save"
    )


def test_the_best_of_what_does_not_fit_is_told_with_its_place(tmp_path):
    short = {name: value for name, value in WANTED.items() if name != "3.bias"}
    torch.save({"optimizer": {"x": torch.zeros(1)}, "net": behind("module.", short)}, tmp_path / "w.pt")
    assert refused(tmp_path / "w.pt") == f"{tmp_path}/w.pt ('net') does not fit the model: it lacks 3.bias"
    torch.save(behind("net.", short), tmp_path / "w.pt")
    assert refused(tmp_path / "w.pt") == (
        f"{tmp_path}/w.pt (names behind 'net.') does not fit the model: it lacks 3.bias"
    )


def test_an_object_in_the_place_of_a_weight_is_told(tmp_path):
    torch.save({**WANTED, "3.bias": argparse.Namespace(a=1)}, tmp_path / "w.pt")
    assert refused(tmp_path / "w.pt") == (
        f"{tmp_path}/w.pt does not hold a state dict: 3.bias is argparse.Namespace, not a tensor"
    )
