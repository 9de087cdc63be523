"""Schemes: grids, worked example, exactness, discovery."""

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import shiftbook.frontend.schemes
from shiftbook.frontend.schemes import available, get
from shiftbook.frontend.schemes.catalogue import catalogue
from shiftbook.frontend.schemes.focused import Focused, FocusedQuantizer
from shiftbook.frontend.schemes.shift import Shift, shift_bias, shift_levels
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import Spec

SCHEMES = ("focused", "int8", "shift")


def two_clusters(shape=(16, 8, 3, 3), density=0.4, seed=0):
    """A layer after pruning: (weight, mask), two clear clusters of unpruned weights."""
    generator = torch.Generator().manual_seed(seed)
    sign = torch.where(torch.rand(shape, generator=generator) < 0.5, 1.0, -1.0)
    weight = sign * (0.1 + 0.02 * torch.randn(shape, generator=generator))
    return weight, torch.rand(shape, generator=generator) < density


def one_cluster(shape=(16, 8, 3, 3), seed=0):
    generator = torch.Generator().manual_seed(seed)
    return 0.05 * torch.randn(shape, generator=generator), torch.ones(shape, dtype=torch.bool)


def fit(scheme, weight, mask, seed=0):
    return scheme.fit(weight, mask, torch.Generator().manual_seed(seed))


def test_schemes_are_found_by_name():
    names = ("additive", "focused", "int8", "kernel", "product", "shift")
    assert tuple(available()) == names
    assert all(get(name).name == name for name in names)


def test_the_catalogue_says_what_the_classes_say():
    """It reads their files and runs none of them."""
    entries = catalogue()
    assert list(entries) == list(available())
    for name, kind in available().items():
        assert entries[name].help == kind.help != ""
        parameters = inspect.signature(kind).parameters.values()
        defaults = {each.name: each.default for each in parameters if not isinstance(each.default, Spec)}
        assert entries[name].defaults == defaults


def test_reading_the_catalogue_imports_no_pytorch():
    code = "import sys; from shiftbook.frontend.schemes.catalogue import catalogue; catalogue(); "
    subprocess.run([sys.executable, "-c", code + "assert 'torch' not in sys.modules"], check=True)


def test_unknown_scheme():
    with pytest.raises(
        ShiftbookError, match="scheme must be one of additive, focused, int8, kernel, product, shift, not"
    ):
        get("ternary")


def test_a_file_dropped_into_the_package_is_a_scheme(tmp_path: Path, monkeypatch):
    (tmp_path / "doubled.py").write_text(
        "from shiftbook.frontend.schemes.shift import Shift\n\n\n"
        "class Doubled(Shift):\n    name = 'doubled'\n"
    )
    monkeypatch.setattr(
        shiftbook.frontend.schemes, "__path__", [*shiftbook.frontend.schemes.__path__, str(tmp_path)]
    )
    assert "doubled" in available()
    assert get("doubled")(bits=4).exponents == 4


@pytest.mark.parametrize("bits", [2, 9])
def test_bits_out_of_range(bits):
    with pytest.raises(ShiftbookError, match=rf"bits of scheme 'shift' must be in 3..8, not {bits}"):
        Shift(bits)


def test_focused_options_are_checked():
    with pytest.raises(ShiftbookError, match="component must be one of"):
        Focused(component="nearest")
    with pytest.raises(ShiftbookError, match="mean_exponent must be in"):
        Focused(mean_exponent=7)


def test_worked_example_of_the_paper():
    """block3f/conv1 of ResNet-50, in units of 1/128: means -+4, shift parts in steps of 1/4."""
    weight = torch.tensor([5.63, -3.81, -5.69, 4.54, -3.13, 1.50, 2.44]).reshape(1, 7, 1, 1)
    mask = torch.ones(1, 7, 1, 1, dtype=torch.bool)
    step = torch.tensor([0.25])
    quantizer = FocusedQuantizer(None, shift_levels(4), 4, step, mask, {})
    means = 16 * quantizer.component(weight / step)
    parts = (quantizer.integers(weight) - means) * step
    assert (means * step).flatten().tolist() == [4, -4, -4, 4, -4, 4, 4]
    assert parts.flatten().tolist() == [2, 0.25, -2, 0.5, 1, -2, -2]
    assert quantizer(weight).flatten().tolist() == [6, -3.75, -6, 4.5, -3, 2, 2]


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("layer", [two_clusters, one_cluster])
def test_layer_is_exactly_the_fake_quantized_weight(name, layer):
    weight, mask = layer()
    quantizer = fit(get(name)(), weight, mask)
    result = quantizer.layer(weight)
    assert torch.equal(result.real(), quantizer(weight))
    assert torch.equal(quantizer(weight)[~mask], torch.zeros(int((~mask).sum())))
    assert result.integers.dtype == np.int16
    assert result.integers.shape == (16, 3, 3, 8)
    assert np.array_equal(result.codebook, np.unique(result.integers))


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize("layer", [two_clusters, one_cluster])
def test_quantizing_twice_changes_nothing(name, layer):
    weight, mask = layer()
    quantizer = fit(get(name)(), weight, mask)
    once = quantizer(weight)
    assert torch.equal(quantizer(once), once)


