"""Adder graphs: what they compute, in NumPy and as Verilog, and what is shared."""

import re
from itertools import pairwise

import numpy as np
import pytest

from shiftbook.synth.flow.mapping import map_designs, map_flat
from shiftbook.synth.flow.merge import Design
from shiftbook.synth.flow.weights import load_weights
from shiftbook.synth.flow.yosys import find_yosys
from shiftbook.synth.unrolled import random_weights as drawn_weights
from shiftbook.synth.unrolled import unrolled
from shiftbook.synth.unrolled.adder_graph import AdderGraph, Range, Term, signed_digits, terms_of
from shiftbook.synth.unrolled.subexpressions import share
from shiftbook.synth.unrolled.unrolled import cell_prices, linear, unroll

BYTE = Range(0, 255)


def simulated(graph: AdderGraph, x: np.ndarray) -> np.ndarray:
    """Outputs [O, T] of the graph's Verilog, as Yosys evaluates it, for inputs [N, T]."""
    script = ["read_verilog graph.v", "hierarchy -check -top graph", "flatten", "proc", "opt_clean"]
    for vector in x.T:
        bits = [
            format(int(v) % (1 << r.width), f"0{r.width}b")
            for v, r in zip(vector, graph.ranges[1:], strict=False)
        ]
        script.append(
            f"tee -q -a values.txt eval -set x {sum(map(len, bits))}'b{''.join(bits[::-1])} -show y"
        )
    text = find_yosys().run(script, {"graph.v": graph.verilog("graph")}, ["values.txt"])["values.txt"]
    found = [int(value, 2) for value in re.findall(r"Eval result: \\y = \d+'([01]+)", text)]
    outputs, low = [], 0
    for term in graph.outputs:
        limits = graph.ranges[term.node]
        width = limits.width + term.shift
        raw = [value >> low & ((1 << width) - 1) for value in found]
        outputs.append([value - (value >> width - 1 << width) * limits.signed for value in raw])
        low += width
    return np.array(outputs)


@pytest.mark.parametrize("value", [0, 1, -1, 7, -7, 23, 85, 127, -128, 1000])
def test_signed_digits(value: int) -> None:
    digits = signed_digits(value)
    assert sum(sign << shift for shift, sign in digits) == value
    assert all(high - low > 1 for (low, _), (high, _) in pairwise(digits))


@pytest.mark.parametrize("seed", range(4))
def test_the_verilog_computes_the_matrix(seed: int) -> None:
    """Rows of zeros, of one weight, of negative weights only; inputs at their ends; signed inputs."""
    rng = np.random.default_rng(seed)
    matrix = rng.integers(-20, 21, (6, 7)) * (rng.random((6, 7)) < (1.0, 0.5)[seed % 2])
    matrix[0], matrix[1], matrix[2] = 0, -np.abs(matrix[1]), 0
    matrix[2, 3] = -24
    inputs = [BYTE, Range(0, 1), Range(-5, 0), Range(-128, 127), Range(3, 9), BYTE, BYTE]
    graph, _ = linear(matrix, inputs)
    low, high = (np.array(ends) for ends in zip(*inputs, strict=True))
    vectors = [low, high, np.where(rng.random(7) < 0.5, low, high)]
    x = np.stack([*vectors, *(rng.integers(low, high, endpoint=True) for _ in range(3))], axis=1)
    assert np.array_equal(simulated(graph, x), matrix @ x)


def test_common_terms_are_added_once() -> None:
    """(a + b), also shifted and negated, stands in three rows; c is on its own."""
    matrix = np.array([[1, 1, 0], [4, 4, 1], [-1, -1, 2]])
    graph, shared = linear(matrix, [BYTE] * 3)
    assert shared == 1
    assert len(graph.adders) == 3


def test_zero_weights_vanish() -> None:
    graph, _ = linear(np.array([[0, 0, 8, 0]]), [BYTE] * 4)
    assert not graph.adders
    assert graph.outputs == [Term(3, 3, 1)]


def test_sharing_leaves_nothing_that_occurs_twice() -> None:
    """A second pass finds nothing more, and never needs more adders than no sharing at all."""
    rng = np.random.default_rng(5)
    matrix = rng.choice([-2, -1, 0, 1, 2], (12, 20))
    graph = AdderGraph([BYTE] * 20)
    left = share(graph, [terms_of(row, graph.input_terms()) for row in matrix], 40)
    count = len(graph.adders)
    assert count > 0
    share(graph, left, 1000)
    assert len(graph.adders) == count
    for terms in left:
        graph.put(graph.total(terms))
    assert len(graph.adders) < np.count_nonzero(matrix) - len(matrix)


def test_a_wrong_graph_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unrolled, "share", lambda graph, rows, block: [row[1:] for row in rows])
    with pytest.raises(RuntimeError, match="does not compute its matrix"):
        linear(np.array([[1, 2]]), [BYTE] * 2)


def test_a_count_by_bits_agrees_with_one_without_hierarchy() -> None:
    layer = drawn_weights.shift(7)(np.random.default_rng(0), 2, 6, 1.0)
    graph, _ = linear(layer.rows, [BYTE] * 6)
    weights = load_weights()
    prices, _ = cell_prices(graph.cells(), weights)
    ge = sum(count * prices[cell] for cell, count in graph.cells().items())
    design = Design("graph", graph.verilog("graph"))
    assert ge == pytest.approx(map_designs({"it": design}, weights)["it"].cost(weights))
    assert ge == pytest.approx(map_flat(design, weights).cost(weights), rel=0.06)


DRAWINGS = {
    "int8": drawn_weights.uniform(8, 4),
    "shift": drawn_weights.shift(7),
    "shift3": drawn_weights.shift(3, signed=False),
    "focused": drawn_weights.focused,
    "focused_sums": drawn_weights.focused_sums,
    "ternary": drawn_weights.ternary,
    "lq_net": drawn_weights.lq_net,
    "abc_net": drawn_weights.abc_net,
    "additive_terms": drawn_weights.additive_terms,
    "additive_lookup": drawn_weights.additive_lookup,
}


@pytest.mark.parametrize("name", DRAWINGS)
def test_drawn_layers_unroll(name: str) -> None:
    """Each is compared with its matrices while it is made; the same seed draws the same."""
    layer = DRAWINGS[name](np.random.default_rng(3), 5, 18, 1.0)
    found = unroll(layer)
    assert (found.outputs, found.inputs) == (5, 18)
    assert found.verilog_sha256 == unroll(DRAWINGS[name](np.random.default_rng(3), 5, 18, 1.0)).verilog_sha256
    assert found.verilog_sha256 != unroll(DRAWINGS[name](np.random.default_rng(4), 5, 18, 1.0)).verilog_sha256


def test_both_forms_of_focused_and_of_additive_weights_are_the_same_weights() -> None:
    for one, two in (("focused", "focused_sums"), ("additive_terms", "additive_lookup")):
        whole, steps = (DRAWINGS[name](np.random.default_rng(7), 6, 27, 0.6) for name in (one, two))
        assert np.array_equal(whole.rows, steps.combine @ steps.rows)
