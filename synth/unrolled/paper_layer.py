"""The layer of the focused quantization paper: its gates as printed there, and as measured here.

A 3x3 convolution from 8 x 8 x 100 to 8 x 8 x 100, 5.76 million multiplications, all in one cycle. Source:
arXiv 1903.03046, where the gates are a lower bound and no tool is named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from amaranth.lib.wiring import Component

from shiftbook.golden.errors import ShiftbookError
from shiftbook.hw.engine.booth import Recoder
from shiftbook.synth.flow.gates import Json, versions
from shiftbook.synth.flow.measure import Measured, Progress, Ruler, measure
from shiftbook.synth.flow.weights import NAND2_TABLE, load_weights
from shiftbook.synth.units.additive import BOOKS, CODEWORDS, DIM, AdditiveLookup, AdditiveTerms
from shiftbook.synth.units.binary import AbcNet, LqNet
from shiftbook.synth.units.feed import HuffmanFeed
from shiftbook.synth.units.focused import Focused, FocusedSums
from shiftbook.synth.units.integer import Int4, Int8
from shiftbook.synth.units.shift import Shift, Shift3, Shift4
from shiftbook.synth.units.ternary import Ternary
from shiftbook.synth.units.unit import Group, Unit
from shiftbook.synth.unrolled import random_weights as drawn_weights
from shiftbook.synth.unrolled.adder_graph import BitCell
from shiftbook.synth.unrolled.random_weights import Drawing
from shiftbook.synth.unrolled.unrolled import Unrolled, cell_prices, unroll

PIXELS, CHANNELS, INPUTS = 64, 100, 900
"""Output pixels, output channels, and inputs of one output: 9 taps of 100 channels."""

MACS = PIXELS * CHANNELS * INPUTS

SLICE = 20
"""Output channels of an adder graph; the layer counts as CHANNELS / SLICE of it."""

DENSITIES = (1.0, 0.2)

FEED = 100
"""Decoders of one `HuffmanFeed`."""

PROCESSES = 2


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Parameters
    ----------
    title
        What people read.
    unit
        What computes one output in one cycle.
    drawing
        Its weights, for the unrolled view; None where there is nothing to unroll.
    paper
        Million gates in the paper; None where it has no such row.
    others
        What the layer needs besides one unit an output: (component, how often).
    dense
        Whether the method has no weights that are 0.
    """

    title: str
    unit: type[Unit]
    drawing: Drawing | None
    paper: float | None = None
    others: tuple[tuple[Callable[[], Component], int], ...] = ()
    dense: bool = False


