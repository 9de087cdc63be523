"""Every operator against ONNX Runtime, in every operator set that changed it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from shiftbook.frontend.importing.onnx_model.load import NEWEST, OLDEST, load_onnx
from shiftbook.frontend.importing.onnx_model.operators import OPERATORS
from shiftbook.frontend.importing.recording.read import read_model
from shiftbook.golden.errors import ShiftbookError
from tests.frontend.importing.onnx_model.files import model, node, runtime, saved

RNG = np.random.default_rng(0)


def reals(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def ints(*values):
    return np.array(values, dtype=np.int64)


@dataclass
class Case:
    """One node, or several, on an image of ``shape``; ``graph`` tells that a network may have it.

    Operator sets are those from ``first`` to ``last`` in which an operator of ``nodes`` changed.
    """

    nodes: list
    shape: tuple = (3, 6, 5)
    constants: dict = field(default_factory=dict)
    first: int = OLDEST
    last: int = NEWEST
    graph: bool = True
    positive: bool = False


def one(
    operator, *constants, shape=(3, 6, 5), first=OLDEST, last=NEWEST, graph=True, positive=False, **attributes
):
    """One node of the image and constants; None leaves one out."""
    named = {f"c{i}": value for i, value in enumerate(constants) if value is not None}
    names = ["x", *("-" if value is None else f"c{i}" for i, value in enumerate(constants))]
    made = node(operator, " ".join(names), "y", **attributes)
    return Case([made], shape, named, first, last, graph, positive)


POINTWISE = [
    *(one(name) for name in ("Relu", "Sigmoid", "Tanh", "Softplus", "Neg", "Elu", "Selu", "LeakyRelu")),
    *(one(name, shape=(7,)) for name in ("Relu", "Sigmoid", "Softmax", "LogSoftmax")),
    one("HardSwish", first=14),
    one("Mish", first=18),
    one("Gelu", first=20),
    one("Gelu", first=20, approximate="tanh"),
    one("Swish", first=24),
    one("Swish", first=24, alpha=0.5, graph=False),
    one("Erf", graph=False),
    one("Exp", graph=False),
    one("Sqrt", graph=False, positive=True),
    one("Pow", np.float32(2)),
    one("Pow", np.float32(3), graph=False),
    one("Pow", ints(2), first=12),
    one("LeakyRelu", alpha=0.3),
    one("Elu", alpha=0.7),
    one("Celu", first=12),
    one("Celu", first=12, alpha=2.0),
    one("HardSigmoid", graph=False),
    one("HardSigmoid", alpha=1 / 6, beta=0.5),
    one("PRelu", reals(3, 1, 1)),
    one("PRelu", reals(1)),
    one("PRelu", reals(1, 3, 1, 1)),
    one("PRelu", reals(7), shape=(7,)),
    one("Clip", np.float32(0), np.float32(6)),
    one("Clip", np.float32(0)),
    one("Clip", None, np.float32(0.5)),
    one("Clip", np.float32(-0.5), np.float32(0.5)),
    one("Clip", np.float32(0), np.float32(np.finfo(np.float32).max)),
    one("Clip", np.float32(np.finfo(np.float32).min), np.float32(1)),
    one("Clip"),
    one("Softmax", axis=1, first=13),
    one("Softmax", axis=3, graph=False),
    one("Softmax", axis=2, graph=False),
    one("Softmax", axis=-1, graph=False),
    one("Softmax", graph=False),
    one("Softmax", axis=1, last=12, graph=False),
    one("Softmax", axis=1, shape=(7,)),
    one("LogSoftmax", axis=1, last=12, graph=False),
    one("LogSoftmax", axis=1, first=13),
    *(one(name, reals(3, 1, 1)) for name in ("Add", "Sub", "Mul", "Div")),
    *(one(name, np.float32(0.7)) for name in ("Add", "Sub", "Mul", "Div")),
    Case([node("Sub", "c x", "y")], constants={"c": reals(3, 1, 1)}),
    Case([node("Relu", "x", "a"), node("Add", "x a", "y")]),
    Case([node("Relu", "x", "a"), node("Sub", "x a", "y")]),
    Case([node("Relu", "x", "a"), node("Mul", "x a", "y")]),
    Case([node("Relu", "x", "a"), node("GlobalAveragePool", "x", "b"), node("Mul", "a b", "y")]),
    Case([node("Relu", "x", "a"), node("Sum", "x a x", "y")]),
    Case([node("Sum", "x", "y")]),
    Case([node("Relu", "x", "a"), node("Neg", "x", "b"), node("Max", "a b", "y")]),
    Case([node("Relu", "x", "a"), node("Neg", "x", "b"), node("Min", "a b", "y")], graph=False),
    one("Max", np.float32(0.2)),
    one("Min", np.float32(0.2)),
    Case([node("Max", "c x", "y")], constants={"c": np.float32(0)}),
]

POOLING = [
    one("MaxPool", kernel_shape=[2, 2]),
    one("MaxPool", kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0]),
    one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1]),
    one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 2, 0]),
    one("MaxPool", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    one("MaxPool", kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_LOWER"),
    one("MaxPool", kernel_shape=[2, 2], auto_pad="VALID"),
    one("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    one("MaxPool", kernel_shape=[2, 2], dilations=[2, 2]),
    one("MaxPool", kernel_shape=[2], strides=[2], shape=(3, 9)),
    one("AveragePool", kernel_shape=[2, 2]),
    one("AveragePool", kernel_shape=[3, 2], strides=[2, 1]),
    one("AveragePool", kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    one("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1),
    one("AveragePool", kernel_shape=[3, 3], pads=[0, 1, 1, 0], count_include_pad=1),
    one("AveragePool", kernel_shape=[2, 2], auto_pad="VALID"),
    one("AveragePool", kernel_shape=[3], shape=(3, 9)),
    one("AveragePool", kernel_shape=[6, 5]),
    one("GlobalAveragePool"),
    one("GlobalMaxPool"),
    one("GlobalAveragePool", shape=(3, 9)),
    *(one(name, axes=[2, 3], last=17) for name in ("ReduceMean", "ReduceMax")),
    *(one(name, axes=[-2, -1], keepdims=0, last=17) for name in ("ReduceMean", "ReduceMax")),
    *(one(name, ints(2, 3), first=18) for name in ("ReduceMean", "ReduceMax")),
    *(one(name, ints(-1, -2), first=18, keepdims=0) for name in ("ReduceMean", "ReduceMax")),
    one("ReduceSum", axes=[2, 3], last=12),
    one("ReduceSum", ints(2, 3), first=13),
    one("ReduceSum", ints(2, 3), first=13, keepdims=0),
    one("ReduceMean", first=18, noop_with_empty_axes=1),
    one("ReduceMean", ints(), first=18, noop_with_empty_axes=1),
    one("ReduceMean", axes=[1], last=17),
    one("ReduceMax", ints(1), first=18),
    one("ReduceMean", graph=False),
    one("ReduceMean", ints(), first=18, graph=False),
    one("ReduceSum", graph=False),
]

MOVING = [
    one("Reshape", ints(0, -1)),
    one("Reshape", ints(-1, 90)),
    one("Reshape", ints(0, 0, 5, 6), graph=False),
    one("Reshape", ints(2, 3, -1), graph=False),
    one("Reshape", ints(2, -1), first=14, allowzero=1),
    one("Flatten"),
    one("Flatten", axis=-3),
    one("Flatten", axis=2, graph=False),
    one("Flatten", axis=0, graph=False),
    one("Flatten", axis=-1, graph=False),
    one("Squeeze", axes=[2, 3], last=12, shape=(3, 1, 1)),
    one("Squeeze", axes=[-1], last=12, shape=(3, 6, 1), graph=False),
    one("Squeeze", last=12, shape=(3, 1, 1)),
    one("Squeeze", ints(2, 3), first=13, shape=(3, 1, 1)),
    one("Squeeze", ints(-1, -2), first=13, shape=(3, 1, 1)),
    one("Squeeze", first=13, shape=(3, 1, 1)),
    one("Unsqueeze", axes=[2, 3], last=12, shape=(7,)),
    one("Unsqueeze", axes=[-1, -2], last=12, shape=(7,)),
    one("Unsqueeze", ints(2, 3), first=13, shape=(7,)),
    one("Unsqueeze", ints(-1, 2), first=13, shape=(7,)),
    one("Transpose", perm=[0, 3, 1, 2], graph=False),
    one("Transpose", graph=False),
    Case([node("Transpose", "x", "a", perm=[0, 2, 3, 1]), node("Transpose", "a", "y", perm=[0, 3, 1, 2])]),
    Case([node("Relu", "x", "a"), node("Concat", "x a x", "y", axis=1)]),
    Case([node("Relu", "x", "a"), node("Concat", "x a", "y", axis=-3)]),
    Case([node("Relu", "x", "a"), node("Concat", "x a", "y", axis=2)], graph=False),
    Case([node("Split", "x", "a b", axis=1, split=[1, 2]), node("Concat", "b a", "y", axis=1)], last=12),
    Case([node("Split", "x", "a b", axis=1), node("Add", "a b", "y")], shape=(4, 6, 5), last=17),
    Case(
        [node("Split", "x c", "a b", axis=1), node("Concat", "b a", "y", axis=1)],
        (3, 6, 5),
        {"c": ints(1, 2)},
        13,
    ),
    Case(
        [node("Split", "x", "a b", axis=1, num_outputs=2), node("Concat", "b a", "y", axis=1)],
        shape=(3, 6, 5),
        first=18,
    ),
    one("Slice", ints(1), ints(3), ints(1)),
    one("Slice", ints(0, 1), ints(3, 1 << 62), ints(2, 3), ints(2, 2), graph=False),
    one("Slice", ints(-2), ints(1 << 62), ints(-3)),
    one("Slice", ints(-1), ints(-(1 << 62)), ints(1), ints(-1)),
    one("Slice", ints(2), ints(0), ints(1), ints(-1)),
    one("Slice", ints(0, 0), ints(2, 2), graph=False),
    one("Slice", ints(0, 0), ints(9, 9), ints(2, 3), ints(2, 2)),
    one("Slice", ints(1, 2), ints(5, 4), ints(2, 3)),
    one("Gather", ints(2, 0), axis=1),
    one("Gather", ints(-1, 0), axis=1),
    one("Gather", ints(1)[0], axis=2, graph=False),
    one("Pad", ints(0, 0, 1, 2, 0, 0, 3, 0)),
    one("Pad", ints(0, 1, 0, 0, 0, 2, 0, 0)),
    one("Pad", ints(0, 0, -1, 0, 0, 0, 0, -2)),
    one("Pad", ints(0, 0, 1, 1, 0, 0, 1, 1), np.float32(0.5)),
    one("Pad", ints(0, 0, 1, 2, 0, 0, 2, 1), mode="reflect"),
    one("Pad", ints(0, 0, 0, 2, 0, 0, 0, 1), mode="reflect"),
    one("Pad", ints(0, 0, 1, 0, 0, 0, 0, 0), mode="edge"),
    one("Pad", ints(1, 2, 3, 0), None, ints(2, 3), first=18),
    one("Pad", ints(1, 2), None, ints(-1), first=18, mode="edge"),
    one("Pad", ints(0, 0, 1, 1, 0, 0, 1, 1), first=19, mode="wrap", graph=False),
    one("DepthToSpace", blocksize=2, shape=(8, 3, 2)),
    one("DepthToSpace", blocksize=2, mode="CRD", shape=(8, 3, 2)),
    one("SpaceToDepth", blocksize=2, shape=(2, 4, 6)),
    one("Expand", ints(2, 3, 6, 5)),
    one("Expand", ints(6, 1)),
    one("Tile", ints(1, 1, 2, 1), graph=False),
    one("Tile", ints(1, 2, 1, 1)),
    one("Identity"),
    one("Dropout"),
    one("Dropout", ratio=0.5, last=11),
    one("Dropout", np.float32(0.5), np.array(False), first=12),
    one("Cast", to=TensorProto.FLOAT),
    one("CastLike", reals(1), first=15),
    Case(
        [
            node("Shape", "x", "s"),
            node("Gather", "s zero", "n", axis=0),
            node("Unsqueeze", "n", "n1", axes=[0]),
            node("Concat", "n1 rest", "t", axis=0),
            node("Reshape", "x t", "y"),
        ],
        constants={"zero": ints(0)[0], "rest": ints(-1)},
        last=12,
    ),
    Case(
        [
            node("Shape", "x", "s", start=0, end=1),
            node("Constant", "", "rest", value_ints=[-1]),
            node("Concat", "s rest", "t", axis=0),
            node("Reshape", "x t", "y"),
        ],
        first=15,
    ),
    Case(
        [
            node("Size", "x", "s"),
            node("Div", "s two", "n"),
            node("Unsqueeze", "n axes", "n1"),
            node("Concat", "b n1", "t", axis=0),
            node("Reshape", "x t", "y"),
        ],
        constants={"two": ints(2)[0], "axes": ints(0), "b": ints(2)},
        first=13,
    ),
]


def resized(
    mode,
    *scales,
    coordinates="half_pixel",
    sizes=None,
    graph=True,
    first=OLDEST,
    shape=(3, 4, 5),
    **attributes,
):
    given = [
        node(
            "Resize",
            "x - s" if sizes is None else "x - - s",
            "y",
            mode=mode,
            coordinate_transformation_mode=coordinates,
            **attributes,
        )
    ]
    value = np.array(scales, np.float32) if sizes is None else ints(*sizes)
    if first < 13:  # roi may not be left out in operator set 11
        given[0].input[1] = "roi"
        if sizes is not None:
            given[0].input[2] = "empty"
    constants = {"s": value, "roi": np.array([], np.float32), "empty": np.array([], np.float32)}
    return Case(given, shape, constants, first, graph=graph)


RESIZING = [
    resized("nearest", 1, 1, 2, 2, coordinates="asymmetric", nearest_mode="floor"),
    resized("nearest", 1, 1, 2, 2),
    resized("nearest", 1, 1, 3, 3, coordinates="asymmetric", graph=False),
    resized("nearest", 1, 1, 2, 3, coordinates="asymmetric", nearest_mode="floor"),
    resized("nearest", sizes=(2, 3, 8, 10)),
    resized("nearest", 1, 1, 2, 2, coordinates="align_corners", nearest_mode="ceil", graph=False),
    resized(
        "nearest",
        1,
        1,
        1.5,
        1.4,
        coordinates="pytorch_half_pixel",
        nearest_mode="round_prefer_ceil",
        graph=False,
    ),
    resized("nearest", 1, 1, 0.5, 1, coordinates="asymmetric", nearest_mode="floor", graph=False),
    resized("linear", 1, 1, 2, 2),
    resized("linear", 1, 1, 2, 2, coordinates="pytorch_half_pixel"),
    resized("linear", 1, 1, 2, 2, coordinates="align_corners"),
    resized("linear", sizes=(2, 3, 7, 9)),
    resized("linear", sizes=(2, 3, 7, 9), coordinates="align_corners"),
    resized("cubic", 1, 1, 2, 2),
    resized("nearest", 1, 1, 2, coordinates="asymmetric", nearest_mode="floor", shape=(3, 9)),
    resized("nearest", sizes=(2, 3, 13), shape=(3, 9)),
    resized("linear", 1, 1, 2, coordinates="pytorch_half_pixel", shape=(3, 9)),
    resized("linear", sizes=(2, 3, 13), coordinates="align_corners", shape=(3, 9)),
    resized("nearest", sizes=(8, 10), axes=[2, 3], first=18),
]

WEIGHTED = [
    one("Conv", reals(4, 3, 3, 3)),
    one("Conv", reals(4, 3, 3, 2), reals(4), strides=[2, 1], pads=[1, 0, 1, 0]),
    one("Conv", reals(4, 3, 3, 3), pads=[1, 1, 1, 1]),
    one("Conv", reals(4, 3, 3, 3), pads=[0, 1, 2, 0]),
    one("Conv", reals(4, 3, 3, 3), strides=[2, 2], auto_pad="SAME_UPPER"),
    one("Conv", reals(4, 3, 3, 3), strides=[2, 2], auto_pad="SAME_LOWER"),
    one("Conv", reals(4, 3, 2, 2), auto_pad="SAME_UPPER"),
    one("Conv", reals(4, 3, 2, 2), auto_pad="SAME_LOWER"),
    one("Conv", reals(4, 3, 3, 3), auto_pad="VALID"),
    one("Conv", reals(6, 1, 3, 3), group=3, kernel_shape=[3, 3]),
    one("Conv", reals(4, 3, 2, 2), dilations=[2, 2]),
    one("Conv", reals(4, 3, 3), shape=(3, 9), pads=[1, 1]),
    one("Conv", reals(4, 3, 3), shape=(3, 9), pads=[2, 0]),
    one("ConvTranspose", reals(3, 4, 2, 2), strides=[2, 2]),
    one(
        "ConvTranspose", reals(3, 4, 3, 3), reals(4), strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 1]
    ),
    one("ConvTranspose", reals(3, 4, 3, 3), strides=[2, 2], pads=[1, 1, 0, 0]),
    one("ConvTranspose", reals(3, 2, 3), shape=(3, 9)),
    one("ConvTranspose", reals(3, 4, 2, 2), strides=[2, 2], auto_pad="VALID"),
    one("Gemm", reals(7, 4), reals(4), shape=(7,)),
    one("Gemm", reals(4, 7), reals(4), shape=(7,), transB=1),
    one("Gemm", reals(4, 7), reals(1, 4), shape=(7,), transB=1),
    one("Gemm", reals(4, 7), reals(1), shape=(7,), transB=1),
    one("Gemm", reals(4, 7), np.float32(0.3), shape=(7,), transB=1),
    one("Gemm", reals(4, 7), shape=(7,), transB=1, alpha=0.5),
    one("Gemm", reals(4, 7), reals(4), shape=(7,), transB=1, alpha=0.5, beta=2.0),
    one("Gemm", reals(2, 4), shape=(7,), transA=1, graph=False),
    one("MatMul", reals(7, 4), shape=(7,)),
    one("MatMul", reals(5, 4), graph=False),
    Case([node("MatMul", "x w", "a"), node("Add", "a b", "y")], (7,), {"w": reals(7, 4), "b": reals(4)}),
    Case([node("MatMul", "x w", "a"), node("Add", "b a", "y")], (7,), {"w": reals(7, 4), "b": reals(4)}),
    one("BatchNormalization", reals(3), reals(3), reals(3), np.abs(reals(3)) + 1),
    one("BatchNormalization", reals(3), reals(3), reals(3), np.abs(reals(3)) + 1, epsilon=0.1),
    one("BatchNormalization", reals(7), reals(7), reals(7), np.abs(reals(7)) + 1, shape=(7,)),
    one("BatchNormalization", reals(3), reals(3), reals(3), np.abs(reals(3)) + 1, shape=(3, 9)),
]


def coded(*between, scale=0.0213, zero=100, read="q", first=OLDEST, last=NEWEST):
    """Rounded, perhaps moved as integers, and read with another scale or zero point, perhaps."""
    return Case(
        [node("QuantizeLinear", "x s z", "q"), *between, node("DequantizeLinear", f"{read} t u", "y")],
        constants={
            "s": np.float32(0.0213),
            "z": np.uint8(100),
            "t": np.float32(scale),
            "u": np.uint8(zero),
            "i": ints(2, 0),
        },
        first=first,
        last=last,
    )


QUANTIZED = [
    coded(),
    coded(scale=0.05),
    coded(zero=90),
    coded(scale=0.01, zero=0),
    # Of integers since operator set 12; no one computes it in the newest.
    coded(node("MaxPool", "q", "m", kernel_shape=[2, 2]), read="m", first=12, last=25),
    coded(node("Gather", "q i", "m", axis=1), read="m"),
    coded(node("Flatten", "q", "m"), read="m"),
    *(
        Case(
            [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")],
            constants={"s": np.float32(0.02), "z": zero},
        )
        for zero in (np.uint8(100), np.int8(-10), np.uint8(0))
    ),
    Case(
        [node("DequantizeLinear", "q s z", "w", axis=0), node("Conv", "x w", "y")],
        constants={
            "q": RNG.integers(-127, 128, (4, 3, 3, 3), np.int8),
            "s": np.abs(reals(4)) + 0.1,
            "z": np.zeros(4, np.int8),
        },
        first=13,
    ),
]

CASES = [*POINTWISE, *POOLING, *MOVING, *RESIZING, *WEIGHTED, *QUANTIZED]


def changes(operators):
    """Operator sets in which one of some operators changed, the oldest that is read, and the newest."""
    schemas = onnx.defs.get_all_schemas_with_history()
    changed = {s.since_version for s in schemas if s.domain == "" and s.name in operators}
    return sorted({v for v in changed if OLDEST <= v <= NEWEST} | {OLDEST, NEWEST})


def in_operator_sets(cases):
    for number, case in enumerate(cases):
        operators = {made.op_type for made in case.nodes}
        for opset in sorted({max(v, case.first) for v in changes(operators) if v <= case.last}):
            names = "-".join(made.op_type for made in case.nodes)
            yield pytest.param(case, opset, id=f"{names}-{number}-{opset}")


@pytest.mark.parametrize(("case", "opset"), list(in_operator_sets(CASES)))
def test_an_operator_computes_what_the_runtime_does(case, opset, tmp_path):
    made = model(case.nodes, ["n", *case.shape], case.constants, opset=opset)
    x = np.random.default_rng(1).normal(size=(2, *case.shape)).astype(np.float32)
    x = np.abs(x) + 0.1 if case.positive else x
    (wanted,) = runtime(made, x)
    found = load_onnx(saved(made, tmp_path)).eval()
    images = torch.from_numpy(x)
    with torch.no_grad():
        assert_close(found(maps(images)).numpy(), wanted)
        if case.graph:
            assert_close(read_model(found, tuple(maps(images).shape[1:]))(maps(images)).numpy(), wanted)


def maps(images):
    """Images as shiftbook hands them to models: features are maps of one pixel, signals of height 1."""
    if images.dim() == 2:
        return images[:, :, None, None]
    return images[:, :, None] if images.dim() == 3 else images


def assert_close(found, wanted):
    assert found.size == wanted.size
    assert np.abs(found.ravel() - wanted.ravel()).max() <= 1e-5 * np.abs(wanted).max()


def test_every_operator_of_the_standard_has_a_case():
    ours = {"Quant", "IntQuant", "BipolarQuant", "Trunc"}
    assert {made.op_type for case in CASES for made in case.nodes} >= set(OPERATORS) - ours


REFUSED = [
    (
        one("Conv", reals(4, 3, 1, 1, 1)),
        "Conv at 'conv': it must be of one or two dimensions, not 3",
    ),
    (one("PRelu", reals(5)), "PRelu at 'prelu': slopes must be one for each of 3 channels, not [5]"),
    (one("Selu", alpha=1.0), "Selu at 'selu': alpha and gamma must be 1.673263 and 1.050701, not 1.0 and "),
    (
        one("Dropout", np.float32(0.5), np.array(True), first=12),
        "Dropout at 'dropout': it must be in evaluation",
    ),
    (one("Cast", to=TensorProto.INT8), "Cast at 'cast': it must be to real numbers, not to INT8"),
    (one("AveragePool", kernel_shape=[2, 2], dilations=[2, 2], first=19), "dilations must be 1, not [2, 2]"),
    (
        one("AveragePool", kernel_shape=[3, 3], pads=[0, 0, 1, 1]),
        "pads must be even where count_include_pad is 0",
    ),
    (one("LayerNormalization", reals(5), first=17), "unsupported operation LayerNormalization at 'layernorm"),
    (one("Resize", None, np.float32([1, 2, 2, 2]), first=13), "it must be of the rows and columns of maps"),
    (resized("linear", 1, 1, 1.3, 1.3), "scales must give whole sizes, not [1.0, 1.0, 1.29"),
    (resized("linear", 1, 1, 2, 2, coordinates="asymmetric"), "mode linear with asymmetric is not read"),
    (
        one("BatchNormalization", reals(3), reals(3), reals(3), reals(3), first=15, training_mode=1),
        "evaluation mode",
    ),
    (one("Gather", ints(1, 0).reshape(1, 2), axis=1), "indices must be of one dimension, not 2"),
    (
        Case(
            [
                node("QuantizeLinear", "x s", "q", output_dtype=TensorProto.INT16),
                node("DequantizeLinear", "q s", "y"),
            ],
            constants={"s": np.float32(0.1)},
            first=21,
        ),
        "tensors must be of integers of at most 8 bits, not of int16",
    ),
    (
        Case(
            [node("QuantizeLinear", "x s", "q"), node("DequantizeLinear", "q s", "y")],
            constants={"s": reals(3)},
            first=13,
        ),
        "QuantizeLinear at 'quantizelinear': tensors must have one scale, not 3",
    ),
    (
        one("Expand", ints(1, 1, 1 << 40, 1), shape=(3, 1, 5)),
        "a tensor of 32,985,348,833,280 numbers is too large",
    ),
    (one("Tile", ints(1, 1, 1 << 40, 1)), "is too large"),
    (one("Pad", ints(0, 0, 1 << 40, 0, 0, 0, 0, 0)), "is too large"),
    (one("Conv", reals(4, 3, 1, 1), pads=[1 << 30, 0, 0, 0]), "is too large"),
    (resized("nearest", sizes=(2, 3, 1 << 40, 5)), "is too large"),
]


@pytest.mark.parametrize(("case", "message"), REFUSED)
def test_what_does_not_run_is_told_with_its_node(case, message, tmp_path):
    made = model(case.nodes, ["n", *case.shape], case.constants, opset=max(case.first, 13))
    with pytest.raises(ShiftbookError) as caught:
        load_onnx(saved(made, tmp_path))(torch.zeros(2, *case.shape))
    assert message in str(caught.value)


def test_a_wrong_result_is_seen(tmp_path):
    made = model([node("Relu", "x", "y")], ["n", 3, 6, 5])
    wanted = np.ones((2, 3, 6, 5), np.float32)
    with pytest.raises(AssertionError):
        assert_close(load_onnx(saved(made, tmp_path))(torch.ones(2, 3, 6, 5)).numpy() * 1.001, wanted)


def test_helper_makes_valid_nodes():
    assert list(node("Clip", "x - high", "y").input) == ["x", "", "high"]
    assert helper.make_node("Clip", ["x", "", "high"], ["y"]) == node("Clip", "x - high", "y")