def test_alpha_goes_into_the_step():
    weight, mask = two_clusters()
    quantizer = fit(Focused(), weight, mask)
    plain, scaled = quantizer.layer(weight), quantizer.layer(weight, alpha=2.0)
    assert np.array_equal(plain.integers, scaled.integers)
    assert scaled.step == 2 * plain.step


def test_int8_uses_the_whole_range_of_each_output_channel():
    weight, mask = one_cluster()
    weight[3] = 0
    result = fit(get("int8")(), weight, mask).layer(weight)
    largest = np.abs(result.integers.astype(int)).max(axis=(1, 2, 3))
    assert largest.tolist() == [127] * 3 + [0] + [127] * 12
    assert result.step.shape == (16,)


@pytest.mark.parametrize(("bits", "largest"), [(3, 2), (4, 8), (5, 64), (8, 64)])
def test_shift_integers_are_powers_of_two(bits, largest):
    weight, mask = one_cluster()
    result = fit(Shift(bits), weight, mask).layer(weight)
    powers = {0, *(2**e for e in range(8) if 2**e <= largest)}
    assert set(np.abs(result.codebook).tolist()) <= powers
    assert np.abs(result.codebook).max() == largest


def test_shift_bias_lets_the_allowed_share_overflow():
    # 4 bits let 1 of 17 values overflow; four exponents reach 8 / 2^b.
    values = torch.cat([torch.full((16,), 1.0), torch.tensor([100.0])])
    assert shift_bias(values, bits=4, exponents=4) == 3
    assert shift_bias(torch.cat([values, torch.tensor([100.0])]), bits=4, exponents=4) == -4
    assert shift_bias(torch.zeros(5), bits=4, exponents=4) == 0


def test_focused_integers_are_what_the_preset_runs():
    weight, mask = two_clusters()
    result = fit(Focused(), weight, mask).layer(weight)
    parts = [0, 1, 2, 4, 8]
    sums = {s * (16 + t * part) for s in (1, -1) for t in (1, -1) for part in parts}
    assert result.scheme == "focused"
    assert set(result.codebook.tolist()) <= sums | {0}
    assert result.facts["mean_exponent"] == 4


@pytest.mark.parametrize("bits", range(4, 9))
def test_focused_integers_fit_in_eight_bits(bits):
    weight, mask = two_clusters()
    assert np.abs(fit(Focused(bits), weight, mask).layer(weight).codebook).max() < 128


def test_focused_takes_plain_shift_where_there_is_one_cluster():
    weight, mask = one_cluster()
    result = fit(Focused(), weight, mask).layer(weight)
    assert result.scheme == "shift"
    assert result.facts["mixture"]["separation"] < 2
    assert np.array_equal(result.integers, fit(Shift(), weight, mask).layer(weight).integers)


def test_focused_without_weights_of_one_sign_takes_plain_shift():
    weight, mask = two_clusters()
    result = fit(Focused(), weight.abs(), mask).layer(weight.abs())
    assert result.scheme == "shift"
    assert result.facts["mixture"] is None


def test_sampled_components_follow_the_posterior_and_the_seed():
    generator = torch.Generator().manual_seed(1)
    shape = (64, 8, 3, 3)
    sign = torch.where(torch.rand(shape, generator=generator) < 0.5, 1.0, -1.0)
    weight = sign * (0.1 + 0.045 * torch.randn(shape, generator=generator))
    mask = torch.ones(shape, dtype=torch.bool)
    drawn = fit(Focused(component="sampled"), weight, mask, seed=1)
    again = fit(Focused(component="sampled"), weight, mask, seed=1)
    other = fit(Focused(component="sampled"), weight, mask, seed=2)
    assert torch.equal(drawn(weight), again(weight))
    assert not torch.equal(drawn(weight), other(weight))
    expected = drawn.mixture.posterior(weight).double()
    deviation = (expected * (1 - expected)).sum().sqrt()
    assert abs(drawn.positive.double().sum() - expected.sum()) < 5 * deviation


def test_a_layer_without_weights_left_is_all_zero():
    weight, _ = one_cluster()
    nothing = torch.zeros_like(weight, dtype=torch.bool)
    for name in SCHEMES:
        assert fit(get(name)(), weight, nothing).layer(weight).codebook.tolist() == [0]
