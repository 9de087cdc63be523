"""Adder graphs: linear functions with constant integer coefficients, made of shifts and additions."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

ZERO = 0
"""The node that is always 0; the inputs follow it."""


class Term(NamedTuple):
    """``sign * (node << shift)``, sign -1 or 1."""

    node: int
    shift: int
    sign: int


class Adder(NamedTuple):
    """``(first << first_shift) + (second << second_shift)``, or minus where ``subtracts``."""

    first: int
    first_shift: int
    second: int
    second_shift: int
    subtracts: bool


class Range(NamedTuple):
    """The values that a node can take, both ends included."""

    low: int
    high: int

    @property
    def signed(self) -> bool:
        """Whether some are negative."""
        return self.low < 0

    @property
    def width(self) -> int:
        """Bits of a port for them, in two's complement where some are negative."""
        return max(
            1, self.high.bit_length() + self.signed, (-self.low - 1).bit_length() + 1 if self.signed else 1
        )


class AdderGraph:
    """Nodes are 0, the inputs and then the adders, each after what it adds.

    Parameters
    ----------
    inputs
        The values that each input can take.
    """

    def __init__(self, inputs: Sequence[Range]) -> None:
        self.inputs = len(inputs)
        self.ranges = [Range(0, 0), *inputs]
        self.depths = [0] * len(self.ranges)
        self.adders: list[Adder] = []
        self.outputs: list[Term] = []
        self._known: dict[Adder, int] = {}

    def add(self, one: Term, other: Term) -> Term:
        """The sum of two terms; its sign is 1 unless both are negative."""
        if one.sign < other.sign or (one.sign == other.sign and one > other):
            one, other = other, one
        base = min(one.shift, other.shift)
        subtracts = one.sign != other.sign
        adder = Adder(one.node, one.shift - base, other.node, other.shift - base, subtracts)
        if adder not in self._known:
            self._known[adder] = len(self.ranges)
            self._append(adder)
        return Term(self._known[adder], base, one.sign)

    def _append(self, adder: Adder) -> None:
        a, b = self.ranges[adder.first], self.ranges[adder.second]
        low, high = (-b.high, -b.low) if adder.subtracts else b
        self.ranges.append(
            Range(
                (a.low << adder.first_shift) + (low << adder.second_shift),
                (a.high << adder.first_shift) + (high << adder.second_shift),
            )
        )
        self.depths.append(1 + max(self.depths[adder.first], self.depths[adder.second]))
        self.adders.append(adder)

    def total(self, terms: Iterable[Term]) -> Term:
        """The sum of terms: first of those with the same shift, which keeps adders narrow, then of all."""
        by_shift: dict[int, list[Term]] = {}
        for term in terms:
            by_shift.setdefault(term.shift, []).append(term)
        return self._tree([self._tree(own) for _, own in sorted(by_shift.items())])

    def _tree(self, terms: Sequence[Term]) -> Term:
        """Their sum, always of the two that are there first, so that it is nearly as flat as can be."""
        queue = [(self.depths[term.node], term.shift, term) for term in terms]
        heapq.heapify(queue)
        while len(queue) > 1:
            term = self.add(heapq.heappop(queue)[2], heapq.heappop(queue)[2])
            heapq.heappush(queue, (self.depths[term.node], term.shift, term))
        return queue[0][2] if queue else Term(ZERO, 0, 1)

    def put(self, term: Term) -> None:
        """Make a term the next output."""
        self.outputs.append(term if term.sign > 0 else self.add(Term(ZERO, term.shift, 1), term))

    @property
    def depth(self) -> int:
        """Adders behind each other from an input to an output."""
        return max((self.depths[term.node] for term in self.outputs), default=0)

    def evaluate(self, inputs: Ints) -> Ints:
        """Outputs [O, ...] for inputs [N, ...], each adder on its own.

        Raises
        ------
        RuntimeError
            A node leaves its range.
        """
        values = [np.zeros(inputs.shape[1:], np.int64), *inputs]
        for adder in self.adders:
            second = values[adder.second] << adder.second_shift
            values.append(
                (values[adder.first] << adder.first_shift) + (-second if adder.subtracts else second)
            )
        for node, (value, limits) in enumerate(zip(values, self.ranges, strict=True)):
            if value.min() < limits.low or value.max() > limits.high:
                raise RuntimeError(f"node {node} of an adder graph leaves {limits}")
        return np.array([values[term.node] << term.shift for term in self.outputs])

    def shape(self, node: int) -> AdderShape:
        """What hardware an adder needs."""
        adder = self.adders[node - self.inputs - 1]
        a, b = self.ranges[adder.first], self.ranges[adder.second]
        return AdderShape(
            Port(a.width, a.signed, adder.first_shift),
            Port(b.width, b.signed, adder.second_shift),
            adder.subtracts,
            self.ranges[node].width,
        )

    def input_terms(self) -> list[Term]:
        """The inputs as terms."""
        return [Term(number + 1, 0, 1) for number in range(self.inputs)]

    def output_ranges(self) -> list[Range]:
        """The values that each output can take."""
        ranges = [self.ranges[term.node] for term in self.outputs]
        return [
            Range(own.low << t.shift, own.high << t.shift)
            for own, t in zip(ranges, self.outputs, strict=True)
        ]

    def shapes(self) -> Counter[AdderShape]:
        """How many adders there are of each shape."""
        return Counter(self.shape(node) for node in range(self.inputs + 1, len(self.ranges)))

    def cells(self) -> Counter[BitCell]:
        """How many bit cells of each kind all adders have."""
        cells: Counter[BitCell] = Counter()
        for shape, count in self.shapes().items():
            for cell in shape.cells():
                cells[cell] += count
        return cells

    def verilog(self, name: str) -> str:
        """Module ``name`` with ports x and y, inputs and outputs side by side, the first the lowest."""
        sizes = [limits.width for limits in self.ranges[1 : self.inputs + 1]]
        widths = [self.ranges[term.node].width + term.shift for term in self.outputs]
        lines = [
            f"module {name}(input [{sum(sizes) - 1}:0] x, output [{sum(widths) - 1}:0] y);",
            "wire n0 = 1'b0;",
        ]
        low = 0
        for node, size in enumerate(sizes, 1):
            lines.append(f"wire [{size - 1}:0] n{node} = x[{low} +: {size}];")
            low += size
        for node, adder in enumerate(self.adders, self.inputs + 1):
            kind = self.shape(node)
            lines.append(f"wire [{kind.width - 1}:0] n{node};")
            lines.append(f"{kind.name} a{node}(.a(n{adder.first}), .b(n{adder.second}), .y(n{node}));")
        low = 0
        for term, width in zip(self.outputs, widths, strict=True):
            zeros = f", {term.shift}'d0" if term.shift else ""
            lines.append(f"assign y[{low} +: {width}] = {{n{term.node}{zeros}}};")
            low += width
        kinds = sorted(self.shapes())
        cells = sorted({cell for kind in kinds for cell in kind.cells()})
        parts = [*(kind.verilog() for kind in kinds), *(cell.verilog() for cell in cells)]
        return "\n".join([*lines, "endmodule", *parts]) + "\n"


