"""Target: ONNX files, changed in their nodes, attributes, weights, types and bytes."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, numpy_helper

from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.importing.onnx_model.load import load_onnx
from shiftbook.frontend.importing.onnx_model.operators import OPERATORS
from shiftbook.frontend.importing.recording.read import read_model
from tests.frontend.importing.onnx_model.files import model, node
from tests.frontend.importing.onnx_model.qonnx_operators import DOMAIN
from tests.fuzz.bytes_of_files import damaged
from tests.fuzz.judging import loaded

SHAPE = (3, 8, 8)

NUMBERS = (-(1 << 40), -2, -1, 0, 1, 2, 3, 5, 8, 255, 1 << 20, 1 << 31, 1 << 40, (1 << 63) - 1)

NAMES = ("", "x", "y", "a", "p", "w", "more", "a\x1b[2J", "n" * 400, "layer1.0.conv", "..", "/", "\u202e")

OTHERS = (
    "If",
    "Loop",
    "Scan",
    "SequenceEmpty",
    "RandomNormal",
    "TopK",
    "LSTM",
    "NonZero",
    "StringNormalizer",
    "X",
)

CLOSE = 1e-3
"""Of the largest score: float32 sums in another order."""


@cache
def _bases() -> tuple[bytes, ...]:
    """Good files: floats with arithmetic of shapes, quantized ones, QONNX's, and larger maps."""
    found = (_floats(), _quantized(), _few_bits(), _upsampled())
    return tuple(made.SerializeToString() for made in found)


def _reals(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def _floats() -> onnx.ModelProto:
    nodes = [
        node("Conv", "x w b", "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("BatchNormalization", "a g g b v", "n", epsilon=0.01),
        node("Clip", "n zero six", "r"),
        node("Conv", "r k", "c", auto_pad="SAME_UPPER", group=2),
        node("Add", "c r", "s"),
        node("MaxPool", "s", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Shape", "p", "d"),
        node("Gather", "d first", "e", axis=0),
        node("Concat", "e rest", "f", axis=0),
        node("Reshape", "p f", "h"),
        node("Gemm", "h m o", "t", transB=1, alpha=0.5),
        node("Softmax", "t", "y", axis=1),
    ]
    constants = {
        "w": _reals(4, 3, 3, 3),
        "b": _reals(4),
        "g": _reals(4),
        "v": np.abs(_reals(4)) + 1,
        "zero": np.float32(0),
        "six": np.float32(6),
        "k": _reals(4, 2, 2, 2),
        "first": np.array([0]),
        "rest": np.array([-1]),
        "m": _reals(5, 16),
        "o": _reals(5),
    }
    return model(nodes, ["n", *SHAPE], constants)


def _upsampled() -> onnx.ModelProto:
    nodes = [
        node("Conv", "x w", "a", kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2]),
        node("ConvTranspose", "a t b", "u", strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]),
        node("DepthToSpace", "a", "d", blocksize=2, mode="CRD"),
        node("Resize", "a - scales", "n", mode="nearest", coordinate_transformation_mode="asymmetric"),
        node("Concat", "u d n", "c", axis=1),
        node("Slice", "c starts ends axes", "s"),
        node("GlobalAveragePool", "s", "m"),
        node("Flatten", "m", "y"),
    ]
    constants = {
        "w": _reals(4, 3, 3, 3),
        "t": _reals(4, 2, 3, 3),
        "b": _reals(2),
        "scales": np.array([1, 1, 2, 2], np.float32),
        "starts": np.array([1, 1]),
        "ends": np.array([7, 8]),
        "axes": np.array([2, 3]),
    }
    return model(nodes, ["n", *SHAPE], constants)


def _quantized() -> onnx.ModelProto:
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "a"),
        node("DequantizeLinear", "w ws wz", "v", axis=0),
        node("Conv", "a v", "c"),
        node("Relu", "c", "r"),
        node("QuantizeLinear", "r t z", "p"),
        node("DequantizeLinear", "p t z", "d"),
        node("GlobalAveragePool", "d", "m"),
        node("Flatten", "m", "f"),
        node("Transpose", "k", "kt", perm=[1, 0]),
        node("MatMul", "f kt", "y"),
    ]
    constants = {
        "s": np.float32(0.0213),
        "z": np.uint8(100),
        "t": np.float32(0.0517),
        "w": np.arange(108).reshape(4, 3, 3, 3).astype(np.int8),
        "ws": np.full(4, 0.0109, np.float32),
        "wz": np.zeros(4, np.int8),
        "k": _reals(5, 4),
    }
    return model(nodes, ["n", *SHAPE], constants, opset=13)


