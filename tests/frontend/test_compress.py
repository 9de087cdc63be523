"""The whole way, on a digits network whose weights are drawn and not trained, so that it takes seconds."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import shiftbook as sb
from shiftbook import cli
from shiftbook.compressed import summary
from shiftbook.frontend import zoo
from shiftbook.frontend.compress import compress
from shiftbook.frontend.data.batches import normalize
from shiftbook.frontend.data.dataset import load
from shiftbook.frontend.importing.given import GivenModel
from shiftbook.frontend.importing.load import Source
from shiftbook.frontend.importing.normalization import Normalization, normalization_for
from shiftbook.frontend.options.compression import CompressionOptions
from shiftbook.frontend.options.data import DataOptions
from shiftbook.frontend.options.training import TrainingOptions
from shiftbook.frontend.post_training.batch_norm import refresh_statistics
from shiftbook.frontend.schemes import get
from shiftbook.frontend.training import train
from shiftbook.frontend.training.recipe import Recipe
from shiftbook.frontend.training.target import Target
from shiftbook.frontend.zoo.digits import Digits
from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.model import executor
from shiftbook.golden.spec import DEFAULT
from shiftbook.golden.storage import checkpoint
from tests.frontend.models import graph_of, layers_of, lively


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "digits.pt"
    torch.save(lively(Digits()).state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("scheme", "density", "nonzero", "ratio"),
    [("int8", 1.0, 1.0, 3.9), ("focused", 0.2, 0.2, 12), ("additive", 1.0, 0.9, 9)],
)
def test_a_checkpoint_comes_out_that_holds_what_the_report_says(
    tmp_path, weights, scheme, density, nonzero, ratio
):
    path = tmp_path / "a.ckpt"
    options = CompressionOptions(scheme=scheme, density=density)
    report = compress("zoo:digits", path, weights=weights, compression=options)
    network = checkpoint.load(path)
    assert network.facts == report.network.facts
    assert network.facts["uniform_layers"] == ["conv1", "linear"]
    assert network.classes == tuple("0123456789")
    schemes = {node.name: node.weights.scheme for node in network.nodes}
    assert schemes["conv1"] == schemes["linear"] == "int8"
    focused = {name for name, found in schemes.items() if found == "focused"}
    assert focused <= set(network.facts.get("mixtures", {})) <= set(schemes) - {"conv1", "linear"}
    assert bool(network.facts.get("mixtures")) == (scheme == "focused")
    kept = np.concatenate(
        [n.weights.integers.ravel() for n in network.nodes if n.name not in ("conv1", "linear")]
    )
    assert np.count_nonzero(kept) / kept.size == pytest.approx(nonzero, abs=0.015)  # some round to 0
    assert report.images == 359
    assert 0 <= report.accuracy <= 1
    assert report.as_json()["ratio"] == report.sizes.ratio > ratio


def test_int8_answers_as_the_float_model_does(tmp_path):
    """Trained for one epoch, so that there is something to agree on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo.digits, "EPOCHS", 2)
        report = compress("zoo:digits", tmp_path / "a.ckpt", compression=CompressionOptions(scheme="int8"))
    assert report.float_accuracy > 0.5
    assert abs(report.accuracy - report.float_accuracy) < 0.02


@pytest.mark.parametrize("shifted", [False, True])
def test_batch_norm_is_measured_again_only_where_that_helps(shifted):
    model = graph_of(lively(Digits()), (1, 8, 8))
    graph = layers_of(model, (1, 8, 8))
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 1), dtype=np.uint8)
    normalization = Normalization((0.0,), (1.0,))
    train.remeasure_batch_norm(model, images, (0.0,), (1.0,), 0, False)
    inputs = normalize(images[:50], (0.0,), (1.0,))
    wanted = graph.run(inputs)
    if shifted:
        model.conv2.weight.data *= 1.3  # what quantization does, only worse
    before = model.bn2.running_var.clone()
    other = images if shifted else images // 4
    assert refresh_statistics(model, graph, other, normalization, inputs, wanted, 0) == shifted
    assert torch.equal(model.bn2.running_var, before) != shifted
    if shifted:
        torch.testing.assert_close(graph.run(inputs), wanted, rtol=1e-3, atol=1e-3)


