"""How much each layer bears to be pruned: what a budget is shared out by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from shiftbook.frontend.compress import TRAINING, begin, scheme_of
from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.options.data import DataOptions
from shiftbook.frontend.schemes.base import QuantizedLayer
from shiftbook.golden.coding.select import code_weights
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.progress import Progress, quiet


@dataclass(frozen=True)
class LayerSensitivity:
    """What pruning does to single layers.

    Attributes
    ----------
    errors
        By the paths of the layers: for each share the mean square by which the class scores move when this
        layer alone is pruned to it.
    paths
        Of the networks' layers, by their names.
    networks
        For each share the network with all these layers pruned to it, to count cycles with. Each layer knows
        nothing of the others, so this is no network to use.
    """

    errors: Mapping[str, Sequence[float]]
    paths: Mapping[str, str]
    networks: tuple[Network, ...]


def layer_sensitivity(
    source: str,
    *,
    weights: str | Path | None = None,
    data: DataOptions,
    compression: CompressionOptions,
    shares: Sequence[float],
    images: int,
    progress: Progress = quiet,
) -> LayerSensitivity:
    """Measure what pruning each layer alone does, its other weights making up for it.

    Parameters
    ----------
    source, weights, data, compression
        See :func:`frontend.compress.compress`; without a density.
    shares
        Of its weights that a layer keeps, in (0, 1].
    images
        Calibration images that class scores are compared on.

    Raises
    ------
    ShiftbookError
        See :func:`frontend.compress.compress`; or no layer of this network is pruned.
    """
    scheme = scheme_of(compression, TRAINING)
    model = load_model(source, weights, seed=compression.seed, progress=progress)
    steps = begin(model, data, compression, TRAINING, None, progress)
    alone = steps.prune_each_alone(scheme, shares, images)
    if not alone:
        raise ShiftbookError("no layer of this network is pruned: leave budget out")
    paths = {conv.name: conv.path for conv in steps.graph.convs() if conv.path in alone}
    network = steps.lower(steps.quantize(scheme), steps.describe(scheme))
    return LayerSensitivity(
        {path: [pruned.error for pruned in found] for path, found in alone.items()},
        paths,
        tuple(
            _with(network, {name: alone[path][i].weights for name, path in paths.items()}, compression)
            for i in range(len(shares))
        ),
    )


def _with(network: Network, layers: Mapping[str, QuantizedLayer], options: CompressionOptions) -> Network:
    """The network with other weights in some layers."""
    nodes = []
    for node in network.nodes:
        if isinstance(node, Conv) and node.name in layers:
            integers = layers[node.name].integers
            coded = code_weights(integers, node.weights.scheme, options.spec, options.seed)
            node = replace(node, weights=coded)
        nodes.append(node)
    return replace(network, nodes=tuple(nodes))