def _few_bits() -> onnx.ModelProto:
    nodes = [
        node("Quant", "w s z b", "v", domain=DOMAIN, signed=1, narrow=1),
        node("Conv", "x v", "c"),
        node("Quant", "c s z b", "q", domain=DOMAIN, signed=1),
        node("ReduceMean", "q", "m", axes=[2, 3]),
        node("Squeeze", "m axes", "y"),
    ]
    constants = {
        "w": _reals(4, 3, 3, 3),
        "s": np.float32(0.2),
        "z": np.float32(0),
        "b": np.float32(4),
        "axes": np.array([2, 3]),
    }
    return model(nodes, ["n", *SHAPE], constants, domains={DOMAIN: 1})


def mutate(rng: random.Random, folder: Path) -> Path:
    """One or a few changes of a good file's fields, or other bytes."""
    data = rng.choice(_bases())
    if rng.random() < 0.3:
        data = damaged(data, rng)
    else:
        made = onnx.ModelProto.FromString(data)
        for _ in range(rng.choice([1, 1, 1, 2, 3])):
            rng.choice([_change_node, _change_node, _change_attribute, _change_tensor, _change_type])(
                made, rng
            )
        data = made.SerializeToString()
    path = folder / "mutant.onnx"
    path.write_bytes(data)
    return path


def _change_node(made: onnx.ModelProto, rng: random.Random) -> None:
    """Another operator, other inputs, another place, or none."""
    nodes = made.graph.node
    if not nodes:
        return
    at = rng.randrange(len(nodes))
    victim, kind = nodes[at], rng.randrange(8)
    known = [tensor.name for tensor in made.graph.initializer] + [
        name for n in nodes[:at] for name in n.output
    ]
    if kind == 0:
        del nodes[at]
    elif kind < 3:
        victim.op_type = rng.choice([*OPERATORS, *OTHERS])
    elif kind < 6 and victim.input and known:
        victim.input[rng.randrange(len(victim.input))] = rng.choice([*known, "x", "x", rng.choice(NAMES)])
    elif kind == 6:
        victim.domain = rng.choice(["", "ai.onnx", DOMAIN, "com.microsoft", "a\nb"])
    else:
        victim.name = rng.choice(NAMES)


def _change_attribute(made: onnx.ModelProto, rng: random.Random) -> None:
    nodes = [n for n in made.graph.node if n.attribute]
    if not nodes:
        return
    victim = rng.choice(nodes)
    attribute, kind = rng.choice(victim.attribute), rng.randrange(6)
    if kind == 0:
        victim.attribute.remove(attribute)
    elif kind == 1:
        attribute.name = rng.choice(["axis", "pads", "strides", "perm", "to", "block_size", "value", ""])
    elif attribute.ints:
        attribute.ints[rng.randrange(len(attribute.ints))] = rng.choice(NUMBERS)
        if kind == 2:
            attribute.ints.append(rng.choice(NUMBERS))
    elif attribute.type == onnx.AttributeProto.FLOAT:
        attribute.f = rng.choice([0.0, -1.0, 1e30, float("nan"), float("inf")])
    elif attribute.type == onnx.AttributeProto.STRING:
        attribute.s = rng.choice([b"VALID", b"SAME_LOWER", b"NOTSET", b"\xff", b""])
    else:
        attribute.i = rng.choice(NUMBERS)


