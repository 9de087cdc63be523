"""ONNX files made by hand, and what ONNX Runtime computes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

TYPES = {np.dtype(np.float32): TensorProto.FLOAT, np.dtype(np.uint8): TensorProto.UINT8}
TYPES[np.dtype(np.int8)] = TensorProto.INT8

RUNTIME_NEWEST_IR = 13


def node(operator: str, inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
    """Inputs and outputs are names with blanks between; "-" is one that is left out."""
    given = ["" if name == "-" else name for name in inputs.split()]
    return helper.make_node(operator, given, outputs.split(), **attributes)


def model(
    nodes: Sequence[onnx.NodeProto],
    shape: Sequence[int | str | None],
    constants: Mapping[str, object] | None = None,
    *,
    opset: int = 17,
    output: str = "y",
    kind: int = TensorProto.FLOAT,
    output_kind: int = TensorProto.FLOAT,
    domains: Mapping[str, int] | None = None,
) -> onnx.ModelProto:
    """A model of the image ``x``; constants are arrays, or tensors."""
    tensors = [
        value if isinstance(value, TensorProto) else numpy_helper.from_array(np.asarray(value), name)
        for name, value in (constants or {}).items()
    ]
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("x", kind, shape)],
        [helper.make_tensor_value_info(name, output_kind, None) for name in output.split()],
        tensors,
    )
    imports = [helper.make_opsetid("", opset)]
    imports += [helper.make_opsetid(domain, version) for domain, version in (domains or {}).items()]
    version = min(helper.find_min_ir_version_for(imports, ignore_unknown=True), RUNTIME_NEWEST_IR)
    made = onnx.shape_inference.infer_shapes(
        helper.make_model(graph, opset_imports=imports, ir_version=version)
    )
    for value in made.graph.output:
        if not value.type.tensor_type.HasField("shape"):  # of operators that the onnx package does not know
            value.type.tensor_type.shape.dim.add()
            value.type.tensor_type.shape.dim.add()
    return made


def saved(made: onnx.ModelProto, folder: Path, name: str = "net.onnx", **options: object) -> Path:
    """Write it."""
    path = folder / name
    onnx.save(made, str(path), **options)
    return path


def runtime(made: onnx.ModelProto, x: np.ndarray) -> list[np.ndarray]:
    """What ONNX Runtime computes, without its optimizations; where it has no kernel, the onnx package."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(
            made.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        if "NOT_IMPLEMENTED" not in str(error):
            raise
        return list(ReferenceEvaluator(made).run(None, {"x": x}))
    return list(session.run(None, {"x": x}))
