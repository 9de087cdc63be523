"""From a float network to the same with chains: choose, train, decompose, make the chains fit for 8 bits."""

from __future__ import annotations

from torch import Tensor

from shiftbook.frontend.fusing.fuse import fuse
from shiftbook.frontend.fusing.layer_graph import LayerGraph
from shiftbook.frontend.graph.model import GraphModel
from shiftbook.frontend.tensor_train import saved_cores
from shiftbook.frontend.tensor_train.choose import choose
from shiftbook.frontend.tensor_train.equalize import equalize_channels
from shiftbook.frontend.tensor_train.network import train_chains, turn_gains
from shiftbook.frontend.tensor_train.plan import Plan
from shiftbook.frontend.training.processes import Finished, processes
from shiftbook.frontend.training.training import Training
from shiftbook.golden.progress import Progress


def decompose_network(
    model: GraphModel,
    graph: LayerGraph,
    plan: Plan,
    training: Training,
    inputs: Tensor,
    progress: Progress,
) -> saved_cores.Facts:
    """Put chains in the place of layers of a model, in place.

    Parameters
    ----------
    graph
        Fused from the model.
    inputs
        Normalized images for what is measured.

    Returns
    -------
    How the cores were found, now or when they were kept, as JSON values; ``trained``: whether by training.
    """
    kept = plan.keep_cores
    facts: saved_cores.Facts = {**plan.describe(), "trained": plan.epochs > 0}
    if kept is not None and kept.exists():
        facts = saved_cores.restore(model, kept)
    else:
        _find(model, graph, plan, training, inputs, progress)
        if kept is not None:
            saved_cores.save(model, kept, facts)
    equalize_channels(model, fuse(model), inputs)
    return facts


def _find(
    model: GraphModel, graph: LayerGraph, plan: Plan, training: Training, inputs: Tensor, progress: Progress
) -> None:
    trains = choose(graph, plan, inputs, progress)
    turn_gains(graph, list(trains))
    with processes() as group:
        train_chains(model, trains, plan, training, group, progress)
    if not group.first:
        raise Finished  # The first process alone goes on.
