"""Names of files that hold a network together with its weights; needs no torch."""

from __future__ import annotations

ONNX = ".onnx"
PROGRAM = ".pt2"

WHOLE = (ONNX, PROGRAM)
"""All of them."""
