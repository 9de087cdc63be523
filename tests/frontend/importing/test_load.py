import re
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from shiftbook.frontend.importing.load import load_model
from shiftbook.frontend.zoo.digits import Digits
from shiftbook.golden.errors import ShiftbookError

MODEL = """
from torch import nn

def small():
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))

def fails():
    raise RuntimeError("no\\nluck")

number = 3

def not_a_model():
    return 3
"""


@pytest.fixture
def model_file(tmp_path):
    (tmp_path / "model.py").write_text(MODEL)
    return tmp_path / "model.py"


def state():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).state_dict()


@pytest.mark.parametrize("kind", ["safetensors", "plain", "wrapped", "parallel", "without counters"])
def test_weights_from_every_kind_of_file(model_file, tmp_path, kind):
    wanted, path = state(), tmp_path / ("w.safetensors" if kind == "safetensors" else "w.pt")
    if kind == "safetensors":
        save_file(wanted, path)
    elif kind == "plain":
        torch.save(wanted, path)
    elif kind == "wrapped":
        torch.save({"epoch": 3, "state_dict": wanted}, path)
    elif kind == "parallel":
        torch.save({f"module.{key}": value for key, value in wanted.items()}, path)
    else:
        torch.save({key: value for key, value in wanted.items() if "num_batches" not in key}, path)
    found = load_model(f"{model_file}:small", path)
    assert not found.model.training
    for key, value in found.model.state_dict().items():
        assert torch.equal(value, wanted[key]), key


def test_a_factory_without_weights_keeps_its_own(model_file):
    assert isinstance(load_model(f"{model_file}:small").model, nn.Sequential)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "resnet20",
            "the model must be zoo:NAME, path/to/file.py:factory, or a .onnx or .pt2 file, not 'resnet20'",
        ),
        ("{}", "the model must be zoo:NAME, path/to/file.py:factory, or a .onnx or .pt2 file"),
        (
            "zoo:nothing",
            "the zoo has digits, resnet20, resnet18, resnet50, mobilenet_v2, vgg11, not 'nothing'",
        ),
        ("zoo:resnet20", "zoo:resnet20 needs its trained weights: give the file that holds them"),
        ("missing.py:f", "there is no file missing.py to take 'f' from"),
        ("{}:other", "has no 'other': name the function that returns the model"),
        ("{}:fails", "fails: RuntimeError: no"),
        ("{}:number", "fails: TypeError"),
        ("{}:not_a_model", "must return a torch.nn.Module, not int"),
    ],
)
def test_sources_that_give_no_model(model_file, source, message):
    with pytest.raises(ShiftbookError, match=re.escape(message)) as caught:
        load_model(source.format(model_file))
    assert "\n" not in str(caught.value)


class Evil:
    """Unpickling it would run code."""

    def __reduce__(self):
        return (print, ("pwned",))


def test_files_that_are_no_weights(model_file, tmp_path, capsys):
    source = f"{model_file}:small"
    with pytest.raises(ShiftbookError, match=r"there is no weights file .*missing\.pt"):
        load_model(source, tmp_path / "missing.pt")
    for name in ("bad.pt", "bad.safetensors"):
        (tmp_path / name).write_bytes(b"\x08\0\0\0\0\0\0\0garbage")
        with pytest.raises(ShiftbookError, match=r"is neither a \.safetensors file nor a state"):
            load_model(source, tmp_path / name)
    torch.save({"weights": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(ShiftbookError, match=r"evil\.pt is neither") as caught:
        load_model(source, tmp_path / "evil.pt")
    assert "\n" not in str(caught.value)
    assert "pwned" not in capsys.readouterr().out
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ShiftbookError, match="does not hold a state dict"):
        load_model(source, tmp_path / "list.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("0.bias"), "does not fit the model: it lacks 0.bias"),
        (lambda s: s.update(extra=torch.zeros(1)), "does not fit the model: it has unknown extra"),
        (
            lambda s: [s.pop(k) for k in list(s)] and s.update(a=torch.zeros(1)),
            "it lacks 0.weight, 0.bias, 1.weight and 3 more and has unknown a",
        ),
        (lambda s: s.update({"0.bias": torch.zeros(3)}), "0.bias is [3], not [2]"),
        (lambda s: s["0.weight"].fill_(torch.nan), "0.weight has 18 NaN or infinite values"),
        (lambda s: s["1.running_var"].copy_(torch.tensor([1, torch.inf])), "1.running_var has 1 NaN or inf"),
    ],
)
def test_weights_that_do_not_fit(model_file, tmp_path, change, message):
    wrong = state()
    change(wrong)
    torch.save(wrong, tmp_path / "w.pt")
    with pytest.raises(ShiftbookError, match=re.escape(message)) as caught:
        load_model(f"{model_file}:small", tmp_path / "w.pt")
    assert "\n" not in str(caught.value)


def test_zoo_model_with_weights_is_not_trained_again(tmp_path):
    torch.manual_seed(0)
    wanted = Digits().state_dict()
    save_file(wanted, tmp_path / "w.safetensors")
    found = load_model("zoo:digits", tmp_path / "w.safetensors")
    assert torch.equal(found.model.state_dict()["linear.weight"], wanted["linear.weight"])
    assert (found.data, found.mean, found.std) == ("digits", (0.0,), (1.0,))