def _change_tensor(made: onnx.ModelProto, rng: random.Random) -> None:
    """Other numbers, another shape or type, or weights in another file."""
    tensors = made.graph.initializer
    if not tensors:
        return
    victim, kind = rng.choice(tensors), rng.randrange(9)
    if kind == 0:
        tensors.remove(victim)
    elif kind == 1:
        victim.data_type = rng.randrange(0, 27)
    elif kind == 2:
        victim.dims.append(rng.choice(NUMBERS))
    elif kind == 3 and victim.dims:
        victim.dims[rng.randrange(len(victim.dims))] = rng.choice(NUMBERS)
    elif kind == 4:
        victim.raw_data = damaged(victim.raw_data, rng)
    elif kind == 5:
        victim.data_location = TensorProto.EXTERNAL
        place = rng.choice(["mutant.onnx", "../x", "/etc/hostname", "", "."])
        victim.external_data.add(key="location", value=place)
    else:
        array = _array(victim)
        values = [*NUMBERS[4:9], 1e30, float("nan"), float("inf"), -1]
        with np.errstate(all="ignore"):
            array.flat[rng.randrange(array.size)] = np.float64(rng.choice(values)).astype(array.dtype)
            turned = array.T if rng.random() < 0.2 else array
        victim.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(turned), victim.name))


def _array(tensor: onnx.TensorProto) -> np.ndarray:
    """Its numbers, where earlier changes left it any."""
    try:
        array = np.array(numpy_helper.to_array(tensor))
    except Exception:  # the onnx package raises nearly anything
        return np.zeros(1)
    return array if array.size and array.dtype.kind in "fiu" else np.zeros(1)


def _change_type(made: onnx.ModelProto, rng: random.Random) -> None:
    """Of the image, of the scores, or of the whole file."""
    image, kind = made.graph.input[0].type.tensor_type, rng.randrange(6)
    if kind == 0:
        image.elem_type = rng.randrange(0, 27)
    elif kind == 1 and image.shape.dim:
        rng.choice(image.shape.dim).dim_value = rng.choice(NUMBERS)
    elif kind == 2:
        image.shape.dim.add()
    elif kind == 3:
        made.opset_import[0].version = rng.choice([*range(5, 32), -1, 1 << 40])
    elif kind == 4:
        made.graph.output[0].name = rng.choice(
            [name for n in made.graph.node for name in n.output] + ["none"]
        )
    else:
        made.graph.input.append(made.graph.input[0])
        made.graph.input[-1].name = rng.choice(NAMES)


def judge(path: Path) -> bool:
    """Refused; or the graph computes what the runtime computes, where that takes the file, too."""
    graph = loaded(lambda: read_model(load_model(str(path)).model, SHAPE))
    if graph is None:
        return False
    images = torch.rand(2, *SHAPE, generator=torch.Generator().manual_seed(3)) * 2 - 1
    wanted = _runtime(path, images.numpy())
    if wanted is not None and len(graph.outputs) == 1:
        found = graph(images).detach().numpy().ravel()
        apart = np.abs(found - wanted.ravel()).max(initial=0)
        assert apart <= CLOSE * max(np.abs(wanted).max(initial=0), 1e-6), f"{apart} from the runtime"
    return True


def _runtime(path: Path, images: np.ndarray) -> np.ndarray | None:
    """The scores; None where the runtime does not take the file, or takes other images."""
    made = load_onnx(path)
    if made.input_type != TensorProto.FLOAT or made.input_dims[1:] != SHAPE:
        return None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        (result,) = session.run(None, {made.input: images})
    except Exception:  # whatever it does not like
        return None
    return result if np.isfinite(result).all() else None
