"""Whole ONNX graphs as exporters write them: layouts, names, batches, and where weights lie."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch
from onnx import helper, numpy_helper

from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.importing.onnx_model.load import load_onnx
from shiftbook.golden.errors import ShiftbookError
from tests.frontend.importing.onnx_model.files import model, node, runtime, saved
from tests.frontend.importing.onnx_model.test_operators import assert_close, reals

SHAPE = (3, 8, 6)


def ints(*values):
    return np.array(values, dtype=np.int64)


def network(made, folder, shape=SHAPE):
    """The layers, which compute what the runtime does."""
    found = FloatNetwork.of(load_model(str(saved(made, folder))).model, shape)
    x = np.random.default_rng(2).normal(size=(1, *shape)).astype(np.float32)
    dims = [dim.dim_value for dim in made.graph.input[0].type.tensor_type.shape.dim]
    (wanted,) = runtime(made, x.transpose(0, 2, 3, 1) if dims[-1] == shape[0] else x)
    assert_close(found.layers.run(torch.from_numpy(x)).numpy(), wanted)
    return found


def names(found):
    return [layer.name for layer in found.layers.layers]


HEAD = [node("GlobalAveragePool", "a", "g"), node("Flatten", "g", "f"), node("Gemm", "f m", "y", transB=1)]


def small(**options):
    """A convolution, batch norm and ReLU, and the head."""
    nodes = [
        node("Conv", "x conv1.weight", "c", pads=[1, 1, 1, 1], name="/conv1/Conv"),
        node("BatchNormalization", "c s b b v", "n"),
        node("Relu", "n", "a"),
        *HEAD,
    ]
    constants = {"conv1.weight": reals(4, 3, 3, 3), "s": reals(4), "b": reals(4), "v": np.abs(reals(4)) + 1}
    return model(nodes, options.pop("shape", ["n", *SHAPE]), constants | {"m": reals(5, 4)}, **options)


def test_layers_have_the_paths_of_their_weights(tmp_path):
    assert names(network(small(), tmp_path)) == ["conv1", "globalaveragepool", "gemm"]


def test_layers_have_the_names_of_their_nodes_else(tmp_path):
    nodes = [
        node("Conv", "x w", "c", name="model/relu/Relu;model/bn/Fused;model/first/Conv2D"),
        node("Relu", "c", "r", name="model/first/Conv2D"),
        node("Conv", "r v", "a", name=""),
        node("GlobalAveragePool", "a", "g", name="pool"),
        node("Flatten", "g", "y"),
    ]
    made = model(nodes, ["n", *SHAPE], {"w": reals(4, 3, 3, 3), "v": reals(5, 4, 1, 1)})
    assert names(network(made, tmp_path)) == ["model/first/Conv2D", "conv", "pool"]


def test_weights_that_are_quantized_have_paths_too(tmp_path):
    nodes = [
        node("DequantizeLinear", "body.0.weight_quantized s", "w"),
        node("Conv", "x w", "c"),
        node("GlobalAveragePool", "c", "g"),
        node("Flatten", "g", "f"),
        node("Transpose", "fc.weight", "t", perm=[1, 0]),
        node("MatMul", "f t", "y"),
    ]
    constants = {
        "body.0.weight_quantized": np.arange(-50, 58).reshape(4, 3, 3, 3).astype(np.int8),
        "s": np.float32(0.01),
        "fc.weight": reals(5, 4),
    }
    assert names(network(model(nodes, ["n", *SHAPE], constants), tmp_path)) == [
        "body.0",
        "globalaveragepool",
        "fc",
    ]


@pytest.mark.parametrize("batch", ["n", "batch_size", "unk__123", None, 1])
def test_a_batch_may_be_named_or_one(batch, tmp_path):
    assert names(network(small(shape=[batch, *SHAPE]), tmp_path)) == ["conv1", "globalaveragepool", "gemm"]


def test_sizes_may_be_named(tmp_path):
    assert len(names(network(small(shape=["n", 3, "height", "width"]), tmp_path))) == 3


def test_images_with_channels_last_are_turned(tmp_path):
    """As tf2onnx writes them, with zeros put around explicitly, and features in the order of TensorFlow."""
    nodes = [
        node("Transpose", "x", "t", perm=[0, 3, 1, 2]),
        node("Pad", "t pads", "p"),
        node("Conv", "p w b", "c", strides=[2, 2]),
        node("Relu", "c", "r"),
        node("Transpose", "r", "last", perm=[0, 2, 3, 1]),
        node("Reshape", "last flat", "f"),
        node("MatMul", "f m", "d"),
        node("Add", "d e", "s"),
        node("Softmax", "s", "y"),
    ]
    constants = {
        "pads": ints(0, 0, 0, 0, 0, 0, 1, 1),
        "w": reals(4, 3, 3, 3),
        "b": reals(4),
        "flat": ints(-1, 48),
        "m": reals(48, 5),
        "e": reals(5),
    }
    made = model(nodes, ["n", 8, 6, 3], constants)
    found = FloatNetwork.of(load_model(str(saved(made, tmp_path))).model, SHAPE)
    assert found.rewritten.left_out == "Softmax"
    assert names(found) == ["conv", "matmul"]
    x = np.random.default_rng(2).normal(size=(2, *SHAPE)).astype(np.float32)
    (wanted,) = runtime(made, x.transpose(0, 2, 3, 1))
    got = torch.softmax(found.layers.run(torch.from_numpy(x)).flatten(1), 1)
    assert_close(got.numpy(), wanted)


def test_a_fixed_batch_of_one_may_be_written_into_shapes(tmp_path):
    for shape in (ints(1, -1), ints(1, 192), ints(-1, 192)):
        nodes = [
            node("Conv", "x w", "c", pads=[1, 1, 1, 1]),
            node("Reshape", "c s", "f"),
            node("MatMul", "f m", "y"),
        ]
        constants = {"w": reals(4, 3, 3, 3), "s": shape, "m": reals(192, 5)}
        assert len(names(network(model(nodes, [1, *SHAPE], constants), tmp_path))) == 2


def test_views_that_ask_for_sizes_are_followed(tmp_path):
    """``x.view(x.size(0), -1)`` as torch exports it."""
    nodes = [
        node("Conv", "x w", "c"),
        node("Shape", "c", "s"),
        node("Constant", "", "zero", value=numpy_helper.from_array(ints(0)[0])),
        node("Gather", "s zero", "n", axis=0),
        node("Constant", "", "axes", value_ints=[0]),
        node("Unsqueeze", "n axes", "n1"),
        node("Constant", "", "rest", value=numpy_helper.from_array(ints(-1))),
        node("Concat", "n1 rest", "t", axis=0),
        node("Reshape", "c t", "f"),
        node("Gemm", "f m", "y", transB=1),
    ]
    made = model(nodes, ["n", *SHAPE], {"w": reals(4, 3, 3, 3), "m": reals(5, 96)}, opset=13)
    assert names(network(made, tmp_path)) == ["conv", "gemm"]


def test_initializers_may_be_inputs_too(tmp_path):
    """As files of old exporters and of Keras list them."""
    made = small()
    for tensor in made.graph.initializer:
        made.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims))
    assert len(names(network(made, tmp_path))) == 3


@pytest.mark.parametrize("one_file", [True, False])
def test_weights_may_lie_beside_the_file(one_file, tmp_path):
    made = small()
    x = torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(0))
    wanted = load_onnx(saved(made, tmp_path, "whole.onnx"))(x)
    copied = onnx.ModelProto()
    copied.CopyFrom(made)
    options = {"save_as_external_data": True, "all_tensors_to_one_file": one_file, "size_threshold": 0}
    path = saved(copied, tmp_path, location="weights.bin" if one_file else None, **options)
    assert len(list(tmp_path.iterdir())) == (3 if one_file else 2 + len(made.graph.initializer))
    assert torch.equal(load_onnx(path)(x), wanted)


@pytest.mark.parametrize(
    ("scale", "after"),
    [
        (lambda: np.abs(reals(3)) + 0.1, "x"),
        (lambda: reals(3), "x"),
        (lambda: reals(4), "c"),
        (lambda: reals(4), "r"),
    ],
)
def test_batch_norm_stands_anywhere(scale, after, tmp_path):
    """On the image, behind a convolution, and behind a ReLU."""
    values = scale()
    count = len(values)
    nodes = {
        "x": [],
        "c": [node("Conv", "x w", "c")],
        "r": [node("Conv", "x w", "c"), node("Relu", "c", "r")],
    }[after]
    nodes = [*nodes, node("BatchNormalization", f"{after} s b b v", "n")]
    nodes += [node("Conv", f"n u{count}", "a"), *HEAD]
    constants = {"s": values, "b": reals(count), "v": np.abs(reals(count)) + 1, "w": reals(4, 3, 3, 3)}
    constants |= {"u3": reals(4, 3, 2, 2), "u4": reals(4, 4, 2, 2), "m": reals(5, 4)}
    made = model(nodes, ["n", *SHAPE], constants)
    found = FloatNetwork.of(load_model(str(saved(made, tmp_path))).model, SHAPE)
    x = np.random.default_rng(2).normal(size=(2, *SHAPE)).astype(np.float32)
    (wanted,) = runtime(made, x)
    images = torch.from_numpy(x)
    if (
        found.rewritten.scale is not None and found.rewritten.offset is not None
    ):  # what the file did to pixels
        images = images * found.rewritten.scale[:, None, None] + found.rewritten.offset[:, None, None]
    assert_close(found.layers.run(images).numpy(), wanted)


def test_asymmetric_pads_and_pooling_run(tmp_path):
    nodes = [
        node("Conv", "x w", "c", strides=[2, 2], auto_pad="SAME_UPPER"),
        node("Clip", "c zero six", "r"),
        node("Conv", "r d", "e", pads=[0, 1, 2, 1], group=4),
        node("Relu", "e", "q"),
        node("MaxPool", "q", "p", kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_LOWER"),
        node("Conv", "p v", "a", auto_pad="SAME_LOWER"),
        *HEAD,
    ]
    constants = {"w": reals(4, 3, 3, 3), "zero": np.float32(0), "six": np.float32(6), "d": reals(4, 1, 3, 3)}
    made = model(nodes, ["n", *SHAPE], constants | {"v": reals(4, 4, 2, 2), "m": reals(5, 4)})
    found = names(network(made, tmp_path))
    assert found == ["conv", "conv@2", "maxpool", "conv@3", "globalaveragepool", "gemm"]


@pytest.mark.parametrize(
    ("shape", "channels"),
    [
        (["n", 3, 8, 6], 3),
        (["n", 8, 6, 3], 3),
        (["n", 1, 8, 6], 1),
        (["n", 4, 8, 1], 4),
        (["n", 3, "h", "w"], 3),
        (["n", None, 8, 6], None),
        (["n", 60], None),
    ],
)
def test_channels_are_known_before_any_image(shape, channels, tmp_path):
    weight = reals(4, channels or 3, 1, 1)
    found = load_onnx(saved(model([node("Conv", "x w", "y")], shape, {"w": weight}), tmp_path))
    assert found.channels == channels


def test_images_of_another_shape_are_told(tmp_path):
    with pytest.raises(ShiftbookError, match=r"takes images of shape \[3, 8, 6\], and they are \[3, 9, 6\]"):
        load_onnx(saved(small(), tmp_path))(torch.zeros(2, 3, 9, 6))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2", "vgg11", "digits"])
@pytest.mark.parametrize("dynamic", [True, False])
@pytest.mark.filterwarnings("ignore")
def test_networks_that_torch_exports_are_read(name, dynamic, tmp_path):
    pytest.importorskip("onnxscript")
    from shiftbook.frontend import zoo
    from shiftbook.frontend.importing.recording.read import read_model
    from tests.frontend.models import lively

    shape = {"digits": (1, 8, 8), "vgg11": (3, 224, 224)}.get(name, (3, 32, 32))
    network = lively(zoo.get(name).build()).eval()
    path = tmp_path / "net.onnx"
    options = {"dynamic_shapes": ({0: "batch"},)} if dynamic else {}
    torch.onnx.export(
        network, (torch.zeros(2 if dynamic else 1, *shape),), str(path), dynamo=True, verbose=False, **options
    )
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    graph = read_model(load_model(str(path)).model, shape)
    with torch.no_grad():
        assert_close(graph(x).numpy(), network(x).numpy())
    assert {layer.path for layer in FloatNetwork.of(load_model(str(path)).model, shape).layers.convs()} == {
        layer.path for layer in FloatNetwork.of(network, shape).layers.convs()
    }