EXITS = """
import sys
from torch import nn

def leaves():
    sys.exit(3)

def generator():
    raise GeneratorExit

class Wordless(Exception):
    def __str__(self):
        raise RuntimeError("no")

def wordless():
    raise Wordless

def wordless_exit():
    class Exit(SystemExit):
        def __str__(self):
            raise SystemExit
    raise Exit

class State(nn.Module):
    def state_dict(self, *args, **kwargs):
        sys.exit(3)

class Eval(nn.Conv2d):
    def eval(self):
        sys.exit(3)

def state():
    return State()

def evaluates():
    return Eval(1, 2, 3)

def path():
    sys.path.clear()
    return nn.Conv2d(1, 2, 3)

def lazy():
    return nn.LazyConv2d(2, 3)

def meta():
    return nn.Conv2d(1, 2, 3, device="meta")

def complex():
    return nn.Conv2d(1, 2, 3, dtype=__import__("torch").complex64)
"""


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("leaves", "fails: SystemExit: 3"),
        ("generator", "fails: GeneratorExit: GeneratorExit"),
        ("wordless", "fails: Wordless: Wordless"),
        ("wordless_exit", "fails: Exit: Exit"),
        ("state", "fails: SystemExit: 3"),
        ("evaluates", "fails: SystemExit: 3"),
        ("meta", "weight is without values, on the meta device: weights must be dense real numbers"),
        ("complex", "weight is complex64: weights must be dense real numbers"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning", "ignore:Complex modules:UserWarning")
def test_a_factory_that_does_anything_is_one_line(tmp_path, factory, message):
    (tmp_path / "net.py").write_text(EXITS)
    with pytest.raises(ShiftbookError) as caught:
        load_model(f"{tmp_path}/net.py:{factory}")
    assert str(caught.value).endswith(message)


def test_a_file_that_exits_is_one_line(tmp_path):
    (tmp_path / "net.py").write_text("raise SystemExit")
    with pytest.raises(ShiftbookError, match=r"net\.py:make fails: SystemExit: SystemExit$"):
        load_model(f"{tmp_path}/net.py:make")


def test_a_factory_may_change_the_path(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "net.py").write_text(EXITS)
    assert isinstance(load_model(f"{tmp_path}/net.py:path").model, nn.Conv2d)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.to(torch.complex64), "0.weight is complex64, not dense real numbers"),
        (lambda value: value.to(torch.bool), "0.weight is bool, not dense real numbers"),
        (lambda value: value.to("meta"), "0.weight is without values, on the meta device, not dense"),
        (lambda value: value.to_sparse(), "0.weight is float32 in layout sparse_coo, not dense real numbers"),
        (lambda value: value * 1e30, "0.weight has a value of "),
        (lambda value: value * torch.nan, "0.weight has 18 NaN or infinite values"),
        (lambda value: value.double() * 1e300, "0.weight has "),
        (lambda value: "text", "does not hold a state dict"),
    ],
)
def test_weights_must_be_dense_real_numbers(model_file, tmp_path, change, message):
    found = state()
    found["0.weight"] = change(found["0.weight"])
    torch.save(found, tmp_path / "w.pt")
    with pytest.raises(ShiftbookError, match=re.escape(message)):
        load_model(f"{model_file}:small", tmp_path / "w.pt")


@pytest.mark.parametrize("key", [0, None, (), b"0.weight"])
def test_names_of_weights_must_be_text(model_file, tmp_path, key):
    torch.save({**state(), key: torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(ShiftbookError, match=re.escape(f"its names must be text, not {key!r}")):
        load_model(f"{model_file}:small", tmp_path / "w.pt")


def test_half_weights_are_read(model_file, tmp_path):
    torch.save(
        {key: v.half() if v.is_floating_point() else v for key, v in state().items()}, tmp_path / "w.pt"
    )
    assert load_model(f"{model_file}:small", tmp_path / "w.pt").model[0].weight.dtype == torch.float32


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "it is empty"),
        (b"hello world, no weights", "it begins with b'hello wo', not as torch.save writes"),
        (b"import torch\n", "it begins with b'import t', not as torch.save writes"),
        (b'{"a": 1}', "not as torch.save writes"),
        (b"\x93NUMPY\x01\0", "not as torch.save writes"),
        (b"\x80\x02e", "it is damaged"),
        (b"\x80\x02.", "it is damaged"),
        (b"\x80\x02}q.", "it is damaged"),
        (b"\x80\x02}.", "it is damaged"),
        (b"PK\x03\x04" + bytes(100), "it is a damaged zip file"),
    ],
)
def test_files_of_other_kinds_are_told_what_they_are_not(model_file, tmp_path, data, reason):
    path = tmp_path / "w.pt"
    path.write_bytes(data)
    with pytest.raises(ShiftbookError) as caught:
        load_model(f"{model_file}:small", path)
    line = str(caught.value)
    assert line.startswith(f"{path} is neither a .safetensors file nor a state dict of tensors alone: ")
    assert reason in line


def test_a_safetensors_file_of_another_name_is_told(model_file, tmp_path):
    save_file(state(), tmp_path / "w.bin")
    with pytest.raises(ShiftbookError, match=r"the name of a \.safetensors file must end so$"):
        load_model(f"{model_file}:small", tmp_path / "w.bin")


def test_objects_are_named(model_file, tmp_path):
    torch.save({"weights": Evil()}, tmp_path / "w.pt")
    with pytest.raises(
        ShiftbookError, match=r"tensors alone: it holds pickled objects \(builtins\.print\), which"
    ):
        load_model(f"{model_file}:small", tmp_path / "w.pt")
