"""Programs of torch.export: their networks go in, and nothing that a file says is run."""

from __future__ import annotations

import io
import json
import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch
from torch import nn

from shiftbook.frontend.float_network import FloatNetwork
from shiftbook.frontend.importing.exported_archive import _is_arithmetic, _is_nest
from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.importing.recording.read import read_model
from shiftbook.golden.errors import ShiftbookError, is_plain
from tests.frontend.models import lively
from tests.fuzz.bytes_of_files import damaged
from tests.fuzz.judging import loaded

SHAPE = (3, 8, 8)


class Net(nn.Module):
    """Modules within modules, dropout, and a view that asks for the batch."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(64, 5)

    def forward(self, x):
        x = self.body(x)
        return self.fc(self.drop(x.view(x.size(0), -1)))


@pytest.fixture(scope="module")
def net():
    return lively(Net()).eval()


@pytest.fixture(scope="module")
def folder(net, tmp_path_factory):
    """Files of the same network, exported in several ways."""
    place = tmp_path_factory.mktemp("programs")
    example, batch = torch.randn(2, *SHAPE), torch.export.Dim("batch")
    for name, made, image, shapes in (
        ("dynamic", net, example, ({0: batch},)),
        ("one", net, example[:1], None),
        ("training", Net().train(), example, ({0: batch},)),
    ):
        program = torch.export.export(made, (image,), dynamic_shapes=shapes)
        torch.export.save(program, place / f"{name}.pt2")
    return place


def told(path, message):
    """Reading says this in one short line."""
    with pytest.raises(ShiftbookError) as caught:
        read_model(load_model(str(path)).model, SHAPE)
    line = str(caught.value)
    assert message in line
    assert is_plain(line)
    assert len(line) < 1000


def test_a_program_for_any_batch_goes_in_with_its_names(net, folder):
    model = load_model(str(folder / "dynamic.pt2")).model
    graph = read_model(model, SHAPE)
    x = torch.randn(3, *SHAPE)
    assert torch.allclose(graph(x), net(x), atol=1e-6)
    assert [layer.name for layer in FloatNetwork.of(model, SHAPE).layers.layers] == [
        "body.0",
        "max_pool2d",
        "fc",
    ]


def test_a_program_for_one_image_says_how_to_export_it(folder):
    told(
        folder / "one.pt2",
        "takes batches of 1 alone: export it for any number, torch.export.export(model, (x,), ",
    )
    told(folder / "one.pt2", 'dynamic_shapes=({0: torch.export.Dim("batch")},)')


def test_a_program_in_training_mode_is_told(folder):
    told(
        folder / "training.pt2",
        "it must be in evaluation mode: call the model's eval() before it is exported",
    )


def test_images_of_another_shape_are_told(folder):
    with pytest.raises(ShiftbookError, match=r"takes images of shape \[3, 8, 8\], and they are \[3, 9, 8\]"):
        read_model(load_model(str(folder / "dynamic.pt2")).model, (3, 9, 8))


@pytest.mark.parametrize("data", [b"", b"text", b"PK\x03\x04" + bytes(100), bytes(1000)])
def test_other_files_are_told(data, tmp_path):
    path = tmp_path / "net.pt2"
    path.write_bytes(data)
    told(path, f"{path} holds no program of torch.export.save: ")


def test_a_zip_of_something_else_is_told(tmp_path):
    torch.save(Net().state_dict(), tmp_path / "net.pt2")
    told(tmp_path / "net.pt2", "holds no program of torch.export.save: ")


def test_a_state_dict_beside_it_is_refused(folder):
    with pytest.raises(ShiftbookError, match="holds its weights already: leave the weights file out"):
        load_model(str(folder / "dynamic.pt2"), folder / "w.pt")


class Evil:
    """Unpickling it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def rewritten(folder, tmp_path, change=lambda name, data: data, more=()):
    """The good program with other members."""
    path = tmp_path / "net.pt2"
    with zipfile.ZipFile(folder / "dynamic.pt2") as archive, zipfile.ZipFile(path, "w") as result:
        for member in archive.infolist():
            result.writestr(member.filename, change(member.filename, archive.read(member)))
        for name, data in more:
            result.writestr(name, data)
    return path


def test_the_good_program_survives_being_rewritten(folder, tmp_path):
    assert load_model(str(rewritten(folder, tmp_path))).model is not None


@pytest.mark.parametrize("where", ["sample_inputs", "weights/weight_0"])
def test_pickles_are_never_run(where, folder, tmp_path):
    mark = tmp_path / "pwned"
    stream = io.BytesIO()
    torch.save({"a": Evil(mark)}, stream)
    for bomb in (stream.getvalue(), pickle.dumps(Evil(mark))):
        path = rewritten(folder, tmp_path, lambda name, data, bomb=bomb: bomb if where in name else data)
        with pytest.raises(ShiftbookError):
            read_model(load_model(str(path)).model, SHAPE)
        assert not mark.exists()


def test_pickled_weights_and_constants_are_never_run(folder, tmp_path):
    """A file may claim that a constant is a pickled object."""
    mark = tmp_path / "pwned"

    def change(name, data):
        if not name.endswith("model_constants_config.json"):
            return data
        entry = {"path_name": "opaque_obj_0", "is_param": False, "use_pickle": True, "tensor_meta": None}
        return json.dumps({"config": {"c": entry}}).encode()

    for name in ("opaque_obj_0", "custom_obj_0", "tensor_0"):
        more = [(f"dynamic/data/constants/{name}", pickle.dumps(Evil(mark)))]

        def renamed(member, data, name=name):
            return change(member, data).replace(b"opaque_obj_0", name.encode())

        path = rewritten(folder, tmp_path, renamed, more)
        with pytest.raises(ShiftbookError):
            read_model(load_model(str(path)).model, SHAPE)
        assert not mark.exists()


