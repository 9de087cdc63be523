"""Progress on a terminal."""

import io

import pytest
import rich.progress

from shiftbook.console import progress_bar, table


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
