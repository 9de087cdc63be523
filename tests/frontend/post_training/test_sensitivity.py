"""What pruning one layer alone does to the class scores."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import INPUT
from shiftbook.frontend.post_training.gptq import compensate
from shiftbook.frontend.post_training.sensitivity import PrunedLayer, prune_each_alone
from shiftbook.frontend.schemes import get
from shiftbook.frontend.training.layer_state import States, layer_states
from shiftbook.frontend.training.target import Target
from tests.frontend.models import Residual, layers_of, lively

SHARES = (1.0, 0.5, 0.2)
UNIFORM = {"stem"}


@pytest.fixture(scope="module")
def graph() -> LayerGraph:
    return layers_of(lively(Residual()), (3, 16, 16))


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    return torch.randn(24, 3, 16, 16, generator=torch.Generator().manual_seed(5))


def states_of(graph: LayerGraph, uniform: set[str]) -> States:
    modules = {layer.path: layer.module for layer in graph.convs()}
    holder = torch.nn.Module()
    holder.get_submodule = modules.__getitem__  # type: ignore[method-assign, assignment]
    target = Target(scheme=get("shift")(), density=1.0, uniform=uniform)
    return layer_states(holder, graph.paths, target)


@pytest.fixture(scope="module")
def found(graph: LayerGraph, images: torch.Tensor) -> dict[str, list[PrunedLayer]]:
    return prune_each_alone(graph, states_of(graph, UNIFORM), images, SHARES)


def test_layers_that_are_never_pruned_have_no_result(
    graph: LayerGraph, found: dict[str, list[PrunedLayer]]
) -> None:
    prunable = [path for path, state in states_of(graph, UNIFORM).items() if state.prunable]
    assert list(found) == prunable
    assert "stem" not in found


def test_a_layer_keeps_its_share(found: dict[str, list[PrunedLayer]]) -> None:
    for results in found.values():
        for share, pruned in zip(SHARES, results, strict=True):
            kept = (pruned.weights.integers != 0).mean()
            assert kept <= share + 1 / pruned.weights.integers.size
        assert results[0].error < results[1].error < results[2].error


def test_the_error_is_that_of_compensating_this_layer_alone(
    graph: LayerGraph, images: torch.Tensor, found: dict[str, list[PrunedLayer]]
) -> None:
    """Against `compensate` on a graph of this one layer, which lies within a copy of the whole one."""
    values: dict[str, torch.Tensor] = {INPUT: images}
    wanted = graph.run(images, values.__setitem__)
    checked = 0
    for layer in graph.convs():
        if layer.path not in found or len(layer.inputs) > 1:
            continue
        whole = copy.deepcopy(graph)
        one = next(conv for conv in whole.convs() if conv.name == layer.name)
        single = LayerGraph(one.input_shape, [replace(one, source=INPUT)], graph.classes)
        states = {layer.path: states_of(single, set())[layer.path]}
        mask = states[layer.path].mask
        states[layer.path].mask = (torch.arange(mask.numel()) < mask.numel() // 2).reshape(mask.shape)
        states[layer.path].index = list(states_of(graph, UNIFORM)).index(layer.path)
        compensate(single, states, values[layer.source])
        error = float((whole.run(images) - wanted).square().mean())
        assert found[layer.path][1].error == pytest.approx(error, rel=1e-4)
        checked += 1
    assert checked == 2


def test_the_network_stays_as_it_is(graph: LayerGraph, images: torch.Tensor) -> None:
    before = copy.deepcopy(graph)
    prune_each_alone(graph, states_of(graph, UNIFORM), images, (0.3,))
    assert torch.equal(graph.run(images), before.run(images))
