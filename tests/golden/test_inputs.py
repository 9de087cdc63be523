"""What is read is looked at first."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.inputs import check_file, read_json, unreadable


def test_regular_files_and_links_to_them(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("{}")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert unreadable(tmp_path / "a") is None
    assert unreadable(tmp_path / "b") is None
    check_file(str(tmp_path / "b"), "name a file")


def test_everything_else_has_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.symlink("loop", "loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    Path("file").touch()
    assert unreadable("none") == "No such file or directory"
    assert unreadable(".") == "Is a directory"
    assert unreadable("file/below") == "Not a directory"
    assert unreadable("pipe") == "it is a FIFO, not a regular file"
    assert unreadable("socket") == "it is a socket, not a regular file"
    assert unreadable("/dev/null") == "it is a device, not a regular file"
    assert unreadable("loop") == "Too many levels of symbolic links"
    assert unreadable("x" * 5000) == "File name too long"
    assert unreadable("a\0b") == "embedded null byte"
    with pytest.raises(
        ShiftbookError, match=r"^cannot read pipe: it is a FIFO, not a regular file; name it$"
    ):
        check_file("pipe", "name it")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe", "'utf-8' codec can't decode byte 0xff"),
        (b"[NaN]", "NaN is no JSON number"),
        (b"[-Infinity]", "-Infinity is no JSON number"),
        (b"[" * 100_000, "its values are nested too deep"),
        (b"9" * 5000, "an integer has 5000 digits, more than 20"),
        (b"[1e400]", "1e400 is beyond the range of 64-bit floats"),
    ],
)
def test_files_that_are_no_json(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    with pytest.raises(ShiftbookError) as caught:
        read_json(path, "write it again")
    assert str(caught.value).startswith(f"{path} is no JSON: {reason}")
    assert str(caught.value).endswith("; write it again")


def test_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"a": [1, 2.5, null, "é"]}', encoding="utf-8")
    assert read_json(tmp_path / "x.json", "") == {"a": [1, 2.5, None, "é"]}


def test_a_large_file_is_refused_by_its_size(tmp_path: Path) -> None:
    (tmp_path / "x.json").touch()
    os.truncate(tmp_path / "x.json", 1 << 40)  # takes no space
    with pytest.raises(ShiftbookError, match=r"has too many bytes for JSON: 1,099,511,627,776, more than"):
        read_json(tmp_path / "x.json", "")
