"""`shiftbook run` on the golden model and on the RTL, and data that it must refuse."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from shiftbook import cli, in_batches
from shiftbook.frontend.importing.load import load_model
from shiftbook.golden.model import executor
from shiftbook.golden.model.validate import shapes
from tests.shiftbook.test_inspect import refused


def run_json(arguments: list, tmp_path) -> dict:
    path = tmp_path / "run.json"
    assert cli.main(["run", *map(str, arguments), "--json", str(path)]) == 0
    return json.loads(path.read_text())


def test_golden(checkpoint, data, network, images, tmp_path, capsys):
    report = run_json([checkpoint, "--data", data], tmp_path)
    predictions = executor.run(network, images).outputs.argmax(1)
    assert report["predictions"] == predictions.tolist()
    assert report["accuracy"] == (predictions == np.arange(len(images)) % 3).mean()
    assert (report["images"], report["mismatches"]) == (len(images), None)
    assert report["cycles"] == sum(layer["cycles"] for layer in report["layers"])
    assert all(0 < layer["utilization"] <= 1 and layer["micro_ops"] > 0 for layer in report["layers"])
    assert f"accuracy {100 * report['accuracy']:.2f} %" in capsys.readouterr().out


NET = """
import torch
from torch import nn

def make(outputs=3):
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(36, outputs))

def five():
    return make(5)
