"""`shiftbook run` on the golden model and on the RTL, and data that it must refuse."""

import json

import numpy as np
import pytest
from PIL import Image

from golden import executor
from golden.validate import shapes
from shiftbook import cli
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
    assert all(0 < layer["utilization"] <= 1 and layer["terms"] > 0 for layer in report["layers"])
    assert f"accuracy {100 * report['accuracy']:.2f} %" in capsys.readouterr().out


def test_rtl_equals_golden(checkpoint, data, network, tmp_path, capsys):
    options = [checkpoint, "--data", data, "--lanes", "4x4", "--limit", "2"]
    golden = run_json(options, tmp_path)
    rtl = run_json([*options, "--backend", "rtl"], tmp_path)
    assert rtl["mismatches"] == 0
    assert rtl["compared"] == 2 * sum(np.prod(shape) for shape in shapes(network).values())
    for key in ("predictions", "accuracy"):
        assert rtl[key] == golden[key]
    for ours, theirs in zip(rtl["layers"], golden["layers"], strict=True):
        assert all(ours[key] == theirs[key] for key in ("name", "terms"))
        assert ours["modelled_cycles"] == theirs["cycles"]
        assert ours["issue"] <= ours["busy"] <= ours["cycles"]
    assert rtl["cycles"] == sum(layer["cycles"] for layer in rtl["layers"])
    assert "mismatches 0 in " in capsys.readouterr().out


def test_mismatch_is_told_and_fails(checkpoint, data, tmp_path, capsys, monkeypatch):
    from sim import driver

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
