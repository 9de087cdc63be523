"""What the arithmetic units of all methods have in common: groups of inputs, sums, one accumulator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from amaranth import Elaboratable, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.hdl import ShapeLike
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from shiftbook.hw.engine.lane import add_up

Ints = NDArray[np.int64]

ACCUMULATOR = 24
"""Bits of an accumulator and of the result."""

SCALE = 8
"""Bits of a signed coefficient that a method learns, where its sums are scaled."""


class Unit(wiring.Component, ABC):
    """N activations and N weights a cycle, multiplied in pairs and added to one number.

    A method says in ``addends`` what one input adds to each of its sums, and in ``combined`` how the sums
    become one number. Inputs are added in `Group` modules, so that a unit of 900 inputs is mapped in parts.

    Parameters
    ----------
    inputs
        N.

    Members
    -------
    x : In(N activations)
        Side by side, see ``activation``; plain bits, because Amaranth would name every field in the Verilog.
    w : In(N weights)
        The same, see ``weight``.
    scales : In(ArrayLayout)
        Coefficients of the sums. Not there where ``coefficients`` is 0.
    start : In(1)
        This cycle's inputs are the first of a dot product.
    sum : Out(signed(24))
        The dot product so far.

    Latency
    -------
    One cycle.

    Numeric range
    -------------
    Modulo 2^24: right whenever the final sum fits.
    """

    title: ClassVar[str]
    """What people call the method."""
    activation: ClassVar[ShapeLike] = unsigned(8)
    weight: ClassVar[ShapeLike]
    sums: ClassVar[int] = 1
    """Sums that are kept apart in the groups."""
    coefficients: ClassVar[int] = 0
    offset: ClassVar[int] = 0
    """What every input adds too much to the first sum, as a negative number is added as a positive one."""
    late: ClassVar[bool] = False
    """Whether every sum has an accumulator and they are combined behind these; else before the only one."""
    group: ClassVar[int] = 15
    """Inputs of a `Group`."""
    macs: ClassVar[int] = 1
    """Multiplications of the layer that one input stands for."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        members = {
            "x": In(inputs * width(self.activation)),
            "w": In(inputs * width(self.weight)),
            "start": In(1),
            "sum": Out(signed(ACCUMULATOR)),
        }
        if self.coefficients:
            members["scales"] = In(data.ArrayLayout(signed(SCALE), self.coefficients))
        super().__init__(members)

    @staticmethod
    @abstractmethod
    def addends(x: Value, w: Value) -> list[list[Value]]:
        """For each sum, what one input adds to it."""

    def combined(self, sums: Sequence[Value]) -> Value:
        """One number from all sums."""
        return sums[0]

    @staticmethod
    @abstractmethod
    def golden(x: Ints, w: Ints, scales: Ints) -> Ints:
        """Return the dot products [...] of ``x`` [..., N] and ``w`` [..., N], bits as the ports have them."""

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        parts: list[list[Value]] = [[] for _ in range(self.sums)]
        for number, first in enumerate(range(0, self.inputs, self.group)):
            size = min(self.group, self.inputs - first)
            m.submodules[f"group_{number}"] = group = Group(type(self), size)
            m.d.comb += [
                group.x.eq(self.x[first * width(self.activation) :]),
                group.w.eq(self.w[first * width(self.weight) :]),
            ]
            for index, own in enumerate(parts):
                own.append(group.sums[f"of_{index}"])
        totals = [self._whole(m, own) for own in parts]
        totals[0] = totals[0] - self.inputs * self.offset
        if self.late:
            m.d.comb += self.sum.eq(self.combined([self._accumulated(m, total) for total in totals]))
        else:
            m.d.comb += self.sum.eq(self._accumulated(m, self.combined(totals)))
        return m

    def _whole(self, m: Module, parts: list[Value]) -> Value:
        """One sum of all groups."""
        whole = Signal(total(parts))
        m.d.comb += whole.eq(add_up(parts))
        return whole

    def _accumulated(self, m: Module, value: Value) -> Signal:
        """The sum of ``value`` since ``start``."""
        accumulator = Signal(signed(ACCUMULATOR), reset_less=True)
        m.d.sync += accumulator.eq(value + Mux(self.start, 0, accumulator))
        return accumulator


class Group(wiring.Component):
    """Some inputs of a unit, added up without a register.

    Parameters
    ----------
    method
        The unit.
    inputs
        How many.

    Members
    -------
    x : In(N activations)
        As in `Unit`.
    w : In(N weights)
        As in `Unit`.
    sums : Out(StructLayout)
        ``of_0``, ``of_1`` and so on, each as wide as it can become. The first is too large by ``offset`` for
        every input.
    """

    def __init__(self, method: type[Unit], inputs: int) -> None:
        self.method = method
        self.inputs = inputs
        addends = method.addends(Signal(method.activation), Signal(method.weight))
        super().__init__(
            {
                "x": In(inputs * width(method.activation)),
                "w": In(inputs * width(method.weight)),
                "sums": Out(
                    data.StructLayout({f"of_{i}": total(own * inputs) for i, own in enumerate(addends)})
                ),
            }
        )

    def elaborate(self, platform: object) -> Elaboratable:
        m = Module()
        x = data.View(data.ArrayLayout(self.method.activation, self.inputs), self.x)
        w = data.View(data.ArrayLayout(self.method.weight, self.inputs), self.w)
        inputs = [self.method.addends(x[i], w[i]) for i in range(self.inputs)]
        for number, parts in enumerate(zip(*inputs, strict=True)):
            m.d.comb += self.sums[f"of_{number}"].eq(add_up([value for part in parts for value in part]))
        return m


def width(shape: ShapeLike) -> int:
    """Bits of a shape."""
    return Shape.cast(shape).width


def total(addends: Sequence[Value]) -> Shape:
    """The shape of their sum, without the bits that adding two by two would give it too many."""
    shapes = [value.shape() for value in addends]
    highest = sum((1 << (shape.width - shape.signed)) - 1 for shape in shapes)
    lowest = -sum(1 << (shape.width - 1) for shape in shapes if shape.signed)
    return Shape.cast(range(lowest, highest + 1))


def fields(raw: Ints, layout: data.StructLayout) -> dict[str, Ints]:
    """The unsigned fields of words [...] of a layout, by name."""
    return {str(name): raw >> field.offset & ((1 << field.width) - 1) for name, field in layout}
