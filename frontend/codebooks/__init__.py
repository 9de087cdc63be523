"""Additive codebooks: vectors as sums of codewords, one from each codebook."""

from frontend.codebooks.alternation import Codebooks, fit

__all__ = ["Codebooks", "fit"]
