"""What `shiftbook verilog` writes."""

from __future__ import annotations

from shiftbook.results.base import Count, Record, Text
from shiftbook.results.gates import Grid


class Verilog(Record):
    """A Verilog file that was written."""

    file: Text
    """Its name."""
    top: Text
    """The top module."""
    modules: Count
    """How many it has."""
    spec: Grid
    """Of the accelerator."""
