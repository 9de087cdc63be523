"""The zoo's networks for photographs: the interface of known checkpoints, and the way to integers."""

import pytest
import torch

from shiftbook.frontend import zoo
from shiftbook.frontend.data.batches import normalize
from shiftbook.frontend.fusing.operators.pool import PoolLayer
from shiftbook.frontend.zoo.mobilenet_v2 import MobileNetV2, channels
from shiftbook.frontend.zoo.resnet import resnet18, resnet50
from shiftbook.frontend.zoo.vgg import VGG11
from tests.frontend.lowering.checking import check_layers, lowered, random_images, real_values
from tests.frontend.models import layers_of, lively

SHAPES = {
    "resnet18": {
        "conv1.weight": [64, 3, 7, 7],
        "bn1.running_var": [64],
        "layer1.1.conv2.weight": [64, 64, 3, 3],
        "layer2.0.conv1.weight": [128, 64, 3, 3],
        "layer2.0.downsample.0.weight": [128, 64, 1, 1],
        "layer4.0.downsample.1.bias": [512],
        "layer4.1.bn2.num_batches_tracked": [],
        "fc.weight": [1000, 512],
    },
    "resnet50": {
        "layer1.0.conv1.weight": [64, 64, 1, 1],
        "layer1.0.downsample.0.weight": [256, 64, 1, 1],
        "layer1.2.conv3.weight": [256, 64, 1, 1],
        "layer3.5.bn3.running_mean": [1024],
        "layer4.0.conv2.weight": [512, 512, 3, 3],
        "layer4.0.downsample.0.weight": [2048, 1024, 1, 1],
        "fc.bias": [1000],
    },
    "mobilenet_v2": {
        "features.0.0.weight": [32, 3, 3, 3],
        "features.0.1.weight": [32],
        "features.1.conv.0.0.weight": [32, 1, 3, 3],
        "features.1.conv.1.weight": [16, 32, 1, 1],
        "features.1.conv.2.bias": [16],
        "features.2.conv.0.0.weight": [96, 16, 1, 1],
        "features.2.conv.1.0.weight": [96, 1, 3, 3],
        "features.17.conv.2.weight": [320, 960, 1, 1],
        "features.17.conv.3.running_var": [320],
        "features.18.0.weight": [1280, 320, 1, 1],
        "classifier.1.weight": [1000, 1280],
    },
    "vgg11": {
        "features.0.weight": [64, 3, 3, 3],
        "features.3.bias": [128],
        "features.6.weight": [256, 128, 3, 3],
        "features.8.weight": [256, 256, 3, 3],
        "features.11.weight": [512, 256, 3, 3],
        "features.13.weight": [512, 512, 3, 3],
        "features.16.weight": [512, 512, 3, 3],
        "features.18.bias": [512],
        "classifier.0.weight": [4096, 25088],
        "classifier.3.weight": [4096, 4096],
        "classifier.6.weight": [1000, 4096],
    },
}


@pytest.mark.parametrize(
    ("name", "parameters", "tensors"),
    [
        ("resnet18", 11_689_512, 122),
        ("resnet50", 25_557_032, 320),
        ("mobilenet_v2", 3_504_872, 314),
        ("vgg11", 132_863_336, 22),
    ],
)
def test_names_and_shapes_are_those_of_known_checkpoints(name, parameters, tensors):
    entry = zoo.get(name)
    with torch.device("meta"):
        model = entry.build()
    state = model.state_dict()
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert len(state) == tensors
    assert {key: list(state[key].shape) for key in SHAPES[name]} == SHAPES[name]
    assert entry.train is None
    assert (entry.mean, entry.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


NARROW = {
    "resnet18": (lambda: resnet18(10, width=8), 64, 23),
    "resnet50": (lambda: resnet50(10, width=8), 64, 56),
    "mobilenet_v2": (lambda: MobileNetV2(10, width=0.25), 64, 54),
    "vgg11": (lambda: VGG11(10, width=1 / 32), 224, 16),
}
"""Of each network one with few channels, the side of an image, and its layers."""


@pytest.mark.parametrize("name", NARROW)
def test_integers_follow_the_float_model(name):
    """Layer by layer from the same inputs, and end to end: within 4 % of the range of the scores."""
    build, side, layers = NARROW[name]
    model = lively(build())
    images = normalize(random_images(8, side, side, 3), (0.4,) * 3, (0.25,) * 3).contiguous()
    with torch.no_grad():
        expected = model(images)
    graph, network, scales, tensors = lowered(model, (3, side, side))
    assert len(graph.layers) == layers
    check_layers(graph, network, scales, tensors)
    last = graph.layers[-1].name
    got = real_values(tensors[last], scales[last]).flatten(1)
    span = float(expected.max() - expected.min())
    assert float((got - expected).abs().max()) < 0.04 * span  # measured 0.6 to 2.1 %


def test_resnet50_strides_in_the_3x3_convolutions():
    convs = layers_of(resnet50(10, width=8), (3, 64, 64)).convs()
    strided = {layer.name: layer.kernel for layer in convs if layer.stride == (2, 2)}
    assert strided == {
        "conv1": (7, 7),
        **{f"layer{i}.0.conv2": (3, 3) for i in (2, 3, 4)},
        **{f"layer{i}.0.downsample.0": (1, 1) for i in (2, 3, 4)},
    }


def test_vgg_sees_seven_by_seven_pixels():
    def pools(side):
        layers = layers_of(VGG11(10, width=1 / 32), (3, side, side)).layers
        return [(layer.kind, layer.kernel) for layer in layers if isinstance(layer, PoolLayer)]

    assert pools(224) == [("max", (2, 2))] * 5
    assert pools(448) == [("max", (2, 2))] * 5 + [("average", (2, 2))]
    assert pools(64) == [("max", (2, 2))] * 5, "2 x 2 pixels become 7 x 7 by resampling"


@pytest.mark.parametrize(("wished", "got"), [(8, 8), (11, 16), (17, 16), (18, 24), (24, 24), (1, 8)])
def test_channels_are_multiples_of_eight_and_hardly_fewer_than_wished(wished, got):
    assert channels(wished) == got
