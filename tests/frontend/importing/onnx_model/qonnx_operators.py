"""QONNX's operators for the onnx package's evaluator, by QONNX's own description of them."""

from __future__ import annotations

import numpy as np
from onnx.reference.op_run import OpRun

DOMAIN = "qonnx.custom_op.general"

ROUNDING = {"ROUND": np.rint, "FLOOR": np.floor, "CEIL": np.ceil}


def ends(signed, narrow, bits):
    """Lowest and highest integer."""
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0, 2**bits - 1 - narrow


class Quant(OpRun):
    op_domain = DOMAIN

    def _run(self, x, scale, zero, bits, signed=1, narrow=0, rounding_mode="ROUND"):
        steps = np.clip(x / scale + zero, *ends(signed, narrow, float(bits)))
        return (((ROUNDING[rounding_mode.upper()](steps) - zero) * scale).astype(np.float32),)


class IntQuant(Quant):
    pass


class BipolarQuant(OpRun):
    op_domain = DOMAIN

    def _run(self, x, scale):
        return ((np.where(x >= 0, 1, -1) * scale).astype(np.float32),)


class Trunc(OpRun):
    """Of both versions, which the number of inputs tells apart."""

    op_domain = DOMAIN

    def _run(self, x, scale, zero, bits, *out, rounding_mode="FLOOR", signed=1, narrow=0):
        y = np.rint(x / scale + zero)
        cut = ROUNDING[rounding_mode.upper()]
        if len(out) == 1:
            return (((cut(y / 2.0 ** (bits - out[0])) - zero) * scale).astype(np.float32),)
        left = 2.0 ** np.rint(np.log2(out[0] / scale))
        y = cut(np.clip(y / left, *ends(signed, narrow, float(out[1]))))
        return (((y - zero / left) * out[0]).astype(np.float32),)


OPERATORS = [Quant, IntQuant, BipolarQuant, Trunc]
