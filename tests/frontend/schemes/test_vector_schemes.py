"""Schemes with vectors: layout, joint fit, pruning, training, and what a layer's codes say."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from shiftbook.frontend.codebooks import Layout
from shiftbook.frontend.codebooks.negate import negate
from shiftbook.frontend.schemes import make
from shiftbook.frontend.schemes.base import Part
from shiftbook.frontend.schemes.vectors import VectorQuantizer
from shiftbook.frontend.training.layer_context import layer_contexts
from shiftbook.frontend.training.layer_state import follow, layer_states, refresh, results
from shiftbook.frontend.training.target import Target
from shiftbook.frontend.training.train import accuracy, quantize_weights
from shiftbook.frontend.training.training import Training
from shiftbook.golden.coding.placement import place
from shiftbook.golden.coding.vectors import integers_of
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.spec import DEFAULT
from tests.frontend.models import layers_of
from tests.frontend.training.test_train import LAYERS, NORMALIZE, Tiny, data, model, recipe  # noqa: F401

ENDS = ["conv1", "linear"]

OPTIONS = {
    "additive": {"dim": 4, "codebooks": 2, "codewords": 16},
    "product": {"dim": 4, "codewords": 16},
    "kernel": {"codewords": 16},
}


def scheme(name: str = "additive", **changes: object):
    return make(name, DEFAULT, **(OPTIONS[name] | changes))


def part(weight: torch.Tensor, **changes: object) -> Part:
    mask = torch.ones(weight.shape, dtype=torch.bool)
    return Part(**({"weight": weight, "mask": mask, "generator": torch.Generator().manual_seed(0)} | changes))


def weights(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("kernel", "channels", "dim", "along"),
    [((3, 3), 8, 9, "taps"), ((3, 3), 8, 5, "run"), ((1, 1), 40, 4, "run"), ((3, 3), 10, 16, "run")],
)
def test_a_layout_takes_every_weight_along(kernel, channels, dim, along):
    layout = Layout(kernel, channels, dim, DEFAULT)
    assert layout.along == along
    kernels = weights(3, channels, *kernel)
    vectors = layout.gather(kernels)
    assert vectors.shape == (3, *layout.shape)
    assert int(layout.exists.sum()) == kernels[0].numel()
    assert not vectors[:, ~layout.exists].any()
    assert torch.equal(layout.scatter(vectors), kernels)


def test_a_vector_along_taps_is_a_kernel():
    kernels = weights(2, 8, 3, 3)
    vectors = Layout((3, 3), 8, 9, DEFAULT).gather(kernels)
    assert torch.equal(vectors[1, 2, 1], kernels[1, 6].flatten())  # slot 2, local channel 1: channel 6


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_codes_say_the_integers_and_are_near_the_weights(name):
    quantized, parts = fitted(scheme(name), weights(32, 8, 3, 3), weights(16, 16, 3, 3, seed=1))
    assert quantized[0].vectors.codebooks is quantized[1].vectors.codebooks
    for layer, each in zip(quantized, parts, strict=True):
        shape = layer.integers.shape
        placement = place(shape[1:3], shape[3], 4, DEFAULT)
        assert np.array_equal(layer.integers, integers_of(layer.vectors, shape, placement))
        error = (layer.real() - each.weight).square().mean() / each.weight.square().mean()
        assert error < (0.8 if name == "kernel" else 0.5)
        assert layer.vectors.along == ("taps" if name == "kernel" else "run")
        assert layer.scheme == name


def fitted(chosen, *kernels: torch.Tensor, **changes: object):
    parts = [part(kernel, **changes) for kernel in kernels]
    quantizers = chosen.fit_all(parts)
    chosen.finish(quantizers)
    layers = [q.layer(p.weight) for q, p in zip(quantizers, parts, strict=True)]
    for quantizer, each, layer in zip(quantizers, parts, layers, strict=True):
        torch.testing.assert_close(quantizer(each.weight).detach(), layer.real())
    return layers, parts


def test_kernel_codewords_have_few_bits():
    (layer,), _ = fitted(scheme("kernel", bits=4, terms=4), weights(32, 8, 3, 3))
    words = layer.vectors.codebooks.codewords
    assert words.min() >= -8
    assert words.max() <= 7


@pytest.mark.parametrize("terms", [1, 2])
def test_codewords_have_few_terms(terms):
    (layer,), _ = fitted(scheme(terms=terms), weights(32, 8, 3, 3))
    said = {0, *(sign << e for sign in (1,) for e in range(8))}
    said |= {-value for value in said}
    if terms == 2:
        said = {a + b for a in said for b in said}
    assert set(layer.vectors.codebooks.codewords.ravel().tolist()) <= said


def test_each_layer_can_have_its_own_codebooks():
    layers, _ = fitted(scheme(per_layer=True), weights(32, 8, 3, 3), weights(16, 16, 3, 3, seed=1))
    assert layers[0].vectors.codebooks is not layers[1].vectors.codebooks


def test_codes_are_sorted_by_use():
    (layer,), _ = fitted(scheme("product"), weights(64, 8, 3, 3))
    counts = np.bincount(layer.vectors.codes.ravel(), minlength=16)
    assert (np.diff(counts) <= 0).all()
    assert (np.diff(layer.vectors.codebooks.lengths.astype(int)) >= 0).all()


def test_signs_turn_the_scale_and_not_the_codes():
    sign = torch.tensor([1.0, -1.0] * 16)
    (layer,), _ = fitted(scheme(), weights(32, 8, 3, 3), sign=sign)
    assert np.array_equal(np.sign(layer.step), sign.numpy())


def test_moments_move_the_error_to_where_inputs_are_small():
    moments = torch.full((8, 3, 3), 0.01)
    moments[0] = 1.0
    (plain,), (each,) = fitted(scheme(), weights(32, 8, 3, 3))
    (aware,), _ = fitted(scheme(), weights(32, 8, 3, 3), moments=moments)
    before, after = ((layer.real() - each.weight).square().mean((0, 2, 3)) for layer in (plain, aware))
    assert after[0] < 0.7 * before[0]
    assert after[1:].mean() > before[1:].mean()


def test_vectors_of_zeros_stay_zeros():
    kernel = weights(32, 8, 3, 3)
    kernel[5] = 0
    kernel[:, 4:] = 0  # local channel 1 of each slot: vectors along taps
    (layer,), _ = fitted(scheme(dim=9), kernel)
    vectors = layer.vectors
    assert not vectors.present[5].any()
    assert not vectors.present[:, :, 1].any()
    assert vectors.present[:5, :, 0].all()
    assert not layer.integers[5].any()
    assert not layer.integers[..., 4:].any()


def test_pruning_takes_whole_vectors(model):  # noqa: F811
    found = quantize_weights(model, LAYERS, Target(scheme=scheme(dim=9), density=0.5, uniform=ENDS))
    vectors = found["conv2"].vectors
    assert vectors.present.mean() == pytest.approx(0.5, abs=0.02)
    assert np.count_nonzero(found["conv1"].integers) > 60


def test_training_learns_and_goes_on_after_an_interruption(model, data, tmp_path):  # noqa: F811
    class Stop(Exception):
        pass

    def interrupt(what, done, total):
        if what.startswith("epoch 3/"):
            raise Stop

    def target():
        return Target(scheme=scheme(), density=0.8, uniform=["linear"])  # conv1 is too small for vectors

    path = tmp_path / "train.pt"
    given = Training(data=data, recipe=recipe(refit_every=5, noise=0.5), **NORMALIZE)
    kept = replace(given, state=path)
    whole, broken, resumed = (copy.deepcopy(model) for _ in range(3))
    expected = quantize_weights(whole, LAYERS, target(), given, epochs=4)
    assert accuracy(whole, data, **NORMALIZE) > 0.9
    with pytest.raises(Stop):
        quantize_weights(broken, LAYERS, target(), kept, epochs=4, progress=interrupt)
    got = quantize_weights(resumed, LAYERS, target(), kept, epochs=4)
    for name in LAYERS:
        assert np.array_equal(expected[name].integers, got[name].integers)
        assert np.array_equal(expected[name].step, got[name].step)
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_gradients_reach_codebooks_and_weights(model):  # noqa: F811
    state = layer_states(model, LAYERS, Target(scheme=scheme(), uniform=ENDS))["conv2"]
    refresh([state], 0)
    state.choose(0.25)
    assert bool(state.chosen.all())  # all at once, not a quarter
    state.effective().sum().backward()
    assert torch.equal(state.weight.grad, torch.ones_like(state.weight))
    (values,) = state.quantizer.parameters()
    used = torch.bincount(state.quantizer.codes[..., 0].flatten().long(), minlength=16) > 0
    assert torch.equal(values.grad[0].abs().sum(1) > 0, used)


def test_noise_quantizes_whole_vectors(model):  # noqa: F811
    state = layer_states(model, LAYERS, Target(scheme=scheme(), uniform=ENDS))["conv2"]
    refresh([state], 0)
    state.draw(0.3, torch.Generator().manual_seed(0))
    drawn = state.quantizer.layout.gather(state.chosen.float())
    exists = state.quantizer.layout.exists
    assert 0.15 < drawn[:, exists].mean() < 0.45
    for vector, there in zip(drawn.flatten(0, 2), exists.flatten(0, 1).repeat(len(drawn), 1), strict=True):
        assert len(set(vector[there].tolist())) == 1


def test_codes_follow_the_weights(model):  # noqa: F811
    state = layer_states(model, LAYERS, Target(scheme=scheme(), uniform=ENDS))["conv2"]
    refresh([state], 0)
    state.choose(1.0)
    with torch.no_grad():
        state.weight.copy_(state.weight.flip(0))
    before = (state.effective() - state.weight).square().sum()
    follow([state], 0)
    assert (state.effective() - state.weight).square().sum() < 0.5 * before


def test_a_fully_connected_layer_is_cut_as_its_kernel_is(model):  # noqa: F811
    class Flat(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = torch.nn.Conv2d(1, 8, 3, padding=1)
            self.linear = torch.nn.Linear(8 * 4 * 4, 10)

        def forward(self, x):
            return self.linear(torch.relu(self.conv(x)).flatten(1))

    flat = Flat()
    graph = layers_of(flat, (1, 4, 4))
    contexts = layer_contexts(graph, weights(5, 1, 4, 4))
    assert contexts["linear"].kernel == (4, 4)
    assert contexts["linear"].moments.shape == (8, 4, 4)
    assert contexts["conv"].moments.shape == (1, 3, 3)
    target = Target(scheme=scheme(), uniform=["conv"], layer_contexts=contexts)
    states = layer_states(flat, graph.paths, target)
    refresh(states.values(), 0)
    found = results(states)["linear"]
    assert found.integers.shape == (10, 4, 4, 8)
    torch.testing.assert_close(found.real().reshape(10, -1), flat.linear.weight.detach())


def test_channels_can_be_negated():
    (layer,), _ = fitted(scheme(codewords=64), weights(64, 8, 3, 3))
    turned = np.arange(64) % 3 == 0
    found = negate(layer.vectors, turned)
    assert np.array_equal(found.codes[~turned], layer.vectors.codes[~turned])
    placement = place((3, 3), 8, 4, DEFAULT)
    integers = integers_of(found, layer.integers.shape, placement).astype(float)
    signs = np.where(turned, -1, 1).reshape(-1, 1, 1, 1)
    error = ((integers - signs * layer.integers) ** 2).sum((1, 2, 3)) / (layer.integers**2.0).sum((1, 2, 3))
    assert error[turned].max() < 0.5
    assert not error[~turned].any()


def test_a_layer_without_room_is_int8():
    small, large = weights(8, 1, 1, 1), weights(32, 32, 1, 1)
    layers, _ = fitted(scheme(dim=8), small, large)
    assert [layer.scheme for layer in layers] == ["int8", "additive"]
    with pytest.raises(ShiftbookError, match="no layer has room for vectors of 8 weights in a slot: take a"):
        scheme(dim=8).fit_all([part(small)])


def test_kernels_of_other_sizes_are_int8():
    layers, _ = fitted(scheme("kernel"), weights(32, 8, 3, 3), weights(32, 36, 1, 1))
    assert [layer.scheme for layer in layers] == ["kernel", "int8"]
    with pytest.raises(ShiftbookError, match="no layer has kernels of 8 taps that lie whole in a slot"):
        scheme("kernel", dim=8).fit_all([part(weights(32, 8, 3, 3))])


def test_weights_of_zeros_give_zeros():
    layers, _ = fitted(scheme(), torch.zeros(8, 8, 3, 3), torch.zeros(8, 8, 1, 1))
    assert not any(layer.integers.any() or layer.vectors.present.any() for layer in layers if layer.vectors)
    one, other = fitted(scheme(), torch.zeros(8, 8, 3, 3), weights(8, 8, 3, 3))[0]
    assert not one.integers.any()
    assert other.integers.any()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("additive", {"codewords": 100}, "codewords must be a power of two in 2..256, not 100"),
        ("additive", {"codewords": 512}, "codewords must be a power of two in 2..256, not 512"),
        ("additive", {"codebooks": 0}, "the number of codebooks must be at least 1, not 0"),
        ("additive", {"codebooks": 5}, "codebooks must be in 1..4, not 5"),
        ("additive", {"dim": 0}, "dim must be in 1..16, not 0"),
        ("additive", {"dim": 17}, "dim must be in 1..16, not 17"),
        ("additive", {"terms": 5}, "terms must be in 1..4, or None for any integer, not 5"),
        ("kernel", {"bits": 9}, "bits of scheme 'kernel' must be in 2..8, not 9"),
        ("product", {"codebooks": 2}, "scheme 'product' has no option codebooks: it belongs to additive"),
        ("shift", {"dim": 8}, "scheme 'shift' has no option dim: it belongs to additive, kernel, product"),
    ],
)
def test_options_out_of_range(name, options, message):
    with pytest.raises(ShiftbookError, match=message):
        make(name, DEFAULT, **options)


def test_too_few_vectors():
    with pytest.raises(ShiftbookError, match="160 vectors are too few for 256 codewords: take at most 128"):
        scheme(codewords=256).fit_all([part(weights(8, 8, 3, 3))])


def test_the_slots_of_the_spec_are_those_of_the_codes():
    spec = replace(DEFAULT, slots=2)
    (quantizer,) = make("product", spec, codewords=16).fit_all([part(weights(32, 8, 3, 3))])
    assert isinstance(quantizer, VectorQuantizer)
    assert quantizer.codes.shape == (32, 2, 9, 1)
