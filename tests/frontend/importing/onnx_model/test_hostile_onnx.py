"""ONNX files that hold something else, lie, or ask for too much: one line each, soon, with little memory."""

from __future__ import annotations

import os
import resource
import time

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.importing.onnx_model.load import NEWEST, load_onnx
from shiftbook.frontend.importing.recording.read import read_model
from shiftbook.golden.errors import ShiftbookError, is_plain
from tests.frontend.importing.onnx_model.files import model, node, saved

GOOD = model([node("Conv", "x w", "y")], ["n", 3, 4, 4], {"w": np.ones((2, 3, 1, 1), np.float32)})


def told(path, message, shape=(3, 4, 4)):
    """Reading says this in one short line, within seconds and without much memory."""
    started, before = time.process_time(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ShiftbookError) as caught:
        read_model(load_model(str(path)).model, shape)
    line = str(caught.value)
    assert message in line
    assert is_plain(line)
    assert len(line) < 1000
    assert time.process_time() - started < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2 << 20  # KiB


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no valid ONNX model: "),
        (b"\0" * 1000, "is no valid ONNX model: "),
        (b"hello, this is a text\n" * 10, "is no valid ONNX model: "),
        (GOOD.SerializeToString()[:-5], "is no valid ONNX model: "),
        (GOOD.SerializeToString()[:20], "is no valid ONNX model: "),
        (b"PK\x03\x04" + bytes(100), "is no valid ONNX model: "),
        (np.random.default_rng(0).bytes(5000), "is no valid ONNX model: "),
    ],
)
def test_bytes_that_are_no_model(data, message, tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    told(path, f"{path} {message}")


def test_places_that_are_no_file(tmp_path):
    (tmp_path / "folder.onnx").mkdir()
    os.mkfifo(tmp_path / "fifo.onnx")
    told(tmp_path / "folder.onnx", "folder.onnx: Is a directory; name an ONNX file")
    told(tmp_path / "fifo.onnx", "fifo.onnx: it is a FIFO, not a regular file; name an ONNX file")
    told(tmp_path / "none.onnx", "none.onnx: No such file or directory; name an ONNX file")


def test_a_huge_file_is_not_read(tmp_path):
    path = tmp_path / "net.onnx"
    with open(path, "wb") as file:
        file.truncate(1 << 36)
    told(path, "has 68,719,476,736 bytes, and an ONNX file at most 2,147,483,648")


def test_a_weights_file_beside_it_is_refused(tmp_path):
    path = saved(GOOD, tmp_path)
    with pytest.raises(ShiftbookError, match="holds its weights already: leave the weights file out"):
        load_model(str(path), tmp_path / "w.pt")


def test_the_good_file_is_read(tmp_path):
    assert [n.name for n in read_model(load_model(str(saved(GOOD, tmp_path))).model, (3, 4, 4)).nodes] == [
        "conv"
    ]


def branch(name):
    return helper.make_graph(
        [helper.make_node("Identity", ["x"], [name])],
        name,
        [],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 3, 4, 4])],
    )


def of(nodes, constants=None, **options):
    return model(nodes, ["n", 3, 4, 4], constants, **options)


def changed(change, base=GOOD):
    made = onnx.ModelProto()
    made.CopyFrom(base)
    change(made)
    return made


def weights(array):
    return of([node("Conv", "x w", "y")], {"w": array})


def ints(*values):
    return np.array(values, dtype=np.int64)


def stringy(value, name="s"):
    return helper.make_tensor(name, TensorProto.STRING, [1], [value])


INF = np.full((2, 3, 1, 1), np.inf, np.float32)
NAN = np.full((2, 3, 1, 1), np.nan, np.float32)


def second_input(made):
    made.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, [1]))


def sequence_input(made):
    made.graph.input[0].CopyFrom(helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [1]))


def graph_function(made):
    imports = [helper.make_opsetid("", 17)]
    made.functions.append(helper.make_function("own", "F", ["a"], ["b"], [node("Relu", "a", "b")], imports))
    made.opset_import.append(helper.make_opsetid("own", 1))