def model_json(change):
    """A change of the program's JSON."""

    def changed(name, data):
        if not name.endswith("models/model.json"):
            return data
        found = json.loads(data)
        change(found)
        return json.dumps(found).encode()

    return changed


def graph(found):
    return found["graph_module"]["graph"]


def with_expression(text):
    def change(found):
        replaced = json.dumps(found).replace("Symbol('s", "\0")
        assert "\0" in replaced
        found.clear()
        found.update(json.loads(json.dumps(_replace(json.loads(replaced.replace("\0", "Symbol('s")), text))))

    return change


def _replace(found, text):
    if isinstance(found, dict):
        return {key: text if key == "expr_str" else _replace(value, text) for key, value in found.items()}
    return [_replace(value, text) for value in found] if isinstance(found, list) else found


CALL = "__import__('os').mkdir('pwned')"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_expression(CALL), "has a size that is no arithmetic: \"__import__('os').mkdir('pwned')\""),
        (with_expression("9**9**9**9"), "has a size that is no arithmetic"),
        (with_expression("[].append(1)"), "has a size that is no arithmetic"),
        (
            lambda m: graph(m)["nodes"][1].update(target="torch.hub.os.mkdir"),
            "has an operator that is none of ATen's: 'torch.hub.os.mkdir'",
        ),
        (
            lambda m: graph(m)["nodes"][1].update(target="torch.ops.aten.conv2d.default.__class__"),
            "none of ATen's",
        ),
        (
            lambda m: graph(m)["nodes"][1].update(
                target="torch.ops.aten.from_file.default",
                inputs=[{"name": "filename", "arg": {"as_string": "pwned"}, "kind": 1}],
            ),
            "has an operator that takes a word: 'torch.ops.aten.from_file.default'",
        ),
        (
            lambda m: graph(m)["nodes"][1].update(name="a\n  import os"),
            "has a text that is no name: 'a\\n import os'",
        ),
        (lambda m: graph(m)["inputs"][9]["as_tensor"].update(name=f"x={CALL}"), "has a text that is no name"),
        (
            lambda m: m["graph_module"]["module_call_graph"][0]["signature"].update(
                in_spec='[1, {"type": "os.system", "context": "null", "children_spec": []}]'
            ),
            "has a text that is no name: '[1, {",
        ),
    ],
)
def test_texts_that_could_run_are_refused(change, message, folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told(rewritten(folder, tmp_path, model_json(change)), message)
    assert not (tmp_path / "pwned").exists()


def test_guards_are_never_run(folder, tmp_path, monkeypatch):
    """They are Python, which torch makes a function of; the program is read without them."""
    monkeypatch.chdir(tmp_path)
    path = rewritten(folder, tmp_path, model_json(lambda m: m.update(guards_code=[CALL])))
    assert len(read_model(load_model(str(path)).model, SHAPE).nodes) > 3
    assert not (tmp_path / "pwned").exists()


def test_the_bombs_of_these_tests_are_live(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    eval(CALL)
    pickle.loads(pickle.dumps(Evil(tmp_path / "touched")))
    assert (tmp_path / "pwned").exists()
    assert (tmp_path / "touched").exists()


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([("dynamic/data/aotinductor/model/a.so", b"")], "holds compiled programs, which are never loaded"),
        ([("dynamic/models/model.json", b"{}")], "has two members of one name"),
        ([("dynamic/Models/model.json", b"{}")], "has two members of one name"),
    ],
)
def test_archives_with_more_are_refused(more, message, folder, tmp_path):
    told(rewritten(folder, tmp_path, more=more), message)


def test_an_archive_that_unpacks_to_much_is_refused(tmp_path):
    path = tmp_path / "net.pt2"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a", "w", force_zip64=True) as file,
    ):
        for _ in range(2049):
            file.write(bytes(1 << 20))
    told(path, "unpacks to 2,148,532,224 bytes, and at most 2,147,483,648 are read")


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("Symbol('s77', positive=True, integer=True)", True),
        ("Mul(Integer(2), Symbol('s0', integer=True))", True),
        ("FloorDiv(Add(Symbol('s0'), Integer(-1)), Integer(2))", True),
        ("2*s0 + 1", True),
        ("s0 >= 2", True),
        ("Max(1, s0 // 2)", True),
        ("2**s0", False),
        ("s0.args", False),
        ("lambda: 1", False),
        ("open('x')", False),
        ("Symbol('a b')", False),
        ("Symbol(open)('x')", False),
        ("(" * 5000 + "1" + ")" * 5000, False),
        ("x" * 10_000, False),
        ("1 +", False),
        ("a\0b", False),
    ],
)
def test_sizes_are_arithmetic(text, good):
    assert _is_arithmetic(text) == good


def test_nests_are_containers():
    assert _is_nest('[1, {"type": "builtins.dict", "context": "[\\"a\\"]", "children_spec": []}]')
    assert not _is_nest('[1, {"type": "builtins.dict", "context": "[\\"a(b)\\"]", "children_spec": []}]')
    assert not _is_nest('[1, {"type": "os.path", "context": null, "children_spec": []}]')


@pytest.mark.filterwarnings("ignore")
def test_damaged_programs_are_one_line_or_right(folder, net, tmp_path):
    data = (folder / "dynamic.pt2").read_bytes()
    rng, path = random.Random(0), tmp_path / "net.pt2"
    x = torch.randn(2, *SHAPE)
    refused = 0
    for _ in range(60):
        path.write_bytes(damaged(data, rng))
        read = loaded(lambda: read_model(load_model(str(path)).model, SHAPE))
        refused += read is None
        assert read is None or read(x).shape == net(x).shape
    assert refused > 20
