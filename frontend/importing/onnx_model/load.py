"""ONNX files."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path

import onnx
from onnx.external_data_helper import load_external_data_for_tensor, uses_external_data

from shiftbook.frontend.importing.onnx_model.model import OnnxModel
from shiftbook.golden.errors import ShiftbookError, first_line
from shiftbook.golden.inputs import check_file, shown

OLDEST, NEWEST = 11, onnx.defs.onnx_opset_version()
"""Of ONNX's own operator sets."""

MOST_BYTES = 1 << 31
"""Of a file, and of the weights beside it together: protobuf's own limit."""

LOWEST: dict[int, int] = {onnx.TensorProto.UINT8: 0, onnx.TensorProto.INT8: -128}
"""Integer that a pixel of 0 is, for networks that take integers."""


def load_onnx(path: Path) -> OnnxModel:
    """Read a file, with the weights in files beside it where it names some.

    Raises
    ------
    ShiftbookError
        There is no such file, or it holds no ONNX model, or one of another operator set than 11 and newer.
    """
    check_file(path, "name an ONNX file")
    model = _read(path)
    versions = {imported.domain: imported.version for imported in model.opset_import}
    version = versions.get("", versions.get("ai.onnx", OLDEST))
    if not OLDEST <= version <= NEWEST:
        raise ShiftbookError(
            f"{shown(path)} has operator set {version}: export it with one of {OLDEST} to {NEWEST}"
        )
    if model.functions:
        raise ShiftbookError(
            f"{shown(path)} has functions of its own: onnx.inliner.inline_local_functions puts them in place"
        )
    try:
        return OnnxModel(model.graph, {**versions, "": version, "ai.onnx": version})
    except ShiftbookError as error:
        raise ShiftbookError(f"{shown(path)}: {error}") from error


def _read(path: Path) -> onnx.ModelProto:
    """The model, checked by the onnx package, which lets no weights come from outside of the folder."""
    size = os.stat(path).st_size
    if size > MOST_BYTES:
        raise ShiftbookError(f"{shown(path)} has {size:,} bytes, and an ONNX file at most {MOST_BYTES:,}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns of much that does not matter here
            model = onnx.load(str(path), format="protobuf", load_external_data=False)
            _load_beside(model, path.parent)
            onnx.checker.check_model(model)
    except ShiftbookError as error:
        raise ShiftbookError(f"{shown(path)}: {error}") from error
    except Exception as error:  # protobuf and the checker raise nearly anything
        raise ShiftbookError(f"{shown(path)} is no valid ONNX model: {first_line(error)}") from error
    return model


def _load_beside(model: onnx.ModelProto, folder: Path) -> None:
    """Weights in files beside the model, where they do not fill the memory."""
    tensors = [*model.graph.initializer, *(a.t for node in model.graph.node for a in node.attribute)]
    outside = [tensor for tensor in tensors if uses_external_data(tensor)]
    size = 0
    for tensor in outside:
        item = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).itemsize
        said = {entry.key: entry.value for entry in tensor.external_data}
        length = int(said.get("length", item * math.prod(tensor.dims)))
        if "length" not in said:
            tensor.external_data.add(key="length", value=str(length))
        size += length
    if size > MOST_BYTES:
        raise ShiftbookError(f"its weights take {size:,} bytes, and at most {MOST_BYTES:,} are read")
    for tensor in outside:
        load_external_data_for_tensor(tensor, str(folder))


def input_statistics(model: OnnxModel) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and standard deviation of pixels / 255 that make the integers a network takes; None for others."""
    lowest = LOWEST.get(model.input_type)
    return None if lowest is None else ((-lowest / 255,), (1 / 255,))