DECODERS = (partial(HuffmanFeed, FEED), CHANNELS * INPUTS // FEED)
"""Every weight comes out of a decoder of its own each cycle, for all pixels."""

TABLES = (partial(Group, Shift, DIM), PIXELS * INPUTS // DIM * BOOKS * CODEWORDS)
"""Every pixel's vectors times all codewords, for all output channels."""


def recoders(width: int) -> tuple[Callable[[], Component], int]:
    """Every weight is recoded once, for all pixels."""
    return partial(Recoder, width), CHANNELS * INPUTS


METHODS = {
    "int8": Method("int8", Int8, drawn_weights.uniform(8, 4), others=(recoders(8),)),
    "int4": Method("int4 x int8", Int4, drawn_weights.uniform(4, 3), others=(recoders(4),)),
    "abc_net": Method("ABC-Net, 5 x 5 bases", AbcNet, drawn_weights.abc_net, 806.1, dense=True),
    "lq_net": Method("LQ-Net, 2 x 2 bit", LqNet, drawn_weights.lq_net, 314.4, dense=True),
    "ternary": Method("ternary (TTQ)", Ternary, drawn_weights.ternary),
    "shift3": Method("shift, 3 bit unsigned", Shift3, drawn_weights.shift(3, signed=False), 275.2),
    "shift4": Method("shift, 4 bit, e 0..3", Shift4, drawn_weights.shift(3)),
    "shift5": Method("shift, 5 bit, e 0..7", Shift, drawn_weights.shift(7)),
    "focused": Method("focused, second term", Focused, drawn_weights.focused),
    "focused_sums": Method("focused, masked sums", FocusedSums, drawn_weights.focused_sums, 275.6),
    "focused_huffman": Method("focused + Huffman", Focused, None, 276.4, others=(DECODERS,)),
    "additive_terms": Method("additive, 2 terms", AdditiveTerms, drawn_weights.additive_terms, dense=True),
    "additive_lookup": Method(
        "additive, look-up", AdditiveLookup, drawn_weights.additive_lookup, others=(TABLES,), dense=True
    ),
}

BASE = "focused_sums"
"""Ratios are to this row: the paper's focused quantization."""

MEANS = ("focused", "focused_sums")
PLAIN = ("shift3", "shift4")
"""The cost of the mean is that of each of `MEANS` over each of `PLAIN`."""


def paper_layer_report(
    *, weights: Path | None = None, seed: int = 0, channels: int = SLICE, progress: Progress | None = None
) -> Json:
    """Measure every row in both views.

    Parameters
    ----------
    weights
        Gate weight table to use instead of ``nand2.toml``.
    seed
        Of the drawn weights.
    channels
        Output channels of an adder graph; divides 100.
    progress
        Called after every step.

    Returns
    -------
    report
        JSON. ``methods``: by name, ``title``, ``paper`` and the views ``programmable`` and ``unrolled``, the
        latter by density; ``mean``: what the mean costs over plain shifts, see `mean_costs`; ``huffman``: see
        `huffman_costs`; and what was measured with what.

    Raises
    ------
    ShiftbookError
        A weight table that does not do, channels that do not divide the layer's, no Yosys.
    RuntimeError
        An adder graph is wrong.
    """
    if not 1 <= channels <= CHANNELS or CHANNELS % channels:
        raise ShiftbookError(f"channels must divide {CHANNELS}, not be {channels}")
    table = NAND2_TABLE if weights is None else weights
    ruler = Ruler(load_weights(table))
    jobs = [(name, density) for name, m in METHODS.items() if m.drawing for density in densities(m)]
    graphs = unrolled_all(jobs, seed, channels, progress)
    measured = measure(designs(), ruler, progress=progress)
    prices, yosys = cell_prices((cell for graph in graphs.values() for cell in graph.cells), ruler.weights)
    rows: Json = {
        name: {
            "title": method.title,
            "paper": paper_view(method),
            "programmable": programmable(name, measured, ruler),
            "unrolled": {
                str(density): describe_graph(graphs[name, density], prices)
                for density in densities(method)
                if method.drawing
            },
        }
        for name, method in METHODS.items()
    }
    add_ratios(rows)
    return {
        "layer": {"pixels": PIXELS, "channels": CHANNELS, "inputs": INPUTS, "macs": MACS, "slice": channels},
        "methods": rows,
        "mean": mean_costs(rows),
        "huffman": huffman_costs(rows),
        "seed": seed,
        "versions": versions(yosys),
        "weights": table.name,
    }


def densities(method: Method) -> tuple[float, ...]:
    """The densities at which a method is unrolled."""
    return DENSITIES[:1] if method.dense else DENSITIES


def designs() -> dict[str, Callable[[], Component]]:
    """Everything that the programmable view counts, by name; a unit that two rows have, once."""
    found: dict[str, Callable[[], Component]] = {}
    for name, method in METHODS.items():
        found[method.unit.__name__] = partial(method.unit, INPUTS // method.unit.macs)
        for number, (make, _) in enumerate(method.others):
            found[f"{name} part {number}"] = make
    return found


def unrolled_all(
    jobs: list[tuple[str, float]], seed: int, channels: int, progress: Progress | None
) -> dict[tuple[str, float], Unrolled]:
    """The adder graphs of (method, density), made beside each other."""
    found = {}
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        pending: dict[Future[Unrolled], tuple[str, float]] = {
            pool.submit(unrolled, name, density, seed, channels): (name, density) for name, density in jobs
        }
        for future in as_completed(pending):
            found[pending[future]] = future.result()
            if progress is not None:
                progress(len(found), len(jobs), "adder graphs")
    return found


def unrolled(name: str, density: float, seed: int, channels: int) -> Unrolled:
    """One slice of the layer with a method's weights in gates."""
    drawing = METHODS[name].drawing
    if drawing is None:
        raise ValueError(f"{name} has no weights to unroll")
    return unroll(drawing(np.random.default_rng(seed), channels, INPUTS, density))


def paper_view(method: Method) -> Json | None:
    """What the paper prints, and that over all multiplications."""
    if method.paper is None:
        return None
    return {"gates": method.paper * 1e6, "per_mac": round(method.paper * 1e6 / MACS, 2)}


def programmable(name: str, measured: Mapping[str, Measured], ruler: Ruler) -> Json:
    """GE of all parts of the layer, each as often as it is there."""
    method = METHODS[name]
    counts = {method.unit.__name__: PIXELS * CHANNELS}
    counts |= {f"{name} part {number}": count for number, (_, count) in enumerate(method.others)}
    parts: dict[str, Json] = {
        part: {
            "count": count,
            "component": measured[part].design.top,
            "ge": round(measured[part].gates.cost(ruler.weights), 2),
            "memory_bits": measured[part].gates.memory_bits(),
            "verilog_sha256": hashlib.sha256(measured[part].design.verilog.encode()).hexdigest(),
        }
        for part, count in counts.items()
    }
    return {
        **_of_layer(sum(part["count"] * part["ge"] for part in parts.values())),
        "memory_bits": sum(part["count"] * part["memory_bits"] for part in parts.values()),
        "parts": parts,
    }


def describe_graph(graph: Unrolled, prices: Mapping[BitCell, float]) -> Json:
    """GE of the layer as slices, each for all pixels."""
    ge = graph.ge(prices)
    return {
        **_of_layer(ge * PIXELS * CHANNELS / graph.outputs),
        "slice_ge": round(ge, 2),
        "adders": graph.adders,
        "shared": graph.shared,
        "depth": graph.depth,
        "nonzero": round(graph.nonzero, 4),
        "verilog_sha256": graph.verilog_sha256,
    }


def _of_layer(ge: float) -> Json:
    return {"layer_ge": round(ge), "ge_per_mac": round(ge / MACS, 2)}


def views(row: Json) -> dict[str, Json]:
    """All measured views of a row, by name."""
    return {"programmable": row["programmable"], **row["unrolled"]}


def add_ratios(rows: Json) -> None:
    """Put each figure's ratio to that of the base row beside it."""
    for row in rows.values():
        for name, view in views(row).items():
            view["ratio"] = round(view["layer_ge"] / views(rows[BASE])[name]["layer_ge"], 3)
        if row["paper"]:
            row["paper"]["ratio"] = round(row["paper"]["gates"] / rows[BASE]["paper"]["gates"], 3)


def mean_costs(rows: Json) -> list[Json]:
    """By how many percent each way to have a mean exceeds each plain shift, in each view and in the paper."""
    return [
        {
            "mean": mean,
            "plain": plain,
            "paper": _more(rows[mean]["paper"], rows[plain]["paper"], "gates"),
            **{
                name: _more(view, views(rows[plain])[name], "layer_ge")
                for name, view in views(rows[mean]).items()
            },
        }
        for plain in PLAIN
        for mean in MEANS
    ]


def _more(one: Json | None, other: Json | None, key: str) -> float | None:
    if one is None or other is None:
        return None
    return round(100 * (one[key] / other[key] - 1), 2)


def huffman_costs(rows: Json) -> Json:
    """GE of a decoder, and how many multiplications would have to share one at the paper's cost."""
    feed = rows["focused_huffman"]["programmable"]["parts"]["focused_huffman part 0"]
    decoder = feed["ge"] / FEED
    gates = rows["focused_huffman"]["paper"]["gates"] - rows["focused_sums"]["paper"]["gates"]
    return {
        "decoder_ge": round(decoder, 2),
        "paper_gates": round(gates),
        "macs_per_decoder": round(MACS * decoder / gates),
    }
