"""Outputs: whole or not at all, and what is there stays what it is."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shiftbook.golden.errors import ShiftbookError
from shiftbook.golden.files import (
    check_folder_writable,
    check_writable,
    filled_output,
    make_folder,
    open_output,
    write_files,
    write_json,
    write_text,
)

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture
def usual_umask():
    before = os.umask(0o027)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def refused(path: Path) -> str:
    """The line with which both the check and the write refuse a path."""
    with pytest.raises(ShiftbookError) as check:
        check_writable(path)
    with pytest.raises(ShiftbookError) as write:
        write_text(path, "new")
    for error in (check, write):
        assert str(error.value).startswith(f"cannot write {path}: ")
        assert "\n" not in str(error.value)
    return str(check.value)


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


def test_an_error_in_the_middle_keeps_the_old_file(tmp_path):
    path = tmp_path / "state"
    write_text(path, "old")

    def interrupted() -> None:
        with open_output(path) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_another_program_writes(tmp_path):
    path = tmp_path / ("x" * 255)

    def write(text: str, wrong: bool) -> None:
        with filled_output(path) as made:
            made.write_text(text)
            made.with_name("scratch").touch()
            assert not wrong, text

    for old in ("new", "newer"):
        with pytest.raises(AssertionError, match="half"):
            write("half", wrong=True)
        assert not path.exists() or path.read_text() == "new"
        write(old, wrong=False)
        assert (path.read_text(), list(tmp_path.iterdir())) == (old, [path])
    with pytest.raises(ShiftbookError, match=r"^cannot write .*: No such file"), filled_output(path):
        pass  # it has written nothing
    assert (path.read_text(), list(tmp_path.iterdir())) == ("newer", [path])


# Links


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_its_target_is_written(tmp_path, there):
    (tmp_path / "far").mkdir()
    target, middle, link = tmp_path / "far" / "target", tmp_path / "middle", tmp_path / "link"
    if there:
        target.write_text("old")
    middle.symlink_to("far/target")
    link.symlink_to(middle)
    check_writable(link)
    write_text(link, "new")
    assert link.is_symlink()
    assert middle.is_symlink()
    assert not target.is_symlink()
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_links_that_lead_nowhere(tmp_path):
    dangling, loop, to_folder = (tmp_path / name for name in ("dangling", "loop", "to_folder"))
    dangling.symlink_to("missing/file")
    loop.symlink_to("loop")
    to_folder.symlink_to(".")
    assert f"there is no folder {tmp_path / 'missing'}; make it first" in refused(dangling)
    assert "Too many levels of symbolic links" in refused(loop)
    assert "it is a folder; name a file" in refused(to_folder)
    assert "it is a folder; name a file" in refused(Path("/dev/fd/.."))
    assert all(link.is_symlink() for link in (dangling, loop, to_folder))


# Modes and owners


@pytest.mark.usefixtures("usual_umask")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_a_file_keeps_its_mode(tmp_path, mode):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(mode)
    write_text(path, "new")
    assert (path.read_text(), mode_of(path)) == ("new", mode)


@pytest.mark.usefixtures("usual_umask")
def test_the_umask_decides_about_a_new_file(tmp_path):
    write_text(tmp_path / "new", "")
    assert mode_of(tmp_path / "new") == 0o640


@pytest.mark.usefixtures("usual_umask")
def test_nobody_else_reads_a_private_file_while_it_is_written(tmp_path):
    path = tmp_path / "secret"
    path.touch(0o600)
    with open_output(path):
        assert [mode_of(file) for file in tmp_path.iterdir()] == [0o600, 0o600]


@pytest.mark.skipif(not IS_ROOT, reason="only root gives files away")
def test_root_leaves_a_file_to_its_owner(tmp_path):
    path = tmp_path / "theirs"
    path.touch(0o600)
    os.chown(path, 12345, 12346)
    write_text(path, "new")
    assert (path.stat().st_uid, path.stat().st_gid, mode_of(path)) == (12345, 12346, 0o600)


# What is no regular file


def test_a_fifo_gets_the_bytes_and_stays(tmp_path):
    path, got = tmp_path / "fifo", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reader.start()
    check_writable(path)
    write_text(path, "new")
    reader.join(10)
    assert got == [b"new"]
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_a_device_stays(tmp_path):
    path = tmp_path / "null"
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        path.open("wb").close()
    except PermissionError:
        pytest.skip("no devices may be made here")
    check_writable(path)
    write_text(path, "new")
    assert stat.S_ISCHR(path.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_device(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("/dev/full")
    check_writable(link)
    with pytest.raises(ShiftbookError, match=r"^cannot write .*/link: No space left on device; "):
        write_text(link, "new")
    assert link.is_symlink()
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


WRITE_BETWEEN = """
import sys
from pathlib import Path
from shiftbook.golden.files import check_writable, write_text
path = Path(sys.argv[1])
check_writable(path)
print("before", flush=True)
write_text(path, "json\\n")
print("after", flush=True)
"""


@pytest.mark.parametrize("name", ["/dev/fd/1", "link"])
@pytest.mark.parametrize("to", ["pipe", "file"])
def test_what_else_goes_to_stdout_is_not_written_over(tmp_path, name, to):
    (tmp_path / "link").symlink_to("/dev/stdout")
    command = [sys.executable, "-c", WRITE_BETWEEN, str(tmp_path / name)]
    if to == "pipe":
        out = subprocess.run(command, stdout=subprocess.PIPE, timeout=60, check=True).stdout.decode()
    else:
        file = tmp_path / "out"
        with file.open("wb") as stream:
            subprocess.run(command, stdout=stream, timeout=60, check=True)
        out = file.read_text()
    assert out == "before\njson\nafter\n"


def test_a_descriptor_that_is_only_read(tmp_path):
    path = tmp_path / "in"
    path.touch()
    with path.open("rb") as file:
        with pytest.raises(ShiftbookError, match="permission denied; choose another place"):
            check_writable(Path(f"/dev/fd/{file.fileno()}"))
        with pytest.raises(ShiftbookError, match="Bad file descriptor"):
            write_text(Path(f"/dev/fd/{file.fileno()}"), "new")


# What cannot be written


def test_folder_that_is_not_there(tmp_path):
    assert "there is no folder" in refused(tmp_path / "missing" / "x.json")


def test_folder_instead_of_a_file(tmp_path):
    assert "it is a folder" in refused(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_file_instead_of_a_folder(tmp_path):
    (tmp_path / "file").touch()
    assert "Not a directory" in refused(tmp_path / "file" / "x.json")
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(ShiftbookError, match=r"^cannot make the folder .*/link: File exists; "):
        make_folder(tmp_path / "link")


def test_long_names(tmp_path):
    longest = tmp_path / ("x" * 255)
    check_writable(longest)
    write_text(longest, "new")
    assert list(tmp_path.iterdir()) == [longest]
    assert "File name too long" in refused(tmp_path / ("x" * 256))


@pytest.mark.skipif(IS_ROOT, reason="root may write anywhere")
def test_folder_without_permission(tmp_path):
    (tmp_path / "there.json").touch()
    tmp_path.chmod(0o500)
    for name in ("x.json", "there.json"):
        with pytest.raises(ShiftbookError, match="permission denied"):
            check_writable(tmp_path / name)


def test_two_outputs_in_one_file(tmp_path):
    (tmp_path / "link").symlink_to("x.json")
    with pytest.raises(ShiftbookError, match=r"x\.json and .*link: they are one file; name two"):
        check_writable(tmp_path / "x.json", None, tmp_path / "link")
    check_writable(Path("/dev/null"), Path("/dev/null"))


def test_nothing_asked_for():
    check_writable(None)
    write_json(None, {})


def test_files_that_belong_together_go_where_links_lead(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"old")
    (tmp_path / "board").mkdir()
    (tmp_path / "board" / "image").symlink_to(tmp_path / "elsewhere")
    check_folder_writable(tmp_path / "board", ("image", "bench/Makefile"))
    write_files(tmp_path / "board", {"image": b"new", "bench/Makefile": b"all:\n"})
    assert (tmp_path / "elsewhere").read_bytes() == b"new"
    assert (tmp_path / "board" / "image").is_symlink()
    assert (tmp_path / "board" / "bench" / "Makefile").read_bytes() == b"all:\n"


# What is read


def test_an_input_is_no_output(tmp_path):
    path = tmp_path / "x"
    path.write_text("mine")
    (tmp_path / "link").symlink_to("x")
    (tmp_path / "hard").hardlink_to(path)
    for output in (path, tmp_path / "link", tmp_path / "hard"):
        with pytest.raises(ShiftbookError) as error:
            check_writable(None, output, inputs=(None, tmp_path / "missing", path))
        assert str(error.value) == f"cannot write {output}: it is read, too, as {path}; name another file"
    with path.open("ab") as file, pytest.raises(ShiftbookError, match="it is read, too, as "):
        check_writable(Path(f"/dev/fd/{file.fileno()}"), inputs=(path,))
    with pytest.raises(ShiftbookError, match="it is read, too, as "):
        check_folder_writable(tmp_path, ("y", "x"), inputs=(path,))
    check_writable(tmp_path / "new", Path("/dev/null"), inputs=(path, tmp_path, Path("/dev/null")))


@pytest.mark.parametrize("name", ["999", "99999999999999999999", "٣", "x"])
def test_a_descriptor_that_is_not_open(name):
    """Said before the work, in which some other file may get its number."""
    assert "Bad file descriptor" in refused(Path("/dev/fd") / name)