class Port(NamedTuple):
    """An adder's input: its bits, whether it is signed, and how far it is shifted to the left."""

    width: int
    signed: bool
    shift: int

    def bit(self, position: int) -> int | None:
        """Which bit of the input is at a place of the shifted and extended number; None for a 0."""
        own = position - self.shift
        if own < 0 or (own >= self.width and not self.signed):
            return None
        return min(own, self.width - 1)


class BitCell(NamedTuple):
    """One bit of an adder: which of its inputs are there, and what is done with them.

    ``carry`` is the carry in: 0, 1 or "c", which is a port. The last bit has no carry out.
    """

    first: bool
    second: bool
    subtracts: bool
    carry: str
    last: bool

    @property
    def name(self) -> str:
        """A module name that says all of it."""
        second = ("b" if self.second else "0") if not self.subtracts else ("n" if self.second else "1")
        return f"bit_{'a' if self.first else '0'}{second}{self.carry}{'_last' * self.last}"

    @property
    def ports(self) -> list[str]:
        """Names of the inputs that are there."""
        there = {"a": self.first, "b": self.second, "c": self.carry == "c"}
        return [name for name, wanted in there.items() if wanted]

    def verilog(self) -> str:
        """A full adder, of which constants leave less."""
        a = "a" if self.first else "1'b0"
        b = "b" if self.second else "1'b0"
        b = f"~{b}" if self.subtracts else b
        c = "c" if self.carry == "c" else f"1'b{self.carry}"
        ports = ", ".join(
            ["input " + name for name in self.ports] + ["output y"] + ["output d"] * (not self.last)
        )
        carry = "" if self.last else f" assign d = ({a} & {b}) | (p & {c});"
        return f"module {self.name}({ports}); wire p = {a} ^ {b}; assign y = p ^ {c};{carry}\nendmodule"


