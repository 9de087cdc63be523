"""Layers with their weights fixed in gates: adder graphs, checked against W x, priced bit by bit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from shiftbook.synth.flow.mapping import map_designs
from shiftbook.synth.flow.merge import Design
from shiftbook.synth.flow.weights import GateWeights
from shiftbook.synth.unrolled.adder_graph import AdderGraph, BitCell, Range, terms_of
from shiftbook.synth.unrolled.random_weights import FixedLayer, Ints
from shiftbook.synth.unrolled.subexpressions import share

BLOCK = 32
"""Inputs among which sub-expressions are shared."""

CHECKS = 8
"""Random input vectors that a graph is compared on, besides all lowest and all highest."""


@dataclass(frozen=True)
class Unrolled:
    """What a layer became.

    Parameters
    ----------
    cells
        Bit cells of all adders.
    adders, shared
        Two-input adders and subtractors, and how many of these came from shared sub-expressions.
    depth
        Adders behind each other.
    outputs, inputs
        Of the layer.
    nonzero
        Share of the coefficients of the first step that are not 0.
    verilog_sha256
        Of the Verilog of all steps.
    """

    cells: Counter[BitCell]
    adders: int
    shared: int
    depth: int
    outputs: int
    inputs: int
    nonzero: float
    verilog_sha256: str

    def ge(self, prices: Mapping[BitCell, float]) -> float:
        """Gates of one output pixel."""
        return sum(count * prices[cell] for cell, count in sorted(self.cells.items()))


def linear(matrix: Ints, inputs: list[Range]) -> tuple[AdderGraph, int]:
    """The adder graph of ``y = matrix x``, compared with it, and the number of shared adders.

    Raises
    ------
    RuntimeError
        The graph is wrong.
    """
    graph = AdderGraph(inputs)
    nodes = graph.input_terms()
    left = share(graph, [terms_of(row, nodes) for row in matrix], BLOCK)
    shared = len(graph.adders)
    for terms in left:
        graph.put(graph.total(terms))
    rng = np.random.default_rng(0)
    low, high = (np.array([getattr(limits, end) for limits in inputs]) for end in ("low", "high"))
    vectors = [low, high, *(rng.integers(low, high, endpoint=True) for _ in range(CHECKS))]
    x = np.stack(vectors, axis=1)
    if not np.array_equal(graph.evaluate(x), matrix @ x):
        raise RuntimeError("an adder graph does not compute its matrix")
    return graph, shared


def unroll(layer: FixedLayer) -> Unrolled:
    """Turn a layer into adders."""
    pixels = [Range(0, (1 << layer.width) - 1)] * layer.rows.shape[1]
    first, shared = linear(layer.rows, pixels)
    graphs = [first]
    cells = Counter({cell: layer.planes * count for cell, count in first.cells().items()})
    adders, shared, depth = layer.planes * len(first.adders), layer.planes * shared, first.depth
    if layer.combine is not None:
        second, more = linear(layer.combine, first.output_ranges() * layer.planes)
        graphs.append(second)
        cells += second.cells()
        adders, shared, depth = adders + len(second.adders), shared + more, depth + second.depth
    text = "".join(graph.verilog(f"step_{number}") for number, graph in enumerate(graphs))
    return Unrolled(
        cells=cells,
        adders=adders,
        shared=shared,
        depth=depth,
        outputs=len(graphs[-1].outputs),
        inputs=layer.rows.shape[1],
        nonzero=float((layer.rows != 0).mean()),
        verilog_sha256=hashlib.sha256(text.encode()).hexdigest(),
    )


def cell_prices(cells: Iterable[BitCell], weights: GateWeights) -> tuple[dict[BitCell, float], str]:
    """What each bit cell costs, mapped by Yosys, and the version of that."""
    kinds = sorted(set(cells))
    mapped = map_designs({kind.name: Design(kind.name, kind.verilog() + "\n") for kind in kinds}, weights)
    prices = {kind: mapped[kind.name].cost(weights) for kind in kinds}
    return prices, next(iter(mapped.values())).yosys