def test_same_arguments_same_file(tmp_path, weights):
    for name in ("a", "b"):
        compress("zoo:digits", tmp_path / name, weights=weights, compression=CompressionOptions(seed=3))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_slots_of_the_spec_reach_the_checkpoint(tmp_path, weights):
    options = CompressionOptions(spec=replace(DEFAULT, slots=2))
    assert compress("zoo:digits", tmp_path / "a", weights=weights, compression=options).network.slots == 2


def test_layers_to_keep_are_the_users_choice(tmp_path, weights):
    options = CompressionOptions(scheme="shift", uniform=["conv3"])
    report = compress("zoo:digits", tmp_path / "a", weights=weights, compression=options)
    assert [n.name for n in report.network.nodes if n.weights.scheme == "int8"] == ["conv3"]


def test_fine_tuning_without_labels_keeps_the_float_networks_answers(tmp_path):
    """Trained for two epochs, so that there is something to keep; plain pruning and rounding loses it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo.digits, "EPOCHS", 2)
        model = zoo.digits.train(0, lambda *_: None)
    path, images = tmp_path / "digits.pt", tmp_path / "images.npz"
    torch.save(model.state_dict(), path)
    digits = load("digits", "train")
    np.savez(images, x=digits.images)
    wanted = train.answers(model, digits.images, zoo.digits.MEAN, zoo.digits.STD)
    agreement = []
    for epochs in (0, 8):
        report = compress(
            "zoo:digits",
            tmp_path / "a",
            weights=path,
            data=DataOptions(images=images),
            compression=CompressionOptions(scheme="shift", options={"bits": 3}, density=0.15),
            training=TrainingOptions(epochs=epochs),
        )
        assert (report.images, report.accuracy) == (0, None)
        outputs = executor.run(report.network, digits.images).outputs
        agreement.append((outputs.argmax(1) == wanted).mean())
    layers, scheme = [*report.network.facts["uniform_layers"], "conv2", "conv3"], get("shift")(3)
    train.quantize_weights(model, layers, Target(scheme=scheme, density=0.15, uniform=layers[:2]))
    plain = (train.answers(model, digits.images, zoo.digits.MEAN, zoo.digits.STD) == wanted).mean()
    assert min(agreement) > plain + 0.2, (agreement, plain)


def test_calibration_images_alone_are_enough(tmp_path, weights):
    for i in range(5):
        pixels = np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8)
        (tmp_path / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / "images" / f"{i}.png")
    file = tmp_path / "model.py"
    file.write_text("from frontend.zoo.digits import Digits as digits\n")
    source = f"{file}:digits"
    data = DataOptions(calibration=tmp_path / "images")
    report = compress(source, tmp_path / "a", weights=weights, data=data)
    assert (report.images, report.accuracy, report.float_accuracy) == (0, None, None)
    with pytest.raises(ShiftbookError, match="there are no images to calibrate on: give data, or"):
        compress(source, tmp_path / "b", weights=weights)
    with pytest.raises(ShiftbookError, match="fine-tuning for 2 epochs needs images to train on"):
        compress(source, tmp_path / "b", weights=weights, data=data, training=TrainingOptions(epochs=2))


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (CompressionOptions, {"density": 0.0}, "density must be in (0, 1], not 0.0"),
        (CompressionOptions, {"density": 1.5}, "not 1.5"),
        (CompressionOptions, {"density": float("nan")}, "not nan"),
        (CompressionOptions, {"scheme": "magic"}, "scheme must be one of additive, focused, "),
        (CompressionOptions, {"scheme": get("shift")(4), "options": {"bits": 3}}, "options are of a scheme"),
        (CompressionOptions, {"uniform_bits": 9}, "bits of uniform layers must be in 3..8, not 9"),
        (CompressionOptions, {"seed": -1}, "seed must be at least 0, not -1"),
        (TrainingOptions, {"epochs": -1}, "epochs must be at least 0, not -1"),
        (Recipe, {"rate": 0.0}, "rate must be positive and finite, not 0.0"),
        (Recipe, {"batch": 0}, "batch must be at least 1, not 0"),
        (Recipe, {"noise": 0.0}, "noise must be in (0, 1], not 0.0"),
        (Recipe, {"distill": 1.1}, "distill must be in [0, 1], not 1.1"),
        (DataOptions, {"mean": (float("inf"),)}, "mean must be finite numbers, not [inf]"),
        (DataOptions, {"std": (0.0,)}, "std must be positive, not [0.0]"),
    ],
)
def test_options_check_themselves(make, options, message):
    with pytest.raises(ShiftbookError, match=re.escape(message)) as caught:
        make(**options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"compression": CompressionOptions(options={"bits": 40})}, "bits of scheme 'focused' must be in"),
        ({"compression": CompressionOptions(options={"dim": 4})}, "scheme 'focused' has no option dim"),
        ({"compression": CompressionOptions(options={"dimm": 4})}, "scheme 'focused' has no option dimm"),
        ({"compression": CompressionOptions(importance=True)}, "importance is for schemes with vectors"),
        ({"training": TrainingOptions(recipe=Recipe(noise=0.5))}, "noise is for schemes with vectors"),
        ({"data": DataOptions(mean=(0.1, 0.2))}, "mean must be 1 numbers, one for each channel"),
        ({"compression": CompressionOptions(uniform=["nowhere"])}, "there is no layer 'nowhere' to keep"),
        ({"data": DataOptions(images="nowhere")}, "no data at nowhere"),
    ],
)
def test_bad_arguments_leave_nothing_behind(tmp_path, weights, options, message):
    with pytest.raises(ShiftbookError, match=re.escape(message)) as caught:
        compress("zoo:digits", tmp_path / "a.ckpt", weights=weights, **options)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_images_of_another_shape_are_refused(tmp_path, weights):
    np.savez(tmp_path / "colour.npz", x=np.zeros((9, 8, 8, 3), np.uint8), y=np.zeros(9, int))
    with pytest.raises(ShiftbookError, match="does not run on 8x8 images of 3 channels"):
        compress(
            "zoo:digits",
            tmp_path / "a",
            weights=weights,
            data=DataOptions(images=tmp_path / "colour.npz", mean=(0, 0, 0), std=(1, 1, 1)),
        )


def test_labels_beyond_the_classes_are_refused(tmp_path, weights):
    np.savez(tmp_path / "many.npz", x=np.zeros((9, 8, 8, 1), np.uint8), y=np.full(9, 12))
    with pytest.raises(ShiftbookError, match="the data has a label 12, but the network has 10 outputs"):
        compress(
            "zoo:digits", tmp_path / "a", weights=weights, data=DataOptions(images=tmp_path / "many.npz")
        )


def test_normalization_is_the_users_then_the_zoos_then_the_usual():
    model = Digits()
    assert normalization_for(Source(model), 3, None, None).mean == (0.485, 0.456, 0.406)
    assert normalization_for(Source(model), 1, None, None).std == (1.0,)
    assert normalization_for(Source(model, None, (0.5,), (0.1,)), 1, None, None).std == (0.1,)
    assert normalization_for(Source(model, None, (0.5,), (0.1,)), 1, [0.2], None).mean == (0.2,)


@pytest.mark.parametrize(
    ("scheme", "tuned", "decomposed", "density"),
    [
        ("int8", False, False, 1.0),
        ("focused", False, False, 1.0),
        ("focused", False, True, 1.0),
        ("int8", True, False, 0.2),
        ("int8", True, True, 1.0),
        ("shift", True, True, 0.2),
        ("additive", True, False, 1.0),
    ],
)
def test_nothing_is_pruned_where_nothing_makes_up_for_it(scheme, tuned, decomposed, density):
    options = CompressionOptions(scheme=scheme)
    assert options.density_of(options.make_scheme(), tuned=tuned, decomposed=decomposed) == density
    given = replace(options, density=0.3)
    assert given.density_of(options.make_scheme(), tuned=tuned, decomposed=decomposed) == 0.3


def test_options_need_no_pytorch():
    modules = ("compression", "data", "training")
    lines = [f"import shiftbook.frontend.options.{name} as {name}" for name in modules]
    lines += [
        "import sys",
        "compression.CompressionOptions(scheme='shift')",
        "assert 'torch' not in sys.modules",
    ]
    subprocess.run([sys.executable, "-c", "; ".join(lines)], check=True)


@pytest.mark.parametrize(("mode", "channels"), [("L", 3), ("RGB", 1)])
def test_the_network_decides_how_many_channels_images_have(tmp_path, mode, channels):
    rng = np.random.default_rng(0)
    for number in range(20):
        path = tmp_path / "images" / str(number % 2) / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (8, 8, 3), np.uint8)
        Image.fromarray(pixels).convert(mode).save(path)
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2))
    options = CompressionOptions(scheme="int8", density=1.0)
    data = DataOptions(images=tmp_path / "images")
    report = compress(GivenModel(model), tmp_path / "net.ckpt", data=data, compression=options)
    assert report.network.input.shape == (8, 8, channels)
    assert report.accuracy is not None
    arguments = ["run", str(tmp_path / "net.ckpt"), "--data", str(tmp_path / "images")]
    assert cli.main([*arguments, "--json", str(tmp_path / "run.json")]) == 0
    predictions = json.loads((tmp_path / "run.json").read_text())["predictions"]
    assert predictions == sb.load(tmp_path / "net.ckpt").run(tmp_path / "images").predictions.tolist()


def test_the_weights_that_were_taken_are_told(tmp_path, weights):
    state = torch.load(weights, weights_only=True)
    torch.save({"ema": state, "net": dict(state), "epoch": 3}, tmp_path / "w.pt")
    options = CompressionOptions(scheme="int8", density=1.0)
    report = compress("zoo:digits", tmp_path / "a.ckpt", weights=tmp_path / "w.pt", compression=options)
    told = "took 'net'; 'ema' would fit, too: to take them, save them alone"
    assert checkpoint.load(tmp_path / "a.ckpt").facts["weights"] == told
    assert f"weights: {told}" in summary(report).splitlines()
    plain = compress("zoo:digits", tmp_path / "b.ckpt", weights=weights, compression=options)
    assert "weights" not in plain.network.facts
    assert "weights: " not in summary(plain)


def test_a_warm_start_compresses_what_was_kept_and_not_the_source(tmp_path, weights):
    kept, file = tmp_path / "kept.safetensors", tmp_path / "a.ckpt"
    tuned = TrainingOptions(epochs=1, keep_weights=kept)
    compress("zoo:digits", file, weights=weights, training=tuned, measured=False)
    images = load("digits", "test", limit=50).images
    dense = CompressionOptions(scheme="int8")

    def scores(given, start):
        options = TrainingOptions(warm_start=start)
        report = compress("zoo:digits", file, weights=given, compression=dense, training=options)
        return report, executor.run(report.network, images).outputs

    warm, found = scores(weights, kept)
    _, wanted = scores(kept, None)
    cold, others = scores(weights, None)
    assert np.array_equal(found, wanted)
    assert not np.array_equal(found, others)
    assert warm.float_accuracy == cold.float_accuracy


def test_a_warm_start_of_another_network_is_refused_before_any_work(tmp_path, weights):
    kept = tmp_path / "kept.safetensors"
    tuned = TrainingOptions(epochs=1, keep_weights=kept, recipe=Recipe(batch=10**6))
    compress("zoo:digits", tmp_path / "a.ckpt", weights=weights, training=tuned, measured=False)
    start = TrainingOptions(warm_start=kept)
    with pytest.raises(ShiftbookError, match=r"kept.safetensors does not fit the model: it lacks"):
        compress(
            GivenModel(nn.Sequential(nn.Flatten(), nn.Linear(64, 10))),
            tmp_path / "b.ckpt",
            data=DataOptions(images="digits"),
            training=start,
        )
    assert not (tmp_path / "b.ckpt").exists()


def test_without_epochs_there_is_nothing_to_keep(tmp_path):
    with pytest.raises(
        ShiftbookError, match="without epochs of fine-tuning there are no new weights to keep"
    ):
        TrainingOptions(keep_weights=tmp_path / "kept")