def sparse(made):
    made.graph.sparse_initializer.append(
        helper.make_sparse_tensor(
            helper.make_tensor("sp", TensorProto.FLOAT, [1], [1.0]),
            helper.make_tensor("i", TensorProto.INT64, [1], [0]),
            [4],
        )
    )


def dims(*sizes):
    def change(made):
        made.graph.initializer[0].ClearField("dims")
        made.graph.initializer[0].dims.extend(sizes)

    return change


def cycle(made):
    made.graph.node[0].input[0] = "z"
    made.graph.node.append(node("Relu", "y", "z"))


DOUBLING = [node("Concat", "w w", "a0", axis=0)]
DOUBLING += [node("Concat", f"a{i} a{i}", f"a{i + 1}", axis=0) for i in range(60)]

BAD = {
    "opset 7": (
        changed(lambda m: setattr(m.opset_import[0], "version", 7)),
        "operator set 7: export it with one of 11",
    ),
    "new opset": (
        changed(lambda m: setattr(m.opset_import[0], "version", NEWEST + 1)),
        f"has operator set {NEWEST + 1}: export it with one of 11 to {NEWEST}",
    ),
    "cycle": (changed(cycle), "is no valid ONNX model: Nodes in a graph must be topologically sorted"),
    "missing": (
        changed(lambda m: m.graph.ClearField("initializer")),
        "is no valid ONNX model: Nodes in a graph must",
    ),
    "no nodes": (changed(lambda m: m.graph.ClearField("node")), "is no valid ONNX model"),
    "no input": (changed(lambda m: m.graph.ClearField("input")), "is no valid ONNX model"),
    "no output": (
        changed(lambda m: m.graph.ClearField("output")),
        "has no output: it must give class scores",
    ),
    "two inputs": (changed(second_input), "must take one image, not 2 inputs: x, z"),
    "sequence": (changed(sequence_input), "input x must be of real numbers, uint8 or int8, not UNDEFINED"),
    "string input": (
        changed(lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.STRING)),
        "input x must be of real numbers, uint8 or int8, not STRING",
    ),
    "functions": (
        changed(graph_function),
        "has functions of its own: onnx.inliner.inline_local_functions puts",
    ),
    "sparse": (changed(sparse), "the ONNX graph has sparse weights: store them dense"),
    "if": (
        of([node("If", "c", "y", then_branch=branch("t"), else_branch=branch("e"))], {"c": np.array(True)}),
        "unsupported operation If at '': it holds a graph",
    ),
    "unknown": (
        of([node("NonMaxSuppression", "x x", "y")]),
        "unsupported operation NonMaxSuppression at 'nonmax",
    ),
    "no operator": (
        of([node("Convolute", "x", "y")]),
        "is no valid ONNX model: No Op registered for Convolute",
    ),
    "domain": (
        of([node("Relu", "x", "y", domain="com.example")], domains={"com.example": 1}),
        "unsupported operation Relu at 'relu'",
    ),
    "strings": (
        of([node("Relu", "x", "y")], {"s": stringy("a")}),
        "the tensor s is of STRING, not of real numbers",
    ),
    "sequence operator": (
        of([node("SequenceConstruct", "x x", "s"), node("ConcatFromSequence", "s", "y", axis=0)]),
        "unsupported operation SequenceConstruct at 'sequenceconstruct'",
    ),
    "nan": (weights(NAN), "the tensor w has 6 NaN values: weights must be finite"),
    "inf": (weights(INF), "conv.weight has 6 NaN or infinite values: weights must be finite"),
    "large": (
        weights(np.full((2, 3, 1, 1), 1e30, np.float32)),
        "must be within 1e+12",
    ),
    "wide": (weights(np.full((2, 3, 1, 1), 1e300)), "has 6 NaN or infinite values: weights must be finite"),
    "complex": (
        weights(np.ones((2, 3, 1, 1), np.complex64)),
        "is of COMPLEX64, not of real numbers or integers",
    ),
    "huge dims": (
        changed(dims(1 << 40, 1 << 40)),
        "is no valid ONNX model: Tensor dimension product overflow",
    ),
    "negative dims": (changed(dims(-2, 3, 1, 1)), "is no valid ONNX model: Negative dimension value"),
    "wrong dims": (changed(dims(2, 3, 7, 1)), "raw_data size (24 bytes) is too small"),
    "huge image": (
        model([node("Relu", "x", "y")], ["n", 3, 1 << 40, 1 << 40]),
        "takes images of shape [3, 1099511627776, 1099511627776], and they are [3, 4, 4]",
    ),
    "huge constant": (
        of([node("ConstantOfShape", "s", "c"), node("Add", "x c", "y")], {"s": ints(1 << 20, 1 << 20)}),
        "ConstantOfShape at 'constantofshape' asks for 1,099,511,627,776 numbers",
    ),
    "huge range": (
        of(
            [node("Range", "a b c", "r"), node("Add", "x r", "y")],
            {"a": ints(0)[0], "b": ints(1 << 50)[0], "c": ints(1)[0]},
        ),
        "Range at 'range' asks for 1,125,899,906,842,625 numbers",
    ),
    "huge expand": (
        of(
            [node("Expand", "w s", "c"), node("Add", "x c", "y")],
            {"w": np.ones(1, np.float32), "s": ints(1 << 50)},
        ),
        "Expand at 'expand' asks for 1,125,899,906,842,624 numbers",
    ),
    "doubling": (
        of([*DOUBLING, node("Add", "x a60", "y")], {"w": np.ones(64, np.float32)}),
        "numbers, and a graph may compute 1,073,741,824 bytes",
    ),
    "outer": (
        of(
            [node("Mul", "a b", "c"), node("Add", "x c", "y")],
            {"a": np.ones((1 << 20, 1)), "b": np.ones((1, 1 << 20))},
        ),
        "Mul at 'mul' asks for 1,099,511,627,776 numbers",
    ),
    "loop of random": (
        of([node("RandomNormal", "", "r", shape=[3, 4, 4]), node("Add", "x r", "y")]),
        "does not run",
    ),
    "division": (
        of([node("Div", "a b", "c"), node("Reshape", "x c", "y")], {"a": ints(1, 2), "b": ints(0, 0)}),
        "at 'reshape': shape",
    ),
    "name": (
        changed(lambda m: setattr(m.graph.node[0], "name", "a\x1b[2J\nb")),
        "the model has a layer named 'a\\x1b[2J\\nb'",
    ),
    "long name": (of([node("Atan", "x", "y", name="n" * 100_000)]), "unsupported operation"),
    "long input": (
        changed(lambda m: setattr(m.graph.input[0], "name", "i" * 100_000)),
        "is no valid ONNX model: Nodes in a graph",
    ),
    "dropout mask": (
        of([node("Dropout", "x", "d m"), node("Where", "m x x", "y")]),
        "m is a further output of an op",
    ),
    "zero stride": (of([node("MaxPool", "x", "y", kernel_shape=[2, 2], strides=[0, 0])]), "do not fit"),
    "negative pads": (of([node("MaxPool", "x", "y", kernel_shape=[2, 2], pads=[-1, 0, 0, 0])]), "do not fit"),
    "kernel": (of([node("MaxPool", "x", "y", kernel_shape=[9, 9])]), "at 'maxpool'"),
    "no attribute": (
        of([node("MaxPool", "x", "y")]),
        "is no valid ONNX model: Required attribute 'kernel_shape'",
    ),
    "auto_pad": (
        of([node("MaxPool", "x", "y", kernel_shape=[2, 2], auto_pad="SOME")]),
        "auto_pad must be NOTSET,",
    ),
    "wrong kind": (of([node("Reshape", "x w", "y")], {"w": np.ones(2, np.float32)}), "at 'reshape'"),
    "perm": (of([node("Transpose", "x", "y", perm=[0, 9, 1, 2])]), "at 'transpose'"),
    "quantized": (
        of([node("QuantizeLinear", "x s", "y")], {"s": np.float32(-1)}, output_kind=2),
        "must be above 0",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_models_that_lie_or_ask_for_too_much(name, tmp_path):
    made, message = BAD[name]
    told(saved(made, tmp_path), message)


def test_several_outputs_are_read(tmp_path):
    """A tensor that is read and given too, and what a layer of its own makes of it."""
    nodes = [node("Conv", "x w", "y"), node("Relu", "y", "z")]
    made = of(nodes, {"w": np.ones((2, 3, 1, 1), np.float32)}, output="y z")
    assert read_model(load_onnx(saved(made, tmp_path)), (3, 4, 4)).outputs == ("conv", "relu")
    layers = FloatNetwork.of(load_onnx(saved(made, tmp_path)), (3, 4, 4)).layers
    assert (layers.results, layers.classes) == (("conv", "relu.carrier"), None)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, "bfloat16"], ids=["float16", "double", "bfloat16"])
