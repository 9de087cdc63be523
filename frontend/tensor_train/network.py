"""A whole network with some of its convolutions as chains, by TT-SVD alone or with training."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from shiftbook.frontend.fusing.conv_layer import ConvLayer
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.tensor_train.admm import Admm, Trains
from shiftbook.frontend.tensor_train.chain import Chain, chains, replace_module
from shiftbook.frontend.tensor_train.choose import suitable
from shiftbook.frontend.tensor_train.cores import CoreTraining
from shiftbook.frontend.tensor_train.decompose import decompose
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.frontend.training.processes import Processes
from shiftbook.frontend.training.training import Training
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.progress import Progress, quiet


def train_chains(
    model: nn.Module,
    trains: Trains,
    plan: Plan,
    training: Training,
    processes: Processes,
    progress: Progress = quiet,
) -> None:
    """Put chains in the place of layers and train them; the rest of the model is trained along with them.

    Parameters
    ----------
    model
        The float network; changed in place.
    trains
        The layers, with modes and ranks.
    training
        The states of both trainings are its ``state`` with ``.admm`` and ``.cores`` after it. Where they
        are, training goes on from them; they stay when it is done.

    Raises
    ------
    ShiftbookError
        Training without data, or that diverges; a state of another run.
    """
    data, seed, recipe = training.data, training.seed, training.recipe
    if plan.epochs and data is None:
        raise ShiftbookError(
            f"training for {plan.epochs} epochs needs images to train on: give data", arguments=("data",)
        )
    teacher = copy.deepcopy(model)
    admm_state, cores_state = (None, None) if training.state is None else states_of(training.state)
    if plan.admm_epochs and data is not None:
        admm = Admm(
            *(model, data, training.mean, training.std, plan.admm_epochs, seed, recipe, processes, teacher),
            trains=trains,
            rho=plan.rho,
            updates=plan.updates,
        )
        admm.go(progress, admm_state, training.log)
    assemble(model, trains)
    if plan.core_epochs and data is not None:
        recipe = replace(recipe, rate=plan.rate_of_cores(recipe.rate))
        cores = CoreTraining(
            *(model, data, training.mean, training.std, plan.core_epochs, seed, recipe, processes, teacher)
        )
        cores.go(progress, cores_state, training.log)


def states_of(state: Path) -> tuple[Path, Path]:
    """The files that hold the states of both trainings."""
    return state.with_name(state.name + ".admm"), state.with_name(state.name + ".cores")


def assemble(model: nn.Module, trains: Trains) -> None:
    """Put chains with the cores of their weights in the place of layers, in place."""
    for path, (modes, ranks) in trains.items():
        layer = model.get_submodule(path)
        assert isinstance(layer, nn.Conv2d)
        chain = Chain(modes, ranks, layer).load(decompose(layer.weight, modes, ranks), layer.bias)
        replace_module(model, path, chain.train(layer.training))


@torch.no_grad()
def turn_gains(graph: LayerGraph, paths: Sequence[str]) -> None:
    """Make the gains of the batch norms behind some layers positive, by negating weights; nothing else
    changes.

    Copies share weights, so that lowering could not negate the channels of one copy alone.
    """
    layers = suitable(graph)
    for layer in (layers[path] for path in paths):
        norm = layer.norm
        if norm is None or not norm.affine or norm.running_mean is None:
            continue
        sign = torch.where(norm.weight < 0, -1.0, 1.0)
        layer.module.weight.mul_(sign[:, None, None, None])
        norm.weight.mul_(sign)
        norm.running_mean.mul_(sign)
        if layer.module.bias is not None:
            layer.module.bias.mul_(sign)


def facts_of(model: nn.Module, graph: LayerGraph) -> dict[str, object]:
    """What a checkpoint says of each decomposed layer, as JSON values.

    Parameters
    ----------
    graph
        Fused from the model with its chains.
    """
    convs: dict[str, ConvLayer] = {layer.path: layer for layer in graph.convs()}
    found: dict[str, object] = {}
    for path, chain in chains(model).items():
        links = [convs[f"{path}.{name}"] for name, _ in chain.named_children()]
        channels = links[0].input_shape[0]
        found[path] = {
            "nodes": [layer.name for layer in links],
            "shape": [links[-1].outputs, channels, *chain.modes.kernel],
            "modes": list(chain.modes.sizes),
            "ranks": list(chain.ranks),
        }
    return found
