import json
import os
from pathlib import Path

import pytest

from golden.errors import ShiftbookError
from shiftbook.files import check_writable, write_json, write_text

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


def test_file_is_whole_and_alone(tmp_path):
    path = tmp_path / "report.json"
    write_json(path, {"accuracy": 0.5})
    assert json.loads(path.read_text()) == {"accuracy": 0.5}
    assert list(tmp_path.iterdir()) == [path]


def test_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path, monkeypatch):
    path = tmp_path / "report.json"
    write_text(path, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ShiftbookError, match=r"cannot write .*report\.json: No space left on device"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_is_not_there(tmp_path):
    with pytest.raises(ShiftbookError, match="there is no folder"):
        check_writable(tmp_path / "missing" / "x.json")


def test_folder_instead_of_a_file(tmp_path):
    with pytest.raises(ShiftbookError, match="it is a folder"):
        check_writable(tmp_path)


@pytest.mark.skipif(IS_ROOT, reason="root may write anywhere")
def test_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(ShiftbookError, match="permission denied"):
        check_writable(tmp_path / "x.json")


def test_nothing_asked_for():
    check_writable(None)
    write_json(None, {})