class AdderShape(NamedTuple):
    """An adder without its place in the graph: a ripple of bit cells, of one shape one module.

    Without a timing constraint no other adder has fewer gates.
    """

    first: Port
    second: Port
    subtracts: bool
    width: int

    @property
    def name(self) -> str:
        """A module name that says all of it."""
        ports = "_".join(f"{'s' if p.signed else 'u'}{p.width}l{p.shift}" for p in (self.first, self.second))
        return f"{'sub' if self.subtracts else 'add'}_{ports}_{self.width}"

    @property
    def copied(self) -> int:
        """Low bits that only one input has, and which pass unchanged."""
        return self.second.shift if self.subtracts else self.first.shift + self.second.shift

    def cells(self) -> list[BitCell]:
        """The bit cells, the lowest first, of the bits that are not copied."""
        places = range(self.copied, self.width)
        return [
            BitCell(
                self.first.bit(place) is not None,
                self.second.bit(place) is not None,
                self.subtracts,
                "c" if place > self.copied else str(int(self.subtracts)),
                place == self.width - 1,
            )
            for place in places
        ]

    def verilog(self) -> str:
        """Its module; those of the bit cells are not in it."""
        a, b, y = (f"[{width - 1}:0]" for width in (self.first.width, self.second.width, self.width))
        lines = [f"module {self.name}(input {a} a, input {b} b, output {y} y);"]
        for place in range(self.copied):
            name, port = ("a", self.first) if self.second.shift else ("b", self.second)
            bit = port.bit(place)
            lines.append(f"assign y[{place}] = " + ("1'b0;" if bit is None else f"{name}[{bit}];"))
        for place, cell in enumerate(self.cells(), self.copied):
            wires = {
                "a": f"a[{self.first.bit(place)}]",
                "b": f"b[{self.second.bit(place)}]",
                "c": f"c{place}",
            }
            pins = [f".{name}({wires[name]})" for name in cell.ports] + [f".y(y[{place}])"]
            if not cell.last:
                lines.append(f"wire c{place + 1};")
                pins.append(f".d(c{place + 1})")
            lines.append(f"{cell.name} u{place}({', '.join(pins)});")
        return "\n".join([*lines, "endmodule"])


def signed_digits(value: int) -> list[tuple[int, int]]:
    """The shifts and signs of the fewest signed powers of two that add up to ``value``, none adjacent."""
    digits = []
    shift = 0
    while value:
        if value & 1:
            sign = 2 - (value & 3)
            digits.append((shift, sign))
            value -= sign
        value >>= 1
        shift += 1
    return digits


def terms_of(row: Sequence[int] | Ints, nodes: Sequence[Term]) -> list[Term]:
    """The terms of one output with integer coefficients ``row`` over ``nodes``."""
    return [
        Term(nodes[place].node, nodes[place].shift + shift, nodes[place].sign * sign)
        for place in np.flatnonzero(row).tolist()
        for shift, sign in signed_digits(int(row[place]))
    ]
