"""Weights that are pruned and rounded together, so that a layer's output errs least."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

from shiftbook.frontend.graph.operations import Line
from shiftbook.frontend.post_training import gptq as module
from shiftbook.frontend.post_training.gptq import adapted, compensate, restore_mean, rounded, spared
from shiftbook.frontend.schemes import get
from shiftbook.frontend.schemes.base import Part, channel_scales
from shiftbook.frontend.training.layer_state import layer_states, prune_layers
from shiftbook.frontend.training.recipe import Balance
from shiftbook.frontend.training.target import Target
from shiftbook.frontend.training.train import quantize_weights
from shiftbook.frontend.training.training import Training
from tests.frontend.models import Dense, Mixed, Residual, graph_of, layers_of, lively, small


def draw(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def columns(groups, size, count=400, seed=1):
    """[G, D, n] inputs that are correlated, as those of real layers are."""
    mixing = draw(groups, size, size, seed=seed) + 2 * torch.ones(size)
    return (mixing @ draw(groups, size, count, seed=seed + 1)).double()


def quantizer(weight, mask=None, scheme="shift"):
    mask = torch.ones_like(weight, dtype=torch.bool) if mask is None else mask
    return get(scheme)().fit_all([Part(weight=weight, mask=mask, generator=torch.Generator())])[0]


def outputs(weight, x):
    """[G, O / G, n]"""
    return weight.double().reshape(len(x), -1, x.shape[1]) @ x


def test_least_squares_undoes_what_the_inputs_lost():
    weight, x = draw(6, 4, 3, 3), columns(1, 36)
    halved = x * torch.linspace(0.5, 2, 36)[:, None]
    for now, tolerance in ((x, 1e-5), (halved, 0.02)):
        found = adapted(weight, now @ now.mT, x @ now.mT)
        assert found.shape == weight.shape
        wanted = outputs(weight, x)
        error = (outputs(found, now) - wanted).square().mean()
        assert error <= tolerance * (outputs(weight, now) - wanted).square().mean() + 1e-8 * wanted.var()


def test_what_stays_is_what_matters_to_the_output():
    weight, x = torch.ones(2, 4, 1, 1), draw(1, 4, 1000).double() * torch.tensor([1, 4, 2, 3])[:, None]
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0]], dtype=torch.bool).reshape(2, 4, 1, 1)
    assert spared(weight, mask, x @ x.mT).flatten(1).tolist() == 2 * [[False, True, False, True]]
    whole = torch.ones_like(mask)
    assert spared(weight, whole, x @ x.mT) is whole


def test_what_stays_is_balanced_where_slots_count():
    weight, x = torch.ones(2, 4, 1, 1), draw(1, 4, 1000).double() * torch.tensor([1, 4, 2, 3])[:, None]
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0]], dtype=torch.bool).reshape(2, 4, 1, 1)
    kept = spared(weight, mask, x @ x.mT, Balance(2))
    assert kept.flatten(1).tolist() == 2 * [[False, True, True, False]], "channels 0 and 2 share a slot"


def test_a_whole_network_is_pruned_in_balance():
    model = graph_of(lively(small()), (2, 8, 8))
    graph, balance = layers_of(model, (2, 8, 8)), Balance(2)
    states = layer_states(model, graph.paths, Target(scheme=get("shift")()))
    prune_layers(states, 0.4, balance)
    compensate(graph, states, draw(64, 2, 8, 8, seed=5), balance=balance)
    even = {name: state for name, state in states.items() if state.mask.shape[1] % 2 == 0}
    assert any(not bool(state.mask.all()) for state in even.values())
    for name, state in even.items():
        work = state.mask.reshape(len(state.mask), -1, 2, *state.mask.shape[2:]).sum(dim=(1, 3, 4))
        assert torch.equal(work[:, 0], work[:, 1]), name


@pytest.mark.parametrize(("shape", "groups"), [((8, 12, 3, 3), 1), ((8, 3, 3, 3), 2), ((16, 1, 5, 5), 16)])
@pytest.mark.parametrize("scheme", ["shift", "focused", "int8"])
def test_rounding_together_errs_less_in_the_output(shape, groups, scheme):
    weight, x = draw(*shape), columns(groups, shape[1] * shape[2] * shape[3])
    grid = quantizer(weight, draw(*shape, seed=3) > -0.5, scheme)
    together = rounded(weight, grid, x @ x.mT)
    grid_values = grid.nearest(torch.linspace(-200, 200, 4001).reshape(-1, 1, 1, 1))
    assert torch.isin(together[grid.mask], grid_values).all()
    assert not together[~grid.mask].any()
    wanted = outputs(weight, x)

    def error(integers):
        return (outputs(integers * grid.step, x) - wanted).square().mean()

    assert error(together) < 0.6 * error(grid.integers(weight))


def test_inputs_that_have_nothing_to_do_with_each_other_are_rounded_for_themselves(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 5)
    weight = draw(8, 12, 1, 1)
    grid = quantizer(weight)
    assert torch.equal(rounded(weight, grid, torch.eye(12, dtype=torch.float64)[None]), grid.integers(weight))


def test_blocks_do_not_matter(monkeypatch):
    weight, x = draw(8, 4, 3, 3), columns(1, 36)
    whole = rounded(weight, quantizer(weight), x @ x.mT)
    monkeypatch.setattr(module, "BLOCK", 7)
    assert (rounded(weight, quantizer(weight), x @ x.mT) == whole).float().mean() > 0.99  # ties aside


def test_a_grid_that_knows_places_rounds_as_it_is():
    weight, x = draw(8, 4, 3, 3), columns(1, 36)
    scheme = get("focused")(component="sampled")
    weight = weight + weight.sign()
    mask = torch.ones_like(weight, dtype=torch.bool)
    grid = scheme.fit(weight, mask, torch.Generator().manual_seed(0))
    assert grid.by_place
    assert torch.equal(rounded(weight, grid, x @ x.mT), grid.integers(weight))


def test_a_scale_for_each_channel_errs_less():
    weight = draw(8, 4, 3, 3) * torch.linspace(0.3, 3, 8).reshape(8, 1, 1, 1)
    grid = quantizer(weight)
    before = (grid(weight) - weight).square().sum((1, 2, 3))
    steps = channel_scales(weight, grid)
    assert steps.shape == (8, 1, 1, 1)
    after = (grid(weight) - weight).square().sum((1, 2, 3))
    assert (after <= before).all()
    assert after.sum() < 0.8 * before.sum()


def compressed(model, shape, scheme, density, images=64, seed=0):
    """The float scores, those of plain rounding, those of compensation; and the layers."""
    model = graph_of(model, shape)
    plain, graph = copy.deepcopy(model), layers_of(model, shape)
    x = draw(images, *shape, seed=5)
    wanted = graph.run(x)
    target, training = Target(scheme=get(scheme)(), density=density), Training(seed=seed)
    quantize_weights(plain, graph.paths, target, training)
    together = partial(compensate, graph, images=x)
    layers = quantize_weights(model, graph.paths, target, training, together=together)
    return wanted, layers_of(plain, shape).run(x), graph.run(x), layers


@pytest.mark.parametrize(
    ("build", "shape"), [(Residual, (3, 16, 16)), (small, (2, 8, 8)), (Dense, (3, 8, 8)), (Mixed, (3, 9, 9))]
)
@pytest.mark.parametrize(("scheme", "density"), [("shift", 1.0), ("shift", 0.5), ("focused", 0.5)])
def test_a_network_keeps_its_scores(build, shape, scheme, density):
    model = graph_of(lively(build()), shape)
    wanted, plain, together, layers = compressed(model, shape, scheme, density)
    assert (together - wanted).square().mean() < 0.6 * (plain - wanted).square().mean()
    for name, layer in layers.items():
        weight = model.get_submodule(name).weight
        assert torch.equal(weight.detach(), layer.real().reshape(weight.shape)), (
            "the model has what is stored"
        )
    assert (together.mean((0, 2, 3)) - wanted.mean((0, 2, 3))).abs().max() < 1e-4 * wanted.abs().max()


@pytest.mark.parametrize("function", [nn.Hardswish(), nn.Sigmoid(), Line(-50.0, 3.0)])
def test_means_come_back_before_functions(function):
    """An offset is added before the table, so it is measured there: behind it, it would be another."""
    layers = layers_of(lively(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))), (3, 8, 8)).layers
    (was,) = (replace(layer, functions=(function,)) for layer in layers)
    now = copy.deepcopy(was)
    now.module.weight.data += 0.3
    x = draw(20, 3, 8, 8)
    with torch.no_grad():
        restore_mean(now, was, [[(x, x)]])
    apart = (now.sums(x) - was.sums(x)).mean((0, 2, 3))
    assert apart.abs().max() < 1e-4 * was.sums(x).abs().max()


def test_depthwise_layers_are_not_pruned():
    *_, layers = compressed(lively(Residual()), (3, 16, 16), "shift", 0.3)
    assert (layers["deep"].integers != 0).mean() > 0.9
    assert (layers["main"].integers != 0).mean() < 0.5


def test_a_layer_takes_the_better_of_two_grids():
    """A bell of weights is no two clusters, whatever the mixture says."""
    model = nn.Sequential(
        nn.Conv2d(4, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.Flatten(), nn.Linear(256, 3)
    )
    two = model[2].weight.detach()
    with torch.no_grad():
        model[0].weight.copy_(draw(*model[0].weight.shape) ** 3)
        two.copy_(two.sign() * (0.1 + 0.01 * draw(*two.shape)))
    *_, layers = compressed(model.eval(), (4, 6, 6), "focused", 1.0)
    assert [layers["0"].scheme, layers["2"].scheme] == ["shift", "focused"]


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.head = nn.Linear(3 * 16, 4)

    def forward(self, x):
        return self.head(self.conv(torch.relu(self.conv(x))).flatten(1))


def test_a_module_that_is_called_twice_is_rounded_once():
    model = graph_of(lively(Twice()), (3, 4, 4))
    *_, layers = compressed(model, (3, 4, 4), "shift", 1.0)
    assert torch.equal(model.get_submodule("conv").weight.detach(), layers["conv"].real())


def test_layers_with_many_inputs_are_rounded_weight_by_weight(monkeypatch):
    monkeypatch.setattr(module, "INPUTS", 40)
    monkeypatch.setattr(module, "CHUNK", 1000)
    wanted, _, together, layers = compressed(lively(small()), (2, 8, 8), "int8", 1.0)
    assert (together - wanted).square().mean() < 0.01 * wanted.var()
    assert (layers["8"].integers != 0).any()


def test_of_too_many_images_some_are_used_from_first_to_last(monkeypatch):
    graph, x = (
        layers_of(lively(small()), (2, 8, 8)),
        torch.arange(10.0).reshape(10, 1, 1, 1).expand(10, 2, 8, 8),
    )
    assert module.images_that_fit(graph, x) is x
    monkeypatch.setattr(module, "LARGEST_TENSOR", 3 * 6 * 8 * 8 + 5)
    assert module.images_that_fit(graph, x)[:, 0, 0, 0].tolist() == [0, 3, 6]


def test_progress_ends_at_the_last_layer():
    graph, seen = layers_of(lively(small()), (2, 8, 8)), []
    states = layer_states(graph_model(graph), graph.paths, Target(scheme=get("shift")()))
    compensate(graph, states, draw(4, 2, 8, 8), progress=lambda what, done, total: seen.append((done, total)))
    assert seen == [(i + 1, len(graph.layers)) for i in range(len(graph.layers))]


def graph_model(graph):
    """A model whose modules are the graph's, by path."""
    model = nn.Module()
    for layer in graph.convs():
        model.add_module(layer.path, layer.module)
    return model
