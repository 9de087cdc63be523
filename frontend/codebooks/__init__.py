"""Additive codebooks: vectors as sums of codewords, one from each codebook."""

from frontend.codebooks.alternation import Codebooks, check_sizes, fit
from frontend.codebooks.layout import Layout
from frontend.codebooks.shared import SharedCodebooks

__all__ = ["Codebooks", "Layout", "SharedCodebooks", "check_sizes", "fit"]
