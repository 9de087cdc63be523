"""Registers one after another."""

from __future__ import annotations

from amaranth import Module, Signal, Value


def delayed(m: Module, value: Value, cycles: int, name: str) -> Value:
    """``value`` some cycles later, of any content in the first ones.

    Parameters
    ----------
    cycles
        How many; with 0 it is ``value`` itself.
    name
        Of the registers, with the number of each behind it.
    """
    for cycle in range(cycles):
        later = Signal.like(value, name=f"{name}_{cycle}", reset_less=True)
        m.d.sync += later.eq(value)
        value = later
    return value