"""


@pytest.fixture
def made(data, tmp_path):
    """A checkpoint that compress made, and the source that it was given."""
    (tmp_path / "net.py").write_text(NET)
    source, path = f"{tmp_path / 'net.py'}:make", tmp_path / "made.ckpt"
    options = ["--data", str(data), "--mean", ".4", "--std", ".3", "--scheme", "int8", "--density", "1"]
    assert cli.main(["compress", source, "-o", str(path), *options]) == 0
    return path, source


def test_agreement_with_the_float_network(made, data, images, tmp_path, capsys):
    path, source = made
    weights = tmp_path / "weights.pt"
    model = load_model(source).model
    with torch.no_grad():
        model[3].weight.mul_(-1)
    torch.save(model.state_dict(), weights)
    for options in ([], ["--weights", weights]):
        report = run_json([path, "--data", data, "--float", source, *options], tmp_path)
        model = load_model(source, *options[1:]).model
        answers = model(((torch.from_numpy(images) / 255 - 0.4) / 0.3).permute(0, 3, 1, 2)).argmax(1).numpy()
        assert report["agreement"] == (answers == report["predictions"]).mean()
        assert report["float_accuracy"] == (answers == np.arange(len(images)) % 3).mean()
        said = f"float accuracy {100 * report['float_accuracy']:.2f} %, agreement with it"
        assert f"{said} {100 * report['agreement']:.2f} %" in capsys.readouterr().out
        assert (report["agreement"] > 0.8) == (not options), "it is the weights that are given that count"
    np.savez(tmp_path / "x.npz", x=images)
    report = run_json([path, "--data", tmp_path / "x.npz", "--float", source], tmp_path)
    assert report["float_accuracy"] is None
    assert f"float agreement with it {100 * report['agreement']:.2f} %" in capsys.readouterr().out


def test_float_networks_that_do_not_belong(made, checkpoint, data, tmp_path, capsys):
    path, source = made
    arguments = ["run", str(path), "--data", str(data)]
    assert refused(capsys, [*arguments, "--weights", "w.pt"]) == (
        "--weights are those of the float network: add --float SOURCE"
    )
    message = refused(capsys, [*arguments, "--float", source.replace(":make", ":five")])
    assert message.endswith(":five has 5 outputs, but the checkpoint has 3")
    assert "zoo:NAME, path/to/file.py" in refused(capsys, [*arguments, "--float", "net"])
    message = refused(capsys, ["run", str(checkpoint), "--data", str(data), "--float", source])
    assert message == "the checkpoint does not hold its normalization's numbers: compress it again"


def test_photographs_are_resized_and_cut(checkpoint, tmp_path, capsys):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    for size in ((20, 31), (40, 22)):
        Image.new("L", size, 99).save(tmp_path / "photos" / "cat" / f"{size[0]}.png")
    options = [checkpoint, "--data", tmp_path / "photos"]
    assert run_json([*options, "--resize", 9, "--crop", 8], tmp_path)["images"] == 2
    capsys.readouterr()
    message = refused(capsys, ["run", *map(str, options), "--crop", "30"])
    assert "too small to cut 30x30 from" in message


def test_rtl_equals_golden(checkpoint, data, network, tmp_path, capsys):
    options = [checkpoint, "--data", data, "--lanes", "4x4", "--limit", "2"]
    golden = run_json(options, tmp_path)
    rtl = run_json([*options, "--backend", "rtl"], tmp_path)
    assert rtl["mismatches"] == 0
    assert rtl["compared"] == 2 * sum(np.prod(shape) for shape in shapes(network).values())
    for key in ("predictions", "accuracy"):
        assert rtl[key] == golden[key]
    for ours, theirs in zip(rtl["layers"], golden["layers"], strict=True):
        assert all(ours[key] == theirs[key] for key in ("name", "micro_ops"))
        assert ours["modelled_cycles"] == theirs["cycles"]
        assert ours["issue"] <= ours["busy"] <= ours["cycles"]
    assert rtl["cycles"] == sum(layer["cycles"] for layer in rtl["layers"])
    assert "mismatches 0 in " in capsys.readouterr().out


def test_explain_needs_no_images(checkpoint, tmp_path, capsys):
    report = run_json([checkpoint, "--explain", "--lanes", "4x4"], tmp_path)
    out = capsys.readouterr().out
    assert (report["images"], report["data"], report["predictions"]) == (0, None, [])
    assert sum(report["spent"].values()) == report["cycles"] * 16 * report["slots"]
    for layer in report["layers"]:
        assert sum(layer["spent"].values()) == layer["cycles"] * 16 * report["slots"]
    assert [line.split()[0].strip("-") for line in out.splitlines()] == [
        *("layer", "", "input", "conv1", "head", "all", "in", "useful", "idle", "skips", "slot"),
        *("drain", "bus", "fill"),
    ]
    whole = next(line for line in out.splitlines() if line.startswith("all layers"))
    shown = [float(cell) for cell in whole.split()[3:]]
    assert shown == [
        pytest.approx(100 * part / sum(report["spent"].values()), abs=0.051)
        for part in report["spent"].values()
    ]


def test_explain_beside_images(checkpoint, data, tmp_path, capsys):
    alone = run_json([checkpoint, "--explain"], tmp_path)
    capsys.readouterr()
    report = run_json([checkpoint, "--data", data, "--explain"], tmp_path)
    assert report["spent"] == alone["spent"]
    assert [layer["spent"] for layer in report["layers"]] == [layer["spent"] for layer in alone["layers"]]
    assert report["images"] == len(report["predictions"]) > 0
    out = capsys.readouterr().out
    assert "predictions " in out
    assert "slot wait" in out


def test_what_needs_images(checkpoint, capsys):
    arguments = ["run", str(checkpoint)]
    assert refused(capsys, arguments) == "there are no images: add --data D, or --explain, which needs none"
    for options in (["--backend", "rtl"], ["--limit", "3"], ["--resize", "9"], ["--float", "zoo:digits"]):
        message = refused(capsys, [*arguments, "--explain", *options])
        named = "--backend rtl" if "rtl" in options else options[0]
        assert message == f"{named} needs images: add --data D"


def test_explain_says_what_does_not_run(checkpoint, capsys):
    message = refused(capsys, ["run", str(checkpoint), "--explain", "--preset", "focused"])
    assert message.startswith("layer conv1: weight ")


def test_mismatch_is_told_and_fails(checkpoint, data, tmp_path, capsys, monkeypatch):
    from shiftbook.sim import driver

    def wrong(*_: object, **__: object) -> None:
        raise driver.Mismatch("conv1", "image 0, y 1, x 2, channel 3: RTL 7, golden 8")

    monkeypatch.setattr(driver, "run_rtl", wrong)
    report = tmp_path / "run.json"
    arguments = ["run", str(checkpoint), "--data", str(data), "--backend", "rtl", "--json", str(report)]
    assert cli.main(arguments) == 1
    expected = "mismatch: layer conv1: image 0, y 1, x 2, channel 3: RTL 7, golden 8\n"
    assert capsys.readouterr().err == expected
    assert not report.exists()


def test_data_without_labels(checkpoint, images, tmp_path, capsys):
    np.savez(tmp_path / "x.npz", x=images)
    assert run_json([checkpoint, "--data", tmp_path / "x.npz"], tmp_path)["accuracy"] is None
    assert "no labels" in capsys.readouterr().out


def test_folder_that_lacks_a_class_is_labelled_by_name(checkpoint, network, images, tmp_path):
    for index, name in enumerate(("cat", "dog")):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.fromarray(images[index, :, :, 0]).save(tmp_path / "photos" / name / "0.png")
    predictions = executor.run(network, images[:2]).outputs.argmax(1)
    report = run_json([checkpoint, "--data", tmp_path / "photos"], tmp_path)
    assert report["accuracy"] == (predictions == [1, 2]).mean()


def test_empty_folder(checkpoint, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    message = refused(capsys, ["run", str(checkpoint), "--data", str(tmp_path / "empty")])
    assert "there are no images in" in message


def test_empty_array(checkpoint, tmp_path, capsys):
    np.savez(tmp_path / "x.npz", x=np.zeros((0, 8, 8, 1), np.uint8))
    assert "has no images" in refused(capsys, ["run", str(checkpoint), "--data", str(tmp_path / "x.npz")])


def test_images_of_another_shape(checkpoint, tmp_path, capsys):
    np.savez(tmp_path / "x.npz", x=np.zeros((2, 9, 8, 3), np.uint8))
    message = refused(capsys, ["run", str(checkpoint), "--data", str(tmp_path / "x.npz")])
    assert message == "the images are 9x8x3, but the network takes 8x8x1"


def test_labels_beyond_the_outputs(checkpoint, images, tmp_path, capsys):
    np.savez(tmp_path / "x.npz", x=images, y=np.full(len(images), 3))
    message = refused(capsys, ["run", str(checkpoint), "--data", str(tmp_path / "x.npz")])
    assert "labels must be in 0..2" in message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--limit", "0"], "must be at least 1, not 0"),
        (["--wave", "out.fst"], "--wave records signals of the RTL: add --backend rtl"),
        (["--backend", "fpga"], "Invalid value for '--backend'"),
        (["--preset", "fast"], "there is no preset 'fast'"),
        (["--lanes", "8by8"], "lanes must be ROWSxCOLUMNS"),
    ],
)
def test_options_that_make_no_sense(options, message, checkpoint, data, capsys):
    assert message in refused(capsys, ["run", str(checkpoint), "--data", str(data), *options])


def test_codebook_that_the_engine_cannot_represent(checkpoint, data, tmp_path, capsys):
    report = tmp_path / "x.json"
    options = ["--backend", "rtl", "--preset", "focused", "--json", str(report)]
    message = refused(capsys, ["run", str(checkpoint), "--data", str(data), *options])
    assert "conv1" in message
    assert not report.exists()


def test_an_empty_file_is_a_mistake_and_no_interruption(tmp_path, checkpoint, capfd):
    path = tmp_path / "x.npz"
    path.touch()
    assert cli.main(["run", str(checkpoint), "--data", str(path)]) == 2
    assert capfd.readouterr().err.startswith(f"error: {path} is not a readable .npz file")


def test_a_batch_is_told(checkpoint, data, network, images, tmp_path, capsys):
    """The same answers; cycles are those of the batch, and of an image its share."""
    alone = run_json([checkpoint, "--data", data], tmp_path)
    report = run_json([checkpoint, "--data", data, "--batch", 3], tmp_path)
    assert report["predictions"] == alone["predictions"]
    found = report["batch"]
    assert (found["images"], found["alone_cycles"]) == (3, alone["cycles"])
    assert found["cycles_per_image"] == report["cycles"] / 3 < alone["cycles"] < report["cycles"]
    assert found["images_per_megacycle"] == 3e6 / report["cycles"]
    shown = capsys.readouterr().out
    assert f"a batch of 3: all images are done after {report['cycles']:,} cycles" in shown
    assert "cycles/batch" in shown
    assert run_json([checkpoint, "--data", data, "--batch", 1], tmp_path)["cycles"] == alone["cycles"]
    assert "batch" not in run_json([checkpoint, "--data", data, "--batch", 1], tmp_path)


def test_a_batch_on_the_rtl(checkpoint, data, images, tmp_path):
    options = ["--data", data, "--lanes", "4x4", "--batch", 3]
    report = run_json([checkpoint, *options, "--backend", "rtl"], tmp_path)
    modelled = run_json([checkpoint, *options], tmp_path)
    assert (report["images"], report["mismatches"]) == (len(images), 0)
    assert report["predictions"] == modelled["predictions"]
    assert sum(layer["modelled_cycles"] for layer in report["layers"]) == modelled["cycles"]


def test_a_batch_without_images_is_explained(checkpoint, tmp_path, capsys):
    report = run_json([checkpoint, "--explain", "--batch", 4], tmp_path)
    assert report["batch"]["images"] == 4
    assert sum(report["spent"].values()) == report["cycles"] * 64 * 4
    assert "lane-slot-cycles a batch of 4" in capsys.readouterr().out


def test_batches_that_cannot_be(checkpoint, data, capsys):
    run = ["run", str(checkpoint), "--data", str(data)]
    assert refused(capsys, [*run, "--batch", "0"]) == "--batch must be at least 1, not 0"
    rtl = [*run, "--backend", "rtl"]
    assert refused(capsys, [*rtl, "--batch", "7"]) == "a batch takes 7 images and the data has 6"
    filled = "a batch takes 4 images and 6 do not fill batches: set the limit to 4"
    assert refused(capsys, [*rtl, "--batch", "4"]) == filled


def test_a_batch_that_changes_nothing_says_so():
    report = {"cycles": 2000, "batch": {"images": 2, "cycles_per_image": 1000.0, "alone_cycles": 1001}}
    report["batch"]["images_per_megacycle"] = 1000.0
    assert in_batches.batch_line(report).endswith(
        "a batch changes nothing here: one image alone takes 1,001 cycles by the model"
    )
    report["batch"]["alone_cycles"] = 900
    assert in_batches.batch_line(report).endswith("in the batch 11.1 % more")
    report["cycles"] = None
    assert in_batches.batch_line(report) == "no cycles: the engine does not run the network in batches"
