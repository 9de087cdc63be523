"""ONNX files."""

from __future__ import annotations

from pathlib import Path

import onnx

from shiftbook.frontend.importing.onnx_model.model import OnnxModel
from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.inputs import check_file

OLDEST = 11
"""Of ONNX's own operator sets."""

LOWEST = {onnx.TensorProto.UINT8: 0, onnx.TensorProto.INT8: -128}
"""Integer that a pixel of 0 is, for networks that take integers."""


def load_onnx(path: Path) -> OnnxModel:
    """Read a file, with the weights in files beside it where it names some.

    Raises
    ------
    ShiftbookError
        There is no such file, or it holds no ONNX model, or one that is older than opset 11.
    """
    check_file(path, "name an ONNX file")
    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except Exception as error:  # protobuf and the checker raise nearly anything
        raise ShiftbookError(f"{path} is no valid ONNX model: {first_line(error)}") from error
    versions = {imported.domain: imported.version for imported in model.opset_import}
    version = versions.get("", versions.get("ai.onnx", OLDEST))
    if version < OLDEST:
        raise ShiftbookError(f"{path} has operator set {version}: export it with {OLDEST} or newer")
    return OnnxModel(model.graph, versions)


def input_statistics(model: OnnxModel) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and standard deviation of pixels / 255 that make the integers a network takes; None for others."""
    lowest = LOWEST.get(model.input_type)
    return None if lowest is None else ((-lowest / 255,), (1 / 255,))
