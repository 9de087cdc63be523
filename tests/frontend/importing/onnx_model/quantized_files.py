"""Networks that are quantized in their file, layer by layer, and what the runtime says of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from tests.frontend.importing.onnx_model.files import model, node

ACTIVATIONS = {"uint8": np.uint8, "int8": np.int8}


@dataclass
class Maker:
    """Appends layers; each is told and gives the name of a tensor that is not quantized yet or dequantized.

    ``kind`` is the type of tensors, ``each`` whether weights have a scale for each output.
    """

    kind: type = np.uint8
    each: bool = True
    seed: int = 0
    nodes: list = field(default_factory=list)
    constants: dict = field(default_factory=dict)
    weights: dict = field(default_factory=dict)

    def __post_init__(self):
        self.rng = np.random.default_rng(self.seed)

    def name(self, what="t"):
        return f"{what}{len(self.nodes)}_{len(self.constants)}"

    def constant(self, value, what="c"):
        name = self.name(what)
        self.constants[name] = np.asarray(value)
        return name

    def add(self, operator, *inputs, **attributes):
        result = self.name()
        self.nodes.append(node(operator, " ".join(inputs), result, **attributes))
        return result

    def rounded(self, x, scale, zero, back=True):
        """Through QuantizeLinear, and DequantizeLinear."""
        scale, zero = self.constant(np.float32(scale)), self.constant(self.kind(zero))
        integers = self.add("QuantizeLinear", x, scale, zero)
        return self.add("DequantizeLinear", integers, scale, zero) if back else integers

    def weight(self, shape, axis, largest=127):
        """Integers with steps along an axis."""
        integers = self.rng.integers(-largest, largest + 1, shape, np.int8)
        count = shape[axis] if self.each else 1
        steps = self.rng.uniform(0.002, 0.006, count).astype(np.float32)
        scale = self.constant(steps if self.each else steps[0])
        zero = self.constant(np.zeros(count if self.each else (), np.int8))
        name = self.constant(integers, "w")
        self.weights[name] = integers
        return self.add("DequantizeLinear", name, scale, zero, axis=axis), steps

    def bias(self, steps, source_scale, count):
        """32-bit integers in steps of the products."""
        integers = self.rng.integers(-2000, 2000, count).astype(np.int32)
        scale = self.constant((steps * np.float32(source_scale)).astype(np.float32).reshape(-1))
        scale = scale if self.each else self.constant(np.float32(steps[0] * source_scale))
        return self.add("DequantizeLinear", self.constant(integers), scale, axis=0)

    def conv(self, x, shape, source_scale, **attributes):
        weight, steps = self.weight(shape, 0)
        return self.add("Conv", x, weight, self.bias(steps, source_scale, shape[0]), **attributes)

    def gemm(self, x, inputs, outputs, source_scale):
        weight, steps = self.weight((outputs, inputs), 0)
        return self.add("Gemm", x, weight, self.bias(steps, source_scale, outputs), transB=1)

    def matmul(self, x, inputs, outputs, source_scale):
        weight, steps = self.weight((inputs, outputs), 1)
        return self.add("Add", self.add("MatMul", x, weight), self.bias(steps, source_scale, outputs))

    def finished(self, y, shape, kind=TensorProto.FLOAT, opset=13):
        """The model whose scores are ``y``, integers or not."""
        self.nodes.append(node("Identity", y, "y"))
        made = self.nodes[-2].op_type
        output = {np.uint8: TensorProto.UINT8, np.int8: TensorProto.INT8}[self.kind]
        return model(
            self.nodes,
            ["n", *shape],
            self.constants,
            opset=opset,
            kind=kind,
            output_kind=output if made == "QuantizeLinear" else TensorProto.FLOAT,
        )


def weights_of(made: onnx.ModelProto) -> list[np.ndarray]:
    """The integer weights of a model, in the order of the layers that read them."""
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in made.graph.initializer}
    makers = {n.output[0]: n for n in made.graph.node if n.op_type == "DequantizeLinear"}
    found = []
    for reader in made.graph.node:
        if reader.op_type in ("Conv", "Gemm", "MatMul"):
            integers = tensors[makers[reader.input[1]].input[0]]
            turned = reader.op_type == "MatMul" or (reader.op_type == "Gemm" and not _flag(reader, "transB"))
            found.append(integers.T if turned else integers)
    return found


def _flag(made: onnx.NodeProto, name: str) -> int:
    return next((a.i for a in made.attribute if re.fullmatch(name, a.name)), 0)
