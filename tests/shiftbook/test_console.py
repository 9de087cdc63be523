"""Progress on a terminal."""

import io

import pytest
import rich.progress
from rich.table import Table

from shiftbook import cli
from shiftbook.console import print_rich, progress_bar, say, table
from shiftbook.ending import interrupted


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_work_whose_name_changes_has_one_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    bars: list[rich.progress.Progress] = []

    class Kept(rich.progress.Progress):
        def __init__(self, *arguments: object, **options: object) -> None:
            super().__init__(*arguments, **options)
            bars.append(self)

    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setattr(rich.progress, "Progress", Kept)
    with progress_bar() as progress:
        for step in range(5):
            progress(f"epoch {step}, loss {1 / (step + 1):.3f}", step, 5)
        (task,) = bars[0].tasks
        assert (task.description, task.completed, task.total, task.visible) == (
            "epoch 4, loss 0.200",
            4,
            5,
            True,
        )
        progress("epoch 5", 5, 5)
        assert not task.visible
        progress("something else", 1, 2)
        assert (task.description, task.completed, task.total, task.visible) == ("something else", 1, 2, True)


def test_no_cell_of_a_table_reaches_the_terminal_as_it_is():
    assert table(("a",), [("x\x1b[2J\ny\ud800",)]).splitlines()[-1] == r"x\x1b[2J y\ud800"


def test_nothing_else_does(capsys):
    say("a  b\x1b[2J\n\tc\udc80\r")
    say("x\x07", err=True)
    interrupted(KeyboardInterrupt("the same command goes on from \x1b[2J\n.ckpt"))
    out, err = capsys.readouterr()
    assert out == "a  b\\x1b[2J\n        c\\udc80\\r\n"
    assert err == "x\\x07\ninterrupted: the same command goes on from \\x1b[2J .ckpt\n"


def test_rich_tables_take_names_as_they_are(capsys):
    """Neither escapes nor markup; of which a closing tag alone would be an error."""
    rich_table = Table(title="[/red] and \x1b[2J", title_justify="left")
    rich_table.add_column("[bold]\x9b2J")
    rich_table.add_row("[/]\x07 :smile:")
    print_rich(rich_table)
    out = capsys.readouterr().out
    assert all(text in out for text in (r"[/red] and \x1b[2J", r"[bold]\x9b2J", "[/]", ":smile:"))
    assert not {"\x1b", "\x9b", "\x07"} & set(out)


ODD = "a\x1b[2J\nb\udcff"


def test_names_of_files_are_printed_escaped(checkpoint, data, everything, tmp_path, capsys):
    path, folder = tmp_path / f"{ODD}.ckpt", tmp_path / ODD
    checkpoint.rename(path)
    commands = [
        ["verilog", "-o", str(tmp_path / f"{ODD}.v"), "--lanes", "2x2"],
        ["build", str(path), "-o", str(folder), "--lanes", "4x4"],
        ["report", str(everything), "-o", str(tmp_path / f"{ODD}.html"), "--plots", str(folder)],
    ]
    for words in commands:
        assert cli.main(words) == 0
        lines = capsys.readouterr().out.splitlines()
        assert any(r"a\x1b[2J b\udcff" in line for line in lines)
        assert all(line.isprintable() for line in lines)
