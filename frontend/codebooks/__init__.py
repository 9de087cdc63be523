"""Additive codebooks: vectors as sums of codewords, one from each codebook."""

from shiftbook.frontend.codebooks.alternation import Codebooks, check_sizes, fit
from shiftbook.frontend.codebooks.layout import Layout
from shiftbook.frontend.codebooks.shared import SharedCodebooks

__all__ = ["Codebooks", "Layout", "SharedCodebooks", "check_sizes", "fit"]