def test_weights_of_other_real_types_are_read(dtype, tmp_path):
    values = np.arange(6, dtype=np.float32).reshape(2, 3, 1, 1) / 4
    if dtype == "bfloat16":
        tensor = helper.make_tensor("w", TensorProto.BFLOAT16, values.shape, values.flatten())
    else:
        tensor = numpy_helper.from_array(values.astype(dtype), "w")
    made = of([node("Conv", "x w", "y")], {"w": tensor})
    made.graph.input[0].type.tensor_type.elem_type = tensor.data_type
    found = load_onnx(saved(made, tmp_path))(torch.ones(1, 3, 4, 4))
    assert torch.equal(found, torch.from_numpy(values.sum(axis=1).reshape(1, 2, 1, 1)).expand(1, 2, 4, 4))


def external(location, **more):
    def change(made):
        tensor = made.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in {"location": location, **more}.items():
            tensor.external_data.add(key=key, value=str(value))

    return changed(change)


@pytest.mark.parametrize(
    ("location", "more", "message"),
    [
        ("../../../../../../../../etc/passwd", {}, "points outside the directory"),
        ("/etc/passwd", {}, "should be a relative path, but it is an absolute path"),
        ("link.bin", {}, "it is a symbolic link"),
        ("folder", {}, "it is not regular file"),
        ("fifo", {}, "it is not regular file"),
        ("none.bin", {}, "it is not regular file"),
        ("", {}, "should not be empty"),
        ("w.bin", {"offset": 1 << 60}, "exceeds file size (24)"),
        ("w.bin", {"length": 1 << 60}, "its weights take 1,152,921,504,606,846,976 bytes"),
        ("w.bin", {"length": 3}, "raw_data size (3 bytes) is too small"),
        ("w.bin", {"offset": -1}, "must be non-negative, got -1"),
        ("w.bin", {"offset": "x"}, "invalid literal for int()"),
        ("w.bin", {"unknown": 1, "length": 23}, "raw_data size (23 bytes) is too small"),
    ],
)
def test_weights_come_from_files_in_the_folder_alone(location, more, message, tmp_path):
    inner = tmp_path / "inner"
    (inner / "folder").mkdir(parents=True)
    (tmp_path / "outside.bin").write_bytes(bytes(24))
    (inner / "w.bin").write_bytes(bytes(24))
    (inner / "link.bin").symlink_to(tmp_path / "outside.bin")
    os.mkfifo(inner / "fifo")
    path = inner / "net.onnx"
    path.write_bytes(external(location, **more).SerializeToString())
    told(path, message)


def test_weights_beside_the_file_are_bounded(tmp_path):
    made = external("w.bin")
    made.graph.initializer[0].dims[:] = [1 << 20, 1 << 20, 1, 1]
    with open(tmp_path / "w.bin", "wb") as file:
        file.truncate(1 << 42)
    path = tmp_path / "net.onnx"
    path.write_bytes(made.SerializeToString())
    told(path, "its weights take 4,398,046,511,104 bytes, and at most 2,147,483,648 are read")
