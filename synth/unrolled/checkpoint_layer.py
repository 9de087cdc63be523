"""One layer of a checkpoint with its weights fixed in gates."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model.network import Network
from shiftbook.golden.model.nodes import Conv
from shiftbook.golden.spec import ACTIVATION_WIDTH
from shiftbook.golden.storage.checkpoint import load
from shiftbook.synth.flow.gates import Json, versions
from shiftbook.synth.flow.measure import Progress
from shiftbook.synth.flow.weights import NAND2_TABLE, load_weights
from shiftbook.synth.unrolled.random_weights import FixedLayer, Ints
from shiftbook.synth.unrolled.unrolled import Unrolled, cell_prices, unroll

SLICE = 20
"""Output channels of an adder graph, which share sub-expressions."""


def checkpoint_layer_report(
    checkpoint: Path,
    layer: str,
    *,
    channels: int | None = None,
    weights: Path | None = None,
    progress: Progress | None = None,
) -> Json:
    """Gates of a layer's weights, of one output pixel.

    Parameters
    ----------
    checkpoint
        The file.
    layer
        Name of a convolution or fully connected layer in it.
    channels
        Only the first so many output channels; all by default.
    weights
        Gate weight table to use instead of ``nand2.toml``.
    progress
        Called after every slice of `SLICE` output channels.

    Returns
    -------
    report
        JSON. ``ge``: of one output pixel, the measured channels; ``macs``: their multiplications, zeros
        included; ``ge_per_mac``; ``density``: share of weights that are not 0; ``adders``, ``depth``.

    Raises
    ------
    ShiftbookError
        The checkpoint cannot be read, has no such layer, or not so many channels; or no Yosys.
    """
    table = NAND2_TABLE if weights is None else weights
    prices_table = load_weights(table)
    conv = find_layer(load(checkpoint), layer)
    integers = conv.weights.integers.astype(np.int64)
    outputs = len(integers) if channels is None else channels
    if not 1 <= outputs <= len(integers):
        raise ShiftbookError(f"channels must be in 1..{len(integers)} for layer {layer}, not {channels}")
    slices = layer_slices(integers[:outputs], len(integers) // conv.groups)
    graphs: list[Unrolled] = []
    for part in slices:
        graphs.append(unroll(FixedLayer(part, ACTIVATION_WIDTH)))
        if progress is not None:
            progress(len(graphs), len(slices), "adder graphs")
    prices, yosys = cell_prices((cell for graph in graphs for cell in graph.cells), prices_table)
    ge = sum(graph.ge(prices) for graph in graphs)
    macs = integers[:outputs].size
    return {
        "checkpoint": str(checkpoint),
        "layer": layer,
        "scheme": conv.weights.scheme,
        "channels": outputs,
        "of_channels": len(integers),
        "slice": SLICE,
        "macs": macs,
        "density": round(float((integers[:outputs] != 0).mean()), 4),
        "ge": round(ge, 2),
        "ge_per_mac": round(ge / macs, 2),
        "adders": sum(graph.adders for graph in graphs),
        "shared": sum(graph.shared for graph in graphs),
        "depth": max(graph.depth for graph in graphs),
        "verilog_sha256": [graph.verilog_sha256 for graph in graphs],
        "versions": versions(yosys),
        "weights": table.name,
    }


def find_layer(network: Network, name: str) -> Conv:
    """The layer of that name.

    Raises
    ------
    ShiftbookError
        There is none.
    """
    convs = {node.name: node for node in network.nodes if isinstance(node, Conv)}
    if name not in convs:
        raise ShiftbookError(f"there is no layer {name!r} with weights: choose one of {', '.join(convs)}")
    return convs[name]


def layer_slices(integers: Ints, group: int) -> list[Ints]:
    """Matrices [O', N] of the weights [O, kh, kw, I]; no slice has channels of two groups of ``group``."""
    rows = integers.reshape(len(integers), -1)
    return [
        rows[first : min(first + SLICE, start + group)]
        for start in range(0, len(rows), group)
        for first in range(start, min(start + group, len(rows)), SLICE)
    ]
