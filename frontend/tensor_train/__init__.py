"""Convolutions as chains of small ones: a tensor train, found by ADMM or by TT-SVD."""
